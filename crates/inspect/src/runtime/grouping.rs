//! Which runtime parts end up in one process.
//!
//! * Parts for different systems or architectures never do; nor do libraries and
//!   objects, which are one program before it is linked.
//! * What lies in one `site-packages` folder does, with the runtime of one package:
//!   packages that each bring a VM runtime, as TVM and a fork of it do, are so many
//!   processes. Where such runtimes hold a registry of their own they are taken
//!   together: that two of them meet is then what is wrong.
//! * Folders that `.pth` files of such a folder add to it are one with it; so are those
//!   of PYTHONPATH and of the user, where the machine itself is asked.
//! * What lies in one application (`.app`, `.apk`, `.aab`, `.ipa`) does in the same way.
//! * The wheels of one folder become one such folder, unless a package is there in
//!   two versions. Those for several machines become so many, and of those for several
//!   Pythons the ones that are for the same as most.
//! * Below any other folder, all parts do as long as there is one VM runtime.
//!   Several are several installations: each takes what lies in the largest
//!   folder around it that holds no other, and what lies in no such folder
//!   stays with its own neighbours.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::threads::prelude::*;

use super::distribution::Distribution;
pub(crate) use super::distribution::environment;
use super::installation;
use super::load_set::LoadSet;
use super::member::Member;
use super::search_order;
use crate::container::{Architecture, BinaryKind, Platform};
use crate::parts::{PartKind, REGISTRY_SYMBOLS};
use crate::place::Place;
use crate::words::spell;

/// A package, and the `METADATA` file that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Where `METADATA` lies.
    pub path: Place,
    /// What it says.
    pub distribution: Distribution,
}

/// Folders of packages by the environment that they are one with.
pub type Joined = BTreeMap<Place, Place>;

/// Groups the parts found below one path that a user named, and assembles each
/// group. Sets come in the order of their names.
pub fn load_sets(
    mut members: Vec<Member>,
    packages: &[Installed],
    joined: &Joined,
) -> Vec<LoadSet> {
    leave_out_copies(&mut members);
    let mut platforms: BTreeMap<(Platform, Architecture, bool), Vec<Member>> = BTreeMap::new();
    for member in members {
        let is_static = member.binary.kind == BinaryKind::Object;
        let key = (
            member.binary.platform,
            member.binary.architecture,
            is_static,
        );
        platforms.entry(key).or_default().push(member);
    }
    let mut wheels = installations(packages);
    let folders = joined.iter();
    wheels.extend(folders.map(|(folder, becomes)| (folder.clone(), becomes.clone())));
    let mut groups = Vec::new();
    for (_, mut members) in platforms {
        members.sort_by(|a, b| a.path.cmp(&b.path));
        // Objects that are linked with no runtime here are somebody else's.
        let is_set = |members: &[Member]| {
            let mut members = members.iter();
            members.any(|member| member.kind.is_core() || member.binary.kind != BinaryKind::Object)
        };
        groups.extend(
            split(members, &wheels)
                .into_iter()
                .filter(|(_, members)| is_set(members)),
        );
    }
    let packages = Packages::of(packages);
    let mut places: BTreeMap<Place, usize> = BTreeMap::new();
    for (folder, members) in &groups {
        let count = places
            .entry(set_place(folder.clone(), members))
            .or_default();
        *count = count.saturating_add(1);
    }
    let mut sets: Vec<LoadSet> = groups
        .into_par_iter()
        .map(|(folder, mut members)| {
            let distributions = packages.of_set(&folder, &members, &wheels);
            let home = folder.clone();
            let place = set_place(folder, &members);
            let mut name = place.to_string();
            // What is for several machines may lie in one folder.
            if places.get(&place).is_some_and(|count| *count > 1)
                && let Some(first) = members.first()
            {
                let (processor, system) = (first.binary.architecture, first.binary.platform);
                name = format!("{name} ({} {})", spell(processor), spell(system));
            }
            let first = members.first();
            let environment = first.and_then(|member| installation(&member.path, &wheels));
            search_order::put_found_first(&mut members, environment.is_some());
            let mut set = LoadSet::assemble(&name, members, distributions);
            set.environment = environment;
            set.home = home;
            set.place = place;
            set
        })
        .collect();
    sets.sort_by(|a, b| a.name.cmp(&b.name));
    sets
}

