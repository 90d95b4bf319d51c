//! What is computed once of images and prompts, and kept: where an image lies in latent space, and what the text
//! encoder makes of a prompt.

use std::any::Any;
use std::path::Path;

use burn::prelude::*;
use burn::tensor::DType;
use ccsr_clip::{Padding, TextModel, Tokenizer, load_text};
use ccsr_sampling::noise::Noise;
use ccsr_stable_diffusion::{Autoencoder, Posterior, load_autoencoder};
use ccsr_stage::{Batch, Outcome, Resource, StageError, Unit, Value};
use image::RgbImage;

use super::framing::{Framing, cut, cut_middle};
use crate::device::bytes_of;
use crate::failed;
use crate::model_folder::ModelFolder;
use crate::png;
use crate::prompt_length::note_of_cut;

/// Tokens of a text.
pub(super) const TOKENS: usize = 77;

/// The autoencoder in memory.
pub(super) struct ImageEncoder {
    autoencoder: Autoencoder,
    device: Device,
}

/// The text encoder in memory.
pub(super) struct TextEncoder {
    tokenizer: Tokenizer,
    model: TextModel,
    device: Device,
}

impl Resource for ImageEncoder {
    fn bytes(&self) -> u64 {
        bytes_of(&self.autoencoder)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Resource for TextEncoder {
    fn bytes(&self) -> u64 {
        bytes_of(&self.model)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl ImageEncoder {
    /// `folder` is that of the autoencoder.
    pub(super) fn load(folder: &Path, device: Device) -> Result<Self, StageError> {
        let (autoencoder, _) = load_autoencoder(folder, &device).map_err(failed)?;
        Ok(Self {
            autoencoder,
            device,
        })
    }

    /// Where an image lies, scaled as the UNet wants it: means and deviations, `[2, channels, height, width]` in a row.
    pub(super) fn moments(&self, image: &RgbImage) -> Result<Moments, StageError> {
        let [width, height] = [image.width(), image.height()].map(|side| side as usize);
        let planes = (0..3).flat_map(|colour| {
            let levels = image.as_raw()[colour..].iter().step_by(3);
            levels.map(|level| f32::from(*level) / 255.0 * 2.0 - 1.0)
        });
        let data = TensorData::new(planes.collect::<Vec<_>>(), [1, 3, height, width]);
        let Posterior { mean, deviation } = self
            .autoencoder
            .encode(Tensor::from_data(data, &self.device));
        let [_, channels, height, width] = mean.dims();
        let both =
            Tensor::cat(vec![mean, deviation], 0).mul_scalar(self.autoencoder.scaling_factor());
        let numbers = both
            .into_data()
            .convert_dtype(DType::F32)
            .try_to_vec::<f32>();
        Ok(Moments {
            numbers: numbers.map_err(|error| StageError::failed(format!("{error:?}")))?,
            shape: [channels, height, width],
        })
    }

    /// Encodes the image of a unit, or says that chance has a say in what is cut out of it.
    pub(super) fn execute(&self, unit: &Unit, batch: &Batch<'_>) -> Result<Outcome, StageError> {
        let read = |name: &str| unit.input.get(name).ok_or_else(|| unread(name));
        let framing: Framing = read("framing")?.read().map_err(failed)?;
        let digest = read("image")?.as_blob().ok_or_else(|| unread("image"))?;
        let flipped = unit.input.get("flipped") == Some(&Value::Bool(true));
        let image = png::read(batch.blobs, &digest)?;
        let (scaled, wanted) = framing.scaled(&image)?;
        let mut outcome = Outcome::default();
        let value = if framing.is_drawn(&scaled, wanted) {
            let sides = wanted.map(|side| Value::Int(i64::from(side)));
            Value::map([("pixels", Value::list(sides))])
        } else {
            let moments = self.moments(&cut_middle(&scaled, wanted, flipped))?;
            let shape = moments.shape.map(|side| Value::Int(side as i64));
            let blob = outcome.add_blob(bytes_of_numbers(&moments.numbers));
            Value::map([
                ("moments", Value::Blob(blob)),
                ("shape", Value::list(shape)),
            ])
        };
        Ok(outcome.with_value(value))
    }
}

/// What a unit lacks.
pub(super) fn unread(name: &str) -> StageError {
    StageError::failed(format!("a unit came without its `{name}`"))
}

/// Where an image lies in latent space, scaled.
#[derive(Clone)]
pub(super) struct Moments {
    /// Means, then deviations.
    pub(super) numbers: Vec<f32>,
    /// Channels, height, width.
    pub(super) shape: [usize; 3],
}

impl Moments {
    /// A place there, drawn anew.
    pub(super) fn sample(&self, noise: &mut Noise) -> Vec<f32> {
        let (means, deviations) = self.numbers.split_at(self.numbers.len() / 2);
        let drawn = noise.numbers(means.len());
        let places = means.iter().zip(deviations).zip(drawn);
        places
            .map(|((mean, deviation), noise)| mean + deviation * noise)
            .collect()
    }
}

/// What of an image a chance has a say in is trained on.
pub(super) fn shown(
    encoder: &ImageEncoder,
    framing: Framing,
    image: &RgbImage,
    place: [f64; 2],
    flipped: bool,
) -> Result<Moments, StageError> {
    let (scaled, wanted) = framing.scaled(image)?;
    encoder.moments(&cut(&scaled, wanted, place, flipped))
}

impl TextEncoder {
    /// `folder` is that of the whole model.
    pub(super) fn load(folder: &ModelFolder, device: Device) -> Result<Self, StageError> {
        let (model, _) = load_text(&folder.part("text_encoder"), &device).map_err(failed)?;
        Ok(Self {
            tokenizer: Tokenizer::open(&folder.part("tokenizer"), TOKENS).map_err(failed)?,
            model,
            device,
        })
    }

    /// Encodes the text of a unit: states `[tokens, numbers]` in a row.
    pub(super) fn execute(&self, unit: &Unit) -> Result<Outcome, StageError> {
        let text = unit.input.get("text").and_then(Value::as_text);
        let text = text.ok_or_else(|| unread("text"))?;
        let tokens = self
            .tokenizer
            .tokenise(text, Padding::Checkpoint)
            .map_err(failed)?;
        let note = note_of_cut(text, &tokens);
        let tokens = TensorData::new(tokens.ids, [1, TOKENS]);
        let states = self
            .model
            .forward(Tensor::<2, Int>::from_data(tokens, &self.device));
        let states = states
            .into_data()
            .convert_dtype(DType::F32)
            .try_to_vec::<f32>();
        let states = states.map_err(|error| StageError::failed(format!("{error:?}")))?;
        Ok(Outcome::of_blob(bytes_of_numbers(&states)).with_note(note))
    }
}

/// Numbers as the cache keeps them: binary32, the lowest byte first.
fn bytes_of_numbers(numbers: &[f32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

/// The way back.
pub(super) fn numbers_of_bytes(bytes: &[u8]) -> Result<Vec<f32>, StageError> {
    let (numbers, rest) = bytes.as_chunks();
    if !rest.is_empty() {
        let length = bytes.len();
        return Err(StageError::failed(format!(
            "{length} bytes are no whole number of binary32"
        )));
    }
    Ok(numbers
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect())
}
