//! Times of linear layers of a few rows, beside those of the product for many:
//! `cargo run --release -p ccsr-kernels --example few_rows [rounds]`.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::time::Instant;

use ccsr_kernels::convolution::few_rows::linear_few_rows;
use ccsr_kernels::convolution::linear::{Layout, linear};
use ccsr_kernels::convolution::weights::Weights;
use half::f16;

/// The least and the median of so many times, in milliseconds.
fn times(rounds: usize, mut work: impl FnMut()) -> (f64, f64) {
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            work();
            1e3 * start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[0], times[rounds / 2])
}

fn main() {
    let rounds = std::env::args().nth(1).and_then(|a| a.parse().ok());
    let rounds = rounds.unwrap_or(15_usize).max(1);
    for (inputs, outputs) in [(4096, 4096), (4096, 14336), (4096, 32000)] {
        let single: Vec<f32> = (0..inputs * outputs)
            .map(|i| (i as f32 * 0.37).sin())
            .collect();
        let half: Vec<f16> = single.iter().map(|&v| f16::from_f32(v)).collect();
        for (name, size, weights) in [
            ("f32", 4, Weights::F32(&single)),
            ("f16", 2, Weights::F16(&half)),
        ] {
            for rows in [1, 4, 16] {
                let x: Vec<f32> = (0..rows * inputs)
                    .map(|i| (i as f32 * 0.11).cos())
                    .collect();
                let mut y = vec![0.0; rows * outputs];
                let sizes = (inputs, outputs);
                let few = times(rounds, || linear_few_rows(&x, weights, None, sizes, &mut y));
                let many = times(rounds, || {
                    linear(&x, weights, Layout::OutIn, None, sizes, &mut y);
                });
                println!(
                    "{inputs} -> {outputs} {name} {rows:2} rows: {:8.3} ms (least {:8.3}, {:5.1} GB/s); for many rows {:8.3} ms",
                    few.1,
                    few.0,
                    (inputs * outputs * size) as f64 / few.0 / 1e6,
                    many.1
                );
            }
        }
    }
}
