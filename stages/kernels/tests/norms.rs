//! The normalisations and softmax against references in `f64`.

#![expect(clippy::float_cmp, reason = "some results are exact, or the same bits")]

mod support;

use ccsr_kernels::group_norm::GroupNorm;
use ccsr_kernels::layer_norm::{
    layer_norm, layer_norm_backward, layer_norm_backward_parameters, rms_norm, rms_norm_backward,
    rms_norm_backward_gamma,
};
use ccsr_kernels::softmax::{softmax, softmax_backward};
use support::{assert_close, assert_same_on_threads, numbers, wide};

fn moments(x: &[f64]) -> (f64, f64) {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    (
        mean,
        x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64,
    )
}

/// A row's normalised numbers, and one over its deviation.
fn normal(x: &[f64], epsilon: f64) -> (Vec<f64>, f64) {
    let (mean, variance) = moments(x);
    let inverse = 1.0 / (variance + epsilon).sqrt();
    (x.iter().map(|x| (x - mean) * inverse).collect(), inverse)
}

/// The gradient through `normal`, of `g` at its result.
fn normal_backward(h: &[f64], inverse: f64, g: &[f64]) -> Vec<f64> {
    let count = h.len() as f64;
    let plain = g.iter().sum::<f64>() / count;
    let product = g.iter().zip(h).map(|(g, h)| g * h).sum::<f64>() / count;
    g.iter()
        .zip(h)
        .map(|(g, h)| inverse * (g - plain - h * product))
        .collect()
}

struct Want {
    out: Vec<f64>,
    grad: Vec<f64>,
    gamma: Vec<f64>,
    beta: Vec<f64>,
}

fn group_norm(norm: &GroupNorm<'_>, x: &[f32], cells: usize, grad: &[f32]) -> Want {
    let channels = norm.gamma.len();
    let width = channels / norm.groups * cells;
    let mut x = wide(x);
    if let Some(shift) = norm.shift {
        for (i, x) in x.iter_mut().enumerate() {
            // As the sum of two tensors would be rounded.
            *x = f64::from((*x + f64::from(shift[i / cells])) as f32);
        }
    }
    let mut want = Want {
        out: vec![],
        grad: vec![],
        gamma: vec![0.0; channels],
        beta: vec![0.0; channels],
    };
    for (group, x) in x.chunks(width.max(1)).enumerate() {
        let (h, inverse) = normal(x, norm.epsilon);
        let mut g = Vec::new();
        for (i, h) in h.iter().enumerate() {
            let channel = (group * width + i) / cells % channels;
            let y = h * f64::from(norm.gamma[channel]) + f64::from(norm.beta[channel]);
            let s = 1.0 / (1.0 + (-y).exp());
            let mut slope = f64::from(grad[group * width + i]);
            if norm.silu {
                slope *= s * (1.0 + y * (1.0 - s));
            }
            want.out.push(if norm.silu { y * s } else { y });
            want.gamma[channel] += slope * h;
            want.beta[channel] += slope;
            g.push(slope * f64::from(norm.gamma[channel]));
        }
        want.grad.extend(normal_backward(&h, inverse, &g));
    }
    want
}

