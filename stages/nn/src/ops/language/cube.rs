//! The operations of language models in CubeCL, where neither a call of Burn's nor its fusion gets them into one pass:
//! normalisation, which reduces before it scales, rotation, which reads two parts of one tensor, and products with
//! packed weights.
//!
//! A few rows are multiplied by the words as they lie, each read once: that is as fast as the card's memory. For many
//! rows the weights are unpacked, and the product is Burn's own, tuned when it first runs.

#![expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::used_underscore_binding,
    reason = "kernels are read by `cube`, which moves what is not borrowed and names the types that are defined"
)]

use burn::backend::TensorMetadata as _;
use burn::backend::cubecl::dtype_to_storage_type;
use burn::backend::ops::FloatTensorOps as _;
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;
use ccsr_kernels::packed::Form;
use cubecl::prelude::*;
use cubecl::{calculate_cube_count_elemwise, prelude};

use super::super::composed::cast;
use super::super::cube::sum_of_all;
use super::{LanguageKernels, MINIMA, ZEROS, form_of, words_of};

/// Units of a cube.
const UNITS: usize = 256;
/// Outputs that packed matrices have side by side.
const BLOCK: usize = 16;
/// Outputs of one unit, neighbours: their words are one load, and so are four activations.
const SIDE: usize = 4;
/// Units side by side, which share a block.
const ACROSS: usize = BLOCK / SIDE;
/// The most rows that are multiplied by packed words; their sums stay in registers.
const FEW: usize = 8;

/// A cube a row, in binary32 whatever the numbers are.
#[cube(launch)]
fn rms_norm_kernel<F: Float, G: Float>(
    input: &prelude::Tensor<F>,
    gamma: &prelude::Tensor<G>,
    out: &mut prelude::Tensor<F>,
    width: usize,
    epsilon: f32,
    #[comptime] units: usize,
    #[define(F, G)] _dtypes: [ElemType; 2],
) {
    let first = CUBE_POS * width;
    if first >= out.len() {
        terminate!();
    }
    let mut sums = Shared::<[f32]>::new_slice(units);
    let mut squares = 0.0f32;
    for at in range_stepped(UNIT_POS as usize, width, units) {
        let number = f32::cast_from(input[first + at]);
        squares += number * number;
    }
    let mean = sum_of_all(&mut sums, squares, units) / f32::cast_from(width);
    let scale = 1.0f32 / f32::sqrt(mean + epsilon);
    for at in range_stepped(UNIT_POS as usize, width, units) {
        let number = f32::cast_from(input[first + at]);
        out[first + at] = F::cast_from(number * scale * f32::cast_from(gamma[at]));
    }
}

/// A unit a pair of numbers, one of each half of a head.
#[cube(launch)]
fn rotate_kernel<F: Float, A: Float>(
    input: &prelude::Tensor<F>,
    cos: &prelude::Tensor<A>,
    sin: &prelude::Tensor<A>,
    out: &mut prelude::Tensor<F>,
    heads: usize,
    half: usize,
    #[define(F, A)] _dtypes: [ElemType; 2],
) {
    let head = ABSOLUTE_POS / half;
    let place = ABSOLUTE_POS % half;
    let first = 2 * half * head + place;
    if first >= out.len() {
        terminate!();
    }
    let angle = head / heads * half + place;
    let (cos, sin) = (f32::cast_from(cos[angle]), f32::cast_from(sin[angle]));
    let (a, b) = (
        f32::cast_from(input[first]),
        f32::cast_from(input[first + half]),
    );
    out[first] = F::cast_from(a * cos - b * sin);
    out[first + half] = F::cast_from(b * cos + a * sin);
}

/// What codes of a group become weights by: a scale, and a zero or a minimum.
#[derive(CubeType, Clone, Copy)]
struct Group<N: Size> {
    scale: Vector<f32, N>,
    offset: Vector<f32, N>,
}

/// The group at a place of the tensors of scales and offsets.
#[cube]
fn group_at<S: Float, N: Size>(
    scales: &prelude::Tensor<Vector<S, N>>,
    offsets: &prelude::Tensor<Vector<S, N>>,
    at: usize,
    #[comptime] zero: usize,
) -> Group<N> {
    let scale = Vector::<f32, N>::cast_from(scales[at]);
    let offset = if comptime!(zero == ZEROS || zero == MINIMA) {
        Vector::<f32, N>::cast_from(offsets[at])
    } else {
        Vector::<f32, N>::new(comptime!(zero as f32).runtime())
    };
    Group::<N> { scale, offset }
}

