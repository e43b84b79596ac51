//! A Relax executable read field by field, and how two of them differ.

use super::fields::Fields;
use crate::plan::Change;

const MAGIC_V1: u64 = 0xD225_DE2F_4214_151D;
const MAGIC_V2: u64 = 0xD225_DE2F_4214_151E;
const OPENING: &[u8] = b"ErrorContext(";

struct Executable<'a> {
    magic: u64,
    version: &'a [u8],
    functions: Vec<&'a [u8]>,
    scopes: u64,
    constants: Vec<(u32, &'a [u8])>,
    offsets: Vec<i64>,
    words: Vec<i64>,
}

/// Codes of shape, tensor, string, data type, integer and float.
type Codes = [u32; 6];
/// The codes of 0.20 and before, of 0.21, and since 0.22.
const GENERATIONS: [Codes; 3] = [
    [2, 0, 3, 1, 4, 5],
    [71, 72, 65, 5, 1, 3],
    [69, 70, 65, 5, 1, 3],
];

impl<'a> Executable<'a> {
    fn read(payload: &'a [u8], codes: &Codes) -> Result<Self, String> {
        let mut fields = Fields(payload);
        let magic = fields.u64()?;
        let version = fields.text()?;
        let mut functions = Vec::new();
        for _ in 0..fields.size()? {
            functions.push(function(&mut fields)?);
        }
        let scopes = if magic == MAGIC_V2 { fields.u64()? } else { 0 };
        for _ in 0..scopes {
            fields.u64()?;
            fields.text()?;
        }
        let mut constants = Vec::new();
        for _ in 0..fields.size()? {
            let code = fields.u32()?;
            constants.push((code, constant(&mut fields, code, codes)?));
        }
        let offsets = fields.words()?;
        let words = fields.words()?;
        if !fields.0.is_empty() {
            return Err("bytes after the code".to_owned());
        }
        Ok(Self {
            magic,
            version,
            functions,
            scopes,
            constants,
            offsets,
            words,
        })
    }
}

fn function<'a>(fields: &mut Fields<'a>) -> Result<&'a [u8], String> {
    let before = fields.0;
    fields.u32()?;
    fields.text()?;
    fields.take(4 * 8)?;
    for _ in 0..fields.size()? {
        fields.text()?;
    }
    Ok(fields.read_since(before))
}

fn constant<'a>(fields: &mut Fields<'a>, code: u32, codes: &Codes) -> Result<&'a [u8], String> {
    let [shape, tensor, string, data_type, integer, float] = *codes;
    let before = fields.0;
    match code {
        _ if code == shape => {
            fields.words()?;
        }
        _ if code == tensor => {
            fields.take(8 + 8 + 4 + 4)?;
            let rank = fields.u32()?;
            fields.u32()?;
            for _ in 0..rank {
                fields.u64()?;
            }
            fields.text()?;
        }
        _ if code == string => {
            fields.text()?;
        }
        _ if code == data_type => {
            fields.u32()?;
        }
        _ if code == integer || code == float => {
            fields.u64()?;
        }
        other => return Err(format!("constant code {other}")),
    }
    Ok(fields.read_since(before))
}

/// What the second executable says differently.
pub(super) fn differences(module: usize, old: &[u8], new: &[u8]) -> Result<Vec<Change>, String> {
    let mut failed = String::new();
    for codes in &GENERATIONS {
        match (Executable::read(old, codes), Executable::read(new, codes)) {
            (Ok(old), Ok(new)) => return compare(module, &old, &new),
            (Err(error), _) | (_, Err(error)) => failed = error,
        }
    }
    Err(format!("an executable does not decode: {failed}"))
}

fn compare(
    module: usize,
    old: &Executable<'_>,
    new: &Executable<'_>,
) -> Result<Vec<Change>, String> {
    let mut changes = Vec::new();
    if old.version != new.version || old.functions != new.functions || old.offsets != new.offsets {
        return Err("version, functions or instruction offsets differ".to_owned());
    }
    match (old.magic, new.magic) {
        (MAGIC_V2, MAGIC_V1) if old.scopes == 0 => changes.push(Change::HeaderV1 { module }),
        (before, after) if before != after || old.scopes != new.scopes => {
            return Err("magic or memory scopes differ".to_owned());
        }
        _ => {}
    }
    if old.constants.len() != new.constants.len() {
        return Err("the numbers of constants differ".to_owned());
    }
    for (constant, (before, after)) in old.constants.iter().zip(&new.constants).enumerate() {
        if before != after {
            changes.push(text_change(module, constant, *before, *after)?);
        }
    }
    changes.extend(code_changes(module, old, new)?);
    Ok(changes)
}

fn text_change(
    module: usize,
    constant: usize,
    (old_code, old): (u32, &[u8]),
    (new_code, new): (u32, &[u8]),
) -> Result<Change, String> {
    let unnamed = || format!("constant {constant} differs in a way that has no name");
    if old_code != new_code {
        return Err(unnamed());
    }
    // A string that does not change its length is none of the planned ones.
    let (old, new) = (Fields(old).text()?, Fields(new).text()?);
    let tag = |text: &[u8]| match text {
        b"tir" => Some("tir".to_owned()),
        b"tirx" => Some("tirx".to_owned()),
        _ => None,
    };
    if let (Some(from), Some(to)) = (tag(old), tag(new)) {
        return Ok(Change::Tag {
            module,
            constant,
            from,
            to,
        });
    }
    if new.starts_with(OPENING) && old.starts_with(new) {
        return Ok(Change::ContextString {
            module,
            constant,
            cut: old.len().saturating_sub(new.len()),
        });
    }
    Err(unnamed())
}

/// Argument and element count of a `make_shape` of six, and nothing else.
fn code_changes(
    module: usize,
    old: &Executable<'_>,
    new: &Executable<'_>,
) -> Result<Vec<Change>, String> {
    const IMMEDIATE: i64 = 1 << 56;
    if old.words.len() != new.words.len() {
        return Err("the code has another length".to_owned());
    }
    let mut left: Vec<usize> = (0..old.words.len())
        .filter(|at| old.words.get(*at) != new.words.get(*at))
        .collect();
    let mut changes = Vec::new();
    for (instruction, start) in old.offsets.iter().enumerate() {
        let Ok(start) = usize::try_from(*start) else {
            return Err("a negative instruction offset".to_owned());
        };
        let word = |words: &[i64], number: usize| words.get(start.saturating_add(number)).copied();
        let (count, size) = (start.saturating_add(3), start.saturating_add(5));
        let counts = (word(&old.words, 3), word(&new.words, 3));
        let sizes = (word(&old.words, 5), word(&new.words, 5));
        if left.contains(&count)
            && word(&old.words, 0) == Some(1)
            && counts == (Some(14), Some(12))
            && sizes == (Some(IMMEDIATE | 6), Some(IMMEDIATE | 5))
        {
            left.retain(|at| *at != count && *at != size);
            changes.push(Change::CacheConfig {
                module,
                instruction: instruction as u64,
            });
        }
    }
    match left.first() {
        None => Ok(changes),
        Some(at) => Err(format!("word {at} of the code differs")),
    }
}
