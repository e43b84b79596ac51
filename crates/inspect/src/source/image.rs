//! Images of containers, as `docker save` and tools for OCI layouts write them: a tar with
//! the layers of the image, each a tar of what it adds to those below it and takes away. What
//! is handed out are the files that a container of the image has.
//!
//! A file `.wh.NAME` in a layer takes NAME away, `.wh..wh..opq` all that lower layers have in
//! its folder (OCI image specification, "layer").

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Read;

use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;

use super::streams::most_unpacked;
use crate::container::{Body, FileType, Member, Visit, identify, tar};
use crate::error::DecodeError;
use crate::limits::{MAX_MEMBERS, MAX_METADATA};

/// What lists the images of a `docker save`, and those of an OCI layout.
const LISTS: [&[u8]; 2] = [b"manifest.json", b"index.json"];
/// How the name of what takes a file away begins.
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Links that lead to links, and lists that name lists.
const MOST_HOPS: usize = 4;
/// Lists of one level; more are those of several images.
const MOST_LISTS: usize = 16;

/// Hands out the members of a tar; of an image those of the container's file tree.
pub(super) fn members<'data>(
    data: &'data [u8],
    visit: Visit<'_, 'data>,
) -> Result<(), DecodeError> {
    let Some(layers) = layers(data) else {
        return tar::members(data, visit);
    };
    merged(layers?, data.len() as u64, visit)
}

/// The same of the files of an image, which has some size.
pub(super) fn of_files<'data>(
    files: &Files<'data>,
    size: u64,
    visit: Visit<'_, 'data>,
) -> Result<(), DecodeError> {
    match files.layers() {
        Some(layers) => merged(layers?, size, visit),
        None => Err(DecodeError::new(0, "a list of layers", "none that is read")),
    }
}

/// Whether bytes are the list of a `docker save`, and the names of the layers in it.
pub(super) fn saved_layers(list: &[u8]) -> Option<Vec<String>> {
    let images: Vec<Saved> = serde_json::from_slice(list).ok()?;
    let layers = images.into_iter().flat_map(|image| image.layers);
    Some(layers.collect()).filter(|layers: &Vec<String>| !layers.is_empty())
}

/// Hands out the files that a container of some layers has, the lowest first.
fn merged<'data>(
    layers: Vec<&'data [u8]>,
    size: u64,
    visit: Visit<'_, 'data>,
) -> Result<(), DecodeError> {
    let mut tree = Tree {
        left: most_unpacked(size),
        ..Tree::default()
    };
    // What an upper layer has, lower ones have not.
    for layer in layers.into_iter().rev() {
        if !tree.add(layer, visit)? {
            break;
        }
    }
    Ok(())
}

/// One image of a `docker save`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    layers: Vec<String>,
}

/// An index or a manifest of an OCI layout.
#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    manifests: Vec<Blob>,
    #[serde(default)]
    layers: Vec<Blob>,
}

#[derive(Deserialize)]
struct Blob {
    digest: String,
    platform: Option<System>,
}

#[derive(Deserialize)]
struct System {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
}

impl Blob {
    fn name(&self) -> String {
        format!("blobs/{}", self.digest.replace(':', "/"))
    }

    /// `linux/amd64`
    fn system(&self) -> Option<String> {
        let System { os, architecture } = self.platform.as_ref()?;
        Some(format!("{os}/{architecture}"))
    }
}

/// The files of an image as it is saved, and links to them, by their plain names.
#[derive(Default)]
pub(super) struct Files<'data> {
    files: HashMap<Vec<u8>, &'data [u8]>,
    links: HashMap<Vec<u8>, Vec<u8>>,
}

/// The layers of an image, the lowest first; `None` where a tar is none.
fn layers(data: &[u8]) -> Option<Result<Vec<&[u8]>, DecodeError>> {
    let mut is_image = false;
    // One that is damaged is none, or lacks a layer.
    let _ = tar::members(data, &mut |member| {
        is_image |= LISTS.contains(&&*plain(&member.name));
        !is_image
    });
    if !is_image {
        return None;
    }
    Files::of(data).layers()
}

impl<'data> Files<'data> {
    fn of(data: &'data [u8]) -> Self {
        let mut outer = Self::default();
        let mut left = MAX_MEMBERS;
        let _ = tar::members(data, &mut |member: Member<'_, 'data>| {
            left = left.saturating_sub(1);
            let name = plain(&member.name);
            match member.body {
                Body::Stored(bytes) => drop(outer.files.insert(name, bytes)),
                Body::Link(target, true) => outer.add_link(&name, &target),
                Body::Link(target, false) => drop(outer.links.insert(name, plain(&target))),
                _ => {}
            }
            left > 0
        });
        outer
    }

