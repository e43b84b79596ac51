//! What the constructor of a class asks of a library, read from its text: functions of the
//! model and global ones, in order, with the `try` and `if` around them.
//!
//! What a condition is that is no variable of the constructor itself is not known: what is
//! asked for there is left out.

use std::collections::{BTreeMap, BTreeSet};

use super::glue_asks::{CATCH, ELSE, END, FUNCTION, IF, IS_FALSE, IS_TRUE, IS_UNKNOWN, TRY};
use super::javascript::{code, find, is_word};

/// Calls that ask for a function by name, and what is put before the name here.
const ASKS: [(&[u8], &str); 3] = [
    (b"getGlobalFunc(\"", ""),
    (b"getFunction(\"", FUNCTION),
    (b"getRequiredVMFunctionByName(\"", FUNCTION),
];
/// Classes that a constructor makes one of, and that are looked into.
const MOST_CLASSES: usize = 64;

/// Blocks in blocks that are looked into.
const DEEPEST: usize = 32;

/// What happens in a constructor.
enum Event {
    Ask(String),
    Set(String, bool),
    Open(Block),
    Close,
}

/// What a block is.
#[derive(Clone, PartialEq, Eq)]
enum Block {
    Try,
    Catch,
    If(String),
    Else,
    /// One that may be entered or not.
    Other,
}

/// The same as a tree.
enum Node {
    Ask(String),
    Set(String, bool),
    Try(Vec<Node>, Vec<Node>),
    If(Option<String>, Vec<Node>, Vec<Node>),
}

/// What the constructor of a class asks for, as [`super::glue_asks`] reads it.
pub(super) fn asked_by(text: &[u8], class: &str) -> Option<Vec<String>> {
    let body = constructor(text, class)?;
    let mut made = BTreeMap::new();
    let events = events(body, &mut |class| {
        let is_known = made.contains_key(class);
        if !is_known && made.len() < MOST_CLASSES {
            let asks = constructor(text, class).map(asks_of);
            made.insert(class.to_owned(), asks.unwrap_or_default());
        }
        made.get(class).cloned().unwrap_or_default()
    });
    let mut flags: BTreeSet<String> = BTreeSet::new();
    for event in &events {
        if let Event::Set(name, _) = event {
            flags.insert(name.clone());
        }
    }
    let mut events = events.into_iter();
    let tree = nodes(&mut events);
    let mut written = Vec::new();
    write(&tree, &flags, &mut written);
    let used: BTreeSet<String> = written
        .iter()
        .filter_map(|word| word.strip_prefix(IF).map(str::to_owned))
        .collect();
    let sets = [IS_TRUE, IS_FALSE, IS_UNKNOWN];
    let is_used = |word: &String| {
        let flag = sets.iter().find_map(|end| word.strip_suffix(end));
        flag.is_none_or(|flag| used.contains(flag))
    };
    written.retain(is_used);
    Some(written)
}

/// From its brace on, the constructor of a class.
fn constructor<'a>(text: &'a [u8], class: &str) -> Option<&'a [u8]> {
    let class = format!("class {class} ");
    let class = text.get(find(text, class.as_bytes())?..)?;
    let constructor = class.get(find(class, b"constructor(")?..)?;
    constructor.get(find(constructor, b"{")?..)
}

/// The names that a constructor of a part asks for outside its blocks.
fn asks_of(body: &[u8]) -> Vec<String> {
    let mut asked = Vec::new();
    code(body, |nesting, at| {
        if nesting.braces == 1 {
            asked.extend(ask_at(body, at));
        }
    });
    asked
}

fn ask_at(body: &[u8], at: usize) -> Option<String> {
    let rest = body.get(at..)?;
    ASKS.iter().find_map(|(call, before)| {
        let name = rest.strip_prefix(*call)?;
        let name = name.get(..find(name, b"\"")?)?;
        Some(format!("{before}{}", String::from_utf8_lossy(name)))
    })
}

