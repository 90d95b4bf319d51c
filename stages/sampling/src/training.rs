//! The forward process: what training does with images, noise and timesteps.

use burn::prelude::*;

use crate::{NoiseSchedule, Prediction};

/// α and σ of each timestep, to be multiplied with a batch.
fn levels(
    schedule: &NoiseSchedule,
    timesteps: &[usize],
    device: &Device,
) -> (Tensor<4>, Tensor<4>) {
    let batch = |value: fn(f64) -> f64| {
        let values = timesteps
            .iter()
            .map(|timestep| value(schedule.alpha_cumprod(*timestep)) as f32);
        let data = TensorData::new(values.collect::<Vec<_>>(), [timesteps.len(), 1, 1, 1]);
        Tensor::<4>::from_data(data, device)
    };
    (batch(f64::sqrt), batch(|alpha| (1.0 - alpha).sqrt()))
}

/// Images with noise added: √ᾱ·image + √(1−ᾱ)·noise.
///
/// # Shapes
/// `images`, `noise`: `[batch, channels, height, width]`; a timestep an image.
pub fn add_noise(
    schedule: &NoiseSchedule,
    images: Tensor<4>,
    noise: Tensor<4>,
    timesteps: &[usize],
) -> Tensor<4> {
    let (alpha, sigma) = levels(schedule, timesteps, &images.device());
    images * alpha + noise * sigma
}

/// What the network is to answer for such images: the noise, the velocity or the image.
///
/// # Shapes
/// As [`add_noise`].
pub fn target(
    schedule: &NoiseSchedule,
    images: Tensor<4>,
    noise: Tensor<4>,
    timesteps: &[usize],
) -> Tensor<4> {
    match schedule.prediction() {
        Prediction::Epsilon => noise,
        Prediction::Sample => images,
        Prediction::Velocity => {
            let (alpha, sigma) = levels(schedule, timesteps, &images.device());
            noise * alpha - images * sigma
        }
    }
}

/// The images that a network's output means, as predicted from samples at their timesteps.
///
/// # Shapes
/// `output`, `samples`: as [`add_noise`]'s images.
pub fn denoised(
    schedule: &NoiseSchedule,
    output: Tensor<4>,
    samples: Tensor<4>,
    timesteps: &[usize],
) -> Tensor<4> {
    let (alpha, sigma) = levels(schedule, timesteps, &samples.device());
    match schedule.prediction() {
        Prediction::Epsilon => (samples - output * sigma) / alpha,
        Prediction::Velocity => samples * alpha - output * sigma,
        Prediction::Sample => output,
    }
}
