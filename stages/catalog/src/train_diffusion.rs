//! `train.diffusion`: a latent diffusion model of captioned pictures, from nothing.
//!
//! Where pictures lie in the autoencoder's latent space is worked out once; texts are what the text tower of a CLIP makes of
//! them. What comes out is a folder as the hub lays out Stable Diffusion, with all its parts.

mod latents;

use std::path::Path;

use burn::prelude::*;
use ccsr_clip::{ClipConfig, Tokenizer, load_text_tower};
use ccsr_nn::Row;
use ccsr_sampling::{BetaSchedule, NoiseSchedule, Prediction, SchedulerConfig};
use ccsr_stable_diffusion::{UNetConfig, load_autoencoder, load_unet, unet_name};
use ccsr_stage::{Blobs, ColumnType, InputPort, Inputs, Misfits, Outcome, StageError, Value};
use ccsr_training::{DenoiserBatch, DenoiserTrainer, Gradient, Objective, initial};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::latents::Latents;
use crate::cores::StepParts;
use crate::failed;
use crate::latent_model::{
    TOKENS, Texts, UNET_OUTER, UNetSize, begin, files_below, pipeline_files, text_encoder_files,
    unet_files,
};
use crate::pretraining::{
    File, LaidOut, Learner, Pictures, Recipe, Step, Training, below, examples, list, model_port,
    model_value, part, put_network, source,
};
use crate::range::within;

/// Parameters of `train.diffusion`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// How it is trained. An average (`ema`) draws much better than the last numbers.
    pub training: Training,
    /// The size of the UNet.
    pub unet: UNetSize,
    /// What the network predicts: `noise`, or `velocity`.
    pub prediction: Predicts,
    /// γ of min-SNR, such as 5; 0 for all timesteps alike. With velocities, those with much noise then count less, too, in
    /// which it is decided what is to be seen.
    pub snr_gamma: f64,
    /// The share of captions that are left out, so that guidance knows what a picture of nothing is.
    pub caption_dropout: f64,
}

/// What a network predicts.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Predicts {
    /// The noise.
    Noise,
    /// The velocity (Salimans and Ho, 2022).
    Velocity,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            training: Training::default(),
            unet: UNetSize {
                channels: vec![64, 80, 96],
                layers: 1,
                head: 16,
                middle: true,
            },
            prediction: Predicts::Velocity,
            snr_gamma: 0.0,
            caption_dropout: 0.1,
        }
    }
}

/// What is trained.
pub(crate) struct Denoiser {
    trainer: DenoiserTrainer,
    unet: UNetConfig,
    scheduler: SchedulerConfig,
    /// Timesteps of training.
    timesteps: usize,
    latents: Latents,
    texts: Texts,
    caption_dropout: f64,
    clip: ClipConfig,
    material: Value,
}

/// What a step looks at, one an example.
pub(crate) struct Drawn {
    latents: Tensor<4>,
    noise: Tensor<4>,
    timesteps: Vec<usize>,
    /// None for a caption that is left out.
    texts: Vec<Option<usize>>,
}

impl Recipe for Params {
    const NAME: &'static str = "train.diffusion";
    const SUMMARY: &'static str =
        "Trains a latent diffusion model on captioned pictures, from nothing.";
    const REVISION: u32 = 3;
    type Learner = Denoiser;

    fn training(&self) -> &Training {
        &self.training
    }

    fn misfits(&self) -> Misfits {
        let mut misfits = self.unet.misfits().below("unet");
        misfits.add(within("snr_gamma", self.snr_gamma, &(0.0..=1e6), ""));
        misfits.add(within(
            "caption_dropout",
            self.caption_dropout,
            &(0.0..=1.0),
            "",
        ));
        misfits
    }

    fn inputs(&self) -> Vec<InputPort> {
        let columns = [("prompt", ColumnType::Text), ("image", ColumnType::Image)];
        vec![
            InputPort::new("scenes", columns),
            model_port("autoencoder"),
            model_port("clip"),
        ]
    }

    fn material(&self, inputs: &Inputs<'_>) -> Result<Value, StageError> {
        Ok(Value::map([
            (
                "examples",
                examples(inputs, "scenes", &["prompt", "image"])?,
            ),
            ("autoencoder", model_value(inputs, "autoencoder")?),
            ("clip", model_value(inputs, "clip")?),
        ]))
    }

    fn prepare(
        &self,
        material: &Value,
        blobs: &dyn Blobs,
        device: &Device,
        outcome: &mut Outcome,
    ) -> Result<Value, StageError> {
        let folder = LaidOut::new(part(material, "autoencoder")?, blobs)?;
        let (autoencoder, config) = load_autoencoder(folder.path(), device).map_err(failed)?;
        let rows = list(part(material, "examples")?)?.iter();
        let images: Vec<_> = rows
            .filter_map(|row| row.as_list()?.get(1)?.as_blob())
            .collect();
        let pictures = Pictures::read(&images, blobs)?;
        let [width, height] = pictures.side();
        if width != height || !(width as usize).is_multiple_of(config.factor()) {
            let factor = config.factor();
            return Err(StageError::input(format!(
                "pictures of {width} x {height} pixels are no squares of latent cells of {factor} x {factor}"
            )));
        }
        Ok(Latents::of(&autoencoder, &pictures, device)?.keep(outcome))
    }

