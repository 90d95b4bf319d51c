//! Residual networks, and the convolutions that halve and double a sample.

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{GroupNorm, GroupNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::prelude::*;
use ccsr_nn::Activation;
use ccsr_nn::ops::{conv2d, linear};

/// What residual networks of one model have in common.
#[derive(Clone, Copy)]
pub(crate) struct ResnetSize {
    /// Numbers of a timestep's embedding; none where there are no timesteps.
    pub(crate) time: Option<usize>,
    pub(crate) groups: usize,
    pub(crate) epsilon: f64,
    pub(crate) activation: Activation,
}

/// A convolution of 3 x 3 that keeps the sample's size.
pub(crate) fn conv3(channels: [usize; 2], device: &Device) -> Conv2d {
    Conv2dConfig::new(channels, [3, 3])
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        .init(device)
}

/// A convolution of 1 x 1.
pub(crate) fn conv1(channels: [usize; 2], device: &Device) -> Conv2d {
    Conv2dConfig::new(channels, [1, 1]).init(device)
}

pub(crate) fn group_norm(
    groups: usize,
    channels: usize,
    epsilon: f64,
    device: &Device,
) -> GroupNorm {
    GroupNormConfig::new(groups, channels)
        .with_epsilon(epsilon)
        .init(device)
}

/// Norm, activation, convolution, twice, around which the input is carried.
#[derive(Module, Debug)]
pub(crate) struct Resnet {
    norm1: GroupNorm,
    conv1: Conv2d,
    time_emb_proj: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
    #[module(skip)]
    activation: Activation,
}

impl Resnet {
    pub(crate) fn new([from, to]: [usize; 2], size: ResnetSize, device: &Device) -> Self {
        let norm = |channels| group_norm(size.groups, channels, size.epsilon, device);
        Self {
            norm1: norm(from),
            conv1: conv3([from, to], device),
            time_emb_proj: size
                .time
                .map(|time| LinearConfig::new(time, to).init(device)),
            norm2: norm(to),
            conv2: conv3([to, to], device),
            conv_shortcut: (from != to).then(|| conv1([from, to], device)),
            activation: size.activation,
        }
    }

    /// # Shapes
    /// `sample`: `[batch, channels, height, width]`; `time`: `[batch, numbers]`.
    pub(crate) fn forward(&self, sample: Tensor<4>, time: Option<Tensor<2>>) -> Tensor<4> {
        let active = |norm: &GroupNorm, sample| self.activation.after_norm(norm, sample);
        let mut hidden = conv2d(&self.conv1, active(&self.norm1, sample.clone()));
        if let (Some(projection), Some(time)) = (&self.time_emb_proj, time) {
            let time = linear(projection, self.activation.forward(time));
            let [batch, channels] = time.dims();
            hidden = hidden + time.reshape([batch, channels, 1, 1]);
        }
        let hidden = conv2d(&self.conv2, active(&self.norm2, hidden));
        let carried = match &self.conv_shortcut {
            Some(shortcut) => conv2d(shortcut, sample),
            None => sample,
        };
        carried + hidden
    }
}

/// Halves a sample's sides.
#[derive(Module, Debug)]
pub(crate) struct Downsample {
    conv: Conv2d,
}

impl Downsample {
    /// With padding all around, or right and below alone.
    pub(crate) fn new(channels: usize, all_around: bool, device: &Device) -> Self {
        let padding = if all_around {
            PaddingConfig2d::Explicit(1, 1, 1, 1)
        } else {
            PaddingConfig2d::Explicit(0, 0, 1, 1)
        };
        Self {
            conv: Conv2dConfig::new([channels; 2], [3, 3])
                .with_stride([2, 2])
                .with_padding(padding)
                .init(device),
        }
    }

    pub(crate) fn forward(&self, sample: Tensor<4>) -> Tensor<4> {
        conv2d(&self.conv, sample)
    }
}

/// Enlarges a sample, each cell to its nearest ones, and smooths it.
#[derive(Module, Debug)]
pub(crate) struct Upsample {
    conv: Conv2d,
}

impl Upsample {
    pub(crate) fn new(channels: usize, device: &Device) -> Self {
        Self {
            conv: conv3([channels; 2], device),
        }
    }

    /// To twice its sides, or to the sides given: those of a sample whose sides were odd.
    pub(crate) fn forward(&self, sample: Tensor<4>, sides: Option<[usize; 2]>) -> Tensor<4> {
        let [_, _, height, width] = sample.dims();
        let sides = sides.unwrap_or([height * 2, width * 2]);
        conv2d(&self.conv, enlarged(sample, sides))
    }
}

/// A sample with these sides: each cell is what its nearest one was.
pub(crate) fn enlarged(sample: Tensor<4>, [high, wide]: [usize; 2]) -> Tensor<4> {
    let [_, _, height, width] = sample.dims();
    let device = sample.device();
    let nearest = |from: usize, to: usize| {
        let places: Vec<i64> = (0..to).map(|place| (place * from / to) as i64).collect();
        Tensor::<1, Int>::from_data(TensorData::new(places, [to]), &device)
    };
    sample
        .select(2, nearest(height, high))
        .select(3, nearest(width, wide))
}
