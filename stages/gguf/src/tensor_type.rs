//! How the numbers of a tensor are stored: plainly, or in blocks that share a scale.

use std::fmt;

/// How the numbers of a tensor are stored. Names are those of ggml.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    non_camel_case_types,
    missing_docs,
    reason = "ggml's own names, which say all there is to say"
)]
#[non_exhaustive]
pub enum TensorType {
    F32,
    F16,
    BF16,
    F64,
    I8,
    I16,
    I32,
    I64,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q8_1,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    Q8_K,
    IQ1_S,
    IQ1_M,
    IQ2_XXS,
    IQ2_XS,
    IQ2_S,
    IQ3_XXS,
    IQ3_S,
    IQ4_NL,
    IQ4_XS,
    TQ1_0,
    TQ2_0,
    MXFP4,
}

use TensorType::{
    BF16, F16, F32, F64, I8, I16, I32, I64, IQ1_M, IQ1_S, IQ2_S, IQ2_XS, IQ2_XXS, IQ3_S, IQ3_XXS,
    IQ4_NL, IQ4_XS, MXFP4, Q2_K, Q3_K, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0, Q8_1, Q8_K,
    TQ1_0, TQ2_0,
};

/// Type, its number in files, elements a block, bytes a block.
const LAYOUTS: &[(TensorType, u32, u64, u64)] = &[
    (F32, 0, 1, 4),
    (F16, 1, 1, 2),
    (Q4_0, 2, 32, 18),
    (Q4_1, 3, 32, 20),
    (Q5_0, 6, 32, 22),
    (Q5_1, 7, 32, 24),
    (Q8_0, 8, 32, 34),
    (Q8_1, 9, 32, 36),
    (Q2_K, 10, 256, 84),
    (Q3_K, 11, 256, 110),
    (Q4_K, 12, 256, 144),
    (Q5_K, 13, 256, 176),
    (Q6_K, 14, 256, 210),
    (Q8_K, 15, 256, 292),
    (IQ2_XXS, 16, 256, 66),
    (IQ2_XS, 17, 256, 74),
    (IQ3_XXS, 18, 256, 98),
    (IQ1_S, 19, 256, 50),
    (IQ4_NL, 20, 32, 18),
    (IQ3_S, 21, 256, 110),
    (IQ2_S, 22, 256, 82),
    (IQ4_XS, 23, 256, 136),
    (I8, 24, 1, 1),
    (I16, 25, 1, 2),
    (I32, 26, 1, 4),
    (I64, 27, 1, 8),
    (F64, 28, 1, 8),
    (IQ1_M, 29, 256, 56),
    (BF16, 30, 1, 2),
    (TQ1_0, 34, 256, 54),
    (TQ2_0, 35, 256, 66),
    (MXFP4, 39, 32, 17),
];

/// What [`crate::dequantise`] understands.
const DEQUANTISED: &[TensorType] = &[F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q6_K];

impl TensorType {
    /// The type with this number in files.
    pub(crate) fn numbered(number: u32) -> Option<Self> {
        let mut layouts = LAYOUTS.iter();
        layouts
            .find(|layout| layout.1 == number)
            .map(|layout| layout.0)
    }

    fn layout(self) -> (u64, u64) {
        let mut layouts = LAYOUTS.iter();
        let layout = layouts.find(|layout| layout.0 == self);
        let (_, _, elements, bytes) = layout.expect("every type stands in the table");
        (*elements, *bytes)
    }

    /// How many neighbours of a row share a block; 1 if each number stands for itself.
    pub fn block_elements(self) -> u64 {
        self.layout().0
    }

    /// How long a block is, in bytes.
    pub fn block_bytes(self) -> u64 {
        self.layout().1
    }

    /// Whether [`crate::dequantise`] understands it.
    pub fn is_dequantised(self) -> bool {
        DEQUANTISED.contains(&self)
    }

    /// The names of all that are understood, for messages.
    pub(crate) fn dequantised_names() -> String {
        let names = DEQUANTISED.iter().map(Self::to_string);
        names.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The variants are called as ggml calls the types.
        fmt::Debug::fmt(self, out)
    }
}
