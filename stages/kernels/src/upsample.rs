//! Images of twice the sides, in which each cell is what its nearest one was; and the way back.

use crate::parallel;

/// Doubles the sides of images.
///
/// # Shapes
///
/// - x: `[images, height, width]`, in rows of `width` numbers
/// - out: `[images, 2 height, 2 width]`
///
/// # Panics
///
/// When the slices' lengths do not match.
pub fn double(x: &[f32], width: usize, out: &mut [f32]) {
    assert_eq!(out.len(), 4 * x.len(), "sides are doubled");
    // Two rows that are alike come of each.
    parallel::rows(out, 4 * width, |first, out| {
        for (row, out) in (first..).zip(out.chunks_exact_mut(4 * width)) {
            let (above, below) = out.split_at_mut(2 * width);
            let x = &x[row * width..][..width];
            for (two, x) in above.as_chunks_mut::<2>().0.iter_mut().zip(x) {
                *two = [*x; 2];
            }
            below.copy_from_slice(above);
        }
    });
}

/// The gradient of [`double`] with respect to its input: each cell gets the sum of what was said of its four copies.
///
/// # Shapes
///
/// - grad: as what [`double`] puts out
/// - out: as what it takes
///
/// # Panics
///
/// When the slices' lengths do not match.
pub fn double_backward(grad: &[f32], width: usize, out: &mut [f32]) {
    assert_eq!(grad.len(), 4 * out.len(), "sides were doubled");
    parallel::rows(out, width, |first, out| {
        for (row, out) in (first..).zip(out.chunks_exact_mut(width)) {
            let grad = &grad[row * 4 * width..][..4 * width];
            let (above, below) = grad.split_at(2 * width);
            let (above, below) = (above.as_chunks::<2>().0, below.as_chunks::<2>().0);
            for (out, (above, below)) in out.iter_mut().zip(above.iter().zip(below)) {
                *out = (above[0] + above[1]) + (below[0] + below[1]);
            }
        }
    });
}
