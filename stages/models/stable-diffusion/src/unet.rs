//! The network that predicts noise: down, through the middle, and up again, carrying along what the way
//! down went through.

use burn::nn::{GroupNorm, LinearConfig};
use burn::prelude::*;
use ccsr_nn::{Activation, Adaptable, AdaptedConv2d, AdaptedLinear, Sites};

use crate::attention::KeysValues;
use crate::block::{DownBlock, MidBlock, UpBlock};
use crate::checkpointed::Block;
use crate::config::{BlockKind, UNetConfig};
use crate::resnet::{ResnetSize, conv3, group_norm};
use crate::transformer::TransformerSize;

/// The longest period of a timestep's sines, in timesteps.
const LONGEST_PERIOD: f64 = 10_000.0;
/// A timestep's embedding has so many times the channels of the first block.
const TIME: usize = 4;

/// The UNet.
#[derive(Module, Debug)]
pub struct UNet {
    pub(crate) conv_in: AdaptedConv2d,
    time_embedding: TimeEmbedding,
    down_blocks: Vec<DownBlock>,
    mid_block: Option<MidBlock>,
    up_blocks: Vec<UpBlock>,
    conv_norm_out: GroupNorm,
    conv_out: AdaptedConv2d,
    #[module(skip)]
    sines: Sines,
    #[module(skip)]
    activation: Activation,
}

#[derive(Module, Debug)]
struct TimeEmbedding {
    linear_1: AdaptedLinear,
    linear_2: AdaptedLinear,
}

/// How timesteps become sines and cosines.
#[derive(Clone, Copy, Debug)]
struct Sines {
    channels: usize,
    cosines_first: bool,
    shift: usize,
}

/// A text as the network looks at it: keys and values of every transformer. It is the same at every step,
/// so it is made once a prompt.
#[derive(Clone, Debug)]
pub struct Conditioning(Vec<KeysValues>);

impl Conditioning {
    /// Several as one batch, in order; they must come from one network.
    ///
    /// # Panics
    /// If there are none.
    pub fn cat(parts: &[&Self]) -> Self {
        let joined = |index: usize, which: fn(&KeysValues) -> &Tensor<4>| {
            Tensor::cat(
                parts
                    .iter()
                    .map(|part| which(&part.0[index]).clone())
                    .collect(),
                0,
            )
        };
        let layers = parts[0].0.len();
        let layer = |index| (joined(index, |kv| &kv.0), joined(index, |kv| &kv.1));
        Self((0..layers).map(layer).collect())
    }

    pub(crate) fn layers(&self) -> std::slice::Iter<'_, KeysValues> {
        self.0.iter()
    }

    /// The same text for so many samples.
    #[must_use]
    pub fn repeat(&self, samples: usize) -> Self {
        let repeat = |(keys, values): &KeysValues| {
            (
                keys.clone().repeat_dim(0, samples),
                values.clone().repeat_dim(0, samples),
            )
        };
        Self(self.0.iter().map(repeat).collect())
    }
}

impl UNet {
    pub(crate) fn new(config: &UNetConfig, device: &Device) -> Self {
        let channels = &config.block_out_channels;
        let (first, last) = (channels[0], channels[channels.len() - 1]);
        let time = first * TIME;
        let resnet = ResnetSize {
            time: Some(time),
            groups: config.norm_num_groups,
            epsilon: config.norm_eps,
            activation: config.act_fn,
        };
        let attention = |block: usize, kind: BlockKind| {
            kind.has_attention().then(|| TransformerSize {
                width: channels[block],
                heads: config.attention_head_dim.of(block),
                context: config.cross_attention_dim,
                groups: config.norm_num_groups,
                linear: config.use_linear_projection,
                only_context: config.only_cross_attention.of(block),
                upcast: config.upcast_attention,
            })
        };
        let end = channels.len() - 1;
        let down = config
            .down_block_types
            .iter()
            .enumerate()
            .map(|(block, kind)| {
                let from = if block == 0 {
                    first
                } else {
                    channels[block - 1]
                };
                let downsample = (block < end).then_some(config.downsample_padding == 1);
                let layers = config.layers_per_block.of(block);
                let size = (resnet, attention(block, *kind));
                DownBlock::new([from, channels[block]], layers, size, downsample, device)
            });
        let middle = config.mid_block_type.and_then(|kind| attention(end, kind));
        let skips = skipped(config);
        let up = config
            .up_block_types
            .iter()
            .enumerate()
            .map(|(index, kind)| {
                let block = end - index;
                let from = if index == 0 {
                    last
                } else {
                    channels[block + 1]
                };
                let size = (resnet, attention(block, *kind));
                UpBlock::new(
                    [from, channels[block]],
                    &skips[block],
                    size,
                    block > 0,
                    device,
                )
            });
        Self {
            conv_in: conv3([config.in_channels, first], device).into(),
            time_embedding: TimeEmbedding {
                linear_1: LinearConfig::new(first, time).init(device).into(),
                linear_2: LinearConfig::new(time, time).init(device).into(),
            },
            down_blocks: down.collect(),
            mid_block: middle.map(|size| MidBlock::new(last, resnet, size, device)),
            up_blocks: up.collect(),
            conv_norm_out: group_norm(config.norm_num_groups, first, config.norm_eps, device),
            conv_out: conv3([first, config.out_channels], device).into(),
            sines: Sines {
                channels: first,
                cosines_first: config.flip_sin_to_cos,
                shift: config.freq_shift,
            },
            activation: config.act_fn,
        }
    }

