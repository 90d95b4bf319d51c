//! Configurations, by the names of `config.json`. What a file leaves out is what `transformers` takes
//! it for.

use burn::prelude::*;
use ccsr_nn::Activation;
use serde::{Deserialize, Serialize};

use crate::{Clip, TextModel, VisionModel};

/// The text tower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TextConfig {
    /// Numbers a token.
    pub hidden_size: usize,
    /// Numbers a token in the middle of a feed-forward network.
    pub intermediate_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Heads a layer.
    pub num_attention_heads: usize,
    /// Tokens at most.
    pub max_position_embeddings: usize,
    /// Tokens there are.
    pub vocab_size: usize,
    /// What feed-forward networks use.
    pub hidden_act: Activation,
    /// ε of norms.
    pub layer_norm_eps: f64,
    /// The token that ends a text. 2 stands for the one with the largest number, as all old
    /// configurations have it.
    pub eos_token_id: i64,
    /// Numbers of a projected text.
    pub projection_dim: usize,
}

impl Default for TextConfig {
    /// `openai/clip-vit-base-patch32`.
    fn default() -> Self {
        Self {
            hidden_size: 512,
            intermediate_size: 2048,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            vocab_size: 49_408,
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
            eos_token_id: 2,
            projection_dim: 512,
        }
    }
}

/// The vision tower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VisionConfig {
    /// Numbers a patch.
    pub hidden_size: usize,
    /// Numbers a patch in the middle of a feed-forward network.
    pub intermediate_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Heads a layer.
    pub num_attention_heads: usize,
    /// Colours.
    pub num_channels: usize,
    /// Pixels of an image's side.
    pub image_size: usize,
    /// Pixels of a patch's side.
    pub patch_size: usize,
    /// What feed-forward networks use.
    pub hidden_act: Activation,
    /// ε of norms.
    pub layer_norm_eps: f64,
    /// Numbers of a projected image.
    pub projection_dim: usize,
}

impl Default for VisionConfig {
    /// `openai/clip-vit-base-patch32`.
    fn default() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            num_channels: 3,
            image_size: 224,
            patch_size: 32,
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
            projection_dim: 512,
        }
    }
}

/// Both towers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClipConfig {
    /// The text tower.
    pub text_config: TextConfig,
    /// The vision tower.
    pub vision_config: VisionConfig,
    /// Numbers of the space in which they meet; 512 if not said.
    pub projection_dim: Option<usize>,
}

impl TextConfig {
    /// The text encoder of Stable Diffusion 2.1: that of OpenCLIP ViT-H/14 without its last layer
    /// (`stabilityai/stable-diffusion-2-1-base`, `text_encoder/config.json`).
    pub fn stable_diffusion_2() -> Self {
        Self {
            hidden_size: 1024,
            intermediate_size: 4096,
            num_hidden_layers: 23,
            num_attention_heads: 16,
            hidden_act: Activation::Gelu,
            ..Self::default()
        }
    }

    /// The text tower of `openai/clip-vit-large-patch14`, and the text encoder of Stable Diffusion 1.5.
    pub fn large() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            num_attention_heads: 12,
            projection_dim: 768,
            ..Self::default()
        }
    }

    /// A tower of this size, without weights.
    pub fn init(&self, device: &Device) -> TextModel {
        TextModel::new(self, device)
    }
}

impl VisionConfig {
    /// The vision tower of `openai/clip-vit-large-patch14`.
    pub fn large() -> Self {
        Self {
            hidden_size: 1024,
            intermediate_size: 4096,
            num_hidden_layers: 24,
            num_attention_heads: 16,
            patch_size: 14,
            projection_dim: 768,
            ..Self::default()
        }
    }

    /// A tower of this size, without weights.
    pub fn init(&self, device: &Device) -> VisionModel {
        VisionModel::new(self, device)
    }
}

impl ClipConfig {
    /// `openai/clip-vit-base-patch32`.
    pub fn base_32() -> Self {
        Self::default()
    }

    /// `openai/clip-vit-base-patch16`.
    pub fn base_16() -> Self {
        Self {
            vision_config: VisionConfig {
                patch_size: 16,
                ..VisionConfig::default()
            },
            ..Self::default()
        }
    }

    /// `openai/clip-vit-large-patch14`.
    pub fn large_14() -> Self {
        Self {
            text_config: TextConfig::large(),
            vision_config: VisionConfig::large(),
            projection_dim: Some(768),
        }
    }

    /// `openai/clip-vit-large-patch14-336`.
    pub fn large_14_336() -> Self {
        Self {
            vision_config: VisionConfig {
                image_size: 336,
                ..VisionConfig::large()
            },
            ..Self::large_14()
        }
    }

    /// Towers of this size, without weights.
    pub fn init(&self, device: &Device) -> Clip {
        Clip::new(self, device)
    }
}
