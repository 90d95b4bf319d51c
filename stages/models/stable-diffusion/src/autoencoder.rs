//! The autoencoder between images and latents (AutoencoderKL).

use burn::nn::GroupNorm;
use burn::nn::conv::Conv2d;
use burn::prelude::*;
use ccsr_nn::Activation;
use ccsr_nn::ops::{self, conv2d};

use crate::attention::Attention;
use crate::config::AutoencoderConfig;
use crate::resnet::{Downsample, Resnet, ResnetSize, Upsample, conv1, conv3, group_norm};

/// ε of norms.
const EPSILON: f64 = 1e-6;
/// Logarithms of variances are kept between these.
const LOG_VARIANCE: (f64, f64) = (-30.0, 20.0);

/// The autoencoder.
#[derive(Module, Debug)]
pub struct Autoencoder {
    encoder: Encoder,
    decoder: Decoder,
    quant_conv: Conv2d,
    post_quant_conv: Conv2d,
    #[module(skip)]
    scaling_factor: f64,
}

#[derive(Module, Debug)]
struct Encoder {
    conv_in: Conv2d,
    down_blocks: Vec<EncoderBlock>,
    mid_block: MidBlock,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    #[module(skip)]
    activation: Activation,
}

#[derive(Module, Debug)]
struct EncoderBlock {
    resnets: Vec<Resnet>,
    downsamplers: Option<Vec<Downsample>>,
}

#[derive(Module, Debug)]
struct Decoder {
    conv_in: Conv2d,
    mid_block: MidBlock,
    up_blocks: Vec<DecoderBlock>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    #[module(skip)]
    activation: Activation,
}

#[derive(Module, Debug)]
struct DecoderBlock {
    resnets: Vec<Resnet>,
    upsamplers: Option<Vec<Upsample>>,
}

/// Two residual networks with an attention of one head between them.
#[derive(Module, Debug)]
struct MidBlock {
    resnets: Vec<Resnet>,
    attentions: Vec<CellAttention>,
}

#[derive(Module, Debug)]
struct CellAttention {
    group_norm: GroupNorm,
    attention: Attention,
}

/// Where an image may lie in latent space: a normal distribution for each number. Not scaled.
#[derive(Clone, Debug)]
pub struct Posterior {
    /// `[batch, channels, height, width]`, in latent cells.
    pub mean: Tensor<4>,
    /// Standard deviations, of the same shape.
    pub deviation: Tensor<4>,
}

impl Posterior {
    /// A place, by standard normal noise of the same shape.
    pub fn sample(&self, noise: Tensor<4>) -> Tensor<4> {
        self.mean.clone() + self.deviation.clone() * noise
    }

    /// How far each image's distribution is from the standard normal one (Kullback and Leibler), summed over its numbers.
    ///
    /// # Shapes
    /// `[batch]`
    pub fn divergence(&self) -> Tensor<1> {
        let [batch, ..] = self.mean.dims();
        let variance = self.deviation.clone().powi_scalar(2);
        let each = self.mean.clone().powi_scalar(2) + variance.clone() - variance.log() - 1.0;
        let sums = each.reshape([batch as i32, -1]).sum_dim(1);
        sums.reshape([batch]).mul_scalar(0.5)
    }
}

impl Autoencoder {
    pub(crate) fn new(config: &AutoencoderConfig, device: &Device) -> Self {
        let latent = config.latent_channels;
        Self {
            encoder: Encoder::new(config, device),
            decoder: Decoder::new(config, device),
            quant_conv: conv1([latent * 2; 2], device),
            post_quant_conv: conv1([latent; 2], device),
            scaling_factor: config.scaling_factor,
        }
    }

    /// Where images may lie in latent space.
    ///
    /// # Shapes
    /// `images`: `[batch, 3, height, width]` in −1 … 1.
    pub fn encode(&self, images: Tensor<4>) -> Posterior {
        let moments = conv2d(&self.quant_conv, self.encoder.forward(images));
        let mut parts = moments.chunk(2, 1).into_iter();
        let mean = parts.next().expect("two parts");
        let log_variance = parts
            .next()
            .expect("two parts")
            .clamp(LOG_VARIANCE.0, LOG_VARIANCE.1);
        Posterior {
            mean,
            deviation: log_variance.mul_scalar(0.5).exp(),
        }
    }

    /// Images of scaled latents, as the UNet makes them.
    ///
    /// # Shapes
    /// `latents`: `[batch, channels, height, width]`; the answer: `[batch, 3, pixels, pixels]`, about
    /// −1 … 1.
    pub fn decode(&self, latents: Tensor<4>) -> Tensor<4> {
        let latents = latents.div_scalar(self.scaling_factor);
        self.decoder.forward(conv2d(&self.post_quant_conv, latents))
    }

    /// What latents are multiplied with before the UNet sees them.
    pub const fn scaling_factor(&self) -> f64 {
        self.scaling_factor
    }
}

