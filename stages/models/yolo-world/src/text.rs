//! The text encoder: that of CLIP which the detector was trained with, ViT-B/32 in published ones.

use std::path::Path;

use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;
use ccsr_clip::{Cleaning, Padding, TextModel, TokenizeError, Tokenizer, text_config};
use ccsr_nn::ops::linear;
use ccsr_nn::{Checkpoint, read_config};
use serde::Deserialize;

use crate::weights::{LoadError, STEMS};

/// Texts that go through the encoder at once.
const TOGETHER: usize = 80;

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

/// What `config.json` says beside the text tower's configuration.
#[derive(Deserialize)]
struct Towers {
    projection_dim: Option<usize>,
}

/// CLIP's text tower with its projection.
#[derive(Module, Debug)]
pub struct Projected {
    pub(crate) text_model: TextModel,
    pub(crate) text_projection: Linear,
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
        let config = text_config(folder).map_err(LoadError::from)?;
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
        for ids in &mut ids {
            ids.truncate(longest);
        }
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
