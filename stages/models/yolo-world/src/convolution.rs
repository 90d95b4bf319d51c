//! A convolution with what follows it.

use burn::module::Param;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::prelude::*;
use burn::tensor::DType;
use ccsr_nn::Activation;
use ccsr_nn::ops::conv2d;

use crate::normalisation::BatchNorm;

/// A convolution, normalisation, and SiLU if it is active.
#[derive(Module, Debug)]
pub(crate) struct Conv {
    conv: Conv2d,
    /// None once it is folded into the convolution.
    bn: Option<BatchNorm>,
    #[module(skip)]
    active: bool,
}

impl Conv {
    /// Of an odd kernel, which keeps the sides but for the stride.
    pub(crate) fn new(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Self {
        let pad = kernel / 2;
        Self {
            conv: Conv2dConfig::new(channels, [kernel; 2])
                .with_stride([stride; 2])
                .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
                .with_bias(false)
                .init(device),
            bn: Some(BatchNorm::new(channels[1], device)),
            active: true,
        }
    }

    /// Without SiLU.
    pub(crate) fn inactive(self) -> Self {
        Self {
            active: false,
            ..self
        }
    }

    /// Its outputs' channels.
    pub(crate) fn outputs(&self) -> usize {
        self.conv.weight.dims()[0]
    }

    /// Its normalisation, unless that is folded into it.
    pub(crate) fn norm(&mut self) -> Option<&mut BatchNorm> {
        self.bn.as_mut()
    }

    /// Makes it a convolution alone, if it does not go by the statistics of batches.
    pub(crate) fn fold(&mut self) {
        let Some([factor, shift]) = self.bn.as_ref().and_then(BatchNorm::affine) else {
            return;
        };
        let outputs = factor.dims()[0];
        let weight = self.conv.weight.val().cast(DType::F32);
        let weight = weight * factor.reshape([outputs, 1, 1, 1]);
        self.conv.weight = Param::from_tensor(weight);
        self.conv.bias = Some(Param::from_tensor(shift));
        self.bn = None;
    }

    /// # Shapes
    /// `[batch, inputs, height, width]` to `[batch, outputs, height / stride, width / stride]`, rounded up.
    pub(crate) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let output = conv2d(&self.conv, input);
        match &self.bn {
            Some(norm) => norm.forward(output, self.active),
            None if self.active => Activation::Silu.forward(output),
            None => output,
        }
    }
}
