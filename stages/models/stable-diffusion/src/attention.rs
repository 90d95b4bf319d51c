//! Attention with several heads, of a sample to itself or to a text.

use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::DType;
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
    #[module(skip)]
    upcast: bool,
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
            upcast: false,
        }
    }

    /// The same, computed in single precision if `upcast`, whatever the numbers are.
    pub(crate) fn upcast(mut self, upcast: bool) -> Self {
        self.upcast = upcast;
        self
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
        let dtype = queries.dtype();
        let wide = |heads: Tensor<4>| {
            if self.upcast {
                heads.cast(DType::F32)
            } else {
                heads
            }
        };
        let joined = attend(wide(queries), wide(keys), wide(values), false).cast(dtype);
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
