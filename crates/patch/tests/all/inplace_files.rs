//! Changes carried out on disk: receipts, the way back, and bad circumstances.

use crate::corpus;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use artcheck_patch::inplace::retag::{self, RetagOptions};
use artcheck_patch::inplace::{Applied, ApplyError, EditPlan, Output, Tag, apply, unpatch};
use artcheck_patch::receipt::{self, Receipt};
use artcheck_patch::write::{self, Existing, Source, WriteError};
use sha2::{Digest as _, Sha256};

const MODEL: &str = "tvm-0.27/dense-cpu-x86_64.so";
const IN_PLACE: Output = Output::InPlace {
    break_hard_link: false,
};

struct Bench {
    folder: tempfile::TempDir,
    file: PathBuf,
    old: Vec<u8>,
    plan: EditPlan,
}

fn bench(name: &str) -> Bench {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder
        .path()
        .join(Path::new(name).file_name().expect("a name"));
    let old = corpus::bytes(name);
    fs::write(&file, &old).expect("a file");
    let plan = retag::plan(&old, &RetagOptions::to(Tag::Tir)).expect("a plan");
    Bench {
        folder,
        file,
        old,
        plan,
    }
}

impl Bench {
    fn read(&self) -> Vec<u8> {
        fs::read(&self.file).expect("the file")
    }

    /// Nothing but the file, unchanged.
    #[track_caller]
    fn assert_untouched(&self) {
        assert!(self.read() == self.old);
        assert_eq!(self.names(), [self.file.file_name().expect("a name")]);
    }

    fn names(&self) -> Vec<std::ffi::OsString> {
        let entries = fs::read_dir(self.folder.path()).expect("the folder");
        entries
            .map(|entry| entry.expect("an entry").file_name())
            .collect()
    }
}

#[track_caller]
fn write_error(result: Result<Applied, ApplyError>) -> WriteError {
    match result.expect_err("a refusal") {
        ApplyError::Write(error) => error,
        other => panic!("{other}"),
    }
}

#[test]
fn a_change_and_its_undoing_keep_the_file_whole() {
    let bench = bench(MODEL);
    fs::set_permissions(&bench.file, fs::Permissions::from_mode(0o750)).expect("permissions");
    let inode = fs::metadata(&bench.file).expect("metadata").ino();
    let applied = apply(&bench.file, &bench.plan, &IN_PLACE).expect("a change");
    assert_eq!(applied.receipt, Some(receipt::path_of(&applied.file)));
    let metadata = fs::metadata(&bench.file).expect("metadata");
    assert_ne!(metadata.ino(), inode, "a new inode");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o750);
    assert_eq!(metadata.len(), bench.old.len() as u64);

    let again = retag::plan(&bench.read(), &RetagOptions::to(Tag::Tir)).expect("a plan");
    let receipt = fs::read(receipt::path_of(&bench.file)).expect("a receipt");
    let applied = apply(&bench.file, &again, &IN_PLACE).expect("nothing to do");
    assert!(!applied.written);
    assert_eq!(
        fs::metadata(&bench.file).expect("metadata").ino(),
        metadata.ino(),
        "not written again"
    );
    assert_eq!(
        fs::read(receipt::path_of(&bench.file)).expect("a receipt"),
        receipt
    );

    assert!(unpatch(&bench.file, false).expect("the way back").written);
    bench.assert_untouched();
    assert!(matches!(
        unpatch(&bench.file, false),
        Err(ApplyError::NoReceipt(_))
    ));
}

#[test]
fn several_changes_are_undone_together() {
    for name in [MODEL, "tvm-0.26/dense-metal-macos-arm64.dylib"] {
        let bench = bench(name);
        apply(&bench.file, &bench.plan, &IN_PLACE).expect("a change");
        let tir = bench.read();
        let rooms = receipt::rooms(&bench.file, &tir).expect("a receipt");
        assert_eq!(rooms.len(), 1);
        let options = RetagOptions {
            rooms,
            ..RetagOptions::to(Tag::Tirx)
        };
        let back = retag::plan(&tir, &options).expect("a plan");
        apply(&bench.file, &back, &IN_PLACE).expect("a change");
        assert!(
            bench.read() == bench.old,
            "the byte that was freed is found again"
        );
        let tir_again = retag::plan(&bench.old, &RetagOptions::to(Tag::Tir)).expect("a plan");
        apply(&bench.file, &tir_again, &IN_PLACE).expect("a change");
        let receipt = Receipt::load(&bench.file)
            .expect("readable")
            .expect("there");
        assert_eq!(receipt.steps.len(), 3);
        unpatch(&bench.file, false).expect("the way back");
        bench.assert_untouched();
    }
}

