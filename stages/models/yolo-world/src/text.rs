//! The text encoder: that of CLIP which the detector was trained with, ViT-B/32 in published ones.

use std::path::Path;

use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;
use ccsr_clip::{Cleaning, Padding, TextConfig, TextModel, TokenizeError, Tokenizer};
use ccsr_nn::ops::linear;
use ccsr_nn::{Checkpoint, Row, read_config};
use half::f16;
use serde::Deserialize;

use crate::weights::{LoadError, STEMS};

/// Texts that go through the encoder at once.
const TOGETHER: usize = 80;
/// How much names that are spread give way, as a share of their mean square.
const DAMPING: f64 = 1e-4;

/// Why names cannot be encoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// The encoder's weights.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The tokenizer, or a name that it does not take.
    #[error(transparent)]
    Tokenize(#[from] TokenizeError),
}

/// `config.json`: of a text tower, or of both towers.
#[derive(Deserialize)]
struct Towers {
    text_config: Option<TextConfig>,
    projection_dim: Option<usize>,
}

/// CLIP's text tower with its projection.
#[derive(Module, Debug)]
pub struct Projected {
    text_model: TextModel,
    text_projection: Linear,
}

/// Names into features.
pub struct TextEncoder {
    model: Projected,
    tokenizer: Tokenizer,
    device: Device,
}

impl TextEncoder {
    /// Loads an encoder from a folder of the hub: `config.json`, `model.safetensors` and the tokenizer's files, of CLIP or
    /// of its text tower with projection alone.
    pub fn load(folder: &Path, device: &Device) -> Result<Self, TextError> {
        let path = folder.join("config.json");
        let towers: Towers = read_config(&path).map_err(LoadError::from)?;
        let config = match towers.text_config {
            Some(config) => config,
            None => read_config(&path).map_err(LoadError::from)?,
        };
        let width = towers.projection_dim.unwrap_or(config.projection_dim);
        let tokenizer = Tokenizer::open(folder, config.max_position_embeddings)?;
        let weights = Checkpoint::open(folder, &STEMS).and_then(|weights| weights.rename(renamed));
        let model = Projected {
            text_model: config.init(device),
            text_projection: LinearConfig::new(config.hidden_size, width)
                .with_bias(false)
                .init(device),
        };
        let model = weights.and_then(|weights| weights.load(model));
        Ok(Self {
            model: model.map_err(LoadError::from)?,
            tokenizer: tokenizer.with_cleaning(Cleaning::OpenAi),
            device: device.clone(),
        })
    }

    /// The network in it.
    pub const fn network(&self) -> &Projected {
        &self.model
    }

    /// Numbers of a text's features.
    pub fn width(&self) -> usize {
        self.model.text_projection.weight.dims()[1]
    }

    /// Features of names, each of length 1. A name stands for itself: nothing is put around it.
    ///
    /// # Shapes
    /// `[names, width]`.
    pub fn features<S: AsRef<str>>(&self, names: &[S]) -> Result<Tensor<2>, TextError> {
        if names.is_empty() {
            return Ok(Tensor::zeros([0, self.width()], &self.device));
        }
        let encoded = names.chunks(TOGETHER).map(|names| {
            let ids = self.ids(names)?;
            Ok(self.model.features(self.tensor(&ids)))
        });
        let encoded = encoded.collect::<Result<Vec<_>, TextError>>()?;
        Ok(Tensor::cat(encoded, 0))
    }

    /// Names as [`Projected::features`] takes them, without the padding that all have.
    ///
    /// # Shapes
    /// `[names, tokens]`.
    pub fn tokens<S: AsRef<str>>(&self, names: &[S]) -> Result<Tensor<2, Int>, TextError> {
        let mut ids = self.ids(names)?;
        let length = |ids: &Vec<i64>| 1 + ids.iter().rposition(|id| *id != 0).unwrap_or_default();
        let longest = ids.iter().map(length).max().unwrap_or(1);
        ids.iter_mut().for_each(|ids| ids.truncate(longest));
        Ok(self.tensor(&ids))
    }

    fn ids<S: AsRef<str>>(&self, names: &[S]) -> Result<Vec<Vec<i64>>, TextError> {
        let tokenise = |name: &S| Ok(self.tokenizer.tokenise(name.as_ref(), Padding::Zero)?.ids);
        names.iter().map(tokenise).collect()
    }

    fn tensor(&self, ids: &[Vec<i64>]) -> Tensor<2, Int> {
        let tokens = ids.first().map_or(0, Vec::len);
        let ids = TensorData::new(ids.concat(), [ids.len(), tokens]);
        Tensor::from_data(ids, &self.device)
    }
}

