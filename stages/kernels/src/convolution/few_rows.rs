//! Linear layers of a few rows, as a language model's next token has them: as quick as weights come from memory.
//!
//! A dot product runs over 16 lanes in order, which are added up in pairs at the end, whatever the number of rows and the
//! instructions: a row has the same bits alone and in any batch.

use half::slice::HalfFloatSliceExt as _;
use rayon::prelude::*;

use super::weights::Weights;
use crate::lanes::{Instructions, Kernel, Lanes};

/// Numbers in one vector.
const LANES: usize = 16;
/// Rows taken at once.
const ROWS: usize = 4;
/// Outputs taken at once: their weights stay in the second cache for all rows.
const SIDE: usize = 4;
/// Outputs of one task.
const TASK_OUTPUTS: usize = 32;

/// `y[m][n] = Σ_k x[m][k]·W[n][k] + bias[n]`, all row-major, the weights `[outputs, inputs]`; `m` from the length of `y`,
/// made for up to about 32. Each weight is read from memory once.
///
/// # Panics
///
/// When the slices' lengths do not match.
pub fn linear_few_rows(
    x: &[f32],
    weights: Weights<'_>,
    bias: Option<&[f32]>,
    (inputs, outputs): (usize, usize),
    y: &mut [f32],
) {
    linear_few_rows_on(Instructions::best(), x, weights, bias, (inputs, outputs), y);
}

/// As [`linear_few_rows`], on given instructions (or on scalar ones, where the machine has not got them); for tests.
///
/// # Panics
///
/// When the slices' lengths do not match.
pub fn linear_few_rows_on(
    instructions: Instructions,
    x: &[f32],
    weights: Weights<'_>,
    bias: Option<&[f32]>,
    (inputs, outputs): (usize, usize),
    y: &mut [f32],
) {
    assert_eq!(weights.len(), inputs * outputs, "weights");
    assert!(bias.is_none_or(|b| b.len() == outputs), "bias");
    let rows = y.len().checked_div(outputs).unwrap_or(0);
    assert_eq!(y.len(), rows * outputs, "output");
    assert_eq!(x.len(), rows * inputs, "input");
    if y.is_empty() {
        return;
    }
    let x = panels(x, inputs, rows);
    let x = &x[..];
    let mut parts = vec![0.0; rows * outputs];
    let tasks = parts.par_chunks_mut(rows * TASK_OUTPUTS).enumerate();
    tasks.for_each(|(task, y)| {
        let first = task * TASK_OUTPUTS;
        let at = first * inputs..(first + y.len() / rows) * inputs;
        let run = Run { x, rows, inputs, y };
        match weights {
            Weights::F32(w) => instructions.run(FewRows::<Single> {
                weights: &w[at],
                run,
            }),
            Weights::F16(w) => {
                let weights = &w.reinterpret_cast()[at];
                instructions.run(FewRows::<Half> { weights, run });
            }
            Weights::BF16(w) => {
                let weights = &w.reinterpret_cast()[at];
                instructions.run(FewRows::<UpperHalf> { weights, run });
            }
        }
    });
    for (task, part) in parts.chunks(rows * TASK_OUTPUTS).enumerate() {
        let first = task * TASK_OUTPUTS;
        let width = part.len() / rows;
        for (part, y) in part.chunks_exact(width).zip(y.chunks_exact_mut(outputs)) {
            y[first..first + width].copy_from_slice(part);
        }
    }
    if let Some(bias) = bias {
        for y in y.chunks_exact_mut(outputs) {
            for (y, bias) in y.iter_mut().zip(bias) {
                *y += bias;
            }
        }
    }
}

/// How weights are stored.
trait Format {
    /// One of them, or its bits.
    type Stored: Copy + Default;
    /// Widens them.
    fn load<L: Lanes>(lanes: L, values: &[Self::Stored; LANES]) -> L::Floats;
}

struct Single;
struct Half;
struct UpperHalf;

impl Format for Single {
    type Stored = f32;

    #[inline(always)]
    fn load<L: Lanes>(lanes: L, values: &[f32; LANES]) -> L::Floats {
        lanes.floats(values)
    }
}

impl Format for Half {
    type Stored = u16;

    #[inline(always)]
    fn load<L: Lanes>(lanes: L, values: &[u16; LANES]) -> L::Floats {
        lanes.halves(values)
    }
}

impl Format for UpperHalf {
    type Stored = u16;

    #[inline(always)]
    fn load<L: Lanes>(lanes: L, values: &[u16; LANES]) -> L::Floats {
        lanes.upper_halves(values)
    }
}

