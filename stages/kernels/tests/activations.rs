//! The vector functions and activations against references in `f64`.

#![expect(clippy::float_cmp, reason = "some results are exact, or the same bits")]

mod support;

use ccsr_kernels::activation::{
    add, add_per_channel, geglu, geglu_backward, gelu, gelu_backward, gelu_in_place, quick_gelu,
    quick_gelu_backward, quick_gelu_in_place, silu, silu_backward, silu_in_place, swiglu,
    swiglu_backward,
};
use ccsr_kernels::math::{erf_slice, exp_slice, sigmoid_slice, tanh_slice};
use support::{assert_close, assert_same_on_threads, numbers, wide};

type Function = fn(&[f32], &mut [f32]);
type Backward = fn(&[f32], &[f32], &mut [f32]);
type Reference = fn(f64) -> f64;

/// The error function, by its series and, further out, its continued fraction.
fn erf64(x: f64) -> f64 {
    let z = x.abs();
    if z < 3.0 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return sum * 2.0 / std::f64::consts::PI.sqrt();
    }
    let fraction = (1..200)
        .rev()
        .fold(0.0, |f, n| f64::from(n) / 2.0 / (z + f));
    let tail = (-z * z).exp() / ((z + fraction) * std::f64::consts::PI.sqrt());
    (1.0 - tail).copysign(x)
}

