//! Layer normalisation (Ba et al., 2016) as a layer.

use burn::module::{Initializer, Module, Param};
use burn::prelude::*;

use crate::ops;

/// Normalises rows by their mean and variance, in single precision whatever the numbers are.
#[derive(Module, Debug)]
pub struct LayerNorm {
    gamma: Param<Tensor<1>>,
    beta: Param<Tensor<1>>,
    #[module(skip)]
    epsilon: f64,
}

impl LayerNorm {
    /// A layer of so many numbers that lets normalised rows pass as they are.
    pub fn new(width: usize, epsilon: f64, device: &Device) -> Self {
        Self {
            gamma: Initializer::Ones.init([width], device),
            beta: Initializer::Zeros.init([width], device),
            epsilon,
        }
    }

    /// # Shapes
    /// `[.., width]`, in and out.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        ops::layer_norm(input, self.gamma.val(), self.beta.val(), self.epsilon)
    }
}
