//! Momentum whose matrices are made orthogonal (Jordan et al., 2024, "Muon: an optimizer for hidden layers"), as
//! `torch.optim.Muon` has it with `adjust_lr_fn="match_rms_adamw"`.

use burn::prelude::*;

/// How slowly the momentum forgets.
const MOMENTUM: f32 = 0.95;
/// The polynomial of Newton and Schulz's iteration, whose slope at 0 is steep: singular values come near 1, not to it.
const COEFFICIENTS: [f64; 3] = [3.4445, -4.775, 2.0315];
/// How often it is applied.
const ITERATIONS: usize = 5;
/// The least norm that a matrix is divided by.
const LEAST_NORM: f64 = 1e-7;
/// What a number changes by on average, as a share of the rate: about as much as with AdamW (Liu et al., 2025,
/// arXiv 2502.16982, section 2.2).
const SPREAD: f64 = 0.2;

/// A step along the gradient of a matrix; with a rate of 0, the momentum's alone.
///
/// # Shapes
/// `parameters`, `momentum` and `gradient` are a matrix of `shape`, row by row.
pub(crate) fn step(
    parameters: &mut [f32],
    momentum: &mut [f32],
    gradient: &[f32],
    shape: [usize; 2],
    rate: f64,
    weight_decay: f64,
) {
    for (momentum, gradient) in momentum.iter_mut().zip(gradient) {
        *momentum += (gradient - *momentum) * (1.0 - MOMENTUM);
    }
    if rate <= 0.0 {
        return;
    }
    // Nesterov's: where the momentum will be.
    let ahead = gradient.iter().zip(&*momentum);
    let ahead = ahead.map(|(gradient, momentum)| gradient + (momentum - gradient) * MOMENTUM);
    let found = orthogonal(ahead.collect(), shape);
    let [rows, columns] = shape;
    let size = (rate * SPREAD * (rows.max(columns) as f64).sqrt()) as f32;
    let keep = (1.0 - rate * weight_decay) as f32;
    for (parameter, found) in parameters.iter_mut().zip(&found) {
        *parameter = *parameter * keep - size * found;
    }
}

/// A matrix whose singular values are about 1 and whose singular vectors are those of `numbers`.
fn orthogonal(numbers: Vec<f32>, shape: [usize; 2]) -> Vec<f32> {
    let square: f64 = numbers
        .iter()
        .map(|number| f64::from(*number).powi(2))
        .sum();
    let device = Device::flex();
    let matrix = Tensor::<2>::from_data(TensorData::new(numbers, shape), &device);
    let is_tall = shape[0] > shape[1];
    let matrix = if is_tall { matrix.transpose() } else { matrix };
    let mut found = matrix.div_scalar(square.sqrt().max(LEAST_NORM));
    let [first, third, fifth] = COEFFICIENTS;
    for _ in 0..ITERATIONS {
        let gram = found.clone().matmul(found.clone().transpose());
        let change = gram.clone().mul_scalar(third) + gram.clone().matmul(gram).mul_scalar(fifth);
        found = found.clone().mul_scalar(first) + change.matmul(found);
    }
    let found = if is_tall { found.transpose() } else { found };
    found.into_data().try_to_vec().expect("numbers are single")
}
