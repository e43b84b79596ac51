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
        if symbol.st_type() != elf::STT_FUNC || symbol.is_undefined(image.endian) {
            continue;
        }
        let mut body = || {
            let value: u64 = symbol.st_value(image.endian).into();
            let (at, body) = image
                .memory
                .range(value, symbol.st_size(image.endian).into())?;
            let zeros = memmem::find(body, &ZEROS)? as u64;
            let name = names.get(symbol.st_name(image.endian).into()).ok()??;
            concerns_tvm(name).then_some((at.saturating_add(zeros), name))
        };
        if let Some((at, name)) = body() {
            let name = String::from_utf8_lossy(name);
            let what = format!("the code of `{name}` has zeros in it, which are no instructions");
            faults.add(Reply::Unknown, what, at);
        }
    }
}
