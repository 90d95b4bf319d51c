//! How a teacher gets from noises to pictures.

use burn::prelude::*;
use ccsr_sampling::noise::{self, Noise};
use ccsr_sampling::{SamplerKind, SchedulerConfig, Spacing};
use ccsr_stable_diffusion::{Conditioning, UNet};
use ccsr_stage::{Blobs, Outcome, StageError, Value};
use half::f16;

use crate::cores::share_out_each;
use crate::device::bytes_of;
use crate::failed;
use crate::latent_model::Texts;
use crate::pretraining::unread;

/// Pictures that are drawn at a time.
const TOGETHER: usize = 16;

/// A model that is learnt from.
pub(super) struct Teacher {
    pub(super) unet: UNet,
    /// Of latents: channels, height, width.
    pub(super) shape: [usize; 3],
    /// One a picture.
    pub(super) texts: Texts,
    pub(super) scheduler: SchedulerConfig,
    pub(super) guidance: f64,
    pub(super) device: Device,
}

/// Places on ways: of each way those at the first timesteps of equal parts, and the end; in half precision.
pub(super) struct Ways {
    numbers: Vec<f16>,
    /// Of a place: channels, height, width.
    shape: [usize; 3],
    /// Of the places but the end.
    timesteps: Vec<usize>,
    device: Device,
}

impl Teacher {
    /// Whether what is predicted beside nothing makes a difference.
    fn is_guided(&self) -> bool {
        (self.guidance - 1.0).abs() > f64::EPSILON
    }

    /// What is predicted for some pictures.
    fn predict(&self, sample: Tensor<4>, timestep: f64, text: &Conditioning) -> Tensor<4> {
        if !self.is_guided() {
            return self.unet.forward(sample, timestep, text);
        }
        let [count, ..] = sample.dims();
        let both = self.unet.forward(sample.repeat_dim(0, 2), timestep, text);
        let without = both.clone().narrow(0, 0, count);
        let with = both.narrow(0, count, count);
        without.clone() + (with - without).mul_scalar(self.guidance)
    }

    /// What some pictures are to show, beside nothing if that guides.
    fn condition(&self, pictures: &[usize]) -> Conditioning {
        let with = pictures.iter().copied().map(Some);
        let without = pictures.iter().map(|_| None);
        let texts: Vec<_> = if self.is_guided() {
            without.chain(with).collect()
        } else {
            with.collect()
        };
        self.unet.condition(&self.texts.states(&texts))
    }
}

impl Ways {
    /// Has a teacher draw all its texts in so many steps, and keeps so many places of each way.
    pub(super) fn of(
        teacher: &Teacher,
        steps: usize,
        kept: usize,
        noise: impl Fn(usize) -> Noise + Sync,
    ) -> Result<Self, StageError> {
        // From the last timestep of each part to the last of the one before.
        let config = SchedulerConfig {
            timestep_spacing: Some(Spacing::Trailing),
            ..teacher.scheduler.clone()
        };
        let draw = |pictures: &[usize]| {
            let text = teacher.condition(pictures);
            let mut noises: Vec<_> = pictures.iter().copied().map(&noise).collect();
            let mut sample = noise::batch(&mut noises, teacher.shape, &teacher.device);
            let sampler = SamplerKind::Ddim { eta: 0.0 };
            let mut sampler = sampler.build(&config, steps).map_err(failed)?;
            let (mut places, mut timesteps) = (Vec::new(), Vec::new());
            for (evaluation, timestep) in sampler.timesteps().to_vec().into_iter().enumerate() {
                if evaluation.is_multiple_of(steps / kept) {
                    places.push(sample.clone());
                    timesteps.push(timestep as usize);
                }
                let output = teacher.predict(sample.clone(), timestep, &text);
                sample = sampler.step(evaluation, output, sample, None);
            }
            places.push(sample);
            let places = Tensor::stack::<5>(places, 1).into_data();
            let numbers: Vec<_> = places.iter::<f32>().map(f16::from_f32).collect();
            Ok((numbers, timesteps))
        };
        let all: Vec<usize> = (0..teacher.texts.len()).collect();
        let some = all.chunks(TOGETHER).collect();
        let bytes = bytes_of(&teacher.unet);
        let drawn = share_out_each(bytes, &teacher.device, some, draw)?;
        let (numbers, timesteps): (Vec<_>, Vec<_>) = drawn.into_iter().unzip();
        Ok(Self {
            numbers: numbers.concat(),
            shape: teacher.shape,
            timesteps: timesteps.into_iter().next().unwrap_or_default(),
            device: teacher.device.clone(),
        })
    }

    /// Keeps them in an outcome.
    pub(super) fn keep(&self, outcome: &mut Outcome) -> Value {
        let bytes = self.numbers.iter().flat_map(|number| number.to_le_bytes());
        let blob = outcome.add_blob(bytes.collect::<Vec<u8>>());
        let whole = |numbers: &[usize]| {
            Value::list(numbers.iter().map(|number| Value::Int(*number as i64)))
        };
        Value::map([
            ("places", Value::Blob(blob)),
            ("shape", whole(&self.shape)),
            ("timesteps", whole(&self.timesteps)),
        ])
    }

    /// Reads what [`keep`](Self::keep) kept.
    pub(super) fn read(
        kept: &Value,
        blobs: &dyn Blobs,
        device: &Device,
    ) -> Result<Self, StageError> {
        let unread = || unread("ways");
        let whole = |name: &str| {
            let numbers = kept.get(name).and_then(Value::as_list);
            let numbers = numbers.ok_or_else(unread)?.iter().filter_map(Value::as_int);
            Ok::<_, StageError>(numbers.map(|number| number as usize).collect::<Vec<_>>())
        };
        let blob = kept.get("places").and_then(Value::as_blob);
        let bytes = blobs.read(&blob.ok_or_else(unread)?)?;
        let numbers = bytes.as_chunks().0.iter();
        Ok(Self {
            numbers: numbers.map(|two| f16::from_le_bytes(*two)).collect(),
            shape: whole("shape")?.try_into().map_err(|_| unread())?,
            timesteps: whole("timesteps")?,
            device: device.clone(),
        })
    }

    /// Channels, height and width of a place.
    pub(super) const fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Places of a way, but the end.
    pub(super) const fn places(&self) -> usize {
        self.timesteps.len()
    }

    /// Timesteps of places.
    pub(super) fn timesteps(&self, places: &[usize]) -> Vec<usize> {
        places.iter().map(|place| self.timesteps[*place]).collect()
    }

    /// A place of each of some ways.
    ///
    /// # Shapes
    /// `[ways, channels, height, width]`
    pub(super) fn samples(&self, ways: &[usize], places: &[usize]) -> Tensor<4> {
        let [channels, height, width] = self.shape;
        let each = channels * height * width;
        let numbers = ways.iter().zip(places).flat_map(|(way, place)| {
            let first = (way * (self.places() + 1) + place) * each;
            self.numbers[first..][..each].iter().copied().map(f32::from)
        });
        let shape = [ways.len(), channels, height, width];
        let data = TensorData::new(numbers.collect::<Vec<_>>(), shape);
        Tensor::from_data(data, &self.device)
    }

    /// Where some ways end.
    ///
    /// # Shapes
    /// As [`samples`](Self::samples).
    pub(super) fn ends(&self, ways: &[usize]) -> Tensor<4> {
        self.samples(ways, &vec![self.places(); ways.len()])
    }
}
