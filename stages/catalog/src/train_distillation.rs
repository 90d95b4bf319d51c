//! `train.distillation`: a small diffusion model that draws in one step, or a few, what another draws in many.
//!
//! The teacher draws pictures of captions first, each from a noise of its own; places on its ways are kept. The student
//! learns to go from any of them to the picture at once, so it is sampled as consistency models are.

mod ways;

use std::path::Path;

use burn::prelude::*;
use ccsr_clip::{Tokenizer, load_text};
use ccsr_nn::{Row, read_config};
use ccsr_sampling::{NoiseSchedule, Prediction, SchedulerConfig};
use ccsr_stable_diffusion::{UNetConfig, load_unet, unet_name};
use ccsr_stage::{
    Blobs, ColumnType, InputPort, Inputs, Misfit, Misfits, Outcome, StageError, Value,
};
use ccsr_training::{DistillationBatch, DistillationTrainer, Gradient, initial};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::ways::{Teacher, Ways};
use crate::cores::StepParts;
use crate::failed;
use crate::latent_model::{
    TOKENS, Texts, UNET_OUTER, UNetSize, begin, files_below, pipeline_files, unet_files,
};
use crate::pretraining::{
    File, LaidOut, Learner, Recipe, Step, Training, below, examples, list, model_port, model_value,
    part, put_network, source,
};
use crate::range::within;

/// Timesteps of training of every model of the family.
const TIMESTEPS: u32 = 1000;

/// Parameters of `train.distillation`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// How it is trained.
    pub training: Training,
    /// The size of the student's UNet.
    pub unet: UNetSize,
    /// Pictures that the teacher draws, of as many captions.
    pub pictures: u32,
    /// Steps in which it draws them, by DDIM: a divisor of 1000.
    pub teacher_steps: u32,
    /// How strongly the caption guides it.
    pub guidance: f64,
    /// Steps that the student can draw in, at most: a divisor of `teacher_steps`. Half of what it learns is to draw in one.
    pub steps: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            training: Training::default(),
            unet: UNetSize {
                channels: vec![48, 64, 64],
                layers: 1,
                head: 16,
                middle: false,
            },
            pictures: 4096,
            teacher_steps: 20,
            guidance: 3.0,
            steps: 4,
        }
    }
}

/// What is trained.
pub(crate) struct Student {
    trainer: DistillationTrainer,
    unet: UNetConfig,
    scheduler: SchedulerConfig,
    ways: Ways,
    texts: Texts,
    teacher: Value,
}

/// What a step looks at.
pub(crate) struct Drawn {
    /// Which of the teacher's ways.
    examples: Vec<usize>,
    /// Which place of each.
    places: Vec<usize>,
}

impl Recipe for Params {
    const NAME: &'static str = "train.distillation";
    const SUMMARY: &'static str =
        "Trains a small diffusion model to draw in a few steps what another draws in many.";
    const REVISION: u32 = 3;
    type Learner = Student;

    fn training(&self) -> &Training {
        &self.training
    }

    fn misfits(&self) -> Misfits {
        let mut misfits = self.unet.misfits().below("unet");
        misfits.add(within("pictures", self.pictures, &(1..=10_000_000), ""));
        misfits.add(within("guidance", self.guidance, &(0.0..=100.0), ""));
        for (name, steps, whole) in [
            ("teacher_steps", self.teacher_steps, TIMESTEPS),
            ("steps", self.steps, self.teacher_steps),
        ] {
            if steps == 0 || !whole.is_multiple_of(steps) {
                let message = format!("`{name}: {steps}` is no divisor of {whole}");
                misfits.add(Misfit::new([name], message));
            }
        }
        misfits
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![
            InputPort::new("prompts", [("prompt", ColumnType::Text)]),
            model_port("teacher"),
        ]
    }

    fn material(&self, inputs: &Inputs<'_>) -> Result<Value, StageError> {
        Ok(Value::map([
            ("examples", examples(inputs, "prompts", &["prompt"])?),
            ("teacher", model_value(inputs, "teacher")?),
        ]))
    }

    fn preparation(&self) -> Value {
        let numbers = [self.pictures, self.teacher_steps, self.steps];
        let numbers = numbers.map(|number| Value::Int(number.into())).into_iter();
        let seed = Value::from(self.training.seed.to_string());
        Value::list(numbers.chain([Value::Float(self.guidance), seed]))
    }

