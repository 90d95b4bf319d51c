//! Derivatives on the CPU: nodes that keep what their kernel needs.

use std::fmt::Debug;
use std::marker::PhantomData;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::ops::{ConvOptions, FloatTensorOps, ModuleOps};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex, TensorMetadata as _};
use burn::prelude::*;
use ccsr_kernels::activation;
use ccsr_kernels::attention::{Attention, Layout};
use ccsr_kernels::attention_backward::{Forwarded, Gradients as AttentionGradients};
use ccsr_kernels::convolution::conv::{self, Conv2d};
use ccsr_kernels::convolution::{linear, weight_grad};
use ccsr_kernels::group_norm::GroupNorm;

use super::{Differentiable, Tracked};
use crate::ops::composed;
use crate::ops::extension::{self as kernels, Flat, Kernels, made, mapped, single};

/// What was kept of an operation's forward, and how to go back through it.
pub(in crate::ops) trait Rule<const N: usize>:
    Clone + Debug + Send + 'static
{
    /// The gradients of the inputs that are wanted, from that of the result.
    fn gradients(self, grad: Flat, wanted: [bool; N]) -> [Option<Flat>; N];
}

#[derive(Debug)]
struct Back<R>(PhantomData<fn() -> R>);

impl<R: Rule<N>, const N: usize> Backward<Flex, N> for Back<R> {
    type State = R;

    fn backward(self, ops: Ops<R, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let grad = gradients.consume::<Flex>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let found = ops.state.gradients(grad, wanted);
        for (parent, found) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(found)) = (parent, found) {
                let id: NodeId = parent.id;
                gradients.register::<Flex>(id, found);
            }
        }
    }
}

/// The result of an operation, with its rule in the graph if somebody wants gradients.
pub(in crate::ops) fn recorded<C: CheckpointStrategy, R: Rule<N>, const N: usize>(
    nodes: [NodeGuard; N],
    out: Flat,
    rule: R,
) -> Tracked<Flex, C> {
    match Back::<R>(PhantomData)
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => prepared.finish(rule, out),
        OpsKind::UnTracked(prepared) => prepared.finish(out),
    }
}

/// A kernel from slices to a slice.
type PointwiseBackward = fn(&[f32], &[f32], &mut [f32]);

/// A function of each number.
#[derive(Clone, Debug)]
struct Pointwise {
    input: Flat,
    backward: PointwiseBackward,
}

impl Rule<1> for Pointwise {
    fn gradients(self, grad: Flat, _: [bool; 1]) -> [Option<Flat>; 1] {
        let grad = grad.to_contiguous();
        [Some(mapped(&self.input, |input, out| {
            (self.backward)(input, grad.storage::<f32>(), out);
        }))]
    }
}

fn pointwise<C: CheckpointStrategy>(
    input: Tracked<Flex, C>,
    forward: fn(Flat) -> Flat,
    backward: PointwiseBackward,
) -> Tracked<Flex, C> {
    let (input, node) = input.into_parts();
    let out = forward(input.clone());
    recorded::<C, _, 1>([node], out, Pointwise { input, backward })
}

#[derive(Clone, Debug)]
struct Geglu(Flat);

impl Rule<1> for Geglu {
    fn gradients(self, grad: Flat, _: [bool; 1]) -> [Option<Flat>; 1] {
        let (width, grad) = (grad.shape().to_vec().pop(), grad.to_contiguous());
        let width = width.unwrap_or(1);
        [Some(mapped(&self.0, |input, out| {
            activation::geglu_backward(input, width, grad.storage::<f32>(), out);
        }))]
    }
}

#[derive(Clone, Debug)]
struct Norm {
    inputs: [Flat; 3],
    groups: usize,
    epsilon: f64,
    silu: bool,
}

