//! Where reports go: one to standard output or a file, more by `--output FORMAT=FILE`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};
use artcheck_inspect::shown::shown;
use artcheck_inspect::source::Spelled as _;
use clap::ValueEnum as _;
use clap::builder::{OsStringValueParser, TypedValueParser};

use super::format::{FailOn, Format};
use super::model::Report;
use super::style::Style;
use super::{human, json, markdown, matrix, others};
use crate::replace;
use crate::streams::{Piped, stdout};

/// Bytes that are written at once.
const BUFFER: usize = 1 << 18;

/// `--output`: `FORMAT=FILE`, or a file for the report that `--format` names.
#[derive(Debug, Clone)]
pub struct Output {
    format: Option<Format>,
    file: PathBuf,
}

/// Reads one `--output`, in whatever bytes the file is named.
pub fn parser() -> impl TypedValueParser<Value = Output> {
    OsStringValueParser::new().try_map(|text| match text.to_str() {
        Some(text) => parse(text),
        None => Ok(of_bytes(text)),
    })
}

/// A name that is not UTF-8, with a format before it or without.
fn of_bytes(text: OsString) -> Output {
    #[cfg(unix)]
    {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let mut parts = text.as_bytes().splitn(2, |byte| *byte == b'=');
        if let Some((format, file)) = parts.next().zip(parts.next())
            && let Some(format) = str::from_utf8(format)
                .ok()
                .and_then(|format| Format::from_str(format, true).ok())
        {
            return Output {
                format: Some(format),
                file: OsStr::from_bytes(file).into(),
            };
        }
    }
    Output {
        format: None,
        file: text.into(),
    }
}

/// A file name may hold `=`, so only a known format counts.
fn parse(text: &str) -> Result<Output, String> {
    if text.rsplit('=').next() == Some("-") {
        return Err(String::from(
            "`-` is no file: --format chooses the report on standard output",
        ));
    }
    if let Some((format, file)) = text.split_once('=') {
        if file.is_empty() {
            return Err(format!("`{text}` names no file"));
        }
        match Format::from_str(format, true) {
            Ok(format) => {
                return Ok(Output {
                    format: Some(format),
                    file: file.into(),
                });
            }
            Err(_) if format.contains(['/', '.', '\\']) => {}
            Err(_) => {
                let known: Vec<String> = Format::value_variants()
                    .iter()
                    .filter_map(|format| Some(format.to_possible_value()?.get_name().to_owned()))
                    .collect();
                return Err(format!(
                    "unknown format `{format}`: use one of {}",
                    known.join(", ")
                ));
            }
        }
    }
    Ok(Output {
        format: None,
        file: text.into(),
    })
}

impl Output {
    /// What is written here: what was said, what the suffix says, or else `chosen`,
    /// the format of `--format`.
    fn format(&self, chosen: Format) -> anyhow::Result<Format> {
        let suffix = self.file.extension().and_then(|suffix| suffix.to_str());
        let by_suffix = match suffix.map(str::to_ascii_lowercase).as_deref() {
            Some("sarif") => Format::Sarif,
            Some("json") => Format::Json,
            Some("xml") => Format::Junit,
            Some("md" | "markdown") => Format::Markdown,
            Some("html" | "htm") => Format::Html,
            Some("pdf") if self.format.is_none() => bail!(
                "no report is a PDF: print {html} from a browser, after --output {html}",
                html = self.file.with_extension("html").spelled()
            ),
            Some(other)
                if self.format.is_none() && chosen == Format::Human && is_foreign(other) =>
            {
                bail!(
                    "no report has the suffix .{other}: use .json, .sarif, .xml (JUnit), .md, .html or \
                 .txt, or say --output FORMAT={}",
                    self.file.spelled()
                )
            }
            _ => return Ok(self.format.unwrap_or(chosen)),
        };
        match self.format {
            Some(format) => Ok(format),
            None if chosen == Format::Human || chosen == by_suffix => Ok(by_suffix),
            // SARIF is JSON.
            None if (chosen, by_suffix) == (Format::Sarif, Format::Json) => Ok(chosen),
            None => {
                let name = |format: Format| {
                    let value = format.to_possible_value();
                    value.map_or_else(String::new, |value| value.get_name().to_owned())
                };
                let (chosen, file) = (name(chosen), self.file.spelled());
                bail!(
                    "{file} is named as {by} and --format says {chosen}: say --output {by}={file} or --output {chosen}={file}",
                    by = name(by_suffix)
                )
            }
        }
    }
}

