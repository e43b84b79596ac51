//! How a kernel that merges two attention states takes its rows apart, where it is source
//! text. All threads of a row read a number of each state, and all store the merged one in
//! the place of the first; whether they wait for each other in between is what is read.

use super::fields::text;
use crate::module::{DevicePayload, StateMerge};

/// Part of the names that TVM gives to these kernels.
const NAME: &str = "merge_state";
/// What a thread keeps of its row.
const PART: &str = "v_vec";
/// Words that make threads wait: Metal, OpenCL and WGSL, CUDA and HIP.
const WAITS: [&str; 3] = ["barrier", "Barrier", "__syncthreads"];

/// Reads those of a piece of code.
pub(super) fn merges<'d>(
    device: &'d DevicePayload,
    piece: &'d str,
    code: &'d [u8],
) -> impl Iterator<Item = StateMerge> + 'd {
    let names = device.kernels.iter().map(|kernel| kernel.key.as_str());
    let names = names.filter(|name| name.contains(NAME));
    names.filter_map(move |name| {
        let is_own = piece == name;
        let whole = (is_own || piece.is_empty()).then(|| text(code))??;
        let body = if is_own { whole } else { body_of(whole, name)? };
        Some(StateMerge {
            kernel: name.to_owned(),
            elements: elements(body)?,
            waits: WAITS.iter().any(|word| body.contains(word)),
        })
    })
}

/// The body of a function, in a text with several; a declaration ends before it has one.
fn body_of<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut heads = text.match_indices(name).filter_map(|(at, name)| {
        let rest = text.get(at.saturating_add(name.len())..)?;
        rest.starts_with('(').then_some(rest)
    });
    heads.find_map(|rest| {
        let open = rest.find(['{', ';'])?;
        let body = rest.get(open..).filter(|body| body.starts_with('{'))?;
        body.get(..body.find("\n}")?)
    })
}

/// How many elements of a row each thread takes.
fn elements(body: &str) -> Option<i64> {
    let (_, rest) = body.split_once(PART)?;
    let rest = rest.strip_prefix("_ptr").unwrap_or(rest);
    let count = match rest.strip_prefix('[') {
        Some(count) => count.split_once(']')?.0,
        None => {
            rest.strip_prefix(" : array<")?
                .split_once('>')?
                .0
                .split_once(", ")?
                .1
        }
    };
    count.parse().ok().filter(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_each_language() {
        assert_eq!(elements("thread half v_vec[4];"), Some(4));
        assert_eq!(elements("alignas(64) float v_vec_ptr[8];"), Some(8));
        assert_eq!(elements("var v_vec : array<f16, 4>;"), Some(4));
        assert_eq!(elements("float v_other[4];"), None);
        assert_eq!(elements("float v_vec[0];"), None);
    }

    #[test]
    fn a_declaration_has_no_body() {
        let text = "void a_k(int x);\nvoid b_k(int x) {\n  b\n}\nvoid a_k(int x) {\n  a\n}\n";
        assert_eq!(body_of(text, "a_k"), Some("{\n  a"));
        assert_eq!(body_of(text, "c_k"), None);
    }
}