fn resnet_size(config: &AutoencoderConfig) -> ResnetSize {
    ResnetSize {
        time: None,
        groups: config.norm_num_groups,
        epsilon: EPSILON,
        activation: config.act_fn,
    }
}

/// So many residual networks, the first of which changes the channels.
fn resnets([from, to]: [usize; 2], count: usize, size: ResnetSize, device: &Device) -> Vec<Resnet> {
    let from = |layer| if layer == 0 { from } else { to };
    (0..count)
        .map(|layer| Resnet::new([from(layer), to], size, device))
        .collect()
}

impl Encoder {
    fn new(config: &AutoencoderConfig, device: &Device) -> Self {
        let channels = &config.block_out_channels;
        let (size, end) = (resnet_size(config), channels.len() - 1);
        let block = |(index, to): (usize, &usize)| {
            let from = channels[index.saturating_sub(1)];
            EncoderBlock {
                resnets: resnets([from, *to], config.layers_per_block, size, device),
                downsamplers: (index < end).then(|| vec![Downsample::new(*to, false, device)]),
            }
        };
        let last = channels[end];
        Self {
            conv_in: conv3([config.in_channels, channels[0]], device),
            down_blocks: channels.iter().enumerate().map(block).collect(),
            mid_block: MidBlock::new(last, size, device),
            conv_norm_out: group_norm(config.norm_num_groups, last, EPSILON, device),
            conv_out: conv3([last, config.latent_channels * 2], device),
            activation: config.act_fn,
        }
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let mut hidden = conv2d(&self.conv_in, images);
        for block in &self.down_blocks {
            hidden = through(&block.resnets, hidden);
            for downsampler in block.downsamplers.iter().flatten() {
                hidden = downsampler.forward(hidden);
            }
        }
        let hidden = self.mid_block.forward(hidden);
        let normal = self.activation.after_norm(&self.conv_norm_out, hidden);
        conv2d(&self.conv_out, normal)
    }
}

impl Decoder {
    fn new(config: &AutoencoderConfig, device: &Device) -> Self {
        let channels: Vec<usize> = config.block_out_channels.iter().rev().copied().collect();
        let (size, end) = (resnet_size(config), channels.len() - 1);
        let block = |(index, to): (usize, &usize)| {
            let from = channels[index.saturating_sub(1)];
            DecoderBlock {
                resnets: resnets([from, *to], config.layers_per_block + 1, size, device),
                upsamplers: (index < end).then(|| vec![Upsample::new(*to, device)]),
            }
        };
        Self {
            conv_in: conv3([config.latent_channels, channels[0]], device),
            mid_block: MidBlock::new(channels[0], size, device),
            up_blocks: channels.iter().enumerate().map(block).collect(),
            conv_norm_out: group_norm(config.norm_num_groups, channels[end], EPSILON, device),
            conv_out: conv3([channels[end], config.out_channels], device),
            activation: config.act_fn,
        }
    }

    fn forward(&self, latents: Tensor<4>) -> Tensor<4> {
        let mut hidden = self.mid_block.forward(conv2d(&self.conv_in, latents));
        for block in &self.up_blocks {
            hidden = through(&block.resnets, hidden);
            for upsampler in block.upsamplers.iter().flatten() {
                hidden = upsampler.forward(hidden, None);
            }
        }
        let normal = self.activation.after_norm(&self.conv_norm_out, hidden);
        conv2d(&self.conv_out, normal)
    }
}

fn through(resnets: &[Resnet], hidden: Tensor<4>) -> Tensor<4> {
    resnets
        .iter()
        .fold(hidden, |hidden, resnet| resnet.forward(hidden, None))
}

impl MidBlock {
    fn new(channels: usize, size: ResnetSize, device: &Device) -> Self {
        Self {
            resnets: resnets([channels; 2], 2, size, device),
            attentions: vec![CellAttention {
                group_norm: group_norm(size.groups, channels, EPSILON, device),
                attention: Attention::new(channels, channels, 1, true, device),
            }],
        }
    }

    fn forward(&self, hidden: Tensor<4>) -> Tensor<4> {
        let mut hidden = self.resnets[0].forward(hidden, None);
        for (attention, resnet) in self.attentions.iter().zip(&self.resnets[1..]) {
            hidden = resnet.forward(attention.forward(hidden), None);
        }
        hidden
    }
}

impl CellAttention {
    fn forward(&self, hidden: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = hidden.dims();
        let normal = ops::group_norm(&self.group_norm, hidden.clone(), false);
        let cells = normal
            .reshape([batch, channels, height * width])
            .swap_dims(1, 2);
        let seen = self.attention.project(cells.clone());
        let attended = self.attention.forward(cells, seen).swap_dims(1, 2);
        hidden + attended.reshape([batch, channels, height, width])
    }
}
