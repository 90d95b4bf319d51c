//! The operations as an extension of Burn's backends, and their bodies on the CPU.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Flex, TensorMetadata as _, backend_extension};
use burn::prelude::*;
use burn::tensor::DType;
use ccsr_kernels::activation;
use ccsr_kernels::attention::{Attention, Heads, Layout, Strides};
use ccsr_kernels::convolution::conv::{self, Conv2d};
use ccsr_kernels::convolution::linear;
use ccsr_kernels::convolution::weights::Weights;
use ccsr_kernels::group_norm::GroupNorm;
use ccsr_kernels::upsample;
use half::{bf16, f16};

use super::composed;

/// Names begin with `ccsr_`: they stand beside Burn's own.
#[backend_extension(Flex, Autodiff, Cube: cfg(feature = "gpu"), Fusion: cfg(feature = "gpu"))]
pub(super) trait Kernels: Backend {
    #[fusion(default)]
    fn ccsr_silu(input: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::silu::<Self>(input)
    }

    #[fusion(default)]
    fn ccsr_gelu(input: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::gelu::<Self>(input)
    }

    #[fusion(default)]
    fn ccsr_quick_gelu(input: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::quick_gelu::<Self>(input)
    }

    #[fusion(dtype = input, shape = composed::halved(input))]
    fn ccsr_geglu(input: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::geglu::<Self>(&input)
    }

    #[fusion(dtype = input, shape = composed::doubled(input))]
    fn ccsr_double(input: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::double::<Self>(input)
    }

    #[fusion(dtype = input, shape = input)]
    fn ccsr_group_norm(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        groups: usize,
        epsilon: f64,
        silu: bool,
    ) -> FloatTensor<Self> {
        composed::group_norm::<Self>(input, gamma, beta, groups, epsilon, silu)
    }

    #[fusion(default)]
    fn ccsr_attend(
        queries: FloatTensor<Self>,
        keys: FloatTensor<Self>,
        values: FloatTensor<Self>,
        causal: bool,
    ) -> FloatTensor<Self> {
        composed::attend::<Self>(queries, keys, values, causal)
    }

    #[fusion(default)]
    fn ccsr_linear(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        composed::linear::<Self>(input, weight, bias)
    }

    #[fusion(default)]
    fn ccsr_conv2d(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
        before: usize,
        after: usize,
    ) -> FloatTensor<Self> {
        composed::conv2d::<Self>(input, weight, bias, stride, before, after)
    }
}

pub(super) type Flat = FloatTensor<Flex>;

/// Whether all are of single precision: what the kernels take.
pub(super) fn single(tensors: &[&Flat]) -> bool {
    tensors.iter().all(|tensor| tensor.dtype() == DType::F32)
}

/// Whether a kernel takes these numbers: the weight may be of half precision.
pub(super) fn taken(input: &Flat, weight: &Flat, bias: &Flat) -> bool {
    single(&[input, bias]) && matches!(weight.dtype(), DType::F32 | DType::F16 | DType::BF16)
}

/// A weight's numbers, which lie in order.
pub(super) fn weights_of(weight: &Flat) -> Weights<'_> {
    match weight.dtype() {
        DType::F16 => Weights::F16(weight.storage::<f16>()),
        DType::BF16 => Weights::BF16(weight.storage::<bf16>()),
        _ => Weights::F32(weight.storage::<f32>()),
    }
}

/// A tensor on the CPU.
pub(super) fn made(numbers: Vec<f32>, shape: impl Into<Shape>) -> Flat {
    Flat::from_data(TensorData::new(numbers, shape.into()))
}

/// A function from slice to slice that keeps the shape.
pub(super) fn mapped(input: &Flat, kernel: impl Fn(&[f32], &mut [f32])) -> Flat {
    let input = input.to_contiguous();
    let numbers = input.storage::<f32>();
    let mut out = vec![0.0; numbers.len()];
    kernel(numbers, &mut out);
    made(out, input.shape())
}

/// A function of each number, by the kernel if it takes the input.
fn pointwise(
    input: Flat,
    kernel: impl Fn(&[f32], &mut [f32]),
    composed: impl Fn(Flat) -> Flat,
) -> Flat {
    if single(&[&input]) {
        mapped(&input, kernel)
    } else {
        composed(input)
    }
}

/// The numbers of heads and where they lie; copied only if the numbers of a row do not lie side by side.
pub(super) fn rows_side_by_side(tensor: Flat) -> Flat {
    let strides = tensor.layout().strides();
    if strides[3] == 1 && strides.iter().all(|stride| *stride >= 0) {
        tensor
    } else {
        tensor.to_contiguous()
    }
}

pub(super) fn heads(tensor: &Flat) -> Heads<'_> {
    let layout = tensor.layout();
    let stride = |dim: usize| layout.strides()[dim].unsigned_abs();
    Heads {
        data: &tensor.storage::<f32>()[layout.start_offset()..],
        strides: Strides {
            batch: stride(0),
            head: stride(1),
            row: stride(2),
        },
    }
}

/// The sizes of an attention of queries to keys and values.
pub(super) fn attention_of([queries, keys, _]: &[Flat; 3], causal: bool) -> Attention<'static> {
    let [batch, heads, rows, dim] = queries.shape().dims::<4>();
    let [_, kv_heads, seen, _] = keys.shape().dims::<4>();
    Attention {
        batch,
        heads,
        kv_heads,
        queries: rows,
        keys: seen,
        dim,
        scale: 1.0 / (dim as f32).sqrt(),
        causal: causal.then_some(0),
        mask: None,
    }
}

