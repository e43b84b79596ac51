//! `artcheck verify FILE.so --prompt TEXT`: one model, without a matrix of one's own.
//! It becomes a matrix of one row in a temporary file, so it runs as any row does.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use artcheck_inspect::shell;
use artcheck_inspect::shown::{shown, shown_lines};
use artcheck_inspect::source::Spelled as _;
use artcheck_verify::{MatrixError, MatrixReport, Outcome, RowReport, Stage};
use toml::{Table, Value};

use crate::args::VerifyArgs;

/// The matrix file, and its folder while it is needed.
pub struct Matrix {
    /// Where the rows are.
    pub file: PathBuf,
    /// Whether there is only the one row of a library.
    pub is_one: bool,
    /// Where it is, if no person wrote it.
    folder: Option<tempfile::TempDir>,
}

impl Matrix {
    /// A matrix file that lives as long as this. What people typed, and the names of their
    /// files, may hold braces: nothing in it is filled in.
    pub fn temporary(mut matrix: Table) -> anyhow::Result<Matrix> {
        matrix.insert("schema".into(), 1.into());
        matrix.insert("literal".into(), true.into());
        let text = toml::to_string(&matrix)?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("matrix.toml");
        std::fs::write(&file, text)?;
        Ok(Matrix {
            file,
            is_one: false,
            folder: Some(folder),
        })
    }

    /// An error of it, without a file that its reader has never seen.
    pub fn error(&self, error: MatrixError) -> anyhow::Error {
        match &self.folder {
            Some(_) => anyhow!(error.without_file()),
            None => error.into(),
        }
    }
}

/// The matrix that was named, or one of the library that was.
pub fn matrix(args: &VerifyArgs) -> anyhow::Result<Matrix> {
    let file = args.matrix.clone().context("no matrix and no library")?;
    let is_asked = !args.prompt.is_empty() || args.weights.is_some() || args.runtime.is_some();
    let is_matrix = file
        .extension()
        .map_or(!is_asked, |suffix| suffix == "toml");
    if is_matrix {
        if is_asked {
            bail!(
                "--prompt, --weights, --tokenizer and --runtime are for a model library, and {} is a matrix",
                file.spelled()
            );
        }
        return Ok(Matrix {
            file,
            is_one: false,
            folder: None,
        });
    }
    let made = Matrix::temporary(of_library(&file, args)?)?;
    Ok(Matrix {
        is_one: true,
        ..made
    })
}

/// What the runtime of such a matrix is called.
pub const NAMED: &str = "named";

/// `[runtimes]` with the one that was named.
pub fn named_runtime(args: &VerifyArgs) -> anyhow::Result<Table> {
    let runtime = match &args.runtime {
        Some(runtime) => runtime.clone(),
        None => std::env::var_os("VIRTUAL_ENV").map(PathBuf::from).context(
            "name the runtime to run it on: --runtime PATH, a folder, wheel or virtual environment",
        )?,
    };
    let mut named = Table::new();
    named.insert(
        "paths".into(),
        Value::Array(vec![path(&absolute(&runtime)?)?]),
    );
    let mut runtimes = Table::new();
    runtimes.insert(NAMED.into(), named.into());
    Ok(runtimes)
}

fn of_library(file: &Path, args: &VerifyArgs) -> anyhow::Result<Table> {
    let library = absolute(file)?;
    let Some(weights) = &args.weights else {
        bail!(
            "name the weights: --weights DIR, or --weights random:1 for random ones, which show that it runs and answer nothing"
        );
    };
    let beside = weights.join("tokenizer.json");
    let is_random = weights.to_string_lossy().starts_with("random:");
    let weights = if is_random {
        weights.clone()
    } else {
        absolute(weights)?
    };
    let tokenizer = match &args.tokenizer {
        Some(file) if file.as_os_str() != "bytes" => absolute(file)?,
        None if beside.is_file() => absolute(&beside)?,
        _ => PathBuf::from("bytes"),
    };
    let mut row = Table::new();
    let name = file.file_stem().unwrap_or_default();
    let name = Value::from(name.to_string_lossy().into_owned());
    row.insert("name".into(), name.clone());
    row.insert("model".into(), name);
    row.insert("library".into(), path(&library)?);
    row.insert("weights".into(), path(&weights)?);
    row.insert("tokenizer".into(), path(&tokenizer)?);
    row.insert("runtime".into(), NAMED.into());
    row.insert(
        "device".into(),
        args.device.as_deref().unwrap_or("cpu").into(),
    );
    if let Some(tokens) = args.max_tokens {
        row.insert("max_tokens".into(), i64::from(tokens).into());
    }
    let prompts: Vec<&str> = match args.prompt.as_slice() {
        [] => vec!["Hello"],
        prompts => prompts.iter().map(String::as_str).collect(),
    };
    let prompts = prompts.into_iter().map(|text| {
        let mut prompt = Table::new();
        prompt.insert("text".into(), text.into());
        Value::Table(prompt)
    });
    row.insert("prompt".into(), Value::Array(prompts.collect()));
    let mut matrix = Table::new();
    matrix.insert("runtimes".into(), named_runtime(args)?.into());
    matrix.insert("row".into(), Value::Array(vec![row.into()]));
    Ok(matrix)
}

