//! `artcheck verify FILE.so --prompt TEXT`: one model, without a matrix of one's own.
//! It becomes a matrix of one row in a temporary file, so it runs as any row does.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use artcheck_verify::MatrixReport;
use toml::{Table, Value};

use crate::args::VerifyArgs;

/// The matrix file, and its folder while it is needed.
pub struct Matrix {
    /// Where the rows are.
    pub file: PathBuf,
    /// Whether there is only the one row of a library.
    pub is_one: bool,
    _folder: Option<tempfile::TempDir>,
}

/// The matrix that was named, or one of the library that was.
pub fn matrix(args: &VerifyArgs) -> anyhow::Result<Matrix> {
    let file = args.matrix.clone();
    let is_matrix = file.extension().is_none_or(|suffix| suffix == "toml");
    if is_matrix {
        if !args.prompt.is_empty() || args.weights.is_some() || args.runtime.is_some() {
            bail!(
                "--prompt, --weights, --tokenizer and --runtime are for a model library, and {} is a matrix",
                file.display()
            );
        }
        return Ok(Matrix {
            file,
            is_one: false,
            _folder: None,
        });
    }
    let folder = tempfile::tempdir()?;
    let made = folder.path().join("one.toml");
    std::fs::write(&made, toml::to_string(&of_library(args)?)?)?;
    Ok(Matrix {
        file: made,
        is_one: true,
        _folder: Some(folder),
    })
}

fn of_library(args: &VerifyArgs) -> anyhow::Result<Table> {
    let library = absolute(&args.matrix)?;
    let runtime = match &args.runtime {
        Some(runtime) => runtime.clone(),
        None => std::env::var_os("VIRTUAL_ENV").map(PathBuf::from).context(
            "name the runtime to run it on: --runtime PATH, a folder, wheel or virtual environment",
        )?,
    };
    let Some(weights) = &args.weights else {
        bail!("name the weights: --weights DIR, or --weights random:1 for a trial without meaning");
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
    let name = args.matrix.file_stem().unwrap_or_default();
    let name = Value::from(name.to_string_lossy().into_owned());
    row.insert("name".into(), name.clone());
    row.insert("model".into(), name);
    row.insert("library".into(), path(&library)?);
    row.insert("weights".into(), path(&weights)?);
    row.insert("tokenizer".into(), path(&tokenizer)?);
    row.insert("runtime".into(), "named".into());
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
    let mut named = Table::new();
    named.insert(
        "paths".into(),
        Value::Array(vec![path(&absolute(&runtime)?)?]),
    );
    let mut runtimes = Table::new();
    runtimes.insert("named".into(), named.into());
    let mut matrix = Table::new();
    matrix.insert("schema".into(), 1.into());
    matrix.insert("runtimes".into(), runtimes.into());
    matrix.insert("row".into(), Value::Array(vec![row.into()]));
    Ok(matrix)
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    let name = || path.display().to_string();
    path.canonicalize().with_context(name)
}

fn path(path: &Path) -> anyhow::Result<Value> {
    let text = path
        .to_str()
        .with_context(|| format!("{}: not a text", path.display()))?;
    Ok(text.into())
}

/// What the model said, for people.
pub fn answers(report: &MatrixReport, out: &mut dyn Write) -> std::io::Result<()> {
    for answer in report.rows.iter().flat_map(|row| &row.answers) {
        let text = answer.text.as_deref().unwrap_or_default();
        let prompt = answer.prompt.as_deref().unwrap_or_default();
        let text = artcheck_inspect::shown::shown_lines(text);
        writeln!(
            out,
            "> {}\n{text}\n",
            artcheck_inspect::shown::shown(prompt)
        )?;
    }
    Ok(())
}
