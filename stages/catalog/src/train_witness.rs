//! `train.witness`: a witness of rendered scenes, from nothing: it learns to say which animals are to be seen, how many, in
//! which colour, and whether anything is wrong.
//!
//! It is to look at pictures that come out of an autoencoder and a diffusion model, which no renderer has made: what it
//! learns from is blurred a little, noisy, of other colours (`augment`), so that such traces are no defects to it.

mod augment;

use std::path::Path;

use burn::prelude::*;
use ccsr_nn::Row;
use ccsr_stage::{Blobs, ColumnType, InputPort, Inputs, Misfit, Misfits, StageError, Value};
use ccsr_training::{Gradient, Initial, WitnessBatch, WitnessTrainer, initial};
use ccsr_witness::{WitnessConfig, load_witness, pixels};
use image::RgbImage;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::augment::augmented;
use crate::cores::StepParts;
use crate::facts::{Fact, read_scene};
use crate::failed;
use crate::pretraining::{
    File, Learner, Pictures, Recipe, Step, Training, examples, list, put_network, source,
};
use crate::range::within;
use crate::trained_witness::facts;

/// Parameters of `train.witness`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// How it is trained.
    pub training: Training,
    /// The side of images in pixels, to which it scales all others: a multiple of two for each level.
    pub size: u32,
    /// Channels at each level, multiples of 8; each level has half the side of the one before.
    pub channels: Vec<u32>,
    /// Residual blocks at each level.
    pub layers: u32,
    /// The share of certainty that is spread over all values (label smoothing), `0.0..=0.5`.
    pub smoothing: f64,
    /// How much pictures are blurred, disturbed and recoloured, `0.0..=2.0`; at 0 they are mirrored and moved alone.
    pub augmentation: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            training: Training::default(),
            size: 64,
            channels: vec![32, 64, 96, 96],
            layers: 1,
            smoothing: 0.0,
            augmentation: 1.0,
        }
    }
}

impl Params {
    fn config(&self) -> WitnessConfig {
        WitnessConfig {
            image_size: self.size as usize,
            block_out_channels: self.channels.iter().map(|it| *it as usize).collect(),
            layers_per_block: self.layers as usize,
            ..WitnessConfig::small(facts())
        }
    }
}

/// What is trained.
pub(crate) struct Apprentice {
    trainer: WitnessTrainer,
    config: WitnessConfig,
    augmentation: f64,
    pictures: Pictures,
    /// What is so in each of them.
    truth: Vec<[usize; 4]>,
    device: Device,
}

/// What a step looks at.
pub(crate) struct Drawn {
    examples: Vec<usize>,
    /// As they are seen this time.
    seen: Vec<RgbImage>,
}

impl Recipe for Params {
    const NAME: &'static str = "train.witness";
    const SUMMARY: &'static str =
        "Trains an independent witness on rendered scenes, whose truth is known.";
    const REVISION: u32 = 3;
    type Learner = Apprentice;

    fn training(&self) -> &Training {
        &self.training
    }

    fn misfits(&self) -> Misfits {
        let mut misfits = within("smoothing", self.smoothing, &(0.0..=0.5), "");
        misfits.add(within("augmentation", self.augmentation, &(0.0..=2.0), ""));
        misfits.add(within("layers", self.layers, &(0..=16), ""));
        let levels = self.channels.len();
        if !(1..=8).contains(&levels) {
            let message = format!("there are {levels} levels; expected from 1 to 8");
            misfits.add(Misfit::new(["channels"], message));
            return misfits;
        }
        for (index, channels) in self.channels.iter().enumerate() {
            if !(8..=1024).contains(channels) || !channels.is_multiple_of(8) {
                let message = format!("`{channels}` is no multiple of 8 from 8 to 1024");
                misfits.add(Misfit::new(["channels", &index.to_string()], message));
            }
        }
        let whole = 1 << levels;
        if !(whole..=1024).contains(&self.size) || !self.size.is_multiple_of(whole) {
            let message = format!(
                "`size: {}` is no multiple of {whole} up to 1024; it is halved {levels} times",
                self.size
            );
            misfits.add(Misfit::new(["size"], message));
        }
        misfits
    }

    fn inputs(&self) -> Vec<InputPort> {
        let columns = [("image", ColumnType::Image), ("scene", ColumnType::Text)];
        vec![InputPort::new("scenes", columns)]
    }

    fn material(&self, inputs: &Inputs<'_>) -> Result<Value, StageError> {
        examples(inputs, "scenes", &["image", "scene"])
    }

    fn learner(
        &self,
        material: &Value,
        _: &Value,
        blobs: &dyn Blobs,
        device: &Device,
    ) -> Result<Apprentice, StageError> {
        let rows = list(material)?.iter().map(Value::read::<(Value, String)>);
        let rows = rows.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let images: Vec<_> = rows
            .iter()
            .filter_map(|(image, _)| image.as_blob())
            .collect();
        let truth = rows
            .par_iter()
            .map(|(_, scene)| Ok(Fact::of_scene(&read_scene(scene)?)));
        let config = self.config();
        let graph = device.clone().autodiff();
        Ok(Apprentice {
            trainer: WitnessTrainer::new(config.init(device), self.smoothing, &graph),
            truth: truth.collect::<Result<_, StageError>>()?,
            pictures: Pictures::read(&images, blobs)?,
            augmentation: self.augmentation,
            config,
            device: device.clone(),
        })
    }
}

impl Apprentice {
    /// A step's pictures, each as chance of its own has changed it.
    fn seen(&self, step: &Step, examples: &[usize]) -> Vec<RgbImage> {
        let first = step.number * step.batch as u64;
        let seen = examples.par_iter().enumerate().map(|(place, example)| {
            let mut noise = source("augmentation", step.seed, first + place as u64);
            augmented(&self.pictures.get(*example), self.augmentation, &mut noise)
        });
        seen.collect()
    }
}

impl Learner for Apprentice {
    type Drawn = Drawn;

    const OUTER: &'static [&'static str] = &["levels.0.down", "head"];

    fn row(&self) -> &Row {
        self.trainer.row()
    }

    fn initial(&self, seed: u64) -> Result<Vec<f32>, StageError> {
        Ok(initial(self.row(), Initial::of, |index| {
            source("initial", seed, index as u64)
        }))
    }

    fn put(&self, numbers: &mut [f32], folder: &Path, device: &Device) -> Result<(), StageError> {
        let network = load_witness(folder, device).map_err(failed)?.0;
        put_network(&network, "", self.row(), numbers)
    }

    fn draw(&self, step: &Step) -> Result<Drawn, StageError> {
        let examples = step.examples(self.pictures.len());
        Ok(Drawn {
            seen: self.seen(step, &examples),
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
            let seen = &drawn.seen[examples.clone()];
            let examples = &drawn.examples[examples];
            let of_fact = |fact: usize| examples.iter().map(|it| self.truth[*it][fact]).collect();
            let batch = WitnessBatch {
                pixels: pixels(seen, self.config.image_size, &self.device),
                values: (0..Fact::ALL.len()).map(of_fact).collect(),
            };
            Ok(self.trainer.gradient(numbers, batch))
        })
    }

    fn files(&self, numbers: &[f32]) -> Result<Vec<(String, File)>, StageError> {
        let config = serde_json::to_value(&self.config).map_err(failed)?;
        let weights = self.row().file(numbers, str::to_owned);
        Ok(vec![
            ("config.json".to_owned(), File::from(&config)),
            ("model.safetensors".to_owned(), File::from(weights)),
        ])
    }
}

#[cfg(test)]
mod tests;
