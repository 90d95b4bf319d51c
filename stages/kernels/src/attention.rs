//! Softmax attention, `softmax(q kᵀ · scale + mask) v`, in tiles: the scores of a block of queries against a tile of keys
//! are all that is ever held (Milakov and Gimelshein 2018; Rabe and Staats 2021; Dao et al. 2022).
//!
//! Tensors may lie as `[batch, heads, rows, dim]` or as `[batch, rows, heads · dim]`, or at any other strides so long as
//! one head of one row is one run of numbers: no copies are needed on either side of attention.

use crate::attention_tile::{
    BLOCK, Rows, Scratch, TILE, accumulate, lay, products, take, vectors, widest,
};
use crate::math::{exp2, splat};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::f32::consts::LOG2_E;

pub use crate::attention_tile::Strides;

/// What attention runs on, but for the tensors.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a> {
    /// Items in the batch.
    pub batch: usize,
    /// Heads of the queries.
    pub heads: usize,
    /// Heads of the keys and values, a divisor of `heads`: `heads / kv_heads` neighbours share one.
    pub kv_heads: usize,
    /// Queries of an item.
    pub queries: usize,
    /// Keys of an item.
    pub keys: usize,
    /// Numbers in a query, a key, a value.
    pub dim: usize,
    /// What scores are multiplied by, commonly `1 / sqrt(dim)`.
    pub scale: f32,
    /// With `Some(n)`, query `i` sees only the keys up to and with `i + n`: 0 where both begin together, `keys - queries`
    /// where both end together.
    pub causal: Option<usize>,
    /// Added to the scores; -∞ hides a key. A query from which all is hidden gets zeros.
    pub mask: Option<Mask<'a>>,
}

/// An additive mask: a row of `keys` numbers for each query. A stride of 0 shares one row or plane between many.
#[derive(Clone, Copy, Debug)]
pub struct Mask<'a> {
    /// The numbers.
    pub data: &'a [f32],
    /// Where they lie.
    pub strides: Strides,
}

/// A tensor, and where its numbers lie.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a> {
    /// The numbers.
    pub data: &'a [f32],
    /// Where they lie.
    pub strides: Strides,
}

/// How a result is to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[batch, heads, rows, dim]`.
    HeadsFirst,
    /// `[batch, rows, heads · dim]`.
    RowsFirst,
}

impl Layout {
    /// Where a result of this layout has its numbers.
    pub const fn strides(self, heads: usize, rows: usize, dim: usize) -> Strides {
        match self {
            Self::HeadsFirst => Strides::heads_first(heads, rows, dim),
            Self::RowsFirst => Strides::rows_first(heads, rows, dim),
        }
    }
}

/// Queries of one item and some of its heads, and where their results go: one slice a row, of `heads · dim`.
pub(crate) struct Task<'a> {
    pub(crate) batch: usize,
    pub(crate) head: usize,
    pub(crate) heads: usize,
    pub(crate) row: usize,
    pub(crate) out: Vec<&'a mut [f32]>,
    /// One slice a row of `heads`, of the logarithms of the sums; or nothing.
    pub(crate) sums: Vec<&'a mut [f32]>,
}

/// Tasks that are enough to keep threads busy to the end.
const ENOUGH: usize = 24;

/// Cuts a result of `[batch, rows, heads, dim]` in tasks of up to [`BLOCK`] rows and a number of heads that is a multiple
/// of `unit`. How it is cut has no say in the results.
pub(crate) fn tasks<'a>(
    (batch, heads, rows, dim): (usize, usize, usize, usize),
    layout: Layout,
    unit: usize,
    out: &'a mut [f32],
    sums: Option<&'a mut [f32]>,
) -> Vec<Task<'a>> {
    assert_eq!(
        out.len(),
        batch * heads * rows * dim,
        "the result holds all heads of all rows"
    );
    let blocks = rows.div_ceil(BLOCK);
    // One row has one order, whatever it is called.
    let inner = layout == Layout::RowsFirst || rows == 1;
    let units = heads / unit;
    let spans = if inner {
        (1..=units)
            .find(|n| units.is_multiple_of(*n) && n * batch * blocks >= ENOUGH)
            .unwrap_or(units)
    } else {
        heads
    };
    let span = heads / spans;
    let mut tasks: Vec<Task<'a>> = (0..batch * spans * blocks)
        .map(|i| Task {
            batch: i / blocks / spans,
            head: i / blocks % spans * span,
            heads: span,
            row: i % blocks * BLOCK,
            out: Vec::with_capacity(BLOCK.min(rows)),
            sums: Vec::new(),
        })
        .collect();
    let place = |i: usize| {
        let (batch, row, part) = if inner {
            (i / spans / rows, i / spans % rows, i % spans)
        } else {
            (i / rows / spans, i % rows, i / rows % spans)
        };
        (batch * spans + part) * blocks + row / BLOCK
    };
    for (i, piece) in out.chunks_mut(span * dim).enumerate() {
        tasks[place(i)].out.push(piece);
    }
    if let Some(sums) = sums {
        for (i, piece) in sums.chunks_mut(span).enumerate() {
            tasks[place(i)].sums.push(piece);
        }
    }
    tasks
}

