//! Stubs and cells that a Mach-O image calls through, by its indirect symbols,
//! and its functions, by `LC_FUNCTION_STARTS`, or by symbols where a linker left that empty.

use object::Endianness;
use object::macho::{self, MachHeader64};
use object::read::macho::{LoadCommandVariant as Command, Nlist, Section, Segment};

use super::image::{Image, bytes_at};
use super::table;
use crate::container::linkage::Linkage;

type Mach = MachHeader64<Endianness>;
type Header = macho::Section64<Endianness>;

/// Values of an indirect symbol that name none.
const NONE: u32 = 0xc000_0000;

pub(super) fn read(data: &[u8], wanted: fn(&[u8]) -> bool) -> Option<Linkage> {
    let image = Image::<Mach>::parse(data, 0).ok()?;
    let endian = image.endian;
    let mut linkage = Linkage::default();
    // Whether each section, from the first, is code alone.
    let mut is_code: Vec<bool> = Vec::new();
    let mut commands =
        object::read::macho::MachHeader::load_commands(image.header, endian, data, 0).ok()?;
    while let Ok(Some(command)) = commands.next() {
        match command.variant().ok()? {
            Command::Segment64(segment, rest) => {
                for section in segment.sections(endian, rest).ok()? {
                    pointers(&image, section, wanted, &mut linkage);
                    let flags = section.flags.get(endian);
                    is_code.push(flags.contains(macho::S_ATTR_PURE_INSTRUCTIONS));
                }
            }
            Command::LinkeditData(found) if command.cmd() == macho::LC_FUNCTION_STARTS => {
                let (at, size) = (found.dataoff.get(endian), found.datasize.get(endian));
                let bytes = bytes_at(data, at.into(), size.into())?;
                starts(bytes, image.text_address, &mut linkage);
            }
            _ => {}
        }
    }
    if linkage.starts.is_empty() {
        let table = table::table(&image).ok()?;
        let all = table.iter().flat_map(|table| table.all);
        for symbol in all.filter(|symbol| symbol.is_definition()) {
            let section = usize::from(symbol.n_sect()).checked_sub(1);
            if section.and_then(|at| is_code.get(at)) == Some(&true) {
                linkage.start(symbol.n_value(endian));
            }
        }
    }
    Some(linkage)
}

/// What the entries of a section of stubs or pointers lead to.
fn pointers(
    image: &Image<'_, Mach>,
    section: &Header,
    wanted: fn(&[u8]) -> bool,
    linkage: &mut Linkage,
) -> Option<()> {
    let endian = image.endian;
    let kind = section.section_type(endian);
    let is_stub = kind == macho::S_SYMBOL_STUBS;
    let step = match kind {
        macho::S_SYMBOL_STUBS => section.reserved2.get(endian).into(),
        macho::S_NON_LAZY_SYMBOL_POINTERS | macho::S_LAZY_SYMBOL_POINTERS => 8u64,
        _ => return None,
    };
    let count = section.size.get(endian).checked_div(step)?;
    let first = u64::from(section.reserved1.get(endian));
    let at = u64::from(image.ranges?.indirectsymoff.get(endian));
    let at = at.checked_add(first.checked_mul(4)?)?;
    let entries = bytes_at(image.data, at, count.checked_mul(4)?)?;
    let table = table::table(image).ok()??;
    let (entries, _) = entries.as_chunks::<4>();
    for (place, entry) in entries.iter().enumerate() {
        let index = u32::from_le_bytes(*entry);
        let distance = (place as u64).checked_mul(step)?;
        let address = section.addr.get(endian).checked_add(distance)?;
        let symbol = usize::try_from(index).ok().and_then(|at| table.all.get(at));
        let Some(symbol) = symbol.filter(|_| index & NONE == 0) else {
            continue;
        };
        let from = usize::try_from(symbol.n_strx(endian)).unwrap_or(usize::MAX);
        let text = table.strings.get(from..).unwrap_or_default();
        let name = text.get(..memchr::memchr(0, text).unwrap_or(0));
        let name = table::plain(name.unwrap_or_default());
        let own = symbol.is_definition().then(|| symbol.n_value(endian));
        linkage.cell(address, name, own, wanted(name));
        if is_stub && let Some(callee) = linkage.cells.remove(&address) {
            linkage.named.insert(address, callee);
        }
    }
    Some(())
}

/// Distances between functions, seven bits a byte, least first; zero ends them.
fn starts(bytes: &[u8], first: u64, linkage: &mut Linkage) {
    let mut address = first;
    let (mut distance, mut shift) = (0u64, 0u32);
    for byte in bytes {
        let bits = u64::from(byte & 0x7f);
        distance |= bits.checked_shl(shift).unwrap_or(0);
        shift = shift.saturating_add(7);
        if byte & 0x80 != 0 {
            continue;
        }
        if distance == 0 {
            return;
        }
        address = address.wrapping_add(distance);
        linkage.start(address);
        (distance, shift) = (0, 0);
    }
}
