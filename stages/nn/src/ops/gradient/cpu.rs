//! Derivatives on the CPU: nodes that keep what their kernel needs.

mod layers;

use std::fmt::Debug;
use std::marker::PhantomData;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex, TensorMetadata as _};
use burn::prelude::*;
use ccsr_kernels::activation;
use ccsr_kernels::attention::{Attention, Layout};
use ccsr_kernels::attention_backward::{Forwarded, Gradients as AttentionGradients};
use ccsr_kernels::group_norm::GroupNorm;
use ccsr_kernels::upsample;

use self::layers::{Convolution, Linear};
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

/// The shape of what was doubled.
#[derive(Clone, Debug)]
struct Double(Shape);

impl Rule<1> for Double {
    fn gradients(self, grad: Flat, _: [bool; 1]) -> [Option<Flat>; 1] {
        let [.., width] = self.0.dims::<4>();
        let mut out = vec![0.0; self.0.num_elements()];
        upsample::double_backward(grad.to_contiguous().storage::<f32>(), width, &mut out);
        [Some(made(out, self.0))]
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

    fn tracked_double<C: CheckpointStrategy>(input: Tracked<Self, C>) -> Tracked<Self, C> {
        if !single(&[input.primitive()]) {
            return composed::double::<Autodiff<Self, C>>(input);
        }
        let (input, node) = input.into_parts();
        let shape = input.shape();
        recorded::<C, _, 1>([node], Self::ccsr_double(input), Double(shape))
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
