//! Names that code registers, in libraries that the C compiler makes here: told from
//! those that it only looks up, and not claimed where they are not constants.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use artcheck_inspect::container;
use artcheck_inspect::runtime::binary::Registered;
use artcheck_inspect::runtime::{PartKind, RuntimeProfile, binary};

const COMMON: &str = r#"
struct bytes { const char *data; unsigned long size; };
extern int TVMFFIFunctionSetGlobal(const struct bytes *, void *, int);
extern int TVMFFIFunctionGetGlobal(const struct bytes *, void **);
__attribute__((noinline)) static int define(int unused, const char *name) {
  struct bytes bytes = { name, __builtin_strlen(name) };
  (void)unused;
  return TVMFFIFunctionSetGlobal(&bytes, 0, 0);
}
__attribute__((noinline)) static int again(const char *name) { return define(3, name); }
__attribute__((constructor)) static void begin(void) {
  struct bytes direct = { "test.direct", 11 };
  struct bytes sought = { "test.only_sought", 16 };
  void *found = 0;
  TVMFFIFunctionGetGlobal(&sought, &found);
  define(1, "test.one");
  if (found) define(2, "test.two");
  again("no_dot_in_it");
  TVMFFIFunctionSetGlobal(&direct, found, 0);
}
"#;

/// A name that only a run would show.
const HIDDEN: &str = r#"
const char *name_of_the_day = "test.hidden";
__attribute__((constructor)) static void later(void) { define(4, name_of_the_day); }
"#;

fn read(name: &str, source: &str, level: &str) -> RuntimeProfile {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let source_file = folder.join(format!("{name}.c"));
    let library = folder.join(format!("libtvm_runtime_{name}.so"));
    fs::write(&source_file, source).expect("a new file");
    let status = Command::new("cc")
        .args([level, "-shared", "-fPIC", "-o"])
        .args([&library, &source_file])
        .status()
        .expect("a C compiler is needed by this test");
    assert!(status.success());
    let bytes = fs::read(&library).expect("the library was made");
    let parsed = container::parse(&bytes).expect("a library").remove(0);
    let kind = PartKind::RuntimeDevice(name.to_owned());
    binary::read(name, &kind, &parsed, &[], Registered::Followed)
}

#[test]
fn names_are_followed_to_the_call_that_registers_them() {
    for level in ["-O0", "-O1", "-O2", "-Os"] {
        let name = format!("plain{}", level.replace('-', ""));
        let profile = read(&name, COMMON, level);
        let names = profile.functions.value.clone().unwrap_or_default();
        let expected = ["no_dot_in_it", "test.direct", "test.one", "test.two"];
        let expected: BTreeSet<String> = expected.into_iter().map(str::to_owned).collect();
        assert_eq!(names, expected, "{level}");
        assert!(profile.lists_every_function(), "{level}");
        assert_eq!(
            profile.offers_function("test.only_sought"),
            Some(false),
            "{level}"
        );
    }
}

#[test]
fn a_name_that_is_no_constant_leaves_the_list_open() {
    let source = format!("{COMMON}{HIDDEN}");
    let profile = read("hidden", &source, "-O2");
    assert!(!profile.lists_every_function());
    assert_eq!(profile.offers_function("test.one"), Some(true));
    for name in ["test.hidden", "test.only_sought", "test.never_seen"] {
        assert_eq!(profile.offers_function(name), None, "{name}");
    }
    assert!(profile.possible_functions.contains("test.hidden"));
}
