//! Faults planted into a real library's kernels: each must be found and named.
//!
//! The edits keep every length, so that the library stays loadable.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

use crate::common::{Run, artifact, environment, plugin, scratch};

/// The corpus library with one edit inside one kernel's source.
fn planted(name: &str, kernel: &str, from: &str, to: &str, occurrence: usize) -> PathBuf {
    assert_eq!(from.len(), to.len(), "the edit keeps the length");
    let mut bytes = fs::read(artifact("tvm-0.26/dense-metal-linux-x86_64.so"))
        .expect("the library is readable");
    let find = |bytes: &[u8], text: &str, start: usize| {
        let rest = bytes.get(start..).expect("inside the file");
        let at = rest.windows(text.len()).position(|w| w == text.as_bytes());
        start + at.unwrap_or_else(|| panic!("{kernel} has no `{text}`"))
    };
    let start = find(&bytes, &format!("kernel void {kernel}("), 0);
    let end = find(&bytes, "\n}\n", start);
    let mut at = start;
    for _ in 0..occurrence {
        at = find(&bytes, from, at + 1);
    }
    assert!(
        at < end,
        "{kernel} has `{from}` fewer than {occurrence} times"
    );
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    write(name, &bytes)
}

fn write(name: &str, bytes: &[u8]) -> PathBuf {
    let folder = scratch().join("planted");
    fs::create_dir_all(&folder).expect("the scratch folder is writable");
    let path = folder.join(format!("{name}.so"));
    fs::write(&path, bytes).expect("the scratch folder is writable");
    path
}

/// Compiles the sound library's kernels once: the tests beside each other would each
/// compile all of them, though only one differs.
fn compile_sound(guard: bool) {
    static DONE: [Once; 2] = [Once::new(), Once::new()];
    DONE[usize::from(guard)].call_once(|| {
        let library = artifact("tvm-0.26/dense-metal-linux-x86_64.so");
        let more = vec!["--steps".to_owned(), "1".to_owned()];
        let run = Run {
            guard,
            more,
            ..Run::new("tvm-0.26", &library, "dense", "float32")
        };
        run.agrees();
    });
}

/// What the run of a faulty library says.
fn complaint(library: &Path, guard: bool) -> String {
    compile_sound(guard);
    let more = vec!["--steps".to_owned(), "3".to_owned()];
    let run = Run {
        guard,
        more,
        ..Run::new("tvm-0.26", library, "dense", "float32")
    };
    run.answer().error.expect("the fault is found")
}

fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` not in: {text}");
    }
}

const NORM: &str = "rms_norm_kernel";
const DECODE: &str = "batch_decode_paged_kv_kernel";

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn an_index_off_by_one() {
    let read = "weight3_ptr[((long)threadIdx)]";
    let beyond = "weight3_ptr[1+(long)threadIdx]";
    let text = complaint(&planted("off-by-one-read", NORM, read, beyond, 1), true);
    says(
        &text,
        &[
            NORM,
            "thread (63,0,0) of threadgroup (0,0,0) reads out of bounds",
        ],
    );
    says(
        &text,
        &[
            "element 64 of buffer `model_layers_0_input_layernorm_weight3_ptr`",
            "64 of 4 bytes",
        ],
    );
    // This store stays inside its allocation, but leaves element 0 unwritten.
    let store = "T_cast_ptr[((((long)blockIdx) * (long)64) + ((long)threadIdx))]";
    let beyond = "T_cast_ptr[((((long)blockIdx) * (long)64) + 1+(long)threadIdx)]";
    let text = complaint(&planted("off-by-one-store", NORM, store, beyond, 1), true);
    says(
        &text,
        &[
            "nothing has written",
            "last written by kernel `rms_norm_kernel`",
        ],
    );
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_removed_barrier() {
    let barrier = "threadgroup_barrier(mem_flags::mem_threadgroup);";
    let nothing = " ".repeat(barrier.len());
    let text = complaint(
        &planted("no-barrier-norm", NORM, barrier, &nothing, 1),
        true,
    );
    says(
        &text,
        &[
            NORM,
            "threadgroup array `red_buf_staging`",
            "without a barrier between them",
        ],
    );
    let text = complaint(
        &planted("no-barrier-decode", DECODE, barrier, &nothing, 2),
        true,
    );
    says(&text, &[DECODE, "_smem`", "without a barrier between them"]);
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_barrier_that_not_all_threads_reach() {
    // The loop header in front of a barrier becomes a condition on the thread.
    let barrier = "  threadgroup_barrier(mem_flags::mem_threadgroup);";
    let some = "if(threadIdx<9)threadgroup_barrier(mem_flags(2));";
    let padded = format!("{some:<width$}", width = barrier.len());
    let text = complaint(&planted("divergent", NORM, barrier, &padded, 2), true);
    says(
        &text,
        &[
            NORM,
            "waits at the threadgroup barrier in line",
            "does not reach",
        ],
    );
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_store_of_nan() {
    let text = complaint(
        &planted("nan", NORM, "+ 1.000000e-06f", "- 9.000000e+06f", 1),
        true,
    );
    says(
        &text,
        &[
            "rms_norm_kernel",
            "writes NaN to element",
            "buffer `T_cast_ptr`",
        ],
    );
}

/// The function table's launch parameters of one kernel, edited.
fn launched(name: &str, kernel: &str, from: &[&str], to: &[&str]) -> PathBuf {
    let tags = |list: &[&str]| {
        let mut out = (list.len() as u64).to_le_bytes().to_vec();
        for tag in list {
            out.extend((tag.len() as u64).to_le_bytes());
            out.extend(tag.as_bytes());
        }
        out
    };
    let mut bytes = fs::read(artifact("tvm-0.26/dense-metal-linux-x86_64.so"))
        .expect("the library is readable");
    let (old, new) = (tags(from), tags(to));
    assert_eq!(old.len(), new.len(), "the edit keeps the length");
    // Key and name stand side by side in the function table.
    let mut entry = Vec::new();
    for _ in 0..2 {
        entry.extend((kernel.len() as u64).to_le_bytes());
        entry.extend(kernel.as_bytes());
    }
    let start = bytes
        .windows(entry.len())
        .position(|w| w == entry)
        .expect("the kernel's entry");
    let offset = bytes[start..]
        .windows(old.len())
        .position(|w| w == old)
        .expect("its tags");
    bytes[start + offset..start + offset + new.len()].copy_from_slice(&new);
    write(name, &bytes)
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_wrong_launch_size() {
    // A threadgroup on its side: 8 by 2 by 32 threads become 2 by 8 by 32.
    let right = [
        "blockIdx.x",
        "blockIdx.y",
        "threadIdx.y",
        "threadIdx.x",
        "threadIdx.z",
    ];
    let turned = [
        "blockIdx.x",
        "blockIdx.y",
        "threadIdx.x",
        "threadIdx.y",
        "threadIdx.z",
    ];
    let text = complaint(&launched("turned", DECODE, &right, &turned), true);
    says(&text, &[DECODE, "out of bounds"]);
    // A grid along another axis: every threadgroup does the first one's work. The
    // kernel that uses what was never written names the one that left it so.
    let (right, other) = (["blockIdx.x", "threadIdx.x"], ["blockIdx.y", "threadIdx.x"]);
    let text = complaint(&launched("grid", "rms_norm3_kernel", &right, &other), true);
    says(
        &text,
        &[
            "nothing has written",
            "last written by kernel `rms_norm3_kernel`",
        ],
    );
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn source_outside_the_subset() {
    let text = complaint(
        &planted(
            "atomic",
            NORM,
            "simd_shuffle_down(",
            "atomic_load_expli(",
            1,
        ),
        false,
    );
    says(
        &text,
        &[
            "kernel `rms_norm_kernel` cannot be simulated: line ",
            "`atomic_load_expli`: atomic operations are not simulated",
        ],
    );
    let text = complaint(&planted("unknown", NORM, " sqrt(", " sqrx(", 1), false);
    says(
        &text,
        &[
            "kernel `rms_norm_kernel` cannot be simulated: line ",
            "sqrx",
        ],
    );
    // It would be computed twice: once to be read, and once to be written.
    let target = "red_buf_staging[(((long)threadIdx) >> (long)5)] = ";
    let counted = "red_buf_staging[((long)threadIdx)-- >> 5]  /= 1 + ";
    let text = complaint(&planted("effects", NORM, target, counted, 1), false);
    says(
        &text,
        &[
            "cannot be simulated: line ",
            "`/=` on a target with effects",
        ],
    );
}

/// A device pointer is no address: touching it ends the process.
#[cfg(unix)]
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_device_pointer_used_on_the_host() {
    use std::os::unix::process::ExitStatusExt;
    let plugin = plugin("tvm-0.27", false);
    let program = "import ctypes, sys, tvm, numpy\n\
                   ctypes.CDLL(sys.argv[1], ctypes.RTLD_GLOBAL)\n\
                   t = tvm.runtime.tensor(numpy.ones(4, 'float32'), tvm.metal())\n\
                   assert t.numpy().sum() == 4\n\
                   pointer = ctypes.c_void_p(t.data_ptr())\n\
                   print('reading', flush=True)\n\
                   ctypes.string_at(pointer, 4)\n";
    let done = std::process::Command::new(environment("tvm-0.27").join("bin/python"))
        .args(["-c", program])
        .arg(&plugin.path)
        .envs(plugin.environment.iter().map(|(name, value)| (name, value)))
        .output()
        .expect("python runs");
    assert_eq!(
        String::from_utf8_lossy(&done.stdout),
        "reading\n",
        "{:?}",
        done
    );
    assert_eq!(done.status.signal(), Some(11), "{:?}", done);
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(
        said.contains("metal-sim: host code touches device memory, in `"),
        "{said}"
    );
}
