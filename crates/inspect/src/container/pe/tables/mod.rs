//! What Windows' loader goes by before the first function of an image is called: sections,
//! base relocations, the entry point, thread-local memory.
//!
//! What is reported is what the loader trips over, and what contradicts another place of
//! the file in a way that no linker writes. Facts: the PE/COFF specification, and what
//! Wine's loader did with damaged images (`tests/systems`); where both differ Windows
//! counts. Imports and exports are checked where they are read.

mod relocations;
mod start;

use super::image::{Image, PAGE, Section};
use crate::container::Reply;
use crate::container::faults::Faults;

/// What the loader rounds the place of a section in the file down to.
const SECTOR: u32 = 512;

/// Adds what is wrong with the tables of an image.
pub(super) fn check(image: &Image<'_>, faults: &mut Faults) {
    sections(image, faults);
    rights(image, faults);
    size(image, faults);
    configuration(image, faults);
    relocations::check(image, faults);
    start::entry_point(image, faults);
    start::thread_local(image, faults);
}

/// Whether a section has what a process reads to load the image.
fn is_read(image: &Image<'_>, section: &Section) -> bool {
    let directories = [
        image.exports,
        image.imports,
        image.thread_local,
        image.exceptions,
        image.configuration,
    ];
    let mut directories = directories.iter().flatten();
    directories.any(|(rva, _)| section.holds(*rva))
}

/// What the file has of a section is behind the headers.
fn sections(image: &Image<'_>, faults: &mut Faults) {
    // Others are for debuggers.
    let is_used = |section: &&Section| {
        let is_of_code = section.executable || section.writable;
        let is_asked = is_of_code
            || is_read(image, section)
            || image.relocations.is_some_and(|(rva, _)| section.holds(rva));
        section.length > 0 && is_asked
    };
    for section in image.sections.iter().filter(is_used) {
        let at = section.file_offset;
        if u64::from(at & !SECTOR.saturating_sub(1)) < image.headers_end {
            let name = &section.name;
            let what =
                format!("the bytes of `{name}` begin at {at:#x} of the file, inside the headers");
            faults.add(Reply::Crash, what, at.into());
        }
    }
}

/// What a process reads of an image may be read: the kernel reads the relocations.
fn rights(image: &Image<'_>, faults: &mut Faults) {
    let is_closed = |section: &&Section| {
        let is_open = section.readable || section.writable || section.executable;
        !is_open && is_read(image, section)
    };
    for section in image.sections.iter().filter(is_closed) {
        let name = &section.name;
        let what = format!("`{name}`, which the loader reads, may not be read");
        faults.add(Reply::Crash, what, section.file_offset.into());
    }
}

/// The image has room for its sections, by whole pages.
fn size(image: &Image<'_>, faults: &mut Faults) {
    let needed = image.sections.iter().map(Section::end).max().unwrap_or(0);
    let size = u64::from(image.size);
    if size.checked_next_multiple_of(PAGE.into()).unwrap_or(size) < needed {
        let what = format!(
            "the image is said to take {size:#x} bytes of memory, and its sections take {needed:#x}"
        );
        faults.add(Reply::Type, what, 0);
    }
}

/// What the loader asks for before any code runs is in the file.
fn configuration(image: &Image<'_>, faults: &mut Faults) {
    let is_lost = |(rva, _): &(u32, u32)| image.section(*rva).is_none();
    if let Some((rva, _)) = image.configuration.filter(is_lost) {
        let what = format!("the load configuration is at {rva:#x}, outside the image");
        faults.add(Reply::Crash, what, 0);
    }
}
