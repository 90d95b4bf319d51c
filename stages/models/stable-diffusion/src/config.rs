//! Configurations, by the names of `config.json`. What a file leaves out is what `diffusers` takes it
//! for.

use burn::prelude::*;
use ccsr_nn::Activation;
use serde::{Deserialize, Serialize};

use crate::{Autoencoder, UNet};

/// A block of the UNet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockKind {
    /// Residual networks alone, on the way down.
    #[serde(rename = "DownBlock2D")]
    Down,
    /// With transformers that look at the text.
    #[serde(rename = "CrossAttnDownBlock2D")]
    CrossAttentionDown,
    /// Residual networks alone, on the way up.
    #[serde(rename = "UpBlock2D")]
    Up,
    /// With transformers that look at the text.
    #[serde(rename = "CrossAttnUpBlock2D")]
    CrossAttentionUp,
    /// In the middle, with one transformer.
    #[serde(rename = "UNetMidBlock2DCrossAttn")]
    Middle,
}

impl BlockKind {
    pub(crate) const fn has_attention(self) -> bool {
        matches!(
            self,
            Self::CrossAttentionDown | Self::CrossAttentionUp | Self::Middle
        )
    }
}

/// One value for all blocks, or one each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerBlock<T> {
    /// For all.
    All(T),
    /// One each, from the first on the way down.
    Each(Vec<T>),
}

impl<T: Copy> PerBlock<T> {
    pub(crate) fn of(&self, block: usize) -> T {
        match self {
            Self::All(value) => *value,
            Self::Each(values) => values[block.min(values.len() - 1)],
        }
    }
}

/// The network that predicts noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UNetConfig {
    /// Side of the latents that it was trained with, in cells.
    pub sample_size: usize,
    /// Channels of latents.
    pub in_channels: usize,
    /// Channels of the prediction.
    pub out_channels: usize,
    /// Blocks on the way down.
    pub down_block_types: Vec<BlockKind>,
    /// The block in the middle; `null` for none.
    pub mid_block_type: Option<BlockKind>,
    /// Blocks on the way up.
    pub up_block_types: Vec<BlockKind>,
    /// Channels of each block.
    pub block_out_channels: Vec<usize>,
    /// Residual networks a block, on the way down; one more on the way up.
    pub layers_per_block: PerBlock<usize>,
    /// HEADS a transformer, whatever it is called.
    pub attention_head_dim: PerBlock<usize>,
    /// Numbers a token of the text.
    pub cross_attention_dim: usize,
    /// Whether transformers are entered and left by linear layers rather than by convolutions.
    pub use_linear_projection: bool,
    /// Whether a block's first attention looks at the text, too.
    pub only_cross_attention: PerBlock<bool>,
    /// Groups of norms.
    pub norm_num_groups: usize,
    /// ε of norms.
    pub norm_eps: f64,
    /// What residual networks use.
    pub act_fn: Activation,
    /// Whether the cosines of a timestep come before its sines.
    pub flip_sin_to_cos: bool,
    /// Subtracted from the number of a timestep's frequencies.
    pub freq_shift: usize,
    /// Padding of convolutions that halve a sample: 1, or 0 for right and below alone.
    pub downsample_padding: usize,
    /// Whether attention is computed in binary32 in any case.
    pub upcast_attention: bool,
}

impl Default for UNetConfig {
    /// What `diffusers` takes a configuration that says nothing for.
    fn default() -> Self {
        use BlockKind::{CrossAttentionDown, CrossAttentionUp, Down, Middle, Up};
        Self {
            sample_size: 64,
            in_channels: 4,
            out_channels: 4,
            down_block_types: vec![
                CrossAttentionDown,
                CrossAttentionDown,
                CrossAttentionDown,
                Down,
            ],
            mid_block_type: Some(Middle),
            up_block_types: vec![Up, CrossAttentionUp, CrossAttentionUp, CrossAttentionUp],
            block_out_channels: vec![320, 640, 1280, 1280],
            layers_per_block: PerBlock::All(2),
            attention_head_dim: PerBlock::All(8),
            cross_attention_dim: 1280,
            use_linear_projection: false,
            only_cross_attention: PerBlock::All(false),
            norm_num_groups: 32,
            norm_eps: 1e-5,
            act_fn: Activation::Silu,
            flip_sin_to_cos: true,
            freq_shift: 0,
            downsample_padding: 1,
            upcast_attention: false,
        }
    }
}

