//! A text tower's last layer, made anew so that certain names lie far apart.

use burn::prelude::*;
use ccsr_nn::Row;
use half::f16;

use crate::text::Projected;

/// How much names give way, as a share of their mean square.
const DAMPING: f64 = 1e-4;

impl Projected {
    /// The same tower with another last layer, so that these names lie as far apart as they can: their features are at right
    /// angles but for what all have in common, which is taken away. If there are more names than a text's features have
    /// numbers, or one alone, it stays as it is.
    ///
    /// # Shapes
    /// `tokens`: `[names, tokens]`.
    #[must_use]
    pub fn spread(self, tokens: Tensor<2, Int>) -> Self {
        let row = Row::of(&self);
        let mut numbers = Row::numbers(&self);
        let place = |name: &str| row.range(name).expect("it is a parameter of the tower");
        let shift = place("text_model.final_layer_norm.bias");
        let projection = place("text_projection.weight");
        let tower = &self.text_model;
        let pooled = tower.pool(tower.forward(tokens.clone()), tokens);
        let [count, width] = pooled.dims();
        let features = projection.len() / width;
        if count > features {
            return self;
        }
        let pooled = pooled.into_data().convert::<f64>();
        let pooled = pooled.try_to_vec::<f64>().expect("it was converted above");
        let names: Vec<&[f64]> = pooled.chunks_exact(width).collect();
        let mean = |at: usize| names.iter().map(|name| name[at]).sum::<f64>() / count as f64;
        let means: Vec<f64> = (0..width).map(mean).collect();
        let centred = names.iter().map(|name| {
            let pairs = name.iter().zip(&means);
            pairs.map(|(number, mean)| number - mean).collect()
        });
        let centred: Vec<Vec<f64>> = centred.collect();
        // One name, or the same several times: there is nothing to be told apart.
        if centred.iter().flatten().all(|number| *number == 0.0) {
            return self;
        }
        let solved = ridge(&centred);
        for (number, mean) in numbers[shift].iter_mut().zip(&means) {
            *number = half(f64::from(*number) - mean);
        }
        for (at, weight) in numbers[projection].iter_mut().enumerate() {
            let (input, output) = (at / features, at % features);
            *weight = solved.get(output).map_or(0.0, |name| half(name[input]));
        }
        let device = self.text_projection.weight.val().device();
        Row::put(self, &numbers, &device)
    }
}

/// As files have it.
fn half(number: f64) -> f32 {
    f16::from_f64(number).to_f32()
}

/// What takes each of these rows to 1 and the others to 0, as nearly as a little damping lets it.
fn ridge(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let dot = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
    let count = rows.len();
    let trace: f64 = rows.iter().map(|row| dot(row, row)).sum();
    let damping = DAMPING * trace / count as f64 + f64::MIN_POSITIVE;
    // (R Rᵀ + damping) X = R by elimination; the matrix is positive definite.
    let mut matrix: Vec<Vec<f64>> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| {
            let mut products: Vec<f64> = rows.iter().map(|other| dot(row, other)).collect();
            products[at] += damping;
            products
        })
        .collect();
    let mut solved = rows.to_vec();
    for pivot in 0..count {
        let (own, right) = (matrix[pivot].clone(), solved[pivot].clone());
        for at in (0..count).filter(|at| *at != pivot) {
            let factor = matrix[at][pivot] / own[pivot];
            subtract(&mut matrix[at], &own, factor);
            subtract(&mut solved[at], &right, factor);
        }
    }
    for (at, row) in solved.iter_mut().enumerate() {
        for number in row {
            *number /= matrix[at][at];
        }
    }
    solved
}

fn subtract(from: &mut [f64], other: &[f64], factor: f64) {
    for (number, other) in from.iter_mut().zip(other) {
        *number -= factor * other;
    }
}
