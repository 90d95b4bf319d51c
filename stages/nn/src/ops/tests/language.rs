//! The operations of language models: other bodies beside those of the CPU. Here these are those of a graph, by kernels or
//! of Burn's primitives; `gpu::language` runs the same on a card.

use ccsr_kernels::packed::{Form, Offset, Width, from_codes};
use half::f16;

use super::*;

/// How far results may be from one another, of the largest.
const BOUND: f32 = 2e-5;

/// A device that keeps graphs.
fn graph() -> Device {
    Device::flex().autodiff()
}

/// The same numbers on a device, in the same precision.
fn on<const D: usize>(device: &Device, tensor: &Tensor<D>) -> Tensor<D> {
    Tensor::from_data(tensor.to_data(), (device, tensor.dtype()))
}

/// That a function has the same numbers on a device as on the CPU.
#[track_caller]
fn assert_alike<const D: usize>(device: &Device, function: impl Fn(&Device) -> Tensor<D>) {
    let found = function(device).into_data();
    let found = Tensor::from_data(found, &Device::flex());
    assert_near(found, function(&Device::flex()), BOUND);
}

pub(super) fn norms_of_rows(device: &Device) {
    for (rows, width) in [(1, 64), (3, 300), (40, 1030)] {
        let (input, gamma) = (random([width, rows]).mul_scalar(30.0), random([width]));
        assert_alike(device, |device| {
            // A view.
            let input = on(device, &input).transpose();
            rms_norm(input, on(device, &gamma), 1e-5)
        });
        // Small numbers, of which epsilon is a part.
        let input = input.mul_scalar(1e-4).reshape([rows, 1, width]);
        assert_alike(device, |device| {
            rms_norm(on(device, &input), on(device, &gamma), 1e-5)
        });
    }
}

pub(super) fn swiglu_of_rows(device: &Device) {
    for rows in [1, 3, 40] {
        let [gates, values] = [(); 2].map(|()| random([70, rows]).mul_scalar(4.0));
        assert_alike(device, |device| {
            let gates = on(device, &gates).transpose();
            swiglu(gates, on(device, &values).transpose())
        });
    }
}

pub(super) fn rotation_of_heads(device: &Device) {
    for rows in [1, 3, 40] {
        let (input, angles) = (random([5, rows, 24]), random([rows, 12]).mul_scalar(3.0));
        assert_alike(device, |device| {
            let input = on(device, &input).swap_dims(0, 1);
            let [cos, sin] = [angles.clone().cos(), angles.clone().sin()];
            rotate(input, on(device, &cos), on(device, &sin))
        });
    }
}

pub(super) fn attention_after_what_is_shared(device: &Device) {
    // Grouped heads and each head's own; one query, some, and as many as there are keys.
    for (heads, kv_heads) in [(6, 2), (4, 4)] {
        for (first, keys, rows) in [(0, 9, 9), (0, 1, 1), (11, 5, 3), (37, 1, 1), (20, 40, 40)] {
            let queries = random([2, rows, heads, 16]);
            let [k, v, own_k, own_v] =
                [first, first, keys, keys].map(|count| random([2, count, kv_heads, 16]));
            let views = |device: &Device, of: [&Tensor<4>; 2]| {
                of.map(|tensor| on(device, tensor).swap_dims(1, 2))
            };
            assert_alike(device, |device| {
                let queries = on(device, &queries).swap_dims(1, 2);
                let own = views(device, [&own_k, &own_v]);
                attend_after(queries, views(device, [&k, &v]), own)
            });
        }
    }
}

pub(super) fn linear_layers_of_few_rows(device: &Device) {
    let (weight, shift) = (random([30, 20]), random([20]));
    for rows in [1, 3, 40] {
        let input = random([rows, 30]);
        for bias in [false, true] {
            assert_alike(device, |device| {
                let mut layer = LinearConfig::new(30, 20).with_bias(bias).init(device);
                layer.weight = Param::from_tensor(on(device, &weight));
                if bias {
                    layer.bias = Some(Param::from_tensor(on(device, &shift)));
                }
                linear_few(&layer, on(device, &input))
            });
        }
    }
}

/// Every form that there is, of more inputs than a card's cube takes in one round, and of outputs that fill no block.
fn forms() -> impl Iterator<Item = Form> {
    let all = [
        (Width::Four, 32, Offset::Zero(8)),
        (Width::Four, 128, Offset::Zeros),
        (Width::Four, 32, Offset::Minima),
        (Width::Eight, 32, Offset::Zero(128)),
        (Width::Eight, 64, Offset::Zeros),
        (Width::Eight, 160, Offset::Minima),
    ];
    let of = |(width, group, offset)| Form::new(640, 37, group, width, offset).unwrap();
    all.into_iter().map(of)
}

