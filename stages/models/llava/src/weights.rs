//! Checkpoints of LLaVA, as the hub and as `transformers` 5 lay them out.
//!
//! A file has two networks: what is said of one is not looked at for the other.

use std::path::Path;

use burn::prelude::*;
use ccsr_nn::{Checkpoint, WeightError};

use crate::{ImageEncoder, LlavaConfig, LlavaConfigError};

/// Stems of weight files.
pub(crate) const STEMS: [&str; 1] = ["model"];
/// The vision tower, as the hub calls it; `transformers` 5 leaves out the second level.
const TOWER: (&str, &str) = ("vision_tower.", "vision_model.");
/// The language model.
const LANGUAGE: &str = "language_model.";
/// What makes words of its states.
const HEAD: &str = "lm_head.weight";

/// Why a checkpoint cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] LlavaConfigError),
    /// The weights.
    #[error(transparent)]
    Weights(#[from] WeightError),
    /// The language model.
    #[error(transparent)]
    Language(#[from] ccsr_mistral::LoadError),
}

/// Loads all but the language model from a folder: `config.json` and `model.safetensors`, sharded or not.
pub fn load_image_encoder(
    folder: &Path,
    device: &Device,
) -> Result<(ImageEncoder, LlavaConfig), LoadError> {
    let config = LlavaConfig::open(folder)?;
    let weights = Checkpoint::open(folder, &STEMS)?.rename(vision_name)?;
    Ok((weights.load(config.init(device))?, config))
}

/// A tensor's name in an [`ImageEncoder`], unless it is the language model's. Old files number positions, too.
pub(crate) fn vision_name(name: &str) -> Option<String> {
    let name = name.strip_prefix("model.").unwrap_or(name);
    if name.starts_with(LANGUAGE) || name == HEAD || name.ends_with(".position_ids") {
        return None;
    }
    let (tower, level) = TOWER;
    Some(match name.strip_prefix(tower) {
        Some(rest) if !rest.starts_with(level) => format!("{tower}{level}{rest}"),
        _ => name.to_owned(),
    })
}

/// A tensor's name in a checkpoint of the language model by itself (`model.layers.0.…`, `lm_head.weight`),
/// unless it is not the language model's.
pub fn language_name(name: &str) -> Option<String> {
    if name == HEAD {
        return Some(name.to_owned());
    }
    let name = name.strip_prefix("model.").unwrap_or(name);
    let own = name.strip_prefix(LANGUAGE)?;
    let has_level = own.starts_with("model.") || own == HEAD;
    Some(if has_level {
        own.to_owned()
    } else {
        format!("model.{own}")
    })
}

/// What the hub's files call a parameter of a [`Llava`](crate::Llava).
pub fn hub_name(name: &str) -> String {
    match (
        name.strip_prefix("encoder."),
        name.strip_prefix("language."),
    ) {
        (Some(name), _) => name.to_owned(),
        (None, Some(name)) => format!("{LANGUAGE}{name}"),
        (None, None) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{language_name, vision_name};

    #[test]
    fn names_of_the_hub_and_of_transformers_5_are_told_apart() {
        let of_hub = [
            "vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias",
            "multi_modal_projector.linear_1.weight",
            "image_newline",
            "language_model.model.layers.0.mlp.up_proj.weight",
            "language_model.lm_head.weight",
            "vision_tower.vision_model.embeddings.position_ids",
        ];
        let of_transformers_5 = [
            "model.vision_tower.encoder.layers.0.mlp.fc1.bias",
            "model.multi_modal_projector.linear_1.weight",
            "model.image_newline",
            "model.language_model.layers.0.mlp.up_proj.weight",
            "lm_head.weight",
            "vision_tower.embeddings.position_ids",
        ];
        let vision = of_hub.map(|name| Some(name.to_owned()));
        for names in [of_hub, of_transformers_5] {
            let found = names.map(vision_name);
            assert_eq!(found[..3], vision[..3]);
            assert_eq!(found[3..], [None, None, None]);
            let found = names.map(language_name);
            assert_eq!(found[..3], [None, None, None]);
            let layer = "model.layers.0.mlp.up_proj.weight".to_owned();
            assert_eq!(
                found[3..],
                [Some(layer), Some("lm_head.weight".into()), None]
            );
        }
    }
}
