//! The facts of a runtime, each declared once.
//!
//! From the list at the end come the fields of [`RuntimeProfile`] and their
//! JSON, the keys of `data/releases.toml`, how the parts of a load set are put
//! together, what makes two runtimes alike, what the release table may add to a
//! library that was read, and the lines of `artcheck runtime`. A new fact is
//! one entry; where its bytes are read is `binary.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::compiler_file::CompilerFile;
use super::fact::{Confidence, Fact, FactValue, Likeness, RowForm};
use super::glue::Glue;
use super::values::{
    Arities, BlobSymbol, CallingConvention, ConstructorStyle, Counts, Parameter, ParameterKinds,
    SiteTags, TagSite, UnknownDtype,
};
use crate::module::{BlobLayout, FunctionInfoForm, PayloadOrder};
use crate::vm::kv_cache::{CREATE, CREATE_REDUCED};
use crate::vm::{ConstantTable, Magic};

/// One fact as text, for pages and tables.
#[derive(Debug, Clone)]
pub struct FactView {
    /// Key in a row of `data/releases.toml`.
    pub key: &'static str,
    /// Key in the JSON of a profile.
    pub name: &'static str,
    /// Words on the `runtime` page.
    pub label: &'static str,
    /// How a row changes it.
    pub form: RowForm,
    /// The value as JSON; null where it is not known.
    pub value: serde_json::Value,
    /// The value in words.
    pub words: Option<String>,
    /// Where it came from.
    pub source: Option<Confidence>,
    /// How it was found.
    pub note: Option<String>,
}

