//! Times of the weight gradients of convolutions, beside those of their inputs:
//! `cargo run --release -p ccsr-kernels --example weight_grad [rounds]`.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::time::Instant;

use ccsr_kernels::convolution::conv::{Conv2d, conv2d_input_grad};
use ccsr_kernels::convolution::weight_grad::conv2d_weight_grad;
use ccsr_kernels::convolution::weights::Weights;

/// The median of so many times, in milliseconds.
fn median(rounds: usize, mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            work();
            1e3 * start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[rounds / 2]
}

fn main() {
    let rounds = std::env::args().nth(1).and_then(|a| a.parse().ok());
    let rounds = rounds.unwrap_or(15_usize).max(1);
    for (batch, channels, side, stride) in [
        (16, 64, 32, 1),
        (16, 128, 16, 1),
        (16, 256, 8, 1),
        (16, 64, 32, 2),
        (1, 320, 32, 1),
    ] {
        let conv = Conv2d::same(channels, channels, 3, stride);
        let out = conv.output_side(side);
        let wave = |count: usize, step: f32| -> Vec<f32> {
            (0..count).map(|at| (at as f32 * step).sin()).collect()
        };
        let x = wave(batch * channels * side * side, 0.37);
        let dy = wave(batch * channels * out * out, 0.11);
        let weights = wave(channels * channels * 9, 0.21);
        let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; weights.len()]);
        let of_weights = median(rounds, || {
            conv2d_weight_grad(&x, &dy, conv, (side, side), &mut dw);
        });
        let of_input = median(rounds, || {
            conv2d_input_grad(&dy, Weights::F32(&weights), conv, (side, side), &mut dx);
        });
        let operations = 2.0 * 9.0 * (channels * channels * batch * out * out) as f64;
        println!(
            "{batch} x {channels} channels, {side}x{side}, stride {stride}: weights {of_weights:7.3} ms ({:4.0} GFLOP/s), input {of_input:7.3} ms",
            operations / of_weights / 1e6
        );
    }
}
