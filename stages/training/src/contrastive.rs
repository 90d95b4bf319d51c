//! CLIP: images and their texts are to lie together, and apart from all others of a batch.
//!
//! Where more is known of images than their texts say, the vision tower can be made to see it, too: linear readouts of its
//! patches, of all together or of each, which nobody needs afterwards, are to tell it.

use std::ops::Range;

use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::activation::log_softmax;
use ccsr_clip::{Clip, VisionOutput};
use ccsr_nn::Row;
use ccsr_nn::ops::linear;

use crate::Gradient;

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
    /// What the [row](Self::row) calls the logarithm of the temperature.
    pub const TEMPERATURE: &str = "clip.logit_scale";

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

    /// The first of three steps to a batch's loss and gradient: where the images and texts of a part of it lie, and what is told
    /// of the images. Parts may be looked at, and followed, apart; each keeps its graph, so nothing is looked at twice.
    ///
    /// The loss is the mean of two cross-entropies, of each image among the texts and of each text among the images, and as
    /// their weights say the means of the facts' cross-entropies.
    ///
    /// # Panics
    /// If a fact has no value for an image, or one that it cannot have.
    pub fn look(
        &self,
        numbers: &[f32],
        batch: &ContrastiveBatch,
        part: Range<usize>,
    ) -> ContrastivePart {
        let network = Row::put(self.network.clone(), numbers, &self.device);
        let below = self.device.clone().without_autodiff();
        let pixels = batch.pixels.clone().slice(part.clone()).to_device(&below);
        let tokens = batch.tokens.clone().slice(part.clone()).to_device(&below);
        let [count, ..] = batch.pixels.dims();
        let seen = network.clip.look(Tensor::from_inner(pixels));
        let mut told = None;
        if let (Some(facts), Some(readout)) = (&self.known.of_images, &network.readout) {
            let logits = linear(readout, patches(&seen).mean_dim(1).squeeze_dim(1));
            told = Some(facts.loss(&logits, &batch.values, count, part.clone(), 1.0));
        }
        if let (Some(facts), Some(readout)) = (&self.known.of_patches, &network.patch_readout) {
            let patches = patches(&seen);
            let each = patches.dims()[1];
            let logits = linear(readout, patches.flatten(0, 1));
            let part = part.start * each..part.end * each;
            let loss = facts.loss(&logits, &batch.patch_values, count * each, part, SOMETHING);
            told = Some(match told {
                Some(told) => told + loss,
                None => loss,
            });
        }
        ContrastivePart {
            images: network.clip.place(seen.pooled),
            texts: network.clip.text_features(Tensor::from_inner(tokens)),
            told,
            network,
        }
    }

    /// The second: how the loss changes with where each image and text lies, beside all others of a batch. The gradient is that
    /// of the temperature so far, and the loss what nothing is told of.
    ///
    /// # Panics
    /// If there is no part.
    pub fn compare(
        &self,
        numbers: &[f32],
        parts: Vec<ContrastivePart>,
    ) -> (Vec<ContrastivePull>, Gradient) {
        let leaf = |lie: &Tensor<2>| lie.clone().detach().require_grad();
        let images: Vec<_> = parts.iter().map(|part| leaf(&part.images)).collect();
        let texts: Vec<_> = parts.iter().map(|part| leaf(&part.texts)).collect();
        let at = self
            .row
            .range(Self::TEMPERATURE)
            .expect("a CLIP has a temperature");
        let at = at.start;
        let scale = Tensor::<1>::from_data([numbers[at]], &self.device).require_grad();
        let of_images = Tensor::cat(images.clone(), 0);
        let cosines = of_images.matmul(Tensor::cat(texts.clone(), 0).transpose());
        let [count, _] = cosines.dims();
        let logits = cosines * scale.clone().exp().reshape([1, 1]);
        let right = Tensor::<2>::eye(count, &self.device);
        let both = log_softmax(logits.clone(), 1) + log_softmax(logits, 0);
        let loss = (both * right).sum() * (-0.5 / count as f64);
        let mut pulls = Vec::new();
        let sum = Gradient::of(&loss, count, |gradients| {
            let of = |leaf: &Tensor<2>| leaf.grad(gradients).expect("all lie somewhere");
            let both = images.iter().zip(&texts);
            pulls.extend(both.map(|(images, texts)| [of(images), of(texts)]));
            let mut found = vec![0.0; numbers.len()];
            let of_scale = scale.grad(gradients).expect("all are compared by it");
            found[at] = of_scale.into_scalar();
            found
        });
        let compared = parts.into_iter().zip(pulls);
        let compared = compared.map(|(part, pulls)| ContrastivePull { part, pulls });
        (compared.collect(), sum)
    }

    /// The third: what that says about the numbers, with what is told of the images. It is a share: those of all parts are
    /// to be added to what [`compare`](Self::compare) says.
    pub fn follow(&self, pull: ContrastivePull) -> Gradient {
        let ContrastivePull { part: seen, pulls } = pull;
        let [images, texts] = pulls.map(Tensor::from_inner);
        let [count, _] = seen.images.dims();
        // Its gradient is that of the batch's loss; its value is nothing's.
        let mut pull = (seen.images * images).sum() + (seen.texts * texts).sum();
        let mut loss = 0.0;
        if let Some(told) = seen.told {
            loss = f64::from(told.clone().inner().into_scalar::<f32>());
            pull = pull + told;
        }
        let found = Gradient::of(&pull, count, |gradients| {
            Row::gradient(&seen.network, gradients)
        });
        Gradient { loss, ..found }
    }
}

