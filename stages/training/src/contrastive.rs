//! CLIP: images and their texts are to lie together, and apart from all others of a batch.
//!
//! Where more is known of images than their texts say, the vision tower can be made to see it, too: linear readouts of its
//! patches, of all together or of each, which nobody needs afterwards, are to tell it.

use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::activation::log_softmax;
use ccsr_clip::{Clip, VisionOutput};
use ccsr_nn::Row;
use ccsr_nn::ops::linear;

use crate::Gradient;
use crate::witness::cross_entropy;

/// What a patch counts that shows something, beside one that shows nothing: most show nothing.
const SOMETHING: f32 = 8.0;

/// Both towers, and how well they tell a batch's images and texts apart (Radford et al., 2021, figure 3).
pub struct ContrastiveTrainer {
    network: Pupil,
    row: Row,
    known: Known,
    /// With a graph.
    device: Device,
}

/// What else is known of images.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Of each as a whole.
    pub of_images: Option<Facts>,
    /// Of each of its patches. The value 0 of a fact is that there is nothing to be told.
    pub of_patches: Option<Facts>,
}

/// Facts that are to be told.
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
    /// From the mean of the patches to the logits of all facts about an image, one after the other.
    readout: Option<Linear>,
    /// From a patch to the logits of all facts about it.
    patch_readout: Option<Linear>,
}

/// Images with their texts.
pub struct ContrastiveBatch {
    /// As the vision tower reads them, `[batch, 3, height, width]`.
    pub pixels: Tensor<4>,
    /// `[batch, tokens]`
    pub tokens: Tensor<2, Int>,
    /// For each of the facts about images, the number of the value that each image has.
    pub values: Vec<Vec<usize>>,
    /// For each of the facts about patches, the number of the value that each patch has, image by image.
    pub patch_values: Vec<Vec<usize>>,
}

impl ContrastiveTrainer {
    /// A trainer on a device that keeps graphs. What the network's numbers are does not matter.
    pub fn new(clip: Clip, known: Known, device: &Device) -> Self {
        let readout = |facts: &Option<Facts>| {
            let facts = facts.as_ref()?;
            let values = facts.values.iter().sum();
            Some(LinearConfig::new(facts.width, values).init(device))
        };
        let network = Pupil {
            clip,
            readout: readout(&known.of_images),
            patch_readout: readout(&known.of_patches),
        };
        Self {
            row: Row::of(&network),
            network,
            known,
            device: device.clone(),
        }
    }

    /// CLIP's numbers, below `clip`, then those of the readouts.
    pub const fn row(&self) -> &Row {
        &self.row
    }

    /// The loss of a batch at these numbers, and its gradient: the mean of two cross-entropies, of each image among the
    /// texts and of each text among the images, and as their weights
    /// say the means of the facts' cross-entropies.
    ///
    /// # Panics
    /// If a fact has no value for an image, or one that it cannot have.
    pub fn gradient(&self, numbers: &[f32], batch: &ContrastiveBatch) -> Gradient {
        let network = Row::put(self.network.clone(), numbers, &self.device);
        let below = self.device.clone().without_autodiff();
        let pixels = Tensor::from_inner(batch.pixels.clone().to_device(&below));
        let tokens = Tensor::from_inner(batch.tokens.clone().to_device(&below));
        let [count, ..] = pixels.dims();
        let seen = network.clip.look(pixels);
        let logits = network.clip.compare(seen.clone(), tokens);
        let right = Tensor::<2>::eye(count, &self.device);
        let by_image = log_softmax(logits.clone(), 1);
        let by_text = log_softmax(logits, 0);
        let mut loss = ((by_image + by_text) * right).sum() * (-0.5 / count as f64);
        if let (Some(facts), Some(readout)) = (&self.known.of_images, &network.readout) {
            let logits = linear(readout, patches(&seen).mean_dim(1).squeeze_dim(1));
            let loss_of = |own, values: &[usize]| cross_entropy(own, values, 0.0);
            loss = loss + facts.loss(&logits, &batch.values, loss_of);
        }
        if let (Some(facts), Some(readout)) = (&self.known.of_patches, &network.patch_readout) {
            let logits = linear(readout, patches(&seen).flatten(0, 1));
            loss = loss + facts.loss(&logits, &batch.patch_values, cross_entropy_of_patches);
        }
        Gradient::of(&loss, count, |gradients| Row::gradient(&network, gradients))
    }
}

impl Facts {
    /// The mean of the facts' losses by its weight.
    ///
    /// # Shapes
    /// `logits`: `[images or patches, all values]`.
    fn loss(
        &self,
        logits: &Tensor<2>,
        values: &[Vec<usize>],
        loss_of: impl Fn(Tensor<2>, &[usize]) -> Tensor<1>,
    ) -> Tensor<1> {
        assert_eq!(self.values.len(), values.len(), "facts without values");
        let [rows, _] = logits.dims();
        let mut start = 0;
        let losses = self.values.iter().zip(values).map(|(width, values)| {
            let own = logits.clone().slice([0..rows, start..start + width]);
            start += width;
            loss_of(own, values)
        });
        let loss = losses.reduce(|sum, loss| sum + loss);
        let loss = loss.expect("a readout tells something");
        loss * (self.weight / self.values.len() as f64)
    }
}

/// `[batch, patches, width]`, without the class token.
fn patches(seen: &VisionOutput) -> Tensor<3> {
    let [batch, tokens, width] = seen.hidden.dims();
    seen.hidden.clone().slice([0..batch, 1..tokens, 0..width])
}

/// The mean cross-entropy of patches, among which those that show something count more.
///
/// # Shapes
/// `logits`: `[patches, values]`.
fn cross_entropy_of_patches(logits: Tensor<2>, values: &[usize]) -> Tensor<1> {
    let [count, width] = logits.dims();
    assert_eq!(values.len(), count, "patches without a value");
    let weight = |value: usize| if value == 0 { 1.0 } else { SOMETHING };
    let total: f32 = values.iter().map(|value| weight(*value)).sum();
    let mut wanted = vec![0.0; count * width];
    for (row, value) in wanted.chunks_mut(width).zip(values) {
        row[*value] = weight(*value) / total;
    }
    let wanted = TensorData::new(wanted, [count, width]);
    let wanted = Tensor::<2>::from_data(wanted, &logits.device());
    -(log_softmax(logits, 1) * wanted).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As PyTorch's `cross_entropy` has it with `weight=[1, 8, 8]`.
    #[test]
    fn patches_that_show_something_count_more() {
        let device = Device::flex();
        let logits = [[2.0, 0.0, 1.0], [0.5, -1.0, 3.0]];
        let loss = |values: &[usize]| {
            let logits = Tensor::<2>::from_data(logits, &device);
            f64::from(cross_entropy_of_patches(logits, values).into_scalar::<f32>())
        };
        let of = |row: [f64; 3], value: usize| {
            let total: f64 = row.iter().map(|logit| logit.exp()).sum();
            total.ln() - row[value]
        };
        let [first, second] = logits;
        let mixed = (of(first, 0) + 8.0 * of(second, 2)) / 9.0;
        assert!((loss(&[0, 2]) - mixed).abs() < 1e-6);
        let even = f64::midpoint(of(first, 1), of(second, 2));
        assert!((loss(&[1, 2]) - even).abs() < 1e-6);
    }
}
