//! The network.

use burn::nn::{GroupNorm, Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::activation::softmax;
use ccsr_nn::Activation;
use ccsr_nn::ops::linear;

use crate::block::{Level, group_norm};
use crate::config::WitnessConfig;

/// A witness: an image goes through levels of half the side each. What the last one says is averaged over the image, and
/// its largest is taken, too, since a defect is somewhere; of both, one linear layer makes the values of all facts.
#[derive(Module, Debug)]
pub struct Witness {
    levels: Vec<Level>,
    norm_out: GroupNorm,
    head: Linear,
    /// How many values each fact can have.
    #[module(skip)]
    widths: Vec<usize>,
}

impl Witness {
    pub(crate) fn new(config: &WitnessConfig, device: &Device) -> Self {
        let (groups, layers) = (config.norm_num_groups, config.layers_per_block);
        let ends = &config.block_out_channels;
        let begins = [3].into_iter().chain(ends.iter().copied());
        let levels = begins
            .zip(ends)
            .map(|(from, to)| Level::new([from, *to], layers, groups, device));
        let last = *ends.last().expect("a configuration has levels");
        let widths = config.widths();
        Self {
            levels: levels.collect(),
            norm_out: group_norm(groups, last, device),
            head: LinearConfig::new(2 * last, widths.iter().sum()).init(device),
            widths,
        }
    }

    /// How likely each value of each fact is, as logits: a tensor a fact.
    ///
    /// # Shapes
    /// `pixels`: `[batch, 3, height, width]`, as [`pixels`](crate::pixels) makes them; `[batch, values]` a fact.
    pub fn forward(&self, pixels: Tensor<4>) -> Vec<Tensor<2>> {
        let levels = self.levels.iter();
        let sample = levels.fold(pixels, |sample, level| level.forward(sample));
        let sample = Activation::Silu.after_norm(&self.norm_out, sample);
        // `[batch, channels, places]`
        let places: Tensor<3> = sample.flatten(2, 3);
        let mean = places.clone().mean_dim(2).squeeze_dim::<2>(2);
        let most = places.max_dim(2).squeeze_dim::<2>(2);
        let logits = linear(&self.head, Tensor::cat(vec![mean, most], 1));
        let mut from = 0;
        let of_fact = self.widths.iter().map(|width| {
            let found = logits.clone().narrow(1, from, *width);
            from += width;
            found
        });
        of_fact.collect()
    }

    /// How likely each value of each fact is, image by image, fact by fact.
    ///
    /// # Shapes
    /// As [`forward`](Self::forward).
    pub fn testify(&self, pixels: Tensor<4>) -> Vec<Vec<Vec<f32>>> {
        let [count, ..] = pixels.dims();
        let mut images = vec![Vec::with_capacity(self.widths.len()); count];
        for logits in self.forward(pixels) {
            let [_, width] = logits.dims();
            let shares = softmax(logits, 1).into_data().convert::<f32>();
            let shares: Vec<f32> = shares.try_to_vec().expect("it was converted above");
            for (image, shares) in images.iter_mut().zip(shares.chunks(width)) {
                image.push(shares.to_vec());
            }
        }
        images
    }
}
