//! Grouping, tried on paths alone: which parts come together.

use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::container::{Binary, BinaryKind, Format};
use crate::runtime::RuntimeProfile;
use crate::runtime::ffi_version::VersionRange;

/// `archive!member` for a member of an archive, as the tests write it.
fn place(path: &str) -> Place {
    match path.split_once('!') {
        Some((archive, member)) => Place::file(archive).member(member.as_bytes(), 1),
        None => Place::file(path),
    }
}

fn member(path: &str, kind: PartKind, platform: Platform) -> Member {
    Member {
        path: place(path),
        kind,
        binary: Binary::new(
            Format::Elf,
            BinaryKind::SharedLibrary,
            Architecture::X86_64,
            platform,
        ),
        profile: RuntimeProfile::default(),
        exports: HashSet::default(),
        is_followed: true,
        built_with: VersionRange::default(),
    }
}

/// Paths of each set by its name, all parts being of Linux.
fn sets(parts: &[(&str, PartKind)]) -> BTreeMap<String, Vec<String>> {
    let members = parts
        .iter()
        .map(|(path, kind)| member(path, kind.clone(), Platform::Linux))
        .collect();
    load_sets(members, &[], &Joined::new())
        .into_iter()
        .map(|set| {
            let paths = set
                .members
                .into_iter()
                .map(|member| member.path.to_string());
            let paths = paths.collect();
            (set.name, paths)
        })
        .collect()
}

#[test]
fn one_runtime_takes_everything_below_the_folder() {
    let found = sets(&[
        ("dist/a/libtvm_ffi.so", PartKind::Ffi),
        ("dist/b/libtvm_ffi.so", PartKind::Ffi),
        ("dist/b/libtvm_runtime.so", PartKind::Runtime),
    ]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found["dist"].len(), 3);
}

#[test]
fn several_installations_stay_apart() {
    let found = sets(&[
        ("u/tvm-0.25/lib/libtvm_runtime.so", PartKind::Runtime),
        (
            "u/tvm-0.25/lib/libtvm_runtime_extra.so",
            PartKind::RuntimeExtra,
        ),
        ("u/tvm-0.26/lib/libtvm_runtime.so", PartKind::Runtime),
        ("u/ffi-1/lib/libtvm_ffi.so", PartKind::Ffi),
        ("u/ffi-2/lib/libtvm_ffi.so", PartKind::Ffi),
    ]);
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(found["u/tvm-0.25"].len(), 2);
    assert_eq!(found["u/tvm-0.26/lib/libtvm_runtime.so"].len(), 1);
    assert!(found.contains_key("u/ffi-1/lib/libtvm_ffi.so"));
}

#[test]
fn an_environment_binds_to_itself_and_each_runtime_to_its_package() {
    let found = sets(&[
        (
            "v/lib/python3/site-packages/tvm/lib/libtvm_runtime.so",
            PartKind::Runtime,
        ),
        (
            "v/lib/python3/site-packages/fork/lib/libtvm_runtime.so",
            PartKind::Runtime,
        ),
        (
            "v/lib/python3/site-packages/mlc_llm/libmlc_llm.so",
            PartKind::MlcLlm,
        ),
        (
            "v/lib/python3/site-packages/tvm_ffi/lib/libtvm_ffi.so",
            PartKind::Ffi,
        ),
        (
            "w/lib/python3/site-packages/tvm_ffi/lib/libtvm_ffi.so",
            PartKind::Ffi,
        ),
    ]);
    assert_eq!(found.len(), 3, "{found:?}");
    for package in ["tvm", "fork"] {
        let set = &found[&format!("v/lib/python3/site-packages/{package}")];
        assert_eq!(set.len(), 3, "{found:?}");
        let own = |path: &&String| path.contains("libtvm_runtime.so");
        let runtimes: Vec<&String> = set.iter().filter(own).collect();
        assert!(
            runtimes.len() == 1 && runtimes[0].contains(package),
            "{found:?}"
        );
    }
}

