//! Rows of activations as whole numbers in three digits.

use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;

/// Base-256 digits of one activation, highest first.
pub(super) const DIGITS: usize = 3;
/// The most rows that the kernels take at once.
pub(super) const ROWS: usize = 8;

/// Added to a number of up to 22 bits, rounds it to a whole one, which then stands in the lowest bits: 1.5 · 2²³.
const ROUND: f32 = 12_582_912.0;

/// Rows of activations, in panels of up to 8. A panel of `R` lines (as many as rows, or more, then of zeros) is one array
/// after the other: `digits[input / 4][digit][line]`, four bytes each, and `scales[span][line]`, `sums[span][line]`.
pub(super) struct Activations {
    rows: usize,
    inputs: usize,
    span: usize,
    digits: Vec<i32>,
    scales: Vec<f32>,
    sums: Vec<f32>,
}

/// One panel of [`Activations`].
#[derive(Clone, Copy)]
pub(super) struct Panel<'a> {
    /// How many of its lines are rows.
    pub(super) rows: usize,
    /// Lines: 1, 2, 4 or 8.
    pub(super) lines: usize,
    digits: &'a [i32],
    scales: &'a [f32],
    sums: &'a [f32],
}

/// Lines of a panel of so many rows.
fn lines(rows: usize) -> usize {
    rows.next_power_of_two().min(rows * ROWS)
}

impl Activations {
    /// Rounds rows of `inputs` numbers to multiples, below `2^bits` in size, of a power of two a span.
    pub(super) fn new(x: &[f32], inputs: usize, span: usize, bits: u32) -> Self {
        let rows = x.len() / inputs;
        let whole = rows / ROWS * ROWS;
        let padded = whole + lines(rows - whole);
        let spans = inputs / span;
        let mut of = Self {
            rows,
            inputs,
            span,
            digits: vec![0; padded * inputs / 4 * DIGITS],
            scales: vec![0.0; padded * spans],
            sums: vec![0.0; padded * spans],
        };
        let work = |(((x, digits), scales), sums)| {
            Arch::new().dispatch(Round {
                x,
                inputs,
                span,
                bits,
                digits,
                scales,
                sums,
            });
        };
        let digits = of.digits.par_chunks_mut(ROWS * inputs / 4 * DIGITS);
        let scales = of.scales.par_chunks_mut(ROWS * spans);
        let sums = of.sums.par_chunks_mut(ROWS * spans);
        let panels = x.par_chunks(ROWS * inputs).zip(digits);
        panels.zip(scales).zip(sums).for_each(work);
        of
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The panel from this row, a multiple of 8.
    pub(super) fn panel(&self, row: usize) -> Panel<'_> {
        let rows = (self.rows - row).min(ROWS);
        let lines = lines(rows);
        let words = self.inputs / 4 * DIGITS;
        let spans = self.inputs / self.span;
        Panel {
            rows,
            lines,
            digits: &self.digits[row * words..][..lines * words],
            scales: &self.scales[row * spans..][..lines * spans],
            sums: &self.sums[row * spans..][..lines * spans],
        }
    }
}

impl<'a> Panel<'a> {
    /// Digits of every four inputs.
    #[inline(always)]
    pub(super) fn digits<const R: usize>(&self) -> &'a [[[i32; R]; DIGITS]] {
        self.digits.as_chunks::<R>().0.as_chunks().0
    }

    /// The scale of every span.
    #[inline(always)]
    pub(super) fn scales<const R: usize>(&self) -> &'a [[f32; R]] {
        self.scales.as_chunks().0
    }

    /// The sum of every span's rounded activations.
    #[inline(always)]
    pub(super) fn sums<const R: usize>(&self) -> &'a [[f32; R]] {
        self.sums.as_chunks().0
    }
}

/// Rounds one panel.
struct Round<'a> {
    x: &'a [f32],
    inputs: usize,
    span: usize,
    bits: u32,
    digits: &'a mut [i32],
    scales: &'a mut [f32],
    sums: &'a mut [f32],
}

impl NullaryFnOnce for Round<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let lines = lines(self.x.len() / self.inputs);
        for (line, row) in self.x.chunks_exact(self.inputs).enumerate() {
            for (index, x) in row.chunks_exact(self.span).enumerate() {
                let to = index * lines + line;
                let digits = &mut self.digits[index * self.span / 4 * DIGITS * lines..];
                (self.scales[to], self.sums[to]) = round(x, self.bits, digits, lines, line);
            }
        }
    }
}

/// Rounds one span of one row; its scale, and the sum of what it was rounded to. A span with a number that is not finite
/// has the scale NaN.
#[inline(always)]
fn round(x: &[f32], bits: u32, digits: &mut [i32], lines: usize, line: usize) -> (f32, f32) {
    let magnitude = |x: f32| x.to_bits() & 0x7FFF_FFFF;
    // Of numbers without a sign, the order of their bits is theirs.
    let most = x.iter().fold(0, |most, &x| most.max(magnitude(x)));
    if most >= f32::INFINITY.to_bits() {
        return (f32::NAN, f32::NAN);
    }
    // 2^exponent exceeds them all; both powers of two below are normal numbers.
    let exponent = (most >> 23).cast_signed() - 126;
    let step = (exponent - bits.cast_signed()).max(-126);
    let power = |e: i32| f32::from_bits((e + 127).cast_unsigned() << 23);
    let (scale, inverse) = (power(step), power(-step));

    let mut bytes = [[0_u8; 128]; DIGITS];
    let mut sum = 0_i32;
    for (i, &x) in x.iter().enumerate() {
        let whole = ((x * inverse + ROUND).to_bits().cast_signed())
            .wrapping_sub(ROUND.to_bits().cast_signed());
        sum += whole;
        // Digits from -128 to 127: what is left is divisible by 256.
        let low = whole << 24 >> 24;
        let rest = (whole - low) >> 8;
        let middle = rest << 24 >> 24;
        bytes[0][i] = ((rest - middle) >> 8) as u8;
        bytes[1][i] = middle as u8;
        bytes[2][i] = low as u8;
    }
    for quad in 0..x.len() / 4 {
        for (digit, bytes) in bytes.iter().enumerate() {
            let four = &bytes.as_chunks::<4>().0[quad];
            digits[(quad * DIGITS + digit) * lines + line] = i32::from_le_bytes(*four);
        }
    }
    (scale, scale * sum as f32)
}
