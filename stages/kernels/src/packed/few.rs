//! Up to four rows: codes are taken apart in registers, read once, which memory cannot keep up with.

use super::activations::{DIGITS, Panel};
use super::form::{BLOCK, Block, Form, Matrix, Width};
use crate::lanes::{Kernel, Lanes};

/// Blocks taken at once, where registers hold their sums.
const SIDE: usize = 2;

/// Up to four rows times some blocks of outputs, to `y[row][output]`, `outputs` (a whole number of blocks) a row.
pub(super) struct FewRows<'a> {
    pub(super) matrix: Matrix<'a>,
    pub(super) x: Panel<'a>,
    pub(super) first_block: usize,
    pub(super) outputs: usize,
    pub(super) y: &'a mut [f32],
}

impl Kernel for FewRows<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        match self.matrix.form().width() {
            Width::Four => self.width::<L, false>(lanes),
            Width::Eight => self.width::<L, true>(lanes),
        }
    }
}

impl FewRows<'_> {
    #[inline(always)]
    fn width<L: Lanes, const WIDE: bool>(self, lanes: L) {
        match self.x.lines {
            1 => self.rows::<L, WIDE, 1>(lanes),
            2 => self.rows::<L, WIDE, 2>(lanes),
            _ => self.rows::<L, WIDE, 4>(lanes),
        }
    }

    #[inline(always)]
    fn rows<L: Lanes, const WIDE: bool, const R: usize>(self, lanes: L) {
        let count = self.outputs / BLOCK;
        let mut block = 0;
        while block < count {
            let first = self.first_block + block;
            let at = block * BLOCK;
            if L::REGISTERS > 4 * DIGITS * R && block + SIDE <= count {
                let blocks = std::array::from_fn(|i| self.matrix.block(first + i));
                let y = blocks_of::<L, WIDE, R, SIDE>(lanes, self.matrix.form(), self.x, blocks);
                store(lanes, y, &mut self.y[at..], self.outputs);
                block += SIDE;
            } else {
                let blocks = [self.matrix.block(first)];
                let y = blocks_of::<L, WIDE, R, 1>(lanes, self.matrix.form(), self.x, blocks);
                store(lanes, y, &mut self.y[at..], self.outputs);
                block += 1;
            }
        }
    }
}

#[inline(always)]
fn store<L: Lanes, const R: usize, const N: usize>(
    lanes: L,
    values: [[L::Floats; N]; R],
    y: &mut [f32],
    stride: usize,
) {
    for (y, values) in y.chunks_mut(stride).zip(values) {
        let to = y.as_chunks_mut().0;
        for (to, value) in to.iter_mut().zip(values) {
            lanes.store(to, value);
        }
    }
}

/// `R` rows times `N` blocks.
#[inline(always)]
fn blocks_of<L: Lanes, const WIDE: bool, const R: usize, const N: usize>(
    lanes: L,
    form: Form,
    x: Panel<'_>,
    blocks: [Block<'_>; N],
) -> [[L::Floats; N]; R] {
    let span = form.span();
    let words = span / form.width().codes_per_word();
    let mut y = [[lanes.splat(0.0); N]; R];
    let digits = x.digits::<R>().chunks_exact(span / 4);
    let factors = x.scales::<R>().iter().zip(x.sums::<R>());
    for (index, (digits, (scales, sums))) in digits.zip(factors).enumerate() {
        let words = blocks.map(|block| &block.words[index * words..][..words]);
        let totals = span_of::<L, WIDE, R, N>(lanes, words, digits);
        let group = index * span / form.group();
        for n in 0..N {
            let (scale, offset) = blocks[n].factors(lanes, form.offset(), group);
            for r in 0..R {
                y[r][n] = add_span(
                    lanes,
                    totals[r][n],
                    scale,
                    offset,
                    scales[r],
                    sums[r],
                    y[r][n],
                );
            }
        }
    }
    y
}

/// One span's part of the result. Every path ends in this, on the same totals in the same order.
#[inline(always)]
pub(super) fn add_span<L: Lanes>(
    lanes: L,
    total: L::Ints,
    scale: L::Floats,
    offset: L::Floats,
    row_scale: f32,
    row_sum: f32,
    y: L::Floats,
) -> L::Floats {
    let factor = lanes.mul(scale, lanes.splat(row_scale));
    let y = lanes.mul_add(lanes.convert(total), factor, y);
    lanes.mul_add(offset, lanes.splat(row_sum), y)
}

/// Whole sums over one span: three of digits at once, put together at the end.
#[inline(always)]
fn span_of<L: Lanes, const WIDE: bool, const R: usize, const N: usize>(
    lanes: L,
    words: [&[[i32; BLOCK]]; N],
    digits: &[[[i32; R]; DIGITS]],
) -> [[L::Ints; N]; R] {
    let mut sums = [[[lanes.splat_ints(0); DIGITS]; N]; R];
    if WIDE {
        for (k, digits) in digits.iter().enumerate() {
            for n in 0..N {
                let codes = lanes.ints(&words[n][k]);
                for r in 0..R {
                    for d in 0..DIGITS {
                        let x = lanes.splat_ints(digits[d][r]);
                        sums[r][n][d] = lanes.dot::<WIDE>(sums[r][n][d], codes, x);
                    }
                }
            }
        }
    } else {
        for (k, [first, second]) in digits.as_chunks::<2>().0.iter().enumerate() {
            for n in 0..N {
                let word = lanes.ints(&words[n][k]);
                for (codes, digits) in [(lanes.low(word), first), (lanes.high(word), second)] {
                    for r in 0..R {
                        for d in 0..DIGITS {
                            let x = lanes.splat_ints(digits[d][r]);
                            sums[r][n][d] = lanes.dot::<WIDE>(sums[r][n][d], codes, x);
                        }
                    }
                }
            }
        }
    }
    let mut totals = [[lanes.splat_ints(0); N]; R];
    for r in 0..R {
        for n in 0..N {
            let [high, middle, low] = sums[r][n];
            let upper = lanes.add_ints(lanes.shift(high), middle);
            totals[r][n] = lanes.add_ints(lanes.shift(upper), low);
        }
    }
    totals
}
