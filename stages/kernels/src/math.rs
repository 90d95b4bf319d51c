//! Vector functions: `exp`, the logistic function, `tanh`, `erf`, and the normal distribution that GELU needs.
//!
//! The polynomials are minimax fits of our own (`tools/fit.py`, `tools/fit_phi.py`), after the usual reductions: `exp` writes
//! `x = n ln 2 + r` with `|r| <= ln 2 / 2`; the tail of the normal distribution is `exp(-z²/2)` times a polynomial in
//! `1 / (1 + c z)`, a form due to Hastings (*Approximations for Digital Computers*, 1955).
//!
//! | function | greatest error seen, over all of the range |
//! |---|---|
//! | `exp` | 1 ulp; below 2⁻¹²⁵ (x < -86.99) the result is 0, so that no subnormal numbers arise |
//! | `sigmoid` | 2.5 ulp where it is no less than 2⁻¹²⁵ |
//! | `erf` | 1.3e-7 absolute, 2.5 ulp for |x| < 1 |
//! | `tanh` | 3 ulp |
//!
//! A NaN gives a NaN.

use crate::parallel::{self, Elementwise};
use pulp::Simd;
use std::f32::consts::{LOG2_E, SQRT_2};

/// Added to a small number and taken off again, rounds it to a whole one, which then stands in the lowest bits: 1.5 · 2²³.
const ROUND: f32 = 12_582_912.0;

/// ln 2 in two parts, the first short enough that its product with a whole number below 2⁸ is exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// `c` of `t = 1 / (1 + c z)`, and the polynomial in `t` without its factor `t`, such that the tail beyond `z` of the normal
/// distribution is `exp(-z²/2) t PHI(t)`: within 3e-8, and in the far tail within 3 % of that, of the true one.
const PHI_SCALE: f32 = 0.3;
const PHI: [f32; 8] = [
    0.035_762_906,
    -0.156_781_55,
    0.203_960_05,
    -0.049_577_355,
    0.125_128_79,
    0.101_434_3,
    0.120_413_55,
    0.119_659_334,
];

/// A number in all lanes.
#[inline(always)]
pub(crate) fn splat<S: Simd>(simd: S, value: f32) -> S::f32s {
    simd.splat_f32s(value)
}

/// The polynomial with these coefficients, highest power first.
#[inline(always)]
pub(crate) fn polynomial<S: Simd, const N: usize>(
    simd: S,
    x: S::f32s,
    coefficients: [f32; N],
) -> S::f32s {
    let mut sum = simd.splat_f32s(coefficients[0]);
    for &c in &coefficients[1..] {
        sum = simd.mul_add_f32s(sum, x, simd.splat_f32s(c));
    }
    sum
}

/// The greater of a bound and a number; a NaN stays one.
#[inline(always)]
fn at_least<S: Simd>(simd: S, bound: f32, x: S::f32s) -> S::f32s {
    let bound = simd.splat_f32s(bound);
    if S::IS_SCALAR {
        return simd.select_f32s(simd.less_than_f32s(x, bound), bound, x);
    }
    simd.max_f32s(bound, x)
}

/// The smaller of a bound and a number; a NaN stays one.
#[inline(always)]
fn at_most<S: Simd>(simd: S, bound: f32, x: S::f32s) -> S::f32s {
    let bound = simd.splat_f32s(bound);
    if S::IS_SCALAR {
        return simd.select_f32s(simd.greater_than_f32s(x, bound), bound, x);
    }
    simd.min_f32s(bound, x)
}

/// The power of two whose exponent, with its bias, stands in the lowest bits of `rounded`.
#[inline(always)]
fn power_of_two<S: Simd>(simd: S, rounded: S::f32s) -> S::f32s {
    let bits = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(rounded), simd.splat_u32s(23));
    simd.transmute_f32s_u32s(bits)
}

/// `exp(x)`.
#[inline(always)]
pub fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // Between these the exponent below is 0, whose power comes out as 0, to 254, whose product overflows as it should.
    let x = at_most(simd, 89.0, at_least(simd, -87.3, x));
    // One less than the bias, and a polynomial of 2 exp(r): 2¹²⁸ is no number, but 2 · 2¹²⁷ with r < 0 is.
    let rounded = simd.mul_add_f32s(x, splat(simd, LOG2_E), splat(simd, ROUND + 126.0));
    let n = simd.sub_f32s(rounded, splat(simd, ROUND + 126.0));
    let r = simd.mul_add_f32s(n, splat(simd, -LN_2_HIGH), x);
    let r = simd.mul_add_f32s(n, splat(simd, -LN_2_LOW), r);
    let twice = polynomial(
        simd,
        r,
        [
            0.002_762_893,
            0.016_737_562,
            0.083_336_785,
            0.333_330_4,
            0.999_999_9,
            2.0,
            2.0,
        ],
    );
    simd.mul_f32s(twice, power_of_two(simd, rounded))
}

