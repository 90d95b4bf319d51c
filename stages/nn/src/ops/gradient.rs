//! The operations in the graph of Burn's automatic differentiation.
//!
//! On the CPU our kernels go back, too (`cpu`); on other backends, and where a kernel does not take the
//! numbers, the graph goes through the primitives that an operation is composed of.

pub(super) mod cpu;

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;

use super::composed;
use super::extension::Kernels;

/// A tensor in a graph.
pub(super) type Tracked<B, C> = FloatTensor<Autodiff<B, C>>;

/// How a backend takes part in a graph: by primitives, if it says nothing.
pub(super) trait Differentiable: Kernels + Sized {
    fn tracked_silu<C: CheckpointStrategy>(input: Tracked<Self, C>) -> Tracked<Self, C> {
        composed::silu::<Autodiff<Self, C>>(input)
    }

    fn tracked_gelu<C: CheckpointStrategy>(input: Tracked<Self, C>) -> Tracked<Self, C> {
        composed::gelu::<Autodiff<Self, C>>(input)
    }

    fn tracked_quick_gelu<C: CheckpointStrategy>(input: Tracked<Self, C>) -> Tracked<Self, C> {
        composed::quick_gelu::<Autodiff<Self, C>>(input)
    }

    fn tracked_geglu<C: CheckpointStrategy>(input: Tracked<Self, C>) -> Tracked<Self, C> {
        composed::geglu::<Autodiff<Self, C>>(&input)
    }

    fn tracked_double<C: CheckpointStrategy>(input: Tracked<Self, C>) -> Tracked<Self, C> {
        composed::double::<Autodiff<Self, C>>(input)
    }

    fn tracked_group_norm<C: CheckpointStrategy>(
        inputs: [Tracked<Self, C>; 3],
        groups: usize,
        epsilon: f64,
        silu: bool,
    ) -> Tracked<Self, C> {
        let [input, gamma, beta] = inputs;
        composed::group_norm::<Autodiff<Self, C>>(input, gamma, beta, groups, epsilon, silu)
    }

    fn tracked_attend<C: CheckpointStrategy>(
        inputs: [Tracked<Self, C>; 3],
        causal: bool,
    ) -> Tracked<Self, C> {
        let [queries, keys, values] = inputs;
        composed::attend::<Autodiff<Self, C>>(queries, keys, values, causal)
    }

    fn tracked_linear<C: CheckpointStrategy>(inputs: [Tracked<Self, C>; 3]) -> Tracked<Self, C> {
        let [input, weight, bias] = inputs;
        composed::linear::<Autodiff<Self, C>>(input, weight, bias)
    }

    fn tracked_conv2d<C: CheckpointStrategy>(
        inputs: [Tracked<Self, C>; 3],
        stride: usize,
        before: usize,
        after: usize,
    ) -> Tracked<Self, C> {
        let [input, weight, bias] = inputs;
        composed::conv2d::<Autodiff<Self, C>>(input, weight, bias, stride, before, after)
    }
}

impl<B: Differentiable, C: CheckpointStrategy> Kernels for Autodiff<B, C> {
    fn ccsr_silu(input: FloatTensor<Self>) -> FloatTensor<Self> {
        B::tracked_silu::<C>(input)
    }

    fn ccsr_gelu(input: FloatTensor<Self>) -> FloatTensor<Self> {
        B::tracked_gelu::<C>(input)
    }

    fn ccsr_quick_gelu(input: FloatTensor<Self>) -> FloatTensor<Self> {
        B::tracked_quick_gelu::<C>(input)
    }

    fn ccsr_geglu(input: FloatTensor<Self>) -> FloatTensor<Self> {
        B::tracked_geglu::<C>(input)
    }

    fn ccsr_double(input: FloatTensor<Self>) -> FloatTensor<Self> {
        B::tracked_double::<C>(input)
    }

    fn ccsr_group_norm(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        groups: usize,
        epsilon: f64,
        silu: bool,
    ) -> FloatTensor<Self> {
        B::tracked_group_norm::<C>([input, gamma, beta], groups, epsilon, silu)
    }

    fn ccsr_attend(
        queries: FloatTensor<Self>,
        keys: FloatTensor<Self>,
        values: FloatTensor<Self>,
        causal: bool,
    ) -> FloatTensor<Self> {
        B::tracked_attend::<C>([queries, keys, values], causal)
    }

    fn ccsr_linear(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        B::tracked_linear::<C>([input, weight, bias])
    }

    fn ccsr_conv2d(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
        before: usize,
        after: usize,
    ) -> FloatTensor<Self> {
        B::tracked_conv2d::<C>([input, weight, bias], stride, before, after)
    }
}

/// Fusion sees the primitives, and fuses what it can of both ways.
#[cfg(feature = "gpu")]
impl Differentiable for burn::backend::fusion::Fusion<burn_cubecl::CubeBackend> {}
