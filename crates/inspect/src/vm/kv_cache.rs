//! Facts of the calls that create a KV cache: how many arguments, which
//! attention tags, which config length (docs/formats.md#kv-cache).
//!
//! Only what the code says; whether a runtime accepts it is for the rules.

use serde::Serialize;

use super::dataflow::{CallSite, calls};
use super::value::{Reach, Value, origin};
use super::{ConstantValue, Executable, Function, FunctionKind};

/// The constructor of the paged KV cache.
pub const CREATE: &str = "vm.builtin.paged_attention_kv_cache_create";
/// The constructor without attention kernels of its own, up to 0.19.
pub const CREATE_REDUCED: &str = "vm.builtin.paged_attention_kv_cache_create_reduced";
/// Arguments that carry attention kernels from 0.20.
pub const SITES: std::ops::RangeInclusive<usize> = 15..=22;

/// A call of a KV-cache constructor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KvCacheCreate {
    /// Constructor called.
    pub callee: &'static str,
    /// Function the call stands in, by table index.
    pub function: usize,
    /// Instruction, counted over the whole executable.
    pub instruction: u64,
    /// Number of arguments.
    pub arguments: usize,
    /// What reaches the arguments that carry attention kernels, in order.
    pub sites: Vec<KernelSite>,
    /// The config shape, argument 0.
    pub config: Reach<ConfigShape>,
    /// Layers, as argument 1 counts them: a number up to 0.17, a shape of
    /// layer boundaries later.
    pub layers: Option<i64>,
    /// Attention kinds per layer, argument 6 from 0.20.
    pub attention_kinds: Option<ShapeConstant>,
    /// All arguments.
    pub values: Vec<Value>,
}

/// What reaches an argument that carries attention kernels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KernelSite {
    /// Argument position.
    pub argument: usize,
    /// What it is.
    pub value: Reach<KernelValue>,
}

/// An attention-kernel argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum KernelValue {
    /// `[]`: this kernel is absent.
    Empty {
        /// Its `make_tuple`.
        instruction: u64,
    },
    /// `[tag, ...]`, from 0.20.
    Tagged {
        /// Its `make_tuple`.
        instruction: u64,
        /// Pool index of the tag.
        constant: usize,
        /// The tag.
        tag: String,
        /// Number of fields, tag included.
        length: usize,
    },
    /// A tuple that does not begin with a string constant.
    Untagged {
        /// Its `make_tuple`.
        instruction: u64,
        /// Number of fields.
        length: usize,
    },
    /// A function, as up to 0.19.
    Function {
        /// Function table index.
        function: usize,
    },
    /// Null, or nothing.
    Absent,
}

/// The config shape of a constructor call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigShape {
    /// `make_shape` that builds it, if one does.
    pub instruction: Option<u64>,
    /// Element count that call states; what the runtime will see.
    pub declared: i64,
    /// Elements the call has arguments for, or that the constant has.
    pub elements: usize,
    /// Pool index, if it is a constant.
    pub constant: Option<usize>,
    /// Elements that are plain numbers.
    pub values: Vec<Option<i64>>,
}

impl ConfigShape {
    /// The `make_shape` of a config of six elements that can be made one of five in
    /// place: it builds all of them, in the function that creates the cache.
    pub fn built_in(&self, function: &Function) -> Result<u64, &'static str> {
        let instruction = self.instruction.filter(|_| self.elements == 6).ok_or(
            "the six-element KV-cache config is a constant, not built by vm.builtin.make_shape",
        )?;
        if function.kind == FunctionKind::VmTir {
            return Err("the six-element KV-cache config is built by host code");
        }
        match function.instructions.contains(&instruction) {
            true => Ok(instruction),
            false => Err(
                "the six-element KV-cache config is built by another function than the one that creates the cache",
            ),
        }
    }
}

/// `AttnKind::kMHASliding` of the runtime's `attn_utils.h`.
const SLIDING: i64 = 3;
/// `AttnKind::kMHA`.
const PLAIN: i64 = 0;

/// Whether a layer of a cache has a sliding window of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sliding {
    /// No layer has one.
    None,
    /// This layer has one, and is the first that does.
    Layer(usize),
    /// What reaches the attention kinds is not known, and why.
    Unknown(String),
}

/// Where the kernels that merge attention states are given, since 0.20.
const MERGES: usize = 23;
/// How many heads ask, and how wide what they get is.
const HEADS: usize = 2;
const WIDTH: usize = 5;