    /// Adds a file.
    pub(super) fn add(&mut self, name: &[u8], bytes: &'data [u8]) {
        self.files.insert(plain(name), bytes);
    }

    /// Adds a symbolic link.
    pub(super) fn add_link(&mut self, name: &[u8], target: &[u8]) {
        let around = name.iter().rposition(|byte| *byte == b'/');
        let folder = around.and_then(|end| name.get(..=end)).unwrap_or_default();
        let target = plain(&[folder, target].concat());
        self.links.insert(plain(name), target);
    }

    /// The layers of the image, the lowest first; `None` where nothing lists them.
    fn layers(&self) -> Option<Result<Vec<&'data [u8]>, DecodeError>> {
        let names = self.saved().or_else(|| self.laid_out())?;
        Some(names.and_then(|names| self.all(&names)))
    }

    fn read<T: for<'a> Deserialize<'a>>(&self, name: &str) -> Option<T> {
        let bytes = self.files.get(name.as_bytes())?;
        let bytes = Some(bytes).filter(|bytes| bytes.len() <= MAX_METADATA)?;
        serde_json::from_slice(bytes).ok()
    }

    /// The names of the layers of the one image of a `docker save`.
    fn saved(&self) -> Option<Result<Vec<String>, DecodeError>> {
        let images: Vec<Saved> = self.read("manifest.json")?;
        let images = images.into_iter().map(|image| (None, image.layers));
        only(images.collect())
    }

    /// The same of an OCI layout.
    fn laid_out(&self) -> Option<Result<Vec<String>, DecodeError>> {
        let mut left: Vec<Listed> = vec![self.read("index.json")?];
        let mut images = Vec::new();
        for _ in 0..MOST_HOPS {
            let lists = left.drain(..).flat_map(|list| list.manifests);
            // What is for no system says how an image was made.
            let is_for_some = |blob: &Blob| {
                let system = blob.platform.as_ref();
                system.is_none_or(|system| system.os != "unknown")
            };
            let lists: Vec<Blob> = lists.filter(is_for_some).collect();
            if lists.len() > MOST_LISTS {
                return Some(Err(several(lists.len(), &[])));
            }
            for blob in lists {
                let list: Listed = self.read(&blob.name())?;
                let layers = || list.layers.iter().map(Blob::name).collect();
                match list.layers.is_empty() {
                    true => left.push(list),
                    false => images.push((blob.system(), layers())),
                }
            }
        }
        only(images)
    }

    /// The layers of these names. The same one may be there more than once, as an empty one
    /// is.
    fn all(&self, names: &[String]) -> Result<Vec<&'data [u8]>, DecodeError> {
        let sizes = self.files.values().map(|file| file.len());
        let mut left = sizes.fold(0, usize::saturating_add).saturating_mul(2);
        let mut layers = Vec::new();
        for name in names {
            let layer = self.layer(name)?;
            left = left
                .checked_sub(layer.len().max(1))
                .ok_or_else(|| DecodeError::limit(0, "each layer once or twice", "more"))?;
            layers.push(layer);
        }
        Ok(layers)
    }

    fn layer(&self, name: &str) -> Result<&'data [u8], DecodeError> {
        let mut name = plain(name.as_bytes());
        for _ in 0..MOST_HOPS {
            match self.links.get(&name) {
                Some(target) => name.clone_from(target),
                None => break,
            }
        }
        let layer = self.files.get(&name).copied();
        let kind = layer.map(identify);
        match (layer, kind) {
            (Some(layer), Some(FileType::Tar | FileType::Gzip | FileType::Empty)) => Ok(layer),
            (_, kind) => {
                let found = match kind {
                    Some(kind) => kind.describe().to_string(),
                    None => "none of that name".to_owned(),
                };
                let name = String::from_utf8_lossy(&name).into_owned();
                Err(DecodeError::limit(
                    0,
                    format!("a layer {name} that is read"),
                    found,
                ))
            }
        }
    }
}

/// The one image that there is; its layers would be taken for those of another.
fn only(
    mut images: Vec<(Option<String>, Vec<String>)>,
) -> Option<Result<Vec<String>, DecodeError>> {
    if let [_, _, ..] = images.as_slice() {
        let systems = images.iter().filter_map(|(system, _)| system.clone());
        return Some(Err(several(images.len(), &systems.collect::<Vec<_>>())));
    }
    Some(Ok(images.pop()?.1))
}

/// What is expected where there are several.
pub(super) const ONE_IMAGE: &str = "one image";

fn several(found: usize, systems: &[String]) -> DecodeError {
    let found = match systems {
        [] => format!("{found} images"),
        _ => format!("{found} images, for {}", systems.join(" and ")),
    };
    DecodeError::limit(0, ONE_IMAGE, found)
}

