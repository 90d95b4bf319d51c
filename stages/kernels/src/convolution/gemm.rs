//! A blocked matrix product whose operands are packed by the caller.
//!
//! `C = A·B (+ bias)` with `C` row-major. Operands come from a [`PackA`] and a
//! [`PackB`], which lay small blocks out for the micro-kernel. So transposed,
//! half-precision and implicit (im2col) operands need no copy of their own.
//!
//! Every element's sum runs over blocks of [`DEPTH`] in order, whatever the
//! other dimensions and the number of threads: a row of `C` depends only on
//! its row of `A`, bit for bit.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::simd::{COLS, Init, ROWS, Scratch, block};

/// Terms summed up in registers before they are added to the rest.
pub(crate) const DEPTH: usize = 256;
/// The most rows of one task (its packed block stays in the L2 cache).
const TASK_ROWS: usize = 128;
/// Values of packed right operand made at a time (16 MiB).
const CHUNK_VALUES: usize = 4 << 20;
/// Up to here the right operand is packed by the task that uses it.
const FEW_ROWS: usize = 48;

/// The left operand.
pub(crate) trait PackA: Sync {
    /// Writes rows `row..row + rows` (at most 16) of the columns from `k0` as
    /// `to[k][row]`, zero for missing rows.
    fn pack(&self, row: usize, rows: usize, k0: usize, to: &mut [[f32; ROWS]]);
}

/// The right operand.
pub(crate) trait PackB: Sync {
    /// Writes columns `col..col + cols` (at most `W`) of the rows from `k0`
    /// as `to[k][col]`, anything for missing columns.
    fn pack<const W: usize>(&self, col: usize, cols: usize, k0: usize, to: &mut [[f32; W]]);
}

/// One value added to each element of a row or of a column.
#[derive(Clone, Copy)]
pub(crate) enum Bias<'a> {
    None,
    Row(&'a [f32]),
    Column(&'a [f32]),
}

/// The sizes of a product: `C` is `m × n`, the sum has `k` terms.
#[derive(Clone, Copy)]
pub(crate) struct Dims {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
}

/// The width of the panel from column `at`: 48, or what is left in 16s.
fn panel_width(at: usize, n: usize) -> usize {
    COLS.min((n - at).next_multiple_of(16))
}

/// Computes `c = a·b + bias`.
pub(crate) fn gemm(dims: Dims, a: &impl PackA, b: &impl PackB, bias: Bias<'_>, c: &mut [f32]) {
    assert_eq!(c.len(), dims.m * dims.n, "the product's size");
    if c.is_empty() {
        return;
    }
    if dims.k == 0 {
        for (i, c) in c.iter_mut().enumerate() {
            *c = match bias {
                Bias::None => 0.0,
                Bias::Row(v) => v[i / dims.n],
                Bias::Column(v) => v[i % dims.n],
            };
        }
    } else if dims.m <= FEW_ROWS {
        few_rows(dims, a, b, bias, c);
    } else {
        many_rows(dims, a, b, bias, c);
    }
}

/// Packs columns of the right operand: `to[k][col]`, `width` values a row.
struct PackPanel<'a, P: PackB> {
    b: &'a P,
    col: usize,
    cols: usize,
    k0: usize,
    width: usize,
    to: &'a mut [f32],
}

impl<P: PackB> WithSimd for PackPanel<'_, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            b,
            col,
            cols,
            k0,
            width,
            to,
        } = self;
        match width {
            16 => b.pack::<16>(col, cols, k0, to.as_chunks_mut().0),
            32 => b.pack::<32>(col, cols, k0, to.as_chunks_mut().0),
            _ => b.pack::<COLS>(col, cols, k0, to.as_chunks_mut().0),
        }
    }
}

/// Packs rows of the left operand: `to[16 rows][k][row]`.
struct PackRows<'a, P: PackA> {
    a: &'a P,
    row: usize,
    rows: usize,
    k0: usize,
    depth: usize,
    to: &'a mut [f32],
}

impl<P: PackA> WithSimd for PackRows<'_, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            a,
            row,
            rows,
            k0,
            depth,
            to,
        } = self;
        let (to, _) = to.as_chunks_mut::<ROWS>();
        for (sub, to) in to
            .chunks_exact_mut(depth)
            .enumerate()
            .take(rows.div_ceil(ROWS))
        {
            a.pack(row + sub * ROWS, ROWS.min(rows - sub * ROWS), k0, to);
        }
    }
}

