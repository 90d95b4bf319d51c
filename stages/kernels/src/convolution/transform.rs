//! The transforms of Winograd's minimal filtering F(4×4, 3×3).
//!
//! Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2015
//! (arXiv 1509.09308): a 4×4 output tile is `Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A` for a
//! 3×3 filter `g` and a 6×6 input tile `d`. The matrices follow from the
//! Toom-Cook interpolation points 0, ±a, ±b, ∞. With a = 1/√2 and b = √2
//! rather than the paper's 1 and 2 the powers stay near one, which makes the
//! rounding error several times smaller.

use pulp::Simd;

/// Positions of a transformed tile.
pub(crate) const POSITIONS: usize = 36;

const A: f32 = std::f32::consts::FRAC_1_SQRT_2;
const B: f32 = std::f32::consts::SQRT_2;
/// a² and b².
const A2: f32 = 0.5;
const B2: f32 = 2.0;
/// a² + b² and a²·b².
const SUM: f32 = A2 + B2;
const PRODUCT: f32 = A2 * B2;
/// 1 / (2a²(a² − b²)) and 1 / (2b²(b² − a²)): the points' Lagrange weights.
const LA: f32 = 1.0 / (2.0 * A2 * (A2 - B2));
const LB: f32 = 1.0 / (2.0 * B2 * (B2 - A2));

/// `Bᵀ d`: one dimension of the input transform.
#[inline(always)]
fn input_1d<S: Simd>(s: S, d: [S::f32s; 6]) -> [S::f32s; 6] {
    let k = |v: f32| s.splat_f32s(v);
    let even_a = s.mul_add_e_f32s(k(-B2), d[2], d[4]);
    let odd_a = s.mul_add_e_f32s(k(-B2), d[1], d[3]);
    let even_b = s.mul_add_e_f32s(k(-A2), d[2], d[4]);
    let odd_b = s.mul_add_e_f32s(k(-A2), d[1], d[3]);
    [
        s.mul_add_e_f32s(k(PRODUCT), d[0], s.mul_add_e_f32s(k(-SUM), d[2], d[4])),
        s.mul_add_e_f32s(k(A), odd_a, even_a),
        s.mul_add_e_f32s(k(-A), odd_a, even_a),
        s.mul_add_e_f32s(k(B), odd_b, even_b),
        s.mul_add_e_f32s(k(-B), odd_b, even_b),
        s.mul_add_e_f32s(k(PRODUCT), d[1], s.mul_add_e_f32s(k(-SUM), d[3], d[5])),
    ]
}

/// `G g`: one dimension of the filter transform.
#[inline(always)]
fn filter_1d<S: Simd>(s: S, g: [S::f32s; 3]) -> [S::f32s; 6] {
    let k = |v: f32| s.splat_f32s(v);
    let even_a = s.mul_add_e_f32s(k(LA * A2), g[2], s.mul_f32s(k(LA), g[0]));
    let even_b = s.mul_add_e_f32s(k(LB * B2), g[2], s.mul_f32s(k(LB), g[0]));
    [
        s.mul_f32s(k(1.0 / PRODUCT), g[0]),
        s.mul_add_e_f32s(k(LA * A), g[1], even_a),
        s.mul_add_e_f32s(k(-LA * A), g[1], even_a),
        s.mul_add_e_f32s(k(LB * B), g[1], even_b),
        s.mul_add_e_f32s(k(-LB * B), g[1], even_b),
        g[2],
    ]
}

/// `Aᵀ m`: one dimension of the output transform.
#[inline(always)]
fn output_1d<S: Simd>(s: S, m: [S::f32s; 6]) -> [S::f32s; 4] {
    let k = |v: f32| s.splat_f32s(v);
    let (pa, ma) = (s.add_f32s(m[1], m[2]), s.sub_f32s(m[1], m[2]));
    let (pb, mb) = (s.add_f32s(m[3], m[4]), s.sub_f32s(m[3], m[4]));
    [
        s.add_f32s(m[0], s.add_f32s(pa, pb)),
        s.mul_add_e_f32s(k(B), mb, s.mul_f32s(k(A), ma)),
        s.mul_add_e_f32s(k(B2), pb, s.mul_f32s(k(A2), pa)),
        s.mul_add_e_f32s(k(B2 * B), mb, s.mul_add_e_f32s(k(A2 * A), ma, m[5])),
    ]
}

/// Input transform of one vector of tiles: `load(r, c)` gives the tiles'
/// pixels, `store(position, v)` takes the result.
#[inline(always)]
pub(crate) fn input<S: Simd>(
    s: S,
    load: impl Fn(usize, usize) -> S::f32s,
    mut store: impl FnMut(usize, S::f32s),
) {
    let mut t = [[s.splat_f32s(0.0); 6]; 6];
    for c in 0..6 {
        let column = input_1d(
            s,
            [
                load(0, c),
                load(1, c),
                load(2, c),
                load(3, c),
                load(4, c),
                load(5, c),
            ],
        );
        for (row, value) in t.iter_mut().zip(column) {
            row[c] = value;
        }
    }
    for (r, row) in t.into_iter().enumerate() {
        for (c, v) in input_1d(s, row).into_iter().enumerate() {
            store(r * 6 + c, v);
        }
    }
}

/// Filter transform of one vector of filters: `load(tap)` gives the taps.
#[inline(always)]
pub(crate) fn filter<S: Simd>(
    s: S,
    load: impl Fn(usize) -> S::f32s,
    mut store: impl FnMut(usize, S::f32s),
) {
    let mut t = [[s.splat_f32s(0.0); 3]; 6];
    for c in 0..3 {
        let column = filter_1d(s, [load(c), load(3 + c), load(6 + c)]);
        for (row, value) in t.iter_mut().zip(column) {
            row[c] = value;
        }
    }
    for (r, row) in t.into_iter().enumerate() {
        for (c, v) in filter_1d(s, row).into_iter().enumerate() {
            store(r * 6 + c, v);
        }
    }
}

/// Output transform of one vector of tiles: `load(position)` gives the sums,
/// `store(r, c, v)` takes the pixels.
#[inline(always)]
pub(crate) fn output<S: Simd>(
    s: S,
    load: impl Fn(usize) -> S::f32s,
    mut store: impl FnMut(usize, usize, S::f32s),
) {
    let mut t = [[s.splat_f32s(0.0); 6]; 4];
    for c in 0..6 {
        let column = output_1d(
            s,
            [
                load(c),
                load(6 + c),
                load(12 + c),
                load(18 + c),
                load(24 + c),
                load(30 + c),
            ],
        );
        for (row, value) in t.iter_mut().zip(column) {
            row[c] = value;
        }
    }
    for (r, row) in t.into_iter().enumerate() {
        for (c, v) in output_1d(s, row).into_iter().enumerate() {
            store(r, c, v);
        }
    }
}
