//! A [`Binary`]: the facts that are kept of a file of any format.

use std::sync::Arc;

use serde::Serialize;

use super::{InProcess, Segment, WasmExport, WasmImport};

/// File format of a binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// ELF, 32 or 64 bits.
    Elf,
    /// Mach-O, thin (a fat file becomes one `Parsed` per slice).
    MachO,
    /// PE image (`.dll`, `.exe`).
    Pe,
    /// COFF object.
    Coff,
    /// WebAssembly module.
    Wasm,
    /// A Relax VM executable outside any container.
    VmExecutable,
}

/// What the linker made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BinaryKind {
    /// Shared library, dylib, bundle, DLL, wasm module.
    SharedLibrary,
    /// Program; of ELF's `ET_DYN` what its linker marked as one.
    Program,
    /// Relocatable object.
    Object,
}

/// Instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// x86-64.
    X86_64,
    /// 32-bit x86.
    X86,
    /// AArch64, Apple's arm64 included.
    Aarch64,
    /// Apple's arm64 with signed pointers: no process of arm64 loads it.
    Arm64e,
    /// 32-bit Arm.
    Arm,
    /// 64-bit RISC-V.
    Riscv64,
    /// WebAssembly, 32-bit memory.
    Wasm32,
    /// Any other, by the format's own machine number.
    Other(u32),
}

/// System the binary was built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// Linux with any libc (ELF without an Android note).
    Linux,
    /// Android (ELF with its note, or needing its libraries).
    Android,
    /// macOS.
    MacOs,
    /// iOS device.
    Ios,
    /// iOS simulator.
    IosSimulator,
    /// Mac Catalyst.
    MacCatalyst,
    /// tvOS.
    TvOs,
    /// watchOS.
    WatchOs,
    /// visionOS.
    VisionOs,
    /// Another of Apple's: DriverKit, bridgeOS, other simulators.
    OtherApple,
    /// Windows.
    Windows,
    /// A WebAssembly host.
    Web,
    /// Not stated by the file (objects often do not say).
    Unknown,
}

/// A defined symbol that concerns TVM. Mach-O's leading underscore is removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DefinedSymbol {
    /// Name as a C programmer would write it.
    pub name: String,
    /// Virtual address (ELF, Mach-O), RVA (PE) or section offset (objects).
    pub address: u64,
    /// Size in bytes where the format records one.
    pub size: Option<u64>,
    /// Index into [`Parsed::regions`] where the symbol's data lies, if in one.
    pub region: Option<usize>,
    /// Offset inside that region.
    pub region_offset: u64,
    /// Weak definition.
    pub weak: bool,
    /// Visible to the dynamic linker (always true for objects' globals).
    pub exported: bool,
}

impl DefinedSymbol {
    /// A strong one for others, in a region and at an offset there where it is in one.
    pub(super) fn new(name: String, address: u64, place: Option<(usize, u64)>) -> Self {
        Self {
            name,
            address,
            size: None,
            region: place.map(|(region, _)| region),
            region_offset: place.map_or(0, |(_, offset)| offset),
            weak: false,
            exported: true,
        }
    }
}

/// An undefined symbol that concerns TVM (C or mangled C++).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UndefinedSymbol {
    /// Name as a C programmer would write it.
    pub name: String,
    /// Weak reference: stays null without an error.
    pub weak: bool,
    /// Library it is bound to, where the format says (Mach-O two-level, PE).
    pub library: Option<String>,
    /// A function that is looked for when it is first called, not at load (ELF).
    pub lazy: bool,
    /// Functions of a model library that use it, where its code shows them.
    #[serde(skip)]
    pub users: Vec<String>,
    /// Whether it is looked for at its first call, and nothing in a model library leads to
    /// those who call it: TVM does not, and no other function.
    #[serde(skip)]
    pub idle: bool,
}

impl UndefinedSymbol {
    /// A strong one that is looked for at load.
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            weak: false,
            library: None,
            lazy: false,
            users: Vec::new(),
            idle: false,
        }
    }
}

/// An undefined symbol that neither TVM nor the system's own libraries define, as
/// far as its name tells: of ELF, and of Mach-O where any library may define it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForeignSymbol {
    /// Name.
    pub name: String,
    /// The version of it that is asked for, and of which library.
    #[serde(skip)]
    pub version: Option<VersionNeed>,
    /// The library that must have it, as it is named (Mach-O two-level, PE).
    #[serde(skip)]
    pub library: Option<String>,
    /// Looked for when it is first called, not at load.
    pub lazy: bool,
    /// Functions of the binary that use it, where its code shows them.
    pub users: Vec<String>,
    /// As with [`UndefinedSymbol::idle`].
    #[serde(skip)]
    pub idle: bool,
}

impl ForeignSymbol {
    /// The name as it is looked up: with the version that is asked for, `name@VERSION`.
    pub(crate) fn spelled(&self) -> String {
        match &self.version {
            Some(version) => format!("{}@{}", self.name, version.version),
            None => self.name.clone(),
        }
    }
}

