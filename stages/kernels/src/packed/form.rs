//! What a packed matrix is: its sizes, and its three tensors.

use half::f16;
use thiserror::Error;

/// Outputs side by side in one block.
pub(super) const BLOCK: usize = 16;

/// The size of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 0 to 15.
    Four,
    /// 0 to 255.
    Eight,
}

impl Width {
    /// Codes in one word.
    pub fn codes_per_word(self) -> usize {
        match self {
            Self::Four => 8,
            Self::Eight => 4,
        }
    }
}

/// What a code stands for, beside its group's scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Offset {
    /// `scale * (code - zero)` with one zero for all of the matrix (`Q4_0`: 8; `Q8_0`: 128); there is no tensor of offsets.
    Zero(u8),
    /// `scale * (code - zero)` with a zero a group, a whole number from 0 to 255 (`AWQ`).
    Zeros,
    /// `scale * code + minimum` with a minimum a group (`Q4_1`).
    Minima,
}

/// Why a packed matrix cannot be made.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FormError {
    /// A size that the layout has no room for.
    #[error(
        "a packed matrix of {inputs} inputs in groups of {group}: groups are a multiple of 32 and divide the inputs"
    )]
    Group {
        /// Inputs of the layer.
        inputs: usize,
        /// Inputs that share a scale.
        group: usize,
    },
    /// Packed columns are whole words.
    #[error("{outputs} outputs of AWQ: a word holds 8 of them, so their number is a multiple of 8")]
    Outputs {
        /// Outputs of the layer.
        outputs: usize,
    },
    /// A tensor of another length.
    #[error(
        "the {what} of a packed matrix have {given} elements, {expected} expected of {outputs} outputs and {inputs} inputs"
    )]
    Length {
        /// Which tensor.
        what: &'static str,
        /// Its elements.
        given: usize,
        /// Those it must have.
        expected: usize,
        /// Outputs of the layer.
        outputs: usize,
        /// Inputs of the layer.
        inputs: usize,
    },
}

/// The sizes of a packed matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Form {
    inputs: usize,
    outputs: usize,
    group: usize,
    span: usize,
    width: Width,
    offset: Offset,
}

impl Form {
    /// A matrix of `outputs` rows of `inputs` codes, `group` of which share a scale.
    ///
    /// # Errors
    ///
    /// When `group` is no multiple of 32, or does not divide `inputs`.
    pub fn new(
        inputs: usize,
        outputs: usize,
        group: usize,
        width: Width,
        offset: Offset,
    ) -> Result<Self, FormError> {
        if group == 0 || !group.is_multiple_of(32) || !inputs.is_multiple_of(group) {
            return Err(FormError::Group { inputs, group });
        }
        let longest = match width {
            Width::Four => 128,
            Width::Eight => 32,
        };
        let span = [128, 64]
            .into_iter()
            .find(|&span| span <= longest && group.is_multiple_of(span))
            .unwrap_or(32);
        Ok(Self {
            inputs,
            outputs,
            group,
            span,
            width,
            offset,
        })
    }

    /// Inputs of the layer.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Outputs of the layer.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Inputs that share a scale.
    pub fn group(&self) -> usize {
        self.group
    }

    /// The size of a code.
    pub fn width(&self) -> Width {
        self.width
    }

    /// What a code stands for.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// Elements of the tensor of words.
    pub fn word_count(&self) -> usize {
        self.blocks() * self.block_words()
    }

    /// Elements of the tensor of scales.
    pub fn scale_count(&self) -> usize {
        self.blocks() * self.block_scales()
    }

    /// Elements of the tensor of offsets.
    pub fn offset_count(&self) -> usize {
        match self.offset {
            Offset::Zero(_) => 0,
            Offset::Zeros | Offset::Minima => self.scale_count(),
        }
    }

    /// Blocks of 16 outputs.
    pub(super) fn blocks(&self) -> usize {
        self.outputs.div_ceil(BLOCK)
    }

