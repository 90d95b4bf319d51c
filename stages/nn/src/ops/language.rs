//! The operations of language models as an extension of Burn's backends, and their bodies on the CPU.
//!
//! Their default bodies, of Burn's primitives, are right on every backend and go backward; on the CPU our kernels do
//! (`gradient`). Those that are `default` to
//! fusion are fused by Burn on cards; the others reach the bodies there as they are (`cube`).

mod composed;
#[cfg(feature = "gpu")]
mod cube;
mod gradient;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Flex, TensorMetadata as _, backend_extension};
#[cfg(feature = "gpu")]
use burn::prelude::Shape;
use ccsr_kernels::attention::Layout;
use ccsr_kernels::convolution::few_rows::linear_few_rows;
use ccsr_kernels::convolution::linear;
use ccsr_kernels::packed::{self, Form, Matrix, Offset, Width};
use ccsr_kernels::{activation, layer_norm, rotary};
use half::f16;

use super::extension::{
    Flat, Kernels as _, attention_of, heads, made, mapped, rows_side_by_side, single, taken,
    weight_as_it_lies, weights_of,
};

type FlatWhole = IntTensor<Flex>;

/// Names begin with `ccsr_`: they stand beside Burn's own.
#[backend_extension(Flex, Autodiff, Cube: cfg(feature = "gpu"), Fusion: cfg(feature = "gpu"))]
#[expect(
    clippy::too_many_arguments,
    reason = "what an extension takes is tensors and numbers"
)]
pub(super) trait LanguageKernels: Backend {
    #[fusion(dtype = input, shape = input)]
    fn ccsr_rms_norm(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        composed::rms_norm::<Self>(input, gamma, epsilon)
    }

    #[fusion(dtype = input, shape = input)]
    fn ccsr_layer_norm(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        composed::layer_norm::<Self>(input, gamma, beta, epsilon)
    }

    #[fusion(default)]
    fn ccsr_swiglu(gates: FloatTensor<Self>, values: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::swiglu::<Self>(gates, values)
    }

    #[fusion(dtype = input, shape = input)]
    fn ccsr_rotate(
        input: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        composed::rotate::<Self>(&input, cos, sin)
    }

    #[fusion(default)]
    fn ccsr_gather_rows(input: FloatTensor<Self>, index: IntTensor<Self>) -> FloatTensor<Self> {
        Self::float_select(input, 0, index)
    }

    #[fusion(default)]
    fn ccsr_attend_after(
        queries: FloatTensor<Self>,
        first_keys: FloatTensor<Self>,
        first_values: FloatTensor<Self>,
        keys: FloatTensor<Self>,
        values: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        composed::attend_after::<Self>(queries, [first_keys, first_values], [keys, values])
    }

    #[fusion(default)]
    fn ccsr_linear_few(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        super::composed::linear::<Self>(input, weight, bias)
    }

    /// `eight`: whether codes have eight bits; `zero`: a zero of all codes, or [`ZEROS`] or [`MINIMA`].
    #[fusion(dtype = input, shape = Shape::from([input[0], *outputs]))]
    fn ccsr_packed_linear(
        input: FloatTensor<Self>,
        words: IntTensor<Self>,
        scales: FloatTensor<Self>,
        offsets: FloatTensor<Self>,
        outputs: usize,
        group: usize,
        eight: bool,
        zero: usize,
    ) -> FloatTensor<Self> {
        let form = form_of(input.shape()[1], outputs, group, eight, zero);
        composed::packed_linear::<Self>(input, &words, [scales, offsets], form)
    }
}

/// Zeros stand with each group.
const ZEROS: usize = 256;
/// Minima stand with each group.
const MINIMA: usize = 257;

/// A form in the words that an extension takes: outputs, group, whether codes have eight bits, zero.
pub(super) fn words_of(form: Form) -> (usize, usize, bool, usize) {
    let zero = match form.offset() {
        Offset::Zero(zero) => usize::from(zero),
        Offset::Zeros => ZEROS,
        Offset::Minima => MINIMA,
    };
    let eight = form.width() == Width::Eight;
    (form.outputs(), form.group(), eight, zero)
}

fn form_of(inputs: usize, outputs: usize, group: usize, eight: bool, zero: usize) -> Form {
    let width = if eight { Width::Eight } else { Width::Four };
    let offset = match zero {
        ZEROS => Offset::Zeros,
        MINIMA => Offset::Minima,
        zero => Offset::Zero(zero as u8),
    };
    Form::new(inputs, outputs, group, width, offset).expect("it comes from a form")
}

