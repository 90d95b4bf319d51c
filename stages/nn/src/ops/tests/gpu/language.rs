//! The operations of language models on a card beside those on the CPU.

use burn::tensor::DType;

use super::super::language;
use super::gpu;

#[test]
fn norms() {
    language::norms_of_rows(&gpu());
}

#[test]
fn gated_units() {
    language::swiglu_of_rows(&gpu());
}

#[test]
fn rotations() {
    language::rotation_of_heads(&gpu());
}

#[test]
fn attention() {
    language::attention_after_what_is_shared(&gpu());
}

#[test]
fn linear_layers() {
    language::linear_layers_of_few_rows(&gpu());
}

#[test]
fn packed_linear_layers() {
    language::packed_layers(&gpu());
}

/// Half precision in and out, with sums in single precision.
#[test]
fn half_precision() {
    if gpu().supports_dtype(DType::F16) {
        language::halves_through_kernels(&gpu());
    }
}
