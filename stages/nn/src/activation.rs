//! Activations, by the names that configurations call them.

use burn::nn::GroupNorm;
use burn::prelude::*;
use burn::tensor::activation;
use serde::{Deserialize, Serialize};

use crate::ops::{self, group_norm};

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

impl Activation {
    /// The activation of each number.
    ///
    /// # Shapes
    /// Any; the same comes out.
    pub fn forward<const D: usize>(self, input: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Gelu => ops::gelu(input),
            Self::QuickGelu => ops::quick_gelu(input),
            Self::GeluTanh => activation::gelu_approximate(input),
            Self::Silu => ops::silu(input),
            Self::Relu => activation::relu(input),
        }
    }

    /// The activation of group-normalised numbers: SiLU is done in the same walk.
    ///
    /// # Shapes
    /// `[batch, channels, height, width]`, in and out.
    pub fn after_norm(self, norm: &GroupNorm, input: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Silu => group_norm(norm, input, true),
            other => other.forward(group_norm(norm, input, false)),
        }
    }
}