/// Leaves out what nothing loads: copies under names that are no library's
/// (`libtvm_ffi.so.bak`, `Copy of libtvm_ffi.so`) beside the file that a loader opens, and
/// folders that pip has begun to remove (`~vm_ffi`).
fn leave_out_copies(members: &mut Vec<Member>) {
    let places = members.iter().filter_map(|member| {
        let name = member.binary.identity.clone()?;
        (member.path.name() == name).then(|| (member.path.folder(), name))
    });
    let loaded: BTreeSet<(Option<Place>, String)> = places.collect();
    let is_copy = |member: &Member| {
        let own = member.path.name();
        let is_number = |end: &str| end.chars().all(|c| c.is_ascii_digit() || c == '.');
        let is_numbered = own.split_once(".so.").is_none_or(|(_, end)| is_number(end));
        let is_library = installation::is_library(&own) && is_numbered && !own.contains(' ');
        let name = member.binary.identity.clone();
        !is_library && name.is_some_and(|name| loaded.contains(&(member.path.folder(), name)))
    };
    let is_removed = |member: &Member| {
        let mut folders = member.path.folders();
        folders.any(|folder| folder.raw_name().starts_with(b"~"))
    };
    members.retain(|member| !is_copy(member));
    if members.iter().any(|member| !is_removed(member)) {
        members.retain(|member| !is_removed(member));
    }
}

/// The wheels that are one installation, by the folder that they become: their own
/// where those for one machine and one Python lie together and no package is there in two
/// versions, else each its own. A wheel alone is its own too.
fn installations(packages: &[Installed]) -> HashMap<Place, Place> {
    let mut folders: BTreeMap<Place, Vec<(Place, &Distribution)>> = BTreeMap::new();
    let packed = packed_environments(packages);
    let in_one = |package: &&Installed| {
        let file = package.path.whole_file();
        package.path.is_member() && packed.get(&file).is_none_or(|all| all.len() < 2)
    };
    for package in packages.iter().filter(in_one) {
        if let Some(wheel) = package.path.folders().find(|folder| !folder.is_member())
            && let Some(folder) = wheel.folder()
        {
            let wheels = folders.entry(folder).or_default();
            wheels.push((wheel, &package.distribution));
        }
    }
    let mut installations = HashMap::new();
    for (folder, wheels) in folders {
        let tags: Vec<WheelTags> = wheels
            .iter()
            .map(|(wheel, _)| WheelTags::of(&wheel.name()))
            .collect();
        // Wheels for several machines are alternatives, and so are those for several Pythons.
        let machines: BTreeSet<_> = tags.iter().filter_map(|tags| tags.machine).collect();
        let any = machines.is_empty().then_some(None);
        for machine in machines.into_iter().map(Some).chain(any) {
            let fits = |tags: &WheelTags| match tags.machine {
                None => tags.is_for_all,
                own => own == machine,
            };
            let of_machine = wheels.iter().zip(&tags).filter(|(_, tags)| fits(tags));
            let of_machine: Vec<_> = of_machine.collect();
            let python = common_python(of_machine.iter().map(|(_, tags)| *tags));
            let is_taken = |tags: &WheelTags| python.is_none_or(|python| tags.takes(python));
            let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for ((_, package), _) in of_machine.iter().filter(|(_, tags)| is_taken(tags)) {
                let versions = versions.entry(&package.name).or_default();
                versions.insert(&package.version);
            }
            let is_one = versions.values().all(|versions| versions.len() == 1);
            let together = versions.len() > 1 && is_one;
            for ((wheel, _), tags) in of_machine {
                let is_in = together && is_taken(tags);
                let becomes = if is_in { &folder } else { wheel };
                // What is for every machine is in each installation.
                let known = installations.entry(wheel.clone());
                let known = known.or_insert_with(|| becomes.clone());
                if is_in {
                    known.clone_from(becomes);
                }
            }
        }
        // What is for a machine that is not known is with no other.
        for (wheel, _) in wheels {
            installations.entry(wheel.clone()).or_insert(wheel);
        }
    }
    installations
}

/// What the name of a wheel says of where it is installed: `name-1.0-cp311-abi3-linux_x86_64`.
struct WheelTags {
    /// The system and the processor, if they are known.
    machine: Option<(Platform, Architecture)>,
    is_for_all: bool,
    /// Its Pythons: the lowest of CPython 3, and whether that is the only one; none for all.
    python: Option<(u32, bool)>,
}

