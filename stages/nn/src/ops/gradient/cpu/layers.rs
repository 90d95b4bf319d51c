//! Linear layers and convolutions on their way back.

use burn::backend::ops::{ConvOptions, FloatTensorOps, ModuleOps};
use burn::backend::{Flex, TensorMetadata as _};
use burn::prelude::*;
use ccsr_kernels::convolution::conv::{self, Conv2d};
use ccsr_kernels::convolution::{linear, weight_grad};

use super::{Rule, like};
use crate::ops::composed;
use crate::ops::extension::{self as kernels, Flat, made};

/// A linear layer; its bias is not needed again.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    pub(super) input: Flat,
    pub(super) weight: Flat,
}

impl Rule<3> for Linear {
    fn gradients(self, grad: Flat, wanted: [bool; 3]) -> [Option<Flat>; 3] {
        let [inputs, outputs] = self.weight.shape().dims::<2>();
        let grad = grad.to_contiguous();
        let of_input = wanted[0].then(|| {
            let (weight, layout) = kernels::weight_as_it_lies(&self.weight);
            let shape = self.input.shape();
            let mut out = vec![0.0; shape.num_elements()];
            linear::linear_input_grad(
                grad.storage::<f32>(),
                kernels::weights_of(&weight),
                layout,
                (inputs, outputs),
                &mut out,
            );
            made(out, shape)
        });
        let rows = grad.shape().num_elements() / outputs.max(1);
        let flat =
            |tensor: &Flat, width| Flex::float_reshape(tensor.clone(), Shape::from([rows, width]));
        let of_weight = wanted[1].then(|| {
            let turned = Flex::float_swap_dims(flat(&self.input, inputs), 0, 1);
            like(
                Flex::float_matmul(turned, flat(&grad, outputs)),
                &self.weight,
            )
        });
        let of_bias = wanted[2].then(|| {
            let sum = Flex::float_sum_dim(flat(&grad, outputs), 0);
            Flex::float_reshape(sum, Shape::from([outputs]))
        });
        [of_input, of_weight, of_bias]
    }
}

/// A convolution.
#[derive(Clone, Debug)]
pub(super) struct Convolution {
    pub(super) inputs: [Flat; 3],
    pub(super) stride: usize,
    pub(super) before: usize,
    pub(super) after: usize,
}

impl Convolution {
    /// Whether the kernel goes back through such a convolution.
    fn by_kernel(&self, kernel: usize) -> bool {
        matches!(
            (kernel, self.stride, self.before, self.after),
            (1, 1, 0, 0) | (3, 1 | 2, 1, 1) | (3, 2, 0, 1)
        )
    }
}

impl Rule<3> for Convolution {
    fn gradients(self, grad: Flat, wanted: [bool; 3]) -> [Option<Flat>; 3] {
        let [_, _, kernel, _] = self.inputs[1].shape().dims::<4>();
        let by_kernel = self.by_kernel(kernel);
        let [input, weight, bias] = self.inputs;
        let grad = grad.to_contiguous();
        let [batch, inputs, height, width] = input.shape().dims::<4>();
        let [outputs, ..] = weight.shape().dims::<4>();
        // Uneven padding is not Burn's to know: the input is padded before.
        let (padded, padding, cut) = if self.before == self.after {
            (input.clone(), self.before, 0)
        } else {
            let sides = [(self.before, self.after); 2];
            (
                composed::padded::<Flex>(input.clone(), sides),
                0,
                self.before,
            )
        };
        let options = ConvOptions::new([self.stride; 2], [padding; 2], [1, 1], 1);
        let conv = Conv2d {
            inputs,
            outputs,
            kernel,
            stride: self.stride,
            pad_before: self.before,
            pad_after: self.after,
        };
        let of_input = wanted[0].then(|| {
            if by_kernel {
                let weight = weight.to_contiguous();
                let mut out = vec![0.0; batch * inputs * height * width];
                conv::conv2d_input_grad(
                    grad.storage::<f32>(),
                    kernels::weights_of(&weight),
                    conv,
                    (height, width),
                    &mut out,
                );
                return made(out, [batch, inputs, height, width]);
            }
            let all = Flex::conv2d_x_backward(
                padded.clone(),
                composed::cast::<Flex>(weight.clone(), grad.dtype()),
                grad.clone(),
                options.clone(),
            );
            let inner = [
                (0..batch).into(),
                (0..inputs).into(),
                (cut..cut + height).into(),
                (cut..cut + width).into(),
            ];
            Flex::float_slice(all, &inner)
        });
        let of_weight = wanted[1].then(|| {
            let mut out = vec![0.0; weight.shape().num_elements()];
            weight_grad::conv2d_weight_grad(
                input.to_contiguous().storage::<f32>(),
                grad.storage::<f32>(),
                conv,
                (height, width),
                &mut out,
            );
            like(made(out, weight.shape()), &weight)
        });
        let of_bias = wanted[2].then(|| {
            let [.., high, wide] = grad.shape().dims::<4>();
            let sums = weight_grad::conv2d_bias_grad(grad.storage::<f32>(), outputs, high * wide);
            like(made(sums, bias.shape()), &bias)
        });
        [of_input, of_weight, of_bias]
    }
}
