//! The KV-cache config of 0.27, six elements, as the five that every runtime
//! since 0.16 takes.
//!
//! Two words change: the element count that `make_shape` is given, and the
//! call's own argument count. The two words of the sixth element stay behind
//! the shorter call; instructions are found by their offsets, so nothing ever
//! decodes them. The sixth element is the window of layers that slide on their
//! own. Where no layer does, the runtime never reads it.

use artcheck_inspect::rules;
use artcheck_inspect::vm::dataflow::Flow;
use artcheck_inspect::vm::kv_cache::{CREATE, KvCacheCreate, Sliding, kv_caches};
use artcheck_inspect::vm::value::Value;
use artcheck_inspect::vm::{Executable, Function, Instruction};

use super::Refusal;
use super::splice::{Splice, index};
use crate::plan::Change;

/// Elements now and afterwards.
const LONG: i64 = 6;
const SHORT: i64 = 5;
/// Kind bits of an argument word that is an immediate.
const IMMEDIATE: i64 = 1 << 56;

/// Shortens every config of six elements.
pub(super) fn shorten(
    executable: &Executable,
    module: usize,
    payload: usize,
) -> Result<(Vec<Splice>, Vec<Change>), Refusal> {
    let mut splices = Vec::new();
    let mut changes: Vec<Change> = Vec::new();
    for cache in kv_caches(executable) {
        let (configs, why) = cache.config.parts();
        if let Some(why) = why {
            return Err(refusal(format!(
                "what reaches argument 0 of {CREATE} is not known: {why}"
            )));
        }
        for config in configs.iter().filter(|config| config.declared == LONG) {
            no_layer_slides(executable, &cache)?;
            let Some(function) = executable.functions.get(cache.function) else {
                continue;
            };
            let instruction = config.built_in(function).map_err(refusal)?;
            let change = Change::CacheConfig {
                module,
                instruction,
            };
            if changes.contains(&change) {
                continue;
            }
            used_here_alone(executable, &cache, function, instruction)?;
            splices.extend(shorter_call(executable, instruction, payload).ok_or_else(|| {
                refusal("the vm.builtin.make_shape of the KV-cache config has another form than six numbers")
            })?);
            changes.push(change);
        }
    }
    Ok((splices, changes))
}

fn refusal(reason: impl Into<String>) -> Refusal {
    Refusal {
        rule: Some(rules::KV_CACHE_CONFIG),
        reason: reason.into(),
        remedy: "compile the library with the runtime's TVM".to_owned(),
    }
}

fn no_layer_slides(executable: &Executable, cache: &KvCacheCreate) -> Result<(), Refusal> {
    match cache.sliding(executable) {
        Sliding::None => Ok(()),
        Sliding::Unknown(why) => Err(refusal(format!(
            "the attention kinds of the layers are not known, so a layer may have a sliding window of its own: {why}"
        ))),
        Sliding::Layer(layer) => Err(refusal(format!(
            "layer {layer} has a sliding window of its own (the sixth element of the config), \
             which a runtime that takes five elements cannot compute"
        ))),
    }
}

/// Refuses a shape that anything but the constructor reads.
fn used_here_alone(
    executable: &Executable,
    cache: &KvCacheCreate,
    function: &Function,
    shape: u64,
) -> Result<(), Refusal> {
    let flow = Flow::new(executable, cache.function);
    for (at, instruction) in executable.instructions(function.instructions.clone()) {
        let found = match instruction {
            Instruction::Call { function, args, .. } => {
                let callee = usize::try_from(function)
                    .ok()
                    .and_then(|index| executable.functions.get(index));
                let creates = callee.is_some_and(|callee| callee.name == CREATE);
                let skipped = usize::from(creates);
                args.iter()
                    .skip(skipped)
                    .any(|argument| holds(&flow.argument(at, argument), shape))
            }
            Instruction::Ret { result } => holds(&flow.register(at, result), shape),
            _ => false,
        };
        if found {
            return Err(refusal(format!(
                "instruction {at} of {} reads the KV-cache config too",
                function.name
            )));
        }
    }
    Ok(())
}

fn holds(value: &Value, shape: u64) -> bool {
    match value {
        Value::Shape { instruction, .. } => *instruction == shape,
        Value::Tuple { items, .. } => items.iter().any(|item| holds(item, shape)),
        other => {
            let several = other.alternatives();
            several.len() > 1 && several.iter().any(|one| holds(one, shape))
        }
    }
}

/// The two words of `make_shape(heap, 6, code, value, ...)` that change.
fn shorter_call(executable: &Executable, instruction: u64, payload: usize) -> Option<[Splice; 2]> {
    let Some(Instruction::Call { args, .. }) = executable.instruction(instruction) else {
        return None;
    };
    let length = i64::try_from(args.len()).ok()?;
    if length != 2 + 2 * LONG {
        return None;
    }
    let start = payload.checked_add(index(executable.instruction_bytes(instruction)?.start))?;
    // Call words: opcode, destination, function, argument count, arguments.
    let word = |number: usize| {
        let at = start.checked_add(number.checked_mul(8)?)?;
        Some(at..at.checked_add(8)?)
    };
    Some([
        Splice::new(
            word(3)?,
            length.saturating_sub(2).to_le_bytes(),
            "argument count of the make_shape that builds the KV-cache config, 14 to 12",
        ),
        Splice::new(
            word(5)?,
            (IMMEDIATE | SHORT).to_le_bytes(),
            "element count of the KV-cache config, 6 to 5",
        ),
    ])
}
