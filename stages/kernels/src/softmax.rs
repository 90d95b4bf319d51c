//! Softmax over the last dimension.
//!
//! All slices are `[rows, width]`.

use crate::group_norm::walk;
use crate::layer_norm::{dots, walk3};
use crate::math::{exp, splat};
use crate::moments::{STRETCH, fold, padded, sums};
use crate::parallel;
use pulp::{Arch, Simd, WithSimd};

/// Each row's `exp(x - max(x))`, over their sum. A row of nothing but -∞ has no softmax and comes out as NaN.
pub fn softmax(x: &[f32], width: usize, out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "softmax leaves the shape");
    let arch = Arch::new();
    parallel::rows(out, width, |first, out| {
        arch.dispatch(Softmax {
            x: &x[first * width..][..out.len()],
            width,
            out,
        });
    });
}

/// The gradient of [`softmax`], from its result `y`: `y (g - Σ g y)`.
pub fn softmax_backward(y: &[f32], width: usize, grad_out: &[f32], grad_in: &mut [f32]) {
    let arch = Arch::new();
    parallel::gradient_rows(y, grad_out, grad_in, width, |_, y, grad_out, grad_in| {
        arch.dispatch(SoftmaxBackward {
            y,
            width,
            grad_out,
            grad_in,
        });
    });
}

struct Softmax<'a> {
    x: &'a [f32],
    width: usize,
    out: &'a mut [f32],
}

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (x, out) in self
            .x
            .chunks(self.width)
            .zip(self.out.chunks_mut(self.width))
        {
            let lowest = splat(simd, f32::NEG_INFINITY);
            let [a, b, c, d] = sums!(simd, x, f32::NEG_INFINITY, lowest, |v, most| *most =
                simd.max_f32s(v, *most));
            let most = simd.max_f32s(simd.max_f32s(a, b), simd.max_f32s(c, d));
            let most = splat(simd, simd.reduce_max_f32s(most));
            walk!(simd, x, out, |v, _w| exp(simd, simd.sub_f32s(v, most)));
            let mut sum = 0.0;
            for out in out.chunks(STRETCH) {
                let sums = sums!(simd, out, 0.0, splat(simd, 0.0), |v, sum| *sum =
                    simd.add_f32s(*sum, v));
                sum += f64::from(fold(simd, sums));
            }
            let scale = splat(simd, (1.0 / sum) as f32);
            walk!(simd, x, out, |_v, e| simd.mul_f32s(e, scale));
        }
    }
}

struct SoftmaxBackward<'a> {
    y: &'a [f32],
    width: usize,
    grad_out: &'a [f32],
    grad_in: &'a mut [f32],
}

impl WithSimd for SoftmaxBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let rows = self
            .y
            .chunks(self.width)
            .zip(self.grad_out.chunks(self.width));
        for ((y, grad_out), grad_in) in rows.zip(self.grad_in.chunks_mut(self.width)) {
            let (_, product) = dots(simd, grad_out, y, 0.0);
            let product = splat(simd, product as f32);
            walk3!(simd, [y, grad_out, grad_out], grad_in, |y, g, _same| {
                simd.mul_f32s(y, simd.sub_f32s(g, product))
            });
        }
    }
}
