//! `train.autoencoder`: the autoencoder between pictures and latents of a diffusion model, from nothing.
//!
//! How far latents are to be scaled, so that their standard deviation is 1, is measured when its files are written.

use std::path::Path;

use burn::prelude::*;
use ccsr_nn::Row;
use ccsr_sampling::noise::Noise;
use ccsr_stable_diffusion::{Autoencoder, AutoencoderConfig, autoencoder_name, load_autoencoder};
use ccsr_stage::{Blobs, ColumnType, InputPort, Inputs, Misfit, Misfits, StageError, Value};
use ccsr_training::{
    AutoencoderBatch, AutoencoderObjective, AutoencoderTrainer, Gradient, Initial, initial,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::cores::StepParts;
use crate::failed;
use crate::pretraining::{
    File, Learner, Pictures, Recipe, Step, Training, examples, list, put_network, source,
};
use crate::range::within;

/// Channels that a norm treats alike.
const GROUPS: usize = 8;
/// Pictures whose latents are measured.
const MEASURED: usize = 512;
/// Pictures that are encoded at a time.
pub(crate) const TOGETHER: usize = 16;

/// Parameters of `train.autoencoder`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// How it is trained.
    pub training: Training,
    /// Channels at each level, multiples of 8; each level has half the side of the one before, so three levels make a
    /// latent cell of 4 x 4 pixels.
    pub channels: Vec<u32>,
    /// Residual networks at each level of the encoder; the decoder's levels have one more.
    pub layers: u32,
    /// Channels of latents.
    pub latent_channels: u32,
    /// How much the mean square of the difference between pictures counts, beside its mean.
    pub square: f64,
    /// How much it counts that latents are not distributed normally around 0, with a deviation of 1.
    pub divergence: f64,
}

impl Default for Params {
    fn default() -> Self {
        let objective = AutoencoderObjective::default();
        Self {
            training: Training::default(),
            channels: vec![24, 48, 64],
            layers: 1,
            latent_channels: 4,
            square: objective.square,
            divergence: objective.divergence,
        }
    }
}

/// What is trained.
pub(crate) struct Compressor {
    trainer: AutoencoderTrainer,
    config: AutoencoderConfig,
    pictures: Pictures,
    seed: u64,
    device: Device,
}

/// What is wrong with channels by levels.
pub(crate) fn misfits_of_levels(channels: &[u32]) -> Misfits {
    let levels = channels.len();
    if !(1..=6).contains(&levels) {
        let message = format!("there are {levels} levels; expected from 1 to 6");
        return Misfit::new(["channels"], message).into();
    }
    let mut misfits = Misfits::new();
    for (index, channels) in channels.iter().enumerate() {
        if !(8..=2048).contains(channels) || !(*channels as usize).is_multiple_of(GROUPS) {
            let message = format!("`{channels}` is no multiple of {GROUPS} from 8 to 2048");
            misfits.add(Misfit::new(["channels", &index.to_string()], message));
        }
    }
    misfits
}

/// What a step looks at.
pub(crate) struct Drawn {
    examples: Vec<usize>,
    /// Where in their posteriors their latents are.
    noise: Tensor<4>,
}

impl Recipe for Params {
    const NAME: &'static str = "train.autoencoder";
    const SUMMARY: &'static str =
        "Trains the autoencoder of a latent diffusion model on pictures, from nothing.";
    const REVISION: u32 = 3;
    type Learner = Compressor;

    fn training(&self) -> &Training {
        &self.training
    }

    fn misfits(&self) -> Misfits {
        let mut misfits = misfits_of_levels(&self.channels);
        misfits.add(within("layers", self.layers, &(1..=8), ""));
        misfits.add(within(
            "latent_channels",
            self.latent_channels,
            &(1..=64),
            "",
        ));
        misfits.add(within("square", self.square, &(0.0..=1e6), ""));
        misfits.add(within("divergence", self.divergence, &(0.0..=1e6), ""));
        misfits
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::new("scenes", [("image", ColumnType::Image)])]
    }

    fn material(&self, inputs: &Inputs<'_>) -> Result<Value, StageError> {
        examples(inputs, "scenes", &["image"])
    }

    fn learner(
        &self,
        material: &Value,
        _: &Value,
        blobs: &dyn Blobs,
        device: &Device,
    ) -> Result<Compressor, StageError> {
        let rows = list(material)?.iter().filter_map(Value::as_list);
        let images: Vec<_> = rows.filter_map(|row| row.first()?.as_blob()).collect();
        let pictures = Pictures::read(&images, blobs)?;
        let config = self.config();
        let (sides, factor) = (pictures.side(), config.factor() as u32);
        if sides.iter().any(|side| !side.is_multiple_of(factor)) {
            let [width, height] = sides;
            return Err(StageError::input(format!(
                "pictures of {width} x {height} pixels do not part into latent cells of {factor} x {factor}"
            )));
        }
        let objective = AutoencoderObjective {
            square: self.square,
            divergence: self.divergence,
        };
        let graph = device.clone().autodiff();
        Ok(Compressor {
            trainer: AutoencoderTrainer::new(config.init(device), objective, &graph),
            config,
            pictures,
            seed: self.training.seed,
            device: device.clone(),
        })
    }
}

