//! 3×3 convolution, stride 1, padding 1, by Winograd's F(4×4, 3×3).
//!
//! The 36 positions of a transformed tile are 36 independent matrix products
//! `[out × in] · [in × tiles]` with 2.25 instead of 9 multiplications per
//! output and channel pair. Nothing is kept between calls: filters are
//! transformed a block at a time just before use, so weights stay as small
//! as they are stored, and working memory is bounded whatever the image size.
//!
//! The image's tiles are taken in groups. For each group the input is
//! transformed into panels of 48 tiles (in parallel), then blocks of output
//! channels are worked off (in parallel): transform a block of filters,
//! multiply it with all panels, transform back, write.
//!
//! Each output's sum runs over blocks of [`DEPTH`] input channels in order,
//! independent of batch, group, block and thread count.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::simd::{COLS, Init, ROWS, Scratch, block};
use super::tiles::{Panel, Size, gather, panels, scatter};
use super::transform::{self, POSITIONS};
use super::weights::{Weights, transpose};

/// Input channels summed up in registers before they are added to the rest.
const DEPTH: usize = 64;
/// The most output channels of one task.
const OUT_BLOCK: usize = 32;
/// Values of transformed input that one group of tiles may have (16 MiB).
const GROUP_VALUES: usize = 4 << 20;
/// Bounds of a group in panels.
const GROUP_MIN: usize = 2;
const GROUP_MAX: usize = 6;

/// Channels with one row of padding for each block of [`DEPTH`]: without it
/// the 36 positions of a channel would lie a multiple of 4096 bytes apart and
/// compete for the same few lines of the L1 cache.
fn padded(channels: usize) -> usize {
    channels + channels.div_ceil(DEPTH)
}

/// Where the 3×3 filter from input channel `i` to output channel `o` lies:
/// nine taps from `o * out_stride + i * in_stride`, reversed if `flip`.
#[derive(Clone, Copy)]
pub(crate) struct Filters<'a> {
    pub(crate) data: Weights<'a>,
    pub(crate) out_stride: usize,
    pub(crate) in_stride: usize,
    pub(crate) flip: bool,
}

/// `out[n][o] = bias[o] + Σ_i x[n][i] ⋆ filter(o, i)`, all planes
/// `height × width`, zero padding 1.
pub(crate) fn convolve(
    x: &[f32],
    filters: Filters<'_>,
    bias: Option<&[f32]>,
    size: Size,
    out: &mut [f32],
) {
    let plane = size.height * size.width;
    let batch = if plane == 0 {
        0
    } else {
        out.len() / (size.outputs * plane)
    };
    let panels = panels(size, batch);
    let per_panel = COLS * POSITIONS * padded(size.inputs);
    let most = (GROUP_VALUES / per_panel).clamp(GROUP_MIN, GROUP_MAX);
    // Groups of equal size rather than full ones and a small rest.
    let most = panels
        .len()
        .div_ceil(panels.len().div_ceil(most).max(1))
        .max(1);
    let tasks = 2 * rayon::current_num_threads();
    let out_block = size
        .outputs
        .div_ceil(tasks)
        .next_multiple_of(ROWS)
        .min(OUT_BLOCK);
    for group in panels.chunks(most) {
        let columns: usize = group.iter().map(|p| p.width).sum();
        let mut v = Scratch::take(columns * POSITIONS * padded(size.inputs));
        transform_input(x, group, size, &mut v);
        // The planes of each block of output channels, for its task.
        let blocks = size.outputs.div_ceil(out_block);
        let mut planes: Vec<Vec<&mut [f32]>> = (0..blocks).map(|_| Vec::new()).collect();
        for (index, p) in out.chunks_mut(plane).enumerate() {
            planes[index % size.outputs / out_block].push(p);
        }
        planes
            .into_par_iter()
            .enumerate()
            .for_each(|(index, mut planes)| {
                let first = index * out_block;
                let count = out_block.min(size.outputs - first);
                let op = Outputs {
                    v: &v,
                    filters,
                    bias: bias.map(|b| &b[first..first + count]),
                    group,
                    columns,
                    size,
                    first,
                    count,
                    planes: &mut planes,
                };
                Arch::new().dispatch(op);
            });
    }
}

