//! Plans of changes in place, on the corpus: what changes, what comes back,
//! what is refused.

mod containers;
mod convert_plans;
mod fixes;
mod retag_plans;

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};

use crate::corpus::{
    artifact, as_compiled, bytes, carried_out, executable, library, release, replaced, tagged,
    universal, with,
};
use artcheck_inspect::container;
use artcheck_inspect::module::{BlobLayout, Payload, PayloadOrder, locate};
use artcheck_inspect::vm::disassemble::disassemble;
use artcheck_inspect::vm::kv_cache::kv_caches;
use artcheck_inspect::vm::{ConstantValue, Magic};
use artcheck_patch::inplace::convert::{self, ConvertOptions};
use artcheck_patch::inplace::retag::{self, RetagOptions};
use artcheck_patch::inplace::{Change, PlanError, Resign, Tag, sign};

fn to(tag: Tag) -> RetagOptions<'static> {
    RetagOptions::to(tag)
}

fn partial() -> ConvertOptions {
    ConvertOptions {
        partial: true,
        ..ConvertOptions::default()
    }
}

/// A library whose second layer got a sliding window of its own: its attention kind is 3.
fn sliding(bytes: &[u8]) -> Vec<u8> {
    let (program, start) = executable(bytes);
    let kinds = kv_caches(&program)[0]
        .attention_kinds
        .clone()
        .expect("a constant");
    let at = start + program.constants[kinds.constant].range.start as usize + 4 + 8 + 8;
    with(bytes, at..at + 8, &3_i64.to_le_bytes())
}

fn listing(bytes: &[u8]) -> String {
    let mut text = String::new();
    for parsed in container::parse(bytes).expect("a binary") {
        for library in locate::find(&parsed) {
            for (_, executable) in library.blob.expect("a blob").executables() {
                text.push_str(&disassemble(executable).expect("a listing"));
                for constant in &executable.constants {
                    text.push_str(&match &constant.value {
                        ConstantValue::Tensor { dtype, shape, .. } => {
                            format!("{dtype:?} {shape:?}\n")
                        }
                        other => format!("{other:?}\n"),
                    });
                }
            }
        }
    }
    text
}