    fn prepare(
        &self,
        material: &Value,
        blobs: &dyn Blobs,
        device: &Device,
        outcome: &mut Outcome,
    ) -> Result<Value, StageError> {
        let folder = LaidOut::new(part(material, "teacher")?, blobs)?;
        let (unet, config) = load_unet(&folder.path().join("unet"), device).map_err(failed)?;
        let teacher = Teacher {
            unet,
            shape: [config.in_channels, config.sample_size, config.sample_size],
            texts: self.texts(material, &folder, device)?,
            scheduler: scheduler_of(&folder)?,
            guidance: self.guidance,
            device: device.clone(),
        };
        let (steps, kept) = (self.teacher_steps as usize, self.steps as usize);
        let noise = |picture| source("ways", self.training.seed, picture as u64);
        Ok(Ways::of(&teacher, steps, kept, noise)?.keep(outcome))
    }

    fn learner(
        &self,
        material: &Value,
        prepared: &Value,
        blobs: &dyn Blobs,
        device: &Device,
    ) -> Result<Student, StageError> {
        let teacher = part(material, "teacher")?;
        let folder = LaidOut::new(teacher, blobs)?;
        let texts = self.texts(material, &folder, device)?;
        let ways = Ways::read(prepared, blobs, device)?;
        let [channels, side, _] = ways.shape();
        let path = folder.path().join("unet/config.json");
        let known: UNetConfig = read_config(&path).map_err(failed)?;
        let unet = self.unet.config(channels, side, known.cross_attention_dim);
        let scheduler = SchedulerConfig {
            class_name: Some("LCMScheduler".to_owned()),
            prediction_type: Some(Prediction::Velocity),
            original_inference_steps: Some(self.steps as usize),
            ..scheduler_of(&folder)?
        };
        let schedule = NoiseSchedule::new(&scheduler).map_err(failed)?;
        let graph = device.clone().autodiff();
        Ok(Student {
            trainer: DistillationTrainer::new(unet.init(device), schedule, &graph),
            unet,
            scheduler,
            ways,
            texts,
            teacher: teacher.clone(),
        })
    }
}

/// The noise schedule of a model.
fn scheduler_of(folder: &LaidOut) -> Result<SchedulerConfig, StageError> {
    let path = folder.path().join("scheduler/scheduler_config.json");
    let config: SchedulerConfig = read_config(&path).map_err(failed)?;
    let timesteps = config.num_train_timesteps.unwrap_or(TIMESTEPS as usize);
    if timesteps != TIMESTEPS as usize {
        return Err(StageError::input(format!(
            "the teacher was trained with {timesteps} timesteps; expected {TIMESTEPS}"
        )));
    }
    Ok(config)
}

impl Params {
    /// A caption for each picture; all are taken before one is taken again.
    fn texts(
        &self,
        material: &Value,
        folder: &LaidOut,
        device: &Device,
    ) -> Result<Texts, StageError> {
        let part_of = |part: &str| folder.path().join(part);
        let (encoder, _) = load_text(&part_of("text_encoder"), device).map_err(failed)?;
        let tokenizer = Tokenizer::open(&part_of("tokenizer"), TOKENS).map_err(failed)?;
        let rows = list(part(material, "examples")?)?.iter();
        let prompts = rows.filter_map(|row| row.as_list()?.first()?.as_text());
        let prompts = prompts.cycle().take(self.pictures as usize);
        Texts::new(encoder, &tokenizer, prompts, device)
    }
}

impl Learner for Student {
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
        let mut chance = step.noise("places");
        let places = examples.iter().map(|_| {
            // The beginning is the hardest, and all that a single step takes.
            if chance.uniform() < 0.5 {
                0
            } else {
                below(&mut chance, self.ways.places())
            }
        });
        Ok(Drawn {
            places: places.collect(),
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
            let places = &drawn.places[examples.clone()];
            let examples = &drawn.examples[examples];
            let texts: Vec<_> = examples.iter().copied().map(Some).collect();
            let batch = DistillationBatch {
                samples: self.ways.samples(examples, places),
                timesteps: self.ways.timesteps(places),
                latents: self.ways.ends(examples),
                states: self.texts.states(&texts),
            };
            Ok(self.trainer.gradient(numbers, batch))
        })
    }

    fn files(&self, numbers: &[f32]) -> Result<Vec<(String, File)>, StageError> {
        let mut files = pipeline_files(&self.scheduler)?;
        for part in ["text_encoder/", "tokenizer/", "vae/"] {
            files.extend(files_below(&self.teacher, part, part)?);
        }
        let weights = self.row().file(numbers, unet_name);
        files.extend(unet_files(&self.unet, weights)?);
        Ok(files)
    }
}

#[cfg(test)]
mod tests;
