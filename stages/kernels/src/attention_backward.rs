//! The gradient of [attention](crate::attention), in tiles as well: scores are computed again from the queries and keys,
//! and become probabilities by the logarithms of their sums that the forward kept (Dao et al. 2022, algorithm 4).
//!
//! With `P` the probabilities and `dP = dO vᵀ`, `dS = P (dP - rowsum(dO · O))`; then `dv = Pᵀ dO`, `dq = dS k · scale` and
//! `dk = dSᵀ q · scale`. One walk has queries in the lanes and makes `dq`, another has keys there and makes `dk` and `dv`: the
//! scores are computed twice, but no two threads add to one number, so the result has one order of summation.

use crate::attention::{Attention, Heads, Lanes, Layout, Task, tasks};
use crate::attention_tile::{
    BLOCK, Rows, Scratch, TILE, accumulate, lay, products, take, vectors, widest,
};
use crate::math::{exp2, splat};
use crate::moments::sum_and_dot;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::f32::consts::LOG2_E;

/// What the backward knows of the forward.
#[derive(Clone, Copy, Debug)]
pub struct Forwarded<'a> {
    /// The queries.
    pub q: Heads<'a>,
    /// The keys.
    pub k: Heads<'a>,
    /// The values.
    pub v: Heads<'a>,
    /// The result, in the layout of the gradients.
    pub out: &'a [f32],
    /// The base-2 logarithms of the sums, in the layout of the gradients without `dim`.
    pub log_sums: &'a [f32],
}

/// Where the gradients go, all in one layout.
#[derive(Debug)]
pub struct Gradients<'a> {
    /// `batch` × `heads` × `queries` × `dim`.
    pub q: &'a mut [f32],
    /// `batch` × `kv_heads` × `keys` × `dim`.
    pub k: &'a mut [f32],
    /// As `k`.
    pub v: &'a mut [f32],
}

/// What both walks read.
#[derive(Clone, Copy)]
struct Given<'a> {
    attention: &'a Attention<'a>,
    forwarded: Forwarded<'a>,
    grad: Heads<'a>,
    deltas: &'a [f32],
    layout: Layout,
}

impl Attention<'_> {
    /// The gradients with respect to the queries, keys and values, from that of the result.
    ///
    /// # Shapes
    ///
    /// - grad_out: `batch` × `heads` × `queries` × `dim`, in `layout`
    /// - gradients: in `layout`
    pub fn backward(
        &self,
        forwarded: Forwarded<'_>,
        layout: Layout,
        grad_out: &[f32],
        gradients: &mut Gradients<'_>,
    ) {
        self.check(forwarded.q, forwarded.k, forwarded.v);
        assert_eq!(
            grad_out.len(),
            forwarded.out.len(),
            "a gradient is as large as what it is of"
        );
        assert_eq!(
            grad_out.len(),
            gradients.q.len(),
            "a gradient is as large as what it is of"
        );
        assert_eq!(
            grad_out.len(),
            forwarded.log_sums.len() * self.dim,
            "a sum was kept for each query"
        );
        let arch = Arch::new();
        let mut deltas = vec![0.0; forwarded.log_sums.len()];
        if self.dim > 0 {
            deltas
                .par_chunks_mut(BLOCK)
                .enumerate()
                .for_each(|(i, deltas)| {
                    let range = i * BLOCK * self.dim..(i * BLOCK + deltas.len()) * self.dim;
                    let (out, grad) = (&forwarded.out[range.clone()], &grad_out[range]);
                    arch.dispatch(Deltas {
                        dim: self.dim,
                        out,
                        grad,
                        deltas,
                    });
                });
        }
        let strides = layout.strides(self.heads, self.queries, self.dim);
        let grad = Heads {
            data: grad_out,
            strides,
        };
        let given = Given {
            attention: self,
            forwarded,
            grad,
            deltas: &deltas,
            layout,
        };
        if !gradients.q.is_empty() {
            let bundle = self.bundle(layout);
            let size = (self.batch, self.heads, self.queries, self.dim);
            tasks(size, layout, bundle, &mut *gradients.q, None)
                .into_par_iter()
                .for_each_init(Scratch::default, |scratch, task| {
                    arch.dispatch(QueryWalk {
                        given,
                        bundle,
                        task,
                        scratch,
                    });
                });
        }
        if !gradients.k.is_empty() {
            let size = (self.batch, self.kv_heads, self.keys, self.dim);
            let k = tasks(size, layout, 1, &mut *gradients.k, None);
            let v = tasks(size, layout, 1, &mut *gradients.v, None);
            k.into_par_iter()
                .zip(v)
                .for_each_init(Scratch::default, |scratch, (k, v)| {
                    arch.dispatch(KeyWalk {
                        given,
                        k,
                        v,
                        scratch,
                    });
                });
        }
    }
}

