//! The operations of language models in the graph of Burn's automatic differentiation: by our kernels on the CPU, by
//! primitives elsewhere and where a kernel does not take the numbers.

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::ops::FloatTensorOps as _;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Flex, TensorMetadata as _};
use burn::prelude::*;
use ccsr_kernels::{activation, gather, layer_norm, rotary};

use super::{LanguageKernels, composed};
use crate::ops::extension::{Flat, made, mapped, single};
use crate::ops::gradient::cpu::{Rule, attend, recorded};
use crate::ops::gradient::{Differentiable, Tracked};

/// How a backend takes part in a graph: by primitives, if it says nothing.
pub(in crate::ops) trait DifferentiableLanguage:
    LanguageKernels + Differentiable
{
    fn tracked_rms_norm<C: CheckpointStrategy>(
        [input, gamma]: [Tracked<Self, C>; 2],
        epsilon: f64,
    ) -> Tracked<Self, C> {
        composed::rms_norm::<Autodiff<Self, C>>(input, gamma, epsilon)
    }

    fn tracked_layer_norm<C: CheckpointStrategy>(
        [input, gamma, beta]: [Tracked<Self, C>; 3],
        epsilon: f64,
    ) -> Tracked<Self, C> {
        composed::layer_norm::<Autodiff<Self, C>>(input, gamma, beta, epsilon)
    }

    fn tracked_swiglu<C: CheckpointStrategy>(
        [gates, values]: [Tracked<Self, C>; 2],
    ) -> Tracked<Self, C> {
        composed::swiglu::<Autodiff<Self, C>>(gates, values)
    }

    fn tracked_rotate<C: CheckpointStrategy>(
        [input, cos, sin]: [Tracked<Self, C>; 3],
    ) -> Tracked<Self, C> {
        composed::rotate::<Autodiff<Self, C>>(&input, cos, sin)
    }

    fn tracked_gather_rows<C: CheckpointStrategy>(
        input: Tracked<Self, C>,
        index: IntTensor<Self>,
    ) -> Tracked<Self, C> {
        Autodiff::<Self, C>::float_select(input, 0, index)
    }

    fn tracked_attend_after<C: CheckpointStrategy>(
        queries: Tracked<Self, C>,
        first: [Tracked<Self, C>; 2],
        own: [Tracked<Self, C>; 2],
    ) -> Tracked<Self, C> {
        composed::attend_after::<Autodiff<Self, C>>(queries, first, own)
    }
}

impl<B: DifferentiableLanguage, C: CheckpointStrategy> LanguageKernels for Autodiff<B, C> {
    fn ccsr_rms_norm(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        B::tracked_rms_norm::<C>([input, gamma], epsilon)
    }

    fn ccsr_layer_norm(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        B::tracked_layer_norm::<C>([input, gamma, beta], epsilon)
    }

    fn ccsr_swiglu(gates: FloatTensor<Self>, values: FloatTensor<Self>) -> FloatTensor<Self> {
        B::tracked_swiglu::<C>([gates, values])
    }

    fn ccsr_rotate(
        input: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        B::tracked_rotate::<C>([input, cos, sin])
    }

    fn ccsr_gather_rows(input: FloatTensor<Self>, index: IntTensor<Self>) -> FloatTensor<Self> {
        B::tracked_gather_rows::<C>(input, index)
    }

    fn ccsr_attend_after(
        queries: FloatTensor<Self>,
        first_keys: FloatTensor<Self>,
        first_values: FloatTensor<Self>,
        keys: FloatTensor<Self>,
        values: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        B::tracked_attend_after::<C>(queries, [first_keys, first_values], [keys, values])
    }
}

/// Fusion sees the primitives, and fuses what it can of both ways.
#[cfg(feature = "gpu")]
impl DifferentiableLanguage for burn::backend::fusion::Fusion<burn_cubecl::CubeBackend> {}

#[derive(Clone, Debug)]
struct RmsNorm {
    input: Flat,
    gamma: Flat,
    epsilon: f64,
}

