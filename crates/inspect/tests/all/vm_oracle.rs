//! What TVM itself says of an executable, against what artcheck says: listing,
//! statistics, functions, module tree, device sources. The corpus keeps TVM's
//! word beside each artifact.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use artcheck_inspect::container::{self, Format, Region};
use artcheck_inspect::module::{
    Blob, DevicePayload, ModelLibrary, Payload, SymbolGeneration, locate,
};
use artcheck_inspect::source::{Event, Place, visit};
use artcheck_inspect::vm::disassemble::disassemble;
use artcheck_inspect::vm::stats::stats;
use artcheck_inspect::vm::{ConstantValue, Executable, FunctionKind};
use object::{Object, ObjectSymbol, SymbolKind};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

/// A library of the corpus and TVM's word on it.
struct Case {
    name: String,
    format: Format,
    library: ModelLibrary,
    /// The blob's bytes, out of the region they lie in.
    bytes: Vec<u8>,
    as_text: String,
    oracle: Json,
}

impl Case {
    fn blob(&self) -> &Blob {
        match &self.library.blob {
            Ok(blob) => blob,
            Err(error) => panic!("{}: {error}", self.name),
        }
    }

    fn executable(&self) -> &Executable {
        let mut executables = self.blob().executables();
        let (_, only) = executables.next().expect("an executable");
        assert!(executables.next().is_none(), "{}", self.name);
        only
    }
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{} is not readable: {error}", folder.display()));
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Every artifact with TVM's word beside it.
fn cases() -> Vec<Case> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/artifacts");
    let mut all = Vec::new();
    files_below(&corpus, &mut all);
    all.sort();
    let mut cases = Vec::new();
    for path in &all {
        let Some(artifact) = path.to_str().unwrap().strip_suffix(".oracle.json") else {
            continue;
        };
        let name = Path::new(artifact).strip_prefix(&corpus).unwrap();
        let oracle: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        // Artifacts with equal text share one file.
        let as_text = corpus.join(oracle["as_text"].as_str().unwrap());
        let (format, library, bytes) = only_library(Path::new(artifact));
        cases.push(Case {
            name: name.display().to_string(),
            format,
            library,
            bytes,
            as_text: fs::read_to_string(as_text).unwrap(),
            oracle,
        });
    }
    assert!(!cases.is_empty(), "the corpus has no oracles");
    cases
}

fn only_library(artifact: &Path) -> (Format, ModelLibrary, Vec<u8>) {
    let mut found = Vec::new();
    visit(&Place::file(artifact), &mut |event| {
        let Event::File(file) = event else {
            panic!("{event:?}");
        };
        if !file.file_type.is_binary() {
            return;
        }
        for parsed in container::parse(file.bytes).unwrap() {
            for library in locate::find(&parsed) {
                let bytes = blob_bytes(&parsed.regions, &library);
                found.push((parsed.binary.format, library, bytes));
            }
        }
    });
    assert_eq!(found.len(), 1, "{}", artifact.display());
    found.remove(0)
}

