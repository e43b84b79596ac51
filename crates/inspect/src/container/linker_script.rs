//! Linker scripts: texts that development packages keep under a library's name (`libc.so`,
//! `libncurses.so`), which linkers follow and loaders refuse.
//!
//! Told by their first command, comments aside. Commands: the manual of GNU ld, "Linker
//! Scripts".

/// Bytes that are looked at; comments come first and may be long.
const MOST: usize = 64 << 10;

/// Commands of a script, with what follows each.
const COMMANDS: [(&[u8], &[u8]); 19] = [
    (b"OUTPUT_FORMAT", b"("),
    (b"OUTPUT_ARCH", b"("),
    (b"OUTPUT", b"("),
    (b"INPUT", b"("),
    (b"GROUP", b"("),
    (b"AS_NEEDED", b"("),
    (b"SEARCH_DIR", b"("),
    (b"STARTUP", b"("),
    (b"TARGET", b"("),
    (b"ENTRY", b"("),
    (b"EXTERN", b"("),
    (b"ASSERT", b"("),
    (b"PROVIDE", b"("),
    (b"INSERT", b""),
    (b"INCLUDE", b""),
    (b"SECTIONS", b"{"),
    (b"MEMORY", b"{"),
    (b"PHDRS", b"{"),
    (b"VERSION", b"{"),
];

/// Whether a file is a script for linkers.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(..MOST).unwrap_or(bytes).trim_ascii_start();
    while let Some(comment) = rest.strip_prefix(b"/*") {
        let Some(end) = memchr::memmem::find(comment, b"*/") else {
            return false;
        };
        rest = comment
            .get(end..)
            .and_then(|rest| rest.get(2..))
            .unwrap_or_default();
        rest = rest.trim_ascii_start();
    }
    COMMANDS.iter().any(|(command, opens)| {
        let after = rest.strip_prefix(*command);
        after.is_some_and(|after| {
            let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            !after.first().is_some_and(is_word) && after.trim_ascii_start().starts_with(opens)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::is_one;

    #[test]
    fn scripts_are_told_by_their_first_command() {
        for script in [
            "/* GNU ld script\n Use the shared library. */\nOUTPUT_FORMAT(elf64-x86-64)\nGROUP ( /lib/libc.so.6 )\n",
            "INPUT(-ltinfo)",
            "\n /* a */ /* b */ GROUP\n( a.so )",
            "INCLUDE other.ld\n",
            "SECTIONS { . = 0; }",
        ] {
            assert!(is_one(script.as_bytes()), "{script}");
        }
        for other in [
            "",
            "/* GNU ld script",
            "/* only a comment */",
            "INPUTS(a)",
            "INPUT a",
            "import x",
            "version 1",
            "GROUP",
        ] {
            assert!(!is_one(other.as_bytes()), "{other}");
        }
    }
}
