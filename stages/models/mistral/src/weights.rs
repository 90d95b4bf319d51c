//! Checkpoints as the hub has them, into the network.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use ccsr_gguf::GgufError;
use ccsr_nn::{Checkpoint, ConfigError, WeightError};

use crate::config::MistralConfig;
use crate::gguf::load_gguf;
use crate::model::Mistral;
use crate::quantisation::{Packing, PackingError};

/// What a checkpoint's weights are called, without an ending.
const STEMS: [&str; 1] = ["model"];

/// Why a language model cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The configuration cannot be read.
    #[error(transparent)]
    Unread(#[from] ConfigError),
    /// The configuration is of something that is not known here.
    #[error("`{}`: {why}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        why: String,
    },
    /// The weights do not fit the configuration.
    #[error(transparent)]
    Weights(#[from] WeightError),
    /// A GGUF file cannot be read.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// Packed weights are of sizes that cannot be.
    #[error(transparent)]
    Packing(#[from] PackingError),
}

/// Loads a language model: a GGUF file, or a folder with `config.json`, and `model.safetensors` or its shards.
pub fn load(path: &Path, device: &Device) -> Result<Mistral, LoadError> {
    if path.is_file() {
        return load_gguf(path, device);
    }
    let folder = path;
    let config = MistralConfig::open(folder)?;
    let weights = Checkpoint::open(folder, &STEMS)?;
    load_weights(&config, weights, device)
}

/// Loads a language model from a checkpoint's tensors, by the names that a checkpoint of a language model alone has.
pub fn load_weights(
    config: &MistralConfig,
    weights: Checkpoint,
    device: &Device,
) -> Result<Mistral, LoadError> {
    let packing = Packing::of(config)?;
    let network = Mistral::new(config, &packing, device);
    let weights = weights.rename(|name| kept(name, config))?;
    Ok(weights.repack_awq(packing.layers())?.load(network)?)
}

/// A tensor's name, if it is a weight: old files have the angles of rotary embedding, too, and some repeat the
/// embeddings as what compares with tokens.
fn kept(name: &str, config: &MistralConfig) -> Option<String> {
    let is_angle = name.ends_with(".rotary_emb.inv_freq");
    let is_copy = config.tied && name == "lm_head.weight";
    (!is_angle && !is_copy).then(|| name.to_owned())
}
