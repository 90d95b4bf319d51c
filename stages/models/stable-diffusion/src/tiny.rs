//! The tiny autoencoder (TAESD; AutoencoderTiny in `diffusers`): plain convolutions, a hundredth of the
//! work, no distribution.

use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::prelude::*;
use burn::tensor::activation::relu;
use ccsr_nn::Activation;
use ccsr_nn::ops::conv2d;
use serde::{Deserialize, Serialize};

use crate::resnet::{conv1, conv3, enlarged};

/// Latents are kept within about ±3 before they are decoded.
const WITHIN: f64 = 3.0;

/// The tiny autoencoder's configuration, by the names of `config.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TinyAutoencoderConfig {
    /// Colours in.
    pub in_channels: usize,
    /// Colours out.
    pub out_channels: usize,
    /// Channels of latents.
    pub latent_channels: usize,
    /// Channels of each part of the encoder.
    pub encoder_block_out_channels: Vec<usize>,
    /// Channels of each part of the decoder.
    pub decoder_block_out_channels: Vec<usize>,
    /// Blocks of each part of the encoder.
    pub num_encoder_blocks: Vec<usize>,
    /// Blocks of each part of the decoder.
    pub num_decoder_blocks: Vec<usize>,
    /// What blocks use.
    pub act_fn: Activation,
    /// What latents are multiplied with before the UNet sees them.
    pub scaling_factor: f64,
}

impl Default for TinyAutoencoderConfig {
    /// `madebyollin/taesd`.
    fn default() -> Self {
        Self {
            in_channels: 3,
            out_channels: 3,
            latent_channels: 4,
            encoder_block_out_channels: vec![64; 4],
            decoder_block_out_channels: vec![64; 4],
            num_encoder_blocks: vec![1, 3, 3, 3],
            num_decoder_blocks: vec![3, 3, 3, 1],
            act_fn: Activation::Relu,
            scaling_factor: 1.0,
        }
    }
}

impl TinyAutoencoderConfig {
    /// What is wrong with it, in a sentence.
    pub(crate) fn problem(&self) -> Option<String> {
        let parts = [
            (
                "encoder",
                &self.encoder_block_out_channels,
                &self.num_encoder_blocks,
            ),
            (
                "decoder",
                &self.decoder_block_out_channels,
                &self.num_decoder_blocks,
            ),
        ];
        parts.into_iter().find_map(|(name, channels, blocks)| {
            let uneven = channels.len() != blocks.len() || channels.is_empty();
            uneven.then(|| {
                format!("`{name}_block_out_channels` and `num_{name}_blocks` must have as many entries, one at least")
            })
        })
    }

    /// Pixels a latent cell's side: 8 for four parts.
    pub fn factor(&self) -> usize {
        1 << (self.decoder_block_out_channels.len().max(1) - 1)
    }

    /// An autoencoder of this size, without weights.
    pub fn init(&self, device: &Device) -> TinyAutoencoder {
        TinyAutoencoder::new(self, device)
    }
}

/// The tiny autoencoder.
#[derive(Module, Debug)]
pub struct TinyAutoencoder {
    encoder: Layers,
    decoder: Layers,
    #[module(skip)]
    scaling_factor: f64,
}

/// Layers one after the other, numbered as files number them.
#[derive(Module, Debug)]
struct Layers {
    layers: Vec<Layer>,
}

/// A layer: a convolution, a block, or what has no weights.
#[derive(Module, Debug)]
struct Layer {
    plain: Option<Conv2d>,
    block: Option<Block>,
    #[module(skip)]
    weightless: Option<Weightless>,
}

#[derive(Clone, Copy, Debug)]
enum Weightless {
    Activation(Activation),
    Double,
}

/// Three convolutions, around which the input is carried.
#[derive(Module, Debug)]
struct Block {
    conv: Vec<Conv2d>,
    skip: Option<Conv2d>,
    #[module(skip)]
    activation: Activation,
}

impl Block {
    fn new(channels: [usize; 2], activation: Activation, device: &Device) -> Self {
        let [from, to] = channels;
        let convs = [[from, to], [to, to], [to, to]];
        Self {
            conv: convs
                .into_iter()
                .map(|channels| conv3(channels, device))
                .collect(),
            skip: (from != to).then(|| conv1(channels, device)),
            activation,
        }
    }

    fn forward(&self, sample: Tensor<4>) -> Tensor<4> {
        let mut hidden = sample.clone();
        for (index, conv) in self.conv.iter().enumerate() {
            if index > 0 {
                hidden = self.activation.forward(hidden);
            }
            hidden = conv2d(conv, hidden);
        }
        let carried = match &self.skip {
            Some(skip) => conv2d(skip, sample),
            None => sample,
        };
        relu(hidden + carried)
    }
}

impl Layer {
    fn plain(conv: Conv2d) -> Self {
        Self {
            plain: Some(conv),
            block: None,
            weightless: None,
        }
    }

