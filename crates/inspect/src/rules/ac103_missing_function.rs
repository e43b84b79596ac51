//! AC103 missing-function: the VM resolves its whole function table when it
//! initialises, and a name nobody provides ends there.

use super::{Check, Outcome, Pair, Program, Rule};
use crate::container::BinaryKind;
use crate::finding::{Finding, Location, Need, Severity};
use crate::limits::MAX_FINDINGS;
use crate::module::BlobLayout;
use crate::parts::stem;
use crate::runtime::history::{self, Window};
use crate::runtime::{RuntimeProfile, compiler};
use crate::vm::FunctionKind;

pub(super) static RULE: Rule = Rule {
    code: "AC103",
    name: "missing-function",
    severity: Severity::Error,
    summary: "the library calls a function that neither it nor the runtime provides",
    explain: include_str!("ac103_missing_function.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Pair(check)];

/// How the table of parts marks a loader.
const LOADER: &str = "loader:";

/// Optional kernel packs: name prefix, what it is, how a runtime gets it.
const PACKS: &[(&str, &str, &str)] = &[
    ("flashinfer.", "FlashInfer", "USE_FLASHINFER"),
    ("cutlass.", "CUTLASS", "USE_CUTLASS"),
    ("thrust.", "Thrust", "USE_THRUST"),
    ("tvm.contrib.thrust.", "Thrust", "USE_THRUST"),
    ("tvm.contrib.cublas", "cuBLAS", "USE_CUBLAS"),
    ("tvm.contrib.cublaslt", "cuBLASLt", "USE_CUBLAS"),
    ("tvm.contrib.cudnn", "cuDNN", "USE_CUDNN"),
    ("tvm.contrib.hipblas", "hipBLAS", "USE_HIPBLAS"),
    ("tvm.contrib.cblas", "a BLAS", "USE_BLAS"),
    ("tvm.contrib.mps", "Metal Performance Shaders", "USE_MPS"),
    ("tvm.contrib.vllm", "the vLLM kernels", "USE_VLLM"),
    ("runtime.disco", "Disco", "USE_DISCO (libtvm_runtime_extra)"),
];

fn check(pair: &Pair<'_>, out: &mut Outcome) {
    // Its functions may be hidden as its blob is.
    if pair.is_hidden() {
        return;
    }
    let mut lost = Vec::new();
    host_part(pair, out);
    for program in &pair.facts.programs {
        for index in &program.others {
            let Some(function) = program.executable.functions.get(*index) else {
                continue;
            };
            let is_gone = match function.kind {
                FunctionKind::Packed => {
                    is_lost(pair, &function.name, out) && !may_come(pair, &function.name, out)
                }
                _ => !is_part(pair),
            };
            if is_gone {
                lost.push((program, *index, function));
            }
        }
    }
    if !lost.is_empty() && has_no_vm(pair.runtime) {
        return out.push(without_vm(pair));
    }
    for (program, index, function) in lost.iter().take(MAX_FINDINGS) {
        out.push(match function.kind {
            FunctionKind::VmTir => without_code(pair, &function.name),
            _ => missing(pair, program, *index, &function.name),
        });
    }
    out.and_more(lost.len().saturating_sub(MAX_FINDINGS));
    callees(pair, out);
}

/// Whether what was read of a runtime has no part that runs models, as tvm-ffi alone.
fn has_no_vm(runtime: &RuntimeProfile) -> bool {
    let functions = runtime.functions.value.as_ref();
    let is_builtin = |name: &String| name.starts_with("vm.builtin.");
    !runtime.parts.is_empty()
        && runtime.functions.is_certain()
        && functions.is_some_and(|functions| !functions.iter().any(is_builtin))
}

fn without_vm(pair: &Pair<'_>) -> Finding {
    pair.finding(
        &RULE,
        "this runtime has no Relax VM: it registers none of the functions that models call",
    )
    .evidence("tvm-ffi alone loads no model")
    .help("install TVM's runtime beside it (`pip install apache-tvm`), or name the environment that has it")
}

/// Whether something that is loaded with the library may register a function.
fn may_come(pair: &Pair<'_>, name: &str, out: &mut Outcome) -> bool {
    let why = pair.at_load.may_bring(name);
    let may = why.is_some();
    why.into_iter().for_each(|why| out.undecided(&RULE, why));
    may
}

/// Functions that host code looks up when it is first called.
fn callees(pair: &Pair<'_>, out: &mut Outcome) {
    if pair.library.has_unread_callees {
        out.undecided(
            &RULE,
            "the host code of the library was not followed to its end: what it looks up by name is not known",
        );
    }
    let callees = pair.facts.looked_up.iter().copied();
    let lost = callees.filter(|(name, _)| lacks(pair, name, out) && !may_come(pair, name, out));
    let lost: Vec<(&str, bool)> = lost.collect();
    for (name, is_own) in lost.iter().take(MAX_FINDINGS) {
        let finding = match is_own {
            false => format!(
                "a kernel calls `{name}`, which neither the library nor the runtime provides"
            ),
            true => format!(
                "a kernel looks up `{name}` by name, but runtimes do not find a library's own functions that way"
            ),
        };
        let finding = pair
            .finding(&RULE, finding)
            .at(Location {
                function: Some((*name).to_owned()),
                ..Location::default()
            })
            .evidence("the library loads, and the kernel fails when it comes to that call; whether any input leads there is not asked");
        out.push(match is_own {
            false => with_remedy(finding, pair, name, "the kernel calls it"),
            true => finding
                .evidence("the library exports it, but only imported modules and registered functions are searched")
                .help("call it as a function of the module (`call_cpacked`, or a call of its global variable), or have the application register it"),
        });
    }
    out.and_more(lost.len().saturating_sub(MAX_FINDINGS));
}

/// A bare executable is a part of a library: its kernels are in the host part. So is an
/// object with a blob that no object with kernels lies beside.
fn is_part(pair: &Pair<'_>) -> bool {
    let library = pair.library;
    let has_host_part = !(library.host_functions.is_empty() && library.vm_tir_functions.is_empty());
    let binary = pair.artifact.binary.as_deref();
    let is_object = binary.is_some_and(|binary| binary.kind == BinaryKind::Object);
    let is_loose = is_object && pair.artifact.path.is_whole_file();
    pair.blob.layout == BlobLayout::Bare || (is_loose && !has_host_part)
}

fn is_elsewhere(pair: &Pair<'_>, name: &str) -> bool {
    is_part(pair) && !name.starts_with("vm.")
}

/// What a part of a library needs of a host part that is not among its bytes.
fn host_part(pair: &Pair<'_>, out: &mut Outcome) {
    if !is_part(pair) {
        return;
    }
    let functions = pair.facts.programs.iter();
    let functions = functions.flat_map(|program| &program.executable.functions);
    let mut needed = functions.filter(|function| match function.kind {
        FunctionKind::Vm => false,
        FunctionKind::VmTir => true,
        FunctionKind::Packed => {
            let name = function.name.as_str();
            is_elsewhere(pair, name)
                && !pair.facts.provided.contains(name)
                && pair.runtime.offers_function(name) != Some(true)
        }
    });
    let Some(first) = needed.next() else { return };
    let more = match needed.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = match pair.blob.layout {
        BlobLayout::Bare => "this file is only the VM executable",
        _ => "this object holds no kernels, and no object beside it does",
    };
    out.undecided(
        &RULE,
        format!(
            "{what}: scan the library that it is linked into, to check `{}`{more}",
            first.name
        ),
    );
}

/// Whether a release has no such function.
fn lacks(pair: &Pair<'_>, name: &str, out: &mut Outcome) -> bool {
    match pair.runtime.offers_function(name) {
        Some(false) => {}
        Some(true) => {
            of_part(pair, name, out);
            return false;
        }
        None => return false,
    }
    let package = pair.runtime.python_functions.get(name);
    // Where libraries were read, TVM's own Python is one of the parts, or is not there.
    let is_read = !pair.runtime.parts.is_empty();
    let Some(package) = package.filter(|one| !(is_read && one.starts_with("apache-tvm"))) else {
        return !is_of_compiler(pair, name, out);
    };
    out.need(Need {
        library: format!("Python, with {package} imported"),
        brought_by: format!("the Python package {package}, which registers `{name}`"),
    });
    false
}

/// Whether TVM's compiler may be loaded with a runtime.
fn has_compiler(runtime: &RuntimeProfile) -> bool {
    let parts = &runtime.parts;
    let mut compilers = parts.iter().filter(|part| stem(part) == "tvm_compiler");
    runtime.glue.is_none() && (parts.is_empty() || compilers.next().is_some())
}

/// Whether a function comes with TVM's compiler, where that may be loaded, or may do so.
fn is_of_compiler(pair: &Pair<'_>, name: &str, out: &mut Outcome) -> bool {
    if !has_compiler(pair.runtime) {
        return false;
    }
    match compiler::registers(pair.runtime, name) {
        Some(true) => out.need(Need {
            library: format!("TVM's compiler, with `{name}`"),
            brought_by: String::from("`import tvm`, which loads libtvm_compiler"),
        }),
        None if compiler::may_register(name) => out.undecided(
            &RULE,
            format!(
                "whether the compiler of this runtime (libtvm_compiler) registers `{name}` is not known"
            ),
        ),
        _ => return false,
    }
    true
}

/// Notes what the machine must have for a function that only the part for a device
/// registers: a release can be built without it.
fn of_part(pair: &Pair<'_>, name: &str, out: &mut Outcome) {
    let provided_by = &pair.runtime.provided_by;
    let Some(part) = provided_by
        .get(name)
        .filter(|_| pair.runtime.parts.is_empty())
    else {
        return;
    };
    let mut of_device = provided_by.iter();
    let is_of_device = of_device.any(|(name, other)| other == part && name.starts_with(LOADER));
    let mut modules = pair.blob.modules.iter();
    // Its kernels ask for the part already.
    let is_asked =
        modules.any(|module| provided_by.get(&format!("{LOADER}{}", module.kind)) == Some(part));
    if is_of_device && !is_asked {
        out.need(Need {
            library: format!("a runtime with `{name}`"),
            brought_by: format!("{part}, where its device and driver are"),
        });
    }
}

/// Whether the runtime does not provide a function either that the library lacks.
fn is_lost(pair: &Pair<'_>, name: &str, out: &mut Outcome) -> bool {
    match pair.runtime.offers_function(name) {
        Some(true) => lacks(pair, name, out),
        _ if is_elsewhere(pair, name) => false,
        Some(false) => lacks(pair, name, out),
        None => {
            out.undecided(
                &RULE,
                format!("artcheck cannot tell whether this runtime registers `{name}`; if your application does, say --provides {name}"),
            );
            false
        }
    }
}

/// A VM function whose host code is gone.
fn without_code(pair: &Pair<'_>, name: &str) -> Finding {
    pair.finding(
        &RULE,
        format!("VM function `{name}` is compiled to host code that the library does not contain"),
    )
    .at(Location {
        function: Some(name.to_owned()),
        ..Location::default()
    })
    .says_known(pair.words("missing-tir", &[("name", name)]))
    .help("the library lost host functions when it was linked or stripped: link it again")
}

/// When snapshots had a builtin.
fn in_snapshots(name: &str) -> Option<Window> {
    let having = history::line().filter(|known| known.offers_function(name) == Some(true));
    Window::of(&having.collect::<Vec<_>>())
}

fn missing(pair: &Pair<'_>, program: &Program<'_>, index: usize, name: &str) -> Finding {
    let finding = pair
        .finding(
            &RULE,
            format!("function `{name}` is provided by neither the library nor the runtime"),
        )
        .at(program.first_use(index));
    // What only host code names is looked up when it is called.
    match index < program.table {
        true => {
            let says = pair.words("missing-function", &[("name", name)]);
            with_remedy(
                finding.says_known(says),
                pair,
                name,
                "the VM is initialised",
            )
        }
        false => {
            let finding = finding.evidence(format!(
                "VM functions that are compiled to host code call `{name}`: the library loads, and the call fails; whether any input leads there is not asked"
            ));
            with_remedy(finding, pair, name, "it is called")
        }
    }
}

/// Says whose function it is that begins as those of TVM's compiler.
fn of_a_compiler(finding: Finding, runtime: &RuntimeProfile, name: &str) -> Finding {
    let having = compiler::having(name);
    match (having.names().as_slice(), has_compiler(runtime)) {
        ([], _) => {
            let begin = compiler::space(name).unwrap_or_default();
            finding
                .evidence(format!("names that begin with `{begin}` are those of TVM's compiler (libtvm_compiler), and that of no known release registers this one"))
                .help("correct the name in the model and compile it again; a function of the application's own must be registered before the model asks for it")
        }
        (_, false) => finding
            .evidence(format!("`{name}` is a function of TVM's compiler (libtvm_compiler), which this runtime is without"))
            .help("load the compiler too, as `import tvm` does where it is installed, or leave the call out of the model"),
        (names, true) => {
            let have = if names.len() == 1 { "has" } else { "have" };
            finding
                .evidence(format!("{having} {have} `{name}` in TVM's compiler (libtvm_compiler), and this runtime's compiler does not"))
                .help("use a release whose compiler has the function, or leave the call out of the model")
        }
    }
}

/// Says where a function is to be had, and when an application's own must be there.
fn with_remedy(finding: Finding, pair: &Pair<'_>, name: &str, before: &str) -> Finding {
    let runtime = pair.runtime;
    if let Some((_, pack, flag)) = PACKS.iter().find(|(prefix, ..)| name.starts_with(prefix)) {
        return finding
            .evidence(format!("`{name}` belongs to {pack}"))
            .help(format!(
                "use a runtime built with {flag}=ON, or compile the library without {pack}"
            ));
    }
    if let Some(package) = history::line().find_map(|known| known.python_functions.get(name)) {
        return finding
            .evidence(format!("importing the Python package {package} registers `{name}`; no library of the runtime does"))
            .help("compare with the environment that the model runs in (`--runtime VENV`); a program without Python must register the function itself (`--provides` says that it does)");
    }
    if compiler::may_register(name) {
        return of_a_compiler(finding, runtime, name);
    }
    if name.starts_with("vm.builtin.") || name.starts_with("vm.") {
        let having = history::when(|known| known.offers_function(name) == Some(true));
        let finding = finding.evidence(match having.names().as_slice() {
            [] => match in_snapshots(name) {
                Some(window) => format!("only snapshots of {window} have it"),
                None => String::from("no known release has it"),
            },
            [only] => format!("only {only} has it"),
            _ => format!("{having} have it"),
        });
        return finding.help(match having.is_empty() {
            false => "compile the library with the runtime's TVM, or use a release that has this builtin",
            true if in_snapshots(name).is_some() => "compile the library with the runtime's TVM",
            true => "compile the library with the runtime's TVM: the name comes from a fork or a development snapshot, or is damaged",
        });
    }
    finding.help(format!("compile the library again with all its kernels; a function of the application's own must be registered before {before}"))
}
