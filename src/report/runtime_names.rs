//! What reports call a runtime: a release by its number, in a column and in a sentence.

use artcheck_inspect::runtime::{glue, release};

/// A runtime at the head of a column: a release by its number alone.
pub fn head(runtime: &str) -> &str {
    let release = release::by_name(runtime).filter(|known| known.name == runtime);
    release
        .and_then(|known| known.release.as_deref())
        .unwrap_or_else(|| runtime.strip_prefix(glue::ENGINE).unwrap_or(runtime))
}

/// A rule's sentence with the release in the place of "this runtime", if it is of one.
pub fn named(message: &str, runtimes: &[&str]) -> String {
    match runtimes {
        [only] if head(only) != *only => {
            message.replace("this runtime", &format!("TVM {}", head(only)))
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_heads_its_column_by_its_number() {
        assert_eq!(head("tvm-0.27"), "0.27");
        assert_eq!(head("0.27"), "0.27");
        assert_eq!(head("venv/tvm"), "venv/tvm");
    }
}
