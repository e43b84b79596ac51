//! A share of the files: a stable split by a hash of the path, so that N
//! machines look at one N-th each and every file is looked at once.

use std::fmt;
use std::path::{Component, Path};
use std::str::FromStr;

use crate::source::FoundFile;

/// The K-th of N shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    number: u32,
    /// At least `number`.
    of: u32,
}

impl Shard {
    /// Whether the file belongs to this share. The path counts as it was
    /// given: shares agree where every machine names the tree the same way.
    pub fn holds(self, path: &Path) -> bool {
        let before = u64::from(self.number.saturating_sub(1));
        hash(path).checked_rem(self.of.into()) == Some(before)
    }

    /// Keeps of a file the names that must be read; whether there is one.
    pub(super) fn keep(self, file: &mut FoundFile) -> bool {
        file.links.retain(|link| self.reads(link));
        if !self.reads(&file.path) {
            let Some(link) = file.links.pop() else {
                return false;
            };
            file.path = link;
        }
        true
    }

    /// Whether the file must be read: its own, and whatever may be part of a
    /// runtime, because every share needs the runtimes.
    fn reads(self, path: &Path) -> bool {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().to_ascii_lowercase());
        self.holds(path) || name.is_some_and(|name| name.contains("tvm") || name.ends_with(".whl"))
    }
}

/// FNV-1a, 64 bits, over the path's names.
fn hash(path: &Path) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let names = path
        .components()
        .filter(|component| *component != Component::CurDir);
    for name in names {
        for byte in name.as_os_str().as_encoded_bytes().iter().chain(b"/") {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is not K/N with 1 <= K <= N, for example 2/8");
        let (number, of) = text.split_once('/').ok_or_else(wrong)?;
        let number: u32 = number.parse().map_err(|_| wrong())?;
        let of: u32 = of.parse().map_err(|_| wrong())?;
        if number == 0 || number > of {
            return Err(wrong());
        }
        Ok(Self { number, of })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_in_exactly_one_share() {
        let shards: Vec<Shard> = (1..=5).map(|k| format!("{k}/5").parse().unwrap()).collect();
        let mut counts = [0_usize; 5];
        for number in 0..500 {
            let path = format!("dist/model-{number}.so");
            let holders: Vec<usize> = (0..5)
                .filter(|shard| shards[*shard].holds(Path::new(&path)))
                .collect();
            assert_eq!(holders.len(), 1, "{path}");
            counts[holders[0]] += 1;
        }
        assert!(counts.iter().all(|count| *count > 60), "{counts:?}");
    }

    #[test]
    fn the_same_path_is_in_the_same_share_however_it_is_written() {
        let shard: Shard = "1/7".parse().unwrap();
        assert_eq!(
            shard.holds(Path::new("./dist/a.so")),
            shard.holds(Path::new("dist/a.so"))
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
