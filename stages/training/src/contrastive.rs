//! CLIP: images and their texts are to lie together, and apart from all others of a batch.
//!
//! Where more is known of images than their texts say, the vision tower can be made to see it, too: a linear readout of its
//! patches, which nobody needs afterwards, is to tell it.

use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::activation::log_softmax;
use ccsr_clip::{Clip, VisionOutput};
use ccsr_nn::Row;
use ccsr_nn::ops::linear;

use crate::Gradient;
use crate::witness::cross_entropy;

/// Both towers, and how well they tell a batch's images and texts apart (Radford et al., 2021, figure 3).
pub struct ContrastiveTrainer {
    network: Pupil,
    row: Row,
    /// What the readout is to tell, if there is one.
    facts: Option<Facts>,
    /// With a graph.
    device: Device,
}

/// What else is known of images.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Numbers a patch: the width of the vision tower.
    pub width: usize,
    /// How many values each fact has.
    pub values: Vec<usize>,
    /// How much it counts that they are told, beside the texts.
    pub weight: f64,
}

#[derive(Module, Debug)]
struct Pupil {
    clip: Clip,
    /// From the mean of the patches to the logits of all facts, one after the other.
    readout: Option<Linear>,
}

/// Images with their texts.
pub struct ContrastiveBatch {
    /// As the vision tower reads them, `[batch, 3, height, width]`.
    pub pixels: Tensor<4>,
    /// `[batch, tokens]`
    pub tokens: Tensor<2, Int>,
    /// For each of the trainer's facts, the number of the value that each image has.
    pub values: Vec<Vec<usize>>,
}

impl ContrastiveTrainer {
    /// A trainer on a device that keeps graphs. What the network's numbers are does not matter.
    pub fn new(clip: Clip, facts: Option<Facts>, device: &Device) -> Self {
        let readout = facts.as_ref().map(|facts| {
            let values = facts.values.iter().sum();
            LinearConfig::new(facts.width, values).init(device)
        });
        let network = Pupil { clip, readout };
        Self {
            row: Row::of(&network),
            network,
            facts,
            device: device.clone(),
        }
    }

    /// CLIP's numbers, below `clip`, then those of the readout.
    pub const fn row(&self) -> &Row {
        &self.row
    }

    /// The loss of a batch at these numbers, and its gradient: the mean of two cross-entropies, of each image among the
    /// texts and of each text among the images, and as its weight says the mean of the facts' cross-entropies.
    ///
    /// # Panics
    /// If a fact has no value for an image, or one that it cannot have.
    pub fn gradient(&self, numbers: &[f32], batch: ContrastiveBatch) -> Gradient {
        let network = Row::put(self.network.clone(), numbers, &self.device);
        let below = self.device.clone().without_autodiff();
        let pixels = Tensor::from_inner(batch.pixels.to_device(&below));
        let tokens = Tensor::from_inner(batch.tokens.to_device(&below));
        let [count, ..] = pixels.dims();
        let seen = network.clip.look(pixels);
        let logits = network.clip.compare(seen.clone(), tokens);
        let right = Tensor::<2>::eye(count, &self.device);
        let by_image = log_softmax(logits.clone(), 1);
        let by_text = log_softmax(logits, 0);
        let mut loss = ((by_image + by_text) * right).sum() * (-0.5 / count as f64);
        if let (Some(facts), Some(readout)) = (&self.facts, &network.readout) {
            loss = loss + facts.loss(&seen, readout, &batch.values) * facts.weight;
        }
        Gradient::of(&loss, |gradients| Row::gradient(&network, gradients))
    }
}

impl Facts {
    fn loss(&self, seen: &VisionOutput, readout: &Linear, values: &[Vec<usize>]) -> Tensor<1> {
        assert_eq!(self.values.len(), values.len(), "facts without values");
        let [batch, tokens, width] = seen.hidden.dims();
        let patches = seen.hidden.clone().slice([0..batch, 1..tokens, 0..width]);
        let logits = linear(readout, patches.mean_dim(1).reshape([batch, width]));
        let mut start = 0;
        let losses = self.values.iter().zip(values).map(|(width, values)| {
            let own = logits.clone().slice([0..batch, start..start + width]);
            start += width;
            cross_entropy(own, values, 0.0)
        });
        let loss = losses.reduce(|sum, loss| sum + loss);
        loss.expect("a readout tells something") / self.values.len() as f64
    }
}
