//! Blocks of the backbone: rows of residual networks whose every state is kept, and pooling at several scales.

use burn::nn::PaddingConfig2d;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::prelude::*;

use crate::convolution::Conv;

/// Cells that pooling looks at, in each direction.
const POOL: usize = 5;
/// How often is pooled.
const POOLS: usize = 3;

/// Two convolutions, around which the input is carried in the backbone.
#[derive(Module, Debug)]
pub(crate) struct Bottleneck {
    cv1: Conv,
    cv2: Conv,
    #[module(skip)]
    carried: bool,
}

impl Bottleneck {
    pub(crate) fn new(channels: usize, carried: bool, device: &Device) -> Self {
        let conv = || Conv::new([channels; 2], 3, 1, device);
        Self {
            cv1: conv(),
            cv2: conv(),
            carried,
        }
    }

    pub(crate) fn convolutions(&mut self) -> impl Iterator<Item = &mut Conv> {
        [&mut self.cv1, &mut self.cv2].into_iter()
    }

    /// # Shapes
    /// `[batch, channels, height, width]`, in and out.
    pub(crate) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let hidden = self.cv2.forward(self.cv1.forward(input.clone()));
        if self.carried { input + hidden } else { hidden }
    }
}

/// Half the channels go through a row of bottlenecks; all states together make the output (C2f).
#[derive(Module, Debug)]
pub(crate) struct C2f {
    cv1: Conv,
    cv2: Conv,
    m: Vec<Bottleneck>,
}

impl C2f {
    pub(crate) fn new([from, to]: [usize; 2], count: usize, device: &Device) -> Self {
        let inner = to / 2;
        let row = (0..count).map(|_| Bottleneck::new(inner, true, device));
        Self {
            cv1: Conv::new([from, 2 * inner], 1, 1, device),
            cv2: Conv::new([(2 + count) * inner, to], 1, 1, device),
            m: row.collect(),
        }
    }

    pub(crate) fn convolutions(&mut self) -> impl Iterator<Item = &mut Conv> {
        let row = self.m.iter_mut().flat_map(Bottleneck::convolutions);
        [&mut self.cv1, &mut self.cv2].into_iter().chain(row)
    }

    /// # Shapes
    /// `[batch, from, height, width]` to `[batch, to, height, width]`.
    pub(crate) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let (states, _) = states(&self.cv1, &self.m, input);
        self.cv2.forward(Tensor::cat(states, 1))
    }
}

/// The states of a row of blocks that half the channels of a convolution go through, and the last of them.
pub(crate) fn states(
    first: &Conv,
    row: &[Bottleneck],
    input: Tensor<4>,
) -> (Vec<Tensor<4>>, Tensor<4>) {
    let both = first.forward(input);
    let half = both.dims()[1] / 2;
    let mut last = both.clone().narrow(1, half, half);
    let mut states = vec![both];
    for block in row {
        last = block.forward(last);
        states.push(last.clone());
    }
    (states, last)
}

/// Pooling over and over: what there is around a cell, at several scales (SPPF).
#[derive(Module, Debug)]
pub(crate) struct Sppf {
    cv1: Conv,
    cv2: Conv,
    pool: MaxPool2d,
}

impl Sppf {
    pub(crate) fn new([from, to]: [usize; 2], device: &Device) -> Self {
        let (inner, pad) = (from / 2, POOL / 2);
        Self {
            cv1: Conv::new([from, inner], 1, 1, device),
            cv2: Conv::new([(POOLS + 1) * inner, to], 1, 1, device),
            pool: MaxPool2dConfig::new([POOL; 2])
                .with_strides([1, 1])
                .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
                .init(),
        }
    }

    pub(crate) fn convolutions(&mut self) -> impl Iterator<Item = &mut Conv> {
        [&mut self.cv1, &mut self.cv2].into_iter()
    }

    /// # Shapes
    /// `[batch, from, height, width]` to `[batch, to, height, width]`.
    pub(crate) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let mut states = vec![self.cv1.forward(input)];
        for pooled in 0..POOLS {
            states.push(self.pool.forward(states[pooled].clone()));
        }
        self.cv2.forward(Tensor::cat(states, 1))
    }
}
