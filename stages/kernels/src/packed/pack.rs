//! Packing what files have, and taking it apart again.

use half::f16;
use rayon::prelude::*;

use super::form::{BLOCK, Form, FormError, Matrix, Offset, Packed, Width};

/// Blocks of outputs packed by one task: 16 words of an AWQ row, a cache line.
const TASK_BLOCKS: usize = 8;

/// Elements of one GGUF block.
const GGUF: usize = 32;

/// Codes of 0 to 15 in bytes, `[outputs][inputs]`, in groups; scales and offsets are `[outputs][inputs / group]`.
///
/// Only the lower four bits of a code are read where the width is four. Offsets are none where all zeros are one.
///
/// # Errors
///
/// When a slice is not as long as the form says.
pub fn from_codes(
    form: Form,
    codes: &[u8],
    scales: &[f16],
    offsets: &[f16],
) -> Result<Packed, FormError> {
    let (inputs, outputs) = (form.inputs(), form.outputs());
    let groups = inputs / form.group();
    let offset_count = match form.offset() {
        Offset::Zero(_) => 0,
        Offset::Zeros | Offset::Minima => groups * outputs,
    };
    form.check_all([
        ("codes", codes.len(), inputs * outputs),
        ("scales", scales.len(), groups * outputs),
        ("offsets", offsets.len(), offset_count),
    ])?;
    let mut packed = empty(form);
    fill(&mut packed, |output, mut lane| {
        let codes = &codes[output * inputs..][..inputs];
        match form.width() {
            Width::Four => {
                for (k, codes) in codes.as_chunks::<8>().0.iter().enumerate() {
                    let word = u64::from_le_bytes(*codes) & 0x0F0F_0F0F_0F0F_0F0F;
                    lane.word(k, (word | word >> 28) as u32);
                }
            }
            Width::Eight => {
                for (k, codes) in codes.as_chunks::<4>().0.iter().enumerate() {
                    lane.word(k, u32::from_le_bytes(*codes));
                }
            }
        }
        for group in 0..groups {
            let at = output * groups + group;
            lane.scale(group, scales[at]);
            if let Some(&offset) = offsets.get(at) {
                lane.offset(group, offset);
            }
        }
    });
    Ok(packed)
}

/// A matrix in the layout of `AWQ` (its `gemm` version): `weights` and `zeros` are words `[inputs, outputs / 8]` and
/// `[inputs / group, outputs / 8]`, nibble `j` of which belongs to output `8c + [0, 2, 4, 6, 1, 3, 5, 7][j]`; `scales` are
/// `[inputs / group, outputs]`. A weight is `scale * (code - zero)`.
///
/// # Errors
///
/// When `group` is no multiple of 32 or does not divide `inputs`, `outputs` is no multiple of 8, or a slice is of another
/// length.
pub fn from_awq(
    (inputs, outputs): (usize, usize),
    group: usize,
    weights: &[i32],
    zeros: &[i32],
    scales: &[f16],
) -> Result<Packed, FormError> {
    let form = Form::new(inputs, outputs, group, Width::Four, Offset::Zeros)?;
    if !outputs.is_multiple_of(8) {
        return Err(FormError::Outputs { outputs });
    }
    let (columns, groups) = (outputs / 8, inputs / group);
    form.check_all([
        ("qweight", weights.len(), inputs * columns),
        ("qzeros", zeros.len(), groups * columns),
        ("scales", scales.len(), groups * outputs),
    ])?;
    let mut packed = empty(form);
    let (block_words, block_scales) = (form.block_words(), form.block_scales());
    let words = packed.words.par_chunks_mut(TASK_BLOCKS * block_words);
    let scales_to = packed.scales.par_chunks_mut(TASK_BLOCKS * block_scales);
    let offsets_to = packed.offsets.par_chunks_mut(TASK_BLOCKS * block_scales);
    let tasks = words.zip(scales_to).zip(offsets_to).enumerate();
    tasks.for_each(|(task, ((words, scales_to), offsets_to))| {
        let first = task * TASK_BLOCKS * BLOCK / 8;
        let blocks = words.len() / block_words;
        let count = (blocks * BLOCK / 8).min(columns - first);
        for (k, rows) in weights.chunks_exact(8 * columns).enumerate() {
            for column in 0..count {
                let eight =
                    std::array::from_fn(|i| rows[i * columns + first + column].cast_unsigned());
                let at = column / 2 * block_words + k * BLOCK + column % 2 * 8;
                words[at..at + 8].copy_from_slice(&awq_outputs(eight));
            }
        }
        for group in 0..groups {
            for column in 0..count {
                let at = column / 2 * block_scales + group * BLOCK + column % 2 * 8;
                let zeros = zeros[group * columns + first + column].cast_unsigned();
                for (j, output) in AWQ.into_iter().enumerate() {
                    offsets_to[at + output] = f16::from_f32((zeros >> (4 * j) & 15) as f32);
                }
                let scales = &scales[group * outputs + 8 * (first + column)..][..8];
                scales_to[at..at + 8].copy_from_slice(scales);
            }
        }
    });
    Ok(packed)
}