/// Tasks are blocks of rows; the right operand is packed once for all.
fn many_rows(dims: Dims, a: &impl PackA, b: &impl PackB, bias: Bias<'_>, c: &mut [f32]) {
    let Dims { m, n, k } = dims;
    // As many tasks for each thread.
    let tasks = m
        .div_ceil(TASK_ROWS)
        .next_multiple_of(rayon::current_num_threads());
    let task_rows = m.div_ceil(tasks).next_multiple_of(ROWS);
    let chunk = (CHUNK_VALUES / k / COLS).max(8) * COLS;
    for n0 in (0..n).step_by(chunk) {
        let n1 = n.min(n0 + chunk);
        let mut packed = Scratch::take((n1 - n0).next_multiple_of(16) * k);
        packed
            .par_chunks_mut(COLS * k)
            .enumerate()
            .for_each(|(index, to)| {
                let col = n0 + index * COLS;
                let width = panel_width(col, n1);
                for (block, to) in to.chunks_mut(DEPTH * width).enumerate() {
                    let (cols, k0) = (width.min(n1 - col), block * DEPTH);
                    Arch::new().dispatch(PackPanel {
                        b,
                        col,
                        cols,
                        k0,
                        width,
                        to,
                    });
                }
            });
        c.par_chunks_mut(task_rows * n)
            .enumerate()
            .for_each(|(index, c)| {
                let row = index * task_rows;
                let rows = c.len() / n;
                let mut rows_packed = Scratch::take(rows.next_multiple_of(ROWS) * DEPTH);
                for k0 in (0..k).step_by(DEPTH) {
                    let depth = DEPTH.min(k - k0);
                    let to = &mut rows_packed[..];
                    Arch::new().dispatch(PackRows {
                        a,
                        row,
                        rows,
                        k0,
                        depth,
                        to,
                    });
                    Arch::new().dispatch(BlockOfRows {
                        a: &rows_packed,
                        b: &packed,
                        bias,
                        dims,
                        row,
                        rows,
                        columns: (n0, n1),
                        k0,
                        depth,
                        c,
                    });
                }
            });
    }
}

/// One block of depth of a block of rows, times all packed columns.
struct BlockOfRows<'a> {
    a: &'a [f32],
    b: &'a [f32],
    bias: Bias<'a>,
    dims: Dims,
    row: usize,
    rows: usize,
    columns: (usize, usize),
    k0: usize,
    depth: usize,
    c: &'a mut [f32],
}

impl WithSimd for BlockOfRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (n0, n1) = self.columns;
        for col in (n0..n1).step_by(COLS) {
            match panel_width(col, n1) {
                16 => self.panel::<S, 16>(simd, col),
                32 => self.panel::<S, 32>(simd, col),
                _ => self.panel::<S, COLS>(simd, col),
            }
        }
    }
}

impl BlockOfRows<'_> {
    #[inline(always)]
    fn panel<S: Simd, const W: usize>(&mut self, simd: S, col: usize) {
        let Dims { n, k, .. } = self.dims;
        let (n0, n1) = self.columns;
        let cols = W.min(n1 - col);
        let from = (col - n0) * k + self.k0 * W;
        let (b, _) = self.b[from..from + self.depth * W].as_chunks::<W>();
        let (a, _) = self.a.as_chunks::<ROWS>();
        let mut edge = [0.0_f32; COLS * ROWS];
        for (sub, a) in a
            .chunks_exact(self.depth)
            .enumerate()
            .take(self.rows.div_ceil(ROWS))
        {
            let top = sub * ROWS;
            let rows = ROWS.min(self.rows - top);
            let c = &mut self.c[top * n + col..];
            let init = init(self.bias, self.k0, self.row + top, col, cols);
            if cols == W {
                block::<S, W>(simd, a, b, rows, c, n, init);
            } else {
                through_edge::<S, W>(simd, a, b, rows, cols, c, n, init, &mut edge);
            }
        }
    }
}