impl Rule<2> for RmsNorm {
    fn gradients(self, grad: Flat, wanted: [bool; 2]) -> [Option<Flat>; 2] {
        let [input, gamma, grad] =
            [self.input, self.gamma, grad].map(|tensor| tensor.to_contiguous());
        let (grad, width) = (grad.storage::<f32>(), gamma.shape()[0]);
        let of_input = wanted[0].then(|| {
            let gamma = gamma.storage::<f32>();
            mapped(&input, |input, out| {
                layer_norm::rms_norm_backward(input, gamma, self.epsilon, grad, out);
            })
        });
        let of_gamma = wanted[1].then(|| {
            let input = input.storage::<f32>();
            let found = layer_norm::rms_norm_backward_gamma(input, width, self.epsilon, grad);
            made(found, [width])
        });
        [of_input, of_gamma]
    }
}

#[derive(Clone, Debug)]
struct LayerNorm {
    input: Flat,
    gamma: Flat,
    epsilon: f64,
}

impl Rule<3> for LayerNorm {
    fn gradients(self, grad: Flat, wanted: [bool; 3]) -> [Option<Flat>; 3] {
        let [input, gamma, grad] =
            [self.input, self.gamma, grad].map(|tensor| tensor.to_contiguous());
        let (grad, width) = (grad.storage::<f32>(), gamma.shape()[0]);
        let of_input = wanted[0].then(|| {
            let gamma = gamma.storage::<f32>();
            mapped(&input, |input, out| {
                layer_norm::layer_norm_backward(input, gamma, self.epsilon, grad, out);
            })
        });
        let of_parameters = (wanted[1] || wanted[2]).then(|| {
            let input = input.storage::<f32>();
            layer_norm::layer_norm_backward_parameters(input, width, self.epsilon, grad)
        });
        let (of_gamma, of_beta) = of_parameters.unzip();
        let parameter = |found: Option<Vec<f32>>, wanted: bool| {
            found.filter(|_| wanted).map(|found| made(found, [width]))
        };
        [
            of_input,
            parameter(of_gamma, wanted[1]),
            parameter(of_beta, wanted[2]),
        ]
    }
}

#[derive(Clone, Debug)]
struct Swiglu([Flat; 2]);

impl Rule<2> for Swiglu {
    fn gradients(self, grad: Flat, _: [bool; 2]) -> [Option<Flat>; 2] {
        let shape = grad.shape();
        let [gates, values] = self.0.map(|tensor| tensor.to_contiguous());
        let grad = grad.to_contiguous();
        let grad = grad.storage::<f32>();
        let [mut of_gates, mut of_values] = [(); 2].map(|()| vec![0.0; grad.len()]);
        activation::swiglu_backward(
            gates.storage::<f32>(),
            values.storage::<f32>(),
            grad,
            [&mut of_gates, &mut of_values],
        );
        [of_gates, of_values].map(|found| Some(made(found, shape.clone())))
    }
}

/// The angles' cosines and sines, to turn back by; nobody learns them.
#[derive(Clone, Debug)]
struct Rotate([Flat; 2]);

impl Rule<1> for Rotate {
    fn gradients(self, grad: Flat, _: [bool; 1]) -> [Option<Flat>; 1] {
        let [_, count, width] = grad.shape().dims::<3>();
        let [cos, sin] = self.0.map(|tensor| tensor.to_contiguous());
        let back: Vec<f32> = sin.storage::<f32>().iter().map(|sin| -sin).collect();
        [Some(mapped(&grad, |grad, out| {
            let cos = cos.storage::<f32>();
            rotary::rotate(grad, cos, &back, (count, width / 2), out);
        }))]
    }
}

/// Which rows were gathered, and the shape of what they are from.
#[derive(Clone, Debug)]
struct GatherRows {
    index: Vec<usize>,
    shape: Shape,
}

impl Rule<1> for GatherRows {
    fn gradients(self, grad: Flat, _: [bool; 1]) -> [Option<Flat>; 1] {
        let (rows, grad) = (self.shape[0], grad.to_contiguous());
        let width = self.shape.iter().skip(1).product();
        let found = gather::gather_backward(grad.storage::<f32>(), &self.index, rows, width);
        [Some(made(found, self.shape))]
    }
}

/// Whether the kernels take these numbers.
fn taken<C: CheckpointStrategy, const N: usize>(inputs: &[Tracked<Flex, C>; N]) -> bool {
    let inputs = inputs.each_ref();
    single(&inputs.map(FloatTensor::<Autodiff<Flex, C>>::primitive))
}

