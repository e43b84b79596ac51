//! Facts of the calls that create a KV cache: how many arguments, which
//! attention tags, which config length (docs/formats.md#kv-cache).
//!
//! Only what the code says; whether a runtime accepts it is for the rules.

use serde::Serialize;

use super::dataflow::{CallSite, calls};
use super::value::Value;
use super::{ConstantValue, Executable};

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
    /// What reaches the arguments that carry attention kernels, in order; an
    /// argument that may be one of several appears once for each.
    pub sites: Vec<KernelSite>,
    /// The config shape, argument 0; once for each it may be.
    pub config: Vec<ConfigShape>,
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
    pub value: KernelValue,
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
    /// Anything else.
    Other {
        /// What is known of it.
        value: Value,
    },
}

/// The config shape of a constructor call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigShape {
    /// `make_shape` that builds it, if one does.
    pub instruction: Option<u64>,
    /// Element count that call states; what the runtime will see.
    pub declared: Option<i64>,
    /// Elements the call has arguments for, or that the constant has.
    pub elements: Option<usize>,
    /// Pool index, if it is a constant.
    pub constant: Option<usize>,
    /// Elements that are plain numbers.
    pub values: Vec<Option<i64>>,
}

/// `AttnKind::kMHASliding` of the runtime's `attn_utils.h`.
const SLIDING: i64 = 3;

/// Whether a layer of a cache has a sliding window of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sliding {
    /// No layer has one.
    None,
    /// This layer has one, and is the first that does.
    Layer(usize),
    /// What reaches the attention kinds is not known.
    Unknown,
}

impl KvCacheCreate {
    /// Whether a layer has a sliding window of its own: argument 6, whose kinds are
    /// numbers in a constant or in a shape built on the spot. Of several values that
    /// may reach it, one that slides decides.
    pub fn sliding(&self, executable: &Executable) -> Sliding {
        // Kinds came with the kernel tuples of 0.20; before, no layer could have one.
        let has_tuples = self
            .sites
            .iter()
            .any(|site| !matches!(site.value, KernelValue::Function { .. }));
        if !has_tuples {
            return Sliding::None;
        }
        let Some(kinds) = self.values.get(6) else {
            return Sliding::Unknown;
        };
        let mut known = true;
        for value in kinds.alternatives() {
            let shape = config_shape(executable, value);
            let slides = |kind: &Option<i64>| *kind == Some(SLIDING);
            if let Some(layer) = shape.values.iter().position(slides) {
                return Sliding::Layer(layer);
            }
            known &= shape.declared.is_some() && shape.values.iter().all(Option::is_some);
        }
        if known {
            Sliding::None
        } else {
            Sliding::Unknown
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
    let config = site
        .args
        .first()
        .map(Value::alternatives)
        .unwrap_or_default();
    KvCacheCreate {
        callee,
        function: site.function,
        instruction: site.instruction,
        arguments: site.args.len(),
        sites,
        config: config
            .iter()
            .map(|value| config_shape(executable, value))
            .collect(),
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
        .flat_map(|(argument, value)| {
            let alternatives = value.alternatives().iter();
            alternatives.map(move |value| KernelSite {
                argument,
                value: kernel_value(executable, value),
            })
        })
        .collect()
}

fn kernel_value(executable: &Executable, value: &Value) -> KernelValue {
    match value {
        Value::Function(function) => KernelValue::Function {
            function: *function,
        },
        Value::Tuple { instruction, items } => {
            let instruction = *instruction;
            let length = items.len();
            match items.first() {
                None => KernelValue::Empty { instruction },
                Some(Value::Constant(constant)) => match constant_value(executable, *constant) {
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
                },
                Some(_) => KernelValue::Untagged {
                    instruction,
                    length,
                },
            }
        }
        other => KernelValue::Other {
            value: other.clone(),
        },
    }
}

fn config_shape(executable: &Executable, value: &Value) -> ConfigShape {
    let mut config = ConfigShape {
        instruction: None,
        declared: None,
        elements: None,
        constant: None,
        values: Vec::new(),
    };
    if let Value::Shape {
        instruction,
        declared,
        items,
    } = value
    {
        config.instruction = Some(*instruction);
        config.declared = *declared;
        config.elements = Some(items.len());
        config.values = items.iter().map(|item| number(executable, item)).collect();
    } else if let Some(shape) = shape_constant(executable, value) {
        config.constant = Some(shape.constant);
        config.declared = i64::try_from(shape.values.len()).ok();
        config.elements = Some(shape.values.len());
        config.values = shape.values.into_iter().map(Some).collect();
    }
    config
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