/// A library this binary asks the loader for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Needed {
    /// `DT_NEEDED`, dylib install name, or DLL name.
    pub name: String,
    /// Weak or delay-loaded: absence is not an error at load.
    pub optional: bool,
}

/// What no linker makes: headers of one file that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What contradicts what.
    pub kind: DamageKind,
    /// The section, or the addresses.
    pub what: String,
    /// Where it is in the file.
    pub offset: u64,
    /// The symbols that are lost by it: of a model library it matters where the model
    /// asks for one. An empty one's name is lost itself.
    pub lost: Vec<String>,
}

/// What contradicts what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// A section's bytes are mapped elsewhere than the section is.
    Moved,
    /// A section is not mapped, or not from the file.
    NotMapped,
    /// A segment may be neither read nor written nor executed.
    NoPermission,
    /// Code in a segment that may not be executed.
    NotExecutable,
    /// Data that is written, in a segment that may not be.
    NotWritable,
    /// What is protected after relocation is not mapped.
    Relro,
    /// The header of a section does not fit its neighbours or what the segments map.
    SectionHeader,
    /// There is no section table where the header says.
    SectionTable,
    /// The file ends before its section table.
    Cut,
    /// The header names another system than Linux or Android, or a later form of its files.
    OtherSystem,
    /// A processor of 32 bits in a file of 64.
    OtherClass,
    /// Marked as never to be opened at run time.
    NotOpened,
    /// Relocations in a form that only Android's loader reads, in a file for Linux.
    PackedForAndroid,
    /// Thread-local memory that must be there before the process starts.
    StaticTls,
    /// A WebAssembly module that no engine compiles.
    Invalid,
    /// Data of a WebAssembly module for which its memory is too small.
    PastMemory,
    /// A section that a linker wrote is not there.
    Missing,
    /// A table that the dynamic loader follows; what is wrong is a whole sentence.
    Table(Reply),
}

/// What comes of a damaged table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The process ends without a word.
    Crash,
    /// The loader does not know a type of relocation.
    Type,
    /// The loader refuses a version of symbols.
    Version,
    /// A symbol is not found.
    NotFound,
    /// The loader finds itself inconsistent and ends the process.
    Assertion,
    /// A library that is needed is not found.
    Library,
    /// The loader refuses the file, and prints this.
    Words(&'static str),
    /// Nothing: neither the loader nor TVM asks for it.
    Unasked,
    /// Nothing or a crash: what is damaged is not known, or not who uses it.
    Unknown,
}

/// A form of relocations that not every loader reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// `DT_RELR`: glibc 2.36, musl 1.2.4, Android 11.
    Relr,
    /// `DT_ANDROID_RELR`: Android 9 alone.
    AndroidRelr,
    /// `DT_ANDROID_REL` and `DT_ANDROID_RELA` (`APS2`): Android 6 alone.
    Android,
}

/// The C library of a Linux binary, by what it asks the loader for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CLibrary {
    /// glibc.
    Gnu,
    /// musl.
    Musl,
}

/// A symbol version asked of a library (ELF `.gnu.version_r`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionNeed {
    /// Library, e.g. `libc.so.6`.
    pub library: String,
    /// Version, e.g. `GLIBC_2.34`.
    pub version: String,
}

/// Code signature state of a Mach-O file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Signature {
    /// The format has none.
    NotApplicable,
    /// A Mach-O without one.
    Unsigned,
    /// `LC_CODE_SIGNATURE` with an ad-hoc code directory.
    AdHoc,
    /// Signed by a team or certificate.
    Identity {
        /// Team identifier where present.
        team: Option<String>,
    },
    /// Present but not readable.
    Malformed,
}

