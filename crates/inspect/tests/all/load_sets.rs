//! Load sets of real virtual environments: what nobody provides, what fits.

use crate::parts;
use std::fs;
use std::path::{Path, PathBuf};

use artcheck_inspect::container;
use artcheck_inspect::runtime::binary::Registered;
use artcheck_inspect::runtime::distribution::Distribution;
use artcheck_inspect::runtime::libraries::Resolution;
use artcheck_inspect::runtime::load_set::{LoadSet, MissingReason};
use artcheck_inspect::runtime::member::Member;
use artcheck_inspect::runtime::{PartKind, classify};
use artcheck_inspect::source::Place;

const STRINGIFY: &str = "_ZN3tvm3ffi4json9StringifyERKNS0_3AnyENS0_8OptionalIivEE";

/// Every runtime part in `folders`, and the packages installed in `root`.
fn read(name: &str, root: &Path, folders: &[&str]) -> LoadSet {
    let members = folders
        .iter()
        .flat_map(|folder| members(&root.join(folder)))
        .collect();
    LoadSet::assemble(name, members, distributions(root))
}

/// The runtime parts of one folder, by name.
fn members(folder: &Path) -> Vec<Member> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder is there")
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.to_string_lossy();
            name.ends_with(".so") || name.ends_with(".dylib") || name.ends_with(".dll")
        })
        .collect();
    files.sort();
    files.iter().filter_map(|file| member(file)).collect()
}

fn member(file: &Path) -> Option<Member> {
    let data = fs::read(file).expect("the library can be read");
    let parsed = container::parse(&data).expect("a library").remove(0);
    let path = file.to_string_lossy();
    let kind = classify(&parsed.binary, &path)?;
    Some(
        Member::read(
            &Place::file(file),
            kind,
            &data,
            &parsed,
            &[],
            Registered::Followed,
        )
        .expect("its exports can be read"),
    )
}

fn distributions(root: &Path) -> Vec<Distribution> {
    fs::read_dir(root)
        .expect("the folder is there")
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(".dist-info"))
        .filter_map(|entry| fs::read_to_string(entry.path().join("METADATA")).ok())
        .filter_map(|text| Distribution::parse(&text))
        .collect()
}

