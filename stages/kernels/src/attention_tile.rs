//! The two small matrix products that attention is made of, and the buffers they run on.
//!
//! One side of attention (the queries when going forward) is laid across the lanes of vectors: a buffer holds, for each
//! of `dim` coordinates, the coordinates of up to 64 vectors side by side. The other side is read where it lies, number
//! by number, each number standing for all lanes. So nothing needs to be transposed but the one block that all tiles
//! share, a head of 40 wastes no lane, and each lane has a maximum and a sum of its own.

use crate::math::splat;
use pulp::Simd;
use std::ops::Range;

/// Rows of the side that is read in place, per tile. What is kept of a tile, 64 lanes by this, stays in a near cache.
pub(crate) const TILE: usize = 96;

/// Vectors of the side in the lanes, per block.
pub(crate) const BLOCK: usize = 64;

/// Numbers in a cache line, at which buffers start.
const LINE: usize = 16;

/// Vectors in a row of a buffer at most: with these, the accumulators of a product fill the registers.
pub(crate) const fn widest<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { 4 } else { 2 }
}

/// Where a tensor of heads has its numbers: one head of one row is a run of `dim` numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strides {
    /// From one batch item to the next.
    pub batch: usize,
    /// From one head to the next.
    pub head: usize,
    /// From one row (a query, a key) to the next.
    pub row: usize,
}

impl Strides {
    /// Of `[batch, heads, rows, dim]`.
    pub const fn heads_first(heads: usize, rows: usize, dim: usize) -> Self {
        Self {
            batch: heads * rows * dim,
            head: rows * dim,
            row: dim,
        }
    }

    /// Of `[batch, rows, heads · dim]`, as a projection makes it.
    pub const fn rows_first(heads: usize, rows: usize, dim: usize) -> Self {
        Self {
            batch: rows * heads * dim,
            head: dim,
            row: heads * dim,
        }
    }

    /// The numbers that a tensor must have.
    pub(crate) fn extent(self, batch: usize, heads: usize, rows: usize, dim: usize) -> usize {
        if batch * heads * rows == 0 {
            return 0;
        }
        (batch - 1) * self.batch + (heads - 1) * self.head + (rows - 1) * self.row + dim
    }
}

/// One head's rows.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    data: &'a [f32],
    stride: usize,
    dim: usize,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(
        data: &'a [f32],
        strides: Strides,
        batch: usize,
        head: usize,
        dim: usize,
    ) -> Self {
        let from = (batch * strides.batch + head * strides.head).min(data.len());
        Self {
            data: &data[from..],
            stride: strides.row,
            dim,
        }
    }

    #[inline(always)]
    pub(crate) fn row(self, row: usize) -> &'a [f32] {
        &self.data[row * self.stride..][..self.dim]
    }
}

/// A buffer whose parts start at cache lines.
#[derive(Default)]
pub(crate) struct Scratch(Vec<f32>);

impl Scratch {
    /// `parts` of so many rows of `width` numbers.
    pub(crate) fn parts<const N: usize>(
        &mut self,
        width: usize,
        parts: [usize; N],
    ) -> [&mut [f32]; N] {
        let lengths = parts.map(|rows| (rows * width).next_multiple_of(LINE));
        let total = lengths.iter().sum::<usize>() + LINE;
        if self.0.len() < total {
            self.0.resize(total, 0.0);
        }
        let start = self
            .0
            .as_ptr()
            .align_offset(LINE * size_of::<f32>())
            .min(LINE);
        let mut rest = &mut self.0[start..];
        let mut next = 0;
        lengths.map(|length| {
            let (part, after) = std::mem::take(&mut rest).split_at_mut(length);
            rest = after;
            next += 1;
            &mut part[..parts[next - 1] * width]
        })
    }
}

/// A part of a [`Scratch`] as rows of vectors.
#[inline(always)]
pub(crate) fn vectors<S: Simd, const NV: usize>(part: &mut [f32]) -> &mut [[S::f32s; NV]] {
    pulp::as_arrays_mut::<NV, _>(S::as_mut_simd_f32s(part).0).0
}

/// Lays rows across lanes: lane `i` of `out` holds `row(i)`, times `scale`. Lanes past `count` hold zeros.
#[inline(always)]
pub(crate) fn lay<'a>(
    out: &mut [f32],
    width: usize,
    count: usize,
    scale: f32,
    row: impl Fn(usize) -> &'a [f32],
) {
    if count < width {
        out.fill(0.0);
    }
    // Four rows at a time, so that a store is of four numbers.
    let mut lane = 0;
    while lane + 4 <= count {
        let [a, b, c, d] = [row(lane), row(lane + 1), row(lane + 2), row(lane + 3)];
        let numbers = a.iter().zip(b).zip(c).zip(d);
        for (out, (((a, b), c), d)) in out.chunks_exact_mut(width).zip(numbers) {
            out[lane..lane + 4].copy_from_slice(&[a * scale, b * scale, c * scale, d * scale]);
        }
        lane += 4;
    }
    for lane in lane..count {
        for (out, x) in out.chunks_exact_mut(width).zip(row(lane)) {
            out[lane] = x * scale;
        }
    }
}

