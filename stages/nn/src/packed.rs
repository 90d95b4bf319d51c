//! Linear layers in the precision they are stored in: single, half, or packed in four or eight bits.

use burn::module::{Initializer, Param, ParamId};
use burn::nn::Linear;
use burn::prelude::*;
use burn::tensor::DType;
use ccsr_kernels::packed::{Form, Offset, Packed};

use crate::ops;

/// A linear layer that a checkpoint may hold packed.
#[derive(Module, Debug)]
pub enum Projection {
    /// In single or half precision.
    Plain(Linear),
    /// In four or eight bits.
    Packed(PackedLinear),
}

impl Projection {
    /// The layer of many rows.
    ///
    /// # Shapes
    /// `[rows, inputs]` to `[rows, outputs]`.
    pub fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Plain(layer) => ops::linear(layer, rows),
            Self::Packed(layer) => layer.forward(rows),
        }
    }

    /// The same but for rounding, for a few rows: a row's result is the same however many there are.
    ///
    /// # Shapes
    /// As [`forward`](Self::forward).
    pub fn forward_few(&self, rows: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Plain(layer) => ops::linear_few(layer, rows),
            Self::Packed(layer) => layer.forward(rows),
        }
    }
}

/// A linear layer whose weights are codes with a scale and an offset a group, as [`ccsr_kernels::packed`] lays them out.
/// They stay packed in memory.
#[derive(Module, Debug)]
pub struct PackedLinear {
    words: Param<Tensor<1, Int>>,
    scales: Param<Tensor<1>>,
    offsets: Option<Param<Tensor<1>>>,
    bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    form: Form,
}

impl PackedLinear {
    /// A layer of this form, without weights.
    pub fn new(form: Form, bias: bool, device: &Device) -> Self {
        let numbers = |count: usize| Initializer::Zeros.init([count], device);
        let words = Param::uninitialized(
            ParamId::new(),
            move |device, _| Tensor::zeros([form.word_count()], (device, DType::I32)),
            device.clone(),
            false,
            [form.word_count()].into(),
        );
        Self {
            words,
            scales: numbers(form.scale_count()),
            offsets: (form.offset_count() > 0).then(|| numbers(form.offset_count())),
            bias: bias.then(|| numbers(form.outputs())),
            form,
        }
    }

    fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        let scales = self.scales.val();
        let offsets = match &self.offsets {
            Some(offsets) => offsets.val(),
            None => scales.clone(),
        };
        let out = ops::packed_linear(rows, self.words.val(), scales, offsets, self.form);
        match &self.bias {
            Some(bias) => {
                let bias = bias.val().cast(out.dtype());
                out + bias.unsqueeze()
            }
            None => out,
        }
    }
}

/// The tensors of a packed layer of this name, as [`Checkpoint::of_tensors`](crate::Checkpoint::of_tensors) takes them.
pub fn packed_tensors(layer: &str, packed: Packed) -> Vec<(String, TensorData)> {
    let name = |part: &str| format!("{layer}.{part}");
    let vector = |part: &str, numbers: Vec<half::f16>| {
        let count = numbers.len();
        (name(part), TensorData::new(numbers, [count]))
    };
    let count = packed.words.len();
    let words = TensorData::new(packed.words, [count]);
    let mut tensors = vec![(name("words"), words), vector("scales", packed.scales)];
    if !matches!(packed.form.offset(), Offset::Zero(_)) {
        tensors.push(vector("offsets", packed.offsets));
    }
    tensors
}

/// What stands for each token, kept in the precision it is stored in.
#[derive(Module, Debug)]
pub struct TokenEmbedding {
    weight: Param<Tensor<2>>,
}

impl TokenEmbedding {
    /// So many tokens of so many numbers, without weights.
    pub fn new(tokens: usize, numbers: usize, device: &Device) -> Self {
        Self {
            weight: Initializer::Zeros.init([tokens, numbers], device),
        }
    }

    /// The numbers of tokens.
    ///
    /// # Shapes
    /// `[tokens, numbers]`.
    ///
    /// # Panics
    /// If there is no such token.
    pub fn forward(&self, tokens: &[u32]) -> Tensor<2> {
        let weight = self.weight.val();
        let ids: Vec<i64> = tokens.iter().map(|token| i64::from(*token)).collect();
        let ids = Tensor::<1, Int>::from_data(ids.as_slice(), &weight.device());
        let rows = ops::gather_rows(weight, ids);
        if rows.device().without_autodiff() == Device::flex() {
            rows.cast(DType::F32)
        } else {
            rows
        }
    }

    /// How alike rows are to each token, as products.
    ///
    /// # Shapes
    /// `rows`: `[rows, numbers]`; the answer: `[rows, tokens]`.
    pub fn compare(&self, rows: Tensor<2>, few: bool) -> Tensor<2> {
        let layer = Linear {
            weight: self.weight.clone().map(Tensor::transpose),
            bias: None,
        };
        if few {
            ops::linear_few(&layer, rows)
        } else {
            ops::linear(&layer, rows)
        }
    }
}
