//! Every report format, read by something that is not ours: the official SARIF
//! schema, a JUnit parser, the annotations' grammar, headless Chromium.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{artcheck, part, root, told_by_python};
use serde_json::Value;

/// Healthy, broken, unreadable, archived and sliced artifacts, and a runtime-less scan.
const PATHS: [&str; 3] = [
    "corpus/artifacts/synthetic",
    "corpus/artifacts/tvm-0.25",
    "corpus/artifacts/tvm-0.27",
];
const FORMATS: [&str; 7] = [
    "json", "sarif", "junit", "github", "gitlab", "markdown", "html",
];

/// One scan that writes every format; the folder that holds `report.<format>`.
fn reports(extra: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = artcheck();
    command.arg("scan").args(PATHS).args(extra);
    for format in FORMATS {
        let file = folder.path().join(format!("report.{format}"));
        command
            .arg("--output")
            .arg(format!("{format}={}", file.display()));
    }
    let output = command.output().expect("artcheck starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("error[AC"),
        "the human report still goes to standard output"
    );
    folder
}

fn text(folder: &tempfile::TempDir, format: &str) -> String {
    std::fs::read_to_string(folder.path().join(format!("report.{format}"))).expect("was written")
}

fn json(folder: &tempfile::TempDir, format: &str) -> Value {
    serde_json::from_str(&text(folder, format)).expect("is JSON")
}

fn assert_valid(schema: &Path, document: &Value) {
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(schema).expect("the schema")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a JSON schema");
    let errors: Vec<String> = validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

fn npm(file: &str) -> PathBuf {
    let path = part("npm").join(file);
    assert!(
        path.is_file(),
        "{} is missing: run `python3 tools/parts.py`",
        path.display()
    );
    path
}

#[test]
fn json_holds_to_its_schema() {
    let folder = reports(&["--runtime", "tvm-0.26", "--runtime", "tvm-0.27"]);
    let schema = root().join("docs/schema/json-v1.schema.json");
    let mut report = json(&folder, "json");
    assert_valid(&schema, &report);
    // The schema can say no.
    report["findings"][0]["rule"] = "no such code".into();
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(schema).expect("the schema")).expect("JSON");
    assert!(!jsonschema::is_valid(&schema, &report));
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn sarif_holds_to_the_official_schema() {
    let folder = reports(&["--runtime", "tvm-0.26", "--runtime", "tvm-0.27"]);
    let log = json(&folder, "sarif");
    assert_valid(
        &npm("jest-sarif/package/lib/schemas/sarif-2.1.0-rtm.5.json"),
        &log,
    );
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let results = run["results"].as_array().expect("results");
    let findings = json(&folder, "json")["findings"]
        .as_array()
        .expect("findings")
        .len();
    assert_eq!(results.len(), findings);
    let mut fingerprints = Vec::new();
    for result in results {
        let index = result["ruleIndex"]
            .as_u64()
            .expect("every rule is described");
        let rule = &rules[usize::try_from(index).expect("small")];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(rule["help"]["markdown"].as_str().expect("help").len() > 600);
        // What a code-scanning service refuses or cannot show.
        let location = &result["locations"][0]["physicalLocation"];
        let uri = location["artifactLocation"]["uri"].as_str().expect("a URI");
        assert!(
            uri.starts_with("corpus/artifacts/") && !uri.contains(['!', ' ', ':']),
            "{uri}"
        );
        assert!(root().join(uri).is_file(), "{uri} is no file");
        assert!(
            !result["message"]["text"]
                .as_str()
                .expect("a message")
                .is_empty()
        );
        fingerprints.push(
            result["partialFingerprints"]["artcheck/v1"]
                .as_str()
                .expect("one")
                .to_owned(),
        );
    }
    let total = fingerprints.len();
    fingerprints.sort();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), total, "fingerprints are unique");
}