fn events(body: &[u8], made: &mut dyn FnMut(&str) -> Vec<String>) -> Vec<Event> {
    let mut events = Vec::new();
    code(body, |nesting, at| {
        let rest = body.get(at..).unwrap_or_default();
        let is_close = rest.first() == Some(&b'}');
        if nesting.braces.saturating_add(usize::from(is_close)) > DEEPEST {
            return;
        }
        match rest.first() {
            Some(b'{') if nesting.braces > 1 => events.push(Event::Open(block(body, at))),
            Some(b'}') => events.push(Event::Close),
            Some(b'n') => {
                let asks = class_at(body, at).map(&mut *made).unwrap_or_default();
                events.extend(asks.into_iter().map(Event::Ask));
            }
            Some(b' ') => {
                let value = [(&b" = true;"[..], true), (b" = false;", false)];
                let set = value.iter().find(|(code, _)| rest.starts_with(code));
                let set = set.and_then(|(_, value)| Some((word_before(body, at)?, *value)));
                events.extend(set.map(|(name, value)| Event::Set(name, value)));
            }
            _ => {}
        }
        events.extend(ask_at(body, at).map(Event::Ask));
    });
    events
}

/// The class that `new Class(tvm)` makes one of.
fn class_at(body: &[u8], at: usize) -> Option<&str> {
    let class = body.get(at..)?.strip_prefix(b"new ")?;
    let end = class.iter().position(|byte| !is_word(*byte))?;
    let (class, rest) = class.split_at_checked(end)?;
    let is_of_tvm = rest.starts_with(b"(tvm") || rest.starts_with(b"(this.tvm");
    std::str::from_utf8(class).ok().filter(|_| is_of_tvm)
}

/// What a block is, by the code before its brace.
fn block(body: &[u8], brace: usize) -> Block {
    let before = body.get(..brace).unwrap_or_default().trim_ascii_end();
    let ends_in = |word: &[u8]| {
        let start = before.strip_suffix(word);
        start.is_some_and(|start| !start.last().is_some_and(|byte| is_word(*byte)))
    };
    if ends_in(b"try") {
        return Block::Try;
    }
    if ends_in(b"else") {
        return Block::Else;
    }
    if ends_in(b"catch") {
        return Block::Catch;
    }
    let Some(inner) = before.strip_suffix(b")") else {
        return Block::Other;
    };
    let opens = inner.iter().rposition(|byte| *byte == b'(').unwrap_or(0);
    let (head, condition) = inner.split_at_checked(opens).unwrap_or_default();
    let head = head.trim_ascii_end();
    let condition = condition.get(1..).unwrap_or_default();
    if head.ends_with(b"catch") {
        return Block::Catch;
    }
    let is_plain = head.ends_with(b"if") && !head.trim_ascii_end().ends_with(b"else if");
    let condition = condition.strip_prefix(b"this.").unwrap_or(condition);
    let is_word = !condition.is_empty() && condition.iter().all(|byte| is_word(*byte));
    match std::str::from_utf8(condition) {
        Ok(name) if is_plain && is_word => Block::If(name.to_owned()),
        _ => Block::Other,
    }
}

/// The word that ends here.
fn word_before(body: &[u8], end: usize) -> Option<String> {
    let before = body.get(..end)?;
    let start = before.iter().rposition(|byte| !is_word(*byte))?;
    let word = before.get(start.checked_add(1)?..)?;
    let word = std::str::from_utf8(word).ok()?;
    Some(word.to_owned()).filter(|word| !word.is_empty())
}

/// The nodes up to the end of the block.
fn nodes(events: &mut dyn Iterator<Item = Event>) -> Vec<Node> {
    let mut found: Vec<Node> = Vec::new();
    while let Some(event) = events.next() {
        let block = match event {
            Event::Close => break,
            Event::Ask(name) => {
                found.push(Node::Ask(name));
                continue;
            }
            Event::Set(name, value) => {
                found.push(Node::Set(name, value));
                continue;
            }
            Event::Open(block) => block,
        };
        let inner = nodes(events);
        match (block, found.last_mut()) {
            (Block::Try, _) => found.push(Node::Try(inner, Vec::new())),
            (Block::Catch, Some(Node::Try(_, catch))) => *catch = inner,
            (Block::If(name), _) => found.push(Node::If(Some(name), inner, Vec::new())),
            (Block::Else, Some(Node::If(_, _, other))) => *other = inner,
            _ => found.push(Node::If(None, inner, Vec::new())),
        }
    }
    found
}

