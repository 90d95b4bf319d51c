//! The layer itself: who does which part.

use rayon::prelude::*;

use super::activations::Activations;
use super::few::FewRows;
use super::form::{BLOCK, Block, Matrix, Offset};
use super::many::ManyRows;
use crate::lanes::{Instructions, Lanes};

/// Up to here codes are taken apart in registers.
const FEW: usize = 4;
/// Blocks of outputs that one task of few rows takes.
const FEW_BLOCKS: usize = 8;
/// From here on tasks are rows.
const MANY: usize = 128;
/// Rows of such a task.
const TASK_ROWS: usize = 64;
/// Blocks of outputs that a task takes which has all rows.
const TASK_BLOCKS: usize = 12;

/// `y[m][n] = Σ_k x[m][k]·W[n][k] + bias[n]`, row-major, for the matrix `W`; `m` from the length of `y`.
///
/// A row with a number that is not finite gets NaN.
///
/// # Panics
///
/// When the slices' lengths do not match.
pub fn linear(x: &[f32], matrix: Matrix<'_>, bias: Option<&[f32]>, y: &mut [f32]) {
    linear_on(Instructions::best(), x, matrix, bias, y);
}

/// As [`linear`], on given instructions (or on scalar ones, where the machine has not got them); for tests.
///
/// # Panics
///
/// When the slices' lengths do not match.
pub fn linear_on(
    instructions: Instructions,
    x: &[f32],
    matrix: Matrix<'_>,
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    let form = matrix.form();
    let (inputs, outputs) = (form.inputs(), form.outputs());
    assert!(bias.is_none_or(|b| b.len() == outputs), "bias");
    let rows = y.len().checked_div(outputs).unwrap_or(0);
    assert_eq!(y.len(), rows * outputs, "output");
    assert_eq!(x.len(), rows * inputs, "input");
    if y.is_empty() {
        return;
    }
    if inputs == 0 {
        y.fill(0.0);
    } else {
        let x = Activations::new(x, inputs, form.span(), form.activation_bits());
        if rows >= MANY {
            by_rows(instructions, &x, matrix, y);
        } else {
            by_outputs(instructions, &x, matrix, y);
        }
    }
    if let Some(bias) = bias {
        y.par_chunks_mut(outputs).for_each(|y| {
            for (y, bias) in y.iter_mut().zip(bias) {
                *y += bias;
            }
        });
    }
}

/// Tasks are rows, each with all outputs.
fn by_rows(instructions: Instructions, x: &Activations, matrix: Matrix<'_>, y: &mut [f32]) {
    let outputs = matrix.form().outputs();
    y.par_chunks_mut(TASK_ROWS * outputs)
        .enumerate()
        .for_each(|(index, y)| {
            instructions.run(ManyRows {
                matrix,
                x,
                first_row: index * TASK_ROWS,
                rows: y.len() / outputs,
                first_block: 0,
                outputs,
                y,
            });
        });
}

/// Tasks are outputs, each with all rows.
fn by_outputs(instructions: Instructions, x: &Activations, matrix: Matrix<'_>, y: &mut [f32]) {
    let outputs = matrix.form().outputs();
    let rows = x.rows();
    let blocks = if rows <= FEW { FEW_BLOCKS } else { TASK_BLOCKS };
    let mut parts = vec![0.0; rows * matrix.form().blocks() * BLOCK];
    parts
        .par_chunks_mut(rows * blocks * BLOCK)
        .enumerate()
        .for_each(|(index, y)| {
            let first_block = index * blocks;
            let outputs = y.len() / rows;
            if rows <= FEW {
                let x = x.panel(0);
                instructions.run(FewRows {
                    matrix,
                    x,
                    first_block,
                    outputs,
                    y,
                });
            } else {
                instructions.run(ManyRows {
                    matrix,
                    x,
                    first_row: 0,
                    rows,
                    first_block,
                    outputs,
                    y,
                });
            }
        });
    for (index, part) in parts.chunks(rows * blocks * BLOCK).enumerate() {
        let from = index * blocks * BLOCK;
        let width = part.len() / rows;
        let columns = width.min(outputs - from);
        for (part, y) in part.chunks_exact(width).zip(y.chunks_exact_mut(outputs)) {
            y[from..from + columns].copy_from_slice(&part[..columns]);
        }
    }
}

impl Block<'_> {
    /// Scales and offsets of one group: `weight = scale·code + offset`.
    #[inline(always)]
    pub(super) fn factors<L: Lanes>(
        &self,
        lanes: L,
        offset: Offset,
        group: usize,
    ) -> (L::Floats, L::Floats) {
        let scale = lanes.halves(&self.scales[group]);
        // Exact: a zero has 8 bits, a scale 11.
        let negative = |zero| lanes.mul(lanes.mul(scale, lanes.splat(-1.0)), zero);
        let offset = match offset {
            Offset::Zero(zero) => negative(lanes.splat(f32::from(zero))),
            Offset::Zeros => negative(lanes.halves(&self.offsets[group])),
            Offset::Minima => lanes.halves(&self.offsets[group]),
        };
        (scale, offset)
    }
}