/// What human reports show, and what JUnit calls a failure.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How standard output looks.
    pub style: Style,
    /// List healthy and unrelated files too.
    pub verbose: bool,
    /// The table alone instead of the whole human report.
    pub matrix: bool,
    /// Do not say which files were written.
    pub quiet: bool,
    /// Lowest severity that fails.
    pub fail_on: FailOn,
}

/// Writes every report that was asked for. The one of `--format` goes to
/// standard output unless an `--output FILE` names its place.
pub fn write(
    report: &Report,
    format: Format,
    outputs: &[Output],
    options: Options,
) -> anyhow::Result<()> {
    write_each(format, outputs, options.quiet, |format, to_stdout, out| {
        let style = if to_stdout {
            options.style
        } else {
            Style::default()
        };
        render(report, format, Options { style, ..options }, out)
    })
}

/// The same for any kind of report; `render` is told the format, whether the
/// text goes to standard output, and where to write it.
pub fn write_each(
    format: Format,
    outputs: &[Output],
    quiet: bool,
    render: impl Fn(Format, bool, &mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut to_stdout = true;
    for output in outputs {
        let written = output.format(format)?;
        // A file without a format is the place of the report of `--format`.
        to_stdout &= output.format.is_some() || written != format;
        let name = || format!("{} cannot be written", output.file.spelled());
        replace::check(&output.file)?;
        let file = File::create(&output.file).with_context(name)?;
        let mut out = BufWriter::with_capacity(BUFFER, Piped(file));
        render(written, false, &mut out)?;
        out.flush().with_context(name)?;
        if !quiet {
            tell!("artcheck: wrote {}", shown(&output.file.to_string_lossy()));
        }
    }
    if to_stdout {
        let mut out = BufWriter::with_capacity(BUFFER, stdout());
        render(format, true, &mut out)?;
        out.flush()?;
    }
    Ok(())
}

/// The formats that will be written; an error where a file's name and format differ.
pub fn formats(format: Format, outputs: &[Output]) -> anyhow::Result<Vec<Format>> {
    let named = outputs.iter().map(|output| output.format(format));
    named.chain(std::iter::once(Ok(format))).collect()
}

fn render(
    report: &Report,
    format: Format,
    options: Options,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let style = options.style;
    let text = match format {
        Format::Json => return json::write(report, out),
        Format::Human if options.matrix => matrix::render(report, style),
        Format::Human => human::render(report, style, options.verbose),
        Format::Markdown => markdown::render(report),
        other => others::render(report, other, options.fail_on)?,
    };
    out.write_all(text.as_bytes())?;
    Ok(())
}

/// Whether a suffix stands for some other kind of file; `report.2` is a name.
fn is_foreign(suffix: &str) -> bool {
    let plain = ["txt", "text", "log", "out"];
    suffix.chars().all(|c| c.is_ascii_alphabetic()) && !plain.contains(&suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_may_hold_an_equals_sign() {
        assert_eq!(parse("sarif=a.sarif").unwrap().format, Some(Format::Sarif));
        assert_eq!(parse("./a=b.txt").unwrap().format, None);
        assert!(parse("sarfi=a.sarif").is_err());
        assert!(parse("sarif=").is_err());
    }

    #[test]
    fn a_suffix_says_what_a_file_is_to_hold() {
        let of = |file: &str, chosen| parse(file).unwrap().format(chosen).ok();
        assert_eq!(of("x.sarif", Format::Human), Some(Format::Sarif));
        assert_eq!(of("x.HTML", Format::Human), Some(Format::Html));
        assert_eq!(of("x.txt", Format::Junit), Some(Format::Junit));
        assert_eq!(of("x.sarif.json", Format::Sarif), Some(Format::Sarif));
        assert_eq!(of("x.sarif", Format::Json), None);
        // A suffix of something else holds no report; a number is part of a name.
        assert_eq!(of("x.csv", Format::Human), None);
        assert_eq!(of("json=x.csv", Format::Human), Some(Format::Json));
        assert_eq!(of("report-0.27", Format::Human), Some(Format::Human));
        assert_eq!(of("json=x.sarif", Format::Human), Some(Format::Json));
    }
}
