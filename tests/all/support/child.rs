//! Whole runs of the program in a child process: time capped, peak memory
//! measured.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{artcheck, root};

/// No run over bad input may take longer.
pub const CAP: Duration = Duration::from_secs(10);
/// What a scan may need whatever it reads, in KiB. 64 to 73 MiB were seen, from run to
/// run, of code that is optimised little here.
pub const CONSTANT_KIB: u64 = 80 << 10;
/// A library that nothing is wrong with.
pub const GOOD: &str = "corpus/artifacts/tvm-0.27/extcall-cpu-x86_64.so";

/// A folder that goes when the test ends.
pub struct Folder(pub PathBuf);

impl Folder {
    /// A new one, empty.
    pub fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a new folder");
        Self(path)
    }

    /// A file in it.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).expect("a new file");
        path
    }

    /// A library in it that nothing is wrong with.
    pub fn good(&self) {
        fs::copy(root().join(GOOD), self.0.join("good.so")).expect("the corpus can be read");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What one run gave.
pub struct Run {
    /// The JSON report.
    pub report: Value,
    /// Exit status.
    pub status: i32,
    /// Largest resident size, in KiB.
    pub peak: u64,
}

impl Run {
    /// Rule codes of the findings on the artifact whose path ends so.
    pub fn rules_of(&self, name: &str) -> Vec<&str> {
        let findings = self.report["findings"].as_array().expect("findings");
        findings
            .iter()
            .filter(|finding| {
                finding["artifact"]
                    .as_str()
                    .is_some_and(|a| a.ends_with(name))
            })
            .map(|finding| finding["rule"].as_str().expect("a code"))
            .collect()
    }

    /// Those findings as text.
    pub fn text_of(&self, name: &str) -> String {
        let findings = self.report["findings"].as_array().expect("findings");
        findings
            .iter()
            .filter(|finding| {
                finding["artifact"]
                    .as_str()
                    .is_some_and(|a| a.ends_with(name))
            })
            .map(Value::to_string)
            .collect()
    }

    /// The rest of the scan went on.
    pub fn judges_the_good_file(&self) {
        let verdicts = self.report["verdicts"].as_array().expect("verdicts");
        assert!(
            verdicts.iter().any(|verdict| {
                verdict["status"] == "fits"
                    && verdict["artifact"]
                        .as_str()
                        .is_some_and(|path| path.ends_with("good.so"))
            }),
            "{verdicts:?}"
        );
    }
}

/// Scans in a child whose time is capped and whose memory is watched.
pub fn scan(paths: &[&Path]) -> Run {
    let file = || tempfile::tempfile().expect("a temporary file");
    let (mut out, mut errors) = (file(), file());
    let started = Instant::now();
    let mut child = artcheck()
        .arg("scan")
        .args(paths)
        .args(["--format", "json", "--jobs", "2"])
        .stdin(Stdio::null())
        .stdout(out.try_clone().expect("a handle"))
        .stderr(errors.try_clone().expect("a handle"))
        .spawn()
        .expect("artcheck starts");
    let mut peak = 0;
    let status = loop {
        peak = peak.max(largest(child.id()));
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let took = started.elapsed();
    assert!(took < CAP, "{paths:?}: {took:?}");
    let words = text(&mut errors);
    let report = serde_json::from_str(&text(&mut out))
        .unwrap_or_else(|error| panic!("no report ({error}); standard error: {words}"));
    Run {
        report,
        status: status.code().expect("artcheck exits by itself"),
        peak,
    }
}

fn text(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().expect("a file");
    file.read_to_string(&mut text).expect("UTF-8");
    text
}

/// The largest resident size of a process so far, in KiB. Linux keeps it; elsewhere
/// memory is not watched. (A child's `rusage` counts the memory of this program too,
/// from before it became the other.)
fn largest(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok())
        .unwrap_or(0)
}
