//! Whole trees of real parts, read as a scan reads them, grouped into load sets.

use crate::parts;
use std::path::PathBuf;

use artcheck_inspect::container;
use artcheck_inspect::runtime::binary::Registered;
use artcheck_inspect::runtime::classify;
use artcheck_inspect::runtime::distribution::Distribution;
use artcheck_inspect::runtime::grouping::{self, Installed};
use artcheck_inspect::runtime::load_set::LoadSet;
use artcheck_inspect::runtime::member::Member;
use artcheck_inspect::source::{self, Event, Place};

/// The load sets below a folder of the cache.
fn below(folder: &str) -> Vec<LoadSet> {
    let root: PathBuf = parts::root().join(folder);
    let walk = source::walk(&[root]);
    assert!(
        !walk.files.is_empty(),
        "{folder} is empty: run python3 tools/parts.py"
    );
    let mut members = Vec::new();
    let mut packages = Vec::new();
    for file in walk.files {
        let name = file.path.to_string_lossy().into_owned();
        let is_library = [".so", ".dylib", ".dll"]
            .iter()
            .any(|end| name.ends_with(end));
        if !is_library && !name.ends_with("METADATA") {
            continue;
        }
        source::visit(&Place::file(file.path), &mut |event| {
            let Event::File(found) = event else { return };
            if found.place.name() == "METADATA" {
                let text = String::from_utf8_lossy(found.bytes);
                packages.extend(Distribution::parse(&text).map(|distribution| Installed {
                    path: found.place.clone(),
                    distribution,
                }));
                return;
            }
            for parsed in container::parse(found.bytes).unwrap_or_default() {
                if let Some(kind) = classify(&parsed.binary, &found.place.name()) {
                    members.push(
                        Member::read(
                            found.place,
                            kind,
                            found.bytes,
                            &parsed,
                            &[],
                            Registered::Followed,
                        )
                        .expect("exports can be read"),
                    );
                }
            }
        });
    }
    grouping::load_sets(members, &packages, &grouping::Joined::new())
}

fn last_folder(set: &LoadSet) -> &str {
    set.name
        .split(['/', '\\'])
        .find(|part| part.starts_with("tvm-"))
        .unwrap_or(&set.name)
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn environments_are_one_set_each_and_only_the_broken_one_has_gaps() {
    let sets = below("venv");
    let seen: Vec<(&str, usize, bool, usize)> = sets
        .iter()
        .map(|set| {
            (
                last_folder(set),
                set.members.len(),
                set.missing().is_empty(),
                set.bad_pairs().len(),
            )
        })
        .collect();
    let broken = seen
        .iter()
        .find(|(name, ..)| *name == "tvm-0.25-newest-ffi")
        .expect("the broken environment is there");
    assert!(!broken.2 && broken.3 > 0, "{broken:?}");
    for (name, members, complete, pairs) in &seen {
        assert_eq!(*members, 5, "{name}");
        if *name != "tvm-0.25-newest-ffi" {
            assert!(*complete && *pairs == 0, "{name}: {pairs}");
        }
    }
    assert!(seen.len() >= 4, "{seen:?}");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn unpacked_wheels_side_by_side_are_installations_of_their_own() {
    let sets = below("unpacked");
    let runtimes: Vec<&LoadSet> = sets.iter().filter(|set| set.holds_vm_runtime()).collect();
    assert_eq!(
        runtimes.len(),
        4 * crate::wheels::wheels().len(),
        "four platforms"
    );
    for set in &sets {
        assert_eq!(set.duplicates(), [], "{}", set.name);
        if let Some(member) = set.members.iter().find(|member| member.kind.has_vm()) {
            let platform = last_folder(set);
            assert!(
                member.path.to_string().contains(platform),
                "{} in {}",
                member.path,
                set.name
            );
            let release = set.profile.release.as_deref().unwrap_or("none");
            assert!(
                platform.starts_with(&format!("tvm-{release}-")),
                "{platform}: {release}"
            );
        }
    }
}
