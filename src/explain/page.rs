//! A rule's page on a terminal: headings in bold, lines that end between words, tables
//! in columns. It reads the little Markdown that the pages are written in, no more.

use crate::report::style::Style;

/// Columns that the last one of a table must have.
const LEAST: usize = 16;
/// Blanks between the columns of a table.
const BETWEEN: usize = 2;

/// The page as a terminal shows it; as it is where lines may be as long as they are.
pub fn rendered(page: &str, style: Style) -> String {
    match style.width.is_none() && !style.color {
        true => page.to_owned(),
        false => laid_out(page, style),
    }
}

/// The page with its tables in columns, also where lines may be as long as they are.
pub fn laid_out(page: &str, style: Style) -> String {
    let mut out = String::new();
    let mut table: Vec<Vec<String>> = Vec::new();
    let mut is_code = false;
    for line in page.lines() {
        if line.starts_with('|') && !is_code {
            table.push(cells(line));
            continue;
        }
        columns(&mut out, &std::mem::take(&mut table), style);
        if line.starts_with("```") {
            is_code = !is_code;
        } else if is_code {
            out.push_str(&format!("  {line}\n"));
        } else if let Some(heading) = line.strip_prefix('#') {
            let heading = heading.trim_start_matches('#').trim_start();
            out.push_str(&format!("{}\n", style.bold(heading)));
        } else if line.is_empty() {
            out.push('\n');
        } else {
            let at = if line.starts_with("- ") { 2 } else { 0 };
            out.push_str(&style.paragraph("", at, &plain(line)));
        }
    }
    columns(&mut out, &table, style);
    out
}

/// Stars that make words bold are left away.
fn plain(text: &str) -> String {
    text.replace("**", "")
}

/// The cells of a line of a table; a bar behind a backslash divides nothing.
fn cells(line: &str) -> Vec<String> {
    const KEPT: &str = "\u{0}";
    let line = line.replace("\\|", KEPT);
    let cells = line.trim().trim_matches('|').split('|');
    cells
        .map(|cell| plain(cell.trim()).replace(KEPT, "|"))
        .collect()
}

/// A table: each column as wide as its longest cell, the last as wide as there is room.
fn columns(out: &mut String, table: &[Vec<String>], style: Style) {
    let is_filled = |cell: &String| !cell.trim_matches(['-', ':']).is_empty();
    let is_rule = |row: &&Vec<String>| row.iter().any(is_filled);
    let rows: Vec<&Vec<String>> = table.iter().filter(is_rule).collect();
    let count = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count.saturating_sub(1)).map(width).collect();
    let at: usize = widths.iter().map(|width| width + BETWEEN).sum();
    let room = style.width.unwrap_or(usize::MAX);
    if at.saturating_add(LEAST) > room && width(count.saturating_sub(1)) + at > room {
        return blocks(out, &rows, style);
    }
    for (number, row) in rows.iter().enumerate() {
        let mut first = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let missing = (width + BETWEEN).saturating_sub(cell.chars().count());
            first.push_str(cell);
            first.push_str(&" ".repeat(missing));
        }
        let last = row.get(widths.len()).map_or("", String::as_str);
        let text = style.paragraph(&first, at, last);
        let text = text.trim_end();
        let text = if number == 0 {
            style.dim(text)
        } else {
            text.to_owned()
        };
        out.push_str(&format!("{text}\n"));
    }
}

/// A table that is too wide for columns: a block for each row.
fn blocks(out: &mut String, rows: &[&Vec<String>], style: Style) {
    let Some((heads, rows)) = rows.split_first() else {
        return;
    };
    for row in rows {
        let head = heads.first().map_or("", String::as_str);
        let title = row.first().map_or("", String::as_str);
        let title = match head {
            "" => title.to_owned(),
            head => format!("{head}: {title}"),
        };
        out.push_str(&style.paragraph("", 2, &style.bold(&title)));
        for (head, cell) in heads.iter().zip(row.iter()).skip(1) {
            let label = format!("  {head}: ");
            let at = label.chars().count().min(LEAST);
            out.push_str(&style.paragraph(&label, at, cell));
        }
    }
}

#[cfg(test)]
mod tests {
    use artcheck_inspect::rules;
    use artcheck_inspect::runtime::pages;

    use super::*;

    /// Every page at every width: no line is too long that could have ended earlier,
    /// and no word is lost.
    #[test]
    fn pages_fit_the_terminal() {
        for width in [60, 80, 120, 200] {
            let style = Style {
                color: false,
                width: Some(width),
            };
            for rule in rules::ALL {
                let page = pages::fill(rule.explain);
                let text = rendered(&page, style);
                let words = |text: &str| -> Vec<String> {
                    let text = text.replace("**", "").replace("\\|", "\u{1}");
                    let text: String = text
                        .chars()
                        .filter(|c| !"#|`-:\u{1}".contains(*c))
                        .collect();
                    text.split_whitespace().map(str::to_owned).collect()
                };
                let (mut before, mut after) = (words(&page), words(&text));
                // The heads of a wide table are repeated.
                before.sort();
                before.dedup();
                after.sort();
                after.dedup();
                assert_eq!(before, after, "{}", rule.code);
            }
        }
    }

    #[test]
    fn a_table_is_in_columns_and_wraps_in_the_last() {
        let style = Style {
            color: false,
            width: Some(40),
        };
        let page = "| a | b |\n|---|---|\n| first | words that take more than a line has |\n";
        assert_eq!(
            rendered(page, style),
            "a      b\nfirst  words that take more than a line\n       has\n"
        );
    }
}
