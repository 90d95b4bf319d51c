//! Images of twice the sides.

mod support;

use ccsr_kernels::upsample::{double, double_backward};
use support::{assert_close, assert_same_on_threads, numbers};

#[test]
fn cells_are_doubled_and_their_gradients_summed() {
    for (images, height, width) in [(1, 1, 1), (3, 2, 5), (64, 32, 33), (2, 0, 3), (2, 3, 0)] {
        let x = numbers(images * height * width, 3);
        let grad = numbers(4 * x.len(), 5);
        let doubled = || {
            let mut out = vec![0.0; 4 * x.len()];
            double(&x, width, &mut out);
            out
        };
        let back = || {
            let mut out = vec![0.0; x.len()];
            double_backward(&grad, width, &mut out);
            out
        };
        let (mut want, mut sums) = (vec![0.0; 4 * x.len()], vec![0.0; x.len()]);
        for place in 0..want.len() {
            let (row, column) = (place / (2 * width), place % (2 * width));
            let from = row / 2 * width + column / 2;
            want[place] = f64::from(x[from]);
            sums[from] += f64::from(grad[place]);
        }
        let what = format!("{images} {height} {width}");
        assert_close(&doubled(), &want, 0.0, &what);
        assert_close(&back(), &sums, 1e-6, &what);
        assert_same_on_threads(doubled);
        assert_same_on_threads(back);
    }
}