#[test]
fn group_norms() {
    // batch, channels, cells, groups
    for (batch, channels, cells, groups) in [
        (2, 4, 9, 2),
        (1, 32, 1, 32),
        (2, 6, 5, 1),
        (3, 8, 64, 4),
        (2, 64, 300, 32),
        (1, 4, 10_007, 2),
        (0, 4, 3, 2),
        (1, 4, 0, 2),
    ] {
        let count = batch * channels * cells;
        let (x, grad) = (numbers(count, 1), numbers(count, 2));
        let (gamma, beta, shift) = (
            numbers(channels, 3),
            numbers(channels, 4),
            numbers(batch * channels, 5),
        );
        for silu in [false, true] {
            for shift in [None, Some(&shift[..])] {
                let norm = GroupNorm {
                    groups,
                    gamma: &gamma,
                    beta: &beta,
                    epsilon: 1e-5,
                    shift,
                    silu,
                };
                let (mut out, mut grad_in) = (vec![0.0; count], vec![0.0; count]);
                norm.forward(&x, cells, &mut out);
                norm.backward(&x, cells, &grad, &mut grad_in);
                let want = group_norm(&norm, &x, cells, &grad);
                let what = format!(
                    "{batch} {channels} {cells} {groups} {silu} {}",
                    shift.is_some()
                );
                // One number has no deviation but for epsilon, and with a shift is itself only rounded.
                let bound = if channels * cells > groups {
                    1e-6
                } else {
                    1e-4
                };
                assert_close(&out, &want.out, bound, &what);
                // One cell in a group has no deviation but for epsilon: its gradient is all rounding.
                if channels * cells > groups {
                    assert_close(&grad_in, &want.grad, 1e-6, &format!("gradient {what}"));
                    let (gamma, beta) = norm.backward_parameters(&x, cells, &grad);
                    assert_close(&gamma, &want.gamma, 3e-6, &format!("gamma {what}"));
                    assert_close(&beta, &want.beta, 3e-6, &format!("beta {what}"));
                }
            }
        }
    }
}

#[test]
fn a_mean_far_from_zero_costs_nothing() {
    let cells = 30_000;
    let x: Vec<f32> = numbers(2 * cells, 1).into_iter().map(|x| x + 1e4).collect();
    let norm = GroupNorm {
        groups: 1,
        gamma: &[1.0; 2],
        beta: &[0.0; 2],
        epsilon: 1e-5,
        shift: None,
        silu: false,
    };
    let mut out = vec![0.0; x.len()];
    norm.forward(&x, cells, &mut out);
    assert_close(&out, &normal(&wide(&x), 1e-5).0, 1e-6, "group norm");
    layer_norm(&x, &vec![1.0; x.len()], &vec![0.0; x.len()], 1e-5, &mut out);
    assert_close(&out, &normal(&wide(&x), 1e-5).0, 1e-6, "layer norm");
}

#[test]
fn an_image_is_the_same_in_a_batch() {
    let (channels, cells) = (64, 1000);
    let x = numbers(3 * channels * cells, 1);
    let (gamma, beta) = (numbers(channels, 3), numbers(channels, 4));
    let norm = GroupNorm {
        groups: 32,
        gamma: &gamma,
        beta: &beta,
        epsilon: 1e-5,
        shift: None,
        silu: true,
    };
    let run = |x: &[f32]| {
        let mut out = vec![0.0; x.len()];
        norm.forward(x, cells, &mut out);
        out
    };
    let alone = run(&x[channels * cells..2 * channels * cells]);
    assert_eq!(run(&x)[channels * cells..2 * channels * cells], alone);
    assert_same_on_threads(|| run(&x));
    assert_same_on_threads(|| {
        let mut out = vec![0.0; x.len()];
        norm.backward(&x, cells, &x, &mut out);
        out
    });
}

