//! The operations in CubeCL, one body for each of its runtimes: CUDA, and those of wgpu.
//!
//! What is a single matrix product, convolution or attention is Burn's own there, tuned when it first runs; what is a
//! chain of small steps is fused by Burn. Ours are those that neither gets into one pass: GEGLU, which reads two
//! parts of one tensor, and group normalisation, which reduces before it scales.

#![expect(
    clippy::used_underscore_binding,
    reason = "kernels are read by `cube`, which names the types that are defined"
)]

use burn::backend::TensorMetadata as _;
use burn::backend::cubecl::dtype_to_storage_type;
use burn::backend::tensor::FloatTensor;
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_dtype;
use cubecl::prelude::*;
use cubecl::{calculate_cube_count_elemwise, prelude};

use super::composed;
use super::extension::Kernels;

/// Units that share the sums of a group.
const UNITS: usize = 256;

/// `gate · P(X < gate)` for a normal X.
#[cube]
fn gelu(gate: f32) -> f32 {
    0.5f32 * gate * (1.0f32 + Erf::erf(gate * std::f32::consts::FRAC_1_SQRT_2))
}

#[cube(launch)]
fn geglu_kernel<F: Float>(
    input: &prelude::Tensor<F>,
    out: &mut prelude::Tensor<F>,
    width: usize,
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let row = ABSOLUTE_POS / width;
    let value = ABSOLUTE_POS + row * width;
    let gate = gelu(f32::cast_from(input[value + width]));
    out[ABSOLUTE_POS] = F::cast_from(f32::cast_from(input[value]) * gate);
}

/// The sum of what every unit of the cube brings, for all of them.
#[cube]
pub(super) fn sum_of_all(sums: &mut Shared<[f32]>, own: f32, #[comptime] units: usize) -> f32 {
    let unit = UNIT_POS as usize;
    sums[unit] = own;
    sync_cube();
    let mut distance = comptime!(units / 2).runtime();
    while distance > 0 {
        if unit < distance {
            let other = sums[unit + distance];
            sums[unit] += other;
        }
        sync_cube();
        distance /= 2;
    }
    let all = sums[0];
    // Before anybody writes to them again.
    sync_cube();
    all
}

/// A cube a group; two passes for the moments, in binary32 whatever the numbers are.
#[cube(launch)]
fn group_norm_kernel<F: Float>(
    input: &prelude::Tensor<F>,
    gamma: &prelude::Tensor<F>,
    beta: &prelude::Tensor<F>,
    out: &mut prelude::Tensor<F>,
    groups: usize,
    channels: usize,
    cells: usize,
    epsilon: f32,
    #[comptime] silu: bool,
    #[comptime] units: usize,
    #[define(F)] _dtype: ElemType,
) {
    let width = channels * cells;
    let group = CUBE_POS;
    let first = group * width;
    let unit = UNIT_POS as usize;
    let mut sums = Shared::<[f32]>::new_slice(units);

    let rounds = width.div_ceil(units);
    let mut sum = 0.0f32;
    for round in 0..rounds {
        let at = round * units + unit;
        if at < width {
            sum += f32::cast_from(input[first + at]);
        }
    }
    let count = f32::cast_from(width);
    let mean = sum_of_all(&mut sums, sum, units) / count;
    let mut squares = 0.0f32;
    for round in 0..rounds {
        let at = round * units + unit;
        if at < width {
            let far = f32::cast_from(input[first + at]) - mean;
            squares += far * far;
        }
    }
    let variance = sum_of_all(&mut sums, squares, units) / count;
    let scale = 1.0f32 / f32::sqrt(variance + epsilon);
    let first_channel = group % groups * channels;
    for round in 0..rounds {
        let at = round * units + unit;
        if at < width {
            let channel = first_channel + at / cells;
            let normal = (f32::cast_from(input[first + at]) - mean) * scale;
            let mut value = normal * f32::cast_from(gamma[channel]) + f32::cast_from(beta[channel]);
            if comptime!(silu) {
                value /= 1.0f32 + f32::exp(-value);
            }
            out[first + at] = F::cast_from(value);
        }
    }
}

impl Kernels for CubeBackend {
    fn ccsr_geglu(input: FloatTensor<Self>) -> FloatTensor<Self> {
        let input = into_contiguous(input);
        let shape = composed::halved(&input.shape());
        let width = shape.to_vec().pop().unwrap_or(1);
        let (client, device) = (input.client.clone(), input.device.clone());
        let out = empty_device_dtype(client, device, shape, input.dtype);
        let count = out.meta.num_elements();
        let dim = CubeDim::new(&out.client, count);
        geglu_kernel::launch(
            &out.client,
            calculate_cube_count_elemwise(&out.client, count, dim),
            dim,
            input.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            width,
            dtype_to_storage_type(out.dtype),
        );
        out
    }

    fn ccsr_group_norm(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        groups: usize,
        epsilon: f64,
        silu: bool,
    ) -> FloatTensor<Self> {
        if gamma.dtype != input.dtype || beta.dtype != input.dtype {
            return composed::group_norm::<Self>(input, gamma, beta, groups, epsilon, silu);
        }
        let [input, gamma, beta] = [input, gamma, beta].map(into_contiguous);
        let shape = input.shape();
        let (batch, channels) = (shape[0], shape[1]);
        let cells = shape.iter().skip(2).product();
        let (client, device) = (input.client.clone(), input.device.clone());
        let out = empty_device_dtype(client, device, shape, input.dtype);
        group_norm_kernel::launch(
            &out.client,
            CubeCount::Static((batch * groups) as u32, 1, 1),
            CubeDim::new_1d(UNITS as u32),
            input.into_tensor_arg(),
            gamma.into_tensor_arg(),
            beta.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            groups,
            channels / groups,
            cells,
            epsilon as f32,
            silu,
            UNITS,
            dtype_to_storage_type(out.dtype),
        );
        out
    }
}

/// Gradients go through the primitives, which Burn differentiates.
impl super::gradient::Differentiable for CubeBackend {}