    /// Words of one block.
    pub(super) fn block_words(&self) -> usize {
        self.inputs / self.width.codes_per_word() * BLOCK
    }

    /// Scales of one block.
    pub(super) fn block_scales(&self) -> usize {
        self.inputs / self.group * BLOCK
    }

    /// Inputs whose products are summed in whole numbers: they share a scale of activations.
    pub(super) fn span(&self) -> usize {
        self.span
    }

    /// The greatest power of two such that a span of activations up to it, times the greatest code, fits in 32 bits.
    pub(super) fn activation_bits(&self) -> u32 {
        match (self.width, self.span) {
            (Width::Eight, _) => 18,
            (Width::Four, 128) => 20,
            (Width::Four, 64) => 21,
            (Width::Four, _) => 22,
        }
    }

    fn check(&self, what: &'static str, given: usize, expected: usize) -> Result<(), FormError> {
        if given == expected {
            return Ok(());
        }
        Err(FormError::Length {
            what,
            given,
            expected,
            outputs: self.outputs,
            inputs: self.inputs,
        })
    }

    /// As the constructors of [`Packed`] check what they are given.
    pub(super) fn check_all<const N: usize>(
        &self,
        lengths: [(&'static str, usize, usize); N],
    ) -> Result<(), FormError> {
        lengths
            .into_iter()
            .try_for_each(|(what, given, expected)| self.check(what, given, expected))
    }
}

/// A packed matrix that owns its tensors.
#[derive(Clone, Debug)]
pub struct Packed {
    /// Its sizes.
    pub form: Form,
    /// Codes, [laid out](super) in blocks of 16 outputs.
    pub words: Vec<i32>,
    /// A scale a group and output.
    pub scales: Vec<f16>,
    /// A zero or minimum a group and output, or none.
    pub offsets: Vec<f16>,
}

impl Packed {
    /// The matrix, as [`linear`](super::linear()) takes it.
    ///
    /// # Errors
    ///
    /// When a tensor is not as long as the form says.
    pub fn view(&self) -> Result<Matrix<'_>, FormError> {
        Matrix::new(self.form, &self.words, &self.scales, &self.offsets)
    }
}

/// A packed matrix whose tensors are elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    form: Form,
    words: &'a [i32],
    scales: &'a [f16],
    offsets: &'a [f16],
}

impl<'a> Matrix<'a> {
    /// The matrix of these tensors, [laid out](super) in blocks of 16 outputs.
    ///
    /// # Errors
    ///
    /// When one is not as long as the form says.
    pub fn new(
        form: Form,
        words: &'a [i32],
        scales: &'a [f16],
        offsets: &'a [f16],
    ) -> Result<Self, FormError> {
        form.check_all([
            ("words", words.len(), form.word_count()),
            ("scales", scales.len(), form.scale_count()),
            ("offsets", offsets.len(), form.offset_count()),
        ])?;
        Ok(Self {
            form,
            words,
            scales,
            offsets,
        })
    }

    /// Its sizes.
    pub fn form(&self) -> Form {
        self.form
    }

    /// One block of 16 outputs.
    pub(super) fn block(&self, index: usize) -> Block<'a> {
        let words = self.form.block_words();
        let scales = self.form.block_scales();
        let of = |values: &'a [f16]| {
            let bits = half::slice::HalfFloatSliceExt::reinterpret_cast(values);
            <[u16]>::as_chunks::<BLOCK>(bits).0
        };
        let at = index * scales..(index + 1) * scales;
        Block {
            words: self.words[index * words..(index + 1) * words].as_chunks().0,
            scales: of(&self.scales[at.clone()]),
            offsets: of(self.offsets.get(at).unwrap_or_default()),
        }
    }
}

/// The tensors of 16 outputs: for each word, or group, one of every output.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) words: &'a [[i32; BLOCK]],
    /// Half precision, as bits.
    pub(super) scales: &'a [[u16; BLOCK]],
    /// Half precision, as bits; empty where all zeros are one.
    pub(super) offsets: &'a [[u16; BLOCK]],
}
