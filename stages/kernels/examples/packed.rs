//! Times of the seven linear layers of a Mistral 7B layer, packed in 4 bits:
//! `cargo run --release -p ccsr-kernels --example packed [group] [rounds]`.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::time::Instant;

use ccsr_kernels::packed::{Form, Offset, Packed, Width, from_codes, linear};
use half::f16;

/// Name, inputs, outputs.
const LAYERS: [(&str, usize, usize); 7] = [
    ("q", 4096, 4096),
    ("k", 4096, 1024),
    ("v", 4096, 1024),
    ("o", 4096, 4096),
    ("gate", 4096, 14336),
    ("up", 4096, 14336),
    ("down", 14336, 4096),
];

fn matrix(inputs: usize, outputs: usize, group: usize) -> Packed {
    let form = Form::new(inputs, outputs, group, Width::Four, Offset::Minima)
        .expect("groups divide the inputs");
    let codes: Vec<u8> = (0..inputs * outputs)
        .map(|i| (i.wrapping_mul(0x9E37_79B9) >> 13) as u8 & 15)
        .collect();
    let groups = inputs / group * outputs;
    let (scales, minima) = (
        vec![f16::from_f32(0.01); groups],
        vec![f16::from_f32(-0.08); groups],
    );
    from_codes(form, &codes, &scales, &minima).expect("the slices are as long as the form says")
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse::<usize>());
    let group = arguments.next().and_then(Result::ok).unwrap_or(32);
    let rounds = arguments.next().and_then(Result::ok).unwrap_or(9);
    let layers: Vec<Packed> = LAYERS
        .iter()
        .map(|&(_, inputs, outputs)| matrix(inputs, outputs, group))
        .collect();
    for rows in [1, 2, 4, 8, 64, 512] {
        let mut total = 0.0;
        let mut bytes = 0;
        let mut weights = 0;
        println!("{rows} rows, groups of {group}");
        for ((name, inputs, outputs), packed) in LAYERS.iter().zip(&layers) {
            let matrix = packed.view().expect("a packed matrix is whole");
            let x: Vec<f32> = (0..rows * inputs)
                .map(|i| (i as f32 * 0.37).sin())
                .collect();
            let mut y = vec![0.0; rows * outputs];
            let mut times: Vec<f64> = (0..rounds)
                .map(|_| {
                    let start = Instant::now();
                    linear(&x, matrix, None, &mut y);
                    start.elapsed().as_secs_f64()
                })
                .collect();
            times.sort_by(f64::total_cmp);
            let median = times[rounds / 2];
            let size = packed.words.len() * 4 + (packed.scales.len() + packed.offsets.len()) * 2;
            let operations = 2.0 * (rows * inputs * outputs) as f64;
            println!(
                "  {name:4} {inputs:5} -> {outputs:5}: {:8.3} ms (least {:8.3}) {:6.1} GB/s {:6.1} GFLOP/s",
                1e3 * median,
                1e3 * times[0],
                size as f64 / median / 1e9,
                operations / median / 1e9
            );
            total += median;
            bytes += size;
            weights += inputs * outputs;
        }
        println!(
            "  all:                {:8.3} ms {:6.1} GB/s {:6.1} GFLOP/s",
            1e3 * total,
            bytes as f64 / total / 1e9,
            2.0 * (rows * weights) as f64 / total / 1e9
        );
    }
}
