//! Convolution (by Winograd's method where it applies) and linear layers, on blocked matrix products whose operands may
//! be half-size.

pub mod conv;
pub mod few_rows;
mod gemm;
pub mod linear;
mod simd;
mod tiles;
mod transform;
pub mod weight_grad;
pub mod weights;
mod winograd;
