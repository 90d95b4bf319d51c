//! The operations of Burn's primitives.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata as _};
use burn::prelude::*;
use burn::tensor::{DType, Slice};
use ccsr_kernels::packed::{Form, Offset, Width};

use super::super::composed::{attend, cast, silu};

/// Outputs that packed matrices have side by side.
const BLOCK: usize = 16;

pub(super) fn rms_norm<B: Backend>(
    input: FloatTensor<B>,
    gamma: FloatTensor<B>,
    epsilon: f64,
) -> FloatTensor<B> {
    let dtype = input.dtype();
    // Sums of squares of half precision would overflow.
    let [input, gamma] = [input, gamma].map(|of| cast::<B>(of, DType::F32));
    let last = input.shape().num_dims() - 1;
    let normal = over_root::<B>(input, epsilon);
    cast::<B>(B::float_mul(normal, a_row::<B>(gamma, last)), dtype)
}

pub(super) fn layer_norm<B: Backend>(
    input: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    epsilon: f64,
) -> FloatTensor<B> {
    let dtype = input.dtype();
    let [input, gamma, beta] = [input, gamma, beta].map(|of| cast::<B>(of, DType::F32));
    let last = input.shape().num_dims() - 1;
    let mean = B::float_mean_dim(input.clone(), last);
    let normal = over_root::<B>(B::float_sub(input, mean), epsilon);
    let scaled = B::float_mul(normal, a_row::<B>(gamma, last));
    cast::<B>(B::float_add(scaled, a_row::<B>(beta, last)), dtype)
}

/// The numbers of each row over the root of the mean of their squares.
fn over_root<B: Backend>(input: FloatTensor<B>, epsilon: f64) -> FloatTensor<B> {
    let last = input.shape().num_dims() - 1;
    let square = B::float_mul(input.clone(), input.clone());
    let mean = B::float_add_scalar(B::float_mean_dim(square, last), epsilon.into());
    B::float_div(input, B::float_sqrt(mean))
}

/// Numbers as the row of a tensor with so many dimensions before.
fn a_row<B: Backend>(numbers: FloatTensor<B>, before: usize) -> FloatTensor<B> {
    let mut row = vec![1; before];
    row.push(numbers.shape()[0]);
    B::float_reshape(numbers, Shape::from(row))
}

pub(super) fn swiglu<B: Backend>(gates: FloatTensor<B>, values: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mul(silu::<B>(gates), values)
}

pub(super) fn rotate<B: Backend>(
    input: &FloatTensor<B>,
    cos: FloatTensor<B>,
    sin: FloatTensor<B>,
) -> FloatTensor<B> {
    let dtype = input.dtype();
    let [rows, _, width] = input.shape().dims::<3>();
    let half = width / 2;
    let angles = Shape::from([rows, 1, half]);
    let [cos, sin] = [cos, sin].map(|of| B::float_reshape(cast::<B>(of, dtype), angles.clone()));
    let part = |from: usize| {
        let part = [Slice::full(), Slice::full(), (from..from + half).into()];
        B::float_slice(input.clone(), &part)
    };
    let (a, b) = (part(0), part(half));
    let turned = |of: &FloatTensor<B>, by: &FloatTensor<B>| B::float_mul(of.clone(), by.clone());
    let first = B::float_sub(turned(&a, &cos), turned(&b, &sin));
    let second = B::float_add(turned(&b, &cos), turned(&a, &sin));
    B::float_cat(vec![first, second], 2)
}

/// Both parts in one tensor, keys and values repeated for each head that shares them.
pub(super) fn attend_after<B: Backend>(
    queries: FloatTensor<B>,
    [first_keys, first_values]: [FloatTensor<B>; 2],
    [keys, values]: [FloatTensor<B>; 2],
) -> FloatTensor<B> {
    let [batch, heads, rows, dim] = queries.shape().dims::<4>();
    let joined = |first, own| {
        let all = B::float_cat(vec![first, own], 2);
        let [_, kv_heads, count, _] = all.shape().dims::<4>();
        let apart = Shape::from([batch, kv_heads, 1, count, dim]);
        let shared = Shape::from([batch, kv_heads, heads / kv_heads, count, dim]);
        let repeated = B::float_expand(B::float_reshape(all, apart), shared);
        B::float_reshape(repeated, Shape::from([batch, heads, count, dim]))
    };
    let (keys, values) = (joined(first_keys, keys), joined(first_values, values));
    // A query sees what stands before it, the last one everything: one alone needs no mask.
    attend::<B>(queries, keys, values, rows > 1)
}

/// The numbers in single precision.
pub(super) fn wide<B: Backend>(input: FloatTensor<B>) -> FloatTensor<B> {
    cast::<B>(input, DType::F32)
}