/// The kernel that merges attention states for a cache, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Merging {
    /// Function table index.
    pub(crate) function: usize,
    pub(crate) heads: i64,
    /// Elements of one head.
    pub(crate) width: i64,
}

impl KvCacheCreate {
    /// The kernel that merges the states of ordinary attention; `None` where it or the
    /// sizes are not known.
    pub(crate) fn merging(&self, executable: &Executable) -> Option<Merging> {
        let at = |position: usize| number(executable, self.values.get(position)?);
        let (heads, width) = (at(HEADS)?, at(WIDTH)?);
        let Value::Tuple { items, .. } = self.values.get(MERGES)? else {
            return None;
        };
        let Some(Value::Function(function)) = items.first() else {
            return None;
        };
        Some(Merging {
            function: *function,
            heads,
            width,
        })
    }

    /// What reaches argument 15 decides how the constructor is called: with bare
    /// functions up to 0.19, with tuples since.
    pub fn takes_functions(&self) -> bool {
        let first = self
            .sites
            .iter()
            .find(|site| site.argument == *SITES.start());
        first.is_some_and(|site| {
            let (values, why) = site.value.parts();
            let is_function = |value: &KernelValue| matches!(value, KernelValue::Function { .. });
            why.is_none() && values.iter().all(is_function)
        })
    }

    /// Whether layers slide on their own and none attends over everything: known of
    /// every value that may reach argument 6.
    pub(crate) fn only_slides(&self, executable: &Executable) -> bool {
        let kinds = Reach::of(self.values.get(6), |value| config_shape(executable, value));
        let (shapes, why) = kinds.parts();
        let only = |shape: &ConfigShape| {
            let known: Option<Vec<i64>> = shape.values.iter().copied().collect();
            known.is_some_and(|kinds| kinds.contains(&SLIDING) && !kinds.contains(&PLAIN))
        };
        let has_kinds = !self.sites.is_empty() && !self.takes_functions();
        has_kinds && why.is_none() && shapes.iter().all(only)
    }

    /// Whether a layer has a sliding window of its own: argument 6, whose kinds are
    /// numbers in a constant or in a shape built on the spot. Where only some of the
    /// values that may reach it slide, the way that the code takes decides.
    pub fn sliding(&self, executable: &Executable) -> Sliding {
        // Kinds came with the kernel tuples of 0.20; before, no layer could have one.
        if self.sites.is_empty() || self.takes_functions() {
            return Sliding::None;
        }
        let kinds = Reach::of(self.values.get(6), |value| config_shape(executable, value));
        let (shapes, why) = kinds.parts();
        let slides = |kind: &Option<i64>| *kind == Some(SLIDING);
        let layers = shapes
            .iter()
            .filter_map(|shape| shape.values.iter().position(slides));
        let layers: Vec<usize> = layers.collect();
        if let Some(layer) = layers.first().copied() {
            return match layers.len() == shapes.len() {
                true => Sliding::Layer(layer),
                false => Sliding::Unknown(format!(
                    "by the way that the code takes, layer {layer} has a sliding window of its own or none has"
                )),
            };
        }
        let computed = |shape: &ConfigShape| shape.values.iter().any(Option::is_none);
        match why {
            Some(why) => Sliding::Unknown(why.to_owned()),
            None if shapes.iter().any(computed) => {
                Sliding::Unknown(String::from("some of its elements are computed"))
            }
            None => Sliding::None,
        }
    }
}

/// A shape in the constant pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShapeConstant {
    /// Pool index.
    pub constant: usize,
    /// Elements.
    pub values: Vec<i64>,
}

/// The KV-cache constructor calls of an executable.
pub fn kv_caches(executable: &Executable) -> Vec<KvCacheCreate> {
    [CREATE, CREATE_REDUCED]
        .into_iter()
        .flat_map(|callee| {
            let sites = calls(executable, callee);
            sites
                .into_iter()
                .map(move |site| kv_cache(executable, callee, site))
        })
        .collect()
}

