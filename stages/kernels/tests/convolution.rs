//! Convolutions and linear layers against a plain double-precision reference.

mod support;

use ccsr_kernels::convolution::conv::{Conv2d, conv2d, conv2d_input_grad};
use ccsr_kernels::convolution::linear::{Layout, linear, linear_input_grad};
use ccsr_kernels::convolution::weight_grad::{conv2d_bias_grad, conv2d_weight_grad};
use ccsr_kernels::convolution::weights::Weights;
use half::{bf16, f16};
use support::{error, numbers, with_threads};

#[track_caller]
fn assert_same_bits(found: &[f32], expected: &[f32], what: &str) {
    let bits = |numbers: &[f32]| -> Vec<u32> { numbers.iter().map(|x| x.to_bits()).collect() };
    assert!(bits(found) == bits(expected), "{what}");
}

/// Calls `f(output index, input index, weight index)` for every product.
fn products(
    conv: Conv2d,
    batch: usize,
    (height, width): (usize, usize),
    mut f: impl FnMut(usize, usize, usize),
) {
    let Conv2d {
        inputs,
        outputs,
        kernel,
        stride,
        pad_before,
        ..
    } = conv;
    let (oh, ow) = (conv.output_side(height), conv.output_side(width));
    for n in 0..batch {
        for o in 0..outputs {
            for i in 0..inputs {
                for tap in 0..kernel * kernel {
                    let (ky, kx) = (tap / kernel, tap % kernel);
                    for oy in 0..oh {
                        let y = (oy * stride + ky).wrapping_sub(pad_before);
                        for ox in 0..ow {
                            let x = (ox * stride + kx).wrapping_sub(pad_before);
                            if y < height && x < width {
                                f(
                                    ((n * outputs + o) * oh + oy) * ow + ox,
                                    ((n * inputs + i) * height + y) * width + x,
                                    (o * inputs + i) * kernel * kernel + tap,
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

fn check_conv(conv: Conv2d, batch: usize, size: (usize, usize)) {
    let pixels = size.0 * size.1;
    let out_pixels = conv.output_side(size.0) * conv.output_side(size.1);
    let x = numbers(batch * conv.inputs * pixels, 1);
    let w = numbers(conv.inputs * conv.outputs * conv.kernel * conv.kernel, 2);
    let b = numbers(conv.outputs, 3);
    let dy = numbers(batch * conv.outputs * out_pixels, 4);

    let mut want: Vec<f64> = (0..dy.len())
        .map(|i| f64::from(b[i / out_pixels % conv.outputs]))
        .collect();
    let mut want_dx = vec![0.0_f64; x.len()];
    let mut want_dw = vec![0.0_f64; w.len()];
    products(conv, batch, size, |o, i, t| {
        want[o] += f64::from(x[i]) * f64::from(w[t]);
        want_dx[i] += f64::from(dy[o]) * f64::from(w[t]);
        want_dw[t] += f64::from(dy[o]) * f64::from(x[i]);
    });
    let mut y = vec![f32::NAN; dy.len()];
    conv2d(&x, Weights::F32(&w), Some(&b), conv, size, &mut y);
    let forward = error(&y, &want);

    // Each image alone, on one thread, gives the same bits.
    for threads in [1, 3] {
        let mut again = vec![f32::NAN; y.len()];
        for n in 0..batch {
            let x = &x[n * conv.inputs * pixels..][..conv.inputs * pixels];
            let y = &mut again[n * conv.outputs * out_pixels..][..conv.outputs * out_pixels];
            with_threads(threads, || {
                conv2d(x, Weights::F32(&w), Some(&b), conv, size, y);
            });
        }
        assert_same_bits(&y, &again, &format!("{conv:?}"));
    }

    let has_grad = matches!((conv.kernel, conv.stride), (1, 1) | (3, 1 | 2))
        && (conv.kernel, conv.pad_after) != (3, 0);
    let backward = if has_grad {
        let mut dx = vec![f32::NAN; x.len()];
        conv2d_input_grad(&dy, Weights::F32(&w), conv, size, &mut dx);
        let mut again = vec![f32::NAN; x.len()];
        with_threads(1, || {
            conv2d_input_grad(&dy, Weights::F32(&w), conv, size, &mut again);
        });
        assert_same_bits(&dx, &again, &format!("{conv:?}"));
        error(&dx, &want_dx)
    } else {
        0.0
    };
    let mut dw = vec![f32::NAN; w.len()];
    conv2d_weight_grad(&x, &dy, conv, size, &mut dw);
    let mut again = vec![f32::NAN; w.len()];
    with_threads(1, || {
        conv2d_weight_grad(&x, &dy, conv, size, &mut again);
    });
    assert_same_bits(&dw, &again, &format!("{conv:?}"));
    let db = conv2d_bias_grad(&dy, conv.outputs, out_pixels);
    let again = with_threads(1, || conv2d_bias_grad(&dy, conv.outputs, out_pixels));
    assert_same_bits(&db, &again, &format!("{conv:?}"));
    let mut want_db = vec![0.0; conv.outputs];
    for (plane, dy) in dy.chunks(out_pixels.max(1)).enumerate() {
        let sum: f64 = dy.iter().map(|number| f64::from(*number)).sum();
        want_db[plane % conv.outputs] += sum;
    }
    let weights = error(&dw, &want_dw).max(error(&db, &want_db));
    assert!(
        forward < 1e-5 && backward < 1e-5 && weights < 1e-5,
        "{conv:?} {size:?}: {forward:e} {backward:e} {weights:e}"
    );
}

#[test]
fn winograd_of_any_size() {
    for (inputs, outputs, batch, size) in [
        (1, 1, 1, (1, 1)),
        (8, 8, 2, (1, 1)),
        (9, 11, 3, (7, 5)),
        (70, 40, 2, (33, 41)),
        (65, 130, 3, (9, 8)),
        (8, 17, 1, (2, 200)),
        (16, 16, 1, (70, 68)),
        (130, 8, 3, (4, 4)),
    ] {
        check_conv(Conv2d::same(inputs, outputs, 3, 1), batch, size);
    }
}

#[test]
fn winograd_precision_at_full_depth() {
    for inputs in [320, 1280] {
        check_conv(Conv2d::same(inputs, 24, 3, 1), 1, (16, 16));
    }
}

#[test]
fn strided_and_other_kernels() {
    for (kernel, stride, before, after) in [
        (3, 2, 1, 1),
        (3, 2, 0, 1),
        (3, 1, 0, 0),
        (1, 1, 0, 0),
        (1, 2, 0, 0),
        (5, 3, 2, 2),
        (4, 4, 0, 0),
        (7, 2, 5, 1),
    ] {
        for (inputs, outputs, batch, size) in [
            (3, 5, 2, (7, 5)),
            (33, 70, 2, (33, 41)),
            (5, 3, 1, (64, 48)),
            (9, 50, 3, (8, 8)),
            (1, 1, 1, (6, 9)),
        ] {
            let conv = Conv2d {
                inputs,
                outputs,
                kernel,
                stride,
                pad_before: before,
                pad_after: after,
            };
            check_conv(conv, batch, size);
        }
    }
}

#[test]
fn few_channels() {
    for (inputs, outputs) in [(4, 64), (64, 4), (64, 3), (3, 128), (1, 1)] {
        check_conv(Conv2d::same(inputs, outputs, 3, 1), 2, (20, 23));
    }
}

#[test]
#[expect(
    clippy::many_single_char_names,
    reason = "the usual names of a product"
)]
fn linear_of_any_size() {
    for (m, k, n) in [
        (1, 1, 1),
        (1, 300, 70),
        (2, 17, 100),
        (16, 520, 49),
        (33, 64, 15),
        (50, 257, 97),
        (154, 600, 320),
        (200, 5, 7),
    ] {
        let (x, w, b) = (numbers(m * k, 1), numbers(k * n, 2), numbers(n, 3));
        let h: Vec<f16> = w.iter().map(|&v| f16::from_f32(v)).collect();
        let g: Vec<bf16> = w.iter().map(|&v| bf16::from_f32(v)).collect();
        let h32: Vec<f32> = h.iter().map(|v| v.to_f32()).collect();
        let g32: Vec<f32> = g.iter().map(|v| v.to_f32()).collect();
        for (stored, w) in [
            (Weights::F32(&w), &w),
            (Weights::F16(&h), &h32),
            (Weights::BF16(&g), &g32),
        ] {
            for layout in [Layout::InOut, Layout::OutIn] {
                let at = |k_at: usize, n_at: usize| match layout {
                    Layout::InOut => f64::from(w[k_at * n + n_at]),
                    Layout::OutIn => f64::from(w[n_at * k + k_at]),
                };
                let want: Vec<f64> = (0..m * n)
                    .map(|i| {
                        let (r, c) = (i / n, i % n);
                        (0..k).fold(f64::from(b[c]), |s, t| {
                            s + f64::from(x[r * k + t]) * at(t, c)
                        })
                    })
                    .collect();
                let mut y = vec![f32::NAN; m * n];
                linear(&x, stored, layout, Some(&b), (k, n), &mut y);
                assert!(error(&y, &want) < 3e-6);
                // A row alone gives the same bits.
                let mut row = vec![f32::NAN; n];
                linear(
                    &x[(m - 1) * k..],
                    stored,
                    layout,
                    Some(&b),
                    (k, n),
                    &mut row,
                );
                let last = &y[(m - 1) * n..];
                assert_same_bits(last, &row, "a row alone");
                // The gradient is the product with the transposed weights.
                let dy = numbers(m * n, 5);
                let want: Vec<f64> = (0..m * k)
                    .map(|i| {
                        let (r, c) = (i / k, i % k);
                        (0..n).map(|t| f64::from(dy[r * n + t]) * at(c, t)).sum()
                    })
                    .collect();
                let mut dx = vec![f32::NAN; m * k];
                linear_input_grad(&dy, stored, layout, (k, n), &mut dx);
                assert!(error(&dx, &want) < 3e-6);
            }
        }
    }
}

#[test]
#[expect(
    clippy::many_single_char_names,
    reason = "the usual names of a product"
)]
fn convolution_with_half_precision_weights() {
    let (conv, size) = (Conv2d::same(20, 36, 3, 1), (13, 10));
    let x = numbers(20 * 130, 1);
    let h: Vec<f16> = numbers(20 * 36 * 9, 2)
        .into_iter()
        .map(f16::from_f32)
        .collect();
    let w: Vec<f32> = h.iter().map(|v| v.to_f32()).collect();
    let (mut a, mut b) = (vec![0.0; 36 * 130], vec![1.0; 36 * 130]);
    conv2d(&x, Weights::F16(&h), None, conv, size, &mut a);
    conv2d(&x, Weights::F32(&w), None, conv, size, &mut b);
    assert_eq!(a, b);
}