/// Fills `v[panel][block of DEPTH channels][position][channel][tile]`.
fn transform_input(x: &[f32], group: &[Panel], size: Size, v: &mut [f32]) {
    let mut tasks = Vec::new();
    let mut rest = v;
    for panel in group {
        for first in (0..size.inputs).step_by(DEPTH) {
            let depth = DEPTH.min(size.inputs - first);
            let (part, tail) = rest.split_at_mut(POSITIONS * (depth + 1) * panel.width);
            rest = tail;
            tasks.push(Inputs {
                x,
                panel,
                size,
                first,
                depth,
                v: part,
            });
        }
    }
    tasks
        .into_par_iter()
        .for_each(|task| Arch::new().dispatch(task));
}

/// Input transform of a block of channels for one panel.
struct Inputs<'a> {
    x: &'a [f32],
    panel: &'a Panel,
    size: Size,
    first: usize,
    depth: usize,
    v: &'a mut [f32],
}

impl WithSimd for Inputs<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.panel.width {
            16 => self.run::<S, 16>(simd),
            32 => self.run::<S, 32>(simd),
            _ => self.run::<S, COLS>(simd),
        }
    }
}

impl Inputs<'_> {
    #[inline(always)]
    fn run<S: Simd, const W: usize>(self, simd: S) {
        let Self {
            x,
            panel,
            size,
            first,
            depth,
            v,
        } = self;
        let plane = size.height * size.width;
        // The tiles' pixels, tiles innermost; unused lanes stay zero.
        let mut d = [[[0.0_f32; W]; 6]; 6];
        let mut line = [0.0_f32; 4 * COLS + 4];
        let (v, _) = v.as_chunks_mut::<W>();
        for k in 0..depth {
            for run in &panel.runs {
                let from = (run.image * size.inputs + first + k) * plane;
                gather(&x[from..from + plane], size, *run, &mut line, &mut d);
            }
            for vector in 0..W / S::F32_LANES {
                transform::input(
                    simd,
                    |r, c| S::as_simd_f32s(&d[r][c]).0[vector],
                    |position, value| {
                        S::as_mut_simd_f32s(&mut v[position * (depth + 1) + k]).0[vector] = value;
                    },
                );
            }
        }
    }
}

/// All of a group's pixels of a block of output channels.
struct Outputs<'a, 'b> {
    v: &'a [f32],
    filters: Filters<'a>,
    bias: Option<&'a [f32]>,
    group: &'a [Panel],
    columns: usize,
    size: Size,
    first: usize,
    count: usize,
    /// `count` planes of each image.
    planes: &'a mut [&'b mut [f32]],
}

impl WithSimd for Outputs<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let subs = self.count.div_ceil(ROWS);
        let mut u = Scratch::take(subs * POSITIONS * (DEPTH + 1) * ROWS);
        let mut stage = Scratch::take(9 * DEPTH * ROWS);
        let mut room = Scratch::take(9 * DEPTH * ROWS);
        // m[panel][output channel, in 16s][position][tile]
        let mut m = Scratch::take(self.columns * subs * ROWS * POSITIONS);
        for k0 in (0..self.size.inputs).step_by(DEPTH) {
            let depth = DEPTH.min(self.size.inputs - k0);
            for (sub, u) in u
                .chunks_exact_mut(POSITIONS * (DEPTH + 1) * ROWS)
                .enumerate()
            {
                let rows = ROWS.min(self.count - sub * ROWS);
                let stage = &mut stage.as_chunks_mut::<ROWS>().0[..9 * depth];
                self.stage_filters(self.first + sub * ROWS, rows, k0, depth, stage, &mut room);
                transform_filters(simd, stage, depth, u.as_chunks_mut::<ROWS>().0);
            }
            let init = if k0 == 0 {
                Init::Zero
            } else {
                Init::Accumulate
            };
            let (mut v_at, mut m_at) = (0, 0);
            for panel in self.group {
                let w = panel.width;
                let v = &self.v[v_at + POSITIONS * (k0 + k0 / DEPTH) * w..]
                    [..POSITIONS * (depth + 1) * w];
                let m = &mut m[m_at..m_at + subs * ROWS * POSITIONS * w];
                match w {
                    16 => self.multiply::<S, 16>(simd, &u, v, m, depth, init),
                    32 => self.multiply::<S, 32>(simd, &u, v, m, depth, init),
                    _ => self.multiply::<S, COLS>(simd, &u, v, m, depth, init),
                }
                v_at += POSITIONS * padded(self.size.inputs) * w;
                m_at += subs * ROWS * POSITIONS * w;
            }
        }
        let mut m = &m[..];
        for panel in self.group {
            let (part, rest) = m.split_at(subs * ROWS * POSITIONS * panel.width);
            m = rest;
            for o in 0..self.count {
                let part = &part[o * POSITIONS * panel.width..][..POSITIONS * panel.width];
                let bias = self.bias.map_or(0.0, |b| b[o]);
                let to = (&mut *self.planes, (self.count, o));
                match panel.width {
                    16 => write::<S, 16>(simd, part, bias, panel, self.size, to),
                    32 => write::<S, 32>(simd, part, bias, panel, self.size, to),
                    _ => write::<S, COLS>(simd, part, bias, panel, self.size, to),
                }
            }
        }
    }
}

