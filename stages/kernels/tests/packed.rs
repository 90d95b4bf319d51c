//! Packed matrices against products in `f64` with the weights that their codes stand for.

mod support;

use ccsr_kernels::packed::{
    Form, FormError, Instructions, Offset, Packed, Width, dequantise, from_awq, from_codes,
    from_q4_0, from_q4_1, from_q8_0, linear, linear_on,
};
use half::f16;
use support::{assert_close, assert_same_on_threads, numbers, wide, with_threads};

/// Of the largest output.
const BOUND: f64 = 2e-6;
/// With codes of 8 bits, which leave activations 18; and where one activation dwarfs its neighbours.
const WIDE_BOUND: f64 = 1e-5;

/// Codes from 0 to 255, evenly.
fn codes(count: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

fn halves(count: usize, seed: u64, factor: f32) -> Vec<f16> {
    let values = numbers(count, seed).into_iter();
    values.map(|v| f16::from_f32(factor * v)).collect()
}

/// A matrix, and its weights in double precision.
struct Case {
    packed: Packed,
    weights: Vec<f64>,
}

impl Case {
    fn new(inputs: usize, outputs: usize, group: usize, width: Width, offset: Offset) -> Self {
        let form = Form::new(inputs, outputs, group, width, offset).expect("a form of the tests");
        let groups = inputs / group;
        let mask = if width == Width::Four { 15 } else { 255 };
        let codes: Vec<u8> = codes(inputs * outputs, 5)
            .iter()
            .map(|c| c & mask)
            .collect();
        let scales = halves(groups * outputs, 1, 0.01);
        let offsets = match offset {
            Offset::Zero(_) => Vec::new(),
            // Every zero that a code can be.
            Offset::Zeros => (0..groups * outputs)
                .map(|i| f16::from_f32((i % 16) as f32))
                .collect(),
            Offset::Minima => halves(groups * outputs, 2, 0.08),
        };
        let weights = (0..inputs * outputs)
            .map(|i| {
                let group = i / group;
                let (scale, code) = (f64::from(scales[group]), f64::from(codes[i]));
                match offset {
                    Offset::Zero(zero) => scale * (code - f64::from(zero)),
                    Offset::Zeros => scale * (code - f64::from(offsets[group])),
                    Offset::Minima => scale * code + f64::from(offsets[group]),
                }
            })
            .collect();
        let packed = from_codes(form, &codes, &scales, &offsets).expect("slices of the form");
        Self { packed, weights }
    }

    fn sizes(&self) -> (usize, usize) {
        (self.packed.form.inputs(), self.packed.form.outputs())
    }

    fn product(&self, x: &[f32], bias: Option<&[f32]>) -> Vec<f64> {
        product(&self.weights, x, bias, self.sizes())
    }

    fn run(&self, x: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        let (inputs, outputs) = self.sizes();
        let mut y = vec![f32::NAN; x.len() / inputs * outputs];
        let matrix = self.packed.view().expect("a packed matrix is whole");
        linear(x, matrix, bias, &mut y);
        y
    }
}

fn product(
    weights: &[f64],
    x: &[f32],
    bias: Option<&[f32]>,
    (inputs, outputs): (usize, usize),
) -> Vec<f64> {
    let rows = x.chunks(inputs);
    rows.flat_map(|x| {
        let weights = weights.chunks(inputs).enumerate();
        weights.map(move |(output, weights)| {
            let bias = bias.map_or(0.0, |bias| f64::from(bias[output]));
            let products = x.iter().zip(weights);
            products.fold(bias, |sum, (&x, w)| sum + f64::from(x) * w)
        })
    })
    .take(x.len() / inputs * outputs)
    .collect()
}

fn bound(width: Width) -> f64 {
    match width {
        Width::Four => BOUND,
        Width::Eight => WIDE_BOUND,
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Sizes, groups and offsets: whole blocks and not, one group and many, spans of 128, 64 and 32.
fn cases() -> Vec<Case> {
    let four =
        |inputs, outputs, group, offset| Case::new(inputs, outputs, group, Width::Four, offset);
    vec![
        four(32, 8, 32, Offset::Zero(8)),
        four(96, 40, 32, Offset::Minima),
        four(320, 72, 64, Offset::Zeros),
        four(384, 104, 128, Offset::Minima),
        four(2176, 56, 2176, Offset::Zeros),
        four(4256, 16, 32, Offset::Zero(8)),
        four(960, 19, 192, Offset::Minima),
        Case::new(64, 24, 32, Width::Eight, Offset::Zero(128)),
        Case::new(2336, 200, 32, Width::Eight, Offset::Zero(128)),
    ]
}

#[test]
fn products_are_those_of_the_weights() {
    for case in cases() {
        let (inputs, outputs) = case.sizes();
        let bias = numbers(outputs, 9);
        for rows in [1, 2, 3, 4, 5, 7, 33, 130] {
            let x = numbers(rows * inputs, 3);
            for bias in [None, Some(bias.as_slice())] {
                let what = format!("{rows} rows, {:?}", case.packed.form);
                assert_close(
                    &case.run(&x, bias),
                    &case.product(&x, bias),
                    bound(case.packed.form.width()),
                    &what,
                );
            }
        }
    }
}

#[test]
fn one_large_activation_leaves_the_others_their_digits() {
    let case = Case::new(4096, 32, 128, Width::Four, Offset::Zeros);
    let mut x = numbers(4096, 3);
    x[77] = 3000.0;
    x[78] = -1e-20;
    assert_close(
        &case.run(&x, None),
        &case.product(&x, None),
        WIDE_BOUND,
        "an outlier",
    );
}

#[test]
fn the_greatest_sums_fit() {
    for (group, width) in [
        (32, Width::Four),
        (64, Width::Four),
        (1024, Width::Four),
        (32, Width::Eight),
    ] {
        let form = Form::new(1024, 16, group, width, Offset::Zero(0)).unwrap();
        let code = if width == Width::Four { 15 } else { 255 };
        let groups = 1024 / group * 16;
        let scales = vec![f16::ONE; groups];
        let packed = from_codes(form, &vec![code; 16 * 1024], &scales, &[]).unwrap();
        for x in [
            1.999_999_9_f32,
            -1.999_999_9,
            1.0,
            f32::MAX / 1e9,
            f32::MIN_POSITIVE,
        ] {
            let mut y = vec![0.0; 16];
            linear(&[x; 1024], packed.view().unwrap(), None, &mut y);
            let want = vec![1024.0 * f64::from(code) * f64::from(x); 16];
            assert_close(&y, &want, bound(width), &format!("{x} in {form:?}"));
        }
    }
}

#[test]
fn a_row_has_the_same_bits_alone_and_in_any_batch() {
    for case in cases() {
        let (inputs, outputs) = case.sizes();
        let bias = numbers(outputs, 9);
        let x = numbers(140 * inputs, 3);
        let all = case.run(&x, Some(&bias));
        for rows in [1, 2, 3, 4, 5, 9, 127] {
            let from = 140 - rows;
            let some = case.run(&x[from * inputs..], Some(&bias));
            assert_eq!(
                bits(&all[from * outputs..]),
                bits(&some),
                "{rows} rows, {:?}",
                case.packed.form
            );
        }
    }
}

#[test]
fn threads_do_not_matter() {
    let case = Case::new(256, 600, 128, Width::Four, Offset::Zeros);
    for rows in [1, 2, 7, 33, 200] {
        let x = numbers(rows * 256, 3);
        assert_same_on_threads(|| case.run(&x, None));
    }
}

#[test]
fn all_instructions_give_the_same_bits() {
    for case in cases() {
        let (inputs, outputs) = case.sizes();
        for rows in [1, 2, 3, 4, 6, 11] {
            let x = numbers(rows * inputs, 3);
            let want = bits(&case.run(&x, None));
            for instructions in Instructions::available() {
                let mut y = vec![f32::NAN; rows * outputs];
                linear_on(instructions, &x, case.packed.view().unwrap(), None, &mut y);
                assert_eq!(
                    want,
                    bits(&y),
                    "{instructions:?}, {rows} rows, {:?}",
                    case.packed.form
                );
            }
        }
    }
}

#[test]
fn what_is_not_finite_stays_in_its_row() {
    let case = Case::new(64, 24, 32, Width::Four, Offset::Minima);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut x = numbers(3 * 64, 3);
        let clean = case.run(&x, None);
        x[64 + 40] = bad;
        let y = case.run(&x, None);
        assert_eq!(bits(&y[..24]), bits(&clean[..24]));
        assert!(y[24..48].iter().all(|y| y.is_nan()));
        assert_eq!(bits(&y[48..]), bits(&clean[48..]));
    }
}

#[test]
fn nothing_is_nothing() {
    let case = Case::new(64, 24, 32, Width::Four, Offset::Minima);
    assert!(case.run(&[], None).is_empty());
    let zeros = case.run(&[0.0; 64], None);
    assert_eq!(bits(&zeros), bits(&[0.0; 24]));
    let form = Form::new(64, 0, 32, Width::Four, Offset::Zeros).unwrap();
    let none = from_codes(form, &[], &[], &[]).unwrap();
    linear(&[], none.view().unwrap(), None, &mut []);
}

/// Codes of `[inputs][outputs]` as AWQ packs them.
fn awq(rows: usize, outputs: usize, code: impl Fn(usize, usize) -> u8) -> Vec<i32> {
    let word = |row: usize, column: usize| {
        let nibbles = [0, 2, 4, 6, 1, 3, 5, 7].into_iter().enumerate();
        nibbles.fold(0_u32, |word, (j, output)| {
            word | u32::from(code(row, 8 * column + output)) << (4 * j)
        })
    };
    (0..rows * outputs / 8)
        .map(|i| word(i / (outputs / 8), i % (outputs / 8)).cast_signed())
        .collect()
}

#[test]
fn awq_is_read_in_its_order() {
    for (inputs, outputs, group) in [(64, 8, 32), (256, 152, 128), (320, 24, 320)] {
        let q = codes(inputs * outputs, 3);
        let z = codes(inputs / group * outputs, 4);
        let weights = awq(inputs, outputs, |i, o| q[i * outputs + o] & 15);
        let zeros = awq(inputs / group, outputs, |g, o| z[g * outputs + o] & 15);
        assert!(weights.iter().any(|&word| word < 0), "no sign bit is set");
        let scales = halves(inputs / group * outputs, 1, 0.01);
        let packed = from_awq((inputs, outputs), group, &weights, &zeros, &scales).unwrap();
        let want: Vec<f32> = (0..inputs * outputs)
            .map(|at| {
                let (o, i) = (at / inputs, at % inputs);
                let g = i / group * outputs + o;
                let difference = f32::from(q[i * outputs + o] & 15) - f32::from(z[g] & 15);
                scales[g].to_f32() * difference
            })
            .collect();
        let mut got = vec![f32::NAN; inputs * outputs];
        dequantise(packed.view().unwrap(), &mut got);
        assert_eq!(want, got);
        let x = numbers(2 * inputs, 3);
        let mut y = vec![f32::NAN; 2 * outputs];
        linear(&x, packed.view().unwrap(), None, &mut y);
        let want = product(&wide(&want), &x, None, (inputs, outputs));
        assert_close(&y, &want, BOUND, "AWQ");
    }
}

type FromBytes = fn((usize, usize), &[u8]) -> Result<Packed, FormError>;

/// `golden/make_golden.py`: what gguf's own Python makes of its blocks.
#[test]
fn gguf_blocks_are_what_its_reference_reads() {
    let cases: [(&str, FromBytes, &[u8]); 3] = [
        ("Q4_0", from_q4_0, include_bytes!("../golden/q4_0.bin")),
        ("Q4_1", from_q4_1, include_bytes!("../golden/q4_1.bin")),
        ("Q8_0", from_q8_0, include_bytes!("../golden/q8_0.bin")),
    ];
    for (what, from_bytes, file) in cases {
        let (blocks, numbers) = file.split_at(file.len() - 4 * 256);
        let want: Vec<f32> = numbers
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        let packed = from_bytes((64, 4), blocks).unwrap();
        let mut got = vec![f32::NAN; 256];
        dequantise(packed.view().unwrap(), &mut got);
        // The reference rounds a product before it adds the minimum.
        assert_close(&got, &wide(&want), 1e-7, what);
        let x = support::numbers(3 * 64, 3);
        let mut y = vec![f32::NAN; 3 * 4];
        linear(&x, packed.view().unwrap(), None, &mut y);
        let want = product(&wide(&want), &x, None, (64, 4));
        assert_close(&y, &want, bound(packed.form.width()), what);
    }
}

#[test]
fn packing_does_not_depend_on_threads() {
    let q = codes(256 * 400, 3);
    let words: Vec<i32> = q
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| i32::from_le_bytes(*bytes))
        .collect();
    let (weights, zeros) = (&words[..256 * 50], &words[..2 * 50]);
    let scales = halves(2 * 400, 1, 0.01);
    let pack = |threads| {
        with_threads(threads, || {
            from_awq((256, 400), 128, weights, zeros, &scales).unwrap()
        })
    };
    let (one, two) = (pack(1), pack(2));
    assert_eq!(one.words, two.words);
    assert_eq!(one.scales, two.scales);
    assert_eq!(one.offsets, two.offsets);
}

#[test]
fn the_layout_is_the_documented_one() {
    let form = Form::new(64, 24, 32, Width::Four, Offset::Minima).unwrap();
    let codes: Vec<u8> = codes(64 * 24, 8).iter().map(|c| c & 15).collect();
    let (scales, minima) = (halves(2 * 24, 1, 1.0), halves(2 * 24, 2, 1.0));
    let packed = from_codes(form, &codes, &scales, &minima).unwrap();
    assert_eq!(packed.words.len(), 32 * 64 / 8);
    for output in 0..24 {
        for input in 0..64 {
            let word = packed.words[output / 16 * 8 * 16 + input / 8 * 16 + output % 16];
            let i = input % 8;
            let code = word >> (8 * (i % 4) + 4 * (i / 4)) & 15;
            assert_eq!(code, i32::from(codes[output * 64 + input]));
            let at = output / 16 * 2 * 16 + input / 32 * 16 + output % 16;
            assert_eq!(packed.scales[at], scales[output * 2 + input / 32]);
            assert_eq!(packed.offsets[at], minima[output * 2 + input / 32]);
        }
    }
}

#[test]
fn sizes_that_do_not_match_are_refused() {
    let form = |inputs, group| Form::new(inputs, 16, group, Width::Four, Offset::Zeros);
    for (inputs, group) in [(64, 0), (64, 16), (96, 64), (100, 100), (48, 48)] {
        assert_eq!(form(inputs, group), Err(FormError::Group { inputs, group }));
    }
    let scales = halves(32, 1, 1.0);
    let error = from_codes(form(64, 32).unwrap(), &[0; 1023], &scales, &scales).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the codes of a packed matrix have 1023 elements, 1024 expected of 16 outputs and 64 inputs"
    );
    let awq = |outputs, words: usize| {
        from_awq((64, outputs), 64, &vec![0; words], &[0; 2], &scales[..16])
    };
    assert_eq!(awq(12, 96).unwrap_err(), FormError::Outputs { outputs: 12 });
    assert!(awq(16, 127).is_err() && awq(16, 128).is_ok());
    assert!(from_q4_0((64, 2), &[0; 71]).is_err() && from_q4_0((64, 2), &[0; 72]).is_ok());
    assert!(from_q4_0((48, 2), &[0; 54]).is_err());
    let mut packed = from_q4_1((64, 2), &[0; 80]).unwrap();
    assert!(packed.view().is_ok());
    packed.offsets.pop();
    assert!(packed.view().is_err());
}
