//! Kernels on `&[f32]` for the CPU: what a UNet, an autoencoder, a CLIP tower or a language model spends its time on.
//!
//! | module | what |
//! |---|---|
//! | [`activation`] | SiLU, GELU, quick GELU, GEGLU, adding a bias or a residual |
//! | [`group_norm`] | group normalisation, alone or with SiLU and a time embedding |
//! | [`layer_norm`] | layer and root-mean-square normalisation |
//! | [`rotary`] | rotary position embedding |
//! | [`upsample`] | images of twice the sides |
//! | [`softmax`] | softmax over the last dimension |
//! | [`attention`], [`attention_backward`] | softmax attention in tiles, on any strides |
//! | [`convolution`] | convolution, and linear layers, of many rows or few, with weights of single or half precision |
//! | [`packed`] | linear layers whose weights are codes of 4 or 8 bits |
//! | [`math`] | the vector functions all of these share |
//!
//! Every kernel runs on the widest vectors that the machine has, found at run time, and on rayon's pool when the work is
//! large enough. Work is split so that no sum is ever split in two ways: a result does not depend on the number of
//! threads, nor on what else is in the batch. It may differ in the last bits between instruction sets, but for [`packed`]
//! and [`convolution::few_rows`].

#![expect(
    clippy::inline_always,
    reason = "a vector function compiles for the right instructions only where it is inlined into the dispatch"
)]

pub mod activation;
pub mod attention;
pub mod attention_backward;
mod attention_tile;
pub mod convolution;
pub mod gather;
pub mod group_norm;
mod lanes;
pub mod layer_norm;
pub mod math;
mod moments;
pub mod packed;
mod parallel;
pub mod rotary;
pub mod softmax;
pub mod upsample;
