//! Writes blobs, payloads and executables from docs/formats.md#blob. Shares
//! nothing with the reader under test.

#![allow(dead_code)] // each test binary uses a part

pub mod limits;
pub mod packed;

use artcheck_inspect::container::{
    Architecture, Binary, BinaryKind, Contents, FileRange, Format, Parsed, Platform, Region,
};
use artcheck_inspect::module::KernelInfo;
use artcheck_inspect::vm::Magic;

/// A growing stream.
#[derive(Default, Clone)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }
    pub fn i32(&mut self, value: i32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.u64(bytes.len() as u64).raw(bytes)
    }
    pub fn str(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }
    pub fn strs(&mut self, texts: &[&str]) -> &mut Self {
        self.u64(texts.len() as u64);
        for text in texts {
            self.str(text);
        }
        self
    }
    pub fn words(&mut self, words: &[i64]) -> &mut Self {
        self.u64(words.len() as u64);
        for word in words {
            self.i64(*word);
        }
        self
    }
    pub fn texts(&mut self, texts: &[(String, Vec<u8>)]) -> &mut Self {
        self.u64(texts.len() as u64);
        for (name, text) in texts {
            self.str(name).bytes(text);
        }
        self
    }
    pub fn kernels(&mut self, kernels: &[KernelInfo], extra: bool) -> &mut Self {
        self.u64(kernels.len() as u64);
        for kernel in kernels {
            self.str(&kernel.key).str(&kernel.name);
            self.u64(kernel.arg_types.len() as u64);
            for dtype in &kernel.arg_types {
                self.raw(&[dtype.code, dtype.bits])
                    .raw(&dtype.lanes.to_le_bytes());
            }
            let tags: Vec<&str> = kernel.launch_tags.iter().map(String::as_str).collect();
            self.strs(&tags);
            if extra {
                self.u64(kernel.extra_tags.len() as u64);
                for tag in &kernel.extra_tags {
                    self.i32(*tag);
                }
            }
        }
        self
    }
    /// A float32 tensor.
    pub fn tensor(&mut self, shape: &[i64], data: &[u8]) -> &mut Self {
        self.u64(0xDD5E_40F0_96B4_A13F).u64(0).i32(1).i32(0);
        self.i32(shape.len() as i32).raw(&[2, 32, 1, 0]);
        for extent in shape {
            self.i64(*extent);
        }
        self.i64(data.len() as i64).raw(data)
    }
}

/// A function-table entry.
pub fn function(
    kind: i32,
    name: &str,
    range: std::ops::Range<i64>,
    args: i64,
    registers: i64,
) -> Vec<u8> {
    let mut out = Bytes::default();
    out.i32(kind).str(name).i64(range.start).i64(range.end);
    out.i64(args).i64(registers).u64(0);
    out.0
}

/// A function that names its parameters.
pub fn named_function(
    kind: i32,
    name: &str,
    range: std::ops::Range<i64>,
    parameters: &[&str],
    registers: i64,
) -> Vec<u8> {
    let count = i64::try_from(parameters.len()).expect("few");
    let mut out = function(kind, name, range, count, registers);
    out.truncate(out.len() - 8);
    let mut names = Bytes::default();
    names.strs(parameters);
    out.extend(names.0);
    out
}

/// A whole executable from its parts.
pub fn assemble(
    magic: Magic,
    functions: &[Vec<u8>],
    constants: &[Vec<u8>],
    code: &[Vec<i64>],
) -> Vec<u8> {
    let mut out = Bytes::default();
    out.u64(match magic {
        Magic::V1 => 0xD225_DE2F_4214_151D,
        Magic::V2 => 0xD225_DE2F_4214_151E,
    });
    out.str("0.14").u64(functions.len() as u64);
    for function in functions {
        out.raw(function);
    }
    if magic == Magic::V2 {
        out.u64(0);
    }
    out.u64(constants.len() as u64);
    for constant in constants {
        out.raw(constant);
    }
    let mut offsets = Vec::new();
    let mut words: Vec<i64> = Vec::new();
    for instruction in code {
        offsets.push(words.len() as i64);
        words.extend(instruction);
    }
    out.words(&offsets).words(&words);
    out.0
}

/// A string constant of today's table.
pub fn string(text: &str) -> Vec<u8> {
    let mut out = Bytes::default();
    out.i32(65).str(text);
    out.0
}

/// A small executable: one function that returns a string.
pub fn executable(magic: Magic) -> Vec<u8> {
    assemble(
        magic,
        &[
            function(1, "main", 0..2, 0, 1),
            function(0, "vm.builtin.copy", 0..0, -2, 0),
        ],
        &[string("hello")],
        &[vec![1, 0, 1, 1, 2 << 56], vec![2, 0]],
    )
}

fn tree(out: &mut Bytes, children: &[&[u64]]) {
    out.u64(children.len() as u64 + 1).u64(0);
    let mut end = 0;
    for list in children {
        end += list.len() as u64;
        out.u64(end);
    }
    out.u64(end);
    for child in children.iter().copied().flatten() {
        out.u64(*child);
    }
}

fn with_length(body: Bytes) -> Vec<u8> {
    let mut out = Bytes::default();
    out.bytes(&body.0);
    out.0
}

/// A blob as 0.22 and later write it.
pub fn tree_first(children: &[&[u64]], modules: &[(&str, Option<Vec<u8>>)]) -> Vec<u8> {
    let mut out = Bytes::default();
    tree(&mut out, children);
    for (kind, payload) in modules {
        out.str(kind);
        if let Some(payload) = payload {
            out.bytes(payload);
        }
    }
    with_length(out)
}

/// A blob as releases up to 0.21 write it; payloads come as they stand.
pub fn count_first(modules: &[(&str, Option<Vec<u8>>)], children: Option<&[&[u64]]>) -> Vec<u8> {
    let mut out = Bytes::default();
    out.u64(modules.len() as u64 + u64::from(children.is_some()));
    for (kind, payload) in modules {
        out.str(kind);
        if let Some(payload) = payload {
            out.raw(payload);
        }
    }
    if let Some(children) = children {
        out.str("_import_tree");
        tree(&mut out, children);
    }
    with_length(out)
}

/// A binary with nothing but one data region.
pub fn parsed(data: &[u8]) -> Parsed<'_> {
    Parsed {
        binary: Binary::new(
            Format::Wasm,
            BinaryKind::SharedLibrary,
            Architecture::Wasm32,
            Platform::Web,
        ),
        regions: vec![Region {
            name: "memory".into(),
            address: 0,
            data: Contents::of_file(data),
            file_ranges: vec![FileRange {
                region_offset: 0,
                file_offset: 0,
                length: data.len() as u64,
            }],
            executable: false,
            writable: false,
        }],
        data,
        slice_offset: 0,
    }
}
