//! The built-in release table and the static reader against the real libraries
//! of the wheels: what is read from them on every platform must
//! equal the table in every field both know.

use std::collections::BTreeSet;
use std::fs;

use artcheck_inspect::container::{self, Parsed};
use artcheck_inspect::runtime::binary::Registered;
use artcheck_inspect::runtime::{Confidence, Fact, RuntimeProfile, binary, release};
use artcheck_inspect::runtime::{PartKind, classify};

/// Platform, library file name pattern, optional device part.
const PLATFORMS: [(&str, &str, &str, &str); 4] = [
    ("linux-x86_64", "lib", ".so", "cuda"),
    ("linux-aarch64", "lib", ".so", "cuda"),
    ("macos-arm64", "lib", ".dylib", "metal"),
    ("windows-x64", "", ".dll", "cuda"),
];

/// Reads one real part.
fn read(relative: &str) -> (PartKind, RuntimeProfile) {
    let path = crate::parts::unpacked(relative);
    let bytes = fs::read(&path).expect("the part can be read");
    let mut slices = container::parse(&bytes).expect("the part is a library");
    assert_eq!(slices.len(), 1, "{relative} is thin");
    let parsed: Parsed<'_> = slices.remove(0);
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let kind = classify(&parsed.binary, &file).unwrap_or_else(|| panic!("{relative}: what part?"));
    let profile = binary::read(&file, &kind, &parsed, &[], Registered::Followed);
    (kind, profile)
}

/// The load set of a release on a platform, merged.
fn load_set(release: &str, ffi: &str, platform: &(&str, &str, &str, &str)) -> RuntimeProfile {
    let (name, prefix, suffix, device) = platform;
    let runtime =
        |part: &str| format!("tvm-{release}-{name}/tvm/lib/{prefix}tvm_runtime{part}{suffix}");
    let parts = [
        read(&format!(
            "tvm-ffi-{ffi}-{name}/tvm_ffi/lib/{prefix}tvm_ffi{suffix}"
        )),
        read(&runtime("")),
        read(&runtime("_extra")),
        read(&runtime(&format!("_{device}"))),
    ];
    let kinds: Vec<&PartKind> = parts.iter().map(|(kind, _)| kind).collect();
    let device = PartKind::RuntimeDevice((*device).to_owned());
    assert_eq!(
        kinds,
        [
            &PartKind::Ffi,
            &PartKind::Runtime,
            &PartKind::RuntimeExtra,
            &device
        ]
    );
    let parts: Vec<(PartKind, &RuntimeProfile)> = parts
        .iter()
        .map(|(kind, profile)| (kind.clone(), profile))
        .collect();
    binary::merge(&format!("{release} {name}"), &parts)
}

