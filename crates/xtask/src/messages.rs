//! What the libraries of the wheels print when something fails, by the source file that
//! does: `src/explain/printed.txt`, from which `artcheck explain` knows the messages of a
//! runtime. Code that throws hands over the name of its source file and the text one
//! after the other; what is nearest to a text is where it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use artcheck_inspect::container::{self, Parsed, Region};
use walkdir::WalkDir;

/// Bytes of code between a text and the name of its file.
const NEAR: u64 = 600;
/// Words that a text has at least, and characters that it may have.
const WORDS: usize = 3;
const SHORTEST: usize = 18;
const LONGEST: usize = 300;

/// Writes the table from the runtimes of these wheels: unpacked folders, or libraries.
pub fn write(wheels: &[PathBuf]) -> anyhow::Result<()> {
    let mut printed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let files = wheels.iter().flat_map(WalkDir::new);
    for file in files {
        let file = file?;
        let name = file.file_name().to_string_lossy();
        let is_runtime = name.starts_with("libtvm_runtime") || name.starts_with("libtvm_ffi.");
        if !is_runtime || !file.file_type().is_file() {
            continue;
        }
        let bytes =
            std::fs::read(file.path()).with_context(|| file.path().display().to_string())?;
        match container::parse(&bytes) {
            Ok(all) => all.iter().for_each(|parsed| collect(parsed, &mut printed)),
            Err(error) => eprintln!("passed over {}: {error}", file.path().display()),
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/explain/printed.txt");
    std::fs::write(&path, text(&printed)).with_context(|| path.display().to_string())?;
    eprintln!("wrote {}", path.display());
    Ok(())
}

fn text(printed: &BTreeMap<String, BTreeSet<String>>) -> String {
    let mut files: BTreeMap<&str, usize> = BTreeMap::new();
    for text in printed.values().flatten() {
        *files.entry(text).or_default() += 1;
    }
    // What several files print is a header's.
    let is_own = |text: &&String| files.get(text.as_str()).is_some_and(|count| *count == 1);
    let mut out = String::from(
        "# Made by `cargo xtask messages`: what the runtimes of TVM's wheels print when something\n\
         # fails, behind `@` and the source file that does. `messages.txt` says what each file\n\
         # is about.\n",
    );
    for (source, texts) in printed {
        let own: Vec<&String> = texts.iter().filter(is_own).collect();
        if !own.is_empty() {
            out.push_str(&format!("\n@ {source}\n"));
        }
        for text in own {
            out.push_str(&format!("{text}\n"));
        }
    }
    out
}

fn collect(parsed: &Parsed<'_>, printed: &mut BTreeMap<String, BTreeSet<String>>) {
    let texts = referred(parsed);
    let sources: Vec<(u64, String)> = texts
        .iter()
        .filter_map(|(at, text)| Some((*at, source(text)?)))
        .collect();
    for (at, text) in &texts {
        let Some(message) = message(text) else {
            continue;
        };
        let after = sources.partition_point(|(place, _)| place < at);
        let around = [after.checked_sub(1), Some(after)];
        let near = around
            .into_iter()
            .flatten()
            .filter_map(|index| sources.get(index))
            .min_by_key(|(place, _)| place.abs_diff(*at))
            .filter(|(place, _)| place.abs_diff(*at) < NEAR);
        if let Some((_, source)) = near {
            let texts = printed.entry(source.clone()).or_default();
            texts.insert(message.to_owned());
        }
    }
}

/// A source file of the runtime, from its `src` on.
fn source(text: &str) -> Option<String> {
    let ends = [".cc", ".mm", ".h", ".cpp"];
    let whole = text.strip_prefix("src/");
    let path = whole.or_else(|| Some(text.split_once("/src/")?.1))?;
    if !ends.iter().any(|end| path.ends_with(end)) {
        return None;
    }
    let mut parts = Vec::new();
    for part in path.split('/').filter(|part| *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    Some(parts.join("/"))
}

/// What a message says; nothing of a signature or of a text too short to tell anything.
fn message(text: &str) -> Option<&str> {
    let text = text.trim_start_matches("Check failed: (");
    let text = text.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_code = ["tvm::", "std::", "[with ", "operator", "/src/"];
    let is_text = text.split_whitespace().count() >= WORDS
        && (SHORTEST..=LONGEST).contains(&text.len())
        && text.chars().all(|c| c == ' ' || c.is_ascii_graphic())
        && !is_code.iter().any(|code| text.contains(code));
    is_text.then_some(text)
}

/// The texts that the code refers to, in the order of the code.
fn referred<'a>(parsed: &'a Parsed<'_>) -> Vec<(u64, &'a str)> {
    let mut out = Vec::new();
    for code in parsed.regions.iter().filter(|region| region.executable) {
        let bytes = code.data.get(..).unwrap_or_default();
        for at in 0..bytes.len().saturating_sub(7) {
            let place = code.address.wrapping_add(at as u64);
            let window = bytes.get(at..).unwrap_or_default();
            if let Some(text) = refers(place, window).and_then(|to| text_at(parsed, to)) {
                out.push((place, text));
            }
        }
    }
    out.sort_unstable();
    out
}

/// Where `lea reg, [rip + disp]`, or AArch64's `adrp` and `add`, leads to.
fn refers(place: u64, code: &[u8]) -> Option<u64> {
    if let [0x48 | 0x4c, 0x8d, mode, a, b, c, d, ..] = *code
        && mode & 0xc7 == 0x05
    {
        let distance = i64::from(i32::from_le_bytes([a, b, c, d]));
        return Some(place.wrapping_add(7).wrapping_add_signed(distance));
    }
    let word =
        |at: usize| -> Option<u32> { Some(u32::from_le_bytes(*code.get(at..)?.first_chunk()?)) };
    let (page, add) = (word(0)?, word(4)?);
    let same = page & 31 == (add >> 5) & 31;
    if !place.is_multiple_of(4)
        || page & 0x9f00_0000 != 0x9000_0000
        || add & 0xffc0_0000 != 0x9100_0000
        || !same
    {
        return None;
    }
    let pages = (((page >> 5) & 0x7_ffff) << 2) | ((page >> 29) & 3);
    let pages = i64::from((pages << 11).cast_signed() >> 11) << 12;
    let base = (place & !0xfff).wrapping_add_signed(pages);
    Some(base.wrapping_add(u64::from((add >> 10) & 0xfff)))
}

/// The text of an address in memory that no program writes.
fn text_at<'a>(parsed: &'a Parsed<'_>, address: u64) -> Option<&'a str> {
    let holds = |region: &&Region<'_>| {
        let at = address.checked_sub(region.address);
        !region.executable && at.is_some_and(|at| at < region.data.len() as u64)
    };
    let region = parsed.regions.iter().find(holds)?;
    let at = usize::try_from(address - region.address).ok()?;
    let rest = region.data.get(at..)?;
    let end = rest.iter().take(LONGEST * 4).position(|byte| *byte == 0)?;
    std::str::from_utf8(rest.get(..end)?)
        .ok()
        .filter(|text| !text.is_empty())
}
