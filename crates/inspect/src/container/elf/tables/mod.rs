//! The tables that the dynamic loader follows without asking: the dynamic section,
//! hashes, versions and relocations of a linked library for x86-64 or AArch64.
//!
//! One wrong byte there ends a process, or hides a function. What is reported is what
//! the loader trips over, and what contradicts another place of the file in a way that
//! no linker writes. Facts: the gABI, the psABIs of both processors, and what glibc's
//! loader did with damaged libraries (`tests/all/tables.rs` does it again).
//!
//! Not seen: a value that is as likely as the right one, such as a relocation that
//! names another function of the table.

mod dynamic;
mod lookup;
mod relocations;
mod targets;
mod versions;
mod zeros;

use object::Endianness;
use object::elf;
use object::read::elf::FileHeader;

use super::dynamic::Dynamic;
use super::image::Image;
use super::symbols;
use crate::container::Damage;
use crate::container::faults::Faults;

/// What is wrong with the tables of a library.
pub(super) fn read<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
) -> Vec<Damage> {
    let machine = image.header.e_machine(image.endian);
    let is_followed = image.header.is_type_64()
        && image.endian == Endianness::Little
        && matches!(machine, elf::EM_X86_64 | elf::EM_AARCH64);
    let mut faults = Faults::default();
    if !is_followed {
        return faults.found;
    }
    dynamic::check(image, dynamic, &mut faults);
    if let Ok(Some(table)) = symbols::dynamic_table(image, dynamic) {
        lookup::check(image, dynamic, &table, &mut faults);
        let odd = versions::check(image, dynamic, &table, &mut faults);
        relocations::check(image, dynamic, &table, &odd, &mut faults);
        zeros::check(image, &table, &mut faults);
    }
    faults.found
}
