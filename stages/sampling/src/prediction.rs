//! From a network's output to the image and the noise that it means.

use burn::prelude::*;

use crate::Prediction;

/// The predicted image and noise of a sample `α·image + σ·noise`.
///
/// # Shapes
/// All `[batch, channels, height, width]`.
pub(crate) fn split(
    prediction: Prediction,
    output: Tensor<4>,
    sample: Tensor<4>,
    (alpha, sigma): (f64, f64),
) -> (Tensor<4>, Tensor<4>) {
    match prediction {
        Prediction::Epsilon => {
            let image = (sample - output.clone().mul_scalar(sigma)).div_scalar(alpha);
            (image, output)
        }
        Prediction::Velocity => {
            let image = sample.clone().mul_scalar(alpha) - output.clone().mul_scalar(sigma);
            let noise = output.mul_scalar(alpha) + sample.mul_scalar(sigma);
            (image, noise)
        }
        Prediction::Sample => {
            let noise = (sample - output.clone().mul_scalar(alpha)).div_scalar(sigma);
            (output, noise)
        }
    }
}

/// The predicted image alone.
pub(crate) fn image(
    prediction: Prediction,
    output: Tensor<4>,
    sample: Tensor<4>,
    (alpha, sigma): (f64, f64),
) -> Tensor<4> {
    match prediction {
        Prediction::Epsilon => (sample - output.mul_scalar(sigma)).div_scalar(alpha),
        Prediction::Velocity => sample.mul_scalar(alpha) - output.mul_scalar(sigma),
        Prediction::Sample => output,
    }
}