/// The output to which nibble `j` of an AWQ word belongs.
const AWQ: [usize; 8] = [0, 2, 4, 6, 1, 3, 5, 7];

/// The words of 8 outputs, of the AWQ words of 8 inputs.
fn awq_outputs(rows: [u32; 8]) -> [i32; 8] {
    // Row `i` of codes goes where input `i` is: to byte `i % 4`, upper half if `i >= 4`. Swaps of halves, bytes and nibbles
    // transpose the 8 x 8 of them.
    let mut m = [
        rows[0], rows[4], rows[1], rows[5], rows[2], rows[6], rows[3], rows[7],
    ];
    for (distance, mask) in [(4, 0x0000_FFFF), (2, 0x00FF_00FF), (1, 0x0F0F_0F0F_u32)] {
        let shift = 4 * distance;
        for i in (0..8).filter(|i| i & distance == 0) {
            let swapped = (m[i] >> shift ^ m[i + distance]) & mask;
            m[i + distance] ^= swapped;
            m[i] ^= swapped << shift;
        }
    }
    let mut to = [0; 8];
    for (word, output) in m.into_iter().zip(AWQ) {
        to[output] = word.cast_signed();
    }
    to
}

/// Rows of GGUF blocks `Q4_0`, `[outputs][inputs / 32]` of 18 bytes: a scale in half precision, and 16 bytes whose lower
/// nibbles are elements 0 to 15, the upper 16 to 31. A weight is `scale * (code - 8)`.
///
/// # Errors
///
/// When `inputs` is no multiple of 32, or there are more bytes or fewer.
pub fn from_q4_0((inputs, outputs): (usize, usize), bytes: &[u8]) -> Result<Packed, FormError> {
    let form = Form::new(inputs, outputs, GGUF, Width::Four, Offset::Zero(8))?;
    from_gguf::<18>(form, bytes, |group, [d0, d1, codes @ ..], lane| {
        lane.scale(group, f16::from_le_bytes([*d0, *d1]));
        gguf_nibbles(group, codes, lane);
    })
}

/// Rows of GGUF blocks `Q4_1`, `[outputs][inputs / 32]` of 20 bytes: a scale and a minimum in half precision, and 16 bytes
/// as in `Q4_0`. A weight is `scale * code + minimum`.
///
/// # Errors
///
/// When `inputs` is no multiple of 32, or there are more bytes or fewer.
pub fn from_q4_1((inputs, outputs): (usize, usize), bytes: &[u8]) -> Result<Packed, FormError> {
    let form = Form::new(inputs, outputs, GGUF, Width::Four, Offset::Minima)?;
    from_gguf::<20>(form, bytes, |group, [d0, d1, m0, m1, codes @ ..], lane| {
        lane.scale(group, f16::from_le_bytes([*d0, *d1]));
        lane.offset(group, f16::from_le_bytes([*m0, *m1]));
        gguf_nibbles(group, codes, lane);
    })
}

/// Rows of GGUF blocks `Q8_0`, `[outputs][inputs / 32]` of 34 bytes: a scale in half precision, and 32 numbers of 8 bits
/// with a sign. A weight is `scale * number`.
///
/// # Errors
///
/// When `inputs` is no multiple of 32, or there are more bytes or fewer.
pub fn from_q8_0((inputs, outputs): (usize, usize), bytes: &[u8]) -> Result<Packed, FormError> {
    let form = Form::new(inputs, outputs, GGUF, Width::Eight, Offset::Zero(128))?;
    from_gguf::<34>(form, bytes, |group, [d0, d1, numbers @ ..], lane| {
        lane.scale(group, f16::from_le_bytes([*d0, *d1]));
        for (k, four) in numbers.as_chunks::<4>().0.iter().enumerate() {
            // 128 more: the sign bit turned over.
            lane.word(group * 8 + k, u32::from_le_bytes(*four) ^ 0x8080_8080);
        }
    })
}

/// The four words of a block of nibbles.
fn gguf_nibbles(group: usize, codes: &[u8; 16], lane: &mut Lane<'_>) {
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| u32::from_le_bytes(codes.as_chunks().0[i]));
    let (low, high) = (|w: u32| w & 0x0F0F_0F0F, |w: u32| w >> 4 & 0x0F0F_0F0F);
    let words = [
        low(a) | low(b) << 4,
        low(c) | low(d) << 4,
        high(a) | high(b) << 4,
        high(c) | high(d) << 4,
    ];
    for (k, word) in words.into_iter().enumerate() {
        lane.word(group * 4 + k, word);
    }
}

