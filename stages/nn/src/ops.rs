//! Operations that Burn's CPU backend is slow at, by our own kernels there.
//!
//! Each has a body of Burn's primitives (`composed`), and one of [`ccsr_kernels`] for single precision on the CPU, with
//! weights of half precision where there are such (`extension`); some have one in CubeCL for cards (`cube`). All go
//! backward, too (`gradient`).

mod composed;
#[cfg(feature = "gpu")]
mod cube;
mod extension;
mod gradient;
mod language;

use burn::backend::{Dispatch, DispatchTensor};
use burn::module::Param;
use burn::nn::conv::Conv2d;
use burn::nn::{GroupNorm, Linear, PaddingConfig2d};
use burn::prelude::*;
use burn::tensor::DType;
use ccsr_kernels::packed::Form;

use self::extension::Kernels as _;
use self::language::LanguageKernels as _;

fn into<const D: usize>(tensor: Tensor<D>) -> DispatchTensor {
    tensor.into_dispatch()
}

/// A layer's bias; zeros if it has none, since an extension takes no optional tensors.
fn bias<const D: usize>(
    bias: Option<&Param<Tensor<1>>>,
    outputs: usize,
    input: &Tensor<D>,
) -> Tensor<1> {
    match bias {
        Some(bias) => bias.val(),
        None => Tensor::zeros([outputs], (&input.device(), input.dtype())),
    }
}

/// Whether [`linear`] and [`conv2d`] read weights of half precision on a device.
pub(crate) fn takes_halves(device: &Device) -> bool {
    device.clone().without_autodiff() == Device::flex()
}

/// SiLU of each number.
pub(crate) fn silu<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::ccsr_silu(into(input)))
}

/// GELU of each number.
pub(crate) fn gelu<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::ccsr_gelu(into(input)))
}

/// Quick GELU of each number.
pub(crate) fn quick_gelu<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::ccsr_quick_gelu(into(input)))
}

/// The first half of each row, times GELU of the second (GEGLU; Shazeer, 2020).
///
/// # Shapes
/// `[.., 2 n]` to `[.., n]`.
pub fn geglu<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::ccsr_geglu(into(input)))
}

/// Images of twice the sides: each cell is what its nearest one was.
///
/// # Shapes
/// `[batch, channels, height, width]` to `[batch, channels, 2 height, 2 width]`.
pub fn double(input: Tensor<4>) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::ccsr_double(into(input)))
}

/// Group normalisation (Wu and He, 2018), with SiLU after it if `silu`.
///
/// # Shapes
/// `[batch, channels, height, width]`, in and out.
pub fn group_norm(norm: &GroupNorm, input: Tensor<4>, silu: bool) -> Tensor<4> {
    let (Some(gamma), Some(beta)) = (&norm.gamma, &norm.beta) else {
        let normal = norm.forward(input);
        return if silu { self::silu(normal) } else { normal };
    };
    Tensor::from_dispatch(Dispatch::ccsr_group_norm(
        into(input),
        into(gamma.val()),
        into(beta.val()),
        norm.num_groups,
        norm.epsilon,
        silu,
    ))
}

/// Layer normalisation (Ba et al., 2016), in single precision whatever the numbers are.
///
/// # Shapes
/// `[.., numbers]`, in and out; `gamma` and `beta`: `[numbers]`.
pub(crate) fn layer_norm<const D: usize>(
    input: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    let (dtype, device) = (input.dtype(), input.device());
    let (input, gamma, beta) = (
        input.cast(DType::F32),
        gamma.cast(DType::F32),
        beta.cast(DType::F32),
    );
    // Burn's own has a kernel on the CPU, but none to go back by.
    let normal = if device.is_autodiff() && takes_halves(&device) {
        let (gamma, beta) = (into(gamma), into(beta));
        Tensor::from_dispatch(Dispatch::ccsr_layer_norm(into(input), gamma, beta, epsilon))
    } else {
        burn::tensor::module::layer_norm(input, gamma, Some(beta), epsilon)
    };
    normal.cast(dtype)
}

