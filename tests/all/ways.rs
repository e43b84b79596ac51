//! Calls that a run never comes to, or only by a branch, and functions of the library that
//! hide the runtime's: built, run and scanned.

use std::process::Command;

use crate::support::make::put;
use crate::support::{rules, scan, venv, works};

const PROGRAMS: &str = r#"
import sys
import numpy
import tvm
from tvm import relax
from tvm.script import ir as I, relax as R, tirx as T

@I.ir_module
class constant:
    @R.function(pure=False)
    def main(x: R.Tensor((4,), "float32")) -> R.Object:
        c = R.const(False, "bool")
        if c:
            y = R.call_packed("vm.builtin.reshape", x, R.shape([5]), ty_args=R.Object())
        else:
            y = R.call_packed("vm.builtin.reshape", x, R.shape([1, 4]), ty_args=R.Object())
        return y

@I.ir_module
class asked:
    @R.function(pure=False)
    def main(x: R.Tensor((4,), "float32"), c: R.Tensor((), "bool")) -> R.Object:
        if c:
            y = R.call_packed("vm.builtin.reshape", x, R.shape([5]), ty_args=R.Object())
        else:
            y = R.call_packed("vm.builtin.reshape", x, R.shape([1, 4]), ty_args=R.Object())
        return y

@I.ir_module
class copy:
    @T.prim_func(s_tir=True)
    def kernel(x: T.Buffer((4,), "float32"), y: T.Buffer((4,), "float32"), z: T.Buffer((4,), "float32")):
        for i in range(4):
            with T.sblock("b"):
                v = T.axis.spatial(4, i)
                z[v] = x[v] + y[v]
    @R.function(pure=False)
    def main(x: R.Tensor((4,), "float32")) -> R.Tensor((4,), "float32"):
        y = R.call_dps_packed("vm.builtin.copy", (x, x), R.Tensor((4,), "float32"))
        return y

@I.ir_module
class sort:
    @T.prim_func(s_tir=True)
    def kernel(x: T.Buffer((4,), "float32"), z: T.Buffer((4,), "float32")):
        for i in range(4):
            with T.sblock("b"):
                v = T.axis.spatial(4, i)
                z[v] = x[v] * T.float32(2)
    @R.function(pure=False)
    def main(x: R.Tensor((4,), "float32")) -> R.Tensor((4,), "float32"):
        y = R.call_dps_packed("tvm.contrib.sort.sort", (x,), R.Tensor((4,), "float32"))
        return y

name, mode, file, *conditions = sys.argv[1:]
module = globals()[name]
for kernel in [one for one in module.get_global_vars() if one.name_hint == "kernel"]:
    function, hidden = module[kernel], {"copy": "vm.builtin.copy", "sort": "tvm.contrib.sort.sort"}[name]
    del module[kernel]
    module[tvm.ir.GlobalVar(hidden)] = function.with_attr("global_symbol", hidden)
relax.build(module, tvm.target.Target("llvm"), exec_mode=mode).export_library(file)
given = [tvm.runtime.tensor(numpy.ones(4, "float32"))]
given += [tvm.runtime.tensor(numpy.array(one == "True")) for one in conditions]
vm = relax.VirtualMachine(tvm.runtime.load_module(file), tvm.cpu())
try:
    vm["main"](*given)
except Exception:
    sys.exit(3)
"#;

/// Whether a program runs, built so, with these conditions given to it.
fn runs(script: &std::path::Path, arguments: &[&str]) -> bool {
    let mut command = Command::new(venv("tvm-0.27").join("bin/python"));
    works(command.arg(script).args(arguments))
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn calls_that_a_run_may_not_come_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = put(folder.path(), "programs.py", PROGRAMS);
    for mode in ["bytecode", "compiled"] {
        for (name, conditions, status) in [
            // Of compiled code the branches are read, and not what they ask.
            ("constant", &[""; 0][..], &["fits", "undecided"][..]),
            ("copy", &[], &["fits"]),
            ("sort", &[], &["fits"]),
            // What compiled code asks for a view is not always read.
            ("asked", &["False", "True"], &["undecided", "fits"]),
        ] {
            let shown = format!("{name}, {mode}");
            let file = folder.path().join(format!("{name}-{mode}.so"));
            let path = file.to_str().expect("UTF-8");
            match conditions {
                [] => assert!(runs(&script, &[name, mode, path]), "{shown}"),
                some => {
                    for one in some {
                        let ran = runs(&script, &[name, mode, path, one]);
                        assert_eq!(ran, *one == "False", "{shown}, {one}");
                    }
                }
            }
            let (report, _) = scan([file.as_os_str(), "-r".as_ref(), "tvm-0.27".as_ref()]);
            let found = report["verdicts"][0]["status"].as_str().expect("a status");
            let read = if mode == "bytecode" { 1 } else { status.len() };
            assert!(status[..read].contains(&found), "{shown}: {report:#}");
            assert!(rules(&report, &["error"]).is_empty(), "{shown}: {report:#}");
        }
    }
}