fn known<'a, T>(fact: &'a Fact<T>, what: &str) -> &'a T {
    fact.value
        .as_ref()
        .unwrap_or_else(|| panic!("{what} is not known"))
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn linux_x86_64_libraries_equal_the_table() {
    equal_the_table(&PLATFORMS[0]);
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn linux_aarch64_libraries_equal_the_table() {
    equal_the_table(&PLATFORMS[1]);
}

#[test]
fn macos_arm64_libraries_equal_the_table() {
    equal_the_table(&PLATFORMS[2]);
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn windows_x64_libraries_equal_the_table() {
    equal_the_table(&PLATFORMS[3]);
}

fn equal_the_table(platform: &(&str, &str, &str, &str)) {
    for (release, ffi) in crate::wheels::wheels() {
        let table = release::by_name(release).expect("in the table");
        let what = format!("{release} on {}", platform.0);
        let read = load_set(release, ffi, platform);
        assert_eq!(
            read.release.as_deref(),
            Some(release),
            "{what}: {:?}",
            read.note
        );

        // Tags: read with full confidence, at all five sites.
        assert_eq!(
            read.attention_tags.value, table.attention_tags.value,
            "{what}"
        );
        assert_eq!(
            read.attention_tags.source,
            Some(Confidence::Binary),
            "{what}: {:?}",
            read.attention_tags.note
        );
        assert_eq!(
            read.context_slots.value, table.context_slots.value,
            "{what}"
        );
        assert_eq!(read.vm_magics.value, table.vm_magics.value, "{what}");
        assert_eq!(read.vm_magics.source, Some(Confidence::Binary), "{what}");
        assert_eq!(
            read.constant_table.value, table.constant_table.value,
            "{what}"
        );
        assert_eq!(
            read.constant_table.source,
            Some(Confidence::Binary),
            "{what}"
        );
        assert_eq!(
            read.cache_config_lengths.value, table.cache_config_lengths.value,
            "{what}"
        );
        assert_eq!(
            read.cache_config_lengths.source,
            Some(Confidence::Binary),
            "{what}"
        );
        assert_eq!(
            read.builtin_arity.value, table.builtin_arity.value,
            "{what}"
        );
        assert_eq!(
            read.builtin_arity.source,
            Some(Confidence::Binary),
            "{what}"
        );
        functions_equal(&read, table, &what);
        exports_equal(&read, table, platform.0, &what);
        loaders_equal(&read, table, platform.3, &what);

        // What no binary shows is filled from the table, and says so.
        for source in [
            read.payload_order.source,
            read.function_info.source,
            read.calling_convention.source,
        ] {
            assert_eq!(source, Some(Confidence::Release), "{what}");
        }
        assert_eq!(read.blob_symbols.value, table.blob_symbols.value, "{what}");
    }
}

/// Builtins are equal; of the other names every one of the table is found.
fn functions_equal(read: &RuntimeProfile, table: &RuntimeProfile, what: &str) {
    let builtins = |profile: &RuntimeProfile| -> BTreeSet<String> {
        known(&profile.functions, what)
            .iter()
            .filter(|name| name.starts_with("vm.builtin."))
            .filter(|name| !table.provided_by.contains_key(*name))
            .cloned()
            .collect()
    };
    assert_eq!(builtins(read), builtins(table), "{what}");
    let mut missing: Vec<&String> = known(&table.functions, what)
        .difference(known(&read.functions, what))
        .filter(|name| {
            table
                .provided_by
                .get(*name)
                .is_none_or(|part| always_there(part, what))
        })
        .collect();
    missing.sort();
    assert!(
        missing.is_empty(),
        "{what}: not found in the library: {missing:?}"
    );
}

/// Parts that every wheel of the platform has.
fn always_there(part: &str, what: &str) -> bool {
    part.ends_with("_extra") || (part.starts_with("Linux") && what.contains("linux"))
}

fn exports_equal(read: &RuntimeProfile, table: &RuntimeProfile, platform: &str, what: &str) {
    let read = known(&read.c_symbols, what);
    let table = known(&table.c_symbols, what);
    let missing: Vec<_> = table.difference(read).collect();
    let unknown: Vec<_> = read.difference(table).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "{what} ({platform}): table only {missing:?}, library only {unknown:?}"
    );
}

fn loaders_equal(read: &RuntimeProfile, table: &RuntimeProfile, device: &str, what: &str) {
    let offered = known(&read.module_loaders, what);
    let mut expected: BTreeSet<String> = known(&table.module_loaders, what)
        .iter()
        .filter(|kind| !table.provided_by.contains_key(&format!("loader:{kind}")))
        .cloned()
        .collect();
    expected.insert(device.to_owned());
    assert_eq!(offered, &expected, "{what}");
    assert!(
        read.provided_by
            .get(&format!("loader:{device}"))
            .is_some_and(|part| part.contains(device)),
        "{what}"
    );
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_saved_profile_reads_back_equal() {
    let (release, ffi) = crate::wheels::wheels().remove(0);
    let saved = load_set(release, ffi, &PLATFORMS[0]);
    let text = saved.to_json().expect("a profile can be written");
    let back = RuntimeProfile::from_json(&text).expect("and read");
    assert_eq!(saved, back);
    assert!(RuntimeProfile::from_json("{\"format\": \"artcheck-runtime-9\"}").is_err());
    assert!(RuntimeProfile::from_json("[]").is_err());
}
