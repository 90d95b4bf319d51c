//! Many rows: codes of a panel of outputs are taken apart once, to bytes, for all rows.

use super::activations::{Activations, DIGITS, Panel, ROWS};
use super::few::add_span;
use super::form::{BLOCK, Block, Matrix, Width};
use crate::lanes::{Kernel, Lanes};

/// Blocks side by side in one panel.
const SIDE: usize = 3;
/// Inputs of one panel: its bytes (96 KiB) stay in the second cache, while those of a span stay in the first.
const DEPTH: usize = 2048;

/// One vector, where vectors should begin.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Aligned<T>(T);

/// Codes of four inputs, in bytes.
type Codes = Aligned<[i32; BLOCK]>;
/// Scales and offsets of one group.
type Factors = [Aligned<[f32; BLOCK]>; 2];

/// Rows times blocks of outputs, to `y[row][output]` with `stride` numbers a row.
pub(super) struct ManyRows<'a> {
    pub(super) matrix: Matrix<'a>,
    pub(super) x: &'a Activations,
    /// A multiple of 8.
    pub(super) first_row: usize,
    /// A multiple of 8, or all.
    pub(super) rows: usize,
    pub(super) first_block: usize,
    /// Columns of `y`, the last of which may be no whole block.
    pub(super) outputs: usize,
    pub(super) y: &'a mut [f32],
}

impl Kernel for ManyRows<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        match self.matrix.form().width() {
            Width::Four => self.width::<L, false>(lanes),
            Width::Eight => self.width::<L, true>(lanes),
        }
    }
}

impl ManyRows<'_> {
    #[inline(always)]
    fn width<L: Lanes, const WIDE: bool>(mut self, lanes: L) {
        let blocks = self.outputs.div_ceil(BLOCK);
        let form = self.matrix.form();
        let depth = DEPTH.min(form.inputs());
        let mut codes = vec![Aligned([0; BLOCK]); depth / 4 * SIDE];
        let mut factors = vec![[Aligned([0.0; BLOCK]); 2]; depth / form.span() * SIDE];
        let (codes, factors) = (&mut codes[..], &mut factors[..]);
        let mut block = 0;
        while block < blocks {
            if L::REGISTERS >= 32 && block + SIDE <= blocks {
                self.column::<L, WIDE, SIDE>(lanes, block, codes, factors);
                block += SIDE;
            } else {
                self.column::<L, WIDE, 1>(lanes, block, codes, factors);
                block += 1;
            }
        }
    }

    /// All rows times `N` blocks.
    #[inline(always)]
    fn column<L: Lanes, const WIDE: bool, const N: usize>(
        &mut self,
        lanes: L,
        block: usize,
        codes: &mut [Codes],
        factors: &mut [Factors],
    ) {
        let form = self.matrix.form();
        let depth = DEPTH / form.span() * form.span();
        let columns = (self.outputs - block * BLOCK).min(N * BLOCK);
        let (codes, factors) = (codes.as_chunks_mut().0, factors.as_chunks_mut().0);
        for from in (0..form.inputs()).step_by(depth) {
            let depth = depth.min(form.inputs() - from);
            let codes = &mut codes[..depth / 4];
            let factors = &mut factors[..depth / form.span()];
            for n in 0..N {
                let block = self.matrix.block(self.first_block + block + n);
                self.unpack::<L, WIDE, N>(lanes, block, n, from, codes, factors);
            }
            for row in (0..self.rows).step_by(ROWS) {
                let x = self.x.panel(self.first_row + row);
                let mut tile = [[[0.0; BLOCK]; N]; ROWS];
                let at = row * self.outputs + block * BLOCK;
                if from > 0 {
                    for (r, tile) in tile.iter_mut().enumerate().take(x.rows) {
                        let y = &self.y[at + r * self.outputs..][..columns];
                        tile.as_flattened_mut()[..columns].copy_from_slice(y);
                    }
                }
                Tile {
                    lanes,
                    x,
                    from,
                    span: form.span(),
                    codes,
                    factors,
                }
                .run::<WIDE>(&mut tile);
                for (r, tile) in tile.iter().enumerate().take(x.rows) {
                    let y = &mut self.y[at + r * self.outputs..][..columns];
                    y.copy_from_slice(&tile.as_flattened()[..columns]);
                }
            }
        }
    }

    /// Takes apart the codes of a block from one input on, and its factors, span by span.
    #[inline(always)]
    fn unpack<L: Lanes, const WIDE: bool, const N: usize>(
        &self,
        lanes: L,
        block: Block<'_>,
        n: usize,
        from: usize,
        codes: &mut [[Codes; N]],
        factors: &mut [[Factors; N]],
    ) {
        let form = self.matrix.form();
        let words = &block.words[from / form.width().codes_per_word()..];
        if WIDE {
            for (codes, word) in codes.iter_mut().zip(words) {
                codes[n].0 = *word;
            }
        } else {
            for (codes, word) in codes.as_chunks_mut::<2>().0.iter_mut().zip(words) {
                let word = lanes.ints(word);
                lanes.store_ints(&mut codes[0][n].0, lanes.low(word));
                lanes.store_ints(&mut codes[1][n].0, lanes.high(word));
            }
        }
        for (span, factors) in factors.iter_mut().enumerate() {
            let group = (from + span * form.span()) / form.group();
            let (scale, offset) = block.factors(lanes, form.offset(), group);
            lanes.store(&mut factors[n][0].0, scale);
            lanes.store(&mut factors[n][1].0, offset);
        }
    }
}

