//! Activations, number by number, and what goes with them: gates, biases, residuals.
//!
//! Each has a forward, `name(x, out)`, and a backward with respect to its input, `name_backward(x, grad_out, grad_in)`.
//! All panic when slices that belong together differ in length.

use crate::math::{normal, one_plus_exp_neg, sigmoid, splat};
use crate::parallel::{self, Elementwise};
use pulp::{Arch, Simd};

/// `1 / sqrt(2 π)`, the height of the normal density.
const NORMAL_HEIGHT: f32 = 0.398_942_3;

/// The slope that makes the logistic function look like the normal distribution (Hendrycks and Gimpel 2016).
const QUICK: f32 = 1.702;

/// `x · sigmoid(x)`.
#[inline(always)]
pub(crate) fn silu_lanes<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    simd.div_f32s(x, one_plus_exp_neg(simd, x))
}

/// The derivative of [`silu_lanes`]: `s (1 + x (1 - s))` with `s = sigmoid(x)`.
#[inline(always)]
pub(crate) fn silu_slope<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let s = sigmoid(simd, x);
    let rest = simd.sub_f32s(splat(simd, 1.0), s);
    simd.mul_f32s(s, simd.mul_add_f32s(x, rest, splat(simd, 1.0)))
}

/// `x · P(X < x)`.
#[inline(always)]
fn gelu_lanes<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    simd.mul_f32s(x, normal(simd, x).1)
}

/// [`gelu_lanes`] and its derivative, `P(X < x) + x · density(x)`.
#[inline(always)]
fn gelu_and_slope<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let (bell, below) = normal(simd, x);
    let density = simd.mul_f32s(bell, splat(simd, NORMAL_HEIGHT));
    (
        simd.mul_f32s(x, below),
        simd.mul_add_f32s(x, density, below),
    )
}

macro_rules! activation {
    (
        $(#[$doc:meta])* $forward:ident, $in_place:ident, $(#[$backward_doc:meta])* $backward:ident, $Forward:ident, $Backward:ident,
        |$simd:ident, $x:ident| $value:expr, $slope:expr
    ) => {
        #[derive(Clone, Copy)]
        struct $Forward;

        impl Elementwise<1, 1> for $Forward {
            #[inline(always)]
            fn apply<S: Simd>(self, $simd: S, [$x]: [S::f32s; 1]) -> [S::f32s; 1] {
                [$value]
            }
        }

        #[derive(Clone, Copy)]
        struct $Backward;

        impl Elementwise<2, 1> for $Backward {
            #[inline(always)]
            fn apply<S: Simd>(self, $simd: S, [$x, grad]: [S::f32s; 2]) -> [S::f32s; 1] {
                [$simd.mul_f32s(grad, $slope)]
            }
        }

        $(#[$doc])*
        pub fn $forward(x: &[f32], out: &mut [f32]) {
            parallel::map($Forward, [x], out);
        }

        #[doc = concat!("[`", stringify!($forward), "`], over its input.")]
        pub fn $in_place(x: &mut [f32]) {
            parallel::map_in_place($Forward, x);
        }

        $(#[$backward_doc])*
        pub fn $backward(x: &[f32], grad_out: &[f32], grad_in: &mut [f32]) {
            parallel::map($Backward, [x, grad_out], grad_in);
        }
    };
}

activation!(
    /// SiLU, `x · sigmoid(x)` (Elfwing et al. 2017).
    silu,
    silu_in_place,
    /// The gradient of [`silu`].
    silu_backward,
    Silu,
    SiluBackward,
    |simd, x| silu_lanes(simd, x),
    silu_slope(simd, x)
);
activation!(
    /// GELU, `x · P(X < x)` for a normal `X`: the exact one, by the error function (Hendrycks and Gimpel 2016).
    gelu,
    gelu_in_place,
    /// The gradient of [`gelu`].
    gelu_backward,
    Gelu,
    GeluBackward,
    |simd, x| gelu_lanes(simd, x),
    gelu_and_slope(simd, x).1
);
activation!(
    /// The sigmoid approximation of GELU that OpenAI's CLIP uses, `x · sigmoid(1.702 x)`.
    quick_gelu,
    quick_gelu_in_place,
    /// The gradient of [`quick_gelu`].
    quick_gelu_backward,
    QuickGelu,
    QuickGeluBackward,
    |simd, x| {
        let scaled = simd.mul_f32s(x, splat(simd, QUICK));
        simd.div_f32s(x, one_plus_exp_neg(simd, scaled))
    },
    silu_slope(simd, simd.mul_f32s(x, splat(simd, QUICK)))
);

#[derive(Clone, Copy)]
struct Geglu;

impl Elementwise<2, 1> for Geglu {
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, [value, gate]: [S::f32s; 2]) -> [S::f32s; 1] {
        [simd.mul_f32s(value, gelu_lanes(simd, gate))]
    }
}

#[derive(Clone, Copy)]
struct GegluBackward;

impl Elementwise<3, 2> for GegluBackward {
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, [value, gate, grad]: [S::f32s; 3]) -> [S::f32s; 2] {
        let (open, slope) = gelu_and_slope(simd, gate);
        [
            simd.mul_f32s(grad, open),
            simd.mul_f32s(grad, simd.mul_f32s(value, slope)),
        ]
    }
}

/// GEGLU (Shazeer 2020): of rows `[values, gates]` of `2 width` numbers, rows `values · gelu(gates)` of `width`.
///
/// # Shapes
///
/// - x: `[rows, 2 width]`
/// - out: `[rows, width]`
pub fn geglu(x: &[f32], width: usize, out: &mut [f32]) {
    assert_eq!(x.len(), 2 * out.len(), "GEGLU halves its rows");
    let arch = Arch::new();
    parallel::rows(out, width, |first, out| {
        for (i, out) in out.chunks_mut(width).enumerate() {
            let (values, gates) = x[2 * (first + i) * width..][..2 * width].split_at(width);
            parallel::map_here(arch, Geglu, [values, gates], [out]);
        }
    });
}

/// The gradient of [`geglu`].
///
/// # Shapes
///
/// - x, grad_in: `[rows, 2 width]`
/// - grad_out: `[rows, width]`
pub fn geglu_backward(x: &[f32], width: usize, grad_out: &[f32], grad_in: &mut [f32]) {
    assert_eq!(x.len(), 2 * grad_out.len(), "GEGLU halves its rows");
    assert_eq!(
        x.len(),
        grad_in.len(),
        "a gradient is as large as what it is of"
    );
    let arch = Arch::new();
    parallel::rows(grad_in, 2 * width, |first, grad_in| {
        for (i, grad_in) in grad_in.chunks_mut(2 * width).enumerate() {
            let (values, gates) = x[2 * (first + i) * width..][..2 * width].split_at(width);
            let grad_out = &grad_out[(first + i) * width..][..width];
            parallel::map_here(arch, GegluBackward, [values, gates, grad_out], {
                let (a, b) = grad_in.split_at_mut(width);
                [a, b]
            });
        }
    });
}

#[derive(Clone, Copy)]
struct Swiglu;

impl Elementwise<2, 1> for Swiglu {
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, [gate, value]: [S::f32s; 2]) -> [S::f32s; 1] {
        [simd.mul_f32s(silu_lanes(simd, gate), value)]
    }
}