/// Where some images and texts of a batch lie, with all that led there.
pub struct ContrastivePart {
    network: Pupil,
    /// `[some, space]`
    images: Tensor<2>,
    /// `[some, space]`
    texts: Tensor<2>,
    /// Their share in the loss of the facts.
    told: Option<Tensor<1>>,
}

/// The same, and how the loss changes with where each image and text lies.
pub struct ContrastivePull {
    part: ContrastivePart,
    /// Of images and of texts, `[some, space]`, without a graph.
    pulls: [Tensor<2>; 2],
}

impl Facts {
    /// The share of a part in the mean of the facts' losses, by its weight. A value that is not 0 counts as much as
    /// `something`.
    ///
    /// # Shapes
    /// `logits`: `[images or patches of the part, all values]`; `values`: of each fact, `count` values of the whole batch.
    fn loss(
        &self,
        logits: &Tensor<2>,
        values: &[Vec<usize>],
        count: usize,
        part: Range<usize>,
        something: f32,
    ) -> Tensor<1> {
        assert_eq!(self.values.len(), values.len(), "facts without values");
        let are_there = values.iter().all(|values| values.len() == count);
        assert!(are_there, "images without a value");
        let mut start = 0;
        let losses = self.values.iter().zip(values).map(|(width, values)| {
            let own = logits.clone().slice([0..part.len(), start..start + width]);
            start += width;
            cross_entropy(own, values, part.clone(), something)
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

/// The share of a part in the mean cross-entropy of a batch, in which a value that is not 0 counts as much as `something`, and
/// 0 counts 1.
///
/// # Shapes
/// `logits`: `[part, width]`; `values`: of the whole batch.
fn cross_entropy(
    logits: Tensor<2>,
    values: &[usize],
    part: Range<usize>,
    something: f32,
) -> Tensor<1> {
    let [count, width] = logits.dims();
    let weight = |value: usize| if value == 0 { 1.0 } else { something };
    let total: f32 = values.iter().map(|value| weight(*value)).sum();
    let mut wanted = vec![0.0; count * width];
    for (row, value) in wanted.chunks_mut(width).zip(&values[part]) {
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
            f64::from(cross_entropy(logits, values, 0..2, SOMETHING).into_scalar::<f32>())
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