impl Attention<'_> {
    pub(crate) fn check(&self, q: Heads<'_>, k: Heads<'_>, v: Heads<'_>) {
        assert!(
            self.kv_heads > 0 && self.heads.is_multiple_of(self.kv_heads),
            "the heads of the keys divide those of the queries"
        );
        let extent = |heads: usize, rows: usize, of: Heads<'_>| {
            let needs = of.strides.extent(self.batch, heads, rows, self.dim);
            assert!(
                of.data.len() >= needs,
                "a tensor reaches as far as its strides say"
            );
        };
        extent(self.heads, self.queries, q);
        extent(self.kv_heads, self.keys, k);
        extent(self.kv_heads, self.keys, v);
        if let Some(mask) = self.mask {
            let needs = mask
                .strides
                .extent(self.batch, self.heads, self.queries, self.keys);
            assert!(
                mask.data.len() >= needs,
                "a mask reaches as far as its strides say"
            );
        }
    }

    /// Heads that are laid side by side in the lanes, because their queries are few and they share their keys.
    pub(crate) fn bundle(&self, layout: Layout) -> usize {
        if layout == Layout::HeadsFirst && self.queries != 1 {
            return 1;
        }
        let group = self.heads / self.kv_heads;
        (1..=group)
            .rev()
            .find(|n| group.is_multiple_of(*n) && n * self.queries <= BLOCK)
            .unwrap_or(1)
    }

    /// Attention.
    ///
    /// # Shapes
    ///
    /// - q: `batch` × `heads` × `queries` × `dim`
    /// - k, v: `batch` × `kv_heads` × `keys` × `dim`
    /// - out: as `layout` says
    /// - log_sums: if asked for, what the backward needs: base-2 logarithms of the sums under the softmax, in the order
    ///   of `layout` without `dim`; +∞ where all is hidden
    pub fn forward(
        &self,
        q: Heads<'_>,
        k: Heads<'_>,
        v: Heads<'_>,
        layout: Layout,
        out: &mut [f32],
        log_sums: Option<&mut [f32]>,
    ) {
        self.run(q, None, [k, v], layout, out, log_sums);
    }

    /// Attention to `before` rows of keys and values that every query sees, and then to `keys` as [`forward`](Self::forward)
    /// does it: many continuations of one beginning share its keys. Neither causality nor a mask touches the first.
    ///
    /// # Shapes
    ///
    /// - `first`: keys and values, `batch` × `kv_heads` × `before` × `dim`
    /// - q, k, v, out: as in [`forward`](Self::forward)
    pub fn forward_after(
        &self,
        q: Heads<'_>,
        (first, before): ([Heads<'_>; 2], usize),
        [k, v]: [Heads<'_>; 2],
        layout: Layout,
        out: &mut [f32],
    ) {
        for of in first {
            let needs = of
                .strides
                .extent(self.batch, self.kv_heads, before, self.dim);
            assert!(
                of.data.len() >= needs,
                "a tensor reaches as far as its strides say"
            );
        }
        self.run(q, Some((first, before)), [k, v], layout, out, None);
    }

    fn run(
        &self,
        q: Heads<'_>,
        first: Option<([Heads<'_>; 2], usize)>,
        [k, v]: [Heads<'_>; 2],
        layout: Layout,
        out: &mut [f32],
        log_sums: Option<&mut [f32]>,
    ) {
        self.check(q, k, v);
        if out.is_empty() {
            return;
        }
        let size = (self.batch, self.heads, self.queries, self.dim);
        let bundle = self.bundle(layout);
        let arch = Arch::new();
        let run = |scratch: &mut Scratch, task| {
            arch.dispatch(Forward {
                attention: self,
                q,
                first,
                own: [k, v],
                bundle,
                task,
                scratch,
            });
        };
        let tasks = tasks(size, layout, bundle, out, log_sums);
        tasks.into_par_iter().for_each_init(Scratch::default, run);
    }
}

struct Forward<'a, 'b> {
    attention: &'a Attention<'a>,
    q: Heads<'a>,
    /// Keys and values that every query sees, and how many.
    first: Option<([Heads<'a>; 2], usize)>,
    own: [Heads<'a>; 2],
    bundle: usize,
    task: Task<'b>,
    scratch: &'a mut Scratch,
}

/// The queries in the lanes of one block: some of `bundle` heads from `head` on, `rows` of each.
#[derive(Clone, Copy)]
pub(crate) struct Lanes {
    pub(crate) head: usize,
    pub(crate) row: usize,
    pub(crate) rows: usize,
    pub(crate) first: usize,
    pub(crate) count: usize,
}

impl Lanes {
    /// The head of a lane, counted from `self.head`, and its row, counted from `self.row`.
    #[inline(always)]
    pub(crate) fn at(self, lane: usize) -> (usize, usize) {
        (
            (self.first + lane) / self.rows,
            (self.first + lane) % self.rows,
        )
    }
}

impl WithSimd for Forward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let rows = self.task.out.len();
        for bundle in 0..self.task.heads / self.bundle {
            let lanes = self.bundle * rows;
            let block = widest::<S>() * S::F32_LANES;
            let mut first = 0;
            while first < lanes {
                let count = (lanes - first).min(block);
                let lanes = Lanes {
                    head: self.task.head + bundle * self.bundle,
                    row: self.task.row,
                    rows,
                    first,
                    count,
                };
                match count.div_ceil(S::F32_LANES) {
                    1 => self.block::<S, 1, 8>(simd, lanes),
                    2 if S::REGISTER_COUNT < 32 => self.block::<S, 2, 6>(simd, lanes),
                    2 => self.block::<S, 2, 8>(simd, lanes),
                    3 => self.block::<S, 3, 8>(simd, lanes),
                    _ => self.block::<S, 4, 6>(simd, lanes),
                }
                first += count;
            }
        }
    }
}

impl Forward<'_, '_> {
    #[inline(always)]
    fn block<S: Simd, const NV: usize, const R: usize>(&mut self, simd: S, lanes: Lanes) {
        let attention = self.attention;
        let (batch, dim) = (self.task.batch, attention.dim);
        let width = NV * S::F32_LANES;
        let [q_part, score_part, out_part, state_part] =
            self.scratch.parts(width, [dim, TILE, dim, 2]);
        lay(
            q_part,
            width,
            lanes.count,
            attention.scale * LOG2_E,
            |lane| {
                let (head, row) = lanes.at(lane);
                Rows::new(self.q.data, self.q.strides, batch, lanes.head + head, dim)
                    .row(lanes.row + row)
            },
        );
        let q = vectors::<S, NV>(q_part);
        let out = vectors::<S, NV>(out_part);
        let kv_head = lanes.head / (attention.heads / attention.kv_heads);
        out.fill([splat(simd, 0.0); NV]);
        let mut most = [splat(simd, f32::NEG_INFINITY); NV];
        let mut sum = [splat(simd, 0.0); NV];
        let end = attention.seen(lanes.row + lanes.rows);
        let first = self.first.map(|(of, rows)| (of, rows, false));
        for ([k, v], end, own) in first.into_iter().chain([(self.own, end, true)]) {
            let k = Rows::new(k.data, k.strides, batch, kv_head, dim);
            let v = Rows::new(v.data, v.strides, batch, kv_head, dim);
            for from in (0..end).step_by(TILE) {
                let range = from..(from + TILE).min(end);
                let count = range.len();
                let scores = &mut vectors::<S, NV>(score_part)[..count];
                products::<S, NV, R>(simd, k, range.clone(), q, scores);
                if own {
                    attention.hide(batch, lanes, range, width, score_part);
                }
                let scores = &mut vectors::<S, NV>(score_part)[..count];
                let before = most;
                for scores in &*scores {
                    for v in 0..NV {
                        most[v] = simd.max_f32s(scores[v], most[v]);
                    }
                }
                let mut base = most;
                let mut factor = before;
                for v in 0..NV {
                    // Where all is hidden so far, any base will do but -∞, from which -∞ is no number away.
                    let none = simd.equal_f32s(most[v], splat(simd, f32::NEG_INFINITY));
                    base[v] = simd.select_f32s(none, splat(simd, 0.0), most[v]);
                    factor[v] = exp2(simd, simd.sub_f32s(before[v], base[v]));
                    sum[v] = simd.mul_f32s(sum[v], factor[v]);
                }
                for scores in &mut *scores {
                    for v in 0..NV {
                        scores[v] = exp2(simd, simd.sub_f32s(scores[v], base[v]));
                        sum[v] = simd.add_f32s(sum[v], scores[v]);
                    }
                }
                accumulate::<S, NV, R>(simd, v, from, scores, factor, out);
            }
        }
        let mut inverse = sum;
        for v in 0..NV {
            let none = simd.equal_f32s(sum[v], splat(simd, 0.0));
            inverse[v] = simd.select_f32s(
                none,
                splat(simd, 0.0),
                simd.div_f32s(splat(simd, 1.0), sum[v]),
            );
        }
        for out in &mut *out {
            for v in 0..NV {
                out[v] = simd.mul_f32s(out[v], inverse[v]);
            }
        }
        vectors::<S, NV>(state_part).copy_from_slice(&[most, sum]);
        let inner = lanes.head - self.task.head;
        for lane in 0..lanes.count {
            let (head, row) = lanes.at(lane);
            take(
                out_part,
                width,
                lane,
                &mut self.task.out[row][(inner + head) * dim..][..dim],
            );
            if let Some(log_sums) = self.task.sums.get_mut(row) {
                let (most, sum) = (state_part[lane], state_part[width + lane]);
                log_sums[inner + head] = if sum == 0.0 {
                    f32::INFINITY
                } else {
                    most + sum.log2()
                };
            }
        }
    }
}

impl Attention<'_> {
    /// The keys that some query before `row` sees.
    pub(crate) fn seen(&self, row: usize) -> usize {
        self.causal
            .map_or(self.keys, |offset| self.keys.min(row + offset))
    }

    /// Adds the mask to a tile of scores, of keys by lanes, and hides what causality does. The scores are in base 2.
    #[inline(always)]
    pub(crate) fn hide(
        &self,
        batch: usize,
        lanes: Lanes,
        keys: std::ops::Range<usize>,
        width: usize,
        scores: &mut [f32],
    ) {
        if let Some(mask) = self.mask {
            for lane in 0..lanes.count {
                let (head, row) = lanes.at(lane);
                let rows = Rows::new(mask.data, mask.strides, batch, lanes.head + head, self.keys);
                let mask = &rows.row(lanes.row + row)[keys.clone()];
                for (scores, mask) in scores.chunks_exact_mut(width).zip(mask) {
                    scores[lane] += mask * LOG2_E;
                }
            }
        }
        let Some(offset) = self.causal else { return };
        for lane in 0..lanes.count {
            let last = lanes.row + lanes.at(lane).1 + offset;
            if last + 1 < keys.end {
                let skip = (last + 1).saturating_sub(keys.start);
                for scores in scores.chunks_exact_mut(width).take(keys.len()).skip(skip) {
                    scores[lane] = f32::NEG_INFINITY;
                }
            }
        }
    }

    /// As [`Self::hide`], for one query against keys from `first` on.
    #[inline(always)]
    pub(crate) fn hide_keys(
        &self,
        (batch, head, row): (usize, usize, usize),
        first: usize,
        scores: &mut [f32],
    ) {
        if let Some(mask) = self.mask {
            let mask = Rows::new(mask.data, mask.strides, batch, head, self.keys).row(row);
            for (score, mask) in scores.iter_mut().zip(&mask[first..]) {
                *score += mask * LOG2_E;
            }
        }
        if let Some(offset) = self.causal {
            let seen = (row + offset + 1).saturating_sub(first).min(scores.len());
            scores[seen..].fill(f32::NEG_INFINITY);
        }
    }
}