#[test]
fn rows() {
    for (count, width) in [
        (1, 1),
        (3, 7),
        (2, 16),
        (5, 17),
        (70, 1280),
        (2, 10_000),
        (0, 5),
        (3, 0),
    ] {
        let (x, grad) = (numbers(count * width, 1), numbers(count * width, 2));
        let (gamma, beta) = (numbers(width, 3), numbers(width, 4));
        let mut want = [(); 6].map(|()| Vec::new());
        for (x, g) in wide(&x)
            .chunks(width.max(1))
            .zip(wide(&grad).chunks(width.max(1)))
        {
            let (h, inverse) = normal(x, 1e-5);
            want[0].extend(
                h.iter()
                    .enumerate()
                    .map(|(i, h)| h * f64::from(gamma[i]) + f64::from(beta[i])),
            );
            let scaled: Vec<f64> = g
                .iter()
                .enumerate()
                .map(|(i, g)| g * f64::from(gamma[i]))
                .collect();
            want[1].extend(normal_backward(&h, inverse, &scaled));
            let inverse = 1.0 / (x.iter().map(|x| x * x).sum::<f64>() / width as f64 + 1e-5).sqrt();
            want[2].extend(
                x.iter()
                    .enumerate()
                    .map(|(i, x)| x * inverse * f64::from(gamma[i])),
            );
            let product = x.iter().zip(&scaled).map(|(x, g)| x * g).sum::<f64>() / width as f64;
            want[3].extend(
                x.iter()
                    .zip(&scaled)
                    .map(|(x, g)| g * inverse - x * product * inverse.powi(3)),
            );
            let most = x.iter().copied().fold(f64::MIN, f64::max);
            let sum: f64 = x.iter().map(|x| (x - most).exp()).sum();
            let y: Vec<f64> = x.iter().map(|x| (x - most).exp() / sum).collect();
            let product: f64 = y.iter().zip(g).map(|(y, g)| y * g).sum();
            want[5].extend(y.iter().zip(g).map(|(y, g)| y * (g - product)));
            want[4].extend(y);
        }
        let mut got = [(); 6].map(|()| vec![0.0; x.len()]);
        layer_norm(&x, &gamma, &beta, 1e-5, &mut got[0]);
        layer_norm_backward(&x, &gamma, 1e-5, &grad, &mut got[1]);
        rms_norm(&x, &gamma, 1e-5, &mut got[2]);
        rms_norm_backward(&x, &gamma, 1e-5, &grad, &mut got[3]);
        softmax(&x, width, &mut got[4]);
        let y = got[4].clone();
        softmax_backward(&y, width, &grad, &mut got[5]);
        let names = [
            "layer norm",
            "its gradient",
            "rms norm",
            "its gradient",
            "softmax",
            "its gradient",
        ];
        for (i, name) in names.into_iter().enumerate() {
            // The gradient of a norm of one number, or of its softmax, is all rounding.
            if width > 1 || i % 2 == 0 {
                assert_close(&got[i], &want[i], 1e-6, &format!("{name} {count} {width}"));
            }
        }
    }
}

#[test]
fn parameters_of_rows() {
    for (count, width) in [(1, 1), (3, 7), (70, 160), (301, 48), (0, 5), (3, 0)] {
        let (x, grad) = (numbers(count * width, 1), numbers(count * width, 2));
        let mut want = [(); 3].map(|()| vec![0.0; width]);
        for (x, g) in wide(&x)
            .chunks(width.max(1))
            .zip(wide(&grad).chunks(width.max(1)))
        {
            let root = 1.0 / (x.iter().map(|x| x * x).sum::<f64>() / width as f64 + 1e-5).sqrt();
            let (h, _) = normal(x, 1e-5);
            for i in 0..width {
                want[0][i] += x[i] * root * g[i];
                want[1][i] += h[i] * g[i];
                want[2][i] += g[i];
            }
        }
        let gamma = rms_norm_backward_gamma(&x, width, 1e-5, &grad);
        let (gamma_of_layers, beta) = layer_norm_backward_parameters(&x, width, 1e-5, &grad);
        for (found, want) in [gamma, gamma_of_layers, beta].iter().zip(&want) {
            // The norm of one number is all rounding.
            if width > 1 {
                assert_close(found, want, 1e-5, &format!("{count} {width}"));
            }
        }
        assert_same_on_threads(|| rms_norm_backward_gamma(&x, width, 1e-5, &grad));
        assert_same_on_threads(|| layer_norm_backward_parameters(&x, width, 1e-5, &grad).0);
    }
}

#[test]
fn softmax_at_the_edges() {
    let mut out = [0.0; 5];
    softmax(&[1e4, -1e4, 1e4, f32::NEG_INFINITY, 0.0], 5, &mut out);
    assert_eq!(out, [0.5, 0.0, 0.5, 0.0, 0.0]);
    softmax(&[f32::NEG_INFINITY; 5], 5, &mut out);
    assert!(out.into_iter().all(f32::is_nan));
    softmax(&[0.0, f32::NAN, 0.0, 0.0, 0.0], 5, &mut out);
    assert!(out.into_iter().all(f32::is_nan));
}
