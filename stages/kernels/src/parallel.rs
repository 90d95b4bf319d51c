//! How work is cut: elementwise maps in even pieces, and rows of a matrix in whole rows.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Elements in one piece of an elementwise map: large against the cost of handing it to a thread, small against a cache.
const PIECE: usize = 1 << 15;

/// Bytes to which the stores of elementwise maps are aligned: a cache line, and the widest vector.
const LINE: usize = 64;

/// A function of `N` numbers giving `M`, on vectors.
pub(crate) trait Elementwise<const N: usize, const M: usize>: Copy + Send + Sync {
    /// The function, lane by lane.
    fn apply<S: Simd>(self, simd: S, x: [S::f32s; N]) -> [S::f32s; M];
}

/// One contiguous piece of an elementwise map.
struct Piece<'a, F, const N: usize, const M: usize> {
    function: F,
    x: [&'a [f32]; N],
    out: [&'a mut [f32]; M],
}

impl<F: Elementwise<N, M>, const N: usize, const M: usize> WithSimd for Piece<'_, F, N, M> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            function,
            x,
            mut out,
        } = self;
        // Rows shorter than a line would only lose by a head of their own.
        let head = if out[0].len() < 4 * LINE {
            0
        } else {
            out[0].as_ptr().align_offset(LINE).min(LINE)
        };
        if head > 0 {
            part(
                simd,
                function,
                x.map(|x| &x[..head]),
                out.each_mut().map(|out| &mut out[..head]),
            );
        }
        part(
            simd,
            function,
            x.map(|x| &x[head..]),
            out.map(|out| &mut out[head..]),
        );
    }
}

#[inline(always)]
fn part<S: Simd, F: Elementwise<N, M>, const N: usize, const M: usize>(
    simd: S,
    function: F,
    x: [&[f32]; N],
    out: [&mut [f32]; M],
) {
    let x = x.map(S::as_simd_f32s);
    let mut out = out.map(S::as_mut_simd_f32s);
    let vectors = out[0].0.len();
    let bodies = x.map(|x| &x.0[..vectors]);
    let mut targets = out.each_mut().map(|out| &mut out.0[..vectors]);
    for i in 0..vectors {
        let y = function.apply(simd, bodies.map(|x| x[i]));
        for (target, y) in targets.iter_mut().zip(y) {
            target[i] = y;
        }
    }
    if !out[0].1.is_empty() {
        let y = function.apply(simd, x.map(|x| simd.partial_load_f32s(x.1)));
        for (target, y) in out.iter_mut().zip(y) {
            simd.partial_store_f32s(target.1, y);
        }
    }
}

/// Runs `function` over whole slices on this thread.
pub(crate) fn map_here<F: Elementwise<N, M>, const N: usize, const M: usize>(
    arch: Arch,
    function: F,
    x: [&[f32]; N],
    out: [&mut [f32]; M],
) {
    arch.dispatch(Piece { function, x, out });
}

/// Runs `function` over whole slices, on all threads when there is enough to do.
///
/// # Panics
///
/// When the slices differ in length.
pub(crate) fn map<F: Elementwise<N, 1>, const N: usize>(
    function: F,
    x: [&[f32]; N],
    out: &mut [f32],
) {
    for x in x {
        assert_eq!(
            x.len(),
            out.len(),
            "the slices of an elementwise function are of one length"
        );
    }
    let arch = Arch::new();
    if out.len() <= PIECE {
        return map_here(arch, function, x, [out]);
    }
    out.par_chunks_mut(PIECE).enumerate().for_each(|(i, out)| {
        let from = i * PIECE;
        map_here(arch, function, x.map(|x| &x[from..from + out.len()]), [out]);
    });
}

/// As [`map`], for two results.
///
/// # Panics
///
/// When the slices differ in length.
pub(crate) fn map_two<F: Elementwise<N, 2>, const N: usize>(
    function: F,
    x: [&[f32]; N],
    [first, second]: [&mut [f32]; 2],
) {
    for length in x.map(<[f32]>::len).into_iter().chain([second.len()]) {
        assert_eq!(
            length,
            first.len(),
            "the slices of an elementwise function are of one length"
        );
    }
    let arch = Arch::new();
    if first.len() <= PIECE {
        return map_here(arch, function, x, [first, second]);
    }
    let pieces = first
        .par_chunks_mut(PIECE)
        .zip(second.par_chunks_mut(PIECE));
    pieces.enumerate().for_each(|(i, (first, second))| {
        let from = i * PIECE;
        let x = x.map(|x| &x[from..from + first.len()]);
        map_here(arch, function, x, [first, second]);
    });
}

/// Runs `function` over a slice and puts the results in its place.
pub(crate) fn map_in_place<F: Elementwise<1, 1>>(function: F, x: &mut [f32]) {
    let arch = Arch::new();
    if x.len() <= PIECE {
        return arch.dispatch(InPlace { function, x });
    }
    x.par_chunks_mut(PIECE)
        .for_each(|x| arch.dispatch(InPlace { function, x }));
}

struct InPlace<'a, F> {
    function: F,
    x: &'a mut [f32],
}

impl<F: Elementwise<1, 1>> WithSimd for InPlace<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (body, tail) = S::as_mut_simd_f32s(self.x);
        for x in body {
            [*x] = self.function.apply(simd, [*x]);
        }
        if !tail.is_empty() {
            let [y] = self.function.apply(simd, [simd.partial_load_f32s(tail)]);
            simd.partial_store_f32s(tail, y);
        }
    }
}

/// Cuts `out` in blocks of whole rows of `width` numbers and runs `work` on each, with the index of its first row; on
/// all threads when there is enough to do.
///
/// # Panics
///
/// When `out` is no whole number of rows.
pub(crate) fn rows(out: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Send + Sync) {
    if width == 0 {
        assert!(out.is_empty(), "rows of no width hold no numbers");
        return;
    }
    assert!(
        out.len().is_multiple_of(width),
        "a matrix is a whole number of rows"
    );
    let count = out.len() / width;
    // At least one row, at most a piece; and blocks enough that threads finish together.
    let block = (PIECE / width).min(count / 8).max(1);
    if out.len() <= PIECE {
        return work(0, out);
    }
    out.par_chunks_mut(block * width)
        .enumerate()
        .for_each(|(i, out)| work(i * block, out));
}

/// As [`rows`], for gradients: `work` gets the rows of the input, of the gradient behind and of the gradient to be found,
/// all of `width` numbers, with the index of the first.
///
/// # Panics
///
/// When the slices differ in length, or are no whole number of rows.
pub(crate) fn gradient_rows(
    x: &[f32],
    grad_out: &[f32],
    grad_in: &mut [f32],
    width: usize,
    work: impl Fn(usize, &[f32], &[f32], &mut [f32]) + Send + Sync,
) {
    for given in [grad_out.len(), grad_in.len()] {
        assert_eq!(x.len(), given, "a gradient is as large as what it is of");
    }
    rows(grad_in, width, |first, grad_in| {
        let at = first * width..first * width + grad_in.len();
        work(first, &x[at.clone()], &grad_out[at], grad_in);
    });
}

/// As [`rows`], for work that only reads shared slices and answers one value a group.
pub(crate) fn groups<T: Send>(
    count: usize,
    cost: usize,
    work: impl Fn(usize) -> T + Send + Sync,
) -> Vec<T> {
    if count * cost <= PIECE {
        return (0..count).map(work).collect();
    }
    (0..count).into_par_iter().map(work).collect()
}