impl WheelTags {
    fn of(name: &str) -> Self {
        let stem = name.strip_suffix(".whl").unwrap_or(name);
        let mut parts = stem.rsplit('-');
        let platform = parts.next().unwrap_or("");
        let (abi, python) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let minor = python.split('.').find_map(|tag| tag.strip_prefix("cp3"));
        let minor = minor.and_then(|minor| minor.parse().ok());
        Self {
            machine: installation::machine_of_tag(platform),
            is_for_all: platform == "any",
            python: minor.map(|minor| (minor, !matches!(abi, "abi3" | "none"))),
        }
    }

    fn takes(&self, minor: u32) -> bool {
        self.python.is_none_or(|(own, is_only)| match is_only {
            true => own == minor,
            false => own <= minor,
        })
    }
}

/// The Python that most of some wheels are for, of those the newest.
fn common_python<'a>(wheels: impl Iterator<Item = &'a WheelTags> + Clone) -> Option<u32> {
    let minors = wheels.clone().filter_map(|tags| tags.python);
    let minors: BTreeSet<u32> = minors.map(|(minor, _)| minor).collect();
    let count = |minor: &u32| wheels.clone().filter(|tags| tags.takes(*minor)).count();
    minors.into_iter().max_by_key(count)
}

/// The environments in each archive.
fn packed_environments(packages: &[Installed]) -> HashMap<Place, BTreeSet<Place>> {
    let mut packed: HashMap<Place, BTreeSet<Place>> = HashMap::new();
    let members = packages.iter().filter(|package| package.path.is_member());
    for (package, folder) in members.filter_map(|one| Some((one, environment(&one.path)?))) {
        let all = packed.entry(package.path.whole_file()).or_default();
        all.insert(folder);
    }
    packed
}

/// The environment that a part's wheel becomes, or its folder is one with; or else the
/// one that it lies in.
fn installation(part: &Place, wheels: &HashMap<Place, Place>) -> Option<Place> {
    if wheels.is_empty() {
        return environment(part);
    }
    let mut around = std::iter::once(part.clone()).chain(part.folders());
    let becomes = around.find_map(|place| wheels.get(&place).cloned());
    becomes.or_else(|| environment(part))
}

/// Members of one platform by the folder that holds their set.
fn split(members: Vec<Member>, wheels: &HashMap<Place, Place>) -> BTreeMap<Place, Vec<Member>> {
    let mut sets: BTreeMap<Place, Vec<Member>> = BTreeMap::new();
    let mut others = Vec::new();
    for member in members {
        match (installation(&member.path, wheels), &member.kind) {
            (Some(folder), _) => sets.entry(folder).or_default().push(member),
            // A wasm library carries its own runtime: a set of its own.
            (None, PartKind::WasmRuntime) => {
                sets.entry(member.path.clone()).or_default().push(member);
            }
            (None, _) => others.push(member),
        }
    }
    let apart = sets
        .into_iter()
        .flat_map(|(environment, members)| by_package(environment, members, wheels));
    let mut sets: BTreeMap<Place, Vec<Member>> = apart.collect();
    let territories = territories(&others);
    for member in others {
        let mut folders = member.path.folders();
        let home = folders
            .find(|folder| territories.contains(folder))
            .or_else(|| member.path.folder())
            .unwrap_or_else(|| member.path.clone());
        sets.entry(home).or_default().push(member);
    }
    sets
}

/// An environment whose packages bring several VM runtimes, per such package, with
/// what lies in none of them.
fn by_package(
    environment: Place,
    members: Vec<Member>,
    wheels: &HashMap<Place, Place>,
) -> Vec<(Place, Vec<Member>)> {
    let is_environment = |folder: &Place| {
        *folder == environment || wheels.get(folder).is_some_and(|one| *one == environment)
    };
    let package = |member: &Member| {
        let mut folders = member.path.folders();
        folders.find(|folder| folder.folder().as_ref().is_some_and(is_environment))
    };
    let runtimes: Vec<&Member> = members
        .iter()
        .filter(|member| member.kind.has_vm())
        .collect();
    let packages: BTreeSet<Place> = runtimes
        .iter()
        .filter_map(|member| package(member))
        .collect();
    let has_registry = |member: &&Member| {
        REGISTRY_SYMBOLS
            .iter()
            .any(|symbol| member.exports.contains(*symbol))
    };
    if packages.len() < 2 || runtimes.iter().any(has_registry) {
        return vec![(environment, members)];
    }
    let of_package = |home: &Place| {
        let is_here = |member: &&Member| {
            package(member).is_none_or(|own| own == *home || !packages.contains(&own))
        };
        members.iter().filter(is_here).cloned().collect()
    };
    let sets = packages.iter().map(|home| (home.clone(), of_package(home)));
    sets.collect()
}

