//! Checkpoints of CLIP, as the hub and as `transformers` 5 lay them out.

use std::path::Path;

use burn::prelude::*;
use ccsr_nn::{Adapter, Checkpoint, Component, ConfigError, WeightError, read_config};
use serde::Deserialize;

use crate::{Clip, ClipConfig, TextConfig, TextModel, VisionModel};

/// Stems of weight files.
const STEMS: [&str; 1] = ["model"];

/// Why a checkpoint cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The weights.
    #[error(transparent)]
    Weights(#[from] WeightError),
}

/// A tensor's name here. Old files number positions, too; newer ones leave out the tower's name where
/// there is one tower only.
fn renamed(name: &str) -> Option<String> {
    (!name.ends_with(".position_ids")).then(|| name.to_owned())
}

/// Loads both towers from a folder: `config.json` and `model.safetensors`.
pub fn load_clip(folder: &Path, device: &Device) -> Result<(Clip, ClipConfig), LoadError> {
    let config: ClipConfig = read_config(&folder.join("config.json"))?;
    let weights = Checkpoint::open(folder, &STEMS)?.rename(renamed)?;
    Ok((weights.load(config.init(device))?, config))
}

/// The configuration of a text tower, of a text encoder of its own or of a whole CLIP.
pub fn text_config(folder: &Path) -> Result<TextConfig, ConfigError> {
    #[derive(Deserialize)]
    struct Towers {
        text_config: Option<TextConfig>,
    }
    let path = folder.join("config.json");
    let towers: Towers = read_config(&path)?;
    towers.text_config.map_or_else(|| read_config(&path), Ok)
}

/// Loads a text tower from a folder: a text encoder of its own, as in Stable Diffusion, or a whole CLIP's.
pub fn load_text(folder: &Path, device: &Device) -> Result<(TextModel, TextConfig), LoadError> {
    let config = text_config(folder)?;
    let weights = Checkpoint::open(folder, &STEMS)?.rename(|name| {
        let own = name.strip_prefix("text_model.").unwrap_or(name);
        let others = [
            "text_projection.",
            "vision_model.",
            "visual_projection.",
            "logit_scale",
        ];
        // What is no part of what Stable Diffusion uses.
        let is_own = |name: &String| !others.iter().any(|other| name.starts_with(other));
        renamed(own).filter(is_own)
    })?;
    Ok((weights.load(config.init(device))?, config))
}

/// Adds a LoRA adapter to a text tower, `scale` times; several are stacked one after the other.
pub fn adapt_text(
    text: TextModel,
    adapter: &Adapter,
    scale: f64,
) -> Result<TextModel, WeightError> {
    adapter.apply(text, Component::TextEncoder, scale, str::to_owned)
}

/// Loads the text tower of a checkpoint that has both.
pub fn load_text_tower(
    folder: &Path,
    device: &Device,
) -> Result<(TextModel, ClipConfig), LoadError> {
    let config: ClipConfig = read_config(&folder.join("config.json"))?;
    let weights = Checkpoint::open(folder, &STEMS)?
        .rename(renamed)?
        .below("text_model.");
    Ok((weights.load(config.text_config.init(device))?, config))
}

/// Loads the vision tower of a checkpoint that has both.
pub fn load_vision(folder: &Path, device: &Device) -> Result<(VisionModel, ClipConfig), LoadError> {
    let config: ClipConfig = read_config(&folder.join("config.json"))?;
    let weights = Checkpoint::open(folder, &STEMS)?
        .rename(renamed)?
        .below("vision_model.");
    Ok((weights.load(config.vision_config.init(device))?, config))
}
