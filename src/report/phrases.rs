//! Phrases and sizes that several reports share.

use artcheck_inspect::Location;

/// Lines or blocks of one kind that are ever shown; the others are counted.
pub const MOST: usize = 1_000;
/// Lines that fit on a screen together with a verdict.
pub const SCREENFUL: usize = 20;

/// One location in words.
pub fn place(location: &Location) -> String {
    let mut parts = Vec::new();
    if let Some(symbol) = &location.symbol {
        parts.push(format!("symbol {symbol}"));
    }
    if let Some(function) = &location.function {
        parts.push(format!("function {function}"));
    }
    if let Some(instruction) = location.instruction {
        parts.push(format!("instruction {instruction}"));
    }
    if let Some(argument) = location.argument {
        parts.push(format!("argument {argument}"));
    }
    if let Some(constant) = location.constant {
        parts.push(format!("constant {constant}"));
    }
    if let Some(offset) = location.offset {
        parts.push(format!("byte {offset:#x}"));
    }
    parts.join(", ")
}

/// `1 error`, `2 errors`.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