/// The folders that belong to one VM runtime each; the common folder of all
/// parts where there is at most one runtime.
fn territories(members: &[Member]) -> HashSet<Place> {
    let Some(common) = common_folder(members) else {
        return HashSet::new();
    };
    let runtimes: Vec<&Place> = members
        .iter()
        .filter(|member| member.kind.has_vm())
        .map(|member| &member.path)
        .collect();
    let mut around: HashMap<Place, usize> = HashMap::new();
    for folder in runtimes.iter().flat_map(|runtime| runtime.folders()) {
        let held = around.entry(folder).or_default();
        *held = held.saturating_add(1);
    }
    let mut folders: HashSet<Place> = HashSet::new();
    for runtime in &runtimes {
        let mut outward = runtime.folders();
        let Some(mut folder) = outward.next() else {
            continue;
        };
        let held = around.get(&folder);
        for outer in outward {
            if folder == common || around.get(&outer) != held {
                break;
            }
            folder = outer;
        }
        folders.insert(folder);
    }
    if runtimes.is_empty() && members.iter().all(|member| member.kind != PartKind::Ffi) {
        folders.insert(common);
    }
    // A runtime in a subfolder of another's is a second copy, not another
    // installation.
    let inner = |folder: &Place| folder.folders().any(|outer| folders.contains(&outer));
    folders
        .iter()
        .filter(|folder| !inner(folder))
        .cloned()
        .collect()
}

fn common_folder(members: &[Member]) -> Option<Place> {
    let mut common = members.first()?.path.folder()?;
    for member in members {
        while !member.path.is_below(&common) {
            // Everything is below the place where paths start.
            common = common.folder().unwrap_or_else(|| Place::file(""));
        }
    }
    Some(common)
}

/// Packages by the folders that tell whose they are.
struct Packages<'a> {
    installed: &'a [Installed],
    /// Those anywhere below a folder.
    below: HashMap<Place, Vec<usize>>,
    /// Those whose own folder lies in a folder.
    within: HashMap<Place, Vec<usize>>,
}

impl<'a> Packages<'a> {
    fn of(installed: &'a [Installed]) -> Self {
        let mut below: HashMap<Place, Vec<usize>> = HashMap::new();
        let mut within: HashMap<Place, Vec<usize>> = HashMap::new();
        for (index, package) in installed.iter().enumerate() {
            for folder in package.path.folders() {
                below.entry(folder).or_default().push(index);
            }
            if let Some(root) = package.path.folders().nth(1) {
                within.entry(root).or_default().push(index);
            }
        }
        Self {
            installed,
            below,
            within,
        }
    }

    /// The packages that hold one of the members: `METADATA` lies in the set's
    /// folder, or beside the package folder of a member.
    fn of_set(
        &self,
        folder: &Place,
        members: &[Member],
        wheels: &HashMap<Place, Place>,
    ) -> Vec<Distribution> {
        let mut found: BTreeSet<usize> = BTreeSet::new();
        found.extend(self.below.get(folder).into_iter().flatten());
        for outer in members.iter().flat_map(|member| member.path.folders()) {
            found.extend(self.within.get(&outer).into_iter().flatten());
        }
        let found = found
            .into_iter()
            .filter_map(|index| self.installed.get(index));
        let first = members.first().map(|member| &member.binary);
        // A wheel of the folder may be for another machine, or become a folder of its own.
        let found = found.filter(|package| {
            let mut around = package.path.folders();
            let Some(wheel) = around.find(|place| wheels.contains_key(place)) else {
                return true;
            };
            let is_wheel = wheel.raw_name().ends_with(b".whl");
            let machine = WheelTags::of(&wheel.name()).machine.filter(|_| is_wheel);
            let is_same = first
                .zip(machine)
                .is_none_or(|(first, machine)| machine == (first.platform, first.architecture));
            let becomes = wheels.get(&wheel);
            is_same && becomes.is_some_and(|becomes| becomes == folder || !is_wheel)
        });
        found.map(|package| package.distribution.clone()).collect()
    }
}

/// What the set is called after.
fn set_place(folder: Place, members: &[Member]) -> Place {
    match members {
        [only] => only.path.clone(),
        _ if folder.is_here() => Place::file("."),
        _ => folder,
    }
}

#[cfg(test)]
#[path = "grouping_tests.rs"]
mod tests;
