//! Which names a loaded runtime has registered: read from the strings of a
//! library, a name may also be a type key or one that is only looked up.
//!
//! The libraries run in a child process, so that two releases never meet and a
//! library that ends its process ends nothing else.

use std::collections::BTreeSet;
use std::ffi::{c_char, c_int, c_void};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Those of `names` that are registered once the libraries are loaded.
pub fn registered(
    libraries: &[PathBuf],
    names: &BTreeSet<String>,
) -> anyhow::Result<BTreeSet<String>> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("ask")
        .args(libraries)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("no pipe")?;
    let lines: Vec<&str> = names.iter().map(String::as_str).collect();
    // The child reads all before it writes.
    input.write_all(lines.join("\n").as_bytes())?;
    drop(input);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("the libraries could not be asked ({})", output.status);
    }
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// The child: names on standard input, those registered on standard output.
pub fn child(libraries: &[PathBuf]) -> anyhow::Result<()> {
    let mut names = String::new();
    std::io::stdin().read_to_string(&mut names)?;
    let registry = Registry::load(libraries)?;
    let mut out = std::io::stdout().lock();
    for name in names.lines().filter(|name| registry.has(name)) {
        writeln!(out, "{name}")?;
    }
    out.flush()?;
    // Unloading runs destructors of several libraries in an order they do not expect.
    std::process::exit(0)
}

#[repr(C)]
struct ByteArray {
    data: *const c_char,
    size: usize,
}

type GetGlobal = unsafe extern "C" fn(*const ByteArray, *mut *mut c_void) -> c_int;

struct Registry {
    get_global: GetGlobal,
}

impl Registry {
    #[cfg(unix)]
    #[allow(unsafe_code)]
    fn load(libraries: &[PathBuf]) -> anyhow::Result<Self> {
        use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
        let mut get_global = None;
        for path in libraries {
            // SAFETY: the maintainer named these wheels; their initialisers are
            // what is asked for. Leaked below, so nothing outlives its library.
            let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }
                .with_context(|| path.display().to_string())?;
            let library: &'static Library = Box::leak(Box::new(library));
            if get_global.is_none() {
                // SAFETY: the symbol has this signature in every tvm-ffi (c_api.h).
                get_global = unsafe { library.get::<GetGlobal>(b"TVMFFIFunctionGetGlobal") }
                    .ok()
                    .map(|found| *found);
            }
        }
        let get_global = get_global.context("none of the libraries has TVMFFIFunctionGetGlobal")?;
        Ok(Self { get_global })
    }

    #[cfg(not(unix))]
    fn load(_: &[PathBuf]) -> anyhow::Result<Self> {
        bail!("libraries are asked on Linux and macOS only")
    }

    #[allow(unsafe_code)]
    fn has(&self, name: &str) -> bool {
        let name = ByteArray {
            data: name.as_ptr().cast(),
            size: name.len(),
        };
        let mut function = std::ptr::null_mut();
        // SAFETY: both pointers live through the call; the library is never unloaded.
        let status = unsafe { (self.get_global)(&name, &mut function) };
        status == 0 && !function.is_null()
    }
}
