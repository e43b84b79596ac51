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

/// A value of tvm-ffi; type 0 is nothing.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Any {
    kind: i32,
    padding: u32,
    value: i64,
}

/// The beginning of an error object (`TVMFFIErrorCell`): the object, then these.
#[repr(C)]
struct ErrorCell {
    object: [u64; 3],
    kind: ByteArray,
    message: ByteArray,
}

type GetGlobal = unsafe extern "C" fn(*const ByteArray, *mut *mut c_void) -> c_int;
type Call = unsafe extern "C" fn(*mut c_void, *const Any, i32, *mut Any) -> c_int;
type Raised = unsafe extern "C" fn(*mut *mut ErrorCell);

/// The functions that loaded libraries have registered.
pub struct Registry {
    get_global: GetGlobal,
    call: Call,
    raised: Raised,
}

impl Registry {
    #[cfg(unix)]
    #[allow(unsafe_code)]
    pub fn load(libraries: &[PathBuf]) -> anyhow::Result<Self> {
        use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
        let mut found = None;
        for path in libraries {
            // SAFETY: the maintainer named these wheels; their initialisers are
            // what is asked for. Leaked below, so nothing outlives its library.
            let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }
                .with_context(|| path.display().to_string())?;
            let library: &'static Library = Box::leak(Box::new(library));
            // SAFETY: the symbols have these signatures in every tvm-ffi (c_api.h).
            let functions = unsafe {
                (
                    library.get::<GetGlobal>(b"TVMFFIFunctionGetGlobal"),
                    library.get::<Call>(b"TVMFFIFunctionCall"),
                    library.get::<Raised>(b"TVMFFIErrorMoveFromRaised"),
                )
            };
            if let (Ok(get_global), Ok(call), Ok(raised)) = functions {
                found = found.or(Some(Self {
                    get_global: *get_global,
                    call: *call,
                    raised: *raised,
                }));
            }
        }
        found.context("none of the libraries has the functions of tvm-ffi")
    }

    #[cfg(not(unix))]
    pub fn load(_: &[PathBuf]) -> anyhow::Result<Self> {
        bail!("libraries are asked on Linux and macOS only")
    }

    #[allow(unsafe_code)]
    fn find(&self, name: &str) -> Option<*mut c_void> {
        let name = ByteArray {
            data: name.as_ptr().cast(),
            size: name.len(),
        };
        let mut function = std::ptr::null_mut();
        // SAFETY: both pointers live through the call; the library is never unloaded.
        let status = unsafe { (self.get_global)(&name, &mut function) };
        (status == 0 && !function.is_null()).then_some(function)
    }

    fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// What a function says when it is given more arguments than any takes.
    #[allow(unsafe_code)]
    pub fn refusal(&self, name: &str) -> String {
        const MANY: [Any; 70] = [Any {
            kind: 0,
            padding: 0,
            value: 0,
        }; 70];
        let mut error: *mut ErrorCell = std::ptr::null_mut();
        let Some(function) = self.find(name) else {
            return String::new();
        };
        // SAFETY: arguments and result live through the call, and so does the error, which
        // is never freed; the process is there for such calls alone.
        let message = unsafe {
            if (self.call)(function, MANY.as_ptr(), 70, &mut Any::default()) == 0 {
                return String::new();
            }
            (self.raised)(&mut error);
            let Some(error) = error.as_ref() else {
                return String::new();
            };
            std::slice::from_raw_parts(error.message.data.cast::<u8>(), error.message.size)
        };
        String::from_utf8_lossy(message).into_owned()
    }
}
