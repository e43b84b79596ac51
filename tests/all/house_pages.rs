//! The pages for people who work on artcheck, against the tree: what they name is there.

use std::fs;
use std::path::PathBuf;

use crate::support::root;

/// Where the pages' short names begin.
const FROM: [&str; 11] = [
    "",
    "src",
    "tests",
    "tests/all",
    "crates/inspect",
    "crates/inspect/src",
    "crates/inspect/tests/all",
    "crates/inspect/tests",
    "crates/patch/src",
    "crates/verify/src",
    "crates/metal-sim/src",
];

#[test]
fn files_and_folders_that_the_pages_name_exist() {
    let mut named = 0;
    let mut lost = Vec::new();
    for page in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        for path in paths(&read(page)) {
            named += 1;
            if found(&path).is_none() {
                lost.push(format!("{page}: {path}"));
            }
        }
    }
    assert!(named > 40, "only {named} paths were found");
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}

#[test]
fn the_tree_of_the_architecture_is_the_tree() {
    let text = read("ARCHITECTURE.md");
    let tree = text.split("```text\n").nth(1).expect("the tree");
    let tree = tree.split("```").next().expect("its end");
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let listed: Vec<String> = tree.lines().filter_map(first).collect();
    for path in &listed {
        assert!(root().join(path).is_dir(), "no {path}");
    }
    for entry in fs::read_dir(root().join("crates")).expect("the crates") {
        let name = entry.expect("a crate").file_name();
        let name = format!("crates/{}", name.to_string_lossy());
        assert!(listed.contains(&name), "{name} is not in the tree");
    }
}

/// `file::beginning_of_a_function…`
#[test]
fn tests_that_the_coverage_names_exist() {
    let text = read("docs/coverage.md");
    let mut named = 0;
    let mut lost = Vec::new();
    for code in codes(&text).filter(|code| !code.contains(' ')) {
        let Some((file, function)) = code.split_once("::") else {
            continue;
        };
        let function = function.rsplit("::").next().unwrap_or_default();
        let function = function.trim_end_matches('…');
        // Names of the code itself, and of modules of tests.
        if !function.contains('_') {
            continue;
        }
        named += 1;
        let texts = sources(file.trim_end_matches(".rs"));
        if !texts
            .iter()
            .any(|text| text.contains(&format!("fn {function}")))
        {
            lost.push(code.to_owned());
        }
    }
    assert!(named > 20, "only {named} tests were found");
    assert!(lost.is_empty(), "{lost:#?}");
}

/// A filter that matches no test passes, and shows nothing.
#[test]
fn commands_of_the_pages_run_tests_that_there_are() {
    let mut named = 0;
    for line in ["CONTRIBUTING.md", "ARCHITECTURE.md"]
        .map(read)
        .iter()
        .flat_map(|text| {
            let lines = text.lines().chain(codes(text));
            lines.map(str::to_owned).collect::<Vec<_>>()
        })
    {
        let Some((_, rest)) = line.split_once("cargo test ") else {
            continue;
        };
        let words: Vec<&str> = rest
            .split(['#', '`'])
            .next()
            .unwrap_or("")
            .split_whitespace()
            .collect();
        let after = |option| {
            let place = words.iter().position(|word| *word == option)?;
            words.get(place + 1).copied()
        };
        let krate = after("-p").map(|name| name.trim_start_matches("artcheck-"));
        let krate = krate.filter(|name| *name != "artcheck");
        let krate = krate.map_or(String::new(), |name| format!("crates/{name}/"));
        let value = |word: &&&str| {
            let options = ["-p", "--test", "--features"].map(after);
            !word.starts_with('-') && !options.contains(&Some(**word))
        };
        let Some(filter) = words.iter().find(value) else {
            continue;
        };
        named += 1;
        let filter = filter.trim_end_matches("::");
        let places = [
            format!("{krate}tests/all/{filter}"),
            format!("{krate}src/{filter}"),
            format!("{krate}tests/{filter}"),
        ];
        let is_there = |place: &String| {
            let place = root().join(place);
            place.is_dir() || place.with_extension("rs").is_file()
        };
        let is_test = || {
            sources("all")
                .iter()
                .any(|text| text.contains(&format!("fn {filter}")))
        };
        assert!(
            places.iter().any(is_there) || is_test(),
            "{line}: no {filter}"
        );
    }
    assert!(named > 5, "only {named} commands were found");
}

