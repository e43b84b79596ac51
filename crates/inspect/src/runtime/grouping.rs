//! Which runtime parts end up in one process.
//!
//! * Parts for different systems or architectures never do.
//! * Everything in one `site-packages` folder does: one interpreter loads it.
//! * Below any other folder, all parts do as long as there is one VM runtime.
//!   Several are several installations: each takes what lies in the largest
//!   folder around it that holds no other, and what lies in no such folder
//!   stays with its own neighbours.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::distribution::Distribution;
use super::load_set::LoadSet;
use super::member::Member;
use crate::container::{Architecture, Platform};
use crate::parts::PartKind;

/// A package, and the path of the `METADATA` file that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Display path of `METADATA`.
    pub path: String,
    /// What it says.
    pub distribution: Distribution,
}

/// Groups the parts found below one path that a user named, and assembles each
/// group. Sets come in the order of their paths.
pub fn load_sets(members: Vec<Member>, packages: &[Installed]) -> Vec<LoadSet> {
    let mut platforms: BTreeMap<(Platform, Architecture), Vec<Member>> = BTreeMap::new();
    for member in members {
        let key = (member.binary.platform, member.binary.architecture);
        platforms.entry(key).or_default().push(member);
    }
    let mut groups = Vec::new();
    for (_, mut members) in platforms {
        members.sort_by(|a, b| a.path.cmp(&b.path));
        groups.extend(split(members));
    }
    let mut sets: Vec<LoadSet> = groups
        .into_par_iter()
        .map(|(folder, members)| {
            let distributions = packages
                .iter()
                .filter(|package| belongs(&package.path, &folder, &members))
                .map(|package| package.distribution.clone())
                .collect();
            let name = set_name(&folder, &members);
            LoadSet::assemble(&name, members, distributions)
        })
        .collect();
    sets.sort_by(|a, b| a.name.cmp(&b.name));
    sets
}

/// Members of one platform by the folder that holds their set.
fn split(members: Vec<Member>) -> BTreeMap<String, Vec<Member>> {
    let mut sets: BTreeMap<String, Vec<Member>> = BTreeMap::new();
    let mut others = Vec::new();
    for member in members {
        match (environment(&member.path), &member.kind) {
            (Some(folder), _) => sets.entry(folder.to_owned()).or_default().push(member),
            // A wasm library carries its own runtime: a set of its own.
            (None, PartKind::WasmRuntime) => {
                sets.entry(member.path.clone()).or_default().push(member);
            }
            (None, _) => others.push(member),
        }
    }
    let territories = territories(&others);
    for member in others {
        let home = territories
            .iter()
            .filter(|folder| is_below(&member.path, folder))
            .max_by_key(|folder| folder.len())
            .map_or_else(|| parent(&member.path).to_owned(), Clone::clone);
        sets.entry(home).or_default().push(member);
    }
    sets
}

/// The folders that belong to one VM runtime each; the common folder of all
/// parts where there is at most one runtime.
fn territories(members: &[Member]) -> Vec<String> {
    let runtimes: Vec<&str> = members
        .iter()
        .filter(|member| member.kind.has_vm())
        .map(|member| member.path.as_str())
        .collect();
    let Some(common) = common_folder(members) else {
        return Vec::new();
    };
    let around = |folder: &str| {
        runtimes
            .iter()
            .filter(|path| is_below(path, folder))
            .count()
    };
    let mut folders: Vec<String> = Vec::new();
    for runtime in &runtimes {
        let mut folder = parent(runtime);
        let held = around(folder);
        while folder != common && around(parent(folder)) == held && parent(folder) != folder {
            folder = parent(folder);
        }
        folders.push(folder.to_owned());
    }
    if runtimes.is_empty() && members.iter().all(|member| member.kind != PartKind::Ffi) {
        folders.push(common.to_owned());
    }
    folders.sort();
    folders.dedup();
    // A runtime in a subfolder of another's is a second copy, not another
    // installation.
    let all = folders.clone();
    folders.retain(|folder| {
        !all.iter()
            .any(|outer| outer != folder && is_below(folder, outer))
    });
    folders
}

/// The `site-packages` folder a path lies in.
fn environment(path: &str) -> Option<&str> {
    ["/site-packages/", "/dist-packages/", "\\site-packages\\"]
        .iter()
        .filter_map(|marker| {
            let at = path.rfind(marker)?;
            path.get(..at.checked_add(marker.len())?.checked_sub(1)?)
        })
        .max_by_key(|folder| folder.len())
}

fn common_folder(members: &[Member]) -> Option<&str> {
    let mut common = parent(&members.first()?.path);
    for member in members {
        while !is_below(&member.path, common) && parent(common) != common {
            common = parent(common);
        }
    }
    Some(common)
}

/// Everything before the last separator; archive members have `!`.
fn parent(path: &str) -> &str {
    path.rfind(['/', '\\', '!'])
        .and_then(|end| path.get(..end))
        .unwrap_or("")
}

fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with(['/', '\\', '!']))
}

/// Whether the package of a `METADATA` file holds one of the members: the file
/// lies in the set's folder, or beside the package folder of a member.
fn belongs(metadata: &str, folder: &str, members: &[Member]) -> bool {
    let root = parent(parent(metadata));
    is_below(metadata, folder) || members.iter().any(|member| is_below(&member.path, root))
}

fn set_name(folder: &str, members: &[Member]) -> String {
    match members {
        [only] => only.path.clone(),
        _ if folder.is_empty() => ".".to_owned(),
        _ => folder.to_owned(),
    }
}

#[cfg(test)]
#[path = "grouping_tests.rs"]
mod tests;
