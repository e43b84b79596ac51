//! The HTML report: one file without scripts or outside assets, for a screen
//! in the corner of a room, a printer, or a reader with a screen reader.
//!
//! `page.rs` arranges the data; `page.jinja` is the page.

mod library;
mod page;
mod picture;

use minijinja::{AutoEscape, Environment, HtmlEscape};

use crate::report::model::Report;

/// Renders a report as one page.
pub fn render(report: &Report) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_filter("prose", prose);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.add_template("page", include_str!("page.jinja"))?;
    environment.get_template("page")?.render(page::page(report))
}

/// A sentence whose `code` in backticks becomes code; everything is escaped.
fn prose(text: &str) -> minijinja::Value {
    let mut out = String::new();
    for (number, piece) in text.split('`').enumerate() {
        let piece = HtmlEscape(piece).to_string();
        // Odd pieces stand between backticks.
        if number % 2 == 1 {
            out.push_str(&format!("<code>{piece}</code>"));
        } else {
            out.push_str(&piece);
        }
    }
    minijinja::Value::from_safe_string(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_escapes_and_marks_code() {
        assert_eq!(
            prose("run `a <b>` & <i>").to_string(),
            "run <code>a &lt;b&gt;</code> &amp; &lt;i&gt;"
        );
    }
}
