//! What is known of a value that a register holds, for [`super::register_kinds`].

use super::DataType;
use super::argument_kind::ArgumentKind;
use super::instruction::{Argument, Arguments};

/// What is known of a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held<'a> {
    /// Its kind.
    pub kind: Option<ArgumentKind>,
    /// How many items a tuple has, or places a heap of sizes.
    pub items: Option<u64>,
    /// The dimensions of a tensor, or of the tensor that a shape describes.
    pub dims: Option<Dims<'a>>,
    /// How many there are, where a check says it.
    pub rank: Option<i64>,
    /// The data type of a tensor.
    pub dtype: Option<DataType>,
    /// Where a tensor begins in its storage.
    pub offset: Option<u64>,
    /// Bytes of a storage.
    pub room: Option<u64>,
}

/// Dimensions, some of them known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dims<'a> {
    /// Those of a constant.
    Constant(&'a [i64]),
    /// Those that a call of `match_shape` demands: `(value, heap, count, code, number, ...)`,
    /// where code 0 is "equal to this number".
    Matched(Arguments<'a>, usize),
}

impl<'a> Held<'a> {
    /// A value of that kind, and nothing else of it.
    pub(super) fn of(kind: ArgumentKind) -> Self {
        Self {
            kind: Some(kind),
            ..Self::default()
        }
    }

    /// Takes over what is not known yet.
    pub(super) fn add(&mut self, other: Self) {
        self.kind = self.kind.or(other.kind);
        self.items = self.items.or(other.items);
        self.dims = self.dims.or(other.dims);
        self.rank = self.rank.or(other.rank);
        self.dtype = self.dtype.or(other.dtype);
    }

    /// How many elements a tensor has, or the tensor that a shape describes.
    pub fn elements(&self) -> Option<u64> {
        let mut sizes = self.dims?.sizes();
        sizes.try_fold(1u64, |product, size| {
            product.checked_mul(u64::try_from(size?).ok()?)
        })
    }

    /// Bytes of an element of a tensor, where it has whole ones.
    pub fn element(&self) -> Option<u64> {
        let dtype = self.dtype?;
        let bits = u64::from(dtype.bits).checked_mul(u64::from(dtype.lanes))?;
        (bits > 0 && bits.is_multiple_of(8)).then_some(bits / 8)
    }
}

impl<'a> Dims<'a> {
    /// What a call of `match_shape` demands.
    pub(super) fn matched(args: Arguments<'a>) -> Option<Self> {
        let Some(Argument::Immediate(count)) = args.get(2) else {
            return None;
        };
        let count = usize::try_from(count).ok()?;
        (count <= args.len()).then_some(Self::Matched(args, count))
    }

    /// Each of them; `None` where it is not known.
    pub fn sizes(self) -> impl ExactSizeIterator<Item = Option<i64>> + 'a {
        let count = match self {
            Self::Constant(sizes) => sizes.len(),
            Self::Matched(_, count) => count,
        };
        (0..count).map(move |index| match self {
            Self::Constant(sizes) => sizes.get(index).copied(),
            Self::Matched(args, _) => {
                let code = index.checked_mul(2)?.checked_add(3)?;
                match (args.get(code)?, args.get(code.checked_add(1)?)?) {
                    (Argument::Immediate(0), Argument::Immediate(size)) => Some(size),
                    _ => None,
                }
            }
        })
    }
}