macro_rules! facts {
    ($(
        $(#[$doc:meta])*
        $name:ident: $type:ty = $label:literal, row $key:literal, completed $completed:literal
        $(, shown $shown:expr)?
        $(, generation $generation:expr)?
        $(, alike $alike:expr)?;
    )*) => {
        /// What a runtime accepts and offers.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct RuntimeProfile {
            /// Name shown to people: `tvm-0.26`, or the path that was read.
            pub name: String,
            /// Files the profile was read from; empty for a release.
            pub parts: Vec<String>,
            /// Release this matches, where known (`0.26`).
            pub release: Option<String>,
            /// Operating system of the parts (`linux`, `macos`, `windows`), where known.
            pub os: Option<String>,
            /// Architecture of the parts, spelled as [`crate::container::Architecture`] serialises.
            pub architecture: Option<String>,
            /// Date of the tag or commit (`2026-08-05`), for releases and snapshots.
            #[serde(default)]
            pub date: Option<String>,
            /// Version of the wheel that the facts were read from, for releases.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub wheel: Option<String>,
            /// Commit of apache/tvm, for snapshots.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub commit: Option<String>,
            /// First and last commit of mlc-llm that was found to build it, for snapshots.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub mlc_llm: Vec<String>,
            /// Name of the release whose very file this is.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub identity: Option<String>,
            /// What sets a release or snapshot apart, or how a release was recognised.
            #[serde(default)]
            pub note: Option<String>,
            /// Name spaces in which `functions` is complete: a name that begins with
            /// one of them and is not listed is missing, of any other nothing is known.
            /// An empty string covers all names.
            #[serde(default)]
            pub function_namespaces: BTreeSet<String>,
            /// Names that a part may register too: its registrations could not all be read,
            /// and it holds these as strings.
            #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
            pub possible_functions: BTreeSet<String>,
            /// Functions and loaders (`loader:<kind>`) that only come with an extra
            /// part: name to part (a library name, or the file that was read).
            #[serde(default)]
            pub provided_by: BTreeMap<String, String>,
            /// Functions that importing a Python package of the release registers, name to
            /// package; no library of it has them.
            #[serde(skip)]
            pub python_functions: BTreeMap<String, String>,
            /// Beginnings of names that the compiler of the release registers, which clients
            /// without Python do not load.
            #[serde(skip)]
            pub compiler_namespaces: BTreeSet<String>,
            /// The compiler among the parts.
            #[serde(skip)]
            pub compiler: Option<Arc<CompilerFile>>,
            /// The JavaScript that this is, for a web page's packages: the runtime itself
            /// is inside the wasm library.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub glue: Option<Box<Glue>>,
            $( $(#[$doc])* #[serde(default)] pub $name: Fact<$type>, )*
        }

        /// A row of the release table: what changed since its base.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct Row {
            pub(super) name: String,
            pub(super) evidence: String,
            pub(super) release: Option<String>,
            pub(super) commit: Option<String>,
            pub(super) date: Option<String>,
            pub(super) wheel: Option<String>,
            pub(super) base: Option<String>,
            pub(super) note: Option<String>,
            #[serde(default)]
            pub(super) mlc_llm: Vec<String>,
            pub(super) function_namespaces: Option<BTreeSet<String>>,
            pub(super) compiler_namespaces: Option<BTreeSet<String>>,
            #[serde(default)]
            pub(super) part: BTreeMap<String, String>,
            #[serde(default)]
            pub(super) python: BTreeMap<String, Vec<String>>,
            $( #[serde(default, rename = $key)] $name: <$type as FactValue>::Row, )*
        }

        impl RuntimeProfile {
            /// Every fact, in the order of the `runtime` page.
            pub fn facts(&self) -> Vec<FactView> {
                vec![$(FactView {
                    key: $key,
                    name: stringify!($name),
                    label: $label,
                    form: <$type as FactValue>::FORM,
                    value: serde_json::to_value(&self.$name.value).unwrap_or_default(),
                    words: self.$name.value.as_ref().map(|value| {
                        let words: fn(&$type) -> String = <$type as FactValue>::words;
                        $( let words: fn(&$type) -> String = { let _ = words; $shown }; )?
                        words(value)
                    }),
                    source: self.$name.source,
                    note: self.$name.note.clone(),
                }),*]
            }

            /// Applies the facts of a row to the inherited ones. The error is the
            /// key, and the name that it removes although the base lacks it.
            pub(super) fn change(&mut self, row: Row) -> Result<(), (&'static str, String)> {
                $( <$type as FactValue>::change(&mut self.$name.value, row.$name)
                    .map_err(|name| ($key, name))?; )*
                Ok(())
            }

            /// Says of every known fact where it came from.
            pub(super) fn mark(&mut self, source: Confidence, note: &str) {
                $( if self.$name.value.is_some() {
                    self.$name.source = Some(source);
                    self.$name.note = Some(note.to_owned());
                } )*
            }

            /// Adds the facts of another part of the same load set.
            pub(super) fn join(&mut self, part: &Self) {
                $( FactValue::join(&mut self.$name, &part.$name); )*
            }

            /// Agreement on what decides how a library is loaded and called.
            pub(super) fn same_generation(&self, known: &Self) -> bool {
                $($(
                    let view: fn(&$type, &Self) -> _ = $generation;
                    if differs(&self.$name, &known.$name, |value| view(value, known)) {
                        return false;
                    }
                )?)*
                true
            }

            /// Agreement on everything else that both sides know.
            pub(super) fn same_facts(&self, known: &Self) -> bool {
                $($(
                    let view: fn(&$type, &Self) -> _ = $alike;
                    if differs(&self.$name, &known.$name, |value| view(value, known)) {
                        return false;
                    }
                )?)*
                true
            }

            /// Takes missing facts over where every known runtime agrees on them.
            pub(super) fn complete_from(
                &mut self,
                alike: &[&'static Self],
                generation: &[&'static Self],
                like: &Likeness<'_, ()>,
            ) {
                $( if $completed {
                    let of = |known: &[&'static Self]| -> Vec<&'static Fact<$type>> {
                        known.iter().map(|known| &known.$name).collect()
                    };
                    FactValue::complete(&mut self.$name, &of(alike), &Likeness {
                        is_known: like.is_known,
                        is_oldest: like.is_oldest,
                        generation: of(generation),
                        names: like.names.clone(),
                    });
                } )*
            }
        }
    };
}

/// Whether both sides know a fact and see it otherwise.
fn differs<T, V: PartialEq>(read: &Fact<T>, known: &Fact<T>, view: impl Fn(&T) -> V) -> bool {
    match (&read.value, &known.value) {
        (Some(read), Some(known)) => view(read) != view(known),
        _ => false,
    }
}

fn whole<T: Clone>(value: &T, _: &RuntimeProfile) -> T {
    value.clone()
}

fn starting_with(names: &BTreeSet<String>, start: &str) -> BTreeSet<String> {
    let found = names.iter().filter(|name| name.starts_with(start));
    found.cloned().collect()
}

/// Builtins without those that `known` says come from an extra part.
fn builtins(names: &BTreeSet<String>, known: &RuntimeProfile) -> BTreeSet<String> {
    let mut builtins = starting_with(names, "vm.builtin.");
    builtins.retain(|name| !known.provided_by.contains_key(name));
    builtins
}

facts! {
    /// Blob symbols looked for.
    blob_symbols: BTreeSet<BlobSymbol> = "blob symbols", row "blob_symbols", completed true;

    /// Blob layouts read.
    blob_layouts: BTreeSet<BlobLayout> = "blob layouts", row "blob_layouts", completed true;

    /// VM magics read.
    vm_magics: BTreeSet<Magic> = "vm magics", row "vm_magics", completed true, alike whole;

    /// VM magic that the compiler of the same release writes.
    vm_magic_written: Magic = "vm magic written", row "vm_magic_written", completed false;

    /// Version string demanded of an executable.
    vm_version: String = "vm version", row "vm_version", completed true, alike whole;

    /// Constant table read.
    constant_table: ConstantTable = "constant table", row "constant_table", completed true,
        alike whole;

    /// Module kinds with a loader.
    module_loaders: BTreeSet<String> = "module loaders", row "loaders", completed false,
        generation |kinds, _| kinds.contains("relax.VMExecutable");

    /// Order in which the fields of metal and vulkan payloads are read.
    payload_order: PayloadOrder = "device payloads", row "payload_order", completed true;

    /// Form in which kernels are described.
    function_info: FunctionInfoForm = "function info", row "function_info", completed true;

    /// Calling convention of host functions.
    calling_convention: CallingConvention = "calling convention", row "calling_convention",
        completed true;

    /// Context slots filled.
    context_slots: BTreeSet<String> = "context slots", row "slots", completed false,
        generation whole;

    /// Tags accepted per site.
    attention_tags: BTreeMap<TagSite, SiteTags> = "attention tags", row "attention_tags",
        completed false,
        generation |sites, _| tag_names(sites),
        alike whole;

    /// Meaning of the KV-cache constructor's argument 15.
    constructor_style: ConstructorStyle = "constructor style", row "constructor_style",
        completed true;

    /// Accepted argument counts per builtin; absent builtins are not checked.
    builtin_arity: Arities = "constructor arity", row "arity", completed true,
        shown |arities| arities.get(CREATE).map_or_else(|| String::from("-"), Counts::to_string),
        alike |arities, _| [CREATE, CREATE_REDUCED].map(|name| arities.get(name).cloned());

    /// What each argument of a builtin must be; absent builtins are not checked.
    argument_kinds: ParameterKinds = "argument kinds", row "kinds", completed true,
        shown |kinds| format!("of {} builtins", kinds.len());

    /// How the check of a tensor is told that its type is not known.
    unknown_dtype: UnknownDtype = "unknown dtype", row "unknown_dtype", completed true,
        alike whole;

    /// Accepted lengths of the cache config shape. The check leaves its text in
    /// every runtime that has it, so one without the text has no such check.
    cache_config_lengths: BTreeSet<u64> = "cache config", row "cache_config_lengths",
        completed false, alike whole;

    /// Length of the cache config that the compiler of the same release writes.
    cache_config_written: u64 = "cache config written", row "cache_config_written",
        completed false;

    /// Registered global functions (packed functions, loaders, builtins),
    /// those of every optional part included.
    functions: BTreeSet<String> = "functions", row "functions", completed false,
        shown |names| format!(
            "{} names, {} of them vm.builtin",
            names.len(),
            starting_with(names, "vm.builtin.").len()
        ),
        alike builtins;

    /// Exported C symbols (`TVM*`).
    c_symbols: BTreeSet<String> = "C symbols", row "c_symbols", completed false,
        shown |names| format!("{} names", names.len()),
        generation |names, _| names.contains("TVMFuncCall"),
        alike |names, _| starting_with(names, "TVMBackend");

    /// tvm-ffi version, as `TVMFFIGetVersion` or metadata says it.
    ffi_version: String = "tvm-ffi", row "ffi_version", completed false;
}

/// The tags that any site accepts.
pub fn tag_names(sites: &BTreeMap<TagSite, SiteTags>) -> BTreeSet<String> {
    sites
        .values()
        .flat_map(|tags| tags.keys().cloned())
        .collect()
}

impl RuntimeProfile {
    /// The argument counts that a builtin takes, and whether they may be held against
    /// a library: only those of the two constructors can be read.
    pub(crate) fn arity_of(&self, builtin: &str) -> Option<(Counts, bool)> {
        let counts = match self.signature(builtin) {
            Some(parameters) => Counts::only(parameters.len() as u64),
            None => self.builtin_arity.value.as_ref()?.get(builtin)?.clone(),
        };
        let is_released = self.parts.is_empty() || self.identity.is_some();
        let is_read = self.builtin_arity.is_certain() && matches!(builtin, CREATE | CREATE_REDUCED);
        Some((counts, is_released || is_read))
    }

    /// The parameters of a function that registers its signature.
    pub(crate) fn signature(&self, function: &str) -> Option<&[Parameter]> {
        let parameters = self.argument_kinds.value.as_ref()?.get(function)?;
        let is_open = parameters
            .last()
            .is_some_and(|last| last.0 == Parameter::MORE);
        (!is_open).then_some(parameters)
    }

    /// Whether a function takes its arguments as they come and looks at them itself.
    pub(crate) fn is_open(&self, function: &str) -> bool {
        let kinds = self.argument_kinds.value.as_ref();
        kinds.is_some_and(|kinds| kinds.contains_key(function))
            && self.signature(function).is_none()
    }

    /// Whether it reads arguments without counting them, also behind the last one.
    pub(crate) fn counts_nothing(&self, function: &str) -> bool {
        const READERS: [&str; 3] = [
            "vm.builtin.alloc_tensor",
            "vm.builtin.check_tensor_info",
            "vm.builtin.to_device",
        ];
        READERS.contains(&function) && self.is_open(function)
    }

    /// Whether it has the Relax VM, which tvm-0.15 does not; so where it is not known.
    pub fn runs_models(&self) -> bool {
        let loaders = self.module_loaders.value.as_ref();
        loaders.is_none_or(|kinds| kinds.iter().any(|kind| kind.starts_with("relax.")))
    }

    /// Whether every function that is not listed is missing.
    pub fn lists_every_function(&self) -> bool {
        self.function_namespaces.contains("")
    }

    /// Whether a global function is offered; `None` when the profile does not say.
    pub fn offers_function(&self, name: &str) -> Option<bool> {
        let functions = self.functions.value.as_ref()?;
        if functions.contains(name) {
            return Some(true);
        }
        if self.possible_functions.contains(name) || !self.functions.is_certain() {
            return None;
        }
        let mut spaces = self.function_namespaces.iter();
        if !spaces.any(|space| name.starts_with(space.as_str())) {
            return None;
        }
        // A linker keeps a text that ends another only once.
        let is_text = self.functions.source == Some(Confidence::BinaryLiteral);
        let texts = functions.iter().filter(|_| is_text);
        let mut texts = texts.chain(&self.possible_functions);
        (!texts.any(|text| text.ends_with(name))).then_some(false)
    }
}
