//! Checkpoints: the state of an `ultralytics` model, as safetensors.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use ccsr_nn::{Checkpoint, ConfigError, WeightError, read_config};

use crate::config::Scale;
use crate::{Network, YoloWorldConfig};

/// Stems of weight files.
pub(crate) const STEMS: [&str; 1] = ["model"];

/// Layers by their numbers there; those between them have no weights.
const LAYERS: [(&str, &str); 17] = [
    ("0", "down_2"),
    ("1", "down_4"),
    ("2", "stage_4"),
    ("3", "down_8"),
    ("4", "stage_8"),
    ("5", "down_16"),
    ("6", "stage_16"),
    ("7", "down_32"),
    ("8", "stage_32"),
    ("9", "pool"),
    ("12", "neck_16"),
    ("15", "neck_8"),
    ("16", "lower_16"),
    ("18", "out_16"),
    ("19", "lower_32"),
    ("21", "out_32"),
    ("22", "detect"),
];

/// Why a detector cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The weights.
    #[error(transparent)]
    Weights(#[from] WeightError),
    /// Weights of version 1.
    #[error(
        "`{}` is YOLO-World of version 1, whose texts look at the image, too; take a checkpoint of version 2, whose name \
         ends in `-worldv2`", path.display()
    )]
    Version1 {
        /// The folder.
        path: PathBuf,
    },
    /// Without a configuration, and of no published size.
    #[error(
        "`{}` has no config.json and is of no published size: {why}; write one, such as \
         {{\"model_type\": \"yolo-world-v2\", \"scale\": \"s\"}}", path.display()
    )]
    UnknownSize {
        /// The folder.
        path: PathBuf,
        /// What is strange.
        why: String,
    },
}

/// A tensor's name here. What is no weight is left out: counts of batches, and the distances that boxes are mixtures of.
pub fn renamed(name: &str) -> Option<String> {
    if name.ends_with(".num_batches_tracked") || name == "model.22.dfl.conv.weight" {
        return None;
    }
    let known = name.strip_prefix("model.").and_then(|rest| {
        let (number, rest) = rest.split_once('.')?;
        let (_, layer) = LAYERS.iter().find(|(theirs, _)| *theirs == number)?;
        Some(format!("{layer}.{rest}"))
    });
    Some(known.unwrap_or_else(|| name.to_owned()))
}

/// What files call a parameter of ours: [`renamed`] the other way.
pub fn written(name: &str) -> String {
    let known = name.split_once('.').and_then(|(layer, rest)| {
        let (theirs, _) = LAYERS.iter().find(|(_, ours)| *ours == layer)?;
        Some(format!("model.{theirs}.{rest}"))
    });
    known.unwrap_or_else(|| name.to_owned())
}

/// Loads a network from a folder, as files have it.
pub(crate) fn load(
    folder: &Path,
    device: &Device,
) -> Result<(Network, YoloWorldConfig), LoadError> {
    let weights = Checkpoint::open(folder, &STEMS)?;
    if weights
        .shapes()
        .any(|(name, _)| name.starts_with("model.23."))
    {
        return Err(LoadError::Version1 {
            path: folder.to_owned(),
        });
    }
    let path = folder.join("config.json");
    let config = if path.is_file() {
        read_config(&path)?
    } else {
        config_of(&weights).map_err(|why| LoadError::UnknownSize {
            path: folder.to_owned(),
            why,
        })?
    };
    let network = weights.rename(renamed)?.load(config.init(device))?;
    Ok((network, config))
}

/// The published size that weights have, by their first convolution.
fn config_of(weights: &Checkpoint) -> Result<YoloWorldConfig, String> {
    const STEM: &str = "model.0.conv.weight";
    let stem = weights.shapes().find(|(name, _)| *name == STEM);
    let (_, shape) = stem.ok_or_else(|| format!("there is no tensor `{STEM}`"))?;
    let outputs = shape.first().copied().unwrap_or(0);
    let scale = Scale::of_stem(outputs);
    let scale = scale.ok_or_else(|| format!("`{STEM}` has {outputs} outputs"))?;
    Ok(YoloWorldConfig::of(scale))
}