/// Takes a lane's numbers out again.
#[inline(always)]
pub(crate) fn take(lanes: &[f32], width: usize, lane: usize, out: &mut [f32]) {
    for (out, lanes) in out.iter_mut().zip(lanes.chunks_exact(width)) {
        *out = lanes[lane];
    }
}

/// `out[i] = Σ_j rows[i][j] · lanes[j]` for rows in `range`, each lane for itself.
#[inline(always)]
pub(crate) fn products<S: Simd, const NV: usize, const R: usize>(
    simd: S,
    rows: Rows<'_>,
    range: Range<usize>,
    lanes: &[[S::f32s; NV]],
    out: &mut [[S::f32s; NV]],
) {
    let (mut i, count) = (0, range.len());
    while i + R <= count {
        products_of::<S, NV, R>(simd, rows, range.start + i, lanes, &mut out[i..i + R]);
        i += R;
    }
    if i + 4 <= count {
        products_of::<S, NV, 4>(simd, rows, range.start + i, lanes, &mut out[i..i + 4]);
        i += 4;
    }
    if i + 2 <= count {
        products_of::<S, NV, 2>(simd, rows, range.start + i, lanes, &mut out[i..i + 2]);
        i += 2;
    }
    if i < count {
        products_of::<S, NV, 1>(simd, rows, range.start + i, lanes, &mut out[i..=i]);
    }
}

#[inline(always)]
fn products_of<S: Simd, const NV: usize, const R: usize>(
    simd: S,
    rows: Rows<'_>,
    first: usize,
    lanes: &[[S::f32s; NV]],
    out: &mut [[S::f32s; NV]],
) {
    let dim = lanes.len();
    let mut x: [&[f32]; R] = [&[]; R];
    for (i, x) in x.iter_mut().enumerate() {
        *x = &rows.row(first + i)[..dim];
    }
    let mut sums = [[splat(simd, 0.0); NV]; R];
    for (j, lanes) in lanes.iter().enumerate() {
        for i in 0..R {
            let x = splat(simd, x[i][j]);
            for v in 0..NV {
                sums[i][v] = simd.mul_add_f32s(x, lanes[v], sums[i][v]);
            }
        }
    }
    out.copy_from_slice(&sums);
}

/// `sums[j] = sums[j] · factor + Σ_i rows[i][j] · lanes[i]` for rows from `first`, one for each of `lanes`.
#[inline(always)]
pub(crate) fn accumulate<S: Simd, const NV: usize, const R: usize>(
    simd: S,
    rows: Rows<'_>,
    first: usize,
    lanes: &[[S::f32s; NV]],
    factor: [S::f32s; NV],
    sums: &mut [[S::f32s; NV]],
) {
    let (mut j, dim) = (0, sums.len());
    while j + R <= dim {
        accumulate_of::<S, NV, R>(simd, rows, first, j, lanes, factor, &mut sums[j..j + R]);
        j += R;
    }
    if j + 4 <= dim {
        accumulate_of::<S, NV, 4>(simd, rows, first, j, lanes, factor, &mut sums[j..j + 4]);
        j += 4;
    }
    if j + 2 <= dim {
        accumulate_of::<S, NV, 2>(simd, rows, first, j, lanes, factor, &mut sums[j..j + 2]);
        j += 2;
    }
    if j < dim {
        accumulate_of::<S, NV, 1>(simd, rows, first, j, lanes, factor, &mut sums[j..=j]);
    }
}

#[inline(always)]
fn accumulate_of<S: Simd, const NV: usize, const R: usize>(
    simd: S,
    rows: Rows<'_>,
    first: usize,
    column: usize,
    lanes: &[[S::f32s; NV]],
    factor: [S::f32s; NV],
    out: &mut [[S::f32s; NV]],
) {
    let mut sums = [[splat(simd, 0.0); NV]; R];
    for (sums, out) in sums.iter_mut().zip(&*out) {
        for v in 0..NV {
            sums[v] = simd.mul_f32s(out[v], factor[v]);
        }
    }
    let mut from = first * rows.stride + column;
    for lanes in lanes {
        let x = &rows.data[from..from + R];
        for i in 0..R {
            let x = splat(simd, x[i]);
            for v in 0..NV {
                sums[i][v] = simd.mul_add_f32s(x, lanes[v], sums[i][v]);
            }
        }
        from += rows.stride;
    }
    out.copy_from_slice(&sums);
}