#[test]
fn another_file_gets_the_result_and_its_own_receipt() {
    let bench = bench(MODEL);
    let out = bench.folder.path().join("out.so");
    apply(&bench.file, &bench.plan, &Output::File(out.clone())).expect("a change");
    assert!(bench.read() == bench.old);
    assert!(fs::read(&out).expect("the result") == bench.plan.apply_to(&bench.old).expect("fits"));
    let error = write_error(apply(&bench.file, &bench.plan, &Output::File(out.clone())));
    assert!(matches!(error, WriteError::Exists(_)), "{error}");
    unpatch(&out, false).expect("the way back");
    assert!(fs::read(&out).expect("the result") == bench.old);
}

#[test]
fn a_read_only_file_is_left_alone() {
    let bench = bench(MODEL);
    fs::set_permissions(&bench.file, fs::Permissions::from_mode(0o444)).expect("permissions");
    let error = write_error(apply(&bench.file, &bench.plan, &IN_PLACE));
    assert!(matches!(error, WriteError::ReadOnly(_)), "{error}");
    bench.assert_untouched();
}

#[test]
fn a_symbolic_link_stays_one() {
    let bench = bench(MODEL);
    let link = bench.folder.path().join("link.so");
    symlink(&bench.file, &link).expect("a link");
    let applied = apply(&link, &bench.plan, &IN_PLACE).expect("a change");
    assert_eq!(applied.file, bench.file.canonicalize().expect("a path"));
    assert!(fs::symlink_metadata(&link).expect("metadata").is_symlink());
    assert!(fs::read(&link).expect("the file") == bench.plan.apply_to(&bench.old).expect("fits"));
    unpatch(&link, false).expect("the way back");
    assert!(bench.read() == bench.old);
}

#[test]
fn a_file_with_two_names_is_changed_only_when_asked() {
    let bench = bench(MODEL);
    let other = bench.folder.path().join("other.so");
    fs::hard_link(&bench.file, &other).expect("a second name");
    let error = write_error(apply(&bench.file, &bench.plan, &IN_PLACE));
    assert!(
        matches!(error, WriteError::HardLinked { links: 2, .. }),
        "{error}"
    );
    assert!(bench.read() == bench.old);
    assert_eq!(bench.names().len(), 2);
    apply(
        &bench.file,
        &bench.plan,
        &Output::InPlace {
            break_hard_link: true,
        },
    )
    .expect("asked for");
    assert!(bench.read() != bench.old);
    assert!(
        fs::read(&other).expect("the other name") == bench.old,
        "the other name keeps the old bytes"
    );
}

#[test]
fn a_file_that_changes_under_us_is_left_alone() {
    let bench = bench(MODEL);
    let source = Source::read(&bench.file).expect("a file");
    let mut theirs = bench.old.clone();
    theirs[1000] ^= 1;
    let error = write::write(&source, &bench.file, b"ours", Existing::Replace, &|_| {
        fs::write(&bench.file, &theirs).map_err(|error| error.to_string())
    });
    assert!(matches!(error, Err(WriteError::Changed(_))), "{error:?}");
    assert!(bench.read() == theirs);
    assert_eq!(bench.names().len(), 1, "no temporary file is left");
    drop(source);

    let error = apply(&bench.file, &bench.plan, &IN_PLACE).expect_err("another file than planned");
    assert!(matches!(error, ApplyError::OtherFile { .. }), "{error}");
    assert_eq!(bench.names().len(), 1);
}

#[test]
fn what_another_artcheck_is_writing_stays() {
    let bench = bench(MODEL);
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    let half = |name: &str, old: bool| {
        let file = fs::File::create(bench.folder.path().join(name)).expect("a file");
        if old {
            file.set_modified(long_ago).expect("another time");
        }
        file
    };
    half(".artcheck-killed.tmp", true);
    half(".artcheck-fresh.tmp", false);
    half("theirs.tmp", true);
    let held = half(".artcheck-held.tmp", true);
    held.lock().expect("a lock");
    apply(&bench.file, &bench.plan, &IN_PLACE).expect("a change");
    let mut names = bench.names();
    names.sort();
    let model = bench
        .file
        .file_name()
        .expect("a name")
        .to_str()
        .expect("text");
    let receipt = format!("{model}.artcheck.json");
    let kept = [
        ".artcheck-fresh.tmp",
        ".artcheck-held.tmp",
        model,
        &receipt,
        "theirs.tmp",
    ];
    assert_eq!(names, kept);
}

