//! Normalisation of rows: by mean and variance (Ba, Kiros and Hinton 2016), or by the root of the mean square alone
//! (Zhang and Sennrich 2019).
//!
//! In all of this, x, out and the gradients are `[rows, gamma.len()]`.

use crate::math::splat;
use crate::moments::{Moments, STRETCH, gamma_sum_and_dot, sum_and_dot};
use crate::parallel;
use pulp::{Arch, Simd, WithSimd};

/// A row's numbers become `(x - mean) / sqrt(variance + epsilon) · gamma + beta`.
pub fn layer_norm(x: &[f32], gamma: &[f32], beta: &[f32], epsilon: f64, out: &mut [f32]) {
    assert_eq!(
        gamma.len(),
        beta.len(),
        "gamma and beta are as long as a row"
    );
    assert_eq!(x.len(), out.len(), "a norm leaves the shape");
    let width = gamma.len();
    let arch = Arch::new();
    parallel::rows(out, width, |first, out| {
        arch.dispatch(LayerNorm {
            x: &x[first * width..][..out.len()],
            gamma,
            beta,
            epsilon,
            out,
        });
    });
}

/// The gradient of [`layer_norm`] with respect to its input.
pub fn layer_norm_backward(
    x: &[f32],
    gamma: &[f32],
    epsilon: f64,
    grad_out: &[f32],
    grad_in: &mut [f32],
) {
    let width = gamma.len();
    let arch = Arch::new();
    parallel::gradient_rows(x, grad_out, grad_in, width, |_, x, grad_out, grad_in| {
        arch.dispatch(LayerNormBackward {
            x,
            gamma,
            epsilon,
            grad_out,
            grad_in,
        });
    });
}

/// A row's numbers become `x / sqrt(mean(x²) + epsilon) · gamma`.
pub fn rms_norm(x: &[f32], gamma: &[f32], epsilon: f64, out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "a norm leaves the shape");
    let width = gamma.len();
    let arch = Arch::new();
    parallel::rows(out, width, |first, out| {
        arch.dispatch(RmsNorm {
            x: &x[first * width..][..out.len()],
            gamma,
            epsilon,
            out,
        });
    });
}

/// The gradient of [`rms_norm`] with respect to its input.
pub fn rms_norm_backward(
    x: &[f32],
    gamma: &[f32],
    epsilon: f64,
    grad_out: &[f32],
    grad_in: &mut [f32],
) {
    let width = gamma.len();
    let arch = Arch::new();
    parallel::gradient_rows(x, grad_out, grad_in, width, |_, x, grad_out, grad_in| {
        arch.dispatch(RmsNormBackward {
            x,
            gamma,
            epsilon,
            grad_out,
            grad_in,
        });
    });
}

/// The gradients of [`layer_norm`] with respect to gamma and beta, `[width]` each.
pub fn layer_norm_backward_parameters(
    x: &[f32],
    width: usize,
    epsilon: f64,
    grad_out: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    parameters(x, width, epsilon, grad_out, true)
}

/// The gradient of [`rms_norm`] with respect to gamma, `[width]`.
pub fn rms_norm_backward_gamma(
    x: &[f32],
    width: usize,
    epsilon: f64,
    grad_out: &[f32],
) -> Vec<f32> {
    parameters(x, width, epsilon, grad_out, false).0
}

fn parameters(
    x: &[f32],
    width: usize,
    epsilon: f64,
    grad_out: &[f32],
    centred: bool,
) -> (Vec<f32>, Vec<f32>) {
    assert_eq!(
        x.len(),
        grad_out.len(),
        "a gradient is as large as what it is of"
    );
    let mut sums = (vec![0.0; width], vec![0.0; width]);
    if width == 0 {
        return sums;
    }
    let (arch, rows) = (Arch::new(), x.len() / width);
    // Blocks of rows do not depend on the number of threads, nor does the order in which their sums are added.
    let blocks = parallel::groups(rows.div_ceil(ROWS), ROWS * width, |block| {
        let end = (block * ROWS + ROWS).min(rows);
        let at = block * ROWS * width..end * width;
        arch.dispatch(Parameters {
            x: &x[at.clone()],
            grad_out: &grad_out[at],
            width,
            epsilon,
            centred,
        })
    });
    let add = |sums: &mut [f32], parts: Vec<f32>| {
        for (sum, part) in sums.iter_mut().zip(parts) {
            *sum += part;
        }
    };
    for (gamma, beta) in blocks {
        add(&mut sums.0, gamma);
        add(&mut sums.1, beta);
    }
    sums
}