/// Facts about one binary, owned and small.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Binary {
    /// File format.
    pub format: Format,
    /// What the linker made of it.
    pub kind: BinaryKind,
    /// Instruction set.
    pub architecture: Architecture,
    /// System.
    pub platform: Platform,
    /// The processors of the other slices of a universal binary.
    #[serde(skip)]
    pub other_slices: Vec<Architecture>,
    /// Minimum system version (Mach-O), as `major.minor[.patch]`.
    pub min_os: Option<String>,
    /// The level of x86-64 that an ELF file says it needs (`x86-64-v3`), from the second on.
    #[serde(skip)]
    pub isa_level: Option<u32>,
    /// The loader that an ELF program names.
    #[serde(skip)]
    pub interpreter: Option<String>,
    /// Whether its loader is told to look in no folder of the system (`-z nodefaultlib`).
    #[serde(skip)]
    pub without_system: bool,
    /// What glibc's `dlopen` says of an ELF file that is no library.
    #[serde(skip)]
    pub refusal: Option<&'static str>,
    /// SONAME, install name or DLL name.
    pub identity: Option<String>,
    /// Libraries asked of the loader, in order.
    pub needed: Vec<Needed>,
    /// Those of them whose exports a Mach-O library offers as its own.
    #[serde(skip)]
    pub reexports: Vec<String>,
    /// RPATH/RUNPATH/`LC_RPATH` entries, in order.
    pub search_paths: Vec<String>,
    /// Whether an ELF file's are RUNPATH: for its own requests alone.
    #[serde(skip)]
    pub has_runpath: bool,
    /// The program of the scan that loads it, where one does.
    #[serde(skip)]
    pub process: Option<Arc<InProcess>>,
    /// Whether an ELF file asks for a stack that may be executed.
    #[serde(skip)]
    pub code_on_stack: bool,
    /// What a loader maps of a linked file; empty for objects and for debug
    /// companions, which hold none of it.
    pub segments: Vec<Segment>,
    /// Exported cells that TVM writes to when it opens the library, in memory that may not
    /// be written by then.
    #[serde(skip)]
    pub frozen: Vec<String>,
    /// What contradicts itself in a linked file.
    #[serde(skip)]
    pub damage: Vec<Damage>,
    /// ELF version needs.
    pub version_needs: Vec<VersionNeed>,
    /// Defined symbols that concern TVM (see [`super::concerns_tvm`]); all exported
    /// and global function symbols if a blob symbol is among them.
    pub defined: Vec<DefinedSymbol>,
    /// Libraries whose functions a PE file asks for by number.
    #[serde(skip)]
    pub by_number: Vec<String>,
    /// Undefined symbols that concern TVM; of ELF in the order in which the loader
    /// looks for them.
    pub undefined: Vec<UndefinedSymbol>,
    /// Of an ELF library or program that concerns TVM: strong undefined symbols
    /// that some other library must define, with no version or with one of a library that
    /// is none of the system's. Of Mach-O those that any library may define and the system does
    /// not, and of Mach-O and PE what a library of the system is asked for and is not known to
    /// have: of PE the first.
    pub foreign: Vec<ForeignSymbol>,
    /// Whether an ELF or Mach-O file asks the system to open libraries, or for functions
    /// by a name of its own (`dlopen`, `dlsym`).
    #[serde(skip)]
    pub opens: bool,
    /// wasm imports.
    pub wasm_imports: Vec<WasmImport>,
    /// wasm exports.
    pub wasm_exports: Vec<WasmExport>,
    /// Whether a wasm module runs a function of its own before its host can do anything.
    #[serde(skip)]
    pub wasm_starts: bool,
    /// Mach-O signature state.
    pub signature: Signature,
    /// How an ELF file's relocations are packed, where they are.
    #[serde(skip)]
    pub packed: Vec<Packing>,
    /// Whether constructors are present (`.init_array`, `__mod_init_func`).
    pub has_constructors: bool,
    /// An LLVM function that every image of the process would bind to: exported
    /// by an ELF library, strong, without a version. Elsewhere names belong to
    /// one library.
    pub visible_llvm: Option<String>,
}

impl Binary {
    /// A binary of which nothing more is known.
    pub fn new(
        format: Format,
        kind: BinaryKind,
        architecture: Architecture,
        platform: Platform,
    ) -> Self {
        Self {
            format,
            kind,
            architecture,
            platform,
            other_slices: Vec::new(),
            min_os: None,
            isa_level: None,
            interpreter: None,
            without_system: false,
            refusal: None,
            identity: None,
            needed: Vec::new(),
            reexports: Vec::new(),
            search_paths: Vec::new(),
            has_runpath: false,
            process: None,
            code_on_stack: false,
            segments: Vec::new(),
            frozen: Vec::new(),
            damage: Vec::new(),
            version_needs: Vec::new(),
            defined: Vec::new(),
            by_number: Vec::new(),
            undefined: Vec::new(),
            foreign: Vec::new(),
            opens: false,
            wasm_imports: Vec::new(),
            wasm_exports: Vec::new(),
            wasm_starts: false,
            signature: Signature::NotApplicable,
            packed: Vec::new(),
            has_constructors: false,
            visible_llvm: None,
        }
    }

    /// Its C library, and the name by which it asks for that.
    pub fn c_library(&self) -> Option<(CLibrary, &str)> {
        if self.format != Format::Elf || self.platform != Platform::Linux {
            return None;
        }
        let of = |name: &str| match name {
            "libc.so.6" | "libm.so.6" => Some(CLibrary::Gnu),
            // Android's library has this name too, and its files say that they are Android's.
            "libc.so" => Some(CLibrary::Musl),
            _ if name.starts_with("libc.musl-") || name.starts_with("ld-musl-") => {
                Some(CLibrary::Musl)
            }
            _ => None,
        };
        let names = self.needed.iter().map(|needed| needed.name.as_str());
        names
            .filter_map(|name| Some((of(name)?, name)))
            .max_by_key(|(library, _)| *library == CLibrary::Musl)
    }
}