/// Help texts are documentation; everything else has the rule itself.
#[test]
fn codes_of_rules_are_written_in_their_own_files() {
    let mut files = 0;
    let mut written = Vec::new();
    let mut folders = vec![root().join("src"), root().join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if path.is_dir() {
                folders.extend((name != "tests").then_some(path));
                continue;
            }
            let is_rule = name.starts_with("ac") && path.with_extension("md").exists();
            if !name.ends_with(".rs") || name.ends_with("tests.rs") || is_rule {
                continue;
            }
            files += 1;
            let text = fs::read_to_string(&path).expect("a source");
            let product = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            let lines = product
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            let coded = lines.filter(|line| holds_code(line));
            written.extend(coded.map(|line| format!("{}: {line}", path.display())));
        }
    }
    assert!(files > 300, "only {files} sources were found");
    assert!(written.is_empty(), "{}", written.join("\n"));
    assert!(holds_code("see AC101.") && !holds_code("AC1, MAC100"));
}

/// `AC` and three digits.
fn holds_code(line: &str) -> bool {
    let words = line.split(|sign: char| !sign.is_ascii_alphanumeric());
    let digits = |word: &str| word.strip_prefix("AC").map(str::to_owned);
    let mut codes = words.filter_map(digits);
    codes.any(|code| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit()))
}

#[test]
fn what_is_not_there_is_noticed() {
    let text = "`src/main.rs` and `no/such.rs`, `cargo test --test all x::` or `a::b`";
    assert_eq!(paths(text), ["src/main.rs", "no/such.rs"]);
    assert!(found("src/main.rs").is_some() && found("no/such.rs").is_none());
    assert!(sources("no_such_file").is_empty());
}

fn read(page: &str) -> String {
    fs::read_to_string(root().join(page)).expect("the page")
}

/// What is between backticks, outside blocks.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    let outside = text.split("```").step_by(2);
    outside.flat_map(|part| part.split('`').skip(1).step_by(2))
}

/// Paths in code: those with a slash or the ending of a file, without placeholders.
fn paths(text: &str) -> Vec<String> {
    let is_path = |word: &&str| {
        let file = [".rs", ".toml", ".md", ".py"]
            .iter()
            .any(|end| word.ends_with(end));
        let plain = |sign: char| sign.is_ascii_alphanumeric() || "._-/".contains(sign);
        (word.contains('/') || file)
            && word.starts_with(|sign: char| sign.is_ascii_alphabetic())
            && word.chars().all(plain)
            && !word.contains("NN")
    };
    let words = codes(text).flat_map(str::split_whitespace);
    words.filter(is_path).map(str::to_owned).collect()
}

fn found(path: &str) -> Option<PathBuf> {
    let places = FROM.iter().map(|from| root().join(from).join(path));
    let mut either = places.flat_map(|place| [place.with_extension("rs"), place]);
    either.find(|place| place.exists())
}

/// The sources that go by a name: files, and those of folders.
fn sources(name: &str) -> Vec<String> {
    let places = FROM.iter().map(|from| root().join(from).join(name));
    let mut files = Vec::new();
    for place in places {
        files.push(place.with_extension("rs"));
        let entries = fs::read_dir(&place).into_iter().flatten().flatten();
        files.extend(entries.map(|entry| entry.path()));
    }
    let read = |path: &PathBuf| fs::read_to_string(path).ok();
    files.iter().filter_map(read).collect()
}