impl DifferentiableLanguage for Flex {
    fn tracked_rms_norm<C: CheckpointStrategy>(
        inputs: [Tracked<Self, C>; 2],
        epsilon: f64,
    ) -> Tracked<Self, C> {
        let is_taken = taken::<C, 2>(&inputs);
        let [input, gamma] = inputs;
        if !is_taken {
            return composed::rms_norm::<Autodiff<Self, C>>(input, gamma, epsilon);
        }
        let ((input, of_input), (gamma, of_gamma)) = (input.into_parts(), gamma.into_parts());
        let out = Self::ccsr_rms_norm(input.clone(), gamma.clone(), epsilon);
        let rule = RmsNorm {
            input,
            gamma,
            epsilon,
        };
        recorded::<C, _, 2>([of_input, of_gamma], out, rule)
    }

    fn tracked_layer_norm<C: CheckpointStrategy>(
        inputs: [Tracked<Self, C>; 3],
        epsilon: f64,
    ) -> Tracked<Self, C> {
        let is_taken = taken::<C, 3>(&inputs);
        let [input, gamma, beta] = inputs;
        if !is_taken {
            return composed::layer_norm::<Autodiff<Self, C>>(input, gamma, beta, epsilon);
        }
        let ((input, of_input), (gamma, of_gamma)) = (input.into_parts(), gamma.into_parts());
        let (beta, of_beta) = beta.into_parts();
        let out = Self::ccsr_layer_norm(input.clone(), gamma.clone(), beta, epsilon);
        let rule = LayerNorm {
            input,
            gamma,
            epsilon,
        };
        recorded::<C, _, 3>([of_input, of_gamma, of_beta], out, rule)
    }

    fn tracked_swiglu<C: CheckpointStrategy>(inputs: [Tracked<Self, C>; 2]) -> Tracked<Self, C> {
        let is_taken = taken::<C, 2>(&inputs);
        let [gates, values] = inputs;
        if !is_taken {
            return composed::swiglu::<Autodiff<Self, C>>(gates, values);
        }
        let ((gates, of_gates), (values, of_values)) = (gates.into_parts(), values.into_parts());
        let out = Self::ccsr_swiglu(gates.clone(), values.clone());
        recorded::<C, _, 2>([of_gates, of_values], out, Swiglu([gates, values]))
    }

    fn tracked_rotate<C: CheckpointStrategy>(inputs: [Tracked<Self, C>; 3]) -> Tracked<Self, C> {
        let is_taken = taken::<C, 3>(&inputs);
        let [input, cos, sin] = inputs;
        if !is_taken {
            return composed::rotate::<Autodiff<Self, C>>(&input, cos, sin);
        }
        let (input, of_input) = input.into_parts();
        let (cos, sin) = (cos.into_parts().0, sin.into_parts().0);
        let out = Self::ccsr_rotate(input, cos.clone(), sin.clone());
        recorded::<C, _, 1>([of_input], out, Rotate([cos, sin]))
    }

    fn tracked_gather_rows<C: CheckpointStrategy>(
        input: Tracked<Self, C>,
        index: IntTensor<Self>,
    ) -> Tracked<Self, C> {
        if !single(&[input.primitive()]) {
            return Autodiff::<Self, C>::float_select(input, 0, index);
        }
        let (input, of_input) = input.into_parts();
        let shape = input.shape();
        let out = Self::float_select(input, 0, index.clone());
        let index = index
            .into_data()
            .iter::<i64>()
            .map(|row| row as usize)
            .collect();
        recorded::<C, _, 1>([of_input], out, GatherRows { index, shape })
    }

    fn tracked_attend_after<C: CheckpointStrategy>(
        queries: Tracked<Self, C>,
        first: [Tracked<Self, C>; 2],
        own: [Tracked<Self, C>; 2],
    ) -> Tracked<Self, C> {
        let shared = first[0].primitive().shape()[2];
        let [keys, values] = own;
        let inputs = [queries, keys, values];
        // What is shared is long where nothing is learned; here it is put before, if there is any.
        if shared > 0 || !taken::<C, 3>(&inputs) {
            let [queries, keys, values] = inputs;
            return composed::attend_after::<Autodiff<Self, C>>(queries, first, [keys, values]);
        }
        let [rows, seen, _] = inputs.each_ref().map(|of| of.primitive().shape()[2]);
        attend::<C>(inputs, Some(seen - rows))
    }
}