/// Rows whose gradients of parameters are summed by one thread.
const ROWS: usize = 64;

/// `f` of the vectors at the same places of three slices, written to a fourth; the rest by parts of vectors.
macro_rules! walk3 {
    ($simd:ident, [$a:expr, $b:expr, $c:expr], $out:expr, |$x:ident, $y:ident, $z:ident| $step:expr) => {{
        let (a_body, a_tail) = S::as_simd_f32s($a);
        let (b_body, b_tail) = S::as_simd_f32s($b);
        let (c_body, c_tail) = S::as_simd_f32s($c);
        let (out_body, out_tail) = S::as_mut_simd_f32s($out);
        for (((&$x, &$y), &$z), out) in a_body.iter().zip(b_body).zip(c_body).zip(out_body) {
            *out = $step;
        }
        if !a_tail.is_empty() {
            let $x = $simd.partial_load_f32s(a_tail);
            let $y = $simd.partial_load_f32s(b_tail);
            let $z = $simd.partial_load_f32s(c_tail);
            let y = $step;
            $simd.partial_store_f32s(out_tail, y);
        }
    }};
}
pub(crate) use walk3;

struct LayerNorm<'a> {
    x: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    epsilon: f64,
    out: &'a mut [f32],
}

impl WithSimd for LayerNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.gamma.len();
        for (x, out) in self.x.chunks(width).zip(self.out.chunks_mut(width)) {
            let moments = Moments::of(simd, x, 0.0);
            let inverse = moments.inverse_deviation(self.epsilon);
            let about = moments.mean as f32;
            // The part of the mean that `f32` cannot hold.
            let rest = splat(simd, (-(moments.mean - f64::from(about)) * inverse) as f32);
            let (about, inverse) = (splat(simd, about), splat(simd, inverse as f32));
            walk3!(simd, [x, self.gamma, self.beta], out, |x, gamma, beta| {
                let normal = simd.mul_add_f32s(simd.sub_f32s(x, about), inverse, rest);
                simd.mul_add_f32s(normal, gamma, beta)
            });
        }
    }
}

struct LayerNormBackward<'a> {
    x: &'a [f32],
    gamma: &'a [f32],
    epsilon: f64,
    grad_out: &'a [f32],
    grad_in: &'a mut [f32],
}

impl WithSimd for LayerNormBackward<'_> {
    type Output = ();

    /// With `h` the normalised row and `g` the gradient times gamma, `(g - mean(g) - h mean(g h)) / deviation`.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.gamma.len();
        let rows = self
            .x
            .chunks(width)
            .zip(self.grad_out.chunks(width))
            .zip(self.grad_in.chunks_mut(width));
        for ((x, grad_out), grad_in) in rows {
            let moments = Moments::of(simd, x, 0.0);
            let inverse = moments.inverse_deviation(self.epsilon);
            let about = moments.mean as f32;
            let rest = -(moments.mean - f64::from(about)) * inverse;
            let (plain, product) = gamma_dots(simd, grad_out, self.gamma, x, about);
            let product = product * inverse + plain * rest;
            let count = width as f64;
            let slope = splat(simd, (-inverse * product / count) as f32);
            let offset = splat(simd, (-inverse * plain / count) as f32);
            let (about, inverse, rest) = (
                splat(simd, about),
                splat(simd, inverse as f32),
                splat(simd, rest as f32),
            );
            walk3!(simd, [x, grad_out, self.gamma], grad_in, |x, g, gamma| {
                let normal = simd.mul_add_f32s(simd.sub_f32s(x, about), inverse, rest);
                let g = simd.mul_f32s(g, gamma);
                simd.mul_add_f32s(g, inverse, simd.mul_add_f32s(normal, slope, offset))
            });
        }
    }
}

/// `Σ a` and `Σ a (b - about)` over a row.
#[inline(always)]
pub(crate) fn dots<S: Simd>(simd: S, a: &[f32], b: &[f32], about: f32) -> (f64, f64) {
    let mut sums = (0.0, 0.0);
    for (a, b) in a.chunks(STRETCH).zip(b.chunks(STRETCH)) {
        let (plain, product) = sum_and_dot(simd, a, b, about);
        sums = (sums.0 + f64::from(plain), sums.1 + f64::from(product));
    }
    sums
}

