//! Rotary position embedding (Su et al., 2021, arXiv 2104.09864) as Llama and Mistral have it: the first half of a
//! head's numbers and the second are the two coordinates that are turned.

use crate::parallel;

/// Turns every head of every row by the row's angles.
///
/// # Shapes
///
/// - x, out: `[rows, heads, 2 · half]`
/// - cos, sin: `[rows, half]`
///
/// # Panics
///
/// When the slices' lengths do not match.
pub fn rotate(x: &[f32], cos: &[f32], sin: &[f32], (heads, half): (usize, usize), out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "a turn leaves the shape");
    let width = heads * 2 * half;
    let rows = x.len().checked_div(width).unwrap_or(0);
    assert!(
        cos.len() == rows * half && sin.len() == cos.len(),
        "a row has an angle for each pair of a head's numbers"
    );
    parallel::rows(out, width, |first, out| {
        for (row, out) in (first..).zip(out.chunks_exact_mut(width)) {
            let x = &x[row * width..][..width];
            let angles = row * half..(row + 1) * half;
            let (cos, sin) = (&cos[angles.clone()], &sin[angles]);
            let heads = x.chunks_exact(2 * half).zip(out.chunks_exact_mut(2 * half));
            for (x, out) in heads {
                let (a, b) = x.split_at(half);
                let (to_a, to_b) = out.split_at_mut(half);
                for i in 0..half {
                    to_a[i] = a[i] * cos[i] - b[i] * sin[i];
                    to_b[i] = b[i] * cos[i] + a[i] * sin[i];
                }
            }
        }
    });
}