/// Rows in panels of up to 4, vector by vector: `[row / 4][input / 16][row % 4][input % 16]`, filled up with zeros. Rows side
/// by side do not drive each other out of the first cache, as rows a power of two apart do.
fn panels(x: &[f32], inputs: usize, rows: usize) -> Vec<[f32; LANES]> {
    let vectors = inputs.div_ceil(LANES);
    let mut to = vec![[0.0; LANES]; rows * vectors];
    for (panel, to) in to.chunks_mut((ROWS * vectors).max(1)).enumerate() {
        let lines = to.len() / vectors;
        for line in 0..lines {
            let x = &x[(panel * ROWS + line) * inputs..][..inputs];
            for (k, x) in x.chunks(LANES).enumerate() {
                to[k * lines + line][..x.len()].copy_from_slice(x);
            }
        }
    }
    to
}

/// All rows, and the outputs of one task.
struct Run<'a> {
    /// In panels.
    x: &'a [[f32; LANES]],
    rows: usize,
    inputs: usize,
    y: &'a mut [f32],
}

/// All rows times the weights of some outputs, to `y[row][output]`.
struct FewRows<'a, F: Format> {
    weights: &'a [F::Stored],
    run: Run<'a>,
}

impl<F: Format> Kernel for FewRows<'_, F> {
    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        let outputs = self.run.y.len() / self.run.rows;
        let mut output = 0;
        while output < outputs {
            if output + SIDE <= outputs {
                self.outputs::<L, SIDE>(lanes, output);
                output += SIDE;
            } else {
                self.outputs::<L, 1>(lanes, output);
                output += 1;
            }
        }
    }
}

impl<F: Format> FewRows<'_, F> {
    /// All rows times `N` outputs.
    #[inline(always)]
    fn outputs<L: Lanes, const N: usize>(&mut self, lanes: L, output: usize) {
        for row in (0..self.run.rows).step_by(ROWS) {
            match self.run.rows - row {
                1 => self.panel::<L, 1, N>(lanes, row, output),
                2 => self.panel::<L, 2, N>(lanes, row, output),
                3 => self.panel::<L, 3, N>(lanes, row, output),
                _ => self.panel::<L, ROWS, N>(lanes, row, output),
            }
        }
    }

    /// `R` rows times `N` outputs, as many rows at once as registers hold the sums of.
    #[inline(always)]
    fn panel<L: Lanes, const R: usize, const N: usize>(
        &mut self,
        lanes: L,
        row: usize,
        output: usize,
    ) {
        if L::REGISTERS > R * N {
            self.tile::<L, R, R, N>(lanes, row, 0, output);
        } else {
            for top in 0..R {
                self.tile::<L, R, 1, N>(lanes, row, top, output);
            }
        }
    }

    /// `M` rows, from `top` on, of a panel of `R`, times `N` outputs.
    #[inline(always)]
    fn tile<L: Lanes, const R: usize, const M: usize, const N: usize>(
        &mut self,
        lanes: L,
        row: usize,
        top: usize,
        output: usize,
    ) {
        let (rows, inputs) = (self.run.rows, self.run.inputs);
        let vectors = inputs.div_ceil(LANES);
        let x = self.run.x[row * vectors..][..R * vectors]
            .as_chunks::<R>()
            .0;
        let w: [_; N] =
            std::array::from_fn(|n| self.weights[(output + n) * inputs..][..inputs].as_chunks());
        let mut sums = [[lanes.splat(0.0); N]; M];
        for (k, x) in x[..inputs / LANES].iter().enumerate() {
            let w = std::array::from_fn(|n| F::load(lanes, &w[n].0[k]));
            add(lanes, x, top, w, &mut sums);
        }
        if let Some(x) = x.get(inputs / LANES) {
            let w = std::array::from_fn(|n| F::load(lanes, &padded(w[n].1)));
            add(lanes, x, top, w, &mut sums);
        }
        let outputs = self.run.y.len() / rows;
        let y = self.run.y[(row + top) * outputs..].chunks_mut(outputs);
        for (y, sums) in y.zip(sums) {
            for (y, sum) in y[output..].iter_mut().zip(sums) {
                let mut lane_sums = [0.0; LANES];
                lanes.store(&mut lane_sums, sum);
                *y = total(lane_sums);
            }
        }
    }
}

/// Adds the products of one vector of `M` rows, from `top` on, and of `N` outputs.
#[inline(always)]
fn add<L: Lanes, const R: usize, const M: usize, const N: usize>(
    lanes: L,
    x: &[[f32; LANES]; R],
    top: usize,
    w: [L::Floats; N],
    sums: &mut [[L::Floats; N]; M],
) {
    for (x, sums) in x[top..].iter().zip(sums) {
        let x = lanes.floats(x);
        for (w, sum) in w.into_iter().zip(sums) {
            *sum = lanes.mul_add(x, w, *sum);
        }
    }
}

/// The values, filled up with zeros.
#[inline(always)]
fn padded<T: Copy + Default>(values: &[T]) -> [T; LANES] {
    let mut to = [T::default(); LANES];
    to[..values.len()].copy_from_slice(values);
    to
}

/// The sum of all lanes, halves first.
#[inline(always)]
fn total(mut lanes: [f32; LANES]) -> f32 {
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
    }
    lanes[0]
}
