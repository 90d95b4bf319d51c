//! What a denoiser is to learn of a batch, whether an adapter learns it or the whole network.

use burn::prelude::*;
use ccsr_sampling::{NoiseSchedule, add_noise, target};

/// What is to become small.
#[derive(Clone, Debug)]
pub struct Objective {
    /// How images and noise are mixed, and what the network predicts of them.
    pub schedule: NoiseSchedule,
    /// γ of Hang et al. (2023, arXiv 2303.09556): timesteps with little noise count less. Not at all if none.
    pub snr_gamma: Option<f64>,
}

/// What the network is asked for a batch, and what it should say. All tensors are of a device that keeps graphs, and none
/// is in one.
pub(crate) struct Question {
    /// Images with noise, `[batch, channels, height, width]`.
    pub(crate) noisy: Tensor<4>,
    /// One an image.
    pub(crate) timesteps: Vec<f64>,
    /// Of the same shape.
    wanted: Tensor<4>,
    /// `[batch, 1, 1, 1]`
    weights: Tensor<4>,
}

impl Objective {
    /// What is asked of images with noise at timesteps, on a device that keeps graphs.
    pub(crate) fn question(
        &self,
        latents: Tensor<4>,
        noise: Tensor<4>,
        timesteps: &[usize],
        device: &Device,
    ) -> Question {
        let below = device.clone().without_autodiff();
        let (latents, noise) = (latents.to_device(&below), noise.to_device(&below));
        let noisy = add_noise(&self.schedule, latents.clone(), noise.clone(), timesteps);
        let wanted = target(&self.schedule, latents, noise, timesteps);
        Question {
            noisy: Tensor::from_inner(noisy),
            timesteps: timesteps.iter().map(|step| *step as f64).collect(),
            wanted: Tensor::from_inner(wanted),
            weights: self.weights(timesteps, device),
        }
    }

    /// `[batch, 1, 1, 1]`
    fn weights(&self, timesteps: &[usize], device: &Device) -> Tensor<4> {
        let weight = |timestep: &usize| match self.snr_gamma {
            None => 1.0,
            Some(gamma) => self.schedule.min_snr_weight(*timestep, gamma) as f32,
        };
        let weights: Vec<f32> = timesteps.iter().map(weight).collect();
        Tensor::from_data(TensorData::new(weights, [timesteps.len(), 1, 1, 1]), device)
    }
}

impl Question {
    /// The mean square of what the network says less what it should, each image weighted by its timestep.
    pub(crate) fn loss(&self, predicted: Tensor<4>) -> Tensor<1> {
        let square = (predicted - self.wanted.clone()).powi_scalar(2);
        (square * self.weights.clone()).mean()
    }
}