impl Rule<3> for Norm {
    fn gradients(self, grad: Flat, wanted: [bool; 3]) -> [Option<Flat>; 3] {
        let [input, gamma, beta] = self.inputs.map(|tensor| tensor.to_contiguous());
        let grad = grad.to_contiguous();
        let cells = input.shape().iter().skip(2).product();
        let norm = GroupNorm {
            groups: self.groups,
            gamma: gamma.storage::<f32>(),
            beta: beta.storage::<f32>(),
            epsilon: self.epsilon,
            shift: None,
            silu: self.silu,
        };
        let of_input = wanted[0].then(|| {
            mapped(&input, |input, out| {
                norm.backward(input, cells, grad.storage::<f32>(), out);
            })
        });
        let of_parameters = (wanted[1] || wanted[2]).then(|| {
            norm.backward_parameters(input.storage::<f32>(), cells, grad.storage::<f32>())
        });
        let (of_gamma, of_beta) = of_parameters.unzip();
        let parameter = |found: Option<Vec<f32>>, wanted: bool| {
            let found = found.filter(|_| wanted)?;
            let channels = found.len();
            Some(made(found, [channels]))
        };
        [
            of_input,
            parameter(of_gamma, wanted[1]),
            parameter(of_beta, wanted[2]),
        ]
    }
}

#[derive(Clone, Debug)]
struct Attend {
    /// Queries, keys, values.
    inputs: [Flat; 3],
    attention: Attention<'static>,
    out: Flat,
    log_sums: Vec<f32>,
}

/// Attention in the graph, causal by an offset as [`Attention::causal`] has it.
pub(in crate::ops) fn attend<C: CheckpointStrategy>(
    inputs: [Tracked<Flex, C>; 3],
    causal: Option<usize>,
) -> Tracked<Flex, C> {
    let (inputs, nodes) = parts::<C>(inputs);
    let inputs = inputs.map(kernels::rows_side_by_side);
    let attention = Attention {
        causal,
        ..kernels::attention_of(&inputs, false)
    };
    let mut log_sums = vec![0.0; attention.batch * attention.heads * attention.queries];
    let out = kernels::attended(&attention, &inputs, Some(&mut log_sums));
    let rule = Attend {
        inputs,
        attention,
        out: out.clone(),
        log_sums,
    };
    recorded::<C, _, 3>(nodes, out, rule)
}

impl Rule<3> for Attend {
    fn gradients(self, grad: Flat, _: [bool; 3]) -> [Option<Flat>; 3] {
        let grad = grad.to_contiguous();
        let [queries, keys, values] = &self.inputs;
        let zeros = |of: &Flat| vec![0.0; of.shape().num_elements()];
        let (mut q, mut k, mut v) = (zeros(queries), zeros(keys), zeros(values));
        let forwarded = Forwarded {
            q: kernels::heads(queries),
            k: kernels::heads(keys),
            v: kernels::heads(values),
            out: self.out.storage::<f32>(),
            log_sums: &self.log_sums,
        };
        let mut gradients = AttentionGradients {
            q: &mut q,
            k: &mut k,
            v: &mut v,
        };
        let layout = Layout::RowsFirst;
        self.attention
            .backward(forwarded, layout, grad.storage::<f32>(), &mut gradients);
        // `[batch, rows, heads, dim]`, seen as the inputs are.
        let heads_first = |numbers: Vec<f32>, of: &Flat| {
            let [batch, heads, rows, dim] = of.shape().dims::<4>();
            Some(Flex::float_swap_dims(
                made(numbers, [batch, rows, heads, dim]),
                1,
                2,
            ))
        };
        [
            heads_first(q, queries),
            heads_first(k, keys),
            heads_first(v, values),
        ]
    }
}

/// A linear layer; its bias is not needed again.
#[derive(Clone, Debug)]
struct Linear {
    input: Flat,
    weight: Flat,
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
struct Convolution {
    inputs: [Flat; 3],
    stride: usize,
    before: usize,
    after: usize,
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
        let of_bias =
            wanted[2].then(|| Flex::conv2d_bias_backward(padded.clone(), bias, grad.clone()));
        [of_input, of_weight, of_bias]
    }
}

/// A gradient in the precision of what it is of.
fn like(gradient: Flat, of: &Flat) -> Flat {
    composed::cast::<Flex>(gradient, of.dtype())
}

/// The parts of three tensors.
fn parts<C: CheckpointStrategy>(inputs: [Tracked<Flex, C>; 3]) -> ([Flat; 3], [NodeGuard; 3]) {
    let [(a, x), (b, y), (c, z)] = inputs.map(FloatTensor::<Autodiff<Flex, C>>::into_parts);
    ([a, b, c], [x, y, z])
}

/// Whether the kernels take these numbers.
fn taken<C: CheckpointStrategy>(inputs: &[Tracked<Flex, C>; 3]) -> bool {
    single(
        &inputs
            .each_ref()
            .map(FloatTensor::<Autodiff<Flex, C>>::primitive),
    )
}

