//! Attention with several heads, of a sample to itself or to a text.

use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;

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
        let linear = |from| LinearConfig::new(from, width).with_bias(bias).init(device);
        Self {
            to_q: linear(width),
            to_k: linear(context),
            to_v: linear(context),
            to_out: vec![LinearConfig::new(width, width).init(device)],
            heads,
        }
    }

    /// Keys and values of what is looked at: for a text, the same at every step.
    ///
    /// # Shapes
    /// `context`: `[batch, tokens, numbers]`.
    pub(crate) fn project(&self, context: Tensor<3>) -> KeysValues {
        let keys = self.parted(self.to_k.forward(context.clone()));
        let values = self.parted(self.to_v.forward(context));
        (keys, values)
    }

    /// # Shapes
    /// `hidden`: `[batch, tokens, width]`, in and out.
    pub(crate) fn forward(&self, hidden: Tensor<3>, (keys, values): KeysValues) -> Tensor<3> {
        let [batch, tokens, width] = hidden.dims();
        let queries = self.parted(self.to_q.forward(hidden));
        let options = AttentionModuleOptions::default();
        let attended = attention(queries, keys, values, None, None, options);
        let joined = attended.swap_dims(1, 2).reshape([batch, tokens, width]);
        self.to_out
            .iter()
            .fold(joined, |joined, linear| linear.forward(joined))
    }

    fn parted(&self, projected: Tensor<3>) -> Tensor<4> {
        let [batch, tokens, width] = projected.dims();
        projected
            .reshape([batch, tokens, self.heads, width / self.heads])
            .swap_dims(1, 2)
    }
}
