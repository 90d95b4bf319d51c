//! Rows that are gathered from a matrix, and the way back.

use crate::parallel;

/// The gradient of a matrix of whose rows some were gathered, any of them many times: each row gets the sum of what was
/// said of its copies, in their order.
///
/// # Shapes
///
/// - grad: `[index.len(), width]`
/// - the result: `[rows, width]`
///
/// # Panics
///
/// When the slices' lengths do not match, or a row is beyond the last.
pub fn gather_backward(grad: &[f32], index: &[usize], rows: usize, width: usize) -> Vec<f32> {
    assert_eq!(
        grad.len(),
        index.len() * width,
        "a gradient has a row for each that was gathered"
    );
    // Where the copies of each row begin in a list of all, row after row.
    let mut begins = vec![0; rows + 1];
    for row in index {
        begins[row + 1] += 1;
    }
    for row in 0..rows {
        begins[row + 1] += begins[row];
    }
    let (mut copies, mut next) = (vec![0; index.len()], begins.clone());
    for (copy, row) in index.iter().enumerate() {
        copies[next[*row]] = copy;
        next[*row] += 1;
    }
    let mut out = vec![0.0; rows * width];
    parallel::rows(&mut out, width, |first, out| {
        for (row, out) in (first..).zip(out.chunks_exact_mut(width)) {
            for copy in &copies[begins[row]..begins[row + 1]] {
                let grad = &grad[copy * width..][..width];
                for (sum, number) in out.iter_mut().zip(grad) {
                    *sum += number;
                }
            }
        }
    });
    out
}
