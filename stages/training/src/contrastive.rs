//! CLIP: images and their texts are to lie together, and apart from all others of a batch.

use burn::prelude::*;
use burn::tensor::activation::log_softmax;
use ccsr_clip::Clip;
use ccsr_nn::Row;

use crate::Gradient;

/// Both towers, and how well they tell a batch's images and texts apart (Radford et al., 2021, figure 3).
pub struct ContrastiveTrainer {
    network: Clip,
    row: Row,
    /// With a graph.
    device: Device,
}

/// Images with their texts.
pub struct ContrastiveBatch {
    /// As the vision tower reads them, `[batch, 3, height, width]`.
    pub pixels: Tensor<4>,
    /// `[batch, tokens]`
    pub tokens: Tensor<2, Int>,
}

impl ContrastiveTrainer {
    /// A trainer on a device that keeps graphs. What the network's numbers are does not matter.
    pub fn new(network: Clip, device: &Device) -> Self {
        Self {
            row: Row::of(&network),
            network,
            device: device.clone(),
        }
    }

    /// The network's numbers.
    pub const fn row(&self) -> &Row {
        &self.row
    }

    /// The loss of a batch at these numbers, and its gradient: the mean of two cross-entropies, of each image among the
    /// texts and of each text among the images.
    pub fn gradient(&self, numbers: &[f32], batch: ContrastiveBatch) -> Gradient {
        let network = Row::put(self.network.clone(), numbers, &self.device);
        let below = self.device.clone().without_autodiff();
        let pixels = Tensor::from_inner(batch.pixels.to_device(&below));
        let tokens = Tensor::from_inner(batch.tokens.to_device(&below));
        let [count, ..] = pixels.dims();
        let logits = network.logits(pixels, tokens);
        let right = Tensor::<2>::eye(count, &self.device);
        let by_image = log_softmax(logits.clone(), 1);
        let by_text = log_softmax(logits, 0);
        let loss = ((by_image + by_text) * right).sum() * (-0.5 / count as f64);
        Gradient::of(&loss, |gradients| Row::gradient(&network, gradients))
    }
}
