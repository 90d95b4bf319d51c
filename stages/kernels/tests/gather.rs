//! Gathered rows on their way back.

mod support;

use ccsr_kernels::gather::gather_backward;
use support::{assert_close, assert_same_on_threads, numbers};

#[test]
fn copies_of_a_row_are_summed() {
    for (rows, copies, width) in [
        (1, 3, 4),
        (7, 0, 3),
        (500, 1200, 160),
        (40, 9, 33),
        (3, 5, 0),
    ] {
        let index: Vec<usize> = (0..copies).map(|copy| copy * copy % rows).collect();
        let grad = numbers(copies * width, 3);
        let mut want = vec![0.0; rows * width];
        for (copy, row) in index.iter().enumerate() {
            for i in 0..width {
                want[row * width + i] += f64::from(grad[copy * width + i]);
            }
        }
        let found = gather_backward(&grad, &index, rows, width);
        assert_close(&found, &want, 1e-5, &format!("{rows} {copies} {width}"));
        assert_same_on_threads(|| gather_backward(&grad, &index, rows, width));
    }
}
