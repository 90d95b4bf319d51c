//! Where pictures lie in latent space.

use burn::prelude::*;
use ccsr_sampling::noise::Noise;
use ccsr_stable_diffusion::Autoencoder;
use ccsr_stage::{Blobs, Outcome, StageError, Value};
use half::f16;

use crate::cores::share_out_each;
use crate::device::bytes_of;
use crate::pretraining::{Pictures, unread};
use crate::train_autoencoder::TOGETHER;

/// The distributions of pictures in latent space, scaled: means and deviations of each picture, in half precision.
pub(super) struct Latents {
    numbers: Vec<f16>,
    /// Of a picture: channels, height, width.
    shape: [usize; 3],
    device: Device,
}

impl Latents {
    /// Encodes pictures.
    pub(super) fn of(
        autoencoder: &Autoencoder,
        pictures: &Pictures,
        device: &Device,
    ) -> Result<Self, StageError> {
        let encode = |some: &[usize]| {
            let posterior = autoencoder.encode(pictures.centred(some, device));
            let [_, channels, height, width] = posterior.mean.dims();
            let both = Tensor::cat(vec![posterior.mean, posterior.deviation], 1);
            let scaled = both.mul_scalar(autoencoder.scaling_factor()).into_data();
            let numbers: Vec<_> = scaled.iter::<f32>().map(f16::from_f32).collect();
            Ok((numbers, [channels, height, width]))
        };
        let all: Vec<usize> = (0..pictures.len()).collect();
        let some = all.chunks(TOGETHER).collect();
        let encoded = share_out_each(bytes_of(autoencoder), device, some, encode)?;
        let (numbers, shapes): (Vec<_>, Vec<_>) = encoded.into_iter().unzip();
        Ok(Self {
            numbers: numbers.concat(),
            shape: shapes.first().copied().unwrap_or_default(),
            device: device.clone(),
        })
    }

    /// Keeps them in an outcome.
    pub(super) fn keep(&self, outcome: &mut Outcome) -> Value {
        let bytes = self.numbers.iter().flat_map(|number| number.to_le_bytes());
        let blob = outcome.add_blob(bytes.collect::<Vec<u8>>());
        let shape = self.shape.map(|side| Value::Int(side as i64));
        Value::map([
            ("moments", Value::Blob(blob)),
            ("shape", Value::list(shape)),
        ])
    }

    /// Reads what [`keep`](Self::keep) kept.
    pub(super) fn read(
        kept: &Value,
        blobs: &dyn Blobs,
        device: &Device,
    ) -> Result<Self, StageError> {
        let unread = || unread("latents");
        let blob = kept.get("moments").and_then(Value::as_blob);
        let bytes = blobs.read(&blob.ok_or_else(unread)?)?;
        let sides = kept.get("shape").and_then(Value::as_list);
        let sides = sides.ok_or_else(unread)?.iter().filter_map(Value::as_int);
        let sides: Vec<usize> = sides.map(|side| side as usize).collect();
        let numbers = bytes.as_chunks().0.iter();
        Ok(Self {
            numbers: numbers.map(|two| f16::from_le_bytes(*two)).collect(),
            shape: sides.try_into().map_err(|_| unread())?,
            device: device.clone(),
        })
    }

    /// Channels, height and width of a picture's.
    pub(super) const fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Standard normal numbers for so many pictures.
    pub(super) fn noise(&self, pictures: usize, noise: &mut Noise) -> Tensor<4> {
        let [channels, height, width] = self.shape;
        let shape = [pictures, channels, height, width];
        let numbers = noise.numbers(shape.iter().product());
        Tensor::from_data(TensorData::new(numbers, shape), &self.device)
    }

    /// A place of each picture, by chance.
    ///
    /// # Shapes
    /// `[pictures, channels, height, width]`
    pub(super) fn drawn(&self, pictures: &[usize], noise: &mut Noise) -> Tensor<4> {
        let [channels, height, width] = self.shape;
        let each = channels * height * width;
        let moments = pictures.iter().flat_map(|picture| {
            let numbers = &self.numbers[2 * picture * each..][..2 * each];
            numbers.iter().copied().map(f32::from)
        });
        let shape = [pictures.len(), 2 * channels, height, width];
        let moments = TensorData::new(moments.collect::<Vec<_>>(), shape);
        let moments = Tensor::<4>::from_data(moments, &self.device);
        let mean = moments.clone().narrow(1, 0, channels);
        let deviation = moments.narrow(1, channels, channels);
        mean + deviation * self.noise(pictures.len(), noise)
    }
}