impl UNetConfig {
    /// `stabilityai/stable-diffusion-2-1-base`.
    pub fn stable_diffusion_2_1_base() -> Self {
        Self {
            attention_head_dim: PerBlock::Each(vec![5, 10, 20, 20]),
            cross_attention_dim: 1024,
            use_linear_projection: true,
            ..Self::default()
        }
    }

    /// `stable-diffusion-v1-5`.
    pub fn stable_diffusion_1_5() -> Self {
        Self {
            cross_attention_dim: 768,
            ..Self::default()
        }
    }

    /// What is wrong with it, in a sentence.
    pub fn problem(&self) -> Option<String> {
        let blocks = self.block_out_channels.len();
        let lists = [
            ("down_block_types", self.down_block_types.len()),
            ("up_block_types", self.up_block_types.len()),
        ];
        if let Some((name, length)) = lists.into_iter().find(|(_, length)| *length != blocks) {
            return Some(format!(
                "`{name}` has {length} entries, `block_out_channels` {blocks}; expected as many"
            ));
        }
        if blocks == 0 {
            return Some("`block_out_channels` is empty".to_owned());
        }
        let groups = self.norm_num_groups.max(1);
        let uneven = |channels: &&usize| !channels.is_multiple_of(groups);
        if let Some(channels) = self.block_out_channels.iter().find(uneven) {
            return Some(format!(
                "{channels} channels do not part into {groups} groups"
            ));
        }
        for (block, channels) in self.block_out_channels.iter().enumerate() {
            let heads = self.attention_head_dim.of(block);
            if heads == 0 || !channels.is_multiple_of(heads) {
                return Some(format!(
                    "{channels} channels do not part into {heads} heads"
                ));
            }
        }
        let is_down =
            |kind: &BlockKind| matches!(kind, BlockKind::Down | BlockKind::CrossAttentionDown);
        let is_up = |kind: &BlockKind| matches!(kind, BlockKind::Up | BlockKind::CrossAttentionUp);
        if !self.down_block_types.iter().all(is_down) {
            return Some("`down_block_types` has a block that does not go down".to_owned());
        }
        if !self.up_block_types.iter().all(is_up) {
            return Some("`up_block_types` has a block that does not go up".to_owned());
        }
        None
    }

    /// A network of this size, without weights.
    pub fn init(&self, device: &Device) -> UNet {
        UNet::new(self, device)
    }
}

/// The autoencoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutoencoderConfig {
    /// Colours in.
    pub in_channels: usize,
    /// Colours out.
    pub out_channels: usize,
    /// Channels of latents.
    pub latent_channels: usize,
    /// Channels of each block.
    pub block_out_channels: Vec<usize>,
    /// Residual networks a block of the encoder; one more in the decoder's.
    pub layers_per_block: usize,
    /// Groups of norms.
    pub norm_num_groups: usize,
    /// What residual networks use.
    pub act_fn: Activation,
    /// What latents are multiplied with, so that their standard deviation is about 1.
    pub scaling_factor: f64,
}

impl Default for AutoencoderConfig {
    /// What `diffusers` takes a configuration that says nothing for.
    fn default() -> Self {
        Self {
            in_channels: 3,
            out_channels: 3,
            latent_channels: 4,
            block_out_channels: vec![64],
            layers_per_block: 1,
            norm_num_groups: 32,
            act_fn: Activation::Silu,
            scaling_factor: 0.18215,
        }
    }
}

impl AutoencoderConfig {
    /// Of Stable Diffusion 1 and 2.
    pub fn stable_diffusion() -> Self {
        Self {
            block_out_channels: vec![128, 256, 512, 512],
            layers_per_block: 2,
            ..Self::default()
        }
    }

    /// Pixels a latent cell's side: 8 for four blocks.
    pub fn factor(&self) -> usize {
        1 << (self.block_out_channels.len().max(1) - 1)
    }

    /// An autoencoder of this size, without weights.
    pub fn init(&self, device: &Device) -> Autoencoder {
        Autoencoder::new(self, device)
    }
}