/// `Σ a gamma` and `Σ a gamma (b - about)` over a row.
#[inline(always)]
fn gamma_dots<S: Simd>(simd: S, a: &[f32], gamma: &[f32], b: &[f32], about: f32) -> (f64, f64) {
    let mut sums = (0.0, 0.0);
    for ((a, gamma), b) in a
        .chunks(STRETCH)
        .zip(gamma.chunks(STRETCH))
        .zip(b.chunks(STRETCH))
    {
        let (plain, product) = gamma_sum_and_dot(simd, a, gamma, b, about);
        sums = (sums.0 + f64::from(plain), sums.1 + f64::from(product));
    }
    sums
}

struct RmsNorm<'a> {
    x: &'a [f32],
    gamma: &'a [f32],
    epsilon: f64,
    out: &'a mut [f32],
}

impl WithSimd for RmsNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.gamma.len();
        for (x, out) in self.x.chunks(width).zip(self.out.chunks_mut(width)) {
            let (_, squares) = dots(simd, x, x, 0.0);
            let inverse = splat(
                simd,
                (1.0 / (squares / width as f64 + self.epsilon).sqrt()) as f32,
            );
            walk3!(simd, [x, self.gamma, self.gamma], out, |x, gamma, _same| {
                simd.mul_f32s(simd.mul_f32s(x, inverse), gamma)
            });
        }
    }
}

struct RmsNormBackward<'a> {
    x: &'a [f32],
    gamma: &'a [f32],
    epsilon: f64,
    grad_out: &'a [f32],
    grad_in: &'a mut [f32],
}

impl WithSimd for RmsNormBackward<'_> {
    type Output = ();

    /// With `r` the root of the mean square and `g` the gradient times gamma, `g / r - x mean(g x) / r³`.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.gamma.len();
        let rows = self
            .x
            .chunks(width)
            .zip(self.grad_out.chunks(width))
            .zip(self.grad_in.chunks_mut(width));
        for ((x, grad_out), grad_in) in rows {
            let (_, squares) = dots(simd, x, x, 0.0);
            let inverse = 1.0 / (squares / width as f64 + self.epsilon).sqrt();
            let (_, product) = gamma_dots(simd, grad_out, self.gamma, x, 0.0);
            let slope = splat(simd, (-product / width as f64 * inverse.powi(3)) as f32);
            let inverse = splat(simd, inverse as f32);
            walk3!(simd, [x, grad_out, self.gamma], grad_in, |x, g, gamma| {
                simd.mul_add_f32s(simd.mul_f32s(g, gamma), inverse, simd.mul_f32s(x, slope))
            });
        }
    }
}

/// Sums over rows of the gradient times the normalised numbers, and of the gradient.
struct Parameters<'a> {
    x: &'a [f32],
    grad_out: &'a [f32],
    width: usize,
    epsilon: f64,
    /// Whether the norm takes the mean away.
    centred: bool,
}

impl WithSimd for Parameters<'_> {
    type Output = (Vec<f32>, Vec<f32>);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let mut sums = (vec![0.0; self.width], vec![0.0; self.width]);
        let mut new = vec![0.0; self.width];
        let rows = self.x.chunks(self.width);
        for (x, grad_out) in rows.zip(self.grad_out.chunks(self.width)) {
            let (about, rest, inverse) = if self.centred {
                let moments = Moments::of(simd, x, 0.0);
                let inverse = moments.inverse_deviation(self.epsilon);
                let about = moments.mean as f32;
                let rest = -(moments.mean - f64::from(about)) * inverse;
                (about, rest, inverse)
            } else {
                let (_, squares) = dots(simd, x, x, 0.0);
                let mean = squares / self.width as f64;
                (0.0, 0.0, 1.0 / (mean + self.epsilon).sqrt())
            };
            let (about, inverse, rest) = (
                splat(simd, about),
                splat(simd, inverse as f32),
                splat(simd, rest as f32),
            );
            walk3!(simd, [x, grad_out, &sums.0], &mut new, |x, g, before| {
                let normal = simd.mul_add_f32s(simd.sub_f32s(x, about), inverse, rest);
                simd.mul_add_f32s(normal, g, before)
            });
            std::mem::swap(&mut sums.0, &mut new);
            if self.centred {
                walk3!(
                    simd,
                    [grad_out, grad_out, &sums.1],
                    &mut new,
                    |g, _same, before| simd.add_f32s(g, before)
                );
                std::mem::swap(&mut sums.1, &mut new);
            }
        }
        sums
    }
}