fn write(nodes: &[Node], flags: &BTreeSet<String>, out: &mut Vec<String>) {
    let of = |nodes: &[Node]| {
        let mut inner = Vec::new();
        write(nodes, flags, &mut inner);
        inner
    };
    for node in nodes {
        match node {
            Node::Ask(name) => out.push(name.clone()),
            Node::Set(name, true) => out.push(format!("{name}{IS_TRUE}")),
            Node::Set(name, false) => out.push(format!("{name}{IS_FALSE}")),
            Node::Try(body, catch) => {
                let (body, catch) = (of(body), of(catch));
                // What fails there has no consequence.
                if catch.is_empty() {
                    continue;
                }
                out.push(TRY.to_owned());
                out.extend(body);
                out.push(CATCH.to_owned());
                out.extend(catch);
                out.push(END.to_owned());
            }
            Node::If(Some(flag), body, other) if flags.contains(flag) => {
                let (body, other) = (of(body), of(other));
                if body.is_empty() && other.is_empty() {
                    continue;
                }
                out.push(format!("{IF}{flag}"));
                out.extend(body);
                if !other.is_empty() {
                    out.push(ELSE.to_owned());
                    out.extend(other);
                }
                out.push(END.to_owned());
            }
            Node::If(_, body, other) => {
                for word in of(body).into_iter().chain(of(other)) {
                    let sets = [IS_TRUE, IS_FALSE];
                    let flag = sets.iter().find_map(|end| word.strip_suffix(end));
                    out.extend(flag.map(|flag| format!("{flag}{IS_UNKNOWN}")));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A constructor with everything that decides what it asks for, or looks as if it did.
    const CLASSES: &str = r#"
    class GrammarFactory {
        constructor(tvm) {
            this.make = tvm.getGlobalFunc("grammar.make");
            if (later) { tvm.getGlobalFunc("grammar.perhaps"); }
        }
    }
    class LLMChatPipeline {
        constructor(tvm, config) {
            this.paged = false;
            this.verbose = true;
            this.grammar = new GrammarFactory(tvm);
            const map = new Map();
            this.prefill = tvm.keep(this.vm.getFunction("prefill"));
            try { this.embed = this.vm.getFunction("embed"); } catch (_a) { }
            let slim = false;
            try {
                f = this.vm.getFunction("get_metadata");
            }
            catch (err) {
                f = this.vm.getFunction("_metadata");
                slim = true;
            }
            if (config.window !== undefined) { tvm.getGlobalFunc("never.known"); }
            else if (slim) { this.vm.getFunction("of_else_if"); }
            else { this.vm.getFunction("of_its_else"); }
            if (config.cache) { this.paged = true; }
            if (slim) { this.vm.getFunction("_effect"); }
            else { this.vm.getFunction("cache"); }
            if (this.paged) { tvm.getGlobalFunc("paged"); }
            params.forEach((one) => { this.vm.getFunction(one); });
            this.mask = getRequiredVMFunctionByName("mask", registry);
        }
    }"#;

    #[test]
    fn a_constructor_is_read_with_what_decides() {
        let asked = asked_by(CLASSES.as_bytes(), "LLMChatPipeline").expect("it is there");
        let expected = [
            "paged = false",
            "grammar.make",
            ".prefill",
            "slim = false",
            "try",
            ".get_metadata",
            "catch",
            "._metadata",
            "slim = true",
            "end",
            "paged = ?",
            "if slim",
            "._effect",
            "else",
            ".cache",
            "end",
            "if paged",
            "paged",
            "end",
            ".mask",
        ];
        assert_eq!(asked, expected);
        assert_eq!(asked_by(CLASSES.as_bytes(), "EmbeddingPipeline"), None);
    }

    #[test]
    fn blocks_without_an_end_are_no_endless_descent() {
        let open = "class A { constructor() { ".to_owned() + &"try { if (x) { ".repeat(200_000);
        assert_eq!(asked_by(open.as_bytes(), "A"), Some(Vec::new()));
        let made = "class A { constructor() { ".to_owned() + &"new A(tvm); ".repeat(100_000);
        assert_eq!(asked_by(made.as_bytes(), "A"), Some(Vec::new()));
    }
}
