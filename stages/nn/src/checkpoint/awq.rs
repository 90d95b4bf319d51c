//! Linear layers as AWQ packs them (Lin et al., 2023, arXiv 2306.00978), in its `gemm` layout.

use ccsr_kernels::packed::{self, Form, Packed};
use safetensors::tensor::Dtype;

use super::misfit;
use super::stored::Stored;

/// Outputs in a word.
const PER_WORD: usize = 8;

/// The layer of three tensors: codes `[inputs, outputs / 8]`, zeros `[groups, outputs / 8]`, scales `[groups, outputs]`.
///
/// # Errors
/// Which of the three does not fit, and a sentence.
pub(super) fn repacked(form: Form, parts: [&Stored; 3]) -> Result<Packed, (usize, String)> {
    let (inputs, outputs) = (form.inputs(), form.outputs());
    let (groups, words) = (inputs / form.group(), outputs / PER_WORD);
    let shapes = [[inputs, words], [groups, words], [groups, outputs]];
    for (part, (stored, shape)) in parts.iter().zip(&shapes).enumerate() {
        misfit(stored, shape).map_err(|why| (part, why))?;
    }
    let of = |part: usize| move |why: String| (part, why);
    let weights = parts[0].exactly(Dtype::I32).map_err(of(0))?;
    let zeros = parts[1].exactly(Dtype::I32).map_err(of(1))?;
    let scales = parts[2].exactly(Dtype::F16).map_err(of(2))?;
    packed::from_awq((inputs, outputs), form.group(), &weights, &zeros, &scales)
        .map_err(|error| (0, error.to_string()))
}
