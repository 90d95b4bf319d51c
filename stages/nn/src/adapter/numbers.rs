//! Floating-point numbers as files keep them.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::tensor::Dtype;

/// Numbers of a file, in single precision.
///
/// # Errors
/// A sentence: they are of another kind.
pub(super) fn widened(bytes: &[u8], kind: Dtype) -> Result<Vec<f32>, String> {
    let halves = || bytes.as_chunks().0.iter().copied().map(u16::from_le_bytes);
    Ok(match kind {
        Dtype::F32 => {
            let numbers = bytes.as_chunks().0.iter().copied();
            numbers.map(f32::from_le_bytes).collect()
        }
        Dtype::F16 => halves()
            .map(f16::from_bits)
            .collect::<Vec<_>>()
            .to_f32_vec(),
        Dtype::BF16 => halves()
            .map(bf16::from_bits)
            .collect::<Vec<_>>()
            .to_f32_vec(),
        other => {
            return Err(format!(
                "expected numbers like F32, F16 or BF16, found {other}"
            ));
        }
    })
}

/// The bytes of numbers as a file keeps them, rounded to the nearest of their kind.
///
/// # Errors
/// A sentence: they are of another kind.
pub(super) fn narrowed(numbers: &[f32], kind: Dtype) -> Result<Vec<u8>, String> {
    let each = numbers.iter();
    Ok(match kind {
        Dtype::F32 => each.flat_map(|number| number.to_le_bytes()).collect(),
        Dtype::F16 => each
            .flat_map(|number| f16::from_f32(*number).to_le_bytes())
            .collect(),
        Dtype::BF16 => each
            .flat_map(|number| bf16::from_f32(*number).to_le_bytes())
            .collect(),
        other => {
            return Err(format!(
                "expected numbers like F32, F16 or BF16, found {other}"
            ));
        }
    })
}