/// The result of an attention, `[batch, queries, heads * numbers]`.
pub(super) fn attended(
    attention: &Attention<'_>,
    [queries, keys, values]: &[Flat; 3],
    log_sums: Option<&mut [f32]>,
) -> Flat {
    let shape = [
        attention.batch,
        attention.queries,
        attention.heads * attention.dim,
    ];
    let mut out = vec![0.0; shape.iter().product()];
    let (q, k, v) = (heads(queries), heads(keys), heads(values));
    attention.forward(q, k, v, Layout::RowsFirst, &mut out, log_sums);
    made(out, shape)
}

/// A linear layer's weight without a copy if it can be. Read from a file, weights are a view of what PyTorch
/// holds the other way round.
pub(super) fn weight_as_it_lies(weight: &Flat) -> (Flat, linear::Layout) {
    let [inputs, outputs] = weight.shape().dims::<2>();
    let turned = weight.layout().strides() == [1, inputs as isize]
        && weight.layout().start_offset() == 0
        && weights_of(weight).len() == inputs * outputs;
    if turned {
        (weight.clone(), linear::Layout::OutIn)
    } else {
        (weight.to_contiguous(), linear::Layout::InOut)
    }
}

impl Kernels for Flex {
    fn ccsr_silu(input: Flat) -> Flat {
        pointwise(input, activation::silu, composed::silu::<Self>)
    }

    fn ccsr_gelu(input: Flat) -> Flat {
        pointwise(input, activation::gelu, composed::gelu::<Self>)
    }

    fn ccsr_quick_gelu(input: Flat) -> Flat {
        pointwise(input, activation::quick_gelu, composed::quick_gelu::<Self>)
    }

    fn ccsr_geglu(input: Flat) -> Flat {
        if !single(&[&input]) {
            return composed::geglu::<Self>(&input);
        }
        let input = input.to_contiguous();
        let shape = composed::halved(&input.shape());
        let width = shape.to_vec().pop().unwrap_or(1);
        let mut out = vec![0.0; shape.num_elements()];
        activation::geglu(input.storage::<f32>(), width, &mut out);
        made(out, shape)
    }

    fn ccsr_double(input: Flat) -> Flat {
        if !single(&[&input]) {
            return composed::double::<Self>(input);
        }
        let input = input.to_contiguous();
        let [.., width] = input.shape().dims::<4>();
        let shape = composed::doubled(&input.shape());
        let mut out = vec![0.0; shape.num_elements()];
        upsample::double(input.storage::<f32>(), width, &mut out);
        made(out, shape)
    }

    fn ccsr_group_norm(
        input: Flat,
        gamma: Flat,
        beta: Flat,
        groups: usize,
        epsilon: f64,
        silu: bool,
    ) -> Flat {
        if !single(&[&input, &gamma, &beta]) {
            return composed::group_norm::<Self>(input, gamma, beta, groups, epsilon, silu);
        }
        let (gamma, beta) = (gamma.to_contiguous(), beta.to_contiguous());
        let cells = input.shape().iter().skip(2).product();
        let norm = GroupNorm {
            groups,
            gamma: gamma.storage::<f32>(),
            beta: beta.storage::<f32>(),
            epsilon,
            shift: None,
            silu,
        };
        mapped(&input, |numbers, out| norm.forward(numbers, cells, out))
    }

    fn ccsr_attend(queries: Flat, keys: Flat, values: Flat, causal: bool) -> Flat {
        if !single(&[&queries, &keys, &values]) {
            return composed::attend::<Self>(queries, keys, values, causal);
        }
        let inputs = [queries, keys, values].map(rows_side_by_side);
        attended(&attention_of(&inputs, causal), &inputs, None)
    }

    fn ccsr_linear(input: Flat, weight: Flat, bias: Flat) -> Flat {
        if !taken(&input, &weight, &bias) {
            return composed::linear::<Self>(input, weight, bias);
        }
        let [inputs, outputs] = weight.shape().dims::<2>();
        let (weight, layout) = weight_as_it_lies(&weight);
        let (input, bias) = (input.to_contiguous(), bias.to_contiguous());
        let mut dims = input.shape().to_vec();
        let last = dims.len() - 1;
        dims[last] = outputs;
        let mut out = vec![0.0; dims.iter().product()];
        linear::linear(
            input.storage::<f32>(),
            weights_of(&weight),
            layout,
            Some(bias.storage::<f32>()),
            (inputs, outputs),
            &mut out,
        );
        made(out, dims)
    }

    fn ccsr_conv2d(
        input: Flat,
        weight: Flat,
        bias: Flat,
        stride: usize,
        before: usize,
        after: usize,
    ) -> Flat {
        if !taken(&input, &weight, &bias) {
            return composed::conv2d::<Self>(input, weight, bias, stride, before, after);
        }
        let (input, weight) = (input.to_contiguous(), weight.to_contiguous());
        let bias = bias.to_contiguous();
        let (dims, sizes) = (input.shape(), weight.shape());
        let (batch, height, width) = (dims[0], dims[2], dims[3]);
        let conv = Conv2d {
            inputs: sizes[1],
            outputs: sizes[0],
            kernel: sizes[2],
            stride,
            pad_before: before,
            pad_after: after,
        };
        let sides = [conv.output_side(height), conv.output_side(width)];
        let mut out = vec![0.0; batch * conv.outputs * sides[0] * sides[1]];
        conv::conv2d(
            input.storage::<f32>(),
            weights_of(&weight),
            Some(bias.storage::<f32>()),
            conv,
            (height, width),
            &mut out,
        );
        made(out, [batch, conv.outputs, sides[0], sides[1]])
    }
}
