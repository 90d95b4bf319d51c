//! Some epochs of training: from one checkpoint to the next.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use burn::prelude::*;
use burn::tensor::DType;
use ccsr_clip::{Padding, Tokenizer, load_text};
use ccsr_sampling::{NoiseSchedule, SchedulerConfig};
use ccsr_stable_diffusion::load_unet;
use ccsr_stage::{Batch, Blobs, Digest, Outcome, Resource, StageError, Unit, Value};
use ccsr_training::{Average, Gradient, Layers, Objective, State, Text, Trainer};

use super::draws::{self, Showing};
use super::encoding::{ImageEncoder, Moments, TOKENS, numbers_of_bytes, shown};
use super::framing::Framing;
use super::params::Params;
use super::sample::{Image, Sample};
use crate::cores::{StepParts, at_the_same_time};
use crate::device::bytes_of;
use crate::failed;
use crate::model_folder::ModelFolder;
use crate::png;

/// Bytes of latents and texts that are kept in memory between steps.
const KEPT: usize = 512 << 20;

/// All that training has in memory.
pub(super) struct Training {
    /// One a device.
    trainers: Vec<Trainer>,
    schedule: NoiseSchedule,
    /// Where chance has a say in what is cut out of images.
    images: Option<ImageEncoder>,
    /// Where the text encoder is adapted, too.
    tokenizer: Option<Tokenizer>,
    bytes: u64,
    device: Device,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    numbers: HashMap<Digest, Arc<Vec<f32>>>,
    bytes: usize,
}

impl Resource for Training {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The noise schedule of a training.
pub(super) fn schedule_of(
    params: &Params,
    config: &SchedulerConfig,
) -> Result<NoiseSchedule, ccsr_sampling::SamplingError> {
    let mut config = config.clone();
    if let Some(predicted) = params.prediction {
        config.prediction_type = Some(predicted.into());
    }
    NoiseSchedule::new(&config)
}

impl Training {
    /// Reads the networks of a model from its folder.
    /// With the autoencoder, if chance has a say in what is cut out of images.
    pub(super) fn load(
        folder: &ModelFolder,
        params: &Params,
        scheduler: &SchedulerConfig,
        cuts_images: bool,
        devices: &[Device],
    ) -> Result<Self, StageError> {
        let device = devices.first().cloned().unwrap_or_else(Device::flex);
        let part = |part: &str| folder.part(part);
        let (mut unet, _) = load_unet(&part("unet"), &device).map_err(failed)?;
        let text = params
            .adapts_text_encoder()
            .then(|| load_text(&part("text_encoder"), &device));
        let mut text = text.transpose().map_err(failed)?.map(|(text, _)| text);
        let tokenizer = text
            .is_some()
            .then(|| Tokenizer::open(&part("tokenizer"), TOKENS));
        let layers = Layers::of(
            &mut unet,
            text.as_mut(),
            &params.targets(),
            params.rank as usize,
        )
        .map_err(failed)?;
        let precision = params.precision.dtype();
        if precision != DType::F32 {
            unet = ccsr_nn::keep_weights_in(unet, precision);
        }
        let bytes = bytes_of(&unet) + text.as_ref().map_or(0, bytes_of);
        let schedule = schedule_of(params, scheduler).map_err(failed)?;
        let objective = Objective {
            schedule: schedule.clone(),
            snr_gamma: params.snr_gamma,
        };
        let trainer = |device: &Device| {
            let unet = unet.clone().to_device(device);
            let text = text.clone().map(|text| text.to_device(device));
            let (layers, objective) = (layers.clone(), objective.clone());
            let graph = device.clone().autodiff();
            Trainer::new(unet, text, layers, params.factor(), objective, &graph)
                .checkpointing(params.gradient_checkpointing)
        };
        let images = cuts_images.then(|| ImageEncoder::load(&part("vae"), device.clone()));
        Ok(Self {
            trainers: devices.iter().map(trainer).collect(),
            schedule,
            images: images.transpose()?,
            tokenizer: tokenizer.transpose().map_err(failed)?,
            bytes,
            device,
            kept: Mutex::default(),
        })
    }