#[test]
fn two_at_once_do_not_meet() {
    let bench = bench(MODEL);
    let _held = Source::read(&bench.file).expect("a file");
    let error = write_error(apply(&bench.file, &bench.plan, &IN_PLACE));
    assert!(matches!(error, WriteError::Busy(_)), "{error}");
    bench.assert_untouched();
}

#[test]
fn a_result_that_is_not_the_plan_is_not_written() {
    let bench = bench(MODEL);
    let mut plan = bench.plan.clone();
    plan.libraries.clear();
    let error = write_error(apply(&bench.file, &plan, &IN_PLACE));
    assert!(matches!(error, WriteError::Recheck { .. }), "{error}");
    assert!(error.to_string().contains("planned []"), "{error}");
    bench.assert_untouched();
    let mut plan = bench.plan.clone();
    plan.edits[0].new[0] ^= 0x20;
    let error = apply(&bench.file, &plan, &IN_PLACE).expect_err("another result than named");
    assert!(matches!(error, ApplyError::BrokenPlan(_)), "{error}");
    bench.assert_untouched();
    // The same, and the plan names what comes of it.
    let result = plan.apply_to(&bench.old).expect("fits");
    plan.after = Sha256::digest(&result)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let error = write_error(apply(&bench.file, &plan, &IN_PLACE));
    assert!(matches!(error, WriteError::Recheck { .. }), "{error}");
    bench.assert_untouched();
}

/// All of a packed archive changes: what it is now is in the file.
#[test]
fn a_receipt_keeps_the_old_bytes_of_a_packed_archive_alone() {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::best(),
    ));
    let member = corpus::bytes(MODEL);
    let mut header = tar::Header::new_ustar();
    header.set_size(member.len() as u64);
    header.set_cksum();
    tar.append_data(&mut header, "lib.so", &member[..])
        .expect("a member");
    let gzip = tar.into_inner().expect("an archive");
    let old = gzip.finish().expect("memory");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lib.tar.gz");
    fs::write(&file, &old).expect("a file");
    for tag in [Tag::Tir, Tag::Tirx, Tag::Tir] {
        let now = fs::read(&file).expect("the file");
        let plan = retag::plan(&now, &RetagOptions::to(tag)).expect("a plan");
        apply(&file, &plan, &IN_PLACE).expect("a change");
    }
    let receipt = fs::metadata(receipt::path_of(&file)).expect("a receipt");
    // Three steps, in two digits a byte.
    let most = 3 * 2 * old.len() as u64 * 11 / 10;
    assert!(receipt.len() < most, "{} of {most}", receipt.len());
    unpatch(&file, false).expect("the way back");
    assert!(fs::read(&file).expect("the file") == old);
}

#[test]
fn a_receipt_of_another_file_does_not_lead_back() {
    let bench = bench(MODEL);
    apply(&bench.file, &bench.plan, &IN_PLACE).expect("a change");
    let mut changed = bench.read();
    changed[5000] ^= 1;
    fs::write(&bench.file, &changed).expect("a file");
    let error = unpatch(&bench.file, false).expect_err("not the file that was written");
    assert!(matches!(error, ApplyError::ChangedSince { .. }), "{error}");
    assert!(bench.read() == changed);
    fs::write(receipt::path_of(&bench.file), "{}").expect("a file");
    assert!(matches!(
        unpatch(&bench.file, false),
        Err(ApplyError::Receipt(_))
    ));
}

/// The writer runs in a process that may write no file longer than 64 KiB.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_full_disk_loses_nothing() {
    if let Ok(file) = std::env::var("ARTCHECK_TEST_FULL_DISK") {
        let bytes = fs::read(&file).expect("the file");
        let plan = retag::plan(&bytes, &RetagOptions::to(Tag::Tir)).expect("a plan");
        println!(
            "refused: {}",
            apply(Path::new(&file), &plan, &IN_PLACE).expect_err("no room")
        );
        return;
    }
    let bench = bench(MODEL);
    let program = std::env::current_exe().expect("this program");
    // A signal would end the process; ignored, the system call fails instead.
    let output = Command::new("bash")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact inplace_files::a_full_disk_loses_nothing --nocapture",
        ])
        .arg(program)
        .env("ARTCHECK_TEST_FULL_DISK", &bench.file)
        .output()
        .expect("bash");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        text.contains("refused: ") && text.contains("nothing was changed"),
        "{text}"
    );
    bench.assert_untouched();
}
