//! Autoencoders: images are to come back from latents that lie about where a standard normal distribution does.

use burn::prelude::*;
use ccsr_nn::Row;
use ccsr_stable_diffusion::Autoencoder;

use crate::Gradient;
use crate::denoiser::tracked;

/// What is to become small.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AutoencoderObjective {
    /// How much the mean square of the difference between images counts, beside its mean.
    pub square: f64,
    /// How much the divergence of an image's posterior from the standard normal distribution counts.
    pub divergence: f64,
}

impl Default for AutoencoderObjective {
    fn default() -> Self {
        Self {
            square: 1.0,
            divergence: 1e-6,
        }
    }
}

/// An autoencoder, and how well images come back from it (Rombach et al., 2021, without a critic).
pub struct AutoencoderTrainer {
    network: Autoencoder,
    row: Row,
    objective: AutoencoderObjective,
    /// With a graph.
    device: Device,
}

/// Images, and where in their posteriors their latents are.
pub struct AutoencoderBatch {
    /// `[batch, 3, height, width]` in −1 … 1.
    pub images: Tensor<4>,
    /// Standard normal, of the latents' shape.
    pub noise: Tensor<4>,
}

impl AutoencoderTrainer {
    /// A trainer on a device that keeps graphs. What the network's numbers are does not matter.
    pub fn new(network: Autoencoder, objective: AutoencoderObjective, device: &Device) -> Self {
        Self {
            row: Row::of(&network),
            network,
            objective,
            device: device.clone(),
        }
    }

    /// The network's numbers.
    pub const fn row(&self) -> &Row {
        &self.row
    }

    /// The loss of a batch at these numbers, and its gradient.
    pub fn gradient(&self, numbers: &[f32], batch: AutoencoderBatch) -> Gradient {
        let network = Row::put(self.network.clone(), numbers, &self.device);
        let images = tracked(batch.images, &self.device);
        let [count, ..] = images.dims();
        let posterior = network.encode(images.clone());
        let latents = posterior.sample(tracked(batch.noise, &self.device));
        let back = network.decode(latents.mul_scalar(network.scaling_factor()));
        let difference = back - images;
        let AutoencoderObjective { square, divergence } = self.objective;
        let loss = difference.clone().abs().mean()
            + difference.powi_scalar(2).mean().mul_scalar(square)
            + posterior.divergence().mean().mul_scalar(divergence);
        Gradient::of(&loss, count, |gradients| Row::gradient(&network, gradients))
    }
}
