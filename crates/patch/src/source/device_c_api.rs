//! The new file `src/runtime/device_c_api.cc`.
//!
//! Our own code: 19 C functions over `DeviceAPI`. What differs between trees
//! is read from the tree's `device_api.h`: namespaces, export macro, the type of
//! attribute values (`ffi::Any`, before 0.21 `TVMRetValue`), the type of memory
//! scopes, and with them how an error is kept for the caller.

use super::build_files::{self, Build};
use super::cpp_scan::{Kind, Token, line_of, tokens};
use super::error::SourceError;
use super::patch::{FileEdit, Patch};
use super::tree::SourceTree;

const TEMPLATE: &str = include_str!("device_c_api.cc.in");
/// Keeps an error through tvm-ffi (0.21 and later), and as before that.
const GUARD_FFI: &str = include_str!("guard_ffi.cc.in");
const GUARD_CLASSIC: &str = include_str!("guard_classic.cc.in");
const HEADER: &str = "include/tvm/runtime/device_api.h";
const NEW_FILE: &str = "src/runtime/device_c_api.cc";

/// Names of the flat functions, without the prefix `TVMDeviceAPI`.
pub const FUNCTIONS: [&str; 19] = [
    "Get",
    "Destroy",
    "SetDevice",
    "GetAttr",
    "GetDataSize",
    "GetTargetProperty",
    "AllocDataSpace",
    "AllocDataSpaceND",
    "FreeDataSpace",
    "CopyDataFromTo",
    "CreateStream",
    "FreeStream",
    "StreamSync",
    "SetStream",
    "GetCurrentStream",
    "SyncStreamFromTo",
    "AllocWorkspace",
    "FreeWorkspace",
    "SupportsDevicePointerArithmeticsOnHost",
];

/// What the tree needs.
pub enum Plan {
    /// This file has all functions already.
    Present(String),
    /// These files are to be added or changed.
    Add {
        /// The new file first.
        edits: Vec<FileEdit>,
        /// How the file gets into the build.
        note: Option<String>,
    },
}

/// Plans the new file and its place in the build.
pub fn plan(tree: &SourceTree) -> Result<Plan, SourceError> {
    if let Some(text) = tree.read_if_present(NEW_FILE)? {
        let words = tokens(&text);
        let lacks = FUNCTIONS.iter().find(|name| {
            let full = format!("TVMDeviceAPI{name}");
            !words.iter().any(|token| token.kind == Kind::Word(&full))
        });
        return match lacks {
            None => Ok(Plan::Present(NEW_FILE.to_owned())),
            Some(missing) => Err(SourceError::ForeignFile {
                path: NEW_FILE.to_owned(),
                missing,
            }),
        };
    }
    let header = tree
        .read_if_present(HEADER)?
        .ok_or_else(|| SourceError::MissingFile {
            root: tree.root.clone(),
            path: HEADER.to_owned(),
        })?;
    let source = render(HEADER, &header)?;
    let new = tree.with_line_ends(&source);
    let mut edits = vec![FileEdit {
        path: NEW_FILE.to_owned(),
        old: None,
        new,
    }];
    let note = match build_files::look(tree, NEW_FILE)? {
        Build::Globs => {
            Some("CMakeLists.txt globs src/runtime/*.cc: the new file needs no entry.".to_owned())
        }
        Build::None => Some(
            "This tree has no CMakeLists.txt (an installed wheel), so nothing builds the new \
             file here; `artcheck patch shim` builds it as a library of its own."
                .to_owned(),
        ),
        Build::Lists(edit) => {
            edits.push(edit);
            None
        }
    };
    Ok(Plan::Add { edits, note })
}

/// The commit around the edits.
pub fn patch(edits: Vec<FileEdit>) -> Patch {
    Patch {
        subject: "runtime: add flat C functions over DeviceAPI".to_owned(),
        body: "DeviceAPI is a C++ class, so a client written in C or Rust cannot allocate,\n\
               copy or synchronise through it. Add the 19 TVMDeviceAPI* functions, each a\n\
               thin call of the method of the same name.\n\
               \n\
               The functions have no error return. An exception never leaves them: it is\n\
               kept as the calling thread's error, printed on stderr, and the function\n\
               returns null or 0."
            .to_owned(),
        edits,
    }
}

/// What a tree's header says.
struct Facts<'a> {
    namespaces: Vec<&'a str>,
    export_macro: &'a str,
    any: String,
    scope: String,
}

