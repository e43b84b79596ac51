//! Runs a program for arm64 macOS, compiled as a dylib, in the emulator: its `main` gets
//! the program's name and the words after it. `tests/systems` loads a Mac's libraries by it.
//!
//! ```text
//! cargo run -p artcheck-metal-sim --features macho-host --example macos_program -- PROGRAM.dylib WORD...
//! ```

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use artcheck_metal_sim::Options;
use artcheck_metal_sim::macho::stack::{Stack, Zig, prepare};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What `main` returns. Libraries that others name are looked for beside the files
/// among the words, as an application's are beside it.
fn run(words: &[String]) -> Result<u8> {
    let Some((program, files)) = words.split_first() else {
        return Err("usage: macos_program PROGRAM.dylib WORD...".into());
    };
    let zig = Zig::choose().ok_or("no zig: set ARTCHECK_ZIG")?;
    let mut folders = vec![prepare(&zig, &Options::default().cache_folder())?];
    let beside = files.iter().filter_map(|file| Path::new(file).parent());
    folders.extend(beside.map(PathBuf::from));
    let texts: Vec<CString> = words
        .iter()
        .map(|word| CString::new(word.as_str()))
        .collect::<std::result::Result<_, _>>()?;
    let arguments: Vec<u64> = texts.iter().map(|text| text.as_ptr() as u64).collect();
    let stack = Stack::new(&folders)?;
    stack.open(Path::new(program))?;
    let main = stack.find(None, "main").ok_or("the program has no main")?;
    let status = stack.call(main, &[arguments.len() as u64, arguments.as_ptr() as u64])?;
    Ok(status.to_le_bytes()[0])
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(125)
        }
    }
}
