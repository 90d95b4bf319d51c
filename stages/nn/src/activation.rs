//! Activations, by the names that configurations call them.

use burn::prelude::*;
use burn::tensor::activation;
use serde::{Deserialize, Serialize};

/// What a network does to each number between two layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// x·Φ(x), with the error function (Hendrycks and Gimpel, 2016).
    #[serde(rename = "gelu")]
    Gelu,
    /// x·σ(1.702·x), what OpenAI trained CLIP with.
    #[serde(rename = "quick_gelu")]
    QuickGelu,
    /// GELU by way of tanh.
    #[serde(rename = "gelu_new", alias = "gelu_pytorch_tanh")]
    GeluTanh,
    /// x·σ(x).
    #[serde(rename = "silu", alias = "swish")]
    Silu,
    /// max(x, 0).
    #[serde(rename = "relu")]
    Relu,
}

/// The factor in [`Activation::QuickGelu`].
const QUICK: f64 = 1.702;

impl Activation {
    /// The activation of each number.
    ///
    /// # Shapes
    /// Any; the same comes out.
    pub fn forward<const D: usize>(self, input: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Gelu => activation::gelu(input),
            Self::QuickGelu => {
                let gate = activation::sigmoid(input.clone().mul_scalar(QUICK));
                input * gate
            }
            Self::GeluTanh => activation::gelu_approximate(input),
            Self::Silu => activation::silu(input),
            Self::Relu => activation::relu(input),
        }
    }
}
