//! The operations of Burn's primitives: right on every backend, and differentiable.

use std::f32::consts::FRAC_1_SQRT_2;

use burn::backend::ops::{AttentionModuleOptions, ConvOptions, PadMode};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata as _};
use burn::prelude::*;
use burn::tensor::{DType, FloatDType, Slice};

/// The factor in quick GELU.
const QUICK: f32 = 1.702;

/// The numbers in another precision, if they are not in it already.
pub(super) fn cast<B: Backend>(tensor: FloatTensor<B>, dtype: DType) -> FloatTensor<B> {
    if tensor.dtype() == dtype {
        return tensor;
    }
    let precision: FloatDType = dtype.into();
    B::float_cast(tensor, precision)
}

pub(super) fn silu<B: Backend>(input: FloatTensor<B>) -> FloatTensor<B> {
    let gate = B::sigmoid(input.clone());
    B::float_mul(input, gate)
}

/// By the error function, whose derivative Burn knows: that of its own GELU is an approximation.
pub(super) fn gelu<B: Backend>(input: FloatTensor<B>) -> FloatTensor<B> {
    let scaled = B::float_mul_scalar(input.clone(), FRAC_1_SQRT_2.into());
    let below = B::float_add_scalar(B::float_erf(scaled), 1.0_f32.into());
    B::float_mul(input, B::float_mul_scalar(below, 0.5_f32.into()))
}

pub(super) fn quick_gelu<B: Backend>(input: FloatTensor<B>) -> FloatTensor<B> {
    let gate = B::sigmoid(B::float_mul_scalar(input.clone(), QUICK.into()));
    B::float_mul(input, gate)
}

/// A shape with half the last dimension.
pub(super) fn halved(shape: &Shape) -> Shape {
    let mut dims = shape.to_vec();
    if let Some(last) = dims.last_mut() {
        *last /= 2;
    }
    Shape::from(dims)
}

/// A shape with twice the last two dimensions.
pub(super) fn doubled(shape: &Shape) -> Shape {
    let mut dims = shape.to_vec();
    dims.iter_mut().rev().take(2).for_each(|side| *side *= 2);
    Shape::from(dims)
}

pub(super) fn double<B: Backend>(input: FloatTensor<B>) -> FloatTensor<B> {
    let [batch, channels, height, width] = input.shape().dims::<4>();
    let rows = batch * channels * height;
    let out = Shape::from([batch, channels, 2 * height, 2 * width]);
    let cells = B::float_reshape(input, Shape::from([rows, 1, width, 1]));
    B::float_reshape(
        B::float_expand(cells, Shape::from([rows, 2, width, 2])),
        out,
    )
}

pub(super) fn geglu<B: Backend>(input: &FloatTensor<B>) -> FloatTensor<B> {
    let dims = input.shape().to_vec();
    let width = dims[dims.len() - 1] / 2;
    let half = |from: usize| {
        let mut slices = vec![Slice::full(); dims.len() - 1];
        slices.push((from..from + width).into());
        B::float_slice(input.clone(), &slices)
    };
    B::float_mul(half(0), gelu::<B>(half(width)))
}

pub(super) fn group_norm<B: Backend>(
    input: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    groups: usize,
    epsilon: f64,
    silu_after: bool,
) -> FloatTensor<B> {
    let dtype = input.dtype();
    // Sums of squares of half precision would overflow.
    let [input, gamma, beta] = [input, gamma, beta].map(|of| cast::<B>(of, DType::F32));
    let shape = input.shape();
    let (batch, channels) = (shape[0], shape[1]);
    let cells: usize = shape.iter().skip(2).product();
    let rows = B::float_reshape(
        input,
        Shape::from([batch, groups, channels / groups * cells]),
    );
    let centred = B::float_sub(rows.clone(), B::float_mean_dim(rows, 2));
    let square = B::float_mul(centred.clone(), centred.clone());
    let variance = B::float_add_scalar(B::float_mean_dim(square, 2), epsilon.into());
    let normal = B::float_div(centred, B::float_sqrt(variance));
    let normal = B::float_reshape(normal, Shape::from([batch, channels, cells]));
    let each = |numbers| B::float_reshape(numbers, Shape::from([1, channels, 1]));
    let scaled = B::float_add(B::float_mul(normal, each(gamma)), each(beta));
    let out = B::float_reshape(scaled, shape);
    let out = if silu_after { silu::<B>(out) } else { out };
    cast::<B>(out, dtype)
}

pub(super) fn attend<B: Backend>(
    queries: FloatTensor<B>,
    keys: FloatTensor<B>,
    values: FloatTensor<B>,
    causal: bool,
) -> FloatTensor<B> {
    let shape = queries.shape();
    let (batch, heads, rows, dim) = (shape[0], shape[1], shape[2], shape[3]);
    let options = AttentionModuleOptions {
        is_causal: causal,
        ..AttentionModuleOptions::default()
    };
    let attended = B::attention(queries, keys, values, None, None, options);
    let joined = B::float_swap_dims(attended, 1, 2);
    B::float_reshape(joined, Shape::from([batch, rows, heads * dim]))
}

pub(super) fn linear<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
) -> FloatTensor<B> {
    let mut dims = input.shape().to_vec();
    let (inputs, outputs) = (weight.shape()[0], weight.shape()[1]);
    let rows = dims.iter().product::<usize>() / inputs.max(1);
    let weight = cast::<B>(weight, input.dtype());
    let flat = B::float_reshape(input, Shape::from([rows, inputs]));
    let product = B::float_matmul(flat, weight);
    let out = B::float_add(product, B::float_reshape(bias, Shape::from([1, outputs])));
    let last = dims.len() - 1;
    dims[last] = outputs;
    B::float_reshape(out, Shape::from(dims))
}

pub(super) fn conv2d<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    stride: usize,
    before: usize,
    after: usize,
) -> FloatTensor<B> {
    let weight = cast::<B>(weight, input.dtype());
    let options = |padding| ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
    if before == after {
        return B::conv2d(input, weight, Some(bias), options(before));
    }
    let padded = padded::<B>(input, [(before, after); 2]);
    B::conv2d(padded, weight, Some(bias), options(0))
}

/// Images with zeros around them: above and below, left and right.
pub(super) fn padded<B: Backend>(
    input: FloatTensor<B>,
    [vertical, horizontal]: [(usize, usize); 2],
) -> FloatTensor<B> {
    let sides = [(0, 0), (0, 0), vertical, horizontal];
    B::float_pad(input, &sides, PadMode::Constant(0.0))
}