/// By the matrix unpacked, each code to where it belongs.
pub(super) fn packed_linear<B: Backend>(
    input: FloatTensor<B>,
    words: &IntTensor<B>,
    [scales, offsets]: [FloatTensor<B>; 2],
    form: Form,
) -> FloatTensor<B> {
    let dtype = input.dtype();
    let (inputs, outputs, group) = (form.inputs(), form.outputs(), form.group());
    let blocks = outputs.div_ceil(BLOCK);
    let (per_word, mask) = match form.width() {
        Width::Four => (8, 0x0F),
        Width::Eight => (4, 0xFF),
    };
    let words_a_row = inputs / per_word;
    // `[blocks, words, 16, codes of a word]`, in the order of the inputs.
    let codes = (0..per_word).map(|code| {
        let bit = 8 * (code % 4) + 4 * (code / 4);
        let shifted = B::bitwise_right_shift_scalar(words.clone(), (bit as i32).into());
        let code = B::bitwise_and_scalar(shifted, mask.into());
        B::int_reshape(code, Shape::from([blocks, words_a_row, BLOCK, 1]))
    });
    let codes = B::int_cat(codes.collect(), 3);
    let codes = B::int_permute(codes, &[0, 2, 1, 3]);
    let codes = B::int_reshape(codes, Shape::from([blocks * BLOCK, inputs / group, group]));
    let codes = B::int_into_float(codes, dtype.into());
    // `[outputs, groups, 1]`.
    let a_group = |numbers| {
        let numbers = cast::<B>(numbers, dtype);
        let apart = B::float_reshape(numbers, Shape::from([blocks, inputs / group, BLOCK]));
        let turned = B::float_swap_dims(apart, 1, 2);
        B::float_reshape(turned, Shape::from([blocks * BLOCK, inputs / group, 1]))
    };
    let scales = a_group(scales);
    let weights = match form.offset() {
        Offset::Zero(zero) => {
            let centred = B::float_sub_scalar(codes, f32::from(zero).into());
            B::float_mul(centred, scales)
        }
        Offset::Zeros => B::float_mul(B::float_sub(codes, a_group(offsets)), scales),
        Offset::Minima => B::float_add(B::float_mul(codes, scales), a_group(offsets)),
    };
    let weights = B::float_reshape(weights, Shape::from([blocks * BLOCK, inputs]));
    let weights = B::float_slice(weights, &[(0..outputs).into(), Slice::full()]);
    B::float_matmul(input, B::float_swap_dims(weights, 0, 1))
}

/// On the CPU the kernels take single precision; other backends and their graphs have these.
#[cfg(test)]
mod tests {
    use burn::backend::Flex;

    use super::super::LanguageKernels;
    use super::*;

    type Flat = FloatTensor<Flex>;

    fn numbers(shape: &[usize], seed: usize) -> Flat {
        let count = shape.iter().product::<usize>();
        let numbers = (0..count).map(|at| ((at * 7 + seed * 13) as f32 * 0.37).sin() * 3.0);
        Flat::from_data(TensorData::new(numbers.collect::<Vec<_>>(), shape.to_vec()))
    }

    #[track_caller]
    fn alike(found: Flat, expected: Flat) {
        let [found, expected] = [found, expected].map(|of| {
            let data = of.into_data();
            data.try_to_vec::<f32>()
                .expect("both are of single precision")
        });
        let apart = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
        assert_eq!(found.len(), expected.len());
        assert!(apart.fold(0.0, f32::max) < 2e-5);
    }

    #[test]
    fn primitives_compute_what_kernels_do() {
        let (input, gamma) = (numbers(&[3, 5, 24], 1), numbers(&[24], 2));
        alike(
            rms_norm::<Flex>(input.clone(), gamma.clone(), 1e-5),
            Flex::ccsr_rms_norm(input.clone(), gamma.clone(), 1e-5),
        );
        let beta = numbers(&[24], 6);
        alike(
            layer_norm::<Flex>(input.clone(), gamma.clone(), beta.clone(), 1e-5),
            Flex::ccsr_layer_norm(input.clone(), gamma, beta, 1e-5),
        );
        let values = numbers(&[3, 5, 24], 3);
        alike(
            swiglu::<Flex>(input.clone(), values.clone()),
            Flex::ccsr_swiglu(input.clone(), values),
        );
        let (cos, sin) = (numbers(&[3, 12], 4), numbers(&[3, 12], 5));
        alike(
            rotate::<Flex>(&input, cos.clone(), sin.clone()),
            Flex::ccsr_rotate(input, cos, sin),
        );
    }
}
