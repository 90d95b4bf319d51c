//! The whole: images and text in, states of a language model out.

use std::path::Path;
use std::sync::Arc;

use burn::prelude::*;
use ccsr_mistral::{ContextError, Mistral, MistralConfig, Packing, Prefix, load_weights};
use ccsr_nn::Checkpoint;

use crate::weights::{LoadError, STEMS, language_name};
use crate::{ExpandError, ImageEncoder, LlavaConfig, Prepared, expand, load_image_encoder};

/// LLaVA: what it sees of images stands among the tokens that its language model reads.
#[derive(Module, Debug)]
pub struct Llava {
    encoder: ImageEncoder,
    language: Mistral,
    #[module(skip)]
    image_token: u32,
}

/// Why a text with images cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There are more images than places for them in the text, or fewer.
    #[error(transparent)]
    Images(#[from] ExpandError),
    /// It is too long.
    #[error(transparent)]
    Context(#[from] ContextError),
}

/// Parts of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The vision tower.
    pub vision: bool,
    /// What puts its features among the embeddings of tokens.
    pub projector: bool,
    /// The language model.
    pub language: bool,
}

impl Llava {
    /// A model of this configuration, without weights.
    ///
    /// # Errors
    /// A sentence about the configuration of its language model, if that does not fit.
    pub fn new(config: &LlavaConfig, device: &Device) -> Result<Self, String> {
        let language = MistralConfig::of_json(&config.text_config)?;
        Ok(Self {
            encoder: config.init(device),
            language: Mistral::new(&language, &Packing::default(), device),
            image_token: config.image_token_index,
        })
    }

    /// The model, of which no gradients of these parts are wanted.
    #[must_use]
    pub fn frozen(mut self, parts: Parts) -> Self {
        self.encoder = self.encoder.frozen(parts.vision, parts.projector);
        if parts.language {
            self.language = self.language.no_grad();
        }
        self
    }

    /// Loads a model from a folder: `config.json` and `model.safetensors`, sharded or not.
    pub fn load(folder: &Path, device: &Device) -> Result<Self, LoadError> {
        let (encoder, config) = load_image_encoder(folder, device)?;
        let language = load_language_model(folder, &config, device)?;
        Ok(Self {
            encoder,
            language,
            image_token: config.image_token_index,
        })
    }

    /// Its language model.
    pub const fn language(&self) -> &Mistral {
        &self.language
    }

    /// The token that stands for an image.
    pub const fn image_token(&self) -> u32 {
        self.image_token
    }

    /// What it sees of images, each in so many rows as [`Layout::tokens`](crate::Layout::tokens) says.
    ///
    /// # Shapes
    /// `[tokens, width]` an image.
    pub fn look(&self, images: &[Prepared]) -> Vec<Tensor<2>> {
        self.encoder.forward(images)
    }

    /// A text's rows, with what is seen of images in the places of their tokens.
    ///
    /// # Shapes
    /// `images`: as [`look`](Self::look) answers, one for each image token of the text; the answer: `[tokens, width]`.
    pub fn embed(&self, text: &[u32], images: &[Tensor<2>]) -> Result<Tensor<2>, ExpandError> {
        expand::check(text, self.image_token, images.len())?;
        let mut parts = Vec::new();
        let mut images = images.iter();
        for (index, words) in text.split(|token| *token == self.image_token).enumerate() {
            if index > 0 {
                parts.extend(images.next().cloned());
            }
            if !words.is_empty() {
                parts.push(self.language.embed(words));
            }
        }
        Ok(Tensor::cat(parts, 0))
    }

    /// A beginning with images in it, read once.
    pub fn read(&self, text: &[u32], images: &[Tensor<2>]) -> Result<Arc<Prefix>, ReadError> {
        let rows = self.embed(text, images)?;
        Ok(Arc::new(self.language.read(None, rows)?))
    }
}

fn load_language_model(
    folder: &Path,
    config: &LlavaConfig,
    device: &Device,
) -> Result<Mistral, LoadError> {
    let language = MistralConfig::of_json(&config.text_config).map_err(|why| {
        LoadError::Language(ccsr_mistral::LoadError::Config {
            path: folder.join("config.json"),
            why: format!("`text_config`: {why}"),
        })
    })?;
    let weights = Checkpoint::open(folder, &STEMS)?.rename(language_name)?;
    Ok(load_weights(&language, weights, device)?)
}