    fn learner(
        &self,
        material: &Value,
        prepared: &Value,
        blobs: &dyn Blobs,
        device: &Device,
    ) -> Result<Denoiser, StageError> {
        let folder = LaidOut::new(part(material, "clip")?, blobs)?;
        let (encoder, clip) = load_text_tower(folder.path(), device).map_err(failed)?;
        let tokenizer = Tokenizer::open(folder.path(), TOKENS).map_err(failed)?;
        let rows = list(part(material, "examples")?)?.iter();
        let prompts = rows.filter_map(|row| row.as_list()?.first()?.as_text());
        let texts = Texts::new(encoder, &tokenizer, prompts, device)?;
        let latents = Latents::read(prepared, blobs, device)?;
        let [channels, side, _] = latents.shape();
        let unet = self
            .unet
            .config(channels, side, clip.text_config.hidden_size);
        let scheduler = self.scheduler();
        let schedule = NoiseSchedule::new(&scheduler).map_err(failed)?;
        let timesteps = schedule.len();
        let objective = Objective {
            schedule,
            snr_gamma: (self.snr_gamma > 0.0).then_some(self.snr_gamma),
        };
        let graph = device.clone().autodiff();
        Ok(Denoiser {
            trainer: DenoiserTrainer::new(unet.init(device), objective, &graph),
            unet,
            scheduler,
            timesteps,
            latents,
            texts,
            caption_dropout: self.caption_dropout,
            clip,
            material: material.clone(),
        })
    }
}

impl Params {
    /// Stable Diffusion's schedule, and the sampler that needs the fewest steps for it.
    fn scheduler(&self) -> SchedulerConfig {
        SchedulerConfig {
            class_name: Some("DPMSolverMultistepScheduler".to_owned()),
            num_train_timesteps: Some(1000),
            beta_start: Some(0.00085),
            beta_end: Some(0.012),
            beta_schedule: Some(BetaSchedule::ScaledLinear),
            prediction_type: Some(match self.prediction {
                Predicts::Noise => Prediction::Epsilon,
                Predicts::Velocity => Prediction::Velocity,
            }),
            // What samplers read whose name the suite or pipeline gives.
            clip_sample: Some(false),
            set_alpha_to_one: Some(false),
            skip_prk_steps: Some(true),
            steps_offset: Some(1),
            ..SchedulerConfig::default()
        }
    }
}

impl Learner for Denoiser {
    type Drawn = Drawn;

    const OUTER: &'static [&'static str] = UNET_OUTER;

    fn row(&self) -> &Row {
        self.trainer.row()
    }

    fn initial(&self, seed: u64) -> Result<Vec<f32>, StageError> {
        Ok(initial(self.row(), begin, |index| {
            source("initial", seed, index as u64)
        }))
    }

    fn put(&self, numbers: &mut [f32], folder: &Path, device: &Device) -> Result<(), StageError> {
        let network = load_unet(&folder.join("unet"), device).map_err(failed)?.0;
        put_network(&network, "", self.row(), numbers)
    }

    fn draw(&self, step: &Step) -> Result<Drawn, StageError> {
        let examples = step.examples(self.texts.len());
        let mut chance = step.noise("timesteps");
        let timesteps = examples.iter().map(|_| below(&mut chance, self.timesteps));
        let timesteps = timesteps.collect();
        let mut chance = step.noise("captions");
        let text = |example: &usize| (chance.uniform() >= self.caption_dropout).then_some(*example);
        Ok(Drawn {
            latents: self.latents.drawn(&examples, &mut step.noise("latents")),
            noise: self.latents.noise(examples.len(), &mut step.noise("noise")),
            timesteps,
            texts: examples.iter().map(text).collect(),
        })
    }

    fn gradient(
        &self,
        numbers: &[f32],
        drawn: &Drawn,
        parts: &StepParts<'_>,
    ) -> Result<Gradient, StageError> {
        parts.mean(|examples| {
            let batch = DenoiserBatch {
                latents: drawn.latents.clone().slice(examples.clone()),
                noise: drawn.noise.clone().slice(examples.clone()),
                timesteps: drawn.timesteps[examples.clone()].to_vec(),
                states: self.texts.states(&drawn.texts[examples]),
            };
            Ok(self.trainer.gradient(numbers, batch))
        })
    }

    fn files(&self, numbers: &[f32]) -> Result<Vec<(String, File)>, StageError> {
        let clip = part(&self.material, "clip")?;
        let mut files = pipeline_files(&self.scheduler)?;
        files.extend(text_encoder_files(self.texts.encoder(), &self.clip)?);
        for name in [
            "merges.txt",
            "special_tokens_map.json",
            "tokenizer_config.json",
            "vocab.json",
        ] {
            files.extend(files_below(clip, name, &format!("tokenizer/{name}"))?);
        }
        let weights = self.row().file(numbers, unet_name);
        files.extend(unet_files(&self.unet, weights)?);
        let autoencoder = part(&self.material, "autoencoder")?;
        files.extend(files_below(autoencoder, "", "vae/")?);
        Ok(files)
    }
}

#[cfg(test)]
mod tests;
