//! Checkpoints: `config.json` and `model.safetensors`, as training writes them.

use std::path::Path;

use burn::prelude::*;
use ccsr_nn::{Checkpoint, ConfigError, WeightError, read_config};

use crate::{Witness, WitnessConfig};

/// Why a witness cannot be loaded.
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

/// Loads a witness from a folder.
pub fn load_witness(folder: &Path, device: &Device) -> Result<(Witness, WitnessConfig), LoadError> {
    let config: WitnessConfig = read_config(&folder.join("config.json"))?;
    let weights = Checkpoint::open(folder, &["model"])?;
    Ok((weights.load(config.init(device))?, config))
}