fn kv_cache(executable: &Executable, callee: &'static str, site: CallSite) -> KvCacheCreate {
    let sites = if callee == CREATE {
        kernel_sites(executable, &site.args)
    } else {
        Vec::new()
    };
    KvCacheCreate {
        callee,
        function: site.function,
        instruction: site.instruction,
        arguments: site.args.len(),
        sites,
        config: Reach::of(site.args.first(), |value| config_shape(executable, value)),
        layers: site.args.get(1).and_then(|value| layers(executable, value)),
        attention_kinds: site
            .args
            .get(6)
            .and_then(|value| shape_constant(executable, value)),
        values: site.args,
    }
}

fn kernel_sites(executable: &Executable, args: &[Value]) -> Vec<KernelSite> {
    SITES
        .filter_map(|argument| Some((argument, args.get(argument)?)))
        .map(|(argument, value)| KernelSite {
            argument,
            value: kernel_values(executable, value),
        })
        .collect()
}

/// A tuple whose tag may be one of several counts once for each.
fn kernel_values(executable: &Executable, value: &Value) -> Reach<KernelValue> {
    let each = value.alternatives().iter().flat_map(|value| match value {
        Value::Tuple { instruction, items } => match items.first() {
            Some(first) => first
                .alternatives()
                .iter()
                .map(|first| tagged(executable, *instruction, first, items.len()))
                .collect(),
            None => vec![Ok(KernelValue::Empty {
                instruction: *instruction,
            })],
        },
        Value::Function(function) => vec![Ok(KernelValue::Function {
            function: *function,
        })],
        Value::Null | Value::Void => vec![Ok(KernelValue::Absent)],
        other => vec![Err(origin(executable, other))],
    });
    let (mut values, mut unknown) = (Vec::new(), None);
    for read in each {
        match read {
            Ok(value) => values.push(value),
            Err(why) => unknown = unknown.or(Some(why)),
        }
    }
    match unknown {
        Some(why) => Reach::Unknown { values, why },
        None => Reach::Known { values },
    }
}

fn tagged(
    executable: &Executable,
    instruction: u64,
    first: &Value,
    length: usize,
) -> Result<KernelValue, String> {
    match first {
        Value::Constant(constant) => Ok(match constant_value(executable, *constant) {
            Some(ConstantValue::String(tag)) => KernelValue::Tagged {
                instruction,
                constant: *constant,
                tag: tag.clone(),
                length,
            },
            _ => KernelValue::Untagged {
                instruction,
                length,
            },
        }),
        Value::Function(_) | Value::Immediate(_) | Value::Tuple { .. } | Value::Shape { .. } => {
            Ok(KernelValue::Untagged {
                instruction,
                length,
            })
        }
        other => Err(format!("its tag is {}", origin(executable, other))),
    }
}

fn config_shape(executable: &Executable, value: &Value) -> Result<ConfigShape, String> {
    if let Value::Shape {
        instruction,
        declared,
        items,
    } = value
    {
        let declared = declared.ok_or("a shape whose length is computed")?;
        return Ok(ConfigShape {
            instruction: Some(*instruction),
            declared,
            elements: items.len(),
            constant: None,
            values: items.iter().map(|item| number(executable, item)).collect(),
        });
    }
    let shape = shape_constant(executable, value).ok_or_else(|| origin(executable, value))?;
    Ok(ConfigShape {
        instruction: None,
        declared: i64::try_from(shape.values.len()).unwrap_or(i64::MAX),
        elements: shape.values.len(),
        constant: Some(shape.constant),
        values: shape.values.into_iter().map(Some).collect(),
    })
}

fn layers(executable: &Executable, value: &Value) -> Option<i64> {
    match shape_constant(executable, value) {
        // Boundaries of n stages: the last one is the number of layers.
        Some(boundaries) => boundaries.values.last().copied(),
        None => number(executable, value),
    }
}

fn number(executable: &Executable, value: &Value) -> Option<i64> {
    match value {
        Value::Immediate(number) => Some(*number),
        Value::Constant(index) => match constant_value(executable, *index)? {
            ConstantValue::Int(number) => Some(*number),
            _ => None,
        },
        _ => None,
    }
}

fn shape_constant(executable: &Executable, value: &Value) -> Option<ShapeConstant> {
    let Value::Constant(constant) = value else {
        return None;
    };
    match constant_value(executable, *constant)? {
        ConstantValue::Shape(values) => Some(ShapeConstant {
            constant: *constant,
            values: values.clone(),
        }),
        _ => None,
    }
}

fn constant_value(executable: &Executable, index: usize) -> Option<&ConstantValue> {
    executable
        .constants
        .get(index)
        .map(|constant| &constant.value)
}
