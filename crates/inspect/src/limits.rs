//! Every bound the decoders keep, in one place.
//!
//! Counts are first bounded by the bytes that remain; these limits bound what
//! is left. Real model libraries stay far below them (docs/formats.md#bounds).

/// Bytes one archive may unpack to. It bounds time: large members are unpacked to
/// a temporary file, one at a time.
pub const MAX_UNPACKED_BYTES: u64 = 8 << 30;
/// Unpacked bytes per packed byte before an archive is called a bomb.
pub const MAX_UNPACK_RATIO: u64 = 200;
/// Unpacked bytes up to which the ratio does not matter: a model's table of zeros
/// packs a thousandfold, and so much unpacks in a second or two.
pub const RATIO_FREE_BYTES: u64 = 512 << 20;
/// Largest compressed member that is unpacked into memory; larger binaries and
/// archives go to a temporary file.
pub const MAX_MEMBER_IN_MEMORY: u64 = 8 << 20;
/// Files up to this size are read, larger ones are mapped.
pub const MAX_READ_FILE: u64 = 512 << 10;
/// The same for libtvm_runtime, of which nearly every page is wanted.
pub const MAX_READ_RUNTIME: u64 = 4 << 20;
/// Bytes of the buffers that files are read into, of all threads together.
pub const MAX_BUFFERS: usize = 32 << 20;
/// Archives inside archives.
pub const MAX_NESTING: usize = 4;
/// Members of one archive.
pub const MAX_MEMBERS: usize = 200_000;
/// Address below which the data of a wasm file is laid out. Gaps in it take no
/// memory.
pub const MAX_WASM_MEMORY: u64 = 1 << 30;
/// Bytes of memory that gaps between the data segments of a wasm file may take,
/// because they share their pages with data.
pub const MAX_WASM_PADDING: u64 = 64 << 20;
/// Bytes that are copied of the data segments of a wasm file where something lies in
/// several of them. What is asked for beyond that is read from all of them laid out.
pub const MAX_WASM_COPIES: usize = 8 << 20;
/// Items of one list that a decoder keeps: functions, constants, modules, kernels.
pub const MAX_ITEMS: usize = 1 << 18;
/// Bytes of one blob that are decoded, those read several times counted each
/// time. Tensors and device code are stepped over and do not count: real blobs
/// come to a few tens of megabytes, however large the model is.
pub const MAX_DECODED: u64 = 256 << 20;
/// Bytes of the metadata's JSON text.
pub const MAX_METADATA: usize = 4 << 20;
/// Sections of one binary that become regions.
pub const MAX_REGIONS: usize = 1 << 18;
/// Bytes of memory, roughly, that what is found in one file may take before no
/// more of its members are read.
pub const MAX_FACTS: usize = 192 << 20;
/// Symbols and other names kept of one binary.
pub const MAX_KEPT_SYMBOLS: u64 = 1 << 19;
/// Bytes of symbol names kept of one binary.
pub const MAX_KEPT_NAMES: u64 = 64 << 20;
/// Length of one symbol or string that is kept.
pub const MAX_NAME: usize = 64 << 10;
/// Bytes of the name of an archive's member, folders included: as many as Windows' longest
/// path has; those of Linux and macOS are shorter.
pub const MAX_MEMBER_NAME: usize = 32 << 10;
/// Bytes of one disassembly listing.
pub const MAX_LISTING: usize = 256 << 20;
/// Bytes between a blob's start and the VM executable in it, when a blob is
/// sought without its symbol.
pub const MAX_BLOB_HEAD: usize = 64 << 10;
/// Executables looked at per region in that search, and blob starts tried.
pub const MAX_BLOB_CANDIDATES: usize = 64;
/// Steps of one dataflow question over an executable.
pub const MAX_DATAFLOW_STEPS: usize = 512 << 10;
/// Values inside values, or copies of copies, that dataflow follows.
pub const MAX_DATAFLOW_DEPTH: usize = 64;
/// Functions inside functions that dataflow looks into.
pub const MAX_DATAFLOW_CALLS: usize = 16;
/// Findings of one rule on one artifact and runtime that are listed; the rest
/// are counted.
pub const MAX_FINDINGS: usize = 64;
/// Steps through the hash tables of one library, per symbol and name asked for.
pub const MAX_HASH_STEPS: usize = 64;
/// Length of a name a system library registers, read from its strings.
pub const MAX_REGISTERED_NAME: usize = 512;
/// Calls by name that are kept of the host code of one library.
pub const MAX_HOST_CALLS: usize = 65_536;
/// Names that joining the objects of one archive may copy. Every library gets
/// those of all its neighbours; real archives stay a thousand times below.
pub const MAX_JOINED_NAMES: usize = 4_000_000;
/// Bytes of a Python source that are read.
pub const MAX_PYTHON_SOURCE: u64 = 1 << 20;
/// Bytes of a package's list of its files, a hundred for each.
pub const MAX_RECORD: u64 = 8 << 20;
/// Bytes of what a package says of itself: the fields of its METADATA come first.
pub const MAX_PACKAGE_FILE: u64 = 256 << 10;
