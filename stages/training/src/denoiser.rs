//! Diffusion models: a whole UNet learns to find noise in latents, or learns of another one that did.

use burn::prelude::*;
use ccsr_nn::Row;
use ccsr_sampling::{NoiseSchedule, denoised};
use ccsr_stable_diffusion::UNet;

use crate::{Gradient, Objective};

/// A UNet, and how well it finds noise.
pub struct DenoiserTrainer {
    network: UNet,
    row: Row,
    objective: Objective,
    /// With a graph.
    device: Device,
}

/// Images to train on, with noise to find in them.
pub struct DenoiserBatch {
    /// Scaled latents, `[batch, channels, height, width]`.
    pub latents: Tensor<4>,
    /// Standard normal, of the same shape.
    pub noise: Tensor<4>,
    /// One an image.
    pub timesteps: Vec<usize>,
    /// What is to be seen, as the text encoder left it, `[batch, tokens, numbers]`.
    pub states: Tensor<3>,
}

impl DenoiserTrainer {
    /// A trainer on a device that keeps graphs. What the network's numbers are does not matter.
    pub fn new(network: UNet, objective: Objective, device: &Device) -> Self {
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

    /// The loss of a batch at these numbers, and its gradient: an adapter's [`Trainer`](crate::Trainer) has the same.
    pub fn gradient(&self, numbers: &[f32], batch: DenoiserBatch) -> Gradient {
        let network = Row::put(self.network.clone(), numbers, &self.device);
        let DenoiserBatch {
            latents,
            noise,
            timesteps,
            states,
        } = batch;
        let question = self
            .objective
            .question(latents, noise, &timesteps, &self.device);
        let conditioning = network.condition(&tracked(states, &self.device));
        let noisy = question.noisy.clone();
        let predicted = network.forward_each(noisy, &question.timesteps, &conditioning);
        let loss = question.loss(predicted);
        Gradient::of(&loss, timesteps.len(), |gradients| {
            Row::gradient(&network, gradients)
        })
    }
}

/// A UNet that is to go a teacher's whole way at once: from any place on the way from noise to an image, to the image
/// (consistency models, Song et al., 2023, arXiv 2303.01469, with a teacher's ways in place of the network's own).
pub struct DistillationTrainer {
    network: UNet,
    row: Row,
    schedule: NoiseSchedule,
    /// With a graph.
    device: Device,
}

/// Places on a teacher's ways.
pub struct DistillationBatch {
    /// Where the teacher was, `[batch, channels, height, width]`.
    pub samples: Tensor<4>,
    /// At which timestep it was there, one a sample.
    pub timesteps: Vec<usize>,
    /// Where it went: scaled latents, of the same shape.
    pub latents: Tensor<4>,
    /// What was to be seen, as the text encoder left it, `[batch, tokens, numbers]`.
    pub states: Tensor<3>,
}

impl DistillationTrainer {
    /// A trainer on a device that keeps graphs. What the network's numbers are does not matter.
    pub fn new(network: UNet, schedule: NoiseSchedule, device: &Device) -> Self {
        Self {
            row: Row::of(&network),
            network,
            schedule,
            device: device.clone(),
        }
    }

    /// The network's numbers.
    pub const fn row(&self) -> &Row {
        &self.row
    }

    /// The loss of a batch at these numbers, and its gradient: the mean distance of each number of the image that the
    /// network predicts from the teacher's.
    pub fn gradient(&self, numbers: &[f32], batch: DistillationBatch) -> Gradient {
        let network = Row::put(self.network.clone(), numbers, &self.device);
        let samples = tracked(batch.samples, &self.device);
        let latents = tracked(batch.latents, &self.device);
        let conditioning = network.condition(&tracked(batch.states, &self.device));
        let timesteps: Vec<_> = batch.timesteps.iter().map(|step| *step as f64).collect();
        let output = network.forward_each(samples.clone(), &timesteps, &conditioning);
        let found = denoised(&self.schedule, output, samples, &batch.timesteps);
        let loss = (found - latents).abs().mean();
        Gradient::of(&loss, timesteps.len(), |gradients| {
            Row::gradient(&network, gradients)
        })
    }
}

/// A tensor on a device that keeps graphs, in none of them.
pub(crate) fn tracked<const D: usize>(tensor: Tensor<D>, device: &Device) -> Tensor<D> {
    Tensor::from_inner(tensor.to_device(&device.clone().without_autodiff()))
}
