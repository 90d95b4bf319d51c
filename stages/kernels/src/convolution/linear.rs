//! Linear layers: `y = x·W + b`.

use super::gemm::{Bias, DEPTH, Dims, PackA, PackB, gemm};
use super::simd::ROWS;
use super::weights::{Weights, transpose};

/// How a linear layer's weights lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[in, out]`, as Burn's `Linear` has them.
    InOut,
    /// `[out, in]`, as `PyTorch`'s `nn.Linear` has them.
    OutIn,
}

/// A row-major matrix whose rows are rows of the left operand.
pub(crate) struct RowsA<'a> {
    pub(crate) data: Weights<'a>,
    pub(crate) stride: usize,
}

impl PackA for RowsA<'_> {
    #[inline(always)]
    fn pack(&self, row: usize, rows: usize, k0: usize, to: &mut [[f32; ROWS]]) {
        let depth = to.len();
        let mut room = [0.0; ROWS * DEPTH];
        let mut lines = [&[][..]; ROWS];
        for (r, room) in room.chunks_exact_mut(depth).take(rows).enumerate() {
            lines[r] = self.data.row((row + r) * self.stride + k0, depth, room);
        }
        transpose(&lines[..rows], to, 0);
    }
}

/// A row-major matrix whose columns are rows of the left operand.
pub(crate) struct ColumnsA<'a> {
    pub(crate) data: Weights<'a>,
    pub(crate) stride: usize,
}

impl PackA for ColumnsA<'_> {
    #[inline(always)]
    fn pack(&self, row: usize, rows: usize, k0: usize, to: &mut [[f32; ROWS]]) {
        let mut room = [0.0; ROWS];
        for (k, to) in to.iter_mut().enumerate() {
            let line = self.data.row((k0 + k) * self.stride + row, rows, &mut room);
            to[..rows].copy_from_slice(line);
            to[rows..].fill(0.0);
        }
    }
}

/// A row-major matrix whose rows are rows of the right operand.
pub(crate) struct RowsB<'a> {
    pub(crate) data: Weights<'a>,
    pub(crate) stride: usize,
}

impl PackB for RowsB<'_> {
    #[inline(always)]
    fn pack<const W: usize>(&self, col: usize, cols: usize, k0: usize, to: &mut [[f32; W]]) {
        if let (Weights::F32(data), true) = (self.data, cols == W) {
            for (k, to) in to.iter_mut().enumerate() {
                to.copy_from_slice(&data[(k0 + k) * self.stride + col..][..W]);
            }
            return;
        }
        let mut room = [0.0; W];
        for (k, to) in to.iter_mut().enumerate() {
            let line = self.data.row((k0 + k) * self.stride + col, cols, &mut room);
            to[..cols].copy_from_slice(line);
            to[cols..].fill(0.0);
        }
    }
}

/// A row-major matrix whose rows are columns of the right operand.
pub(crate) struct ColumnsB<'a> {
    pub(crate) data: Weights<'a>,
    pub(crate) stride: usize,
}

impl PackB for ColumnsB<'_> {
    #[inline(always)]
    fn pack<const W: usize>(&self, col: usize, cols: usize, k0: usize, to: &mut [[f32; W]]) {
        let depth = to.len();
        let mut room = [0.0; ROWS * DEPTH];
        for first in (0..W).step_by(ROWS) {
            let count = cols.saturating_sub(first).min(ROWS);
            let mut lines = [&[][..]; ROWS];
            for (r, room) in room.chunks_exact_mut(depth).take(count).enumerate() {
                lines[r] = self
                    .data
                    .row((col + first + r) * self.stride + k0, depth, room);
            }
            transpose(&lines[..count], to, first);
        }
    }
}

/// `y[m][n] = Σ_k x[m][k]·W[k][n] + bias[n]`, all row-major; `k` inputs and
/// `n` outputs, `m` from the length of `x`.
///
/// # Panics
/// When the slices' lengths do not match.
pub fn linear(
    x: &[f32],
    weights: Weights<'_>,
    layout: Layout,
    bias: Option<&[f32]>,
    (inputs, outputs): (usize, usize),
    y: &mut [f32],
) {
    assert_eq!(weights.len(), inputs * outputs, "weights");
    assert!(bias.is_none_or(|b| b.len() == outputs), "bias");
    let m = y.len().checked_div(outputs).unwrap_or(0);
    assert_eq!(x.len(), m * inputs, "input");
    let dims = Dims {
        m,
        n: outputs,
        k: inputs,
    };
    let a = RowsA {
        data: Weights::F32(x),
        stride: inputs,
    };
    let bias = bias.map_or(Bias::None, Bias::Column);
    match layout {
        Layout::InOut => gemm(
            dims,
            &a,
            &RowsB {
                data: weights,
                stride: outputs,
            },
            bias,
            y,
        ),
        Layout::OutIn => gemm(
            dims,
            &a,
            &ColumnsB {
                data: weights,
                stride: inputs,
            },
            bias,
            y,
        ),
    }
}

/// The input gradient of [`linear`]: `dx = dy·Wᵀ`.
///
/// # Panics
/// When the slices' lengths do not match.
pub fn linear_input_grad(
    dy: &[f32],
    weights: Weights<'_>,
    layout: Layout,
    (inputs, outputs): (usize, usize),
    dx: &mut [f32],
) {
    let flipped = match layout {
        Layout::InOut => Layout::OutIn,
        Layout::OutIn => Layout::InOut,
    };
    linear(dy, weights, flipped, None, (outputs, inputs), dx);
}