/// Attention of queries to keys and values, whose heads are joined again. With `causal`, a query sees the keys up to its
/// own place.
///
/// # Shapes
/// `queries`: `[batch, heads, queries, numbers]`, `keys` and `values`: `[batch, heads, keys, numbers]`; the result is
/// `[batch, queries, heads * numbers]`.
pub fn attend(queries: Tensor<4>, keys: Tensor<4>, values: Tensor<4>, causal: bool) -> Tensor<3> {
    Tensor::from_dispatch(Dispatch::ccsr_attend(
        into(queries),
        into(keys),
        into(values),
        causal,
    ))
}

/// A linear layer.
///
/// # Shapes
/// `[.., inputs]` to `[.., outputs]`.
pub fn linear<const D: usize>(layer: &Linear, input: Tensor<D>) -> Tensor<D> {
    let [_, outputs] = layer.weight.dims();
    let bias = bias(layer.bias.as_ref(), outputs, &input);
    let weight = into(layer.weight.val());
    Tensor::from_dispatch(Dispatch::ccsr_linear(into(input), weight, into(bias)))
}

/// A product with a matrix that is kept as PyTorch keeps a linear layer's weight.
///
/// # Shapes
/// `[.., inputs]` to `[.., outputs]`; `weight`: `[outputs, inputs]`.
pub(crate) fn product<const D: usize>(input: Tensor<D>, weight: Tensor<2>) -> Tensor<D> {
    let [outputs, _] = weight.dims();
    let bias = bias(None, outputs, &input);
    let weight = into(weight.transpose());
    Tensor::from_dispatch(Dispatch::ccsr_linear(into(input), weight, into(bias)))
}

/// Normalisation by the root of the mean square (Zhang and Sennrich, 2019), in single precision whatever the numbers are.
///
/// # Shapes
/// `[.., numbers]`, in and out; `gamma`: `[numbers]`.
pub fn rms_norm<const D: usize>(input: Tensor<D>, gamma: Tensor<1>, epsilon: f64) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::ccsr_rms_norm(into(input), into(gamma), epsilon))
}

/// SwiGLU (Shazeer, 2020): SiLU of the gates, times the values.
///
/// # Shapes
/// All alike.
pub fn swiglu<const D: usize>(gates: Tensor<D>, values: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::ccsr_swiglu(into(gates), into(values)))
}

/// Rotary position embedding (Su et al., 2021): the halves of each head's numbers, turned by the row's angles.
///
/// # Shapes
/// `[rows, heads, numbers]`, in and out; `cos` and `sin`: `[rows, numbers / 2]`.
pub fn rotate(input: Tensor<3>, cos: Tensor<2>, sin: Tensor<2>) -> Tensor<3> {
    Tensor::from_dispatch(Dispatch::ccsr_rotate(into(input), into(cos), into(sin)))
}

/// Rows of a tensor, in any order and any of them many times.
///
/// # Shapes
/// `[rows, ..]` to `[index, ..]`.
///
/// # Panics
/// If there is no such row.
pub fn gather_rows<const D: usize>(input: Tensor<D>, index: Tensor<1, Int>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::ccsr_gather_rows(
        into(input),
        index.into_dispatch(),
    ))
}

/// Causal attention of the last queries to all that stands before them: first to what several continuations share, then
/// to what is their own, of which the last keys are the queries'. Neither part is copied on the CPU, and how long the
/// shared part is has no say in what comes out but for rounding.
///
/// # Shapes
/// - `queries`: `[batch, heads, queries, numbers]`
/// - `first`: keys and values, each `[batch, kv_heads, first, numbers]`, `kv_heads` a divisor of `heads`
/// - `own`: keys and values, each `[batch, kv_heads, keys, numbers]`, at least as many as queries
/// - the result: `[batch, queries, heads * numbers]`
pub fn attend_after(queries: Tensor<4>, first: [Tensor<4>; 2], own: [Tensor<4>; 2]) -> Tensor<3> {
    let ([first_keys, first_values], [keys, values]) = (first.map(into), own.map(into));
    Tensor::from_dispatch(Dispatch::ccsr_attend_after(
        into(queries),
        first_keys,
        first_values,
        keys,
        values,
    ))
}