/// The words, scales and offsets of a matrix whose weights are around 0.
fn matrix(form: Form) -> (Vec<i32>, Vec<f16>, Vec<f16>) {
    let count = form.inputs() * form.outputs();
    let groups = count / form.group();
    let middle = match form.width() {
        Width::Four => 8.0,
        Width::Eight => 128.0,
    };
    // A generator of Lehmer's.
    let mut state = 1_u64;
    let mut number = || {
        state = state * 48_271 % 0x7FFF_FFFF;
        state as f32 / 0x7FFF_FFFF as f32
    };
    let codes: Vec<u8> = (0..count)
        .map(|_| (number() * 2.0 * middle) as u8)
        .collect();
    let scales: Vec<f32> = (0..groups).map(|_| (0.5 + number()) / middle).collect();
    let offsets = scales.iter().map(|scale| match form.offset() {
        Offset::Zero(_) => None,
        Offset::Zeros => Some((middle * (0.8 + 0.4 * number())).round()),
        Offset::Minima => Some(-scale * middle),
    });
    let offsets: Vec<f16> = offsets.flatten().map(f16::from_f32).collect();
    let scales: Vec<f16> = scales.into_iter().map(f16::from_f32).collect();
    let packed = from_codes(form, &codes, &scales, &offsets).unwrap();
    (packed.words, packed.scales, packed.offsets)
}

/// The product of a packed matrix on a device that holds scales in this precision.
fn packed(device: &Device, dtype: DType, form: Form, input: &Tensor<2>) -> Tensor<2> {
    let (words, scales, offsets) = matrix(form);
    let count = words.len();
    let words = Tensor::from_data(TensorData::new(words, [count]), (device, DType::I32));
    let numbers = |halves: Vec<f16>| {
        let count = halves.len();
        let data = TensorData::new(halves, [count]).convert_dtype(dtype);
        Tensor::<1>::from_data(data, (device, dtype))
    };
    let scales = numbers(scales);
    let offsets = match form.offset() {
        Offset::Zero(_) => scales.clone(),
        Offset::Zeros | Offset::Minima => numbers(offsets),
    };
    packed_linear(on(device, input), words, scales, offsets, form)
}

pub(super) fn packed_layers(device: &Device) {
    for form in forms() {
        for rows in [1, 3, 8, 40] {
            let input = random([rows, form.inputs()]);
            let expected = packed(&Device::flex(), DType::F16, form, &input);
            for dtype in [DType::F16, DType::F32] {
                if device.supports_dtype(dtype) {
                    let found = packed(device, dtype, form, &input).into_data();
                    let found = Tensor::from_data(found, &Device::flex());
                    assert_near(found, expected.clone(), BOUND);
                }
            }
        }
    }
}

/// Of half precision, beside the same numbers in single precision on the CPU.
pub(super) fn halves_through_kernels(device: &Device) {
    let near = |found: Tensor<2>, expected: Tensor<2>| {
        assert_eq!(found.dtype(), DType::F16);
        assert_near(on(&Device::flex(), &found).cast(DType::F32), expected, 2e-3);
    };
    let rounded = |dims| random(dims).cast(DType::F16).cast(DType::F32);
    for form in forms() {
        for rows in [1, 40] {
            let input: Tensor<2> = rounded([rows, form.inputs()]);
            let expected = packed(&Device::flex(), DType::F16, form, &input);
            let input = input.cast(DType::F16);
            near(packed(device, DType::F16, form, &input), expected);
        }
    }
    let (input, gamma): (Tensor<2>, Tensor<1>) = (rounded([3, 300]), random([300]));
    let expected = rms_norm(input.clone(), gamma.clone(), 1e-5);
    let input = on(device, &input.cast(DType::F16));
    near(rms_norm(input, on(device, &gamma), 1e-5), expected);
    let (input, angles): (Tensor<3>, Tensor<2>) = (random([3, 5, 24]), random([3, 12]));
    let input = input.cast(DType::F16);
    let [cos, sin] = [angles.clone().cos(), angles.sin()];
    let wide = input.clone().cast(DType::F32);
    let expected = rotate(wide, cos.clone(), sin.clone()).reshape([3, 120]);
    let found = rotate(on(device, &input), on(device, &cos), on(device, &sin));
    near(found.reshape([3, 120]), expected);
}

#[test]
fn norms() {
    norms_of_rows(&graph());
}

#[test]
fn gated_units() {
    swiglu_of_rows(&graph());
}

#[test]
fn rotations() {
    rotation_of_heads(&graph());
}

#[test]
fn attention() {
    attention_after_what_is_shared(&graph());
}

#[test]
fn linear_layers() {
    linear_layers_of_few_rows(&graph());
}

#[test]
fn packed_linear_layers() {
    packed_layers(&graph());
}

#[test]
fn half_precision() {
    halves_through_kernels(&graph());
}
