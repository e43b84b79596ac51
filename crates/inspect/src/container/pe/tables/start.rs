//! What is called when an image is loaded, and the memory that each thread has of it.

use object::pe;

use crate::container::Reply;
use crate::container::faults::Faults;
use crate::container::pe::image::Image;

/// Functions that are called at load; more are no list.
const MOST: u32 = 1 << 16;

/// The entry point is code, and the beginning of a function.
pub(super) fn entry_point(image: &Image<'_>, faults: &mut Faults) {
    let entry = image.entry_point;
    let what = if entry == 0 {
        return;
    } else if image.is_64 && !image.is_code(entry) {
        "is not in a section that may be executed"
    } else if is_inside_function(image, entry) {
        "is in the middle of a function"
    } else {
        return;
    };
    let what = format!("the entry point {entry:#x}, which is called at load, {what}");
    let at = image.file_offset(entry).unwrap_or(0);
    faults.add(Reply::Crash, what, at);
}

/// Functions are listed where they use the stack: three words, begin, end and unwinding.
fn is_inside_function(image: &Image<'_>, entry: u32) -> bool {
    let Some((rva, size)) = image.exceptions else {
        return false;
    };
    let (functions, _) = image.bytes(rva, size).unwrap_or_default().as_chunks::<12>();
    let functions = functions.iter().map(|[a, b, c, d, e, f, g, h, ..]| {
        let begin = u32::from_le_bytes([*a, *b, *c, *d]);
        (begin, u32::from_le_bytes([*e, *f, *g, *h]))
    });
    let mut functions = functions.filter(|(begin, end)| (*begin..*end).contains(&entry));
    image.machine == pe::IMAGE_FILE_MACHINE_AMD64
        && functions.next().is_some_and(|(begin, _)| begin != entry)
        && functions.next().is_none()
}

/// The TLS directory: beginning and end of what is copied, the place of the number that the
/// loader gives, functions to call. All are addresses.
pub(super) fn thread_local(image: &Image<'_>, faults: &mut Faults) {
    let Some((rva, _)) = image.thread_local else {
        return;
    };
    let mut add = |what: &str, rva: u32| {
        let at = image.file_offset(rva).unwrap_or(0);
        faults.add(Reply::Crash, what.to_owned(), at);
    };
    let field = |index| image.word_at(rva, index);
    let (Some(start), Some(end), Some(number), Some(callbacks)) =
        (field(0), field(1), field(2), field(3))
    else {
        return add(
            "the TLS directory is not in the file's part of the image",
            rva,
        );
    };
    let is_inside = |address: u64| image.relative(address).is_some();
    if start != end && (start > end || !is_inside(start) || !is_inside(end)) {
        add("thread-local data begins or ends outside the image", rva);
    }
    let place = image.relative(number).and_then(|rva| image.section(rva));
    if !place.is_some_and(|section| section.writable) {
        add(
            "the number of the thread-local data is stored where nothing may be written",
            rva,
        );
    }
    let list = image.relative(callbacks);
    if callbacks != 0 && list.is_none() {
        add(
            "the list of functions for new threads is outside the image",
            rva,
        );
    }
    let Some(list) = list else { return };
    let called = (0..MOST).map_while(|index| image.word_at(list, index));
    let mut called = called.take_while(|address| *address != 0);
    let is_code = |address: u64| {
        image
            .relative(address)
            .is_some_and(|rva| image.is_code(rva))
    };
    if called.any(|address| !is_code(address)) {
        add(
            "a function for new threads is not in a section that may be executed",
            list,
        );
    }
}