/// A linear layer for a few rows, the last tokens of some texts: each weight is read once, and a row's result is the
/// same however many there are.
///
/// # Shapes
/// `[rows, inputs]` to `[rows, outputs]`.
pub(crate) fn linear_few(layer: &Linear, input: Tensor<2>) -> Tensor<2> {
    let [_, outputs] = layer.weight.dims();
    let bias = bias(layer.bias.as_ref(), outputs, &input);
    let weight = into(layer.weight.val());
    Tensor::from_dispatch(Dispatch::ccsr_linear_few(into(input), weight, into(bias)))
}

/// A linear layer of packed weights, as [`ccsr_kernels::packed`] lays them out.
///
/// # Shapes
/// `[rows, inputs]` to `[rows, outputs]`.
pub(crate) fn packed_linear(
    input: Tensor<2>,
    words: Tensor<1, Int>,
    scales: Tensor<1>,
    offsets: Tensor<1>,
    form: Form,
) -> Tensor<2> {
    let (outputs, group, eight, zero) = language::words_of(form);
    Tensor::from_dispatch(Dispatch::ccsr_packed_linear(
        into(input),
        words.into_dispatch(),
        into(scales),
        into(offsets),
        outputs,
        group,
        eight,
        zero,
    ))
}

/// A convolution.
///
/// # Shapes
/// `[batch, inputs, height, width]` to `[batch, outputs, height, width]`.
pub fn conv2d(layer: &Conv2d, input: Tensor<4>) -> Tensor<4> {
    let Some(way) = Way::of(layer) else {
        let mut layer = layer.clone();
        layer.weight = layer.weight.map(|weight| weight.cast(input.dtype()));
        return layer.forward(input);
    };
    way.convolved(input, layer.weight.val(), layer.bias.as_ref())
}

/// A convolution with other weights than the layer's and no bias, by the same stride and padding.
///
/// # Shapes
/// As [`conv2d`]; `weight`: `[outputs, inputs, height, width]`.
///
/// # Panics
/// If the layer is dilated, grouped or not square.
pub(crate) fn convolution_as(layer: &Conv2d, weight: Tensor<4>, input: Tensor<4>) -> Tensor<4> {
    let way = Way::of(layer).expect("layers of diffusion models are plain");
    way.convolved(input, weight, None)
}

/// A convolution of 1 x 1 without bias.
///
/// # Shapes
/// As [`conv2d`]; `weight`: `[outputs, inputs, 1, 1]`.
pub(crate) fn pointwise_convolution(weight: Tensor<4>, input: Tensor<4>) -> Tensor<4> {
    let way = Way {
        stride: 1,
        before: 0,
        after: 0,
    };
    way.convolved(input, weight, None)
}

/// How a convolution that the kernels know moves over its input.
struct Way {
    stride: usize,
    before: usize,
    after: usize,
}

impl Way {
    /// That of a layer; none if the kernels do not know it.
    fn of(layer: &Conv2d) -> Option<Self> {
        let (before, after) = match layer.padding {
            PaddingConfig2d::Valid => (0, 0),
            PaddingConfig2d::Explicit(top, left, bottom, right)
                if top == left && bottom == right =>
            {
                (top, bottom)
            }
            _ => return None,
        };
        let square = |sides: [usize; 2]| sides[0] == sides[1];
        let plain = square(layer.kernel_size)
            && square(layer.stride)
            && layer.dilation == [1, 1]
            && layer.groups == 1;
        plain.then_some(Self {
            stride: layer.stride[0],
            before,
            after,
        })
    }

    fn convolved(
        self,
        input: Tensor<4>,
        weight: Tensor<4>,
        bias: Option<&Param<Tensor<1>>>,
    ) -> Tensor<4> {
        let [outputs, ..] = weight.dims();
        let bias = self::bias(bias, outputs, &input);
        Tensor::from_dispatch(Dispatch::ccsr_conv2d(
            into(input),
            into(weight),
            into(bias),
            self.stride,
            self.before,
            self.after,
        ))
    }
}

#[cfg(test)]
mod tests;
