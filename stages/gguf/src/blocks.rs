//! Blocks of quantised numbers into numbers, in binary32, rounding as ggml's reference code does.
//!
//! A block holds neighbours of a row with the scale (and, in some types, the least number) that they
//! share. Nibbles of the types of 32 are stored in halves: the low ones are the first 16 elements,
//! the high ones the last.

use half::{bf16, f16};

use crate::TensorType;

/// Elements of a block of the types whose names end in `_K`.
const SUPER: usize = 256;

/// The numbers of whole blocks, in order. None if the type is not understood or the last block is
/// cut off.
pub fn dequantise(kind: TensorType, bytes: &[u8]) -> Option<Vec<f32>> {
    let size = kind.block_bytes() as usize;
    if !kind.is_dequantised() || !bytes.len().is_multiple_of(size) {
        return None;
    }
    let blocks = bytes.chunks_exact(size);
    let mut numbers = Vec::with_capacity(blocks.len() * kind.block_elements() as usize);
    let one: fn(&[u8], &mut Vec<f32>) = match kind {
        TensorType::F32 => f32_number,
        TensorType::F16 => |block, out| out.push(f16_at(block, 0)),
        TensorType::BF16 => {
            |block, out| out.push(bf16::from_le_bytes([block[0], block[1]]).to_f32())
        }
        TensorType::Q4_0 => q4_0,
        TensorType::Q4_1 => q4_1,
        TensorType::Q5_0 => q5_0,
        TensorType::Q5_1 => q5_1,
        TensorType::Q8_0 => q8_0,
        TensorType::Q4_K => q4_k,
        TensorType::Q6_K => q6_k,
        _ => return None,
    };
    for block in blocks {
        one(block, &mut numbers);
    }
    Some(numbers)
}

fn f16_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

fn f32_number(block: &[u8], out: &mut Vec<f32>) {
    out.push(f32::from_le_bytes([block[0], block[1], block[2], block[3]]));
}

/// The 32 nibbles of 16 bytes: all low ones, then all high ones.
fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let low = bytes.iter().map(|byte| byte & 15);
    low.chain(bytes.iter().map(|byte| byte >> 4))
}

/// 32 numbers of five bits: nibbles, with their highest bits in a word of their own.
fn five_bits<'a>(high: &'a [u8], low: &'a [u8]) -> impl Iterator<Item = u8> {
    let high = u32::from_le_bytes([high[0], high[1], high[2], high[3]]);
    let bits = (0..32).map(move |place| ((high >> place) & 1) as u8);
    nibbles(low).zip(bits).map(|(low, bit)| low | (bit << 4))
}

/// Scale, 16 bytes of nibbles; 8 stands for zero.
fn q4_0(block: &[u8], out: &mut Vec<f32>) {
    let scale = f16_at(block, 0);
    out.extend(nibbles(&block[2..]).map(|number| scale * (f32::from(number) - 8.0)));
}

/// Scale, least number, 16 bytes of nibbles.
fn q4_1(block: &[u8], out: &mut Vec<f32>) {
    let (scale, least) = (f16_at(block, 0), f16_at(block, 2));
    out.extend(nibbles(&block[4..]).map(|number| scale * f32::from(number) + least));
}

/// Scale, 32 fifth bits, 16 bytes of nibbles; 16 stands for zero.
fn q5_0(block: &[u8], out: &mut Vec<f32>) {
    let scale = f16_at(block, 0);
    let numbers = five_bits(&block[2..6], &block[6..]);
    out.extend(numbers.map(|number| scale * (f32::from(number) - 16.0)));
}

/// Scale, least number, 32 fifth bits, 16 bytes of nibbles.
fn q5_1(block: &[u8], out: &mut Vec<f32>) {
    let (scale, least) = (f16_at(block, 0), f16_at(block, 2));
    let numbers = five_bits(&block[4..8], &block[8..]);
    out.extend(numbers.map(|number| scale * f32::from(number) + least));
}

/// Scale, 32 signed bytes.
fn q8_0(block: &[u8], out: &mut Vec<f32>) {
    let scale = f16_at(block, 0);
    out.extend(block[2..].iter().map(|byte| scale * f32::from(*byte as i8)));
}

/// Scale of scales, scale of least numbers, eight pairs of both in six bits each (12 bytes), 128 bytes
/// of nibbles. Each 32 bytes hold two groups of 32: the low nibbles, then the high ones.
fn q4_k(block: &[u8], out: &mut Vec<f32>) {
    let (scale, least) = (f16_at(block, 0), f16_at(block, 2));
    let (packed, numbers) = (&block[4..16], &block[16..]);
    for group in 0..8 {
        let (six, other) = six_bits(packed, group);
        let scale = scale * f32::from(six);
        let least = least * f32::from(other);
        let bytes = &numbers[group / 2 * 32..][..32];
        let shift = group % 2 * 4;
        out.extend(
            bytes
                .iter()
                .map(|byte| scale * f32::from((byte >> shift) & 15) - least),
        );
    }
}

/// Scale and least number of a group of a block of Q4_K. The first four groups have theirs in the low
/// six bits of a byte each; of the others, four bits stand in the last four bytes, and the two highest
/// in what the first eight bytes leave over.
fn six_bits(packed: &[u8], group: usize) -> (u8, u8) {
    if group < 4 {
        return (packed[group] & 63, packed[group + 4] & 63);
    }
    let (low, first, second) = (packed[group + 4], packed[group - 4], packed[group]);
    (
        (low & 15) | ((first >> 6) << 4),
        (low >> 4) | ((second >> 6) << 4),
    )
}

/// 128 bytes of low nibbles, 64 bytes of two high bits, 16 signed scales, scale of scales; 32 stands
/// for zero. Either half of 128 elements takes 64 and 32 of the bytes: nibbles low, low, high, high, and
/// pairs of bits from the lowest on, 32 elements each. 16 elements share a scale.
fn q6_k(block: &[u8], out: &mut Vec<f32>) {
    let (low, rest) = block.split_at(SUPER / 2);
    let (high, rest) = rest.split_at(SUPER / 4);
    let (scales, scale) = rest.split_at(SUPER / 16);
    let scale = f16_at(scale, 0);
    for element in 0..SUPER {
        let (half, within) = (element / 128, element % 128);
        let (quarter, place) = (within / 32, within % 32);
        let nibble = low[half * 64 + within % 64] >> (quarter / 2 * 4) & 15;
        let pair = high[half * 32 + place] >> (quarter * 2) & 3;
        let number = f32::from(nibble | (pair << 4)) - 32.0;
        out.push(scale * f32::from(scales[element / 16] as i8) * number);
    }
}