fn venv(name: &str) -> LoadSet {
    read(
        name,
        &parts::site_packages(name),
        &["tvm/lib", "tvm_ffi/lib"],
    )
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn matching_environments_are_complete() {
    for (release, ffi) in crate::wheels::wheels() {
        let name = &format!("tvm-{release}");
        let set = venv(name);
        let kinds: Vec<String> = set
            .members
            .iter()
            .map(|member| member.kind.to_string())
            .collect();
        assert_eq!(
            kinds,
            [
                "libtvm_compiler",
                "libtvm_runtime",
                "libtvm_runtime_cuda",
                "libtvm_runtime_extra",
                "libtvm_ffi"
            ],
            "{name}"
        );
        assert_eq!(set.missing(), [], "{name}");
        assert_eq!(set.duplicates(), [], "{name}");
        assert_eq!(set.bad_pairs(), [], "{name}");
        assert_eq!(set.unmet_requirements(), [], "{name}");
        assert_eq!(set.profile.release.as_deref(), Some(release), "{name}");
        assert_eq!(
            set.profile.ffi_version.value.as_deref(),
            Some(ffi),
            "{name}"
        );
        assert!(
            set.libraries()
                .iter()
                .all(|(_, _, found)| !matches!(found, Resolution::Absent { .. })),
            "{name}: {:?}",
            set.libraries()
        );
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_broken_environment_names_the_symbol_and_the_pair() {
    let set = venv("tvm-0.25-newest-ffi");
    let missing = set.missing();
    // The runtime and its extra part import the function in its old form.
    for (member, symbols) in &missing {
        let kind = &set.members[*member].kind;
        assert!(
            symbols.iter().any(|missing| missing.symbol == STRINGIFY),
            "{kind}: {symbols:?}"
        );
        for missing in symbols {
            assert!(missing.cxx);
            assert_eq!(missing.reason, MissingReason::NoProvider);
        }
    }
    let kinds: Vec<&PartKind> = missing
        .iter()
        .map(|(member, _)| &set.members[*member].kind)
        .collect();
    assert!(kinds.contains(&&PartKind::Runtime), "{kinds:?}");
    let pairs = set.bad_pairs();
    assert!(
        pairs
            .iter()
            .any(|pair| set.members[pair.member].kind == PartKind::Runtime
                && pair.pair.id == "stringify-optional-by-value"),
        "{pairs:?}"
    );
    // The package's own lower bound does not see it.
    assert_eq!(set.unmet_requirements(), []);
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn two_copies_of_the_registry_are_seen() {
    let root = parts::site_packages("tvm-0.27");
    let original = member(&root.join("tvm_ffi/lib/libtvm_ffi.so")).expect("libtvm_ffi");
    let copy = |path: &str| Member {
        path: Place::file(path),
        ..original.clone()
    };
    let set = LoadSet::assemble(
        "two",
        vec![copy("a/libtvm_ffi.so"), copy("b/libtvm_ffi.so")],
        Vec::new(),
    );
    let duplicates = set.duplicates();
    assert_eq!(duplicates.len(), 1, "{duplicates:?}");
    assert_eq!(duplicates[0].providers, [0, 1]);
    assert!(
        duplicates[0]
            .symbols
            .iter()
            .any(|name| name == "TVMFFIFunctionSetGlobal")
    );
    assert_eq!(
        set.profile.ffi_version.value.as_deref(),
        Some(">=0.1.14"),
        "without packages the exports speak"
    );
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_runtime_without_its_registry_blames_the_absent_library() {
    let root = parts::site_packages("tvm-0.26");
    let set = read("half", &root, &["tvm/lib"]);
    let (_, missing) = set
        .missing()
        .into_iter()
        .find(|(member, _)| set.members[*member].kind == PartKind::Runtime)
        .expect("the runtime needs the registry");
    assert!(
        missing
            .iter()
            .any(|missing| missing.symbol == "TVMFFIFunctionCall")
    );
    assert!(missing.iter().all(|missing| missing.reason
        == MissingReason::LibraryAbsent {
            library: "libtvm_ffi.so".into()
        }));
    assert!(set.providers_of("TVMDeviceAPIGet").is_empty());
    assert!(
        set.libraries()
            .iter()
            .any(|(_, name, found)| name == "libtvm_ffi.so"
                && matches!(found, Resolution::Absent { .. }))
    );
}

/// The pairs of docs/formats.md#c-interface-of-tvm-ffi, on every platform; the linker said
/// the same of each on Linux x86-64.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn pairs_of_every_platform_miss_what_the_linker_missed() {
    let pairs = [
        ("0.25", "0.1.12", true),
        ("0.25", "0.1.13.post2", false),
        ("0.25", "0.1.15.post2", false),
        ("0.26", "0.1.12", false),
        ("0.26", "0.1.13.post2", true),
        ("0.26", "0.1.15.post2", true),
        ("0.27", "0.1.12", false),
        ("0.27", "0.1.15.post2", true),
    ];
    for (platform, prefix, suffix) in [
        ("linux-x86_64", "lib", "so"),
        ("linux-aarch64", "lib", "so"),
        ("macos-arm64", "lib", "dylib"),
        ("windows-x64", "", "dll"),
    ] {
        for (release, ffi, fits) in pairs {
            let members = [
                format!("tvm-{release}-{platform}/tvm/lib/{prefix}tvm_runtime.{suffix}"),
                format!("tvm-{release}-{platform}/tvm/lib/{prefix}tvm_runtime_extra.{suffix}"),
                format!("tvm-ffi-{ffi}-{platform}/tvm_ffi/lib/{prefix}tvm_ffi.{suffix}"),
            ]
            .iter()
            .map(|path| member(&parts::unpacked(path)).expect("a runtime part"))
            .collect();
            let set = LoadSet::assemble("pair", members, Vec::new());
            let missing = set.missing();
            let what = format!("{release} with {ffi} on {platform}: {missing:?}");
            assert_eq!(missing.is_empty(), fits, "{what}");
            assert!(
                missing
                    .iter()
                    .flat_map(|(_, symbols)| symbols)
                    .all(|missing| missing.cxx),
                "{what}"
            );
            // Exports tell the side of 0.1.13 even without package metadata.
            assert_eq!(set.bad_pairs().is_empty(), fits, "{what}");
        }
    }
}
