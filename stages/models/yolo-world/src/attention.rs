//! Blocks of the neck, which look at the vocabulary.

use burn::module::Param;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::activation::sigmoid;
use ccsr_nn::ops::linear;

use crate::block::{Bottleneck, states};
use crate::convolution::Conv;

/// Max-sigmoid attention: each place is scaled, a head at a time, by how well the class fits it that fits it best.
#[derive(Module, Debug)]
pub(crate) struct MaxSigmoidAttention {
    gl: Linear,
    bias: Param<Tensor<1>>,
    proj_conv: Conv,
    #[module(skip)]
    heads: usize,
}

impl MaxSigmoidAttention {
    pub(crate) fn new(channels: usize, heads: usize, texts: usize, device: &Device) -> Self {
        Self {
            gl: LinearConfig::new(texts, channels).init(device),
            bias: Initializer::Zeros.init([heads], device),
            proj_conv: Conv::new([channels; 2], 3, 1, device).inactive(),
            heads,
        }
    }

    /// What texts mean to this block.
    ///
    /// # Shapes
    /// `[classes, text_width]` to `[1, heads, classes, head_dim]`.
    pub(crate) fn guide(&self, texts: &Tensor<2>) -> Tensor<4> {
        let guide = linear(&self.gl, texts.clone());
        let [classes, channels] = guide.dims();
        let head_dim = channels / self.heads;
        let guide = guide / (head_dim as f64).sqrt();
        guide
            .reshape([1, classes, self.heads, head_dim])
            .swap_dims(1, 2)
    }

    /// # Shapes
    /// `input`: `[batch, channels, height, width]`, and so is the output; `guide`: `[1, heads, classes, head_dim]`.
    pub(crate) fn forward(&self, input: Tensor<4>, guide: &Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = input.dims();
        let split = [batch, self.heads, channels / self.heads, height * width];
        let fits = guide.clone().matmul(input.clone().reshape(split));
        let best = fits.max_dim(2) + self.bias.val().reshape([1, -1, 1, 1]);
        let projected = self.proj_conv.forward(input).reshape(split);
        (projected * sigmoid(best)).reshape([batch, channels, height, width])
    }
}

/// Half the channels go through a row of bottlenecks and attention; all states together make the output.
#[derive(Module, Debug)]
pub(crate) struct C2fAttention {
    cv1: Conv,
    cv2: Conv,
    m: Vec<Bottleneck>,
    attn: MaxSigmoidAttention,
}

impl C2fAttention {
    /// For features of so many channels, and of so many numbers a text (`texts`).
    pub(crate) fn new(
        [from, to]: [usize; 2],
        count: usize,
        heads: usize,
        texts: usize,
        device: &Device,
    ) -> Self {
        let inner = to / 2;
        let row = (0..count).map(|_| Bottleneck::new(inner, false, device));
        Self {
            cv1: Conv::new([from, 2 * inner], 1, 1, device),
            cv2: Conv::new([(3 + count) * inner, to], 1, 1, device),
            m: row.collect(),
            attn: MaxSigmoidAttention::new(inner, heads, texts, device),
        }
    }

    pub(crate) fn convolutions(&mut self) -> impl Iterator<Item = &mut Conv> {
        let row = self.m.iter_mut().flat_map(Bottleneck::convolutions);
        let own = [&mut self.cv1, &mut self.cv2, &mut self.attn.proj_conv];
        own.into_iter().chain(row)
    }

    /// Whether a guide has this block's sizes.
    pub(crate) fn takes(&self, guide: &Tensor<4>) -> bool {
        let [_, heads, _, head_dim] = guide.dims();
        [heads, heads * head_dim] == [self.attn.heads, self.attn.proj_conv.outputs()]
    }

    /// What texts mean to this block: [`MaxSigmoidAttention::guide`].
    pub(crate) fn guide(&self, texts: &Tensor<2>) -> Tensor<4> {
        self.attn.guide(texts)
    }

    /// # Shapes
    /// `input`: `[batch, from, height, width]`; the output: `[batch, to, height, width]`; `guide` as
    /// [`guide`](Self::guide) made it.
    pub(crate) fn forward(&self, input: Tensor<4>, guide: &Tensor<4>) -> Tensor<4> {
        let (mut states, last) = states(&self.cv1, &self.m, input);
        states.push(self.attn.forward(last, guide));
        self.cv2.forward(Tensor::cat(states, 1))
    }
}
