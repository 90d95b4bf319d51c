//! Tensors: where their numbers lie.

use std::sync::Arc;

use crate::error::Fault;

/// Dimensions of a tensor, at most: a file may name the same long shape over and over.
pub(crate) const DIMENSIONS: usize = 16;

/// A kind of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Floating point of 16 bits (IEEE 754 binary16).
    F16,
    /// Floating point of 16 bits (brain).
    BF16,
    /// Floating point of 32 bits.
    F32,
    /// Floating point of 64 bits.
    F64,
    /// Whole numbers of 64 bits.
    I64,
    /// Whole numbers of 32 bits.
    I32,
    /// Whole numbers of 16 bits.
    I16,
    /// Whole numbers of 8 bits.
    I8,
    /// Whole numbers of 8 bits, from 0 on.
    U8,
    /// True or false, a byte each.
    Bool,
}

impl Kind {
    /// Bytes a number.
    pub const fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::BF16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }
}

/// Numbers in a file of the archive.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    pub(crate) kind: Kind,
    /// The file's name below `data/`.
    pub(crate) key: Arc<str>,
    /// How many numbers it has.
    pub(crate) count: usize,
}

/// A tensor: which numbers of its storage it has, and in which order.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub(crate) storage: Storage,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
    /// How many numbers of the storage there are from its first to its last.
    span: usize,
}

impl Tensor {
    /// A tensor, all of whose numbers lie in its storage.
    pub(crate) fn new(
        storage: Storage,
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
    ) -> Result<Self, Fault> {
        let misfit = || {
            Fault::damaged(format!(
                "a tensor of the shape {shape:?} with the strides {strides:?} from number {offset} on does not lie in its \
                 storage of {} numbers",
                storage.count
            ))
        };
        if shape.len() != strides.len() {
            return Err(misfit());
        }
        let count = shape
            .iter()
            .try_fold(1_usize, |all, side| all.checked_mul(*side));
        let count = count.ok_or_else(misfit)?;
        count.checked_mul(storage.kind.size()).ok_or_else(misfit)?;
        let last = shape
            .iter()
            .zip(&strides)
            .try_fold(offset, |last, (side, stride)| {
                last.checked_add(side.saturating_sub(1).checked_mul(*stride)?)
            });
        let last = last.ok_or_else(misfit)?;
        // A tensor repeated by strides of zero would have more numbers than the file has bytes for.
        if count > storage.count || (count > 0 && last >= storage.count) {
            return Err(misfit());
        }
        // Where a tensor without numbers begins does not matter, and may be anywhere.
        let (offset, span) = match count {
            0 => (0, 0),
            _ => (offset, last - offset + 1),
        };
        Ok(Self {
            storage,
            offset,
            shape,
            strides,
            span,
        })
    }

    /// What kind of numbers it has.
    pub const fn kind(&self) -> Kind {
        self.storage.kind
    }

    /// Its sides, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many bytes its numbers are.
    pub(crate) fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.kind().size()
    }

    /// Where its numbers lie in their storage: the first byte, and how many bytes there are to the last.
    pub(crate) const fn place(&self) -> (u64, u64) {
        let size = self.kind().size() as u64;
        // A claim as long as nothing is known of the storage, which may be of any length.
        let first = (self.offset as u64).saturating_mul(size);
        (first, (self.span as u64).saturating_mul(size))
    }

    /// Its bytes in the order of its shape, out of those of its place.
    pub(crate) fn gathered(&self, span: Vec<u8>) -> Vec<u8> {
        if self.is_dense() {
            return span;
        }
        let (size, count) = (self.kind().size(), self.shape.iter().product());
        let mut bytes = Vec::with_capacity(self.bytes());
        let mut place = vec![0; self.shape.len()];
        for _ in 0..count {
            let steps = place.iter().zip(&self.strides);
            let at = steps.map(|(step, stride)| step * stride).sum::<usize>();
            bytes.extend_from_slice(&span[at * size..][..size]);
            for (step, side) in place.iter_mut().zip(&self.shape).rev() {
                *step += 1;
                if *step < *side {
                    break;
                }
                *step = 0;
            }
        }
        bytes
    }

    /// Whether its numbers lie in the order of its shape, without gaps.
    fn is_dense(&self) -> bool {
        let mut dense = 1;
        let mut sides = self.shape.iter().zip(&self.strides).rev();
        // Sides of a tensor without numbers have no product.
        self.span == 0
            || sides.all(|(side, stride)| {
                let fits = *side == 1 || *stride == dense;
                dense *= side;
                fits
            })
    }
}