#[test]
fn a_copy_in_a_subfolder_belongs_to_the_outer_installation() {
    let found = sets(&[
        ("app/libtvm_runtime.so", PartKind::Runtime),
        ("app/backup/libtvm_runtime.so", PartKind::Runtime),
    ]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found["app"].len(), 2);
}

#[test]
fn platforms_never_mix_and_wheels_are_folders() {
    let found: Vec<String> = load_sets(
        vec![
            member(
                "d/a.whl!tvm/lib/libtvm_runtime.so",
                PartKind::Runtime,
                Platform::Linux,
            ),
            member(
                "d/f.whl!tvm_ffi/lib/libtvm_ffi.so",
                PartKind::Ffi,
                Platform::Linux,
            ),
            member(
                "d/m.whl!tvm/lib/libtvm_runtime.dylib",
                PartKind::Runtime,
                Platform::MacOs,
            ),
        ],
        &[],
        &Joined::new(),
    )
    .into_iter()
    .map(|set| format!("{} {}", set.name, set.members.len()))
    .collect();
    assert_eq!(found, ["d 2", "d/m.whl!tvm/lib/libtvm_runtime.dylib 1"]);
}

#[test]
fn packages_go_with_the_parts_they_brought() {
    let package = |path: &str, version: &str| Installed {
        path: place(path),
        distribution: Distribution {
            name: "apache-tvm-ffi".into(),
            version: version.into(),
            requires: Vec::new(),
            registers: Default::default(),
            may_register: Default::default(),
            lacking: Vec::new(),
            refused: None,
        },
    };
    let sets = load_sets(
        vec![
            member(
                "u/one/tvm_ffi/lib/libtvm_ffi.so",
                PartKind::Ffi,
                Platform::Linux,
            ),
            member(
                "u/two/tvm_ffi/lib/libtvm_ffi.so",
                PartKind::Ffi,
                Platform::Linux,
            ),
        ],
        &[
            package("u/one/apache_tvm_ffi-0.1.12.dist-info/METADATA", "0.1.12"),
            package("u/two/apache_tvm_ffi-0.1.15.dist-info/METADATA", "0.1.15"),
        ],
        &Joined::new(),
    );
    let versions: Vec<&str> = sets
        .iter()
        .flat_map(|set| &set.distributions)
        .map(|package| package.version.as_str())
        .collect();
    assert_eq!(versions, ["0.1.12", "0.1.15"]);
}

#[test]
fn a_release_pins_the_part_of_its_own_package_alone() {
    use crate::runtime::ffi_version::Version;
    use crate::runtime::pairing::pin;

    let installed = Distribution::parse("Name: apache-tvm\nVersion: 0.25.0\n").unwrap();
    let pinned_beside = |packages: &[Distribution], paths: &[&str]| -> Vec<bool> {
        let mut members: Vec<Member> = paths
            .iter()
            .map(|path| member(path, PartKind::Runtime, Platform::Linux))
            .collect();
        let like = RuntimeProfile {
            release: Some(String::from("0.25")),
            ..RuntimeProfile::default()
        };
        pin(&mut members, &like, packages);
        let own = Version::parse("0.1.12").map(VersionRange::exactly);
        members
            .iter()
            .map(|member| Some(member.built_with) == own)
            .collect()
    };
    let pinned = |paths: &[&str]| pinned_beside(std::slice::from_ref(&installed), paths);
    let tvm = "v/lib/python3/site-packages/tvm/lib/libtvm_runtime.so";
    // Likeness alone pins nothing: no package says which release this is.
    assert_eq!(pinned_beside(&[], &[tvm]), [false]);
    let fork = "v/lib/python3/site-packages/tilelang/lib/libtvm_runtime.so";
    assert_eq!(pinned(&[tvm]), [true]);
    assert_eq!(pinned(&["app/lib/libtvm_runtime.so"]), [true]);
    assert_eq!(pinned(&["d/a.whl!tvm/lib/libtvm_runtime.so"]), [true]);
    assert_eq!(pinned(&[fork]), [false]);
    assert_eq!(pinned(&["d/a.whl!tilelang/lib/libtvm_runtime.so"]), [false]);
    // Of several the release is unknown: it was read from all together.
    assert_eq!(pinned(&[tvm, fork]), [false, false]);
}

