//! What the network is made of: convolutions that halve a sample, and residual blocks.

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{GroupNorm, GroupNormConfig, PaddingConfig2d};
use burn::prelude::*;
use ccsr_nn::Activation;
use ccsr_nn::ops::conv2d;

/// A convolution of 3 x 3 that keeps the sample's sides, or halves them at a stride of 2.
fn conv3(channels: [usize; 2], stride: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new(channels, [3, 3])
        .with_stride([stride; 2])
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        .init(device)
}

pub(crate) fn group_norm(groups: usize, channels: usize, device: &Device) -> GroupNorm {
    GroupNormConfig::new(groups, channels).init(device)
}

/// Norm, SiLU, convolution, twice, around which the input is carried.
#[derive(Module, Debug)]
struct Residual {
    norm1: GroupNorm,
    conv1: Conv2d,
    norm2: GroupNorm,
    conv2: Conv2d,
}

impl Residual {
    fn new(channels: usize, groups: usize, device: &Device) -> Self {
        Self {
            norm1: group_norm(groups, channels, device),
            conv1: conv3([channels; 2], 1, device),
            norm2: group_norm(groups, channels, device),
            conv2: conv3([channels; 2], 1, device),
        }
    }

    fn forward(&self, sample: Tensor<4>) -> Tensor<4> {
        let active = |norm, sample| Activation::Silu.after_norm(norm, sample);
        let hidden = conv2d(&self.conv1, active(&self.norm1, sample.clone()));
        sample + conv2d(&self.conv2, active(&self.norm2, hidden))
    }
}

/// A level: its sample has half the sides of the one before.
#[derive(Module, Debug)]
pub(crate) struct Level {
    down: Conv2d,
    resnets: Vec<Residual>,
}

impl Level {
    pub(crate) fn new(channels: [usize; 2], layers: usize, groups: usize, device: &Device) -> Self {
        let residual = |_| Residual::new(channels[1], groups, device);
        Self {
            down: conv3(channels, 2, device),
            resnets: (0..layers).map(residual).collect(),
        }
    }

    /// # Shapes
    /// `[batch, from, height, width]` to `[batch, to, height / 2, width / 2]`.
    pub(crate) fn forward(&self, sample: Tensor<4>) -> Tensor<4> {
        let sample = conv2d(&self.down, sample);
        let resnets = self.resnets.iter();
        resnets.fold(sample, |sample, resnet| resnet.forward(sample))
    }
}
