//! A scan of many files: time and memory grow with their number, not with its
//! square, and the reports stay as long as people read.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{artcheck, root};
use tempfile::TempDir;

/// Small libraries, healthy and not, that the copies are made of.
const SMALL: [&str; 6] = [
    "tvm-0.27/extcall-cpu-x86_64.so",
    "synthetic/extcall-old-kind-cpu-x86_64.so",
    "synthetic/extcall-0.21-cpu-x86_64.so",
    "synthetic/extcall-short-blob-cpu-x86_64.so",
    "synthetic/extcall-current-v2.bin",
    "synthetic/extcall-0.25-new-slot-cpu-x86_64.so",
];

/// So many copies, a hundred in a folder. Every fifth differs from all others.
fn copies(count: usize) -> TempDir {
    let top = tempfile::tempdir().expect("a folder");
    for number in 0..count {
        let folder = top.path().join(format!("f{}", number / 100));
        fs::create_dir_all(&folder).expect("a folder");
        let sample = SMALL[number % SMALL.len()];
        let from = Path::new(sample);
        let file = folder
            .join(format!("{number}"))
            .with_extension(from.extension().expect("one"));
        let mut bytes = fs::read(root().join("corpus/artifacts").join(from)).expect("the corpus");
        if number % 5 == 0 {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        fs::write(file, bytes).expect("written");
    }
    top
}

struct Run {
    took: Duration,
    /// KiB.
    peak: u64,
    bytes: u64,
}

/// One scan in a child, its report going to a file.
fn scan(tree: &Path, format: &str) -> Run {
    const MEASURE: &str = "import resource, subprocess, sys\n\
        subprocess.run(sys.argv[1:])\n\
        print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)";
    let out = tempfile::NamedTempFile::new().expect("a file");
    let program = artcheck();
    let started = Instant::now();
    let output = Command::new("python3")
        .args(["-c", MEASURE])
        .arg(program.get_program())
        .arg("scan")
        .arg(tree)
        .args(["--format", format, "--jobs", "2", "--output"])
        .arg(out.path())
        .stdin(Stdio::null())
        .output()
        .expect("python3 starts");
    let took = started.elapsed();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    let peak = words
        .lines()
        .last()
        .and_then(|line| line.trim().parse().ok());
    Run {
        took,
        peak: peak.unwrap_or_else(|| panic!("no peak in {words:?}")),
        bytes: out.path().metadata().expect("a report").len(),
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn time_and_memory_grow_with_the_number_of_files() {
    let (few, many) = (copies(1_000), copies(8_000));
    for format in ["json", "sarif", "junit", "human", "html"] {
        let best = |tree: &TempDir| {
            let runs = [scan(tree.path(), format), scan(tree.path(), format)];
            let took = runs.iter().map(|run| run.took).min().expect("two runs");
            (took, runs[0].peak, runs[0].bytes)
        };
        let (few_took, few_peak, _) = best(&few);
        let (many_took, many_peak, bytes) = best(&many);
        // Eight times as many; a square would be sixty-four.
        let ratio = many_took.as_secs_f64() / few_took.as_secs_f64();
        assert!(ratio < 20.0, "{format}: {few_took:?} and {many_took:?}");
        let per_file = many_peak.saturating_sub(few_peak) * 1024 / 7_000;
        // A report that is written at the end is in memory, at most thrice.
        let report = if format == "json" {
            0
        } else {
            3 * bytes / 8_000
        };
        assert!(
            per_file < 12_000 + report,
            "{format}: {per_file} bytes per file"
        );
        if format != "json" {
            assert!(bytes < 16 << 20, "{format}: {bytes} bytes");
        }
    }
}

/// Hard links to a few files take no more than as many copies of them.
#[test]
#[cfg(unix)]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn links_are_no_dearer_than_copies() {
    let tree = |put: fn(&Path, &Path)| {
        let top = tempfile::tempdir().expect("a folder");
        let first = top.path().join("first");
        fs::create_dir(&first).expect("a folder");
        for number in 0..6_000 {
            let sample = Path::new(SMALL[number % SMALL.len()]);
            let own = first.join(format!("{}", number % SMALL.len()));
            let own = own.with_extension(sample.extension().expect("one"));
            if !own.exists() {
                fs::copy(root().join("corpus/artifacts").join(sample), &own).expect("copied");
            }
            let folder = top.path().join(format!("f{}", number / 100));
            fs::create_dir_all(&folder).expect("a folder");
            // Half under the same name, half under names of their own.
            let name = match number % 2 {
                0 => own.file_name().expect("one").to_owned(),
                _ => format!("{number}-{}", own.file_name().expect("one").display()).into(),
            };
            let to = folder.join(name);
            if !to.exists() {
                put(&own, &to);
            }
        }
        top
    };
    let copies = tree(|from, to| {
        fs::copy(from, to).expect("copied");
    });
    let links = tree(|from, to| fs::hard_link(from, to).expect("linked"));
    let best = |tree: &TempDir| {
        let runs = [0; 3].map(|_| scan(tree.path(), "human"));
        let took = runs.iter().map(|run| run.took).min().expect("runs");
        (took, runs[0].peak)
    };
    let ((copied, copies_peak), (linked, links_peak)) = (best(&copies), best(&links));
    assert!(linked < copied * 3, "{linked:?} and {copied:?}");
    let most = copies_peak * 11 / 10;
    assert!(links_peak < most, "{links_peak} and {copies_peak} KiB");
}