/// What a block's sum is added to.
#[inline(always)]
fn init(bias: Bias<'_>, k0: usize, row: usize, col: usize, cols: usize) -> Init<'_> {
    match bias {
        _ if k0 > 0 => Init::Accumulate,
        Bias::None => Init::Zero,
        Bias::Row(bias) => Init::RowBias(&bias[row..]),
        Bias::Column(bias) => Init::ColBias(&bias[col..col + cols]),
    }
}

/// [`block`] for a panel with fewer valid columns than `W`.
#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "all of them are the micro-kernel's state"
)]
fn through_edge<S: Simd, const W: usize>(
    simd: S,
    a: &[[f32; ROWS]],
    b: &[[f32; W]],
    rows: usize,
    cols: usize,
    c: &mut [f32],
    ldc: usize,
    init: Init<'_>,
    edge: &mut [f32; COLS * ROWS],
) {
    let mut wide = [0.0_f32; COLS];
    let init = match init {
        Init::Accumulate => {
            for r in 0..rows {
                edge[r * W..r * W + cols].copy_from_slice(&c[r * ldc..r * ldc + cols]);
            }
            Init::Accumulate
        }
        Init::ColBias(bias) => {
            wide[..cols].copy_from_slice(bias);
            Init::ColBias(&wide)
        }
        other => other,
    };
    block::<S, W>(simd, a, b, rows, edge, W, init);
    for r in 0..rows {
        c[r * ldc..r * ldc + cols].copy_from_slice(&edge[r * W..r * W + cols]);
    }
}

/// Tasks are panels of columns, each packed by its task; made for products
/// that are bound by reading the right operand once.
fn few_rows(dims: Dims, a: &impl PackA, b: &impl PackB, bias: Bias<'_>, c: &mut [f32]) {
    let Dims { m, n, k } = dims;
    let high = m.next_multiple_of(ROWS);
    let mut rows = Scratch::take(high * k);
    for k0 in (0..k).step_by(DEPTH) {
        let depth = DEPTH.min(k - k0);
        let to = &mut rows[k0 * high..];
        Arch::new().dispatch(PackRows {
            a,
            row: 0,
            rows: m,
            k0,
            depth,
            to,
        });
    }
    let mut result = Scratch::take(m * n.next_multiple_of(16));
    result
        .par_chunks_mut(m * COLS)
        .enumerate()
        .for_each(|(index, c)| {
            let col = index * COLS;
            let width = panel_width(col, n);
            let mut packed = Scratch::take(DEPTH * width);
            for k0 in (0..k).step_by(DEPTH) {
                let depth = DEPTH.min(k - k0);
                let cols = width.min(n - col);
                let to = &mut packed[..depth * width];
                Arch::new().dispatch(PackPanel {
                    b,
                    col,
                    cols,
                    k0,
                    width,
                    to,
                });
                Arch::new().dispatch(OnePanel {
                    a: &rows[k0 * high..][..depth * high],
                    b: &packed[..depth * width],
                    bias,
                    m,
                    col,
                    cols,
                    width,
                    k0,
                    depth,
                    c,
                });
            }
        });
    for (index, part) in result.chunks(m * COLS).enumerate() {
        let width = part.len() / m;
        let cols = width.min(n - index * COLS);
        for (row, part) in part.chunks_exact(width).enumerate() {
            c[row * n + index * COLS..][..cols].copy_from_slice(&part[..cols]);
        }
    }
}

/// One block of depth of all rows, times one panel.
struct OnePanel<'a> {
    a: &'a [f32],
    b: &'a [f32],
    bias: Bias<'a>,
    m: usize,
    col: usize,
    cols: usize,
    width: usize,
    k0: usize,
    depth: usize,
    c: &'a mut [f32],
}

impl WithSimd for OnePanel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.width {
            16 => self.run::<S, 16>(simd),
            32 => self.run::<S, 32>(simd),
            _ => self.run::<S, COLS>(simd),
        }
    }
}

impl OnePanel<'_> {
    #[inline(always)]
    fn run<S: Simd, const W: usize>(self, simd: S) {
        let (a, _) = self.a.as_chunks::<ROWS>();
        let (b, _) = self.b.as_chunks::<W>();
        let mut wide = [0.0_f32; COLS];
        for (sub, a) in a.chunks_exact(self.depth).enumerate() {
            let top = sub * ROWS;
            let init = match init(self.bias, self.k0, top, self.col, self.cols) {
                Init::ColBias(bias) => {
                    wide[..self.cols].copy_from_slice(bias);
                    Init::ColBias(&wide)
                }
                other => other,
            };
            let rows = ROWS.min(self.m - top);
            block::<S, W>(simd, a, b, rows, &mut self.c[top * W..], W, init);
        }
    }
}
