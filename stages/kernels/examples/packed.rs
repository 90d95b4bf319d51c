//! Times (medians) of the seven linear layers of a Mistral 7B layer, packed in 4 bits or 8:
//! `cargo run --release -p ccsr-kernels --example packed [group] [rounds] [bits]`.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::time::Instant;

use ccsr_kernels::packed::{Form, Offset, Packed, Width, from_awq, from_codes, linear};
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

fn matrix(inputs: usize, outputs: usize, group: usize, width: Width) -> Packed {
    let (offset, mask) = match width {
        Width::Four => (Offset::Minima, 15),
        Width::Eight => (Offset::Zero(128), 255),
    };
    let form = Form::new(inputs, outputs, group, width, offset).expect("groups divide the inputs");
    let codes: Vec<u8> = (0..inputs * outputs)
        .map(|i| (i.wrapping_mul(0x9E37_79B9) >> 13) as u8 & mask)
        .collect();
    let scales = vec![f16::from_f32(0.01); inputs / group * outputs];
    let minima = vec![f16::from_f32(-0.08); form.offset_count()];
    from_codes(form, &codes, &scales, &minima).expect("the slices are as long as the form says")
}

fn time(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn main() {
    let arguments: Vec<usize> = std::env::args()
        .skip(1)
        .map_while(|a| a.parse().ok())
        .collect();
    let given = |i: usize, otherwise| arguments.get(i).copied().unwrap_or(otherwise).max(1);
    let (group, rounds) = (given(0, 32), given(1, 9));
    let width = if given(2, 4) == 8 {
        Width::Eight
    } else {
        Width::Four
    };

    let (inputs, outputs) = (4096_usize, 14336);
    let words: Vec<i32> = (0..).take(inputs * outputs / 8).collect();
    let zeros = &words[..inputs / group * outputs / 8];
    let scales = vec![f16::ONE; inputs / group * outputs];
    let seconds = time(|| {
        let packed = from_awq((inputs, outputs), group, &words, zeros, &scales);
        assert!(packed.is_ok(), "the slices are as long as the sizes say");
    });
    println!(
        "AWQ {inputs} -> {outputs} packed in {:.1} ms",
        1e3 * seconds
    );

    let layers: Vec<Packed> = LAYERS
        .iter()
        .map(|&(_, inputs, outputs)| matrix(inputs, outputs, group, width))
        .collect();
    for rows in [1, 2, 4, 8, 64, 512] {
        let mut times = vec![Vec::new(); LAYERS.len()];
        // One layer after the other, so that each comes from memory.
        for _ in 0..rounds {
            for ((&(_, inputs, outputs), packed), times) in
                LAYERS.iter().zip(&layers).zip(&mut times)
            {
                let matrix = packed.view().expect("a packed matrix is whole");
                let x: Vec<f32> = (0..rows * inputs)
                    .map(|i| (i as f32 * 0.37).sin())
                    .collect();
                let mut y = vec![1.0; rows * outputs];
                times.push(time(|| linear(&x, matrix, None, &mut y)));
            }
        }
        println!("{rows} rows, groups of {group}");
        let mut all = [0.0; 3];
        for ((&(name, inputs, outputs), packed), times) in
            LAYERS.iter().zip(&layers).zip(&mut times)
        {
            times.sort_by(f64::total_cmp);
            let size = packed.words.len() * 4 + (packed.scales.len() + packed.offsets.len()) * 2;
            let operations = 2 * rows * inputs * outputs;
            let sums = [times[rounds / 2], size as f64, operations as f64];
            report(&format!("{name:4} {inputs:5} -> {outputs:5}"), sums);
            all = std::array::from_fn(|i| all[i] + sums[i]);
        }
        report("all", all);
    }
}

/// One line: seconds, bytes, operations.
fn report(what: &str, [seconds, bytes, operations]: [f64; 3]) {
    println!(
        "  {what:19} {:8.3} ms {:6.1} GB/s {:6.1} GFLOP/s",
        1e3 * seconds,
        bytes / seconds / 1e9,
        operations / seconds / 1e9
    );
}
