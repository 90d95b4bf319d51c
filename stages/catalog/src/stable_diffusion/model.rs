//! The model in memory: from texts and noises to images.
//!
//! Candidates of a prompt are drawn together (of a small model, those of a core): the text is encoded
//! once, and what the UNet looks at of it is computed once, not at every step; that of the negative
//! prompt once as long as the model is in memory. Each candidate's noise is its own.

use std::any::Any;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn::prelude::*;
use burn::tensor::DType;
use ccsr_clip::{Padding, TextModel, Tokenizer, adapt_text, load_text};
use ccsr_nn::{Adapter, Component, ConfigError, read_config};
use ccsr_sampling::noise::{self, Noise};
use ccsr_sampling::{Sampler, SamplerKind, SchedulerConfig};
use ccsr_stable_diffusion::{
    Autoencoder, AutoencoderConfig, Conditioning, TinyAutoencoder, TinyAutoencoderConfig, UNet,
    adapt_unet, load_autoencoder, load_tiny_autoencoder, load_unet,
};
use ccsr_stage::{Blobs, Digest, Resource, StageError};
use image::RgbImage;
use serde::Deserialize;

use super::failed;
use crate::cores::share_out;
use crate::device::bytes_of;
use crate::model_folder::ModelFolder;
use crate::prompt_length::note_of_cut;

/// Tokens of a text.
const TOKENS: usize = 77;

/// The model in memory.
pub(super) struct Model {
    device: Device,
    /// In which the UNet computes.
    precision: DType,
    tokenizer: Tokenizer,
    pub(super) base: Networks,
    /// The base with the adapter that was used last.
    adapted: Mutex<Option<Adapted>>,
    decoder: Decoder,
    channels: usize,
    factor: usize,
    scheduler: SchedulerConfig,
}

/// The networks that an adapter adds to.
pub(super) struct Networks {
    text: TextModel,
    unet: UNet,
    /// What the UNet looks at of texts that come again and again: negative prompts.
    known: Mutex<HashMap<String, Conditioning>>,
}

impl Networks {
    fn new(text: TextModel, unet: UNet) -> Self {
        let known = Mutex::default();
        Self { text, unet, known }
    }
}

/// Which adapter, how much of it, and the networks with it.
type Adapted = ((Digest, f64), Arc<Networks>);

/// What makes images of latents.
enum Decoder {
    Full(Box<Autoencoder>),
    Tiny(TinyAutoencoder),
}

/// Which autoencoder a folder holds.
#[derive(Deserialize)]
struct AutoencoderKind {
    #[serde(rename = "_class_name", default)]
    class_name: Option<String>,
}