impl Outputs<'_, '_> {
    /// `stage[channel * 9 + tap][output channel]` from the stored filters.
    fn stage_filters(
        &self,
        first: usize,
        rows: usize,
        k0: usize,
        depth: usize,
        stage: &mut [[f32; ROWS]],
        room: &mut [f32],
    ) {
        let Filters {
            data,
            out_stride,
            in_stride,
            flip,
        } = self.filters;
        let at = |o: usize, i: usize| o * out_stride + i * in_stride;
        let length = 9 * depth;
        if in_stride == 9 && !flip {
            let mut lines = [&[][..]; ROWS];
            for (r, room) in room.chunks_exact_mut(length).take(rows).enumerate() {
                lines[r] = data.row(at(first + r, k0), length, room);
            }
            transpose(&lines[..rows], stage, 0);
        } else {
            for (k, stage) in stage.chunks_exact_mut(9).enumerate() {
                for r in 0..ROWS {
                    let taps = if r < rows {
                        data.row(at(first + r, k0 + k), 9, room)
                    } else {
                        &[0.0; 9]
                    };
                    for (tap, stage) in stage.iter_mut().enumerate() {
                        stage[r] = taps[if flip { 8 - tap } else { tap }];
                    }
                }
            }
        }
    }

    /// The 36 products of one block of filters with one panel.
    #[inline(always)]
    fn multiply<S: Simd, const W: usize>(
        &self,
        simd: S,
        u: &[f32],
        v: &[f32],
        m: &mut [f32],
        depth: usize,
        init: Init<'_>,
    ) {
        let (u, _) = u.as_chunks::<ROWS>();
        let (v, _) = v.as_chunks::<W>();
        for position in 0..POSITIONS {
            let v = &v[position * (depth + 1)..][..depth];
            for (sub, m) in m.chunks_exact_mut(ROWS * POSITIONS * W).enumerate() {
                let u = &u[(sub * POSITIONS * (DEPTH + 1)) + position * (depth + 1)..][..depth];
                let rows = ROWS.min(self.count - sub * ROWS);
                block::<S, W>(
                    simd,
                    u,
                    v,
                    rows,
                    &mut m[position * W..],
                    POSITIONS * W,
                    init,
                );
            }
        }
    }
}

/// `u[position][channel][output channel]` of staged filters.
#[inline(always)]
fn transform_filters<S: Simd>(simd: S, stage: &[[f32; ROWS]], depth: usize, u: &mut [[f32; ROWS]]) {
    let u = &mut u[..POSITIONS * (depth + 1)];
    for (k, taps) in stage.as_chunks::<9>().0.iter().enumerate().take(depth) {
        for vector in 0..ROWS / S::F32_LANES {
            transform::filter(
                simd,
                |tap| S::as_simd_f32s(&taps[tap]).0[vector],
                |position, value| {
                    S::as_mut_simd_f32s(&mut u[position * (depth + 1) + k]).0[vector] = value;
                },
            );
        }
    }
}

/// Transforms one channel's sums of a panel back and writes its pixels.
#[inline(always)]
fn write<S: Simd, const W: usize>(
    simd: S,
    m: &[f32],
    bias: f32,
    panel: &Panel,
    size: Size,
    (planes, (per_image, channel)): (&mut [&mut [f32]], (usize, usize)),
) {
    let (m, _) = m.as_chunks::<W>();
    let m = &m[..POSITIONS];
    let mut y = [[[0.0_f32; W]; 4]; 4];
    let bias = simd.splat_f32s(bias);
    for vector in 0..W / S::F32_LANES {
        transform::output(
            simd,
            |position| S::as_simd_f32s(&m[position]).0[vector],
            |r, c, value| {
                S::as_mut_simd_f32s(&mut y[r][c]).0[vector] = simd.add_f32s(value, bias);
            },
        );
    }
    for run in &panel.runs {
        scatter(planes[run.image * per_image + channel], size, *run, &y);
    }
}
