//! The writer killed at 500 random moments leaves the old file or the new one.
//!
//! This program is the test and, started with an argument, the writer that is
//! killed. It has no test harness, because the child must do nothing else.

#[path = "all/corpus/mod.rs"]
mod corpus;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime};

use artcheck_inspect::source;
use artcheck_patch::inplace::retag::{self, RetagOptions};
use artcheck_patch::inplace::{Output, Tag, apply, unpatch};
use artcheck_patch::receipt;

const KILLS: u32 = 500;

const NAME: &str = "a_killed_writer_leaves_the_old_file_or_the_new_one";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, file] = &arguments[..]
        && word == "write"
    {
        writer(Path::new(file));
        return ExitCode::SUCCESS;
    }
    // What `cargo test` hands on: options, and part of a test's name.
    let mut filters = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .peekable();
    let wanted = filters.peek().is_none() || filters.any(|filter| NAME.contains(filter.as_str()));
    if arguments.iter().any(|argument| argument == "--list") {
        println!("{NAME}: test");
    } else if wanted {
        test();
    }
    ExitCode::SUCCESS
}

fn writer(file: &Path) {
    let bytes = std::fs::read(file).expect("the file");
    let plan = retag::plan(&bytes, &RetagOptions::to(Tag::Tir)).expect("a plan");
    apply(
        file,
        &plan,
        &Output::InPlace {
            break_hard_link: false,
        },
    )
    .expect("a change in place");
}

fn test() {
    let old = corpus::bytes("tvm-0.27/dense-cpu-x86_64.so");
    let plan = retag::plan(&old, &RetagOptions::to(Tag::Tir)).expect("a plan");
    let new = plan.apply_to(&old).expect("fits");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("model.so");
    let program = std::env::current_exe().expect("this program");
    let start = || {
        let mut child = Command::new(&program);
        child
            .arg("write")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        child.spawn().expect("the writer")
    };
    std::fs::write(&file, &old).expect("a file");
    let begun = Instant::now();
    assert!(start().wait().expect("an end").success());
    let whole = begun.elapsed();
    assert_eq!(std::fs::read(&file).expect("a file"), new);

    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let (mut olds, mut news) = (0, 0);
    for _ in 0..KILLS {
        let _ = std::fs::remove_file(receipt::path_of(&file));
        std::fs::write(&file, &old).expect("a file");
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut child = start();
        let wait = whole.as_nanos() as u64 * 5 / 4;
        std::thread::sleep(Duration::from_nanos(random % wait));
        child.kill().expect("a signal");
        child.wait().expect("an end");
        let found = std::fs::read(&file).expect("a file in every case");
        if found == old {
            olds += 1;
        } else {
            assert!(found == new, "neither the old file nor the new one");
            // A changed file never lies there without the way back.
            unpatch(&file, false).expect("a receipt");
            assert_eq!(std::fs::read(&file).expect("a file"), old);
            news += 1;
        }
    }
    what_is_left(folder.path(), &file, || {
        std::fs::write(&file, &old).expect("a file");
        assert!(start().wait().expect("an end").success());
    });
    println!("killed {KILLS} times: {olds} times the old file, {news} times the new one");
    assert!(
        olds > 20 && news > 20,
        "the moments cover the whole run: {olds} old, {news} new"
    );
}

/// Half-written files are named as ours, a scan passes them over, and the next
/// change in the folder removes them.
fn what_is_left(folder: &Path, file: &Path, write: impl Fn()) {
    let left = || -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).expect("the folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let is_other = |path: &PathBuf| path != file && *path != receipt::path_of(file);
        paths.filter(is_other).collect()
    };
    let halves = left();
    assert!(!halves.is_empty(), "no kill came while a file was written");
    let walk = source::walk(&[folder.to_owned()]);
    let read: Vec<_> = walk.files.iter().map(|found| &found.path).collect();
    assert_eq!(read, [file], "of {halves:?}");
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    for half in &halves {
        let half = std::fs::File::options().write(true).open(half);
        half.and_then(|half| half.set_modified(long_ago))
            .expect("another time");
    }
    write();
    assert_eq!(left(), Vec::<PathBuf>::new());
}