/// `2^x` for `x <= 127`, to 2 ulp; 0 for `x <= -126.5`. What the inner loop of attention runs.
#[expect(
    clippy::approx_constant,
    reason = "the coefficient of a fit is near the constant, not equal to it"
)]
#[inline(always)]
pub(crate) fn exp2<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let x = at_least(simd, -127.0, x);
    let rounded = simd.add_f32s(x, splat(simd, ROUND + 127.0));
    let n = simd.sub_f32s(rounded, splat(simd, ROUND + 127.0));
    let r = simd.sub_f32s(x, n);
    let y = polynomial(
        simd,
        r,
        [
            0.001_326_458_6,
            0.009_671_619,
            0.055_507_35,
            0.240_222_41,
            0.693_147,
            1.0,
        ],
    );
    simd.mul_f32s(y, power_of_two(simd, rounded))
}

/// `1 + exp(-x)`, by which SiLU divides.
#[inline(always)]
pub(crate) fn one_plus_exp_neg<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    simd.add_f32s(splat(simd, 1.0), exp(simd, simd.neg_f32s(x)))
}

/// The logistic function, `1 / (1 + exp(-x))`.
#[inline(always)]
pub fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    simd.div_f32s(splat(simd, 1.0), one_plus_exp_neg(simd, x))
}

/// `exp(-x²/2)`, and the probability that a normal variable is further than `|x|` above its mean.
#[inline(always)]
fn normal_tail<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let bell = exp(simd, simd.mul_f32s(simd.mul_f32s(x, splat(simd, -0.5)), x));
    let z = simd.abs_f32s(x);
    let t = simd.div_f32s(
        splat(simd, 1.0),
        simd.mul_add_f32s(z, splat(simd, PHI_SCALE), splat(simd, 1.0)),
    );
    (
        bell,
        simd.mul_f32s(bell, simd.mul_f32s(t, polynomial(simd, t, PHI))),
    )
}

/// `exp(-x²/2)`, and the probability that a normal variable is below `x`.
#[inline(always)]
pub fn normal<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let (bell, tail) = normal_tail(simd, x);
    let rest = simd.sub_f32s(splat(simd, 1.0), tail);
    (
        bell,
        simd.select_f32s(simd.less_than_f32s(x, splat(simd, 0.0)), tail, rest),
    )
}

/// The error function.
#[expect(
    clippy::approx_constant,
    reason = "the coefficient of a fit is near the constant, not equal to it"
)]
#[inline(always)]
pub fn erf<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let square = simd.mul_f32s(x, x);
    let near = simd.mul_f32s(
        x,
        polynomial(
            simd,
            square,
            [
                7.854_008e-5,
                -8.010_242e-4,
                0.005_188_334,
                -0.026_853_815,
                0.112_835_854,
                -0.376_126_26,
                1.128_379_1,
            ],
        ),
    );
    let (_, tail) = normal_tail(simd, simd.mul_f32s(x, splat(simd, SQRT_2)));
    let far = simd.mul_add_f32s(tail, splat(simd, -2.0), splat(simd, 1.0));
    let below = simd.less_than_f32s(x, splat(simd, 0.0));
    let far = simd.select_f32s(below, simd.neg_f32s(far), far);
    simd.select_f32s(simd.less_than_f32s(square, splat(simd, 1.0)), near, far)
}

/// The hyperbolic tangent.
#[inline(always)]
pub fn tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let square = simd.mul_f32s(x, x);
    let bend = polynomial(
        simd,
        square,
        [
            -0.005_704_990_6,
            0.020_639_09,
            -0.053_739_715,
            0.133_314_42,
            -0.333_332_8,
        ],
    );
    let near = simd.mul_add_f32s(simd.mul_f32s(bend, square), x, x);
    let e = exp(simd, simd.add_f32s(x, x));
    let far = simd.sub_f32s(
        splat(simd, 1.0),
        simd.div_f32s(splat(simd, 2.0), simd.add_f32s(e, splat(simd, 1.0))),
    );
    simd.select_f32s(
        simd.less_than_f32s(square, splat(simd, 0.390_625)),
        near,
        far,
    )
}

macro_rules! function {
    ($(#[$doc:meta])* $slice:ident, $name:ident, $vector:ident) => {
        #[derive(Clone, Copy)]
        struct $name;

        impl Elementwise<1, 1> for $name {
            #[inline(always)]
            fn apply<S: Simd>(self, simd: S, [x]: [S::f32s; 1]) -> [S::f32s; 1] {
                [$vector(simd, x)]
            }
        }

        $(#[$doc])*
        ///
        /// # Panics
        ///
        /// When the slices differ in length.
        pub fn $slice(x: &[f32], out: &mut [f32]) {
            parallel::map($name, [x], out);
        }
    };
}

function!(
    /// `exp` of each number.
    exp_slice, Exp, exp
);
function!(
    /// The logistic function of each number.
    sigmoid_slice, Sigmoid, sigmoid
);
function!(
    /// The error function of each number.
    erf_slice, Erf, erf
);
function!(
    /// The hyperbolic tangent of each number.
    tanh_slice, Tanh, tanh
);