#[test]
fn fingerprints_do_not_depend_on_the_folder_or_the_offset() {
    let source = root().join("corpus/artifacts/synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so");
    let scan_in = |padding: usize| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut bytes = std::fs::read(&source).expect("the corpus");
        bytes.resize(bytes.len() + padding, 0);
        std::fs::write(folder.path().join("model.so"), bytes).expect("written");
        let output = artcheck()
            .current_dir(folder.path())
            .args(["scan", ".", "--runtime", "tvm-0.27", "--format", "json"])
            .output()
            .expect("artcheck starts");
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let prints: Vec<String> = report["findings"]
            .as_array()
            .expect("findings")
            .iter()
            .map(|finding| finding["fingerprint"].as_str().expect("one").to_owned())
            .collect();
        assert!(!prints.is_empty());
        prints
    };
    assert_eq!(scan_in(0), scan_in(64));
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn junit_is_read_by_a_parser_of_others() {
    let folder = reports(&["--runtime", "tvm-0.26", "--runtime", "tvm-0.27"]);
    let script = "
import json, sys
from junitparser import JUnitXml, Failure, Error
xml = JUnitXml.fromfile(sys.argv[1])
cases = [(suite.name, case.name, [type(r).__name__ for r in case.result],
          [r.message for r in case.result]) for suite in xml for case in suite]
print(json.dumps({'tests': xml.tests, 'failures': xml.failures, 'errors': xml.errors, 'cases': cases}))
";
    let read = told_by_python(script, &folder.path().join("report.junit"));
    let cases = read["cases"].as_array().expect("cases");
    let failed = |case: &&Value| case[2][0] == "Failure";
    assert_eq!(read["tests"].as_u64(), Some(cases.len() as u64));
    assert_eq!(
        read["failures"].as_u64(),
        Some(cases.iter().filter(failed).count() as u64)
    );
    // Every error of the JSON report is the failure of its artifact's case.
    let report = json(&folder, "json");
    for finding in report["findings"].as_array().expect("findings") {
        if finding["severity"] != "error" {
            continue;
        }
        let wanted = finding["runtime"].as_str().map_or_else(
            || String::from("every runtime"),
            |runtime| format!("on {runtime}"),
        );
        let case = cases
            .iter()
            .filter(failed)
            .find(|case| case[0] == finding["artifact"] && case[1] == wanted.as_str())
            .unwrap_or_else(|| panic!("no failed case for {finding}"));
        let message = case[3][0].as_str().expect("a message");
        assert!(
            message.contains(finding["rule"].as_str().expect("a rule")),
            "{message}"
        );
    }
}

/// `::level file=F,title=T::data`, one per line, escaped so that it ends where it should.
#[test]
fn gitlab_gets_the_members_that_it_reads() {
    let folder = reports(&["--runtime", "tvm-0.26", "--runtime", "tvm-0.27"]);
    let issues = json(&folder, "gitlab");
    let issues = issues.as_array().expect("a list");
    assert!(issues.len() > 5);
    let mut fingerprints = std::collections::HashSet::new();
    for issue in issues {
        let text = |name: &str| issue[name].as_str().expect("text");
        assert!(["info", "minor", "critical"].contains(&text("severity")));
        assert!(text("check_name").starts_with("AC"));
        assert!(!text("description").is_empty());
        assert!(fingerprints.insert(text("fingerprint")));
        let path = issue["location"]["path"].as_str().expect("a path");
        assert!(root().join(path).is_file(), "{path}");
        assert_eq!(issue["location"]["lines"]["begin"], 1);
    }
}

#[test]
fn annotations_follow_the_grammar() {
    let folder = reports(&["--runtime", "tvm-0.26"]);
    let lines = text(&folder, "github");
    assert!(lines.lines().count() > 5);
    for line in lines.lines() {
        let rest = line.strip_prefix("::").expect("starts with ::");
        let (level, rest) = rest.split_once(' ').expect("a level");
        assert!(["error", "warning", "notice"].contains(&level), "{level}");
        let (properties, data) = rest.split_once("::").expect("properties end with ::");
        let mut names = Vec::new();
        for property in properties.split(',') {
            let (name, value) = property.split_once('=').expect("name=value");
            assert!(!value.contains([':', ',', '\r', '\n']));
            names.push(name);
            if name == "file" {
                assert!(root().join(value).is_file(), "{value}");
            }
        }
        assert_eq!(names, ["file", "title"]);
        assert!(!data.is_empty());
        // A percent sign stands only in front of the codes of the grammar.
        for piece in data.split('%').skip(1).chain(properties.split('%').skip(1)) {
            assert!(
                ["25", "0A", "0D", "3A", "2C"]
                    .iter()
                    .any(|code| piece.starts_with(code)),
                "{line}"
            );
        }
    }
    let levels: Vec<&str> = lines.lines().map(|line| &line[..5]).collect();
    let errors = levels.iter().filter(|level| **level == "::err").count();
    assert!(
        levels[..errors].iter().all(|level| *level == "::err"),
        "errors come first"
    );
}