    /// A text as this network looks at it.
    ///
    /// # Shapes
    /// `text`: the text encoder's states, `[batch, tokens, numbers]`.
    pub fn condition(&self, text: &Tensor<3>) -> Conditioning {
        let mut found = Vec::new();
        self.down_blocks
            .iter()
            .for_each(|block| block.project(text, &mut found));
        self.mid_block
            .iter()
            .for_each(|block| block.project(text, &mut found));
        self.up_blocks
            .iter()
            .for_each(|block| block.project(text, &mut found));
        Conditioning(found)
    }

    /// The prediction for samples at a timestep.
    ///
    /// # Shapes
    /// `sample`: `[batch, channels, height, width]`, in latent cells of any size; the answer: the same.
    pub fn forward(&self, sample: Tensor<4>, timestep: f64, text: &Conditioning) -> Tensor<4> {
        let [batch, ..] = sample.dims();
        self.forward_each(sample, &vec![timestep; batch], text)
    }

    /// The same with a timestep a sample.
    ///
    /// # Shapes
    /// As [`forward`](Self::forward).
    pub fn forward_each(
        &self,
        sample: Tensor<4>,
        timesteps: &[f64],
        text: &Conditioning,
    ) -> Tensor<4> {
        let time = self.embedded(timesteps, &sample);
        let text = &mut text.layers();
        let mut sample = self.conv_in.forward(sample);
        let mut skips = vec![sample.clone()];
        for block in self.blocks() {
            sample = block.forward(sample, &time, text, &mut skips);
        }
        self.predicted(sample)
    }

    /// Timesteps as the blocks are told them, in the precision of a sample.
    ///
    /// # Shapes
    /// `[timesteps, numbers]`
    pub(crate) fn embedded(&self, timesteps: &[f64], sample: &Tensor<4>) -> Tensor<2> {
        let time = self.sines.of(timesteps, &sample.device());
        let embedding = &self.time_embedding;
        let time = embedding.linear_1.forward(time.cast(sample.dtype()));
        embedding.linear_2.forward(self.activation.forward(time))
    }

    /// The blocks in the order in which a sample goes through them.
    pub(crate) fn blocks(&self) -> Vec<Block<'_>> {
        let down = self.down_blocks.iter().map(Block::Down);
        let up = self.up_blocks.iter().map(Block::Up);
        down.chain(self.mid_block.iter().map(Block::Mid))
            .chain(up)
            .collect()
    }

    /// The prediction from what the last block left.
    pub(crate) fn predicted(&self, sample: Tensor<4>) -> Tensor<4> {
        let normal = self.activation.after_norm(&self.conv_norm_out, sample);
        self.conv_out.forward(normal)
    }
}

impl Adaptable for UNet {
    fn find_sites<'a>(&'a mut self, sites: &mut Sites<'a>) {
        sites.conv2d("conv_in", &mut self.conv_in);
        sites.linear("time_embedding.linear_1", &mut self.time_embedding.linear_1);
        sites.linear("time_embedding.linear_2", &mut self.time_embedding.linear_2);
        sites.parts("down_blocks", &mut self.down_blocks);
        if let Some(block) = &mut self.mid_block {
            sites.part("mid_block", block);
        }
        sites.parts("up_blocks", &mut self.up_blocks);
        sites.conv2d("conv_out", &mut self.conv_out);
    }
}

/// For each block, the channels of what the way up takes from the way down, in the order in which it does.
fn skipped(config: &UNetConfig) -> Vec<Vec<usize>> {
    let channels = &config.block_out_channels;
    let end = channels.len() - 1;
    let mut passed = vec![channels[0]];
    for (block, width) in channels.iter().enumerate() {
        let samples = config.layers_per_block.of(block) + usize::from(block < end);
        passed.extend(std::iter::repeat_n(*width, samples));
    }
    let mut skips = vec![Vec::new(); channels.len()];
    for block in (0..channels.len()).rev() {
        for _ in 0..=config.layers_per_block.of(block) {
            skips[block].push(passed.pop().unwrap_or(channels[0]));
        }
    }
    skips
}

impl Sines {
    /// # Shapes
    /// `[timesteps, channels]`
    fn of(self, timesteps: &[f64], device: &Device) -> Tensor<2> {
        let half = self.channels / 2;
        let frequency = |index: usize| {
            let exponent = index as f64 / (half - self.shift) as f64;
            (-LONGEST_PERIOD.ln() * exponent).exp()
        };
        let mut numbers = Vec::with_capacity(timesteps.len() * self.channels);
        for timestep in timesteps {
            let angles = (0..half).map(|index| timestep * frequency(index));
            let sines = angles.clone().map(f64::sin);
            let cosines = angles.map(f64::cos);
            if self.cosines_first {
                numbers.extend(cosines.chain(sines).map(|number| number as f32));
            } else {
                numbers.extend(sines.chain(cosines).map(|number| number as f32));
            }
        }
        Tensor::from_data(
            TensorData::new(numbers, [timesteps.len(), half * 2]),
            device,
        )
    }
}
