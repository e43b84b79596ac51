//! Rust source as words and signs: no comments, no text, no test-only items.

/// A word, or one sign; `::` counts as one.
pub type Token = String;

/// The tokens of a source file, without what `#[cfg(test)]` guards.
pub fn product(source: &str) -> Vec<Token> {
    without_tests(&tokens(source))
}

fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        at += match rest {
            ['/', '/', ..] => length_until(rest, |rest| rest[0] == '\n'),
            ['/', '*', ..] => block_comment(rest),
            ['"', ..] => string(rest),
            ['b', '"', ..] | ['c', '"', ..] => 1 + string(&rest[1..]),
            ['r', '"' | '#', ..] if is_raw_string(&rest[1..]) => 1 + raw_string(&rest[1..]),
            ['b', 'r', '"' | '#', ..] if is_raw_string(&rest[2..]) => 2 + raw_string(&rest[2..]),
            ['\'', ..] => character(rest),
            [':', ':', ..] => {
                found.push(String::from("::"));
                2
            }
            [first, ..] if first.is_alphanumeric() || *first == '_' => {
                let length =
                    length_until(rest, |rest| !rest[0].is_alphanumeric() && rest[0] != '_');
                found.push(rest[..length].iter().collect());
                length
            }
            [first, ..] => {
                if !first.is_whitespace() {
                    found.push(first.to_string());
                }
                1
            }
            [] => 1,
        };
    }
    found
}

fn length_until(rest: &[char], ends: impl Fn(&[char]) -> bool) -> usize {
    (0..rest.len())
        .find(|at| ends(&rest[*at..]))
        .unwrap_or(rest.len())
}

fn block_comment(rest: &[char]) -> usize {
    let (mut at, mut depth) = (2, 1);
    while depth > 0 && at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (at, depth) = (at + 2, depth + 1),
            ['*', '/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
    at
}

fn string(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn hashes(rest: &[char]) -> usize {
    rest.iter().take_while(|c| **c == '#').count()
}

fn is_raw_string(rest: &[char]) -> bool {
    rest.get(hashes(rest)) == Some(&'"')
}

fn raw_string(rest: &[char]) -> usize {
    let hashes = hashes(rest);
    let end: Vec<char> = std::iter::once('"').chain(vec!['#'; hashes]).collect();
    let open = hashes + 1;
    open + length_until(&rest[open..], |rest| rest.starts_with(&end)) + end.len()
}

/// A character, or the tick of a lifetime.
fn character(rest: &[char]) -> usize {
    match rest {
        ['\'', '\\', ..] => 3 + length_until(&rest[3..], |rest| rest[0] == '\'') + 1,
        ['\'', _, '\'', ..] => 3,
        _ => 1,
    }
}

fn without_tests(tokens: &[Token]) -> Vec<Token> {
    const GUARD: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let rest = &tokens[at..];
        if rest.len() > GUARD.len() && rest[..GUARD.len()] == GUARD {
            at += GUARD.len() + item(&rest[GUARD.len()..]);
        } else {
            kept.push(rest[0].clone());
            at += 1;
        }
    }
    kept
}

/// How long an item is: up to its `;`, or to the end of its block.
fn item(rest: &[Token]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in rest.iter().enumerate() {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth -= 1;
                if depth == 0 && token == "}" {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::product;

    #[test]
    fn comments_texts_and_tests_are_no_code() {
        let source = r##"
            use crate::a; // use crate::b
            /* use crate::c; /* d */ */
            const TEXT: &str = "crate::e \" crate::f"; const RAW: &str = r#"crate::"g"#;
            fn f<'a>(x: &'a str) -> char { '"' }
            #[cfg(test)] mod tests { use crate::h; fn t() { [1]; } }
            #[cfg(test)] use crate::i;
            fn last() {}
        "##;
        let text = product(source).join(" ");
        for absent in ["b", "c", "e", "f \"", "g", "h", "i"] {
            assert!(
                !text.contains(&format!("crate :: {absent}")),
                "{absent}: {text}"
            );
        }
        assert!(
            text.starts_with("use crate :: a ;") && text.ends_with("fn last ( ) { }"),
            "{text}"
        );
    }
}
