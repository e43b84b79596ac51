//! Facts of the corpus models that follow from how they were written: the
//! KV-cache constructor call, the recurrent state, the metadata.

use crate::parts;
use std::fs;
use std::path::Path;

use artcheck_inspect::container;
use artcheck_inspect::module::metadata::Extent;
use artcheck_inspect::module::{ModelLibrary, SymbolGeneration, locate, metadata};
use artcheck_inspect::vm::calls::constant_uses;
use artcheck_inspect::vm::dataflow::Flow;
use artcheck_inspect::vm::disassemble::disassemble_instruction;
use artcheck_inspect::vm::entry::{self, Dim, Parameter};
use artcheck_inspect::vm::kv_cache::{self, KernelValue};
use artcheck_inspect::vm::value::Value;
use artcheck_inspect::vm::{ConstantValue, DataType, Executable, Instruction};

fn releases() -> impl Iterator<Item = &'static str> {
    crate::wheels::wheels()
        .into_iter()
        .map(|(number, _)| number)
}

fn read(release: &str, name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../corpus/artifacts")
        .join(format!("tvm-{release}/{name}"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn library(release: &str, name: &str) -> ModelLibrary {
    let bytes = read(release, name);
    let parsed = container::parse(&bytes).unwrap();
    locate::find(&parsed[0]).remove(0)
}

fn executable(library: &ModelLibrary) -> &Executable {
    let blob = library.blob.as_ref().unwrap();
    blob.executables().next().unwrap().1
}

/// The listing's line of an instruction of one of the functions.
fn line(executable: &Executable, instruction: u64) -> String {
    disassemble_instruction(executable, executable.instruction(instruction).unwrap())
}

#[test]
fn kv_cache_tags_are_followed_to_their_tuples() {
    for release in releases() {
        for name in ["dense", "hybrid"] {
            let library = library(release, &format!("{name}-cpu-x86_64.so"));
            let executable = executable(&library);
            let caches = kv_cache::kv_caches(executable);
            assert_eq!(caches.len(), 1, "{release} {name}");
            let cache = &caches[0];
            assert_eq!(cache.arguments, 28);
            assert!(
                line(executable, cache.instruction)
                    .starts_with("call  vm.builtin.paged_attention_kv_cache_create in: ")
            );

            let positions: Vec<usize> = cache.sites.iter().map(|site| site.argument).collect();
            assert_eq!(positions, (15..=22).collect::<Vec<_>>());
            for site in &cache.sites {
                let (values, why) = site.value.parts();
                assert_eq!((values.len(), why), (1, None), "{release} {name}");
                match &values[0] {
                    KernelValue::Tagged {
                        instruction,
                        constant,
                        tag,
                        length,
                    } => {
                        assert_eq!((tag.as_str(), *length), ("tirx", 2), "{release} {name}");
                        // TVM's own listing names the same constant there.
                        let text = line(executable, *instruction);
                        assert!(
                            text.starts_with(&format!(
                                "call  vm.builtin.make_tuple in: c[{constant}], f["
                            )),
                            "{text}"
                        );
                        let uses = constant_uses(executable, *constant);
                        assert!(
                            uses.iter()
                                .any(|(_, at, argument)| (at, *argument) == (instruction, 0))
                        );
                    }
                    KernelValue::Empty { instruction } => {
                        assert_eq!(site.argument, 22, "only MLA has no kernel");
                        assert_eq!(
                            line(executable, *instruction)
                                .split(" in: ")
                                .nth(1)
                                .unwrap()
                                .split(" dst")
                                .next()
                                .unwrap()
                                .trim(),
                            ""
                        );
                    }
                    other => panic!("{release} {name}: {other:?}"),
                }
            }
        }
    }
}

/// The frontend of 0.27 passes a sixth element, a plain 1024.
#[test]
fn config_length_is_read_from_make_shape() {
    for (release, elements) in [("0.25", 5), ("0.26", 5), ("0.27", 6)] {
        for name in ["dense", "hybrid"] {
            let library = library(release, &format!("{name}-cpu-x86_64.so"));
            let executable = executable(&library);
            let cache = &kv_cache::kv_caches(executable)[0];
            let (configs, why) = cache.config.parts();
            assert_eq!((configs.len(), why), (1, None));
            let config = &configs[0];
            assert_eq!(config.elements, elements, "{release} {name}");
            assert_eq!(i64::try_from(elements), Ok(config.declared));
            if elements == 6 {
                assert_eq!(config.values[5], Some(1024));
            }
            let text = line(executable, config.instruction.unwrap());
            assert!(text.contains(&format!(" in: %5, i{elements}, ")), "{text}");
        }
    }
}

#[test]
fn layers_match_the_models() {
    for release in releases() {
        let dense = library(release, "dense-cpu-x86_64.so");
        let cache = &kv_cache::kv_caches(executable(&dense))[0];
        assert_eq!(cache.layers, Some(2));
        assert_eq!(cache.attention_kinds.as_ref().unwrap().values, [0, 0]);

        // Three delta-rule layers, every fourth layer full attention.
        let hybrid = library(release, "hybrid-cpu-x86_64.so");
        assert_eq!(kv_cache::kv_caches(executable(&hybrid))[0].layers, Some(1));
    }
}

#[test]
fn metadata_is_what_the_function_returns() {
    for release in releases() {
        for (name, model_type, kind) in [
            ("dense", "qwen3", "kv_cache"),
            ("hybrid", "qwen3_5", "hybrid"),
        ] {
            let library = library(release, &format!("{name}-cpu-x86_64.so"));
            let found = metadata::read(executable(&library)).unwrap();
            let metadata = found.metadata;
            assert_eq!(metadata.model_type.as_deref(), Some(model_type));
            assert_eq!(metadata.kv_state_kind.as_deref(), Some(kind));
            assert_eq!(metadata.max_batch_size, Some(4));
            assert_eq!(metadata.context_window_size, Some(512));
            assert!(metadata.keys.contains("kv_cache") && metadata.keys.contains("memory_usage"));
            assert_eq!(metadata.unexpected, [""; 0]);
            assert!(metadata.other.is_empty(), "{:?}", metadata.other);
            let embedding = &metadata.params[0];
            assert_eq!(embedding.name, "model.embed_tokens.weight");
            assert_eq!(embedding.shape, [Extent::Fixed(264), Extent::Fixed(64)]);
        }
        let extcall = library(release, "extcall-cpu-x86_64.so");
        let found = metadata::read(executable(&extcall)).unwrap();
        assert!(!found.metadata.keys.contains("params"));
    }
}

#[test]
fn slots_are_those_of_the_release() {
    for (release, slots) in [
        (
            "0.25",
            &["__TVMBackendGetFuncFromEnv", "__TVMFFIFunctionCall"][..],
        ),
        ("0.26", &NEW_SLOTS),
        ("0.27", &NEW_SLOTS),
    ] {
        let library = library(release, "extcall-cpu-x86_64.so");
        assert_eq!(library.slots, slots, "{release}");
        assert_eq!(library.symbols, SymbolGeneration::FfiUnderscoreLibraryBin);
        assert_eq!(
            library.host_functions,
            ["add", "add_external_kernel", "add_one_kernel"]
        );
        assert_eq!(library.prefix, None);
    }
}

const NEW_SLOTS: [&str; 3] = [
    "__TVMFFIEnvModLookupFromImports",
    "__TVMFFIFunctionCall",
    "__TVMFFIHandleInitOnce",
];

/// The compilers that made the corpus optimise: each slot that they left is one that the code
/// calls through, on both processors whose code is looked through.
#[test]
fn slots_of_optimised_code_are_used() {
    let mut slots = 0;
    for release in releases() {
        for name in [
            "dense-cpu-x86_64.so",
            "extcall-cpu-x86_64.so",
            "embedding-cpu-aarch64.so",
        ] {
            let bytes = read(release, name);
            let parsed = container::parse(&bytes).unwrap();
            for library in locate::find(&parsed[0]) {
                assert!(library.idle_slots.is_empty(), "{release} {name}");
                slots += library.slots.len();
            }
        }
    }
    assert!(slots > 15, "{slots}");
}

/// Without its symbol the same blob is found, at the same place.
#[test]
fn magic_finds_what_the_symbol_names() {
    for release in releases() {
        for name in ["dense", "extcall"] {
            let bytes = read(release, &format!("{name}-cpu-x86_64.so"));
            let parsed = container::parse(&bytes).unwrap();
            let by_symbol = locate::find_by_symbol(&parsed[0]);
            let by_magic = locate::find_by_magic(&parsed[0]);
            assert_eq!(by_magic.len(), 1, "{release} {name}");
            assert_eq!(by_magic[0].file_offset, by_symbol[0].file_offset);
            assert_eq!(by_magic[0].blob, by_symbol[0].blob);
            assert_eq!(by_magic[0].symbols, SymbolGeneration::Unknown);
        }
    }
}

/// The runtime holds the magic too, as a constant of its reader.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_runtime_is_no_model_library() {
    for release in releases() {
        let path = parts::unpacked(&format!(
            "tvm-{release}-linux-x86_64/tvm/lib/libtvm_runtime.so"
        ));
        let bytes = fs::read(path).unwrap();
        let parsed = container::parse(&bytes).unwrap();
        assert!(locate::find(&parsed[0]).is_empty());
        assert!(locate::find_by_magic(&parsed[0]).is_empty());
    }
}

/// The example of docs/formats.md#worked-example returns an integer, a shape, a string
/// and a data type in one tuple; the corpus has the same function.
#[test]
fn mixed_constants_are_told_apart() {
    for release in releases() {
        let library = library(release, "extcall-cpu-x86_64.so");
        let executable = executable(&library);
        let functions = &executable.functions;
        let index = functions
            .iter()
            .position(|function| function.name == "pick");
        let flow = Flow::new(executable, index.unwrap());
        let end = functions[index.unwrap()].instructions.end;
        let Some(Instruction::Ret { result }) = executable.instruction(end - 1) else {
            panic!("pick does not end in a return");
        };
        let Value::Tuple { items, .. } = flow.register(end - 1, result) else {
            panic!("pick does not return a tuple");
        };
        let constants: Vec<&ConstantValue> = items
            .iter()
            .filter_map(|item| match item {
                Value::Constant(index) => Some(&executable.constants[*index].value),
                _ => None,
            })
            .collect();
        let half = DataType {
            code: 2,
            bits: 16,
            lanes: 1,
        };
        assert_eq!(items[0], Value::Immediate(7));
        assert_eq!(
            constants,
            [
                &ConstantValue::Shape(vec![4, 5]),
                &ConstantValue::String("tirx".into()),
                &ConstantValue::Dtype(half)
            ],
            "{release}"
        );
    }
}

#[test]
fn what_a_function_takes_is_read_off_its_checks() {
    for release in releases() {
        let library = library(release, "dense-cpu-x86_64.so");
        let program = executable(&library);
        let found = entry::entries(program);
        let of = |name: &str| {
            let found = found.iter().find(|entry| entry.name == name);
            &found
                .unwrap_or_else(|| panic!("{release}: {name}"))
                .parameters
        };
        let create = of("create_tir_paged_kv_cache");
        assert_eq!(create.len(), 5, "{release}");
        for parameter in create {
            assert!(
                matches!(parameter, Parameter::Shape(Some(dims)) if matches!(dims[..], [Dim::Slot(_)])),
                "{release}: {parameter:?}"
            );
        }
        let [tensor, cache, Parameter::Tuple(weights)] = &of("decode")[..] else {
            panic!("{release}: {:?}", of("decode"));
        };
        let one = |n| Dim::Exactly(n);
        let float = DataType {
            code: 2,
            bits: 32,
            lanes: 1,
        };
        assert_eq!(
            *tensor,
            Parameter::Tensor {
                dtype: Some(float),
                dims: Some(vec![one(1), one(1), one(64)]),
            },
            "{release}"
        );
        assert_eq!(*cache, Parameter::Unchecked, "{release}");
        assert_eq!(weights.len(), 18, "{release}");
    }
}