/// A panel of rows times a panel of outputs.
struct Tile<'a, L, const N: usize> {
    lanes: L,
    x: Panel<'a>,
    from: usize,
    span: usize,
    codes: &'a [[Codes; N]],
    factors: &'a [[Factors; N]],
}

impl<L: Lanes, const N: usize> Tile<'_, L, N> {
    #[inline(always)]
    fn run<const WIDE: bool>(self, y: &mut [[[f32; BLOCK]; N]; ROWS]) {
        match self.x.lines {
            1 => self.strips::<WIDE, 1>(y),
            2 => self.strips::<WIDE, 2>(y),
            4 => self.strips::<WIDE, 4>(y),
            _ => self.strips::<WIDE, ROWS>(y),
        }
    }

    /// As many of `R` lines at once as registers hold the sums of.
    #[inline(always)]
    fn strips<const WIDE: bool, const R: usize>(&self, y: &mut [[[f32; BLOCK]; N]; ROWS]) {
        if L::REGISTERS > R * N {
            self.strip::<WIDE, R, R>(0, y);
        } else if L::REGISTERS > 4 * N {
            for top in (0..R).step_by(4) {
                self.strip::<WIDE, R, 4>(top, y);
            }
        } else {
            for top in 0..R {
                self.strip::<WIDE, R, 1>(top, y);
            }
        }
    }

    /// `M` lines, from `top` on, of a panel of `R`.
    #[inline(always)]
    fn strip<const WIDE: bool, const R: usize, const M: usize>(
        &self,
        top: usize,
        y: &mut [[[f32; BLOCK]; N]; ROWS],
    ) {
        let lanes = self.lanes;
        let quads = self.span / 4;
        let digits = &self.x.digits::<R>()[self.from / 4..];
        let spans = self
            .codes
            .chunks_exact(quads)
            .zip(digits.chunks_exact(quads));
        let first = self.from / self.span;
        let scales = &self.x.scales::<R>()[first..];
        let sums = &self.x.sums::<R>()[first..];
        let rows = scales.iter().zip(sums);
        for (((codes, digits), factors), (scales, sums)) in spans.zip(self.factors).zip(rows) {
            let totals = Self::totals::<WIDE, R, M>(lanes, top, codes, digits);
            for n in 0..N {
                let scale = lanes.floats(&factors[n][0].0);
                let offset = lanes.floats(&factors[n][1].0);
                for m in 0..M {
                    let y = &mut y[top + m][n];
                    let (row_scale, row_sum) = (scales[top + m], sums[top + m]);
                    let before = lanes.floats(y);
                    let after = add_span(
                        lanes,
                        totals[m][n],
                        scale,
                        offset,
                        row_scale,
                        row_sum,
                        before,
                    );
                    lanes.store(y, after);
                }
            }
        }
    }

    /// Whole sums over one span: of the highest digits first, which move up to make room for the next.
    #[inline(always)]
    fn totals<const WIDE: bool, const R: usize, const M: usize>(
        lanes: L,
        top: usize,
        codes: &[[Codes; N]],
        digits: &[[[i32; R]; DIGITS]],
    ) -> [[L::Ints; N]; M] {
        let mut totals = [[lanes.splat_ints(0); N]; M];
        for d in 0..DIGITS {
            if d > 0 {
                for total in totals.as_flattened_mut() {
                    *total = lanes.shift(*total);
                }
            }
            for (codes, digits) in codes.iter().zip(digits) {
                let codes: [L::Ints; N] = std::array::from_fn(|n| lanes.ints(&codes[n].0));
                for m in 0..M {
                    let x = lanes.splat_ints(digits[d][top + m]);
                    for n in 0..N {
                        totals[m][n] = lanes.dot::<WIDE>(totals[m][n], codes[n], x);
                    }
                }
            }
        }
        totals
    }
}
