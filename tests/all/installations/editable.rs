//! Packages that lie in other folders than `site-packages`, which `.pth` files add.

use std::path::Path;

use super::environment;
use crate::support::make::{folder, put};
use crate::support::{artcheck, rules, scan, text};

/// Files of `site-packages`, and what is in them.
type Files = Vec<(&'static str, String)>;

/// Moves the package out of the environment; what adds its folder is in the text.
fn moved(root: &Path, pth: impl Fn(&Path) -> Files) {
    let site = environment(root);
    let source = root.join("source");
    std::fs::create_dir(&source).expect("a folder");
    std::fs::rename(site.join("tvm_ffi"), source.join("tvm_ffi")).expect("moved");
    let info = site.join("apache_tvm_ffi-0.1.15.post2.dist-info");
    let files = pth(&source);
    let record: String = files
        .iter()
        .map(|(name, _)| format!("{name},,\n"))
        .collect();
    put(&info, "RECORD", record);
    for (name, text) in files {
        put(&site, name, text);
    }
}

#[test]
fn what_pth_files_add_is_the_environments() {
    let line = |source: &Path| vec![("a.pth", format!("{}\n", source.display()))];
    let finder = |source: &Path| {
        let table = format!("MAPPING = {{'tvm_ffi': '{}/tvm_ffi'}}\n", source.display());
        let code = "import __editable___a_finder; __editable___a_finder.install()\n";
        vec![
            ("a.pth", code.to_owned()),
            ("__editable___a_finder.py", table),
        ]
    };
    let kinds: [&dyn Fn(&Path) -> Files; 2] = [&line, &finder];
    for kind in kinds {
        let root = folder();
        moved(root.path(), kind);
        let named = |path: &Path| {
            let (report, status) = scan([path]);
            (rules(&report, &["error", "warning"]), status)
        };
        let site = root.path().join("lib/python3.11/site-packages");
        for path in [root.path().join("lib"), site.clone()] {
            assert_eq!(named(&path), (vec![], 0), "{path:?}");
        }
        let doctor = || {
            let mut command = artcheck();
            command.arg("doctor").env("VIRTUAL_ENV", root.path());
            command.env("PATH", "").env("HOME", root.path());
            text(command.current_dir(root.path()))
        };
        let (said, _) = doctor();
        assert!(!said.contains("AC209"), "{said}");
        // What it requires is asked for there too.
        let required = site.join("typing_extensions-4.15.0.dist-info");
        std::fs::remove_dir_all(required).expect("removed");
        assert_eq!(named(&site), (vec!["AC209".to_owned()], 1));
        let (said, status) = doctor();
        assert!(said.contains("AC209") && status == 1, "{said}");
        // It is found where another line leads.
        let more = root.path().join("more");
        put(&more, "typing_extensions-4.15.0.dist-info/METADATA", "");
        put(&site, "b.pth", format!("{}\n", more.display()));
        assert_eq!(named(&site), (vec![], 0));
    }
}
