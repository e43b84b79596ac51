//! What emulated code asks the loader: which image an address or a symbol is in.

use super::host;
use super::images::{Images, Loaded};

/// `dlsym`'s handles that are no library are this and the numbers above.
const MAIN_ONLY: u64 = u64::MAX - 4;
/// The handle of the program itself, and of all that it loaded.
pub(super) const DEFAULT: u64 = u64::MAX - 1;

/// `bool _dyld_find_unwind_sections(void*, struct dyld_unwind_sections*)`.
pub(super) fn unwind_sections(images: &Images, address: u64, to: u64) -> u64 {
    let Some(image) = images.at(address) else {
        return 0;
    };
    let base = image.mapped.base();
    let place = |(start, size): (u64, u64)| match size {
        0 => (0, 0),
        _ => (base.wrapping_add(start), size),
    };
    let unwinding = image.mapped.image.unwinding;
    let (frames, compact) = (place(unwinding.frames), place(unwinding.compact));
    host::write_words(to, &[base, frames.0, frames.1, compact.0, compact.1]);
    1
}

/// What `ask` says of the image of this number; 0 if there is none.
pub(super) fn image(images: &Images, index: u64, ask: impl Fn(&Loaded) -> u64) -> u64 {
    let index = usize::try_from(index & 0xffff_ffff).unwrap_or(usize::MAX);
    images.all().get(index).map_or(0, |image| ask(image))
}

/// `void* dlsym(void* handle, const char* name)`; a library's handle is its base.
pub(super) fn symbol(images: &Images, handle: u64, name: &str) -> Option<u64> {
    let symbol = format!("_{name}");
    if handle >= MAIN_ONLY || handle == 0 {
        return images.symbol(&symbol);
    }
    let image = images.find(|image| image.mapped.base() == handle)?;
    image.find_deep(&symbol)
}

/// `int dladdr(const void*, Dl_info*)`: file and base; symbols are not named.
pub(super) fn address_info(images: &Images, address: u64, to: u64) -> u64 {
    let Some(image) = images.at(address) else {
        return 0;
    };
    host::write_words(to, &[image.name.as_ptr() as u64, image.mapped.base(), 0, 0]);
    1
}
