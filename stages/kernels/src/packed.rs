//! Linear layers whose weights are codes of 4 or 8 bits with a scale and an offset a group: `AWQ`, and GGUF's `Q4_0`,
//! `Q4_1` and `Q8_0`.
//!
//! A weight is `scale[out][group] * (code - zero)`, or `scale[out][group] * code + minimum[out][group]`
//! ([`Offset`]); a group is `group` neighbouring inputs of one output.
//!
//! # Layout
//!
//! Outputs lie in blocks of 16, the last one filled up with zeros. All tensors are contiguous:
//!
//! | tensor | shape | what |
//! |---|---|---|
//! | words | `[outputs / 16, inputs / 8, 16]`, `i32` | word `[b, k, l]` has inputs `8k..8k + 8` of output `16b + l` |
//! | scales | `[outputs / 16, inputs / group, 16]`, `f16` | as the file has them |
//! | offsets | as scales, or none | zeros or minima ([`Offset`]) |
//!
//! Input `8k + i` of a word of codes of 4 bits is at bit `8 (i % 4) + 4 (i / 4)`, so that `word & 0x0F0F0F0F` is inputs
//! 0 to 3 in bytes and `word >> 4 & 0x0F0F0F0F` is inputs 4 to 7. With codes of 8 bits words are `[outputs / 16,
//! inputs / 4, 16]` with input `4k + i` at bit `8 i`. Codes have no sign: that of `Q8_0` is 128 above its number.
//!
//! # Arithmetic
//!
//! Each row of activations is rounded, in spans of up to 128 inputs, to whole multiples of a power of two that leaves
//! 17 bits or more beside the sign (18 to 22), in three digits of base 256. The sum of their products with the codes is
//! exact in 32 bits; spans are added up in order in single precision. So a result is as near to the true one as a
//! product in single precision is, and has the same bits alone or in a batch, on any number of threads, and on any
//! instructions.

mod activations;
mod few;
mod form;
mod linear;
mod many;
mod pack;

pub use crate::lanes::Instructions;
pub use form::{Form, FormError, Matrix, Offset, Packed, Width};
pub use linear::{linear, linear_on};
pub use pack::{dequantise, from_awq, from_codes, from_q4_0, from_q4_1, from_q8_0};