impl Differentiable for Flex {
    fn tracked_silu<C: CheckpointStrategy>(input: Tracked<Self, C>) -> Tracked<Self, C> {
        if single(&[input.primitive()]) {
            return pointwise::<C>(input, Self::ccsr_silu, activation::silu_backward);
        }
        composed::silu::<Autodiff<Self, C>>(input)
    }

    fn tracked_gelu<C: CheckpointStrategy>(input: Tracked<Self, C>) -> Tracked<Self, C> {
        if single(&[input.primitive()]) {
            return pointwise::<C>(input, Self::ccsr_gelu, activation::gelu_backward);
        }
        composed::gelu::<Autodiff<Self, C>>(input)
    }

    fn tracked_quick_gelu<C: CheckpointStrategy>(input: Tracked<Self, C>) -> Tracked<Self, C> {
        if single(&[input.primitive()]) {
            return pointwise::<C>(
                input,
                Self::ccsr_quick_gelu,
                activation::quick_gelu_backward,
            );
        }
        composed::quick_gelu::<Autodiff<Self, C>>(input)
    }

    fn tracked_geglu<C: CheckpointStrategy>(input: Tracked<Self, C>) -> Tracked<Self, C> {
        if !single(&[input.primitive()]) {
            return composed::geglu::<Autodiff<Self, C>>(&input);
        }
        let (input, node) = input.into_parts();
        let out = Self::ccsr_geglu(input.clone());
        recorded::<C, _, 1>([node], out, Geglu(input))
    }

    fn tracked_group_norm<C: CheckpointStrategy>(
        inputs: [Tracked<Self, C>; 3],
        groups: usize,
        epsilon: f64,
        silu: bool,
    ) -> Tracked<Self, C> {
        if !taken::<C>(&inputs) {
            let [input, gamma, beta] = inputs;
            return composed::group_norm::<Autodiff<Self, C>>(
                input, gamma, beta, groups, epsilon, silu,
            );
        }
        let (inputs, nodes) = parts::<C>(inputs);
        let [input, gamma, beta] = inputs.clone();
        let out = Self::ccsr_group_norm(input, gamma, beta, groups, epsilon, silu);
        let rule = Norm {
            inputs,
            groups,
            epsilon,
            silu,
        };
        recorded::<C, _, 3>(nodes, out, rule)
    }

    fn tracked_attend<C: CheckpointStrategy>(
        inputs: [Tracked<Self, C>; 3],
        causal: bool,
    ) -> Tracked<Self, C> {
        if !taken::<C>(&inputs) {
            let [queries, keys, values] = inputs;
            return composed::attend::<Autodiff<Self, C>>(queries, keys, values, causal);
        }
        attend::<C>(inputs, causal.then_some(0))
    }

    fn tracked_linear<C: CheckpointStrategy>(inputs: [Tracked<Self, C>; 3]) -> Tracked<Self, C> {
        let [input, weight, bias] = inputs
            .each_ref()
            .map(FloatTensor::<Autodiff<Self, C>>::primitive);
        if !kernels::taken(input, weight, bias) {
            let [input, weight, bias] = inputs;
            return composed::linear::<Autodiff<Self, C>>(input, weight, bias);
        }
        let ([input, weight, bias], nodes) = parts::<C>(inputs);
        let out = Self::ccsr_linear(input.clone(), weight.clone(), bias);
        recorded::<C, _, 3>(nodes, out, Linear { input, weight })
    }

    fn tracked_conv2d<C: CheckpointStrategy>(
        inputs: [Tracked<Self, C>; 3],
        stride: usize,
        before: usize,
        after: usize,
    ) -> Tracked<Self, C> {
        let [input, weight, bias] = inputs
            .each_ref()
            .map(FloatTensor::<Autodiff<Self, C>>::primitive);
        if !kernels::taken(input, weight, bias) {
            let [input, weight, bias] = inputs;
            return composed::conv2d::<Autodiff<Self, C>>(
                input, weight, bias, stride, before, after,
            );
        }
        let (inputs, nodes) = parts::<C>(inputs);
        let [input, weight, bias] = inputs.clone();
        let out = Self::ccsr_conv2d(input, weight, bias, stride, before, after);
        let rule = Convolution {
            inputs,
            stride,
            before,
            after,
        };
        recorded::<C, _, 3>(nodes, out, rule)
    }
}