fn blob_bytes(regions: &[Region<'_>], library: &ModelLibrary) -> Vec<u8> {
    let region = regions
        .iter()
        .find(|region| {
            region.name == library.region
                && region.file_offset(library.region_offset) == Some(library.file_offset)
        })
        .expect("the region the library names");
    let start = usize::try_from(library.region_offset).unwrap();
    let length = library.blob.as_ref().map_or(0, |blob| blob.length);
    region.data[start..start + usize::try_from(length).unwrap()].to_vec()
}

#[test]
fn listings_are_tvms() {
    for case in cases() {
        let listing = disassemble(case.executable()).unwrap();
        assert!(
            listing == case.as_text,
            "{}: the listing differs from TVM's at byte {:?}",
            case.name,
            listing
                .bytes()
                .zip(case.as_text.bytes())
                .position(|(ours, theirs)| ours != theirs)
        );
    }
}

/// TVM throws at the first float constant; without one the texts are equal.
#[test]
fn statistics_are_tvms() {
    let mut equal = 0;
    for case in cases() {
        let executable = case.executable();
        let floats = executable
            .constants
            .iter()
            .any(|constant| matches!(constant.value, ConstantValue::Float(_)));
        match case.oracle["stats"].as_str() {
            Some(expected) => {
                assert_eq!(stats(executable), expected, "{}", case.name);
                equal += 1;
            }
            None => assert!(floats, "{}: TVM failed without a float", case.name),
        }
    }
    assert!(equal > 0);
}

#[test]
fn functions_are_tvms() {
    for case in cases() {
        let functions = case.oracle["functions"].as_array().unwrap().iter();
        let expected: Vec<(&str, Vec<&str>)> = functions
            .map(|function| {
                let parameters = function["parameters"].as_array().unwrap().iter();
                (
                    function["name"].as_str().unwrap(),
                    parameters.map(|name| name.as_str().unwrap()).collect(),
                )
            })
            .collect();
        let found: Vec<(&str, Vec<&str>)> = case
            .executable()
            .functions
            .iter()
            .filter(|function| function.kind == FunctionKind::Vm)
            .map(|function| {
                let parameters = function.parameters.iter().map(String::as_str);
                (function.name.as_str(), parameters.collect())
            })
            .collect();
        assert_eq!(found, expected, "{}", case.name);
    }
}

/// `(kind, children)` as nested lists. What TVM calls `llvm` before the export
/// is the library itself after it.
fn tvm_tree(node: &Json) -> String {
    let kind = match node["kind"].as_str().unwrap() {
        "llvm" | "c" => "_lib",
        other => other,
    };
    let imports = node["imports"].as_array().unwrap();
    let imports: Vec<String> = imports.iter().map(tvm_tree).collect();
    format!("{kind}[{}]", imports.join(","))
}

fn our_tree(blob: &Blob, module: usize) -> String {
    let module = &blob.modules[module];
    let children: Vec<String> = module
        .children
        .iter()
        .map(|child| our_tree(blob, *child))
        .collect();
    format!("{}[{}]", module.kind, children.join(","))
}

#[test]
fn module_trees_are_tvms() {
    for case in cases() {
        let blob = case.blob();
        assert_eq!(
            our_tree(blob, blob.root),
            tvm_tree(&case.oracle["tree"]),
            "{}",
            case.name
        );
        for module in &blob.modules {
            assert!(
                !matches!(
                    module.payload,
                    Payload::Unknown | Payload::Undecodable { .. }
                ),
                "{}: {module:?}",
                case.name
            );
        }
    }
}

/// TVM shows a source for each device module; kinds of several sources are
/// shown with each name in front. CUDA keeps a cubin, not the source shown: its
/// kernels are looked up in the cubin's own symbol table.
#[test]
fn device_code_is_tvms() {
    let mut kinds = BTreeSet::new();
    for case in cases() {
        for module in &case.blob().modules {
            let Payload::Device(device) = &module.payload else {
                continue;
            };
            kinds.insert(module.kind.clone());
            let mut shown = Vec::new();
            for code in &device.code {
                let start = usize::try_from(code.offset).unwrap();
                let text = &case.bytes[start..start + usize::try_from(code.length).unwrap()];
                if device.code_format == "cubin" {
                    assert_kernels_in_cubin(&case, device, text);
                    continue;
                }
                if !code.name.is_empty() {
                    shown.extend(format!("// Function: {}\n", code.name).bytes());
                }
                shown.extend(text);
                if !code.name.is_empty() {
                    shown.push(b'\n');
                }
            }
            if device.code_format != "cubin" {
                let digest = Sha256::digest(&shown);
                let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                assert!(
                    case.oracle["tree"].to_string().contains(&hex),
                    "{}",
                    case.name
                );
            }
        }
    }
    for kind in ["metal", "cuda", "opencl", "webgpu"] {
        assert!(kinds.contains(kind), "no {kind} module in the corpus");
    }
}

fn assert_kernels_in_cubin(case: &Case, device: &DevicePayload, cubin: &[u8]) {
    let file = object::File::parse(cubin).unwrap();
    let functions: BTreeSet<&str> = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_global())
        .map(|symbol| symbol.name().unwrap())
        .collect();
    let kernels: BTreeSet<&str> = device
        .kernels
        .iter()
        .map(|kernel| &kernel.key[..])
        .collect();
    assert_eq!(functions, kernels, "{}", case.name);
}

/// wasm has no symbols; the names it registers must give the same facts as the
/// symbols of the library built from the same model for another target.
#[test]
fn registered_names_stand_in_for_symbols() {
    let cases = cases();
    for case in cases.iter().filter(|case| case.format == Format::Wasm) {
        let native = case
            .name
            .replace("-webgpu.wasm", "-metal-macos-arm64.dylib");
        let native = cases.iter().find(|other| other.name == native).unwrap();
        let library = &case.library;
        assert_eq!(library.prefix.as_deref(), Some("artcheck_embedding_"));
        assert_eq!(library.symbols, SymbolGeneration::FfiUnderscoreLibraryBin);
        let mut expected = native.library.host_functions.clone();
        expected.retain(|name| name != "main");
        assert_eq!(library.host_functions, expected, "{}", case.name);
    }
}