/// The weights of one input, whose codes begin at a bit of their words.
#[cube]
fn weights_at<N: Size>(
    words: Vector<i32, N>,
    group: &Group<N>,
    #[comptime] bit: usize,
    #[comptime] eight: bool,
    #[comptime] zero: usize,
) -> Vector<f32, N> {
    let bit = Vector::<i32, N>::new(comptime!(bit as i32).runtime());
    let mask = Vector::<i32, N>::new(comptime!(if eight { 0xFF_i32 } else { 0x0F }).runtime());
    let codes = Vector::<f32, N>::cast_from((words >> bit) & mask);
    if comptime!(zero == MINIMA) {
        codes * group.scale + group.offset
    } else {
        (codes - group.offset) * group.scale
    }
}

/// A cube a block of outputs. Each unit goes through every 64th word of its four outputs, for all rows.
#[cube(launch)]
fn few_rows_kernel<F: Float, S: Float, N: Size>(
    input: &prelude::Tensor<Vector<F, N>>,
    words: &prelude::Tensor<Vector<i32, N>>,
    scales: &prelude::Tensor<Vector<S, N>>,
    offsets: &prelude::Tensor<Vector<S, N>>,
    out: &mut prelude::Tensor<F>,
    inputs: usize,
    outputs: usize,
    group: usize,
    #[comptime] rows: usize,
    #[comptime] eight: bool,
    #[comptime] zero: usize,
    #[define(F, S)] _dtypes: [ElemType; 2],
) {
    let block = CUBE_POS;
    if block * BLOCK >= outputs {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let side = unit % ACROSS;
    // Four inputs are a quad; a word has one of them or two.
    let quads = comptime!(if eight { 1usize } else { 2 });
    let length = inputs / (quads * SIDE);
    let words_a_group = group / (quads * SIDE);
    let groups = inputs / group;

    let mut sums = Array::<Vector<f32, N>>::new(rows);
    #[unroll]
    for row in 0..rows {
        sums[row] = Vector::new(0.0f32);
    }
    for word in range_stepped(unit / ACROSS, length, UNITS / ACROSS) {
        let at = (block * groups + word / words_a_group) * ACROSS + side;
        let group = group_at::<S, N>(scales, offsets, at, zero);
        let codes = words[(block * length + word) * ACROSS + side];
        #[unroll]
        for quad in 0..quads {
            let mut weights = Array::<Vector<f32, N>>::new(SIDE);
            #[unroll]
            for place in 0..SIDE {
                let bit = comptime!(8 * place + 4 * quad);
                weights[place] = weights_at::<N>(codes, &group, bit, eight, zero);
            }
            #[unroll]
            for row in 0..rows {
                let activations = input[(row * length + word) * quads + quad];
                #[unroll]
                for place in 0..SIDE {
                    let activation = f32::cast_from(activations.extract(place));
                    sums[row] += weights[place] * Vector::new(activation);
                }
            }
        }
    }

    let mut shared = Shared::<[Vector<f32, N>]>::new_slice(UNITS);
    #[unroll]
    for row in 0..rows {
        shared[unit] = sums[row];
        sync_cube();
        let mut distance = comptime!(UNITS / 2).runtime();
        while distance >= ACROSS {
            if unit < distance {
                let other = shared[unit + distance];
                shared[unit] += other;
            }
            sync_cube();
            distance /= 2;
        }
        if unit < ACROSS {
            let all = shared[unit];
            #[unroll]
            for place in 0..SIDE {
                let output = block * BLOCK + unit * SIDE + place;
                if output < outputs {
                    out[row * outputs + output] = F::cast_from(all.extract(place));
                }
            }
        }
        // Before anybody writes to them again.
        sync_cube();
    }
}

/// A unit a word: the weights of some inputs of one output, to `[inputs, outputs]`.
#[cube(launch)]
fn unpack_kernel<F: Float, S: Float, N: Size>(
    words: &prelude::Tensor<Vector<i32, N>>,
    scales: &prelude::Tensor<Vector<S, N>>,
    offsets: &prelude::Tensor<Vector<S, N>>,
    out: &mut prelude::Tensor<Vector<F, N>>,
    inputs: usize,
    outputs: usize,
    group: usize,
    #[comptime] eight: bool,
    #[comptime] zero: usize,
    #[define(F, S)] _dtypes: [ElemType; 2],
) {
    if ABSOLUTE_POS >= words.len() {
        terminate!();
    }
    let codes = comptime!(if eight { 4usize } else { 8 });
    let length = inputs / codes;
    let lane = ABSOLUTE_POS % BLOCK;
    let word = ABSOLUTE_POS / BLOCK % length;
    let block = ABSOLUTE_POS / BLOCK / length;
    let output = block * BLOCK + lane;
    if output >= outputs {
        terminate!();
    }
    let at = (block * (inputs / group) + word * codes / group) * BLOCK + lane;
    let group = group_at::<S, N>(scales, offsets, at, zero);
    let word_codes = words[ABSOLUTE_POS];
    #[unroll]
    for code in 0..codes {
        let bit = comptime!(8 * (code % 4) + 4 * (code / 4));
        let weights = weights_at::<N>(word_codes, &group, bit, eight, zero);
        out[(word * codes + code) * outputs + output] = Vector::cast_from(weights);
    }
}

/// A tensor without numbers yet, beside another.
fn beside(input: &CubeTensor, shape: impl Into<Shape>, dtype: DType) -> CubeTensor {
    let (client, device) = (input.client.clone(), input.device.clone());
    empty_device_dtype(client, device, shape.into(), dtype)
}

/// How many cubes of these units there are for so many units in all.
fn cubes(out: &CubeTensor, units: usize, dim: CubeDim) -> CubeCount {
    calculate_cube_count_elemwise(&out.client, units, dim)
}

/// A packed matrix on a card.
struct Matrix {
    words: CubeTensor,
    scales: CubeTensor,
    offsets: CubeTensor,
    form: Form,
}

impl Matrix {
    /// Its product with a few rows.
    fn times_few(self, input: CubeTensor) -> CubeTensor {
        let (form, rows) = (self.form, input.shape()[0]);
        let (outputs, group, eight, zero) = words_of(form);
        let out = beside(&input, [rows, outputs], input.dtype);
        let dtypes = [input.dtype, self.scales.dtype].map(dtype_to_storage_type);
        let dim = CubeDim::new_1d(UNITS as u32);
        few_rows_kernel::launch(
            &out.client,
            cubes(&out, outputs.div_ceil(BLOCK) * UNITS, dim),
            dim,
            SIDE,
            input.into_tensor_arg(),
            self.words.into_tensor_arg(),
            self.scales.into_tensor_arg(),
            self.offsets.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            form.inputs(),
            outputs,
            group,
            rows,
            eight,
            zero,
            dtypes,
        );
        out
    }

    /// Its weights, `[inputs, outputs]`.
    fn unpacked(self, dtype: DType) -> CubeTensor {
        let form = self.form;
        let (outputs, group, eight, zero) = words_of(form);
        let out = beside(&self.words, [form.inputs(), outputs], dtype);
        let dtypes = [dtype, self.scales.dtype].map(dtype_to_storage_type);
        let count = form.word_count();
        let dim = CubeDim::new(&out.client, count);
        unpack_kernel::launch(
            &out.client,
            cubes(&out, count, dim),
            dim,
            1,
            self.words.into_tensor_arg(),
            self.scales.into_tensor_arg(),
            self.offsets.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            form.inputs(),
            outputs,
            group,
            eight,
            zero,
            dtypes,
        );
        out
    }
}

impl LanguageKernels for CubeBackend {
    fn ccsr_rms_norm(input: CubeTensor, gamma: CubeTensor, epsilon: f64) -> CubeTensor {
        let [input, gamma] = [input, gamma].map(into_contiguous);
        let out = beside(&input, input.shape(), input.dtype);
        let width = gamma.meta.num_elements();
        let rows = out.meta.num_elements() / width;
        let dtypes = [input.dtype, gamma.dtype].map(dtype_to_storage_type);
        let dim = CubeDim::new_1d(UNITS as u32);
        rms_norm_kernel::launch(
            &out.client,
            cubes(&out, rows * UNITS, dim),
            dim,
            input.into_tensor_arg(),
            gamma.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            width,
            epsilon as f32,
            UNITS,
            dtypes,
        );
        out
    }

    fn ccsr_rotate(input: CubeTensor, cos: CubeTensor, sin: CubeTensor) -> CubeTensor {
        let sin = cast::<Self>(sin, cos.dtype);
        let [input, cos, sin] = [input, cos, sin].map(into_contiguous);
        let out = beside(&input, input.shape(), input.dtype);
        let [_, heads, width] = input.shape().dims::<3>();
        let pairs = out.meta.num_elements() / 2;
        let dtypes = [input.dtype, cos.dtype].map(dtype_to_storage_type);
        let dim = CubeDim::new(&out.client, pairs);
        rotate_kernel::launch(
            &out.client,
            cubes(&out, pairs, dim),
            dim,
            input.into_tensor_arg(),
            cos.into_tensor_arg(),
            sin.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            heads,
            width / 2,
            dtypes,
        );
        out
    }

    fn ccsr_packed_linear(
        input: CubeTensor,
        words: CubeTensor,
        scales: CubeTensor,
        offsets: CubeTensor,
        outputs: usize,
        group: usize,
        eight: bool,
        zero: usize,
    ) -> CubeTensor {
        let form = form_of(input.shape()[1], outputs, group, eight, zero);
        let offsets = cast::<Self>(offsets, scales.dtype);
        let [input, words, scales, offsets] = [input, words, scales, offsets].map(into_contiguous);
        let matrix = Matrix {
            words,
            scales,
            offsets,
            form,
        };
        if input.shape()[0] <= FEW {
            matrix.times_few(input)
        } else {
            let weights = matrix.unpacked(input.dtype);
            Self::float_matmul(input, weights)
        }
    }
}