impl Params {
    /// Latents are not scaled while it is trained.
    fn config(&self) -> AutoencoderConfig {
        AutoencoderConfig {
            latent_channels: self.latent_channels as usize,
            block_out_channels: self.channels.iter().map(|it| *it as usize).collect(),
            layers_per_block: self.layers as usize,
            norm_num_groups: GROUPS,
            scaling_factor: 1.0,
            ..AutoencoderConfig::default()
        }
    }
}

impl Compressor {
    /// Standard normal numbers for the latents of so many pictures.
    fn noise(&self, noise: &mut Noise, pictures: usize) -> Tensor<4> {
        let [width, height] = self.pictures.side();
        let side = |pixels: u32| pixels as usize / self.config.factor();
        let shape = [
            pictures,
            self.config.latent_channels,
            side(height),
            side(width),
        ];
        let numbers = noise.numbers(shape.iter().product());
        Tensor::from_data(TensorData::new(numbers, shape), &self.device)
    }

    /// What latents are to be multiplied with, so that their standard deviation is 1.
    fn scaling_factor(&self, network: &Autoencoder) -> f64 {
        let pictures: Vec<usize> = (0..self.pictures.len().min(MEASURED)).collect();
        let mut noise = source("latents", self.seed, 0);
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for pictures in pictures.chunks(TOGETHER) {
            let posterior = network.encode(self.pictures.centred(pictures, &self.device));
            let latents = posterior.sample(self.noise(&mut noise, pictures.len()));
            for number in latents.into_data().iter::<f64>() {
                count += 1.0;
                sum += number;
                squares += number * number;
            }
        }
        let mean: f64 = sum / count;
        (squares / count - mean * mean)
            .max(f64::MIN_POSITIVE)
            .sqrt()
            .recip()
    }
}

impl Learner for Compressor {
    type Drawn = Drawn;

    const OUTER: &'static [&'static str] = &["conv_in", "conv_out", "quant_conv"];

    fn row(&self) -> &Row {
        self.trainer.row()
    }

    fn initial(&self, seed: u64) -> Result<Vec<f32>, StageError> {
        Ok(initial(self.row(), Initial::of, |index| {
            source("initial", seed, index as u64)
        }))
    }

    fn put(&self, numbers: &mut [f32], folder: &Path, device: &Device) -> Result<(), StageError> {
        let network = load_autoencoder(folder, device).map_err(failed)?.0;
        put_network(&network, "", self.row(), numbers)
    }

    fn draw(&self, step: &Step) -> Result<Drawn, StageError> {
        let examples = step.examples(self.pictures.len());
        Ok(Drawn {
            noise: self.noise(&mut step.noise("latents"), examples.len()),
            examples,
        })
    }

    fn gradient(
        &self,
        numbers: &[f32],
        drawn: &Drawn,
        parts: &StepParts<'_>,
    ) -> Result<Gradient, StageError> {
        parts.mean(|examples| {
            let images = &drawn.examples[examples.clone()];
            let batch = AutoencoderBatch {
                images: self.pictures.centred(images, &self.device),
                noise: drawn.noise.clone().slice(examples),
            };
            Ok(self.trainer.gradient(numbers, batch))
        })
    }

    fn files(&self, numbers: &[f32]) -> Result<Vec<(String, File)>, StageError> {
        let network = Row::put(self.config.init(&self.device), numbers, &self.device);
        let levels = self.config.block_out_channels.len();
        let mut config = serde_json::to_value(&self.config).map_err(failed)?;
        config["_class_name"] = json!("AutoencoderKL");
        config["down_block_types"] = json!(vec!["DownEncoderBlock2D"; levels]);
        config["up_block_types"] = json!(vec!["UpDecoderBlock2D"; levels]);
        config["sample_size"] = json!(self.pictures.side()[0]);
        config["scaling_factor"] = json!(self.scaling_factor(&network));
        let weights = self.row().file(numbers, autoencoder_name);
        Ok(vec![
            ("config.json".to_owned(), File::from(&config)),
            (
                "diffusion_pytorch_model.safetensors".to_owned(),
                File::from(weights),
            ),
        ])
    }
}

#[cfg(test)]
mod tests;
