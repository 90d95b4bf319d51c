//! The mean and variance of many numbers, in one walk over memory.
//!
//! A stretch that stays in the first-level cache is read twice, for its mean and then for the squares about it; the
//! stretches are put together in `f64` (Chan, Golub and LeVeque 1983). Sums run in a fixed order.

use crate::math::splat;
use pulp::Simd;

/// Numbers in a stretch: 16 KiB.
pub(crate) const STRETCH: usize = 4096;

/// Sums that run side by side, so that an addition need not wait for the one before.
pub(crate) const SIDE_BY_SIDE: usize = 4;

/// How many numbers, their mean, and the sum of the squares of their distances to it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Moments {
    count: f64,
    pub(crate) mean: f64,
    squares: f64,
}

impl Moments {
    /// Of `x + shift`.
    #[inline(always)]
    pub(crate) fn of<S: Simd>(simd: S, x: &[f32], shift: f32) -> Self {
        let mut all = Self::default();
        for stretch in x.chunks(STRETCH) {
            all = all.and(Self::of_stretch(simd, stretch, shift));
        }
        all
    }

    #[inline(always)]
    fn of_stretch<S: Simd>(simd: S, x: &[f32], shift: f32) -> Self {
        let count = x.len() as f64;
        let about = (f64::from(sum(simd, x)) / count + f64::from(shift)) as f32;
        let (offset, squares) = about_mean(simd, x, shift, about);
        let (offset, squares) = (f64::from(offset), f64::from(squares));
        Self {
            count,
            mean: f64::from(about) + offset / count,
            squares: (squares - offset * offset / count).max_or_nan(0.0),
        }
    }

    /// Of these numbers and those.
    #[inline(always)]
    pub(crate) fn and(self, other: Self) -> Self {
        if self.count == 0.0 {
            return other;
        }
        let count = self.count + other.count;
        let apart = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + apart * other.count / count,
            squares: self.squares
                + other.squares
                + apart * apart * self.count * other.count / count,
        }
    }

    /// `1 / sqrt(variance + epsilon)`, with the variance of these numbers themselves, not of what they are drawn from.
    #[inline(always)]
    pub(crate) fn inverse_deviation(self, epsilon: f64) -> f64 {
        1.0 / (self.squares / self.count + epsilon).sqrt()
    }
}

trait MaxOrNan {
    fn max_or_nan(self, bound: Self) -> Self;
}

impl MaxOrNan for f64 {
    #[inline(always)]
    fn max_or_nan(self, bound: Self) -> Self {
        if self < bound { bound } else { self }
    }
}

/// The sum of a slice's full vectors by `term`, `SIDE_BY_SIDE` at a time, and of its rest, filled up with `pad`.
macro_rules! sums {
    ($simd:ident, $x:expr, $pad:expr, $zero:expr, |$v:ident, $sum:ident| $step:expr) => {{
        let (body, tail) = S::as_simd_f32s($x);
        let (quads, rest) = pulp::as_arrays::<{ $crate::moments::SIDE_BY_SIDE }, _>(body);
        let mut sums = [$zero; $crate::moments::SIDE_BY_SIDE];
        for quad in quads {
            for (&$v, $sum) in quad.iter().zip(&mut sums) {
                $step;
            }
        }
        for (&$v, $sum) in rest.iter().zip(&mut sums) {
            $step;
        }
        if !tail.is_empty() {
            let $v = padded($simd, tail, $pad);
            let $sum = &mut sums[$crate::moments::SIDE_BY_SIDE - 1];
            $step;
        }
        sums
    }};
}
pub(crate) use sums;

/// A vector of a slice's numbers, and `pad` in the lanes past its end.
#[inline(always)]
pub(crate) fn padded<S: Simd>(simd: S, x: &[f32], pad: f32) -> S::f32s {
    let mut lanes = [splat(simd, pad)];
    bytemuck::cast_slice_mut::<S::f32s, f32>(&mut lanes)[..x.len()].copy_from_slice(x);
    lanes[0]
}

#[inline(always)]
pub(crate) fn fold<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; SIDE_BY_SIDE]) -> f32 {
    simd.reduce_sum_f32s(simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d)))
}