/// What to type where the library does not fit its runtime.
pub fn next(args: &VerifyArgs, report: &MatrixReport) -> Option<String> {
    let does_not_fit = |row: &RowReport| match &row.outcome {
        Outcome::Failed { failure } => failure.stage == Stage::LoadSet,
        Outcome::Passed | Outcome::NotRun { .. } => false,
    };
    let (file, runtime) = (args.matrix.as_ref()?, args.runtime.as_ref()?);
    let (file, runtime) = (
        shell::file(&file.spelled()),
        shell::file(&runtime.spelled()),
    );
    let command = format!("to see the cause and the fix: artcheck scan {file} --runtime {runtime}");
    report.rows.iter().any(does_not_fit).then_some(command)
}

/// The path as the temporary matrix needs it.
pub fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    let name = || path.spelled();
    path.canonicalize().with_context(name)
}

/// A path as a value of a matrix.
pub fn path(path: &Path) -> anyhow::Result<Value> {
    let text = path
        .to_str()
        .with_context(|| format!("{}: its name is not UTF-8, as a matrix is", path.spelled()))?;
    Ok(text.into())
}

/// A row of a matrix proves nothing without expectations; of one library only what it
/// answers was asked.
pub fn expect_nothing(report: &mut MatrixReport) {
    for row in &mut report.rows {
        let is_that = row.checks.iter().all(|check| check.name == "expectations");
        if let Outcome::Failed { failure } = &row.outcome
            && failure.stage == Stage::Compare
            && is_that
        {
            row.outcome = Outcome::Passed;
            row.checks.clear();
        }
    }
}

/// An embedding in a line: how long it is, and where it begins.
fn vector(embedding: &[f32]) -> String {
    /// Numbers that are shown.
    const FIRST: usize = 4;
    let squares = embedding.iter().map(|one| f64::from(*one).powi(2));
    let length = squares.sum::<f64>().sqrt();
    let first = embedding.iter().take(FIRST);
    let first: Vec<String> = first.map(|one| format!("{one:.4}")).collect();
    let (count, first) = (embedding.len(), first.join(", "));
    format!("a vector of {count} numbers, of length {length:.4}: {first}, ...")
}

/// Prints what the model answered. False if it did not come so far: then the report
/// says why. Nothing is compared, for nothing is expected.
pub fn ran(report: &MatrixReport, out: &mut dyn Write) -> std::io::Result<bool> {
    for row in &report.rows {
        for answer in &row.answers {
            let prompt = shown(answer.prompt.as_deref().unwrap_or_default());
            let text = match answer.embedding.as_slice() {
                [] => shown_lines(answer.text.as_deref().unwrap_or_default()),
                embedding => vector(embedding).into(),
            };
            writeln!(out, "> {prompt}\n{text}\n")?;
        }
        if !matches!(row.outcome, Outcome::Passed) || row.answers.is_empty() {
            return Ok(false);
        }
        let rate = row.figures.tokens_per_second;
        let rate = rate.map_or(String::new(), |rate| format!(", {rate:.1} tokens/s"));
        let (model, device) = (shown(&row.model), &row.device);
        writeln!(
            out,
            "{model} ran on {device}{rate}; no expected answer was given, so none was checked"
        )?;
    }
    Ok(!report.rows.is_empty())
}