impl Projected {
    /// The same tower with another last layer, so that these names lie as far apart as they can: their features are at right
    /// angles but for what all have in common, which is taken away. If there are more names than a text's features have
    /// numbers, or one alone, it stays as it is.
    ///
    /// # Shapes
    /// `tokens`: `[names, tokens]`.
    #[must_use]
    pub fn spread(self, tokens: Tensor<2, Int>) -> Self {
        let row = Row::of(&self);
        let mut numbers = Row::numbers(&self);
        let place = |name: &str| row.range(name).expect("it is a parameter of the tower");
        let shift = place("text_model.final_layer_norm.bias");
        let projection = place("text_projection.weight");
        let tower = &self.text_model;
        let pooled = tower.pool(tower.forward(tokens.clone()), tokens);
        let [count, width] = pooled.dims();
        let features = projection.len() / width;
        if count > features {
            return self;
        }
        let pooled = pooled.into_data().convert::<f64>();
        let pooled = pooled.try_to_vec::<f64>().expect("it was converted above");
        let names: Vec<&[f64]> = pooled.chunks_exact(width).collect();
        let mean = |at: usize| names.iter().map(|name| name[at]).sum::<f64>() / count as f64;
        let means: Vec<f64> = (0..width).map(mean).collect();
        let centred = names.iter().map(|name| {
            let pairs = name.iter().zip(&means);
            pairs.map(|(number, mean)| number - mean).collect()
        });
        let centred: Vec<Vec<f64>> = centred.collect();
        // One name, or the same several times: there is nothing to be told apart.
        if centred.iter().flatten().all(|number| *number == 0.0) {
            return self;
        }
        let solved = ridge(&centred);
        for (number, mean) in numbers[shift].iter_mut().zip(&means) {
            *number = half(f64::from(*number) - mean);
        }
        for (at, weight) in numbers[projection].iter_mut().enumerate() {
            let (input, output) = (at / features, at % features);
            *weight = solved.get(output).map_or(0.0, |name| half(name[input]));
        }
        let device = self.text_projection.weight.val().device();
        Row::put(self, &numbers, &device)
    }

    /// Features of names, each of length 1.
    ///
    /// # Shapes
    /// `tokens`: `[names, tokens]`; the answer: `[names, width]`.
    pub fn features(&self, tokens: Tensor<2, Int>) -> Tensor<2> {
        let tower = &self.text_model;
        let pooled = tower.pool(tower.forward(tokens.clone()), tokens);
        let features = linear(&self.text_projection, pooled);
        let length = features.clone().square().sum_dim(1).sqrt();
        features / length
    }
}

/// A tensor's name here: what is not of the text tower is left out. Newer files leave out the tower's name where there is
/// one tower only.
fn renamed(name: &str) -> Option<String> {
    let others = ["vision_model.", "visual_projection.", "logit_scale"];
    if name.ends_with(".position_ids") || others.iter().any(|other| name.starts_with(other)) {
        return None;
    }
    let bare = ["embeddings.", "encoder.", "final_layer_norm."];
    let bare = bare.iter().any(|part| name.starts_with(part));
    Some(if bare {
        format!("text_model.{name}")
    } else {
        name.to_owned()
    })
}

/// As files have it.
fn half(number: f64) -> f32 {
    f16::from_f64(number).to_f32()
}

/// What takes each of these rows to 1 and the others to 0, as nearly as a little damping lets it.
fn ridge(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let dot = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
    let count = rows.len();
    let trace: f64 = rows.iter().map(|row| dot(row, row)).sum();
    let damping = DAMPING * trace / count as f64 + f64::MIN_POSITIVE;
    // (R Rᵀ + damping) X = R by elimination; the matrix is positive definite.
    let mut matrix: Vec<Vec<f64>> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| {
            let mut products: Vec<f64> = rows.iter().map(|other| dot(row, other)).collect();
            products[at] += damping;
            products
        })
        .collect();
    let mut solved = rows.to_vec();
    for pivot in 0..count {
        let (own, right) = (matrix[pivot].clone(), solved[pivot].clone());
        for at in (0..count).filter(|at| *at != pivot) {
            let factor = matrix[at][pivot] / own[pivot];
            subtract(&mut matrix[at], &own, factor);
            subtract(&mut solved[at], &right, factor);
        }
    }
    for (at, row) in solved.iter_mut().enumerate() {
        row.iter_mut().for_each(|number| *number /= matrix[at][at]);
    }
    solved
}

fn subtract(from: &mut [f64], other: &[f64], factor: f64) {
    for (number, other) in from.iter_mut().zip(other) {
        *number -= factor * other;
    }
}
