//! Rows whose kernels take long to compile: the compiler's time is not the row's, and a
//! run that is killed leaves nothing behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::support::{artcheck, root, venv};
use tempfile::TempDir;

/// A compiler that sleeps before it compiles kernels, and a cache without kernels, which
/// one test at a time may have.
struct Slow {
    folder: PathBuf,
    temporary: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Slow {
    fn new(seconds: u32) -> Slow {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        // Kept: the device is built once.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("slow-compiler");
        let _ = fs::remove_dir_all(folder.join("cache/artcheck/metal-sim/kernels"));
        fs::create_dir_all(&folder).expect("a folder");
        let script = "#!/bin/sh\ncase \"$*\" in *kernels-*) sleep $SLEEP;; esac\nexec g++ \"$@\"\n";
        let compiler = folder.join("compiler");
        fs::write(&compiler, script.replace("$SLEEP", &seconds.to_string())).expect("written");
        fs::set_permissions(&compiler, fs::Permissions::from_mode(0o755)).expect("allowed");
        Slow {
            folder,
            temporary: TempDir::new().expect("a folder"),
            _alone: alone,
        }
    }

    /// `verify` of one simulated row.
    fn verify(&self, time_limit: u32) -> Command {
        let matrix = self.temporary.path().join("matrix.toml");
        let library = root().join("corpus/artifacts/tvm-0.27/embedding-metal-linux-x86_64.so");
        let reference = root().join("corpus/reference/expected/embedding.json");
        let text = format!(
            "schema = 1\n[runtimes.r]\npaths = [{:?}]\n[[row]]\nname = \"row\"\n\
             model = \"embedding\"\nlibrary = {library:?}\nweights = \"random:7\"\n\
             tokenizer = \"bytes\"\ndevice = \"metal-sim\"\nruntime = \"r\"\n\
             time_limit = {time_limit}\n\
             prompt = [{{ expect = {{ reference = \"{}#short\" }} }}]\n",
            venv("tvm-0.27"),
            reference.display()
        );
        fs::write(&matrix, text).expect("written");
        let mut command = artcheck();
        command
            .arg("verify")
            .arg(&matrix)
            .env("CXX", self.folder.join("compiler"))
            .env("XDG_CACHE_HOME", self.folder.join("cache"))
            .env("TMPDIR", self.temporary.path());
        command
    }

    /// Processes that use our folder for temporary files, or one in it.
    fn processes(&self, below: &str) -> usize {
        let mark = format!("TMPDIR={}{below}", self.temporary.path().display());
        let all = fs::read_dir("/proc").expect("processes").flatten();
        all.filter_map(|process| fs::read(process.path().join("environ")).ok())
            .filter(|environment| {
                let mut variables = environment.split(|byte| *byte == 0);
                variables.any(|one| one.starts_with(mark.as_bytes()))
            })
            .count()
    }

    fn folders(&self) -> usize {
        let all = fs::read_dir(self.temporary.path()).expect("a folder");
        all.flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("artcheck-"))
            .count()
    }
}

fn wait(what: &str, seconds: u64, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(seconds), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn compiling_is_not_part_of_a_rows_time() {
    let slow = Slow::new(20);
    let output = slow.verify(15).output().expect("artcheck starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("16 of 20 kernels ran"), "{text}");
    assert_eq!(slow.folders(), 0, "the row's folder is gone");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_run_that_is_killed_leaves_no_process_and_the_next_run_no_files() {
    let slow = Slow::new(600);
    for signal in ["KILL", "TERM"] {
        let mut command = slow.verify(120);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut running: Child = command.spawn().expect("artcheck starts");
        // The row's process, compilers, and what these started.
        wait("kernels are compiled", 300, || {
            slow.processes("/artcheck-row-") >= 3
        });
        assert_eq!(slow.folders(), 1, "{signal}: the last run's is gone");
        let id = running.id().to_string();
        let killed = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(killed.expect("kill runs").success());
        let _ = running.wait();
        wait(signal, 20, || slow.processes("") == 0);
    }
}