    fn block(channels: usize, activation: Activation, device: &Device) -> Self {
        Self {
            plain: None,
            block: Some(Block::new([channels; 2], activation, device)),
            weightless: None,
        }
    }

    const fn weightless(what: Weightless) -> Self {
        Self {
            plain: None,
            block: None,
            weightless: Some(what),
        }
    }

    fn forward(&self, sample: Tensor<4>) -> Tensor<4> {
        if let Some(conv) = &self.plain {
            return conv2d(conv, sample);
        }
        if let Some(block) = &self.block {
            return block.forward(sample);
        }
        match self.weightless {
            Some(Weightless::Activation(activation)) => activation.forward(sample),
            Some(Weightless::Double) => {
                let [_, _, height, width] = sample.dims();
                enlarged(sample, [height * 2, width * 2])
            }
            None => sample,
        }
    }
}

/// A convolution without a bias.
fn bare(channels: [usize; 2], stride: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new(channels, [3, 3])
        .with_stride([stride; 2])
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        .with_bias(false)
        .init(device)
}

impl TinyAutoencoder {
    fn new(config: &TinyAutoencoderConfig, device: &Device) -> Self {
        Self {
            encoder: encoder(config, device),
            decoder: decoder(config, device),
            scaling_factor: config.scaling_factor,
        }
    }

    /// Latents of images, scaled for the UNet.
    ///
    /// # Shapes
    /// `images`: `[batch, 3, height, width]` in −1 … 1; the answer: `[batch, channels, cells, cells]`.
    pub fn encode(&self, images: Tensor<4>) -> Tensor<4> {
        let images = images.add_scalar(1.0).div_scalar(2.0);
        self.encoder.forward(images).mul_scalar(self.scaling_factor)
    }

    /// Images of scaled latents.
    ///
    /// # Shapes
    /// `latents`: `[batch, channels, height, width]`; the answer: `[batch, 3, pixels, pixels]`, about
    /// −1 … 1.
    pub fn decode(&self, latents: Tensor<4>) -> Tensor<4> {
        let within = latents
            .div_scalar(self.scaling_factor * WITHIN)
            .tanh()
            .mul_scalar(WITHIN);
        self.decoder.forward(within).mul_scalar(2.0).sub_scalar(1.0)
    }
}

impl Layers {
    fn forward(&self, sample: Tensor<4>) -> Tensor<4> {
        self.layers
            .iter()
            .fold(sample, |sample, layer| layer.forward(sample))
    }
}

fn encoder(config: &TinyAutoencoderConfig, device: &Device) -> Layers {
    let mut layers = Vec::new();
    let parts = config
        .encoder_block_out_channels
        .iter()
        .zip(&config.num_encoder_blocks);
    for (part, (channels, blocks)) in parts.enumerate() {
        layers.push(Layer::plain(if part == 0 {
            conv3([config.in_channels, *channels], device)
        } else {
            bare([*channels; 2], 2, device)
        }));
        layers.extend((0..*blocks).map(|_| Layer::block(*channels, config.act_fn, device)));
    }
    let last = config.encoder_block_out_channels[config.encoder_block_out_channels.len() - 1];
    layers.push(Layer::plain(conv3([last, config.latent_channels], device)));
    Layers { layers }
}

fn decoder(config: &TinyAutoencoderConfig, device: &Device) -> Layers {
    let first = conv3(
        [config.latent_channels, config.decoder_block_out_channels[0]],
        device,
    );
    let mut layers = vec![
        Layer::plain(first),
        Layer::weightless(Weightless::Activation(config.act_fn)),
    ];
    let parts = config
        .decoder_block_out_channels
        .iter()
        .zip(&config.num_decoder_blocks);
    let last = config.num_decoder_blocks.len() - 1;
    for (part, (channels, blocks)) in parts.enumerate() {
        layers.extend((0..*blocks).map(|_| Layer::block(*channels, config.act_fn, device)));
        if part == last {
            layers.push(Layer::plain(conv3(
                [*channels, config.out_channels],
                device,
            )));
        } else {
            layers.push(Layer::weightless(Weightless::Double));
            layers.push(Layer::plain(bare([*channels; 2], 1, device)));
        }
    }
    Layers { layers }
}

/// A tensor's name here: `decoder.layers.3.conv.2.weight` is the second convolution of a block.
pub(crate) fn renamed(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        [side, "layers", layer, "conv", place, kind] => {
            // Activations stand between convolutions.
            let place = place.parse::<usize>().unwrap_or_default() / 2;
            format!("{side}.layers.{layer}.block.conv.{place}.{kind}")
        }
        [side, "layers", layer, "skip", kind] => format!("{side}.layers.{layer}.block.skip.{kind}"),
        [side, "layers", layer, kind] => format!("{side}.layers.{layer}.plain.{kind}"),
        _ => name.to_owned(),
    }
}
