//! Attention with several heads, of a sample to itself or to a text.

use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;
use ccsr_nn::ops::{attend, linear};

/// Keys and values, parted into heads: `[batch, heads, tokens, numbers]`.
pub(crate) type KeysValues = (Tensor<4>, Tensor<4>);

/// Attention.
#[derive(Module, Debug)]
pub(crate) struct Attention {
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    // The second would be dropout.
    to_out: Vec<Linear>,
    #[module(skip)]
    heads: usize,
}

impl Attention {
    /// `context` is how many numbers a token has that is looked at; `bias` is of queries, keys and
    /// values.
    pub(crate) fn new(
        width: usize,
        context: usize,
        heads: usize,
        bias: bool,
        device: &Device,
    ) -> Self {
        let layer = |from| LinearConfig::new(from, width).with_bias(bias).init(device);
        Self {
            to_q: layer(width),
            to_k: layer(context),
            to_v: layer(context),
            to_out: vec![LinearConfig::new(width, width).init(device)],
            heads,
        }
    }

    /// Keys and values of what is looked at: for a text, the same at every step.
    ///
    /// # Shapes
    /// `context`: `[batch, tokens, numbers]`.
    pub(crate) fn project(&self, context: Tensor<3>) -> KeysValues {
        let keys = self.parted(linear(&self.to_k, context.clone()));
        let values = self.parted(linear(&self.to_v, context));
        (keys, values)
    }

    /// # Shapes
    /// `hidden`: `[batch, tokens, width]`, in and out.
    pub(crate) fn forward(&self, hidden: Tensor<3>, (keys, values): KeysValues) -> Tensor<3> {
        let queries = self.parted(linear(&self.to_q, hidden));
        let joined = attend(queries, keys, values, false);
        self.to_out
            .iter()
            .fold(joined, |joined, layer| linear(layer, joined))
    }

    fn parted(&self, projected: Tensor<3>) -> Tensor<4> {
        let [batch, tokens, width] = projected.dims();
        projected
            .reshape([batch, tokens, self.heads, width / self.heads])
            .swap_dims(1, 2)
    }
}