fn sigmoid64(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn below64(x: f64) -> f64 {
    0.5 * (1.0 + erf64(x / std::f64::consts::SQRT_2))
}

fn call(function: Function, x: &[f32]) -> Vec<f32> {
    let mut out = vec![7.0; x.len()];
    function(x, &mut out);
    out
}

/// Numbers all over `[-bound, bound]`.
fn grid(bound: f32) -> Vec<f32> {
    (-500_000..=500_000)
        .map(|i| i as f32 / 500_000.0 * bound)
        .collect()
}

/// The distance in units of the last place of the wanted number.
fn ulp(got: f32, want: f64) -> f64 {
    let near = want as f32;
    let ulp = f64::from(f32::from_bits(near.abs().to_bits() + 1)) - f64::from(near.abs());
    (f64::from(got) - want).abs() / ulp
}

fn worst(
    function: Function,
    reference: Reference,
    x: &[f32],
    measure: impl Fn(f32, f64) -> f64,
) -> f64 {
    let out = call(function, x);
    x.iter()
        .zip(out)
        .map(|(&x, got)| measure(got, reference(f64::from(x))))
        .fold(0.0, f64::max)
}

#[test]
fn vector_functions_are_accurate() {
    let apart = |got: f32, want: f64| (f64::from(got) - want).abs();
    let report = [
        (
            "exp, ulp",
            worst(exp_slice, f64::exp, &grid(86.9), ulp),
            1.5,
        ),
        (
            "sigmoid, ulp",
            worst(sigmoid_slice, sigmoid64, &grid(86.0), ulp),
            2.5,
        ),
        (
            "tanh, ulp",
            worst(tanh_slice, f64::tanh, &grid(10.0), ulp),
            3.5,
        ),
        (
            "erf, absolute",
            worst(erf_slice, erf64, &grid(6.0), apart),
            1.4e-7,
        ),
        (
            "erf below 1, ulp",
            worst(erf_slice, erf64, &grid(0.999), ulp),
            2.5,
        ),
        (
            "gelu, absolute",
            worst(gelu, |x| x * below64(x), &grid(8.0), apart),
            4e-7,
        ),
        (
            "gelu near 0, ulp",
            worst(gelu, |x| x * below64(x), &grid(0.5), ulp),
            8.0,
        ),
    ];
    for (what, error, bound) in report {
        assert!(error <= bound, "{what}: {error:.3e}");
    }
}

#[test]
fn extremes() {
    let x = [
        88.0,
        -88.0,
        1e4,
        -1e4,
        f32::INFINITY,
        f32::NEG_INFINITY,
        0.0,
        -0.0,
        f32::MAX,
        f32::MIN,
        1e-40,
        88.7,
    ];
    let exps = call(exp_slice, &x);
    assert!((exps[0] / 1.651_636_3e38 - 1.0).abs() < 1e-6);
    assert!(
        (exps[11] / 88.7_f32.exp() - 1.0).abs() < 1e-6,
        "the last binade is reached: {}",
        exps[11]
    );
    assert_eq!(
        exps[1..10],
        [
            0.0,
            f32::INFINITY,
            0.0,
            f32::INFINITY,
            0.0,
            1.0,
            1.0,
            f32::INFINITY,
            0.0
        ]
    );
    assert_eq!(
        call(sigmoid_slice, &x)[2..10],
        [1.0, 0.0, 1.0, 0.0, 0.5, 0.5, 1.0, 0.0]
    );
    assert_eq!(
        call(erf_slice, &x)[..10],
        [1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 0.0, 0.0, 1.0, -1.0]
    );
    assert_eq!(
        call(tanh_slice, &x)[..10],
        [1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 0.0, 0.0, 1.0, -1.0]
    );
    for activation in [silu as Function, gelu, quick_gelu] {
        let out = call(activation, &x);
        assert_eq!(
            [out[2], out[3], out[4], out[6], out[8], out[9]],
            [1e4, 0.0, f32::INFINITY, 0.0, f32::MAX, 0.0]
        );
    }
}

#[test]
fn a_nan_stays_one() {
    // Payloads too, which would do harm where exponents are put together from bits.
    for bits in [0x7FC0_0000_u32, 0x7FC0_01FF, 0xFFC1_2345, 0x7FFF_FFFF] {
        let x = vec![f32::from_bits(bits); 37];
        for function in [
            exp_slice as Function,
            sigmoid_slice,
            erf_slice,
            tanh_slice,
            silu,
            gelu,
            quick_gelu,
        ] {
            assert!(call(function, &x).into_iter().all(f32::is_nan));
        }
        for backward in [silu_backward, gelu_backward, quick_gelu_backward] {
            let mut out = vec![0.0; 37];
            backward(&x, &[1.0; 37], &mut out);
            assert!(out.into_iter().all(f32::is_nan));
        }
    }
}

#[test]
fn every_length_gives_the_same_numbers() {
    let x = numbers(70_001, 1);
    for function in [exp_slice as Function, erf_slice, silu, gelu, quick_gelu] {
        let all = call(function, &x);
        for length in (0..70).chain([255, 256, 257, 300, 32_768, 32_769]) {
            assert_eq!(call(function, &x[..length]), all[..length]);
            assert_eq!(call(function, &x[3..][..length]), all[3..][..length]);
        }
        assert_same_on_threads(|| call(function, &x));
    }
    for (function, in_place) in [
        (silu as Function, silu_in_place as fn(&mut [f32])),
        (gelu, gelu_in_place),
        (quick_gelu, quick_gelu_in_place),
    ] {
        let mut y = x.clone();
        in_place(&mut y);
        assert_eq!(y, call(function, &x));
    }
}

#[test]
fn gradients_of_activations() {
    let x: Vec<f32> = numbers(10_003, 2).into_iter().map(|x| x * 3.0).collect();
    let grad = numbers(x.len(), 3);
    let cases: [(Backward, Reference); 3] = [
        (silu_backward, |x| {
            sigmoid64(x) * (1.0 + x * (1.0 - sigmoid64(x)))
        }),
        (quick_gelu_backward, |x| {
            sigmoid64(1.702 * x) * (1.0 + 1.702 * x * (1.0 - sigmoid64(1.702 * x)))
        }),
        (gelu_backward, |x| {
            below64(x) + x * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
        }),
    ];
    for (backward, slope) in cases {
        let mut out = vec![0.0; x.len()];
        backward(&x, &grad, &mut out);
        let want: Vec<f64> = wide(&x)
            .into_iter()
            .zip(wide(&grad))
            .map(|(x, g)| g * slope(x))
            .collect();
        assert_close(&out, &want, 1e-6, "gradient");
    }
}

#[test]
fn geglu_and_its_gradient() {
    for (rows, width) in [(1, 1), (3, 17), (5, 64), (40, 1280), (0, 8)] {
        let x = numbers(2 * rows * width, 4);
        let grad = numbers(rows * width, 5);
        let mut out = vec![0.0; rows * width];
        geglu(&x, width, &mut out);
        let mut grad_in = vec![0.0; x.len()];
        geglu_backward(&x, width, &grad, &mut grad_in);
        let (mut want, mut want_grad) = (Vec::new(), vec![0.0; x.len()]);
        for row in 0..rows {
            for i in 0..width {
                let value = f64::from(x[2 * row * width + i]);
                let gate = f64::from(x[2 * row * width + width + i]);
                let g = f64::from(grad[row * width + i]);
                let density = (-gate * gate / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
                want.push(value * gate * below64(gate));
                want_grad[2 * row * width + i] = g * gate * below64(gate);
                want_grad[2 * row * width + width + i] =
                    g * value * (below64(gate) + gate * density);
            }
        }
        assert_close(&out, &want, 3e-7, "geglu");
        assert_close(&grad_in, &want_grad, 3e-7, "the gradient of geglu");
    }
}

#[test]
fn swiglu_and_its_gradients() {
    for count in [0, 1, 37, 100_003] {
        let [gates, values, grad] = [4, 5, 6].map(|seed| numbers(count, seed));
        let mut out = vec![0.0; count];
        swiglu(&gates, &values, &mut out);
        let (mut of_gates, mut of_values) = (vec![0.0; count], vec![0.0; count]);
        swiglu_backward(&gates, &values, &grad, [&mut of_gates, &mut of_values]);
        let mut want = [(); 3].map(|()| Vec::with_capacity(count));
        for i in 0..count {
            let [x, value, g] = [gates[i], values[i], grad[i]].map(f64::from);
            let s = sigmoid64(x);
            want[0].push(x * s * value);
            want[1].push(g * value * s * (1.0 + x * (1.0 - s)));
            want[2].push(g * x * s);
        }
        assert_close(&out, &want[0], 3e-7, "swiglu");
        assert_close(&of_gates, &want[1], 3e-7, "the gradient of its gates");
        assert_close(&of_values, &want[2], 3e-7, "the gradient of its values");
    }
}

#[test]
fn sums() {
    let (a, b) = (numbers(100_003, 6), numbers(100_003, 7));
    let mut out = vec![0.0; a.len()];
    add(&a, &b, &mut out);
    assert!(
        out.iter()
            .zip(a.iter().zip(&b))
            .all(|(out, (a, b))| *out == a + b)
    );
    let x = numbers(2 * 3 * 35, 8);
    let mut out = vec![0.0; x.len()];
    add_per_channel(&x, &[1.0, 2.0, 3.0], 35, &mut out);
    assert!((0..x.len()).all(|i| out[i] == x[i] + (i / 35 % 3 + 1) as f32));
}