impl LanguageKernels for Flex {
    fn ccsr_rms_norm(input: Flat, gamma: Flat, epsilon: f64) -> Flat {
        if !single(&[&input, &gamma]) {
            return composed::rms_norm::<Self>(input, gamma, epsilon);
        }
        let gamma = gamma.to_contiguous();
        let gamma = gamma.storage::<f32>();
        mapped(&input, |numbers, out| {
            layer_norm::rms_norm(numbers, gamma, epsilon, out);
        })
    }

    fn ccsr_layer_norm(input: Flat, gamma: Flat, beta: Flat, epsilon: f64) -> Flat {
        if !single(&[&input, &gamma, &beta]) {
            return composed::layer_norm::<Self>(input, gamma, beta, epsilon);
        }
        let (gamma, beta) = (gamma.to_contiguous(), beta.to_contiguous());
        let (gamma, beta) = (gamma.storage::<f32>(), beta.storage::<f32>());
        mapped(&input, |numbers, out| {
            layer_norm::layer_norm(numbers, gamma, beta, epsilon, out);
        })
    }

    fn ccsr_swiglu(gates: Flat, values: Flat) -> Flat {
        if !single(&[&gates, &values]) {
            return composed::swiglu::<Self>(gates, values);
        }
        let values = values.to_contiguous();
        let values = values.storage::<f32>();
        mapped(&gates, |gates, out| activation::swiglu(gates, values, out))
    }

    fn ccsr_rotate(input: Flat, cos: Flat, sin: Flat) -> Flat {
        if !single(&[&input, &cos, &sin]) {
            return composed::rotate::<Self>(&input, cos, sin);
        }
        let [_, count, width] = input.shape().dims::<3>();
        let (cos, sin) = (cos.to_contiguous(), sin.to_contiguous());
        let (cos, sin) = (cos.storage::<f32>(), sin.storage::<f32>());
        mapped(&input, |numbers, out| {
            rotary::rotate(numbers, cos, sin, (count, width / 2), out);
        })
    }

    fn ccsr_attend_after(
        queries: Flat,
        first_keys: Flat,
        first_values: Flat,
        keys: Flat,
        values: Flat,
    ) -> Flat {
        if !single(&[&queries, &first_keys, &first_values, &keys, &values]) {
            let (first, own) = ([first_keys, first_values], [keys, values]);
            return composed::attend_after::<Self>(queries, first, own);
        }
        let [first_keys, first_values] = [first_keys, first_values].map(rows_side_by_side);
        let before = first_keys.shape()[2];
        let inputs = [queries, keys, values].map(rows_side_by_side);
        let mut attention = attention_of(&inputs, false);
        attention.causal = Some(attention.keys - attention.queries);
        let shape = [
            attention.batch,
            attention.queries,
            attention.heads * attention.dim,
        ];
        let mut out = vec![0.0; shape.iter().product()];
        let [queries, keys, values] = inputs.each_ref().map(heads);
        let first = [heads(&first_keys), heads(&first_values)];
        let layout = Layout::RowsFirst;
        attention.forward_after(queries, (first, before), [keys, values], layout, &mut out);
        made(out, shape)
    }

    fn ccsr_linear_few(input: Flat, weight: Flat, bias: Flat) -> Flat {
        let [inputs, outputs] = weight.shape().dims::<2>();
        let (lying, layout) = weight_as_it_lies(&weight);
        if !taken(&input, &weight, &bias) || layout != linear::Layout::OutIn {
            return Self::ccsr_linear(input, weight, bias);
        }
        let [rows, _] = input.shape().dims::<2>();
        let (input, bias) = (input.to_contiguous(), bias.to_contiguous());
        let mut out = vec![0.0; rows * outputs];
        linear_few_rows(
            input.storage::<f32>(),
            weights_of(&lying),
            Some(bias.storage::<f32>()),
            (inputs, outputs),
            &mut out,
        );
        made(out, [rows, outputs])
    }

    fn ccsr_packed_linear(
        input: Flat,
        words: FlatWhole,
        scales: Flat,
        offsets: Flat,
        outputs: usize,
        group: usize,
        eight: bool,
        zero: usize,
    ) -> Flat {
        let [rows, inputs] = input.shape().dims::<2>();
        let form = form_of(inputs, outputs, group, eight, zero);
        let input = composed::wide::<Self>(input).to_contiguous();
        let offsets = match form.offset() {
            Offset::Zero(_) => &[],
            Offset::Zeros | Offset::Minima => offsets.storage::<f16>(),
        };
        let matrix = Matrix::new(
            form,
            words.storage::<i32>(),
            scales.storage::<f16>(),
            offsets,
        )
        .expect("tensors are as long as their form says");
        let mut out = vec![0.0; rows * outputs];
        packed::linear(input.storage::<f32>(), matrix, None, &mut out);
        made(out, [rows, outputs])
    }
}
