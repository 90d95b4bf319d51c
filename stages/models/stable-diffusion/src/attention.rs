//! Attention with several heads, of a sample to itself or to a text.

use burn::nn::LinearConfig;
use burn::prelude::*;
use burn::tensor::DType;
use ccsr_nn::ops::attend;
use ccsr_nn::{Adaptable, AdaptedLinear, Sites};

/// Keys and values, parted into heads: `[batch, heads, tokens, numbers]`.
pub(crate) type KeysValues = (Tensor<4>, Tensor<4>);

/// Attention.
#[derive(Module, Debug)]
pub(crate) struct Attention {
    to_q: AdaptedLinear,
    to_k: AdaptedLinear,
    to_v: AdaptedLinear,
    // The second would be dropout.
    to_out: Vec<AdaptedLinear>,
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
        let layer = |from| -> AdaptedLinear {
            LinearConfig::new(from, width)
                .with_bias(bias)
                .init(device)
                .into()
        };
        Self {
            to_q: layer(width),
            to_k: layer(context),
            to_v: layer(context),
            to_out: vec![LinearConfig::new(width, width).init(device).into()],
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
        let keys = self.parted(self.to_k.forward(context.clone()));
        let values = self.parted(self.to_v.forward(context));
        (keys, values)
    }

    /// # Shapes
    /// `hidden`: `[batch, tokens, width]`, in and out.
    pub(crate) fn forward(&self, hidden: Tensor<3>, (keys, values): KeysValues) -> Tensor<3> {
        let queries = self.parted(self.to_q.forward(hidden));
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
            .fold(joined, |joined, layer| layer.forward(joined))
    }

    fn parted(&self, projected: Tensor<3>) -> Tensor<4> {
        let [batch, tokens, width] = projected.dims();
        projected
            .reshape([batch, tokens, self.heads, width / self.heads])
            .swap_dims(1, 2)
    }
}

impl Adaptable for Attention {
    fn find_sites<'a>(&'a mut self, sites: &mut Sites<'a>) {
        sites.linear("to_q", &mut self.to_q);
        sites.linear("to_k", &mut self.to_k);
        sites.linear("to_v", &mut self.to_v);
        for (index, layer) in self.to_out.iter_mut().enumerate() {
            sites.linear(&format!("to_out.{index}"), layer);
        }
    }
}