impl Resource for Model {
    fn bytes(&self) -> u64 {
        let decoder = match &self.decoder {
            Decoder::Full(autoencoder) => bytes_of(autoencoder.as_ref()),
            Decoder::Tiny(autoencoder) => bytes_of(autoencoder),
        };
        bytes_of(&self.base.text) + bytes_of(&self.base.unet) + decoder
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What candidates that are drawn together have in common.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wish<'a> {
    pub(super) prompt: &'a str,
    /// Width and height in pixels.
    pub(super) side: usize,
    pub(super) sampler: SamplerKind,
    pub(super) steps: usize,
    /// With its negative prompt, if there is any.
    pub(super) guidance: Option<(f64, &'a str)>,
    /// An adapter's file, and how much of it.
    pub(super) adapter: Option<(Digest, f64)>,
}

impl Model {
    /// Reads a model from its folder.
    pub(super) fn load(
        folder: &ModelFolder,
        adapter: Option<(&Path, f64)>,
        scheduler: &SchedulerConfig,
        precision: DType,
        device: Device,
    ) -> Result<Self, StageError> {
        let part = |part: &str| folder.part(part);
        let (mut text, _) = load_text(&part("text_encoder"), &device).map_err(failed)?;
        let (mut unet, config) = load_unet(&part("unet"), &device).map_err(failed)?;
        if let Some((folder, scale)) = adapter {
            let adapter = Adapter::open(folder).map_err(failed)?;
            unet = adapt_unet(unet, &adapter, scale).map_err(failed)?;
            text = adapt_text(text, &adapter, scale).map_err(failed)?;
        }
        if precision != DType::F32 {
            unet = ccsr_nn::cast(unet, precision);
        }
        let vae = part("vae");
        let (decoder, factor) = if is_tiny(&vae).map_err(failed)? {
            let (autoencoder, config) = load_tiny_autoencoder(&vae, &device).map_err(failed)?;
            (Decoder::Tiny(autoencoder), config.factor())
        } else {
            let (autoencoder, config) = load_autoencoder(&vae, &device).map_err(failed)?;
            (Decoder::Full(Box::new(autoencoder)), config.factor())
        };
        Ok(Self {
            tokenizer: Tokenizer::open(&part("tokenizer"), TOKENS).map_err(failed)?,
            base: Networks::new(text, unet),
            adapted: Mutex::default(),
            decoder,
            channels: config.in_channels,
            factor,
            scheduler: scheduler.clone(),
            precision,
            device,
        })
    }

    /// What people should know about how a text is read.
    pub(super) fn note(&self, text: &str) -> Result<Option<String>, StageError> {
        let tokens = self.tokenizer.tokenise(text, Padding::Checkpoint);
        Ok(note_of_cut(text, &tokens.map_err(failed)?))
    }

    /// Images of noises, one each.
    pub(super) fn draw(
        &self,
        wish: &Wish<'_>,
        noises: Vec<Noise>,
        blobs: &dyn Blobs,
    ) -> Result<Vec<RgbImage>, StageError> {
        let adapted = match wish.adapter {
            None => None,
            Some(adapter) => Some(self.adapted(adapter, blobs)?),
        };
        let networks = adapted.as_deref().unwrap_or(&self.base);
        let drawn = share_out(self.bytes(), &self.device, noises, |noises| {
            self.draw_together(networks, wish, noises)
        });
        Ok(drawn?.concat())
    }

    /// The same, in one batch.
    fn draw_together(
        &self,
        networks: &Networks,
        wish: &Wish<'_>,
        mut noises: Vec<Noise>,
    ) -> Result<Vec<RgbImage>, StageError> {
        let side = wish.side / self.factor;
        let shape = [self.channels, side, side];
        let noise = noise::batch(&mut noises, shape, &self.device);
        let mut sampler = wish
            .sampler
            .build(&self.scheduler, wish.steps)
            .map_err(failed)?;
        let latents = self.sample(networks, wish, sampler.as_mut(), noise, |_| {
            noise::batch(&mut noises, shape, &self.device)
        })?;
        // One at a time: decoding takes far more memory an image than denoising, and no less time together.
        let each = latents.split(1, 0).into_iter();
        Ok(each
            .flat_map(|latents| images(&self.decode(latents)))
            .collect())
    }

    /// The networks with an adapter beside their layers. Candidates of one scale come after each other, so the last is
    /// kept.
    fn adapted(
        &self,
        (adapter, scale): (Digest, f64),
        blobs: &dyn Blobs,
    ) -> Result<Arc<Networks>, StageError> {
        let mut kept = self.adapted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, networks)) = &*kept
            && *known == (adapter, scale)
        {
            return Ok(networks.clone());
        }
        let bytes = blobs.read(&adapter)?;
        let file = Adapter::from_bytes(Path::new("the adapter"), &bytes).map_err(failed)?;
        let (mut text, mut unet) = (self.base.text.clone(), self.base.unet.clone());
        let attached = file.attach(&mut unet, Component::UNet, scale, &self.device);
        attached.map_err(failed)?;
        let attached = file.attach(&mut text, Component::TextEncoder, scale, &self.device);
        attached.map_err(failed)?;
        let networks = Arc::new(Networks::new(text, unet));
        *kept = Some(((adapter, scale), networks.clone()));
        Ok(networks)
    }

