//! Attention tags that a runtime accepts, per match site.
//!
//! `attn_backend.cc` compares the tag of each tuple with string literals, so a
//! stripped runtime still holds each literal NUL-framed and refers to it once
//! per site: the TVM tag at five sites, `flashinfer` at three
//! (docs/formats.md#tags-in-a-runtime). Where the instruction set is not known to us, the literal alone
//! speaks, and the fact says so.

use std::collections::{BTreeMap, BTreeSet};

use memchr::memmem;

use crate::container::Architecture;
use crate::runtime::strings::{self, Framed, Piece};
use crate::runtime::{Confidence, Fact, SiteTags, TagSite, code_refs_aarch64, code_refs_x86_64};

/// Every site, in the order of docs/formats.md#attention-tags.
pub const SITES: [TagSite; 5] = [
    TagSite::PagedPrefill,
    TagSite::RaggedPrefill,
    TagSite::PagedDecode,
    TagSite::PagedTreeMask,
    TagSite::RaggedTreeMask,
];

/// Sites that compare with `flashinfer`.
const FLASHINFER_SITES: [TagSite; 3] = [
    TagSite::PagedPrefill,
    TagSite::RaggedPrefill,
    TagSite::PagedDecode,
];

/// Spellings of TVM's own tag, old and new.
const OWN_TAGS: [&str; 2] = ["tir", "tirx"];
const FLASHINFER: &str = "flashinfer";

/// What every tag has in it, to look for.
pub const SOUGHT: [&str; 2] = ["tir", FLASHINFER];

/// Bytes of WebAssembly code that compare one text of four bytes with another.
const MAX_COMPARISON: usize = 96;

/// The instructions that compare a byte with a constant.
const fn compared(byte: u8) -> [u8; 4] {
    // Letters take two bytes as signed numbers.
    [0x41, byte | 0x80, 0, 0x47]
}

/// Literals met while the strings of a part go by.
#[derive(Debug, Default)]
pub struct Literals {
    places: BTreeMap<&'static str, Vec<u64>>,
}

impl Literals {
    /// Notes the string if it is one of the tags.
    pub fn visit(&mut self, framed: Framed<'_>) {
        /// Places of one literal that are kept; real ones have one.
        const MOST: usize = 16;
        let tag = match framed.bytes {
            b"tir" => "tir",
            b"tirx" => "tirx",
            b"flashinfer" => FLASHINFER,
            _ => return,
        };
        let places = self.places.entry(tag).or_default();
        if places.len() < MOST {
            places.push(framed.address);
        }
    }

    /// Notes TVM's own tags that code of WebAssembly compares byte by byte: compilers turn
    /// a literal of few bytes into constants, `i32.const 't'`, `i32.ne` and so on.
    pub fn visit_code(&mut self, code: &[u8]) {
        for at in memmem::find_iter(code, &compared(b't')) {
            let rest = code.get(at..).unwrap_or_default();
            let mut rest = rest.get(..MAX_COMPARISON).unwrap_or(rest);
            let mut follows = |byte| {
                let found = memmem::find(rest, &compared(byte));
                rest = found.and_then(|at| rest.get(at..)).unwrap_or_default();
                found.is_some()
            };
            if follows(b'i') && follows(b'r') {
                let tag = if follows(b'x') { "tirx" } else { "tir" };
                let places = self.places.entry(tag).or_default();
                if places.is_empty() {
                    places.push(at as u64);
                }
            }
        }
    }

    /// Whether a tag literal was met at all.
    pub fn any(&self) -> bool {
        !self.places.is_empty()
    }
}

