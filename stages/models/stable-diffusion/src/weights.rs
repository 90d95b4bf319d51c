//! Checkpoints of Stable Diffusion, as the hub lays them out: a folder a network.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use ccsr_nn::{Adapter, Checkpoint, Component, ConfigError, WeightError, read_config};

use crate::tiny;
use crate::{
    Autoencoder, AutoencoderConfig, TinyAutoencoder, TinyAutoencoderConfig, UNet, UNetConfig,
};

/// Stems of weight files.
const STEMS: [&str; 1] = ["diffusion_pytorch_model"];

/// What a part of the UNet is called in files and here.
const UNET: &[(&str, &str)] = &[
    (".ff.net.0.proj.", ".ff.gated."),
    (".ff.net.2.", ".ff.out."),
];

/// The same of the autoencoder; old files have other names for its attention.
const AUTOENCODER: &[(&str, &str)] = &[
    (".query.", ".attention.to_q."),
    (".key.", ".attention.to_k."),
    (".value.", ".attention.to_v."),
    (".proj_attn.", ".attention.to_out.0."),
    (".to_q.", ".attention.to_q."),
    (".to_k.", ".attention.to_k."),
    (".to_v.", ".attention.to_v."),
    (".to_out.", ".attention.to_out."),
];

/// Why a checkpoint cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The configuration cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The configuration contradicts itself.
    #[error("`{}`: {problem}", path.display())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The weights.
    #[error(transparent)]
    Weights(#[from] WeightError),
}

/// A tensor's name here: the first part of it that the table knows is replaced.
pub(crate) fn renamed(name: &str, table: &[(&str, &str)]) -> String {
    let known = table.iter().find(|(theirs, _)| name.contains(theirs));
    known.map_or_else(
        || name.to_owned(),
        |(theirs, ours)| name.replacen(theirs, ours, 1),
    )
}

/// Loads a UNet from its folder: `config.json` and `diffusion_pytorch_model.safetensors`.
pub fn load_unet(folder: &Path, device: &Device) -> Result<(UNet, UNetConfig), LoadError> {
    let path = folder.join("config.json");
    let config: UNetConfig = read_config(&path)?;
    if let Some(problem) = config.problem() {
        return Err(LoadError::Contradiction { path, problem });
    }
    let weights = Checkpoint::open(folder, &STEMS)?.rename(|name| Some(renamed(name, UNET)))?;
    Ok((weights.load(config.init(device))?, config))
}

/// Adds a LoRA adapter to a UNet, `scale` times; several are stacked one after the other.
pub fn adapt_unet(unet: UNet, adapter: &Adapter, scale: f64) -> Result<UNet, WeightError> {
    adapter.apply(unet, Component::UNet, scale, unet_name)
}

/// What the hub calls a weight of the autoencoder.
pub fn autoencoder_name(name: &str) -> String {
    name.replacen(".attention.", ".", 1)
}

/// What the hub calls a weight of the UNet.
pub fn unet_name(name: &str) -> String {
    let known = UNET.iter().find(|(_, ours)| name.contains(ours));
    known.map_or_else(
        || name.to_owned(),
        |(theirs, ours)| name.replacen(ours, theirs, 1),
    )
}

/// Loads an autoencoder from its folder.
pub fn load_autoencoder(
    folder: &Path,
    device: &Device,
) -> Result<(Autoencoder, AutoencoderConfig), LoadError> {
    let config: AutoencoderConfig = read_config(&folder.join("config.json"))?;
    let weights =
        Checkpoint::open(folder, &STEMS)?.rename(|name| Some(renamed(name, AUTOENCODER)))?;
    Ok((weights.load(config.init(device))?, config))
}

/// Loads a tiny autoencoder from its folder.
pub fn load_tiny_autoencoder(
    folder: &Path,
    device: &Device,
) -> Result<(TinyAutoencoder, TinyAutoencoderConfig), LoadError> {
    let path = folder.join("config.json");
    let config: TinyAutoencoderConfig = read_config(&path)?;
    if let Some(problem) = config.problem() {
        return Err(LoadError::Contradiction { path, problem });
    }
    let weights = Checkpoint::open(folder, &STEMS)?.rename(|name| Some(tiny::renamed(name)))?;
    Ok((weights.load(config.init(device))?, config))
}