/// What the upper layers say of the files of lower ones. Names are kept by their hashes.
#[derive(Default)]
struct Tree {
    hasher: RandomState,
    known: Known,
    /// Bytes that may still be unpacked.
    left: u64,
    members: usize,
}

#[derive(Default)]
struct Known {
    /// Files that are there.
    files: HashSet<u64>,
    /// What was taken away.
    removed: HashSet<u64>,
    /// Folders of which a lower layer has nothing.
    closed: HashSet<u64>,
}

impl Tree {
    /// Hands out what of a layer is left; whether to go on.
    fn add<'data>(
        &mut self,
        layer: &'data [u8],
        visit: Visit<'_, 'data>,
    ) -> Result<bool, DecodeError> {
        let mut own = Known::default();
        let (mut goes_on, mut is_full) = (true, false);
        let known = &self.known;
        let (hasher, members) = (&self.hasher, &mut self.members);
        let mut each = |member: Member<'_, 'data>| {
            *members = members.saturating_add(1);
            is_full = *members > MAX_MEMBERS;
            goes_on = !is_full && one(hasher, known, &mut own, member, &mut *visit);
            goes_on
        };
        if identify(layer) == FileType::Gzip {
            let mut stream = MultiGzDecoder::new(layer).take(self.left);
            let read = tar::stream_members(&mut stream, &mut each);
            self.left = stream.limit();
            if self.left == 0 {
                return Err(DecodeError::limit(0, "layers that unpack to less", "more"));
            }
            read?;
        } else {
            tar::members(layer, &mut each)?;
        }
        if is_full {
            let expected = format!("at most {MAX_MEMBERS} members of all layers");
            return Err(DecodeError::limit(0, expected, "more"));
        }
        self.known.files.extend(own.files);
        self.known.removed.extend(own.removed);
        self.known.closed.extend(own.closed);
        Ok(goes_on)
    }
}

/// Hands out a member of a layer that no layer above hides, and says what it hides itself.
fn one<'data>(
    hasher: &RandomState,
    known: &Known,
    own: &mut Known,
    mut member: Member<'_, 'data>,
    visit: Visit<'_, 'data>,
) -> bool {
    let name = plain(&member.name);
    let (around, path) = hashes(hasher, &name);
    let last = name.rsplit(|byte| *byte == b'/').next().unwrap_or(&name);
    if let Some(gone) = last.strip_prefix(WHITEOUT) {
        let folder = name.get(..name.len().saturating_sub(last.len()));
        let folder = folder.unwrap_or_default();
        if last == OPAQUE {
            own.closed.insert(hashes(hasher, &plain(folder)).1);
        } else if !gone.starts_with(WHITEOUT) {
            let (_, removed) = hashes(hasher, &[folder, gone].concat());
            own.removed.insert(removed);
            own.closed.insert(removed);
        }
        return true;
    }
    let is_folder = matches!(member.body, Body::Folder);
    let is_hidden = |around: &[u64], path: u64, is_folder: bool| {
        around.iter().any(|folder| known.closed.contains(folder))
            || known.removed.contains(&path)
            || (!is_folder && known.files.contains(&path))
    };
    own.files.insert(path);
    if !is_folder {
        own.closed.insert(path);
    }
    if is_hidden(&around, path, is_folder) {
        return true;
    }
    if let Body::Link(target, false) = &mut member.body {
        *target = plain(target);
        let (around, path) = hashes(hasher, target);
        if is_hidden(&around, path, false) {
            member.body = Body::Absent("it is a hard link to a file that a later layer replaced");
        }
    }
    member.name = name;
    visit(member)
}

/// The hashes of the folders around a name, and its own.
fn hashes(state: &RandomState, name: &[u8]) -> (Vec<u64>, u64) {
    let mut hasher = state.build_hasher();
    // The root is around all.
    let mut all = vec![hasher.finish()];
    let parts = name.split(|byte| *byte == b'/');
    for part in parts.filter(|part| !part.is_empty()) {
        hasher.write(part);
        hasher.write_u8(b'/');
        all.push(hasher.finish());
    }
    let own = all.pop().unwrap_or_default();
    (all, own)
}

/// A name without what means nothing in it: `./a//b/` is `a/b`. What climbs is left alone.
fn plain(name: &[u8]) -> Vec<u8> {
    let parts = name.split(|byte| *byte == b'/');
    let parts: Vec<&[u8]> = parts
        .filter(|part| !part.is_empty() && *part != b".")
        .collect();
    let mut plain: Vec<&[u8]> = Vec::new();
    for part in parts {
        match (part, plain.last()) {
            (b"..", Some(last)) if *last != b".." => drop(plain.pop()),
            _ => plain.push(part),
        }
    }
    plain.join(&b'/')
}
