//! Linear layers of a few rows against products in `f64`.

mod support;

use ccsr_kernels::convolution::few_rows::{linear_few_rows, linear_few_rows_on};
use ccsr_kernels::convolution::weights::Weights;
use ccsr_kernels::packed::Instructions;
use half::{bf16, f16};
use support::{assert_close, assert_same_on_threads, numbers};

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Inputs and outputs: whole vectors and not, one task and many.
const SIZES: [(usize, usize); 6] = [(16, 4), (1, 1), (37, 70), (256, 33), (1000, 5), (129, 300)];

/// Runs `check` with the weights in every format, and in single precision.
fn in_all_formats(inputs: usize, outputs: usize, check: impl Fn(Weights<'_>, &[f32])) {
    let single = numbers(inputs * outputs, 2);
    check(Weights::F32(&single), &single);
    let half: Vec<f16> = single.iter().map(|&v| f16::from_f32(v)).collect();
    let wide: Vec<f32> = half.iter().map(|v| v.to_f32()).collect();
    check(Weights::F16(&half), &wide);
    let half: Vec<bf16> = single.iter().map(|&v| bf16::from_f32(v)).collect();
    let wide: Vec<f32> = half.iter().map(|v| v.to_f32()).collect();
    check(Weights::BF16(&half), &wide);
}

#[test]
fn products_are_those_of_the_weights() {
    for (inputs, outputs) in SIZES {
        in_all_formats(inputs, outputs, |weights, wide| {
            let bias = numbers(outputs, 3);
            for rows in [1, 2, 3, 4, 5, 7, 33] {
                let x = numbers(rows * inputs, 1);
                for bias in [None, Some(bias.as_slice())] {
                    let want: Vec<f64> = (0..rows * outputs)
                        .map(|i| {
                            let (row, output) = (i / outputs, i % outputs);
                            let bias = bias.map_or(0.0, |bias| f64::from(bias[output]));
                            let x = &x[row * inputs..][..inputs];
                            let products = x.iter().zip(&wide[output * inputs..]);
                            products.fold(bias, |sum, (&x, &w)| sum + f64::from(x) * f64::from(w))
                        })
                        .collect();
                    let mut y = vec![f32::NAN; rows * outputs];
                    linear_few_rows(&x, weights, bias, (inputs, outputs), &mut y);
                    let what = format!("{rows} rows, {inputs} -> {outputs}");
                    assert_close(&y, &want, 1e-6, &what);
                }
            }
        });
    }
}

#[test]
fn a_row_has_the_same_bits_in_any_batch_and_on_all_instructions() {
    for (inputs, outputs) in SIZES {
        in_all_formats(inputs, outputs, |weights, _| {
            let x = numbers(19 * inputs, 1);
            let mut all = vec![f32::NAN; 19 * outputs];
            linear_few_rows(&x, weights, None, (inputs, outputs), &mut all);
            for instructions in Instructions::available() {
                for rows in [1, 2, 3, 6, 19] {
                    let from = 19 - rows;
                    let mut y = vec![f32::NAN; rows * outputs];
                    let x = &x[from * inputs..];
                    linear_few_rows_on(instructions, x, weights, None, (inputs, outputs), &mut y);
                    assert_eq!(
                        bits(&all[from * outputs..]),
                        bits(&y),
                        "{instructions:?}, {rows} rows"
                    );
                }
            }
        });
    }
}

#[test]
fn threads_do_not_matter() {
    let (x, w) = (numbers(3 * 129, 1), numbers(129 * 300, 2));
    assert_same_on_threads(|| {
        let mut y = vec![f32::NAN; 900];
        linear_few_rows(&x, Weights::F32(&w), None, (129, 300), &mut y);
        y
    });
}

#[test]
fn nothing_is_nothing() {
    linear_few_rows(&[], Weights::F32(&[1.0; 8]), None, (4, 2), &mut []);
    linear_few_rows(&[], Weights::F32(&[]), None, (4, 0), &mut []);
    let mut y = [f32::NAN; 2];
    linear_few_rows(&[], Weights::F32(&[]), Some(&[1.0, 2.0]), (0, 2), &mut y);
    assert_eq!(bits(&y), bits(&[1.0, 2.0]));
}