impl Given<'_> {
    /// Where the sum and the delta of a query are.
    #[inline(always)]
    fn index(&self, batch: usize, head: usize, row: usize) -> usize {
        let (heads, queries) = (self.attention.heads, self.attention.queries);
        match self.layout {
            Layout::HeadsFirst => (batch * heads + head) * queries + row,
            Layout::RowsFirst => (batch * queries + row) * heads + head,
        }
    }

    #[inline(always)]
    fn rows<'a>(&self, of: Heads<'a>, batch: usize, head: usize) -> Rows<'a> {
        Rows::new(of.data, of.strides, batch, head, self.attention.dim)
    }
}

/// The sums of products of a result's rows and its gradient's.
struct Deltas<'a> {
    dim: usize,
    out: &'a [f32],
    grad: &'a [f32],
    deltas: &'a mut [f32],
}

impl WithSimd for Deltas<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let rows = self.out.chunks(self.dim).zip(self.grad.chunks(self.dim));
        for (delta, (out, grad)) in self.deltas.iter_mut().zip(rows) {
            *delta = sum_and_dot(simd, out, grad, 0.0).1;
        }
    }
}

struct QueryWalk<'a, 'b> {
    given: Given<'a>,
    bundle: usize,
    task: Task<'b>,
    scratch: &'a mut Scratch,
}

impl WithSimd for QueryWalk<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let rows = self.task.out.len();
        for bundle in 0..self.task.heads / self.bundle {
            let lanes = self.bundle * rows;
            let mut first = 0;
            while first < lanes {
                let count = (lanes - first).min(widest::<S>() * S::F32_LANES);
                let lanes = Lanes {
                    head: self.task.head + bundle * self.bundle,
                    row: self.task.row,
                    rows,
                    first,
                    count,
                };
                match count.div_ceil(S::F32_LANES) {
                    1 => self.block::<S, 1, 8>(simd, lanes),
                    2 => self.block::<S, 2, 6>(simd, lanes),
                    _ => self.block::<S, 4, 6>(simd, lanes),
                }
                first += count;
            }
        }
    }
}

impl QueryWalk<'_, '_> {
    #[inline(always)]
    fn block<S: Simd, const NV: usize, const R: usize>(&mut self, simd: S, lanes: Lanes) {
        let Given {
            attention,
            forwarded,
            grad,
            deltas,
            ..
        } = self.given;
        let (batch, dim) = (self.task.batch, attention.dim);
        let width = NV * S::F32_LANES;
        let [
            q_part,
            grad_part,
            score_part,
            slope_part,
            out_part,
            state_part,
        ] = self.scratch.parts(width, [dim, dim, TILE, TILE, dim, 2]);
        let row = |lane| {
            let (head, row) = lanes.at(lane);
            (lanes.head + head, lanes.row + row)
        };
        lay(
            q_part,
            width,
            lanes.count,
            attention.scale * LOG2_E,
            |lane| {
                self.given
                    .rows(forwarded.q, batch, row(lane).0)
                    .row(row(lane).1)
            },
        );
        lay(grad_part, width, lanes.count, 1.0, |lane| {
            self.given.rows(grad, batch, row(lane).0).row(row(lane).1)
        });
        // Lanes without a query get no probability.
        state_part.fill(f32::INFINITY);
        for lane in 0..lanes.count {
            let index = self.given.index(batch, row(lane).0, row(lane).1);
            state_part[lane] = forwarded.log_sums[index];
            state_part[width + lane] = deltas[index];
        }
        state_part[width + lanes.count..].fill(0.0);
        let (q, grad) = (vectors::<S, NV>(q_part), vectors::<S, NV>(grad_part));
        let (out, state) = (vectors::<S, NV>(out_part), vectors::<S, NV>(state_part));
        let kv_head = lanes.head / (attention.heads / attention.kv_heads);
        let k = self.given.rows(forwarded.k, batch, kv_head);
        let v = self.given.rows(forwarded.v, batch, kv_head);
        out.fill([splat(simd, 0.0); NV]);
        let end = attention.seen(lanes.row + lanes.rows);
        for from in (0..end).step_by(TILE) {
            let range = from..(from + TILE).min(end);
            let count = range.len();
            let slopes = &mut vectors::<S, NV>(slope_part)[..count];
            products::<S, NV, R>(
                simd,
                k,
                range.clone(),
                q,
                &mut vectors::<S, NV>(score_part)[..count],
            );
            attention.hide(batch, lanes, range.clone(), width, score_part);
            products::<S, NV, R>(simd, v, range, grad, slopes);
            for (slopes, scores) in slopes.iter_mut().zip(&*vectors::<S, NV>(score_part)) {
                for v in 0..NV {
                    let p = exp2(simd, simd.sub_f32s(scores[v], state[0][v]));
                    slopes[v] = simd.mul_f32s(p, simd.sub_f32s(slopes[v], state[1][v]));
                }
            }
            accumulate::<S, NV, R>(simd, k, from, slopes, [splat(simd, 1.0); NV], out);
        }
        for lane in 0..lanes.count {
            let (head, row) = lanes.at(lane);
            let head = lanes.head - self.task.head + head;
            let out = &mut self.task.out[row][head * dim..][..dim];
            take(out_part, width, lane, out);
            for out in out {
                *out *= attention.scale;
            }
        }
    }
}