    /// Trains for the epochs of a unit.
    pub(super) fn execute(
        &self,
        params: &Params,
        unit: &Unit,
        batch: &Batch<'_>,
    ) -> Result<Outcome, StageError> {
        let segment = Segment::of(unit)?;
        let samples = Sample::all_of(&unit.input)?;
        let shapes: Vec<_> = samples.iter().map(Sample::shape).collect();
        let layers = self.layers();
        let mut state = match segment.before {
            None => State::new(self.initial(params.seed), params.ema.is_some()),
            Some(before) => {
                let bytes = batch.blobs.read(&before)?;
                State::from_bytes(&bytes, layers, params.ema.is_some()).map_err(failed)?
            }
        };
        let rate = params.rate(segment.steps);
        let (optimizer, average) = (
            params.optimizer(),
            params.ema.map(|decay| Average { decay }),
        );
        let (mut metrics, mut seen, began) = (Vec::new(), 0, Instant::now());
        for epoch in segment.first..segment.end {
            for images in draws::order(params.seed, epoch, &shapes, params.step()) {
                check(batch)?;
                let Gradient { loss, numbers, .. } =
                    self.gradient(params, &state, &samples, epoch, &images, batch.blobs)?;
                let rate = rate.at(state.steps);
                let norm = state.step(numbers, &optimizer, rate, average);
                if !(loss.is_finite() && norm.is_finite()) {
                    return Err(diverged(epoch, &state, loss, norm, rate, segment.first));
                }
                let (step, epoch) = (state.steps as i64, epoch as i64 + 1);
                let numbers = [loss, rate, norm].map(Value::Float);
                metrics.push(Value::list(
                    [Value::Int(epoch), Value::Int(step)]
                        .into_iter()
                        .chain(numbers),
                ));
                seen += images.len();
                let speed = seen as f64 / began.elapsed().as_secs_f64().max(1e-9);
                batch.tell(&format!(
                    "epoch {epoch} of {}, step {step}, loss {loss:.4}, learning rate {rate:.2e}, gradient norm \
                     {norm:.3}, {speed:.2} images a second",
                    params.epochs
                ));
            }
        }
        let mut outcome = Outcome::default();
        let adapter = layers.adapter(state.result(), params.factor());
        let adapter = adapter.and_then(|adapter| adapter.files(ccsr_nn::AdapterFormat::Diffusers));
        let (_, adapter) = adapter.map_err(failed)?.remove(0);
        let value = Value::map([
            (
                "state",
                Value::Blob(outcome.add_blob(state.to_bytes(layers))),
            ),
            ("adapter", Value::Blob(outcome.add_blob(adapter))),
            ("steps", Value::Int(state.steps as i64)),
            ("metrics", Value::list(metrics)),
        ]);
        Ok(outcome.with_value(value))
    }

    fn layers(&self) -> &Layers {
        self.trainers[0].layers()
    }

    /// The adapter's numbers to begin with.
    fn initial(&self, seed: u64) -> Vec<f32> {
        let mut number = 0;
        self.layers().initial(|_, count| {
            number += 1;
            draws::initial(seed, number).numbers(count)
        })
    }

    /// The gradient of a step: the mean over its images, some at a time on each device. They are added in their order,
    /// however many devices there are.
    fn gradient(
        &self,
        params: &Params,
        state: &State,
        samples: &[Sample],
        epoch: u64,
        images: &[usize],
        blobs: &dyn Blobs,
    ) -> Result<Gradient, StageError> {
        let mut sum = Gradient::nothing(state.parameters.len());
        let compute = |(trainer, batch): (&Trainer, &[usize])| {
            StepParts::of(self.bytes, &self.device, batch.len()).mean(|some| {
                let batch = self.batch(params, samples, epoch, &batch[some], blobs)?;
                Ok(trainer.gradient(&state.parameters, batch))
            })
        };
        let batches: Vec<&[usize]> = images.chunks(params.batch as usize).collect();
        for batches in batches.chunks(self.trainers.len()) {
            let work = self.trainers.iter().zip(batches.iter().copied());
            for found in at_the_same_time(work, compute) {
                sum.add(&found?, images.len());
            }
        }
        Ok(sum)
    }

