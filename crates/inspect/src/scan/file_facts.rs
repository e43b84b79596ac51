//! What is read of one file, and of many together.

use std::path::Path;

use crate::artifact::Artifact;
use crate::place::Place;
use crate::runtime::grouping::Installed;
use crate::runtime::java::Natives;
use crate::runtime::member::Member;

/// What one file gives.
#[derive(Default)]
pub(super) struct FileFacts {
    pub artifacts: Vec<Artifact>,
    pub members: Vec<Member>,
    /// Members whose exports are not listed yet.
    pub unlisted: Vec<Place>,
    /// Python packages that wheels hold.
    pub packages: Vec<Installed>,
    /// Native methods that TVM's Java classes declare.
    pub natives: Vec<Natives>,
}

impl FileFacts {
    /// Adds the facts of another file.
    pub(super) fn add(&mut self, other: Self) {
        self.artifacts.extend(other.artifacts);
        self.members.extend(other.members);
        self.unlisted.extend(other.unlisted);
        self.packages.extend(other.packages);
        self.natives.extend(other.natives);
    }

    /// What was read of one file, in another place.
    pub(super) fn in_link(&self, link: &Path) -> Self {
        Self {
            artifacts: self
                .artifacts
                .iter()
                .map(|artifact| Artifact {
                    path: artifact.path.in_file(link),
                    ..artifact.clone()
                })
                .collect(),
            members: self
                .members
                .iter()
                .map(|member| member.in_place(member.path.in_file(link)))
                .collect(),
            unlisted: self
                .unlisted
                .iter()
                .map(|place| place.in_file(link))
                .collect(),
            packages: self
                .packages
                .iter()
                .map(|package| Installed {
                    path: package.path.in_file(link),
                    ..package.clone()
                })
                .collect(),
            natives: self
                .natives
                .iter()
                .map(|natives| Natives {
                    place: natives.place.in_file(link),
                    ..natives.clone()
                })
                .collect(),
        }
    }

    /// The facts of many files together.
    pub(super) fn all(files: Vec<Self>) -> Self {
        let mut all = Self::default();
        all.artifacts
            .reserve(files.iter().map(|file| file.artifacts.len()).sum());
        all.members
            .reserve(files.iter().map(|file| file.members.len()).sum());
        files.into_iter().for_each(|file| all.add(file));
        all
    }
}