#[test]
fn markdown_is_bounded_and_balanced() {
    // Many runtimes make the report longer than it may be.
    let runtimes: Vec<String> = (16..=27)
        .flat_map(|minor| [String::from("--runtime"), format!("tvm-0.{minor}")])
        .collect();
    let runtimes: Vec<&str> = runtimes.iter().map(String::as_str).collect();
    let folder = reports(&runtimes);
    let markdown = text(&folder, "markdown");
    assert!(
        markdown.chars().count() <= 60_000,
        "{}",
        markdown.chars().count()
    );
    assert!(markdown.contains("more findings are not shown"));
    assert_eq!(
        markdown.matches("<details>").count(),
        markdown.matches("</details>").count()
    );
    let table: Vec<&str> = markdown
        .lines()
        .filter(|line| line.starts_with('|'))
        .collect();
    let columns = |line: &str| line.replace("\\|", "").matches('|').count();
    assert!(table.iter().all(|line| columns(line) == columns(table[0])));
}

#[test]
fn one_file_without_a_format_takes_the_chosen_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("report");
    let output = artcheck()
        .args([
            "scan",
            "corpus/artifacts/tvm-0.27",
            "--format",
            "json",
            "--output",
        ])
        .arg(&file)
        .output()
        .expect("artcheck starts");
    assert!(output.stdout.is_empty());
    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(file).expect("written")).expect("JSON");
    assert_eq!(report["schema"], "artcheck/json-v1");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_page_works_in_a_browser() {
    let folder = reports(&[]);
    let page = text(&folder, "html");
    for outside in ["http://", "https://", "<script", "@import", "url("] {
        assert!(
            !page.contains(outside),
            "the page is not self-contained: {outside}"
        );
    }
    let axe = std::fs::read_to_string(npm("axe-core/package/axe.min.js")).expect("axe-core");
    let probe = format!(
        "<script>{axe}</script><script>
document.querySelectorAll('details').forEach(d => d.open = true);
axe.run().then(r => {{
  const out = document.createElement('pre'); out.id = 'axe';
  out.textContent = JSON.stringify({{ violations: r.violations.map(v => ({{ id: v.id, impact: v.impact,
    nodes: v.nodes.slice(0, 3).map(n => n.html) }})), passes: r.passes.length,
    cells: document.querySelectorAll('.matrix td').length,
    dark: matchMedia('(prefers-color-scheme: dark)').matches,
    wide: document.documentElement.scrollWidth > document.documentElement.clientWidth }});
  document.body.append(out);
}});</script></body>"
    );
    let probed = folder.path().join("probed.html");
    std::fs::write(&probed, page.replace("</body>", &probe)).expect("written");
    // Blink counts the schemes from dark (0) to light (1).
    for (scheme, dark) in [("1", false), ("0", true)] {
        let result = in_chromium(&probed, scheme, 1400);
        assert_eq!(
            result["dark"].as_bool(),
            Some(dark),
            "the scheme is the one asked for"
        );
        assert_eq!(
            result["violations"],
            serde_json::json!([]),
            "axe-core, dark: {dark}"
        );
        assert!(result["passes"].as_u64().expect("a count") > 15);
        assert!(result["cells"].as_u64().expect("a count") > 100);
        assert_eq!(
            result["wide"].as_bool(),
            Some(false),
            "the page itself never scrolls sideways"
        );
    }
}

