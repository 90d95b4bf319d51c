//! Residual networks, and the convolutions that halve and double a sample.

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{GroupNorm, GroupNormConfig, LinearConfig, PaddingConfig2d};
use burn::prelude::*;
use ccsr_nn::{Activation, Adaptable, AdaptedConv2d, AdaptedLinear, Sites, ops};

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
    conv1: AdaptedConv2d,
    time_emb_proj: Option<AdaptedLinear>,
    norm2: GroupNorm,
    conv2: AdaptedConv2d,
    conv_shortcut: Option<AdaptedConv2d>,
    #[module(skip)]
    activation: Activation,
}

impl Resnet {
    pub(crate) fn new([from, to]: [usize; 2], size: ResnetSize, device: &Device) -> Self {
        let norm = |channels| group_norm(size.groups, channels, size.epsilon, device);
        Self {
            norm1: norm(from),
            conv1: conv3([from, to], device).into(),
            time_emb_proj: size
                .time
                .map(|time| LinearConfig::new(time, to).init(device).into()),
            norm2: norm(to),
            conv2: conv3([to, to], device).into(),
            conv_shortcut: (from != to).then(|| conv1([from, to], device).into()),
            activation: size.activation,
        }
    }

    /// # Shapes
    /// `sample`: `[batch, channels, height, width]`; `time`: `[batch, numbers]`.
    pub(crate) fn forward(&self, sample: Tensor<4>, time: Option<Tensor<2>>) -> Tensor<4> {
        let active = |norm: &GroupNorm, sample| self.activation.after_norm(norm, sample);
        let mut hidden = self.conv1.forward(active(&self.norm1, sample.clone()));
        if let (Some(projection), Some(time)) = (&self.time_emb_proj, time) {
            let time = projection.forward(self.activation.forward(time));
            let [batch, channels] = time.dims();
            hidden = hidden + time.reshape([batch, channels, 1, 1]);
        }
        let hidden = self.conv2.forward(active(&self.norm2, hidden));
        let carried = match &self.conv_shortcut {
            Some(shortcut) => shortcut.forward(sample),
            None => sample,
        };
        carried + hidden
    }
}

impl Adaptable for Resnet {
    fn find_sites<'a>(&'a mut self, sites: &mut Sites<'a>) {
        sites.conv2d("conv1", &mut self.conv1);
        sites.conv2d("conv2", &mut self.conv2);
        if let Some(projection) = &mut self.time_emb_proj {
            sites.linear("time_emb_proj", projection);
        }
        if let Some(shortcut) = &mut self.conv_shortcut {
            sites.conv2d("conv_shortcut", shortcut);
        }
    }
}

impl Adaptable for Downsample {
    fn find_sites<'a>(&'a mut self, sites: &mut Sites<'a>) {
        sites.conv2d("conv", &mut self.conv);
    }
}

impl Adaptable for Upsample {
    fn find_sites<'a>(&'a mut self, sites: &mut Sites<'a>) {
        sites.conv2d("conv", &mut self.conv);
    }
}

/// Halves a sample's sides.
#[derive(Module, Debug)]
pub(crate) struct Downsample {
    conv: AdaptedConv2d,
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
                .init(device)
                .into(),
        }
    }

    pub(crate) fn forward(&self, sample: Tensor<4>) -> Tensor<4> {
        self.conv.forward(sample)
    }
}

/// Enlarges a sample, each cell to its nearest ones, and smooths it.
#[derive(Module, Debug)]
pub(crate) struct Upsample {
    conv: AdaptedConv2d,
}

impl Upsample {
    pub(crate) fn new(channels: usize, device: &Device) -> Self {
        Self {
            conv: conv3([channels; 2], device).into(),
        }
    }

    /// To twice its sides, or to the sides given: those of a sample whose sides were odd.
    pub(crate) fn forward(&self, sample: Tensor<4>, sides: Option<[usize; 2]>) -> Tensor<4> {
        let [_, _, height, width] = sample.dims();
        let sides = sides.unwrap_or([height * 2, width * 2]);
        self.conv.forward(enlarged(sample, sides))
    }
}

/// A sample with these sides: each cell is what its nearest one was.
pub(crate) fn enlarged(sample: Tensor<4>, [high, wide]: [usize; 2]) -> Tensor<4> {
    let [_, _, height, width] = sample.dims();
    if [high, wide] == [2 * height, 2 * width] {
        return ops::double(sample);
    }
    let device = sample.device();
    let nearest = |from: usize, to: usize| {
        let places: Vec<i64> = (0..to).map(|place| (place * from / to) as i64).collect();
        Tensor::<1, Int>::from_data(TensorData::new(places, [to]), &device)
    };
    sample
        .select(2, nearest(height, high))
        .select(3, nearest(width, wide))
}