/// The sets of some wheels of one folder, each with its libraries for x86-64 or AArch64,
/// by the packages that they have.
fn of_wheels(wheels: &[(&str, &str, &str)]) -> Vec<(usize, Vec<String>)> {
    let mut members = Vec::new();
    let mut packages = Vec::new();
    for (wheel, name, version) in wheels {
        let (kind, file) = match *name {
            "apache-tvm-ffi" => (PartKind::Ffi, "tvm_ffi/lib/libtvm_ffi.so"),
            _ => (PartKind::Runtime, "tvm/lib/libtvm_runtime.so"),
        };
        let archive = Place::file(format!("d/{wheel}.whl"));
        let mut part = member("x", kind, Platform::Linux);
        part.path = archive.member(file.as_bytes(), 1);
        if wheel.contains("aarch64") {
            part.binary.architecture = Architecture::Aarch64;
        }
        members.push(part);
        let metadata = format!("Name: {name}\nVersion: {version}\n");
        packages.push(Installed {
            path: archive.member(b"a.dist-info/METADATA", 2),
            distribution: Distribution::parse(&metadata).expect("of the family"),
        });
    }
    let sets = load_sets(members, &packages, &Joined::new()).into_iter();
    let names: BTreeSet<String> = sets.clone().map(|set| set.name).collect();
    assert_eq!(
        names.len(),
        sets.len(),
        "each has a name of its own: {names:?}"
    );
    let told = sets.map(|set| {
        let of_set = set.distributions.iter();
        let mut named: Vec<String> = of_set
            .map(|one| format!("{} {}", one.name, one.version))
            .collect();
        named.sort();
        (set.members.len(), named)
    });
    let mut told: Vec<_> = told.collect();
    told.sort();
    told
}

#[test]
fn wheels_for_several_machines_or_pythons_are_alternatives() {
    let (tvm, ffi) = ("apache-tvm", "apache-tvm-ffi");
    let x86 = ("t-1-py3-none-linux_x86_64", tvm, "0.27.0");
    let ffi_of = |version, tag| (tag, ffi, version);
    let both = |version: &str| {
        vec![
            "apache-tvm 0.27.0".to_owned(),
            format!("apache-tvm-ffi {version}"),
        ]
    };
    let alone = |name: &str| vec![name.to_owned()];
    // One for each machine.
    let found = of_wheels(&[
        x86,
        ffi_of("0.1.15", "f-1-cp311-cp311-linux_x86_64"),
        ("t-1-py3-none-linux_aarch64", tvm, "0.27.0"),
        ffi_of("0.1.12", "f-1-cp311-cp311-linux_aarch64"),
    ]);
    assert_eq!(found, [(2, both("0.1.12")), (2, both("0.1.15"))]);
    // Another machine's tvm-ffi is no part.
    let found = of_wheels(&[x86, ffi_of("0.1.12", "f-1-cp311-cp311-linux_aarch64")]);
    assert_eq!(
        found,
        [
            (1, alone("apache-tvm 0.27.0")),
            (1, alone("apache-tvm-ffi 0.1.12"))
        ]
    );
    // One of two Pythons, the newer, and the other by itself.
    let found = of_wheels(&[
        x86,
        ffi_of("0.1.15", "f-1-cp311-cp311-linux_x86_64"),
        ffi_of("0.1.15", "f-1-cp312-abi3-linux_x86_64"),
    ]);
    assert_eq!(
        found,
        [(1, alone("apache-tvm-ffi 0.1.15")), (2, both("0.1.15"))]
    );
}
