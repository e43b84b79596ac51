//! Small DLLs: what a linker writes of imports and exports, and nothing else.

/// A DLL to be written.
#[derive(Default)]
pub struct Dll<'a> {
    /// For 32-bit x86, not x86-64.
    pub is_32: bool,
    /// Libraries with what is asked of them: a name, or `#4` for a number.
    pub imports: &'a [(&'a str, &'a [&'a str])],
    /// The same of those that are delay-loaded.
    pub delayed: &'a [(&'a str, &'a [&'a str])],
    /// Names, sorted, with where they lead to: a function of its own, or of another library.
    /// They have the numbers from 1 on.
    pub exports: &'a [(&'a str, Option<&'a str>)],
    /// Text behind it all.
    pub text: &'a str,
}

/// Where the only section is, in memory and in the file.
const RVA: u32 = 0x1000;
const AT: usize = 0x200;
const BASE: u64 = 0x1_0000;

/// The bytes of the section.
struct Section {
    bytes: Vec<u8>,
    word: usize,
}

impl Section {
    fn here(&self) -> u32 {
        RVA + u32::try_from(self.bytes.len()).expect("small")
    }

    fn text(&mut self, skip: usize, text: &str) -> u32 {
        let at = self.take(skip + text.len() + 1);
        self.put(at + u32::try_from(skip).expect("small"), text.as_bytes());
        at
    }

    /// Zeros, at an even place.
    fn take(&mut self, length: usize) -> u32 {
        let at = self.here();
        let end = (self.bytes.len() + length).next_multiple_of(8);
        self.bytes.resize(end, 0);
        at
    }

    fn put(&mut self, rva: u32, bytes: &[u8]) {
        let at = usize::try_from(rva - RVA).expect("small");
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn put_u32(&mut self, rva: u32, index: u32, value: u32) {
        self.put(rva + 4 * index, &value.to_le_bytes());
    }
}

impl Dll<'_> {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut section = Section {
            bytes: vec![0xcc; 16],
            word: if self.is_32 { 4 } else { 8 },
        };
        let exports = self.exports(&mut section);
        let imports = directory(&mut section, self.imports, 5, &[0, 3, 4]);
        let delayed = directory(&mut section, self.delayed, 8, &[4, 1, 3]);
        section.text(0, self.text);
        let end = section.bytes.len().next_multiple_of(AT);
        section.bytes.resize(end, 0);
        let mut bytes = self.headers(&section, [(0, exports), (1, imports), (13, delayed)]);
        bytes.resize(AT, 0);
        bytes.append(&mut section.bytes);
        bytes
    }

    fn exports(&self, section: &mut Section) -> (u32, u32) {
        let count = u32::try_from(self.exports.len()).expect("few");
        if count == 0 {
            return (0, 0);
        }
        let of = self.exports.len();
        let start = section.take(40);
        let (functions, names, ordinals) = (
            section.take(4 * of),
            section.take(4 * of),
            section.take(2 * of),
        );
        for (index, (name, to)) in (0..).zip(self.exports) {
            // The code is before the directory, and what is in it is another library's.
            let target = to.map_or(RVA, |to| section.text(0, to));
            section.put_u32(functions, index, target);
            let name = section.text(0, name);
            section.put_u32(names, index, name);
            section.put(
                ordinals + 2 * index,
                &u16::try_from(index).expect("few").to_le_bytes(),
            );
        }
        let name = section.text(0, "a.dll");
        let fields = [
            (3, name),
            (4, 1),
            (5, count),
            (6, count),
            (7, functions),
            (8, names),
        ];
        for (index, value) in fields.into_iter().chain([(9, ordinals)]) {
            section.put_u32(start, index, value);
        }
        (start, section.here() - start)
    }

    fn headers(&self, section: &Section, directories: [(usize, (u32, u32)); 3]) -> Vec<u8> {
        let length = u32::try_from(section.bytes.len()).expect("small");
        let mut bytes = vec![0; 0x40];
        bytes[..2].copy_from_slice(b"MZ");
        bytes[0x3c] = 0x40;
        bytes.extend(b"PE\0\0");
        let (machine, magic, size) = match self.is_32 {
            true => (0x14c_u16, 0x10b_u16, 224_u16),
            false => (0x8664, 0x20b, 240),
        };
        let words = [machine, 1, 0, 0, 0, 0, 0, 0, size, 0x2022, magic, 0];
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        let mut put = |value: u32| bytes.extend(value.to_le_bytes());
        // Sizes of code and data, entry point, base of code.
        [0, 0, 0, 0, RVA].into_iter().for_each(&mut put);
        match self.is_32 {
            true => [RVA, u32::try_from(BASE).expect("low")]
                .into_iter()
                .for_each(&mut put),
            false => [u32::try_from(BASE).expect("low"), 0]
                .into_iter()
                .for_each(&mut put),
        }
        // Alignments, versions, sizes of image and headers, checksum, subsystem.
        let image = RVA + length.next_multiple_of(0x1000);
        let fields = [
            0x1000,
            0x200,
            6,
            0,
            6,
            0,
            image,
            0x200,
            0,
            2 | (0x100 << 16),
        ];
        fields.into_iter().for_each(&mut put);
        // Stack and heap.
        let words = if self.is_32 { 4 } else { 8 };
        (0..words).for_each(|_| put(0));
        [0, 16].into_iter().for_each(&mut put);
        for index in 0..16 {
            let known = directories.iter().find(|(one, _)| *one == index);
            let (rva, size) = known.map_or((0, 0), |(_, place)| *place);
            [rva, size].into_iter().for_each(&mut put);
        }
        bytes.extend(b".text\0\0\0");
        let at = u32::try_from(AT).expect("small");
        let fields = [length, RVA, length, at, 0, 0, 0, 0xe000_0020];
        bytes.extend(fields.iter().flat_map(|field| field.to_le_bytes()));
        bytes
    }
}

/// A table of libraries, with so many words for each; those for names, library and cells are
/// given.
fn directory(
    section: &mut Section,
    libraries: &[(&str, &[&str])],
    words: u32,
    places: &[u32; 3],
) -> (u32, u32) {
    if libraries.is_empty() {
        return (0, 0);
    }
    let size = 4 * words * u32::try_from(libraries.len() + 1).expect("few");
    let start = section.take(usize::try_from(size).expect("few"));
    for (index, (library, symbols)) in (0..).zip(libraries) {
        let length = section.word * (symbols.len() + 1);
        let (names, cells) = (section.take(length), section.take(length));
        for (index, symbol) in symbols.iter().enumerate() {
            let entry = match symbol.strip_prefix('#') {
                Some(number) => {
                    let number: u64 = number.parse().expect("a number");
                    number | 1 << (8 * section.word - 1)
                }
                None => section.text(2, symbol).into(),
            };
            let at = u32::try_from(index * section.word).expect("few");
            let entry = entry.to_le_bytes();
            for table in [names, cells] {
                section.put(table + at, &entry[..section.word]);
            }
        }
        let library = section.text(0, library);
        let first = index * words;
        for (place, value) in places.iter().zip([names, library, cells]) {
            section.put_u32(start, first + place, value);
        }
        if words == 8 {
            // Its addresses are relative.
            section.put_u32(start, first, 1);
        }
    }
    (start, size)
}
