//! Tests of what `.pth` files and settings add.

use super::*;

#[test]
fn lines_and_tables_name_folders() {
    let top = tempfile::tempdir().expect("a folder");
    let (site, source) = (top.path().join("site"), top.path().join("src"));
    for folder in [&site, &source.join("tvm"), &source.join("more/tvm_ffi")] {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    let put = |name: &str, text: &str| std::fs::write(site.join(name), text).expect("written");
    let of = || {
        let added = added(&site, None);
        let folders = added.folders.into_iter();
        let folders: Vec<PathBuf> = folders.map(|(_, folder)| folder).collect();
        (folders, added.open.is_some())
    };
    put("_virtualenv.pth", "import _virtualenv\n");
    put("a.pth", "# no\n../src\n");
    assert_eq!(of(), (vec![site.join("../src")], false));
    put("a.pth", "../src\n/not/there\n");
    assert_eq!(of(), (vec![site.join("../src")], true));
    put(
        "a.pth",
        "import __editable___a_finder; __editable___a_finder.install()\n",
    );
    assert_eq!(of(), (vec![], true));
    let table = |package: &str| {
        format!(
            "M: dict = {{'{package}': '{}'}}\n",
            source.join("tvm").display()
        )
    };
    put("__editable___a_finder.py", &table("tvm"));
    assert_eq!(of(), (vec![source.clone()], false));
    put("__editable___a_finder.py", &table("other"));
    assert_eq!(of(), (vec![], true));
    let file = source.join("more/tvm_ffi/__init__.py");
    let install = format!("install({{\"tvm_ffi\": \"{}\"}}, {{}})\n", file.display());
    put("__editable___a_finder.py", &install);
    assert_eq!(of(), (vec![source.join("more")], false));
    put("a.pth", "import os; os.getcwd()\n");
    assert_eq!(of(), (vec![], true));
}

#[test]
fn lines_that_fail_are_told() {
    let top = tempfile::tempdir().expect("a folder");
    let site = top.path().join("lib/python3.11/site-packages");
    std::fs::create_dir_all(site.join("win32/lib")).expect("a folder");
    std::fs::write(site.join("win32/lib/bootstrap.py"), "").expect("written");
    let settings = |all: &str| {
        let text = format!("include-system-site-packages = {all}\n");
        std::fs::write(top.path().join("pyvenv.cfg"), text).expect("written");
    };
    let says = |text: &str| {
        std::fs::write(site.join("a.pth"), text).expect("written");
        let mut failing = added(&site, None).failing.into_iter();
        failing.next().map(|one| one.says)
    };
    settings("false");
    let lost = |name: &str| {
        Some(Some(format!(
            "ModuleNotFoundError: No module named '{name}'"
        )))
    };
    assert_eq!(says("import gone\n"), lost("gone"));
    assert_eq!(says("import os, gone.b as c; os.x()\n"), lost("gone"));
    assert_eq!(says("import sys; sys.exit(1)\n"), Some(None));
    for text in [
        "import sys; sys.path.append('import gone')\n",
        "import sys; exec('import gone')\n",
        "import os;p = 1;import gone\n",
        "import sys; x = 1; x and sys.exit(1)\n",
        "import gone_too if 0 else os\n# import gone\n",
        "win32/lib\nimport bootstrap\n",
        "import sys, types, os;has = sys.version_info > (3, 5)\n",
    ] {
        let text = text.replace("gone_too if 0 else os", "os");
        assert_eq!(says(&text), None, "{text}");
    }
    settings("true");
    assert_eq!(says("import gone\n"), None);
}

#[test]
fn settings_are_read_as_python_reads_them() {
    let top = tempfile::tempdir().expect("a folder");
    let site = top.path().join("lib/python3.11/site-packages");
    std::fs::create_dir_all(&site).expect("a folder");
    assert_eq!(sees_others(&site), None);
    for (text, sees) in [
        ("include-system-site-packages = true\n", true),
        ("include-system-site-packages = True\n", true),
        ("Include-System-Site-Packages=TRUE\n", true),
        ("include-system-site-packages = yes\n", false),
        ("include-system-site-packages = false\n", false),
        (
            "include-system-site-packages = true\ninclude-system-site-packages = false\n",
            false,
        ),
        ("home = /usr/bin\n", true),
    ] {
        std::fs::write(top.path().join("pyvenv.cfg"), text).expect("written");
        assert_eq!(sees_others(&site), Some(sees), "{text}");
    }
}

#[test]
fn lines_that_change_the_path_are_followed_or_told() {
    let top = tempfile::tempdir().expect("a folder");
    let site = top.path().join("lib/python3.11/site-packages");
    let more = top.path().join("more");
    for folder in [&site, &more.join("tvm_ffi")] {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    let settings = "include-system-site-packages = false\n";
    std::fs::write(top.path().join("pyvenv.cfg"), settings).expect("written");
    let of = |line: &str| {
        let line = line.replace("MORE", more.to_str().expect("text"));
        std::fs::write(site.join("a.pth"), line).expect("written");
        added(&site, None)
    };
    for line in [
        "import sys; sys.path.insert(0, 'MORE')\n",
        "import sys, os; sys.path.insert(0, os.environ['X'])\n",
        "import sys; sys.path[0:0] = ['MORE']\n",
    ] {
        assert!(of(line).before.is_some(), "{line}");
    }
    for line in [
        "import sys; sys.path.append('MORE')\n",
        "import site; site.addsitedir(r\"MORE\")\n",
    ] {
        let added = of(line);
        assert!(added.before.is_none() && added.is_all, "{line}");
        assert_eq!(added.folders.len(), 1, "{line}");
    }
    // Of Python 3.11 the mark is a part of the first line, which names no folder then.
    let added = of("\u{feff}/nothing\n");
    assert!(added.is_all && added.folders.is_empty());
    assert!(of("import os; os.getcwd()\n").open.is_some());
}

#[test]
fn folders_of_a_system_have_an_order() {
    let top = tempfile::tempdir().expect("a folder");
    let usr = top.path().join("usr");
    let site = usr.join("lib/python3/dist-packages");
    let local = usr.join("local/lib/python3.11/dist-packages");
    for folder in [&site.join("tvm"), &local] {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    assert_eq!(added(&site, None).before, None);
    std::fs::create_dir(local.join("tvm_ffi")).expect("a folder");
    let why = added(&site, None).before.expect("another is first");
    assert!(
        why.contains("/usr/local/lib/python3.11/dist-packages"),
        "{why}"
    );
    assert_eq!(added(&local, None).before, None);
    // All of them are taken from there.
    std::fs::create_dir(local.join("tvm")).expect("a folder");
    assert_eq!(added(&site, None).before, None);
}