    fn batch(
        &self,
        params: &Params,
        samples: &[Sample],
        epoch: u64,
        images: &[usize],
        blobs: &dyn Blobs,
    ) -> Result<ccsr_training::Batch, StageError> {
        let mut timesteps = Vec::new();
        let (mut latents, mut noises, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        let mut shape = [0; 3];
        for image in images {
            let dropout = params.caption_dropout;
            let mut showing = Showing::of(params.seed, epoch, *image, self.schedule.len(), dropout);
            let sample = &samples[*image];
            let moments = self.moments(params, sample, &showing, blobs)?;
            shape = moments.shape;
            timesteps.push(showing.timestep);
            latents.extend(moments.sample(&mut showing.noise));
            let offset = params.noise_offset as f32;
            let mut noise = showing.noise.numbers(shape.iter().product());
            if offset > 0.0 {
                for channel in noise.chunks_mut(shape[1] * shape[2]) {
                    let shift = showing.noise.number() as f32 * offset;
                    for number in channel {
                        *number += shift;
                    }
                }
            }
            noises.extend(noise);
            texts.push((sample, showing.unsaid));
        }
        let [channels, height, width] = shape;
        let tensor = |numbers| {
            let data = TensorData::new(numbers, [images.len(), channels, height, width]);
            Tensor::<4>::from_data(data, &self.device)
        };
        Ok(ccsr_training::Batch {
            latents: tensor(latents),
            noise: tensor(noises),
            timesteps,
            text: self.text(&texts, blobs)?,
        })
    }

    fn moments(
        &self,
        params: &Params,
        sample: &Sample,
        showing: &Showing,
        blobs: &dyn Blobs,
    ) -> Result<Moments, StageError> {
        let flipped = params.flip && showing.flipped;
        match &sample.image {
            Image::Encoded { moments, shape } => {
                let digest = moments[usize::from(flipped)];
                let numbers = self.numbers(digest, blobs)?;
                Ok(Moments {
                    numbers: numbers.to_vec(),
                    shape: *shape,
                })
            }
            Image::Cut { image, .. } => {
                let encoder = self.images.as_ref();
                let encoder =
                    encoder.ok_or_else(|| StageError::failed("the autoencoder was not loaded"))?;
                let image = png::read(blobs, image)?;
                shown(encoder, Framing::of(params), &image, showing.place, flipped)
            }
        }
    }

    fn text(&self, texts: &[(&Sample, bool)], blobs: &dyn Blobs) -> Result<Text, StageError> {
        if let Some(tokenizer) = &self.tokenizer {
            let mut ids = Vec::with_capacity(texts.len() * TOKENS);
            for (sample, unsaid) in texts {
                let text = if *unsaid { "" } else { sample.text()? };
                ids.extend(
                    tokenizer
                        .tokenise(text, Padding::Checkpoint)
                        .map_err(failed)?
                        .ids,
                );
            }
            let data = TensorData::new(ids, [texts.len(), TOKENS]);
            return Ok(Text::Tokens(Tensor::from_data(data, &self.device)));
        }
        let mut states = Vec::new();
        for (sample, unsaid) in texts {
            states.extend_from_slice(&self.numbers(sample.states(*unsaid)?, blobs)?);
        }
        let width = states.len() / (texts.len() * TOKENS);
        let data = TensorData::new(states, [texts.len(), TOKENS, width]);
        Ok(Text::States(Tensor::from_data(data, &self.device)))
    }

    /// The numbers of a blob: from memory, if there was room.
    fn numbers(&self, digest: Digest, blobs: &dyn Blobs) -> Result<Arc<Vec<f32>>, StageError> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(numbers) = kept().numbers.get(&digest) {
            return Ok(numbers.clone());
        }
        let numbers = Arc::new(numbers_of_bytes(&blobs.read(&digest)?)?);
        let mut kept = kept();
        let bytes = size_of_val(numbers.as_slice());
        let is_room = kept.bytes + bytes <= KEPT;
        if is_room && kept.numbers.insert(digest, numbers.clone()).is_none() {
            kept.bytes += bytes;
        }
        Ok(numbers)
    }
}

/// Which epochs, from which checkpoint.
struct Segment {
    before: Option<Digest>,
    /// Epochs, counted from 0.
    first: u64,
    end: u64,
    /// Steps of the whole training, where the learning rate reads them.
    steps: u64,
}

impl Segment {
    fn of(unit: &Unit) -> Result<Self, StageError> {
        let number = |name: &str| {
            let number = unit.input.get(name).and_then(Value::as_int);
            number.map(|number| number as u64)
        };
        let epoch = |name: &str| number(name).ok_or_else(|| super::encoding::unread(name));
        Ok(Self {
            before: unit.input.get("before").and_then(Value::as_blob),
            first: epoch("first_epoch")?,
            end: epoch("end_epoch")?,
            steps: number("steps").unwrap_or(u64::MAX),
        })
    }
}

/// Whether somebody still waits.
pub(crate) fn check(batch: &Batch<'_>) -> Result<(), StageError> {
    if batch.limits.is_abandoned() {
        return Err(StageError::Abandoned);
    }
    if batch.limits.is_late() {
        let message = "the stage's time is over; its checkpoints are kept, and the next run goes on from the last";
        return Err(StageError::TimedOut(message.to_owned()));
    }
    Ok(())
}

/// Training that has come to nothing.
fn diverged(epoch: u64, state: &State, loss: f64, norm: f64, rate: f64, kept: u64) -> StageError {
    let kept = match kept {
        0 => "no epoch is kept".to_owned(),
        kept => format!("what was trained up to epoch {kept} is kept"),
    };
    StageError::failed(format!(
        "training diverged in epoch {}, step {}: loss {loss}, gradient norm {norm}, learning rate {rate:e}; {kept}; try \
         a smaller `learning_rate`, some `warmup`, or `max_grad_norm: 1`",
        epoch + 1,
        state.steps
    ))
}
