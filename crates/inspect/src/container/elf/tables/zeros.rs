//! Functions that TVM compiled and that are overwritten with zeros.
//!
//! Nothing else of code is asked: which bytes are right, only who compiled them knows.
//! Nor are the linker's stubs and the C library's start files: each linker and each age
//! of them has its own.

use memchr::memmem;
use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, Sym};

use crate::container::Reply;
use crate::container::elf::image::Image;
use crate::container::elf::table::Table;
use crate::container::faults::Faults;
use crate::container::names::concerns_tvm;
use crate::container::symbols::Names;

/// More zeros than instructions have in a row.
const ZEROS: [u8; 16] = [0; 16];

/// Functions of TVM's compiler with zeros in them.
pub(super) fn check<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    table: &Table<'_, Elf>,
    faults: &mut Faults,
) {
    let mut names = Names::new(table.strings, table.strings_at, image.data.len());
    for symbol in table.symbols {
        let size: u64 = symbol.st_size(image.endian).into();
        let is_here = symbol.st_type() == elf::STT_FUNC && !symbol.is_undefined(image.endian);
        if !is_here || size < ZEROS.len() as u64 {
            continue;
        }
        // Told by the name first: the code of a compiler would be read to its last page.
        let offset = symbol.st_name(image.endian).into();
        if !names.may_concern_tvm(names.start(offset)) {
            continue;
        }
        let mut body = || {
            let name = names.get(offset).ok()??;
            let value: u64 = symbol.st_value(image.endian).into();
            let (at, body) = image
                .memory
                .range(value, size)
                .filter(|_| concerns_tvm(name))?;
            let zeros = memmem::find(body, &ZEROS)? as u64;
            Some((at.saturating_add(zeros), name))
        };
        if let Some((at, name)) = body() {
            let name = String::from_utf8_lossy(name);
            let what = format!("the code of `{name}` has zeros in it, which are no instructions");
            faults.add(Reply::Unknown, what, at);
        }
    }
}
