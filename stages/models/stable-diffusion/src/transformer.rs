//! Transformers over the cells of a sample: they look at the sample and at the text.

use std::slice::Iter;

use burn::nn::{GroupNorm, LinearConfig};
use burn::prelude::*;
use ccsr_nn::{Adaptable, AdaptedConv2d, AdaptedLinear, LayerNorm, Sites, ops};

use crate::attention::{Attention, KeysValues};
use crate::resnet::{conv1, group_norm};

/// ε of a transformer's first norm, which is not the residual networks'.
const EPSILON: f64 = 1e-6;
/// ε of the norms of its blocks.
const BLOCK_EPSILON: f64 = 1e-5;
/// Feed-forward networks are so much wider inside.
const WIDER: usize = 4;

/// The size of a transformer.
#[derive(Clone, Copy)]
pub(crate) struct TransformerSize {
    pub(crate) width: usize,
    pub(crate) heads: usize,
    /// Numbers a token of the text.
    pub(crate) context: usize,
    pub(crate) groups: usize,
    pub(crate) linear: bool,
    /// Whether the first attention looks at the text, too.
    pub(crate) only_context: bool,
    /// Whether attention is computed in single precision, whatever the rest is.
    pub(crate) upcast: bool,
}

/// A transformer of one block.
#[derive(Module, Debug)]
pub(crate) struct Transformer {
    norm: GroupNorm,
    proj_in: Projection,
    transformer_blocks: Vec<TransformerBlock>,
    proj_out: Projection,
}

/// The way into a transformer and out of it.
#[derive(Module, Debug)]
enum Projection {
    Linear(AdaptedLinear),
    Convolution(AdaptedConv2d),
}

impl Projection {
    fn new(width: usize, linear: bool, device: &Device) -> Self {
        if linear {
            Self::Linear(LinearConfig::new(width, width).init(device).into())
        } else {
            Self::Convolution(conv1([width; 2], device).into())
        }
    }
}

/// `[batch, channels, height, width]` as `[batch, height * width, channels]`.
fn tokens(sample: Tensor<4>) -> Tensor<3> {
    let [batch, channels, height, width] = sample.dims();
    sample
        .reshape([batch, channels, height * width])
        .swap_dims(1, 2)
}

/// The way back.
fn cells(tokens: Tensor<3>, [height, width]: [usize; 2]) -> Tensor<4> {
    let [batch, _, channels] = tokens.dims();
    tokens
        .swap_dims(1, 2)
        .reshape([batch, channels, height, width])
}

impl Transformer {
    pub(crate) fn new(size: TransformerSize, device: &Device) -> Self {
        Self {
            norm: group_norm(size.groups, size.width, EPSILON, device),
            proj_in: Projection::new(size.width, size.linear, device),
            transformer_blocks: vec![TransformerBlock::new(size, device)],
            proj_out: Projection::new(size.width, size.linear, device),
        }
    }

    /// Appends the keys and values of a text, in the order in which [`forward`](Self::forward) wants
    /// them.
    pub(crate) fn project(&self, context: &Tensor<3>, found: &mut Vec<KeysValues>) {
        for block in &self.transformer_blocks {
            if block.only_context {
                found.push(block.attn1.project(context.clone()));
            }
            found.push(block.attn2.project(context.clone()));
        }
    }

    /// # Shapes
    /// `sample`: `[batch, channels, height, width]`, in and out.
    pub(crate) fn forward(&self, sample: Tensor<4>, text: &mut Iter<'_, KeysValues>) -> Tensor<4> {
        let [_, _, height, width] = sample.dims();
        let normal = ops::group_norm(&self.norm, sample.clone(), false);
        let hidden = match &self.proj_in {
            Projection::Linear(linear) => linear.forward(tokens(normal)),
            Projection::Convolution(conv) => tokens(conv.forward(normal)),
        };
        let blocks = self.transformer_blocks.iter();
        let hidden = blocks.fold(hidden, |hidden, block| block.forward(hidden, text));
        let out = match &self.proj_out {
            Projection::Linear(linear) => cells(linear.forward(hidden), [height, width]),
            Projection::Convolution(conv) => conv.forward(cells(hidden, [height, width])),
        };
        out + sample
    }
}

#[derive(Module, Debug)]
struct TransformerBlock {
    norm1: LayerNorm,
    attn1: Attention,
    norm2: LayerNorm,
    attn2: Attention,
    norm3: LayerNorm,
    ff: FeedForward,
    #[module(skip)]
    only_context: bool,
}

impl TransformerBlock {
    fn new(size: TransformerSize, device: &Device) -> Self {
        let norm = || LayerNorm::new(size.width, BLOCK_EPSILON, device);
        let first = if size.only_context {
            size.context
        } else {
            size.width
        };
        let attention = |context| {
            Attention::new(size.width, context, size.heads, false, device).upcast(size.upcast)
        };
        Self {
            norm1: norm(),
            attn1: attention(first),
            norm2: norm(),
            attn2: attention(size.context),
            norm3: norm(),
            ff: FeedForward::new(size.width, device),
            only_context: size.only_context,
        }
    }

    fn forward(&self, hidden: Tensor<3>, text: &mut Iter<'_, KeysValues>) -> Tensor<3> {
        let mut next = || {
            let keys_values = text.next();
            keys_values
                .expect("conditioning was made by the same network")
                .clone()
        };
        let normal = self.norm1.forward(hidden.clone());
        let seen = if self.only_context {
            next()
        } else {
            self.attn1.project(normal.clone())
        };
        let hidden = hidden + self.attn1.forward(normal, seen);
        let normal = self.norm2.forward(hidden.clone());
        let hidden = hidden + self.attn2.forward(normal, next());
        let normal = self.norm3.forward(hidden.clone());
        hidden + self.ff.forward(normal)
    }
}

/// A feed-forward network with a gate (GEGLU; Shazeer, 2020).
#[derive(Module, Debug)]
struct FeedForward {
    // `net.0.proj` and `net.2` in files.
    gated: AdaptedLinear,
    out: AdaptedLinear,
}

impl FeedForward {
    fn new(width: usize, device: &Device) -> Self {
        let inner = width * WIDER;
        Self {
            gated: LinearConfig::new(width, inner * 2).init(device).into(),
            out: LinearConfig::new(inner, width).init(device).into(),
        }
    }

    fn forward(&self, hidden: Tensor<3>) -> Tensor<3> {
        let inner = ops::geglu(self.gated.forward(hidden));
        self.out.forward(inner)
    }
}

impl Adaptable for Transformer {
    fn find_sites<'a>(&'a mut self, sites: &mut Sites<'a>) {
        let projections = [
            ("proj_in", &mut self.proj_in),
            ("proj_out", &mut self.proj_out),
        ];
        for (name, projection) in projections {
            match projection {
                Projection::Linear(layer) => sites.linear(name, layer),
                Projection::Convolution(layer) => sites.conv2d(name, layer),
            }
        }
        sites.parts("transformer_blocks", &mut self.transformer_blocks);
    }
}

impl Adaptable for TransformerBlock {
    fn find_sites<'a>(&'a mut self, sites: &mut Sites<'a>) {
        sites.part("attn1", &mut self.attn1);
        sites.part("attn2", &mut self.attn2);
        sites.linear("ff.net.0.proj", &mut self.ff.gated);
        sites.linear("ff.net.2", &mut self.ff.out);
    }
}