/// The sum of a stretch.
#[inline(always)]
fn sum<S: Simd>(simd: S, x: &[f32]) -> f32 {
    let sums = sums!(simd, x, 0.0, splat(simd, 0.0), |v, sum| *sum =
        simd.add_f32s(*sum, v));
    fold(simd, sums)
}

/// Of a stretch's distances to `about`, the sum and the sum of the squares.
#[inline(always)]
fn about_mean<S: Simd>(simd: S, x: &[f32], shift: f32, about: f32) -> (f32, f32) {
    let zero = (splat(simd, 0.0), splat(simd, 0.0));
    let (shift_lanes, about_lanes) = (splat(simd, shift), splat(simd, about));
    // The padding is at distance 0 but for the rounding of one subtraction.
    let sums = sums!(simd, x, about - shift, zero, |v, sum| {
        let distance = simd.sub_f32s(simd.add_f32s(v, shift_lanes), about_lanes);
        *sum = (
            simd.add_f32s(sum.0, distance),
            simd.mul_add_f32s(distance, distance, sum.1),
        );
    });
    (
        fold(simd, sums.map(|sum| sum.0)),
        fold(simd, sums.map(|sum| sum.1)),
    )
}

/// `Σ a` and `Σ a (b - about)` over a stretch.
#[inline(always)]
pub(crate) fn sum_and_dot<S: Simd>(simd: S, a: &[f32], b: &[f32], about: f32) -> (f32, f32) {
    sums_of(
        simd,
        [a, b],
        |simd, [a, b], about| (a, simd.sub_f32s(b, about)),
        about,
    )
}

/// `Σ a gamma` and `Σ a gamma (b - about)` over a stretch.
#[inline(always)]
pub(crate) fn gamma_sum_and_dot<S: Simd>(
    simd: S,
    a: &[f32],
    gamma: &[f32],
    b: &[f32],
    about: f32,
) -> (f32, f32) {
    sums_of(
        simd,
        [a, gamma, b],
        |simd, [a, gamma, b], about| (simd.mul_f32s(a, gamma), simd.sub_f32s(b, about)),
        about,
    )
}

/// `Σ p` and `Σ p q` over a stretch, with `p` and `q` as `terms` makes them; `p` must be 0 where all slices are.
#[inline(always)]
fn sums_of<S: Simd, const N: usize>(
    simd: S,
    x: [&[f32]; N],
    terms: impl Fn(S, [S::f32s; N], S::f32s) -> (S::f32s, S::f32s),
    about: f32,
) -> (f32, f32) {
    let about = splat(simd, about);
    let x = x.map(S::as_simd_f32s);
    let quads = x.map(|x| pulp::as_arrays::<SIDE_BY_SIDE, _>(x.0));
    let zero = splat(simd, 0.0);
    let (mut plain, mut product) = ([zero; SIDE_BY_SIDE], [zero; SIDE_BY_SIDE]);
    let count = quads[0].0.len();
    let bodies = quads.map(|quads| &quads.0[..count]);
    for at in 0..count {
        for i in 0..SIDE_BY_SIDE {
            let (p, q) = terms(simd, bodies.map(|body| body[at][i]), about);
            plain[i] = simd.add_f32s(plain[i], p);
            product[i] = simd.mul_add_f32s(p, q, product[i]);
        }
    }
    for i in 0..quads[0].1.len() {
        let (p, q) = terms(simd, quads.map(|quads| quads.1[i]), about);
        plain[i] = simd.add_f32s(plain[i], p);
        product[i] = simd.mul_add_f32s(p, q, product[i]);
    }
    if !x[0].1.is_empty() {
        let (p, q) = terms(simd, x.map(|x| simd.partial_load_f32s(x.1)), about);
        plain[SIDE_BY_SIDE - 1] = simd.add_f32s(plain[SIDE_BY_SIDE - 1], p);
        product[SIDE_BY_SIDE - 1] = simd.mul_add_f32s(p, q, product[SIDE_BY_SIDE - 1]);
    }
    (fold(simd, plain), fold(simd, product))
}