/// On a phone nothing leaves the screen, and no fact is a letter wide. A window of
/// Chromium is at least 500 wide, so the page is in a frame.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_page_fits_a_phone() {
    let folder = reports(&[]);
    let page = text(&folder, "html");
    let page = page.replace('&', "&amp;").replace('"', "&quot;");
    let framed = format!(
        "<!doctype html><body><iframe id=phone style=\"width:390px;height:800px;border:0\" srcdoc=\"{page}\"></iframe>
<script>onload = () => {{
  const inside = document.getElementById('phone').contentDocument;
  inside.querySelectorAll('details').forEach(d => d.open = true);
  const facts = [...inside.querySelectorAll('dl.facts dd')].map(d => d.getBoundingClientRect().width);
  const out = document.createElement('pre'); out.id = 'axe';
  out.textContent = JSON.stringify({{ wide: inside.documentElement.scrollWidth, facts: facts.length,
    narrowest: Math.min(...facts) }});
  document.body.append(out);
}};</script></body>"
    );
    let probed = folder.path().join("phone.html");
    std::fs::write(&probed, framed).expect("written");
    let result = in_chromium(&probed, "1", 1000);
    let number = |name: &str| result[name].as_f64().expect("a number");
    assert!(number("wide") <= 390.0, "{result}");
    assert!(number("facts") > 100.0, "{result}");
    assert!(number("narrowest") > 200.0, "{result}");
}

/// The rules for print, in a window as wide as a sheet of paper.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_printed_page_cuts_nothing_off() {
    let folder = reports(&[]);
    let page = text(&folder, "html").replace("@media print", "@media all");
    let probe = "<script>const out = document.createElement('pre'); out.id = 'axe';
const edges = [...document.querySelectorAll('.matrix td, .matrix th')].map(c => c.getBoundingClientRect().right);
out.textContent = JSON.stringify({ cells: edges.length, right: Math.max(...edges),
  paper: document.documentElement.clientWidth });
document.body.append(out);</script></body>";
    let probed = folder.path().join("printed.html");
    std::fs::write(&probed, page.replace("</body>", probe)).expect("written");
    let result = in_chromium(&probed, "1", 740);
    assert!(result["cells"].as_u64().expect("a count") > 100);
    let number = |name: &str| result[name].as_f64().expect("a number");
    assert!(number("paper") <= 740.0, "{result}");
    assert!(number("right") <= number("paper"), "{result}");
}

/// A hundred files and three releases are a report to hold in the hand.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_corpus_prints_on_fewer_than_ten_sheets() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let page = folder.path().join("corpus.html");
    let output = artcheck()
        .args(["scan", "corpus", "-q", "--runtime", "0.27,0.26,0.25", "-o"])
        .arg(&page)
        .output()
        .expect("artcheck starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let sheets = folder.path().join("corpus.pdf");
    let status = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu"])
        .args(["--disable-dev-shm-usage", "--no-pdf-header-footer"])
        .arg(format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        ))
        .arg(format!("--print-to-pdf={}", sheets.display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("chromium starts (bash tests/run installs it)")
        .status;
    assert!(status.success());
    let sheets = std::fs::read(sheets).expect("a PDF");
    let text = String::from_utf8_lossy(&sheets);
    let sheets = text.matches("/Type /Page\n").count();
    assert!((1..10).contains(&sheets), "{sheets}");
}

/// Loads a page; what its probe wrote. A console message fails the test.
fn in_chromium(page: &Path, scheme: &str, width: u32) -> Value {
    let profile = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ])
        .args(["--enable-logging=stderr", "--virtual-time-budget=60000"])
        .arg(format!("--window-size={width},1000"))
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg("--dump-dom")
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("chromium starts (bash tests/run installs it)");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("CONSOLE"), "{errors}");
    let dom = String::from_utf8_lossy(&output.stdout);
    let start = dom
        .find("<pre id=\"axe\">")
        .unwrap_or_else(|| panic!("axe did not finish: {errors}"));
    let json = &dom[start + "<pre id=\"axe\">".len()..];
    let json = &json[..json.find("</pre>").expect("the probe's end")];
    let json = json
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    serde_json::from_str(&json).expect("the probe wrote JSON")
}
