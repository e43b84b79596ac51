//! Objects that are linked with a model library, archive by archive: a static
//! runtime, a static tvm-ffi, and what else of an application uses TVM's names.
//!
//! Which file becomes part of a program is for its linker to say; here every
//! object of an archive counts, as with `-force_load` and `--whole-archive`, by
//! which mlc-llm's applications are linked.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::artifact::{Artifact, Problem, ProblemKind, Role};
use crate::container::{Architecture, Binary, BinaryKind, Format, Platform};
use crate::parts::{self, PartKind};
use crate::place::Place;
use crate::runtime::binary;
use crate::runtime::member::Member;

/// Names that the objects of one archive may define together; a static TVM has
/// about a hundred thousand.
const MOST_NAMES: usize = 400_000;

/// Whether an object is to be read as a member of its archive.
pub(super) fn is_object(binary: &Binary) -> bool {
    let uses_tvm = !(binary.defined.is_empty() && binary.undefined.is_empty());
    binary.kind == BinaryKind::Object && binary.format != Format::Wasm && uses_tvm
}

type Key = (Place, Platform, Architecture);

/// One member per archive and machine. Objects of the runtime's own archives are
/// runtime parts from then on; archives with a model library are that.
pub(super) fn join(objects: Vec<Member>, artifacts: &mut [Artifact]) -> Vec<Member> {
    let models: HashSet<Place> = artifacts
        .iter()
        .filter(|artifact| !artifact.libraries.is_empty())
        .map(|artifact| archive(&artifact.path))
        .collect();
    let mut archives: BTreeMap<Key, Vec<Member>> = BTreeMap::new();
    for object in objects {
        let place = archive(&object.path);
        if !models.contains(&place) {
            let key = (place, object.binary.platform, object.binary.architecture);
            archives.entry(key).or_default().push(object);
        }
    }
    let mut kinds: HashMap<Place, PartKind> = HashMap::new();
    let mut too_many: HashSet<Place> = HashSet::new();
    let mut members = Vec::new();
    for ((place, ..), objects) in archives {
        let paths: Vec<Place> = objects.iter().map(|object| object.path.clone()).collect();
        let Some(member) = joined(place, objects) else {
            too_many.extend(paths.into_iter().take(1));
            continue;
        };
        if member.kind.is_core() {
            let kind = member.kind.clone();
            kinds.extend(paths.into_iter().map(|path| (path, kind.clone())));
        }
        members.push(member);
    }
    for artifact in artifacts {
        if let Some(kind) = kinds.get(&artifact.path) {
            artifact.role = Role::RuntimePart;
            artifact.part = Some(kind.clone());
        }
        if too_many.contains(&artifact.path) {
            artifact.problems.push(Problem {
                kind: ProblemKind::Limit,
                detail: format!("in an archive that defines more than {MOST_NAMES} names of TVM: they are not taken together"),
                offset: None,
            });
        }
    }
    members
}

/// The archive of an object, or the object itself.
fn archive(object: &Place) -> Place {
    object.archive().unwrap_or_else(|| object.clone())
}

/// Objects as one part; `None` where they define too much.
fn joined(place: Place, objects: Vec<Member>) -> Option<Member> {
    let profiles: Vec<_> = objects
        .iter()
        .map(|object| (object.kind.clone(), &object.profile))
        .collect();
    let profile = binary::join(&place.to_string(), &profiles);
    let mut objects = objects.into_iter();
    let mut whole = objects.next()?;
    for object in objects {
        whole.exports.extend(object.exports);
        whole.binary.undefined.extend(object.binary.undefined);
        if whole.exports.len() > MOST_NAMES || whole.binary.undefined.len() > MOST_NAMES {
            return None;
        }
    }
    let exports = &whole.exports;
    let undefined = &mut whole.binary.undefined;
    undefined.retain(|symbol| !exports.contains(&symbol.name));
    undefined.sort_by(|a, b| (&a.name, a.weak).cmp(&(&b.name, b.weak)));
    undefined.dedup_by(|a, b| a.name == b.name);
    whole.kind = parts::classify_objects(|name| exports.contains(name), &place.name());
    Some(Member {
        path: place,
        profile,
        ..whole
    })
}