/// The source for the tree whose `device_api.h` is given.
pub fn render(path: &str, header: &str) -> Result<String, SourceError> {
    let facts = facts(path, header)?;
    let ffi = facts.any.contains("Any");
    let open: Vec<String> = facts
        .namespaces
        .iter()
        .map(|name| format!("namespace {name} {{"))
        .collect();
    let close: Vec<String> = facts
        .namespaces
        .iter()
        .rev()
        .map(|name| format!("}}  // namespace {name}"))
        .collect();
    // `ffi::Optional<ffi::String>` holds `ffi::String`.
    let string = facts
        .scope
        .split_once('<')
        .and_then(|(_, rest)| rest.strip_suffix('>'))
        .unwrap_or("String");
    let replacements = [
        ("@INCLUDES@", includes(ffi)),
        ("@SLOT@", error_slot(ffi)),
        ("@GUARD@", if ffi { GUARD_FFI } else { GUARD_CLASSIC }),
        ("@NULLOPT@", if ffi { "std::nullopt" } else { "NullOpt" }),
        ("@OPEN@", &open.join("\n")),
        ("@CLOSE@", &close.join("\n")),
        ("@MACRO@", facts.export_macro),
        ("@ANY@", &facts.any),
        ("@SCOPE@", &facts.scope),
        ("@STRING@", string),
    ];
    let mut source = TEMPLATE.to_owned();
    for (mark, text) in replacements {
        source = source.replace(mark, text);
    }
    Ok(source)
}

fn includes(ffi: bool) -> &'static str {
    if ffi {
        "#include <tvm/ffi/function.h>\n#include <tvm/runtime/device_api.h>\n"
    } else {
        "#include <tvm/runtime/c_runtime_api.h>\n#include <tvm/runtime/device_api.h>\n\
         #include <tvm/runtime/packed_func.h>\n"
    }
}

fn error_slot(ffi: bool) -> &'static str {
    if ffi {
        "the error is this thread's raised error: TVMFFIErrorMoveFromRaised gives it, and gives\n \
         *    null if nothing failed"
    } else {
        "TVMGetLastError gives the reason"
    }
}

fn facts<'a>(path: &str, header: &'a str) -> Result<Facts<'a>, SourceError> {
    let unknown = |what| SourceError::UnknownHeader {
        path: path.to_owned(),
        what,
    };
    let tokens = tokens(header);
    let class = tokens
        .windows(4)
        .position(|w| match w {
            [class, mac, name, after] => {
                class.kind == Kind::Word("class")
                    && matches!(mac.kind, Kind::Word(_))
                    && name.kind == Kind::Word("DeviceAPI")
                    && after.kind == Kind::Mark('{')
            }
            _ => false,
        })
        .ok_or_else(|| unknown("the declaration with its export macro"))?;
    let export_macro = match tokens.get(class.saturating_add(1)).map(|token| token.kind) {
        Some(Kind::Word(word)) => word,
        _ => return Err(unknown("the export macro")),
    };
    let any = parameter_type(header, &tokens, class, "GetAttr", "rv")
        .and_then(|kind| kind.strip_suffix('*').map(|kind| kind.trim().to_owned()))
        .ok_or_else(|| unknown("the type that GetAttr writes"))?;
    let scope = parameter_type(header, &tokens, class, "GetDataSize", "mem_scope")
        .ok_or_else(|| unknown("the type of the memory scope of GetDataSize"))?;
    let before = tokens.get(..class).unwrap_or_default();
    Ok(Facts {
        namespaces: open_namespaces(before),
        export_macro,
        any,
        scope,
    })
}

/// Namespaces still open after these tokens, outermost first.
fn open_namespaces<'a>(tokens: &[Token<'a>]) -> Vec<&'a str> {
    let mut stack: Vec<Option<&'a str>> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Mark('{') => {
                let word = |back| match index.checked_sub(back).and_then(|at| tokens.get(at)) {
                    Some(Token {
                        kind: Kind::Word(word),
                        ..
                    }) => Some(*word),
                    _ => None,
                };
                stack.push(word(1).filter(|_| word(2) == Some("namespace")));
            }
            Kind::Mark('}') => {
                stack.pop();
            }
            _ => {}
        }
    }
    stack.into_iter().flatten().collect()
}

/// The type, as written, of a parameter of a method declared after `from`.
fn parameter_type(
    text: &str,
    tokens: &[Token<'_>],
    from: usize,
    method: &str,
    parameter: &str,
) -> Option<String> {
    let at = tokens
        .iter()
        .skip(from)
        .position(|t| t.kind == Kind::Word(method))?;
    let open = from.checked_add(at)?.checked_add(1)?;
    let close = super::cpp_scan::closing(tokens, open)?;
    let inside = tokens.get(open.checked_add(1)?..close)?;
    let name = inside
        .iter()
        .position(|t| t.kind == Kind::Word(parameter))?;
    let before = inside.get(..name)?;
    let start = before
        .iter()
        .rposition(|t| t.kind == Kind::Mark(','))
        .map_or(0, |at| at + 1);
    let first = before.get(start)?.range.start;
    let last = before.last()?.range.end;
    debug_assert!(line_of(text, first) <= line_of(text, last));
    Some(
        text.get(first..last)?
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
    )
}
