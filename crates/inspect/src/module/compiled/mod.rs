//! Host code, read back: VM functions that are compiled to it (`__vmtir__<name>`), and what
//! any of its functions calls by name (`calls_by_name`).
//!
//! A compiled VM function makes the calls that its bytecode would: it puts registers, constants
//! and numbers into an array of arguments and calls builtins by name. The code is followed
//! from its first instruction (`follow`), by what the machine's instructions move about;
//! what it calls becomes instructions of the VM again, in a copy of the executable. A
//! function that does not let itself be read so is named, with the reason.

mod aside;
mod calls_by_name;
mod course;
mod follow;
mod image;
mod marks;
mod merge;

use super::ModelLibrary;
use super::recovered::{Recovered, Unread};
use super::symbols::vm_tir_functions;
use crate::container::Parsed;
use crate::machine;
use crate::vm::{Executable, FunctionKind};
use follow::Reader;
use image::Image;

/// The end of the names of the builtins that create a KV cache, or the middle.
const KV_CACHE_CREATE: &[u8] = b"kv_cache_create";

/// Fills in what the code needs of its processor, and what compiled VM functions do, where
/// there are some.
pub(super) fn read(library: &mut ModelLibrary, parsed: &Parsed<'_>) {
    library.extensions = machine::extensions(parsed);
    let Ok(blob) = &library.blob else { return };
    let is_compiled = |executable: &Executable| {
        let mut functions = executable.functions.iter();
        functions.any(|function| function.kind == FunctionKind::VmTir)
    };
    let mut image = None;
    let mut recovered = Vec::new();
    for (module, executable) in blob.executables().filter(|(_, it)| is_compiled(it)) {
        let image = image.get_or_insert_with(|| Image::of(parsed, library));
        let mut read = of_executable(module, executable, image.as_mut());
        read.may_create_cache =
            !read.unread.is_empty() && memchr::memmem::find(parsed.data, KV_CACHE_CREATE).is_some();
        recovered.push(read);
    }
    library.recovered = recovered;
    if library.looks_up()
        && let Some(image) = image.get_or_insert_with(|| Image::of(parsed, library))
    {
        let mut read = calls_by_name::read(image);
        library.has_unread_callees = !read.is_complete;
        library.host_calls = read.calls.into_iter().collect();
        library.host_callees.extend(std::mem::take(&mut read.names));
        library.host_callees.sort_unstable();
        library.host_callees.dedup();
    }
}

fn of_executable(
    module: usize,
    executable: &Executable,
    image: Option<&mut Image<'_>>,
) -> Recovered {
    let compiled = executable.functions.iter().enumerate();
    let compiled = compiled.filter(|(_, function)| function.kind == FunctionKind::VmTir);
    let Some(image) = image else {
        let unread = |name: &str| Unread {
            name: name.to_owned(),
            why: String::from("code of this architecture is not read"),
        };
        return Recovered {
            module,
            executable: executable.clone(),
            unread: compiled
                .map(|(_, function)| unread(&function.name))
                .collect(),
            may_create_cache: false,
        };
    };
    let mut reader = Reader::new(image, executable);
    let (mut bodies, mut unread) = (Vec::new(), Vec::new());
    for (index, function) in compiled {
        match reader.body(index, &function.name, function.num_args) {
            Ok(body) => bodies.push(body),
            Err(why) => unread.push(Unread {
                name: function.name.clone(),
                why,
            }),
        }
    }
    Recovered {
        module,
        executable: executable.with_bodies(reader.more(), &bodies),
        unread,
        may_create_cache: false,
    }
}