fn from_gguf<const BYTES: usize>(
    form: Form,
    bytes: &[u8],
    unpack: impl Fn(usize, &[u8; BYTES], &mut Lane<'_>) + Sync,
) -> Result<Packed, FormError> {
    let row = form.inputs() / GGUF * BYTES;
    form.check_all([("bytes", bytes.len(), form.outputs() * row)])?;
    let mut packed = empty(form);
    fill(&mut packed, |output, mut lane| {
        let blocks = bytes[output * row..][..row].as_chunks::<BYTES>().0;
        for (group, block) in blocks.iter().enumerate() {
            unpack(group, block, &mut lane);
        }
    });
    Ok(packed)
}

fn empty(form: Form) -> Packed {
    Packed {
        form,
        words: vec![0; form.word_count()],
        scales: vec![f16::ZERO; form.scale_count()],
        offsets: vec![f16::ZERO; form.offset_count()],
    }
}

/// Where one output lies in its block.
struct Lane<'a> {
    words: &'a mut [[i32; BLOCK]],
    scales: &'a mut [[f16; BLOCK]],
    offsets: &'a mut [[f16; BLOCK]],
    lane: usize,
}

impl Lane<'_> {
    #[inline(always)]
    fn word(&mut self, index: usize, word: u32) {
        self.words[index][self.lane] = word.cast_signed();
    }

    #[inline(always)]
    fn scale(&mut self, group: usize, scale: f16) {
        self.scales[group][self.lane] = scale;
    }

    #[inline(always)]
    fn offset(&mut self, group: usize, offset: f16) {
        self.offsets[group][self.lane] = offset;
    }
}

/// Runs `output(index, its lane)` for all outputs.
fn fill(packed: &mut Packed, output: impl Fn(usize, Lane<'_>) + Sync) {
    let form = packed.form;
    if packed.words.is_empty() {
        return;
    }
    let words = packed.words.par_chunks_mut(form.block_words());
    let scales = packed.scales.par_chunks_mut(form.block_scales());
    // A matrix without offsets has an empty slice a block.
    let mut offsets: Vec<&mut [f16]> = packed.offsets.chunks_mut(form.block_scales()).collect();
    offsets.resize_with(form.blocks(), Default::default);
    let blocks = words.zip(scales).zip(offsets).enumerate();
    blocks.for_each(|(block, ((words, scales), offsets))| {
        for lane in 0..BLOCK.min(form.outputs() - block * BLOCK) {
            output(
                block * BLOCK + lane,
                Lane {
                    words: words.as_chunks_mut().0,
                    scales: scales.as_chunks_mut().0,
                    offsets: offsets.as_chunks_mut().0,
                    lane,
                },
            );
        }
    });
}

/// The weights, `[outputs][inputs]`, in single precision (rounded once).
///
/// # Panics
///
/// When `to` is of another length.
pub fn dequantise(matrix: Matrix<'_>, to: &mut [f32]) {
    let form = matrix.form();
    assert_eq!(to.len(), form.inputs() * form.outputs(), "weights");
    if to.is_empty() {
        return;
    }
    let rows = to.par_chunks_mut(form.inputs()).enumerate();
    rows.for_each(|(output, row)| {
        let (block, lane) = (matrix.block(output / BLOCK), output % BLOCK);
        for (group, to) in row.chunks_mut(form.group()).enumerate() {
            let half = |bits: [u16; BLOCK]| f16::from_bits(bits[lane]).to_f32();
            let scale = half(block.scales[group]);
            let (zero, minimum) = match form.offset() {
                Offset::Zero(zero) => (f32::from(zero), 0.0),
                Offset::Zeros => (half(block.offsets[group]), 0.0),
                Offset::Minima => (0.0, half(block.offsets[group])),
            };
            for (i, to) in to.iter_mut().enumerate() {
                let code = code(form.width(), block.words, group * form.group() + i, lane);
                *to = scale.mul_add(f32::from(code) - zero, minimum);
            }
        }
    });
}

/// The code of one input of an output.
fn code(width: Width, words: &[[i32; BLOCK]], input: usize, lane: usize) -> u8 {
    match width {
        Width::Four => {
            let i = input % 8;
            (words[input / 8][lane] >> (8 * (i % 4) + 4 * (i / 4)) & 15) as u8
        }
        Width::Eight => words[input / 4][lane].to_le_bytes()[input % 4],
    }
}