/// SwiGLU (Shazeer 2020) of gates and values that lie apart: `silu(gates) · values`.
pub fn swiglu(gates: &[f32], values: &[f32], out: &mut [f32]) {
    parallel::map(Swiglu, [gates, values], out);
}

#[derive(Clone, Copy)]
struct SwigluBackward;

impl Elementwise<3, 2> for SwigluBackward {
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, [gate, value, grad]: [S::f32s; 3]) -> [S::f32s; 2] {
        let slope = silu_slope(simd, gate);
        [
            simd.mul_f32s(grad, simd.mul_f32s(value, slope)),
            simd.mul_f32s(grad, silu_lanes(simd, gate)),
        ]
    }
}

/// The gradients of [`swiglu`] with respect to the gates and to the values.
pub fn swiglu_backward(
    gates: &[f32],
    values: &[f32],
    grad_out: &[f32],
    [grad_gates, grad_values]: [&mut [f32]; 2],
) {
    let out = [grad_gates, grad_values];
    parallel::map_two(SwigluBackward, [gates, values, grad_out], out);
}

#[derive(Clone, Copy)]
struct Sum;

impl Elementwise<2, 1> for Sum {
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, [a, b]: [S::f32s; 2]) -> [S::f32s; 1] {
        [simd.add_f32s(a, b)]
    }
}

/// The sum of two tensors of one shape, such as a residual.
pub fn add(a: &[f32], b: &[f32], out: &mut [f32]) {
    parallel::map(Sum, [a, b], out);
}

#[derive(Clone, Copy)]
struct Shift(f32);

impl Elementwise<1, 1> for Shift {
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, [x]: [S::f32s; 1]) -> [S::f32s; 1] {
        [simd.add_f32s(x, splat(simd, self.0))]
    }
}

/// Adds one number to each plane, as the bias of a convolution.
///
/// # Shapes
///
/// - x, out: `[batch, channels, cells]`
/// - bias: `[channels]`, or `[batch, channels]` as with a time embedding
pub fn add_per_channel(x: &[f32], bias: &[f32], cells: usize, out: &mut [f32]) {
    assert_eq!(
        x.len(),
        out.len(),
        "what is added to a tensor leaves its shape"
    );
    let arch = Arch::new();
    parallel::rows(out, cells, |first, out| {
        for (i, out) in out.chunks_mut(cells).enumerate() {
            let plane = first + i;
            parallel::map_here(
                arch,
                Shift(bias[plane % bias.len()]),
                [&x[plane * cells..][..cells]],
                [out],
            );
        }
    });
}