struct KeyWalk<'a, 'b> {
    given: Given<'a>,
    k: Task<'b>,
    v: Task<'b>,
    scratch: &'a mut Scratch,
}

impl WithSimd for KeyWalk<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let rows = self.k.out.len();
        for head in 0..self.k.heads {
            let mut first = 0;
            while first < rows {
                let count = (rows - first).min(widest::<S>() * S::F32_LANES);
                match count.div_ceil(S::F32_LANES) {
                    1 => self.block::<S, 1, 8>(simd, head, first, count),
                    2 => self.block::<S, 2, 6>(simd, head, first, count),
                    _ => self.block::<S, 4, 6>(simd, head, first, count),
                }
                first += count;
            }
        }
    }
}

impl KeyWalk<'_, '_> {
    #[inline(always)]
    fn block<S: Simd, const NV: usize, const R: usize>(
        &mut self,
        simd: S,
        head: usize,
        first: usize,
        count: usize,
    ) {
        let Given {
            attention,
            forwarded,
            grad,
            deltas,
            ..
        } = self.given;
        let (batch, dim) = (self.k.batch, attention.dim);
        let width = NV * S::F32_LANES;
        let [
            k_part,
            v_part,
            score_part,
            slope_part,
            k_out_part,
            v_out_part,
        ] = self.scratch.parts(width, [dim, dim, TILE, TILE, dim, dim]);
        let (kv_head, key) = (self.k.head + head, self.k.row + first);
        let k = self.given.rows(forwarded.k, batch, kv_head);
        let v = self.given.rows(forwarded.v, batch, kv_head);
        lay(k_part, width, count, attention.scale * LOG2_E, |lane| {
            k.row(key + lane)
        });
        lay(v_part, width, count, 1.0, |lane| v.row(key + lane));
        let (k, v) = (vectors::<S, NV>(k_part), vectors::<S, NV>(v_part));
        let (k_out, v_out) = (vectors::<S, NV>(k_out_part), vectors::<S, NV>(v_out_part));
        k_out.fill([splat(simd, 0.0); NV]);
        v_out.fill([splat(simd, 0.0); NV]);
        let one = [splat(simd, 1.0); NV];
        let group = attention.heads / attention.kv_heads;
        // The first query that sees one of these keys, or one before it.
        let start = attention
            .causal
            .map_or(0, |offset| key.saturating_sub(offset) / TILE * TILE);
        for head in kv_head * group..(kv_head + 1) * group {
            let q = self.given.rows(forwarded.q, batch, head);
            let grad = self.given.rows(grad, batch, head);
            for from in (start..attention.queries).step_by(TILE) {
                let range = from..(from + TILE).min(attention.queries);
                let tile = range.len();
                let slopes = &mut vectors::<S, NV>(slope_part)[..tile];
                products::<S, NV, R>(
                    simd,
                    q,
                    range.clone(),
                    k,
                    &mut vectors::<S, NV>(score_part)[..tile],
                );
                for (row, scores) in range.clone().zip(score_part.chunks_exact_mut(width)) {
                    attention.hide_keys((batch, head, row), key, &mut scores[..count]);
                }
                products::<S, NV, R>(simd, grad, range.clone(), v, slopes);
                let scores = &mut vectors::<S, NV>(score_part)[..tile];
                for ((row, slopes), scores) in range.zip(slopes.iter_mut()).zip(scores.iter_mut()) {
                    let index = self.given.index(batch, head, row);
                    let (log_sum, delta) = (
                        splat(simd, forwarded.log_sums[index]),
                        splat(simd, deltas[index]),
                    );
                    for v in 0..NV {
                        scores[v] = exp2(simd, simd.sub_f32s(scores[v], log_sum));
                        slopes[v] = simd.mul_f32s(scores[v], simd.sub_f32s(slopes[v], delta));
                    }
                }
                accumulate::<S, NV, R>(simd, grad, from, scores, one, v_out);
                accumulate::<S, NV, R>(simd, q, from, slopes, one, k_out);
            }
        }
        for lane in 0..count {
            let out = &mut self.k.out[first + lane][head * dim..][..dim];
            take(k_out_part, width, lane, out);
            for out in out {
                *out *= attention.scale;
            }
            take(
                v_out_part,
                width,
                lane,
                &mut self.v.out[first + lane][head * dim..][..dim],
            );
        }
    }
}