/// What the sites accept, from the literals, the code that refers to them and
/// the texts of the length checks.
pub fn accepted(
    literals: &Literals,
    texts: &[Piece<'_>],
    code: &[Piece<'_>],
    architecture: Architecture,
) -> Fact<BTreeMap<TagSite, SiteTags>> {
    let targets: Vec<u64> = literals.places.values().flatten().copied().collect();
    let references = count(code, architecture, &targets);
    let mut tags: Vec<Counted> = Vec::new();
    let mut counted = references.iter().flatten();
    for (tag, places) in &literals.places {
        let references = references.as_ref().map(|_| {
            places
                .iter()
                .filter_map(|_| counted.next())
                .fold(0u64, |sum, count| sum.saturating_add(*count))
        });
        tags.push(Counted {
            tag,
            address: places.first().copied().unwrap_or_default(),
            references,
        });
    }
    decide(&tags, texts)
}

/// A tag literal of the binary.
struct Counted {
    tag: &'static str,
    address: u64,
    /// `None` where the instruction set is not known.
    references: Option<u64>,
}

impl Counted {
    /// Sites whose comparison refers to the literal.
    fn sites(&self) -> &'static [TagSite] {
        if self.tag == FLASHINFER {
            &FLASHINFER_SITES
        } else {
            &SITES
        }
    }

    /// As many references as there are sites.
    fn is_complete(&self) -> bool {
        self.references == Some(self.sites().len() as u64)
    }

    fn describe(&self) -> String {
        let Self { tag, address, .. } = self;
        match self.references {
            Some(count) => format!(
                "`{tag}` at {address:#x}, {count} code references of {}",
                self.sites().len()
            ),
            None => format!("`{tag}` at {address:#x}, literal only"),
        }
    }
}

fn decide(tags: &[Counted], texts: &[Piece<'_>]) -> Fact<BTreeMap<TagSite, SiteTags>> {
    // With code references known, a literal nobody refers to is no tag.
    let live: Vec<&Counted> = tags
        .iter()
        .filter(|tag| tag.references != Some(0))
        .collect();
    let note = tags
        .iter()
        .map(Counted::describe)
        .collect::<Vec<_>>()
        .join("; ");
    if !live.iter().any(|tag| OWN_TAGS.contains(&tag.tag)) {
        // Absence means "cannot tell": a comparison may have been turned into
        // immediates, or the library has no KV cache.
        let mut fact = Fact::default();
        if !note.is_empty() {
            fact.note = Some(note);
        }
        return fact;
    }
    let ragged = if strings::contains(texts, "args.size() == 3 || args.size() == 5") {
        BTreeSet::from([3, 5])
    } else {
        BTreeSet::from([3])
    };
    let mut sites: BTreeMap<TagSite, SiteTags> = BTreeMap::new();
    for tag in &live {
        for site in tag.sites() {
            let lengths = match (tag.tag, site) {
                (FLASHINFER, TagSite::RaggedPrefill) => ragged.clone(),
                (FLASHINFER, _) => BTreeSet::from([3]),
                _ => BTreeSet::from([2]),
            };
            sites
                .entry(*site)
                .or_default()
                .insert(tag.tag.to_owned(), lengths);
        }
    }
    let confidence = if live.iter().all(|tag| tag.is_complete()) {
        Confidence::Binary
    } else {
        Confidence::BinaryLiteral
    };
    Fact::known(sites, confidence).with_note(note)
}

/// References to each target, or `None` for an instruction set not known here.
fn count(code: &[Piece<'_>], architecture: Architecture, targets: &[u64]) -> Option<Vec<u64>> {
    let one = match architecture {
        Architecture::X86_64 => code_refs_x86_64::count,
        Architecture::Aarch64 => code_refs_aarch64::count,
        _ => return None,
    };
    let mut total = vec![0u64; targets.len()];
    for piece in code {
        for (sum, count) in total.iter_mut().zip(one(*piece, targets)) {
            *sum = sum.saturating_add(count);
        }
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(tag: &'static str, references: Option<u64>) -> Counted {
        Counted {
            tag,
            address: 0x10,
            references,
        }
    }

    #[test]
    fn counted_references_raise_confidence_and_unreferenced_literals_fall_away() {
        let fact = decide(
            &[
                tag("tir", Some(0)),
                tag("tirx", Some(5)),
                tag("flashinfer", Some(3)),
            ],
            &[],
        );
        assert_eq!(fact.source, Some(Confidence::Binary));
        let sites = fact.value.expect("tags are known");
        assert_eq!(sites.len(), 5);
        assert!(sites.values().all(|tags| tags.contains_key("tirx")));
        assert!(!sites.values().any(|tags| tags.contains_key("tir")));
    }

    #[test]
    fn code_of_webassembly_has_its_literals_as_constants() {
        // i32.load8_u; i32.const; i32.ne; br_if, for each letter.
        let compares = |text: &[u8]| -> Vec<u8> {
            let bytes = text.iter().zip(0u8..);
            let code = bytes.map(|(byte, at)| [0x2d, 0, at, 0x41, byte | 0x80, 0, 0x47, 0x0d, 1]);
            code.flatten().collect()
        };
        let found = |code: &[u8]| {
            let mut literals = Literals::default();
            literals.visit_code(code);
            literals.places.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(found(&compares(b"tirx")), ["tirx"]);
        assert_eq!(found(&compares(b"tir")), ["tir"]);
        assert_eq!(found(&compares(b"tensor")), [""; 0]);
        assert_eq!(
            found(&[compares(b"tirx"), vec![0; 200], compares(b"tir")].concat()).len(),
            2
        );
    }

    #[test]
    fn literals_without_counts_say_so() {
        let fact = decide(&[tag("tir", None), tag("flashinfer", None)], &[]);
        assert_eq!(fact.source, Some(Confidence::BinaryLiteral));
        let fact = decide(&[tag("tirx", Some(4))], &[]);
        assert_eq!(fact.source, Some(Confidence::BinaryLiteral));
        assert_eq!(decide(&[tag("flashinfer", Some(3))], &[]).value, None);
    }
}