    /// Latents of noise.
    ///
    /// # Shapes
    /// `[candidates, channels, height, width]`, in and out.
    pub(super) fn sample(
        &self,
        networks: &Networks,
        wish: &Wish<'_>,
        sampler: &mut dyn Sampler,
        noise: Tensor<4>,
        mut more: impl FnMut(usize) -> Tensor<4>,
    ) -> Result<Tensor<4>, StageError> {
        let [count, ..] = noise.dims();
        let prompt = self.condition(networks, wish.prompt)?.repeat(count);
        let conditioning = match wish.guidance {
            None => prompt,
            Some((_, negative)) => {
                let negative = self.negative(networks, negative)?.repeat(count);
                Conditioning::cat(&[&negative, &prompt])
            }
        };
        let mut sample = noise.mul_scalar(sampler.initial_sigma());
        for (evaluation, timestep) in sampler.timesteps().to_vec().into_iter().enumerate() {
            let input = sampler.scale_input(sample.clone(), evaluation);
            let output = match wish.guidance {
                None => self.predict(networks, input, timestep, &conditioning),
                Some((guidance, _)) => {
                    let twice = input.repeat_dim(0, 2);
                    let both = self.predict(networks, twice, timestep, &conditioning);
                    let without = both.clone().slice(0..count);
                    let with = both.slice(count..count * 2);
                    without.clone() + (with - without).mul_scalar(guidance)
                }
            };
            let draw = sampler.draws(evaluation).then(|| more(evaluation));
            sample = sampler.step(evaluation, output, sample, draw);
        }
        Ok(sample)
    }

    /// What the UNet predicts, in single precision: samplers add up small steps.
    fn predict(
        &self,
        networks: &Networks,
        sample: Tensor<4>,
        timestep: f64,
        text: &Conditioning,
    ) -> Tensor<4> {
        let sample = sample.cast(self.precision);
        networks
            .unet
            .forward(sample, timestep, text)
            .cast(DType::F32)
    }

    /// What the UNet looks at of a text.
    fn condition(&self, networks: &Networks, text: &str) -> Result<Conditioning, StageError> {
        let tokens = self
            .tokenizer
            .tokenise(text, Padding::Checkpoint)
            .map_err(failed)?;
        let tokens = TensorData::new(tokens.ids, [1, TOKENS]);
        let tokens = Tensor::<2, Int>::from_data(tokens, &self.device);
        let states = networks.text.forward(tokens).cast(self.precision);
        Ok(networks.unet.condition(&states))
    }

    /// The same of a text that comes again and again.
    fn negative(&self, networks: &Networks, text: &str) -> Result<Conditioning, StageError> {
        let known = || {
            networks
                .known
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(found) = known().get(text) {
            return Ok(found.clone());
        }
        let made = self.condition(networks, text)?;
        known().insert(text.to_owned(), made.clone());
        Ok(made)
    }

    /// What latents show, `[images, 3, height, width]` in −1 … 1.
    pub(super) fn decode(&self, latents: Tensor<4>) -> Tensor<4> {
        match &self.decoder {
            Decoder::Full(autoencoder) => autoencoder.decode(latents),
            Decoder::Tiny(autoencoder) => autoencoder.decode(latents),
        }
    }
}

/// Whether a folder holds a tiny autoencoder.
pub(crate) fn is_tiny(folder: &Path) -> Result<bool, ConfigError> {
    let kind: AutoencoderKind = read_config(&folder.join("config.json"))?;
    Ok(kind.class_name.as_deref() == Some("AutoencoderTiny"))
}

/// Pixels a latent cell's side.
pub(super) fn factor_of(folder: &Path) -> Result<usize, ConfigError> {
    let path = folder.join("config.json");
    if is_tiny(folder)? {
        return Ok(read_config::<TinyAutoencoderConfig>(&path)?.factor());
    }
    Ok(read_config::<AutoencoderConfig>(&path)?.factor())
}

/// Pictures of decoded images, in −1 … 1; halves are rounded to even numbers, as numpy does.
pub(super) fn images(decoded: &Tensor<4>) -> Vec<RgbImage> {
    let [count, _, height, width] = decoded.dims();
    // `[images, height, width, colours]`
    let levels = decoded
        .clone()
        .permute([0, 2, 3, 1])
        .into_data()
        .convert::<f32>();
    let levels = levels.try_to_vec::<f32>().expect("it was converted above");
    let byte = |level: &f32| ((level / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8;
    let bytes: Vec<u8> = levels.iter().map(byte).collect();
    let each = height * width * 3;
    let image = |bytes: &[u8]| {
        RgbImage::from_raw(width as u32, height as u32, bytes.to_vec())
            .expect("three bytes a pixel")
    };
    bytes.chunks(each).take(count).map(image).collect()
}
