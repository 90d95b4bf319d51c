//! A convolution with what follows it, and the normalisation that is folded into it.

use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, PaddingConfig2d};
use burn::prelude::*;
use burn::tensor::DType;
use ccsr_nn::Activation;
use ccsr_nn::ops::conv2d;

/// ε of all normalisations: not PyTorch's 1e-5.
const EPSILON: f64 = 1e-3;

/// Batch normalisation (Ioffe and Szegedy, 2015) by the statistics of training: a factor and a shift a channel.
#[derive(Module, Debug)]
pub(crate) struct BatchNorm {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    running_mean: Param<Tensor<1>>,
    running_var: Param<Tensor<1>>,
}

impl BatchNorm {
    pub(crate) fn new(channels: usize, device: &Device) -> Self {
        let ones = || Initializer::Ones.init([channels], device);
        let zeros = || Initializer::Zeros.init([channels], device);
        Self {
            weight: ones(),
            bias: zeros(),
            running_mean: zeros(),
            running_var: ones(),
        }
    }

    /// The factor and the shift, `[channels]`.
    pub(crate) fn affine(&self) -> [Tensor<1>; 2] {
        let factor = self.weight.val() / (self.running_var.val() + EPSILON).sqrt();
        let shift = self.bias.val() - self.running_mean.val() * factor.clone();
        [factor, shift]
    }
}

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

    /// The same, as a convolution alone.
    pub(crate) fn fold(mut self) -> Self {
        let Some(norm) = self.bn.take() else {
            return self;
        };
        let [factor, shift] = norm.affine();
        let outputs = factor.dims()[0];
        let weight = self.conv.weight.val().cast(DType::F32);
        let weight = weight * factor.reshape([outputs, 1, 1, 1]);
        self.conv.weight = Param::from_tensor(weight);
        self.conv.bias = Some(Param::from_tensor(shift));
        self
    }

    /// # Shapes
    /// `[batch, inputs, height, width]` to `[batch, outputs, height / stride, width / stride]`, rounded up.
    pub(crate) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let output = conv2d(&self.conv, input);
        let output = match &self.bn {
            None => output,
            Some(norm) => {
                let [factor, shift] = norm.affine().map(|of| of.reshape([1, -1, 1, 1]));
                output * factor + shift
            }
        };
        if self.active {
            Activation::Silu.forward(output)
        } else {
            output
        }
    }
}
