//! Data types that the runtime's functions for sorting refuse: what is said of compiled
//! sorts, and what the wheels do with them.

use std::path::Path;
use std::process::Command;

use crate::support::{rules, scan, venv, works};

/// Compiles a sort of one data type, and asks the wheel to run it.
const SORT: &str = "import sys, numpy, tvm\n\
    from tvm import relax\n\
    what, dtype, out, file = sys.argv[1:]\n\
    tensor = getattr(relax, 'TensorStructInfo', None) or relax.TensorType\n\
    x = relax.Var('x', tensor((4, 8), dtype))\n\
    more = {'sort': {}, 'argsort': {'dtype': out}, 'topk': {'k': 2, 'dtype': out}}[what]\n\
    bb = relax.BlockBuilder()\n\
    with bb.function('main', [x]): bb.emit_func_output(bb.emit(getattr(relax.op, what)(x, **more)))\n\
    tvm.compile(bb.finalize(), target='llvm').export_library(file)\n\
    vm = relax.VirtualMachine(tvm.runtime.load_module(file), tvm.cpu())\n\
    try: vm['main'](tvm.runtime.tensor(numpy.ones((4, 8), dtype)))\n\
    except Exception as error: sys.exit(3 if 'Unsupported' in str(error) else 4)\n";

/// Operator, data type, data type of places, and whether the runtime takes them.
const SORTS: &[(&str, &str, &str, bool)] = &[
    ("sort", "float32", "", true),
    ("sort", "float16", "", true),
    ("sort", "int64", "", true),
    ("sort", "uint8", "", false),
    ("sort", "bool", "", false),
    ("argsort", "int32", "int64", true),
    ("argsort", "int16", "int64", false),
    ("argsort", "int32", "int16", false),
    ("topk", "uint8", "int32", true),
    ("topk", "float32", "int64", true),
    ("topk", "uint32", "int32", false),
    ("topk", "float32", "int16", false),
];

fn runs(runtime: &Path, arguments: [&str; 3], file: &Path) -> bool {
    let mut command = Command::new(runtime.join("bin/python"));
    works(command.args(["-c", SORT]).args(arguments).arg(file))
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn sorts_of_data_types_that_the_runtime_refuses() {
    let folder = tempfile::tempdir().expect("a folder");
    for release in ["tvm-0.25", "tvm-0.27"] {
        let runtime = venv(release);
        for (number, (what, dtype, out, is_taken)) in SORTS.iter().enumerate() {
            let shown = format!("{what} of {dtype} to {out} on {release}");
            let file = folder.path().join(format!("{release}-{number}.so"));
            assert_eq!(
                runs(&runtime, [what, dtype, out], &file),
                *is_taken,
                "{shown}"
            );
            for runtime in [runtime.as_os_str(), release.as_ref()] {
                let (report, _) = scan([file.as_os_str(), "-r".as_ref(), runtime]);
                let expected: &[&str] = if *is_taken { &[] } else { &["AC104"] };
                assert_eq!(rules(&report, &["error"]), expected, "{shown}: {report:#}");
            }
        }
    }
}
