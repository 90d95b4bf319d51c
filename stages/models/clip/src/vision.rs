//! The vision tower.

use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Embedding, EmbeddingConfig, Initializer};
use burn::prelude::*;
use ccsr_nn::LayerNorm;
use ccsr_nn::ops::conv2d;

use crate::config::VisionConfig;
use crate::encoder::{Encoder, Size};

/// An image encoder.
#[derive(Module, Debug)]
pub struct VisionModel {
    embeddings: VisionEmbeddings,
    // As OpenAI misspelt it.
    pre_layrnorm: LayerNorm,
    encoder: Encoder,
    post_layernorm: LayerNorm,
}

#[derive(Module, Debug)]
struct VisionEmbeddings {
    class_embedding: Param<Tensor<1>>,
    patch_embedding: Conv2d,
    position_embedding: Embedding,
}

/// What a vision tower answers.
#[derive(Clone, Debug)]
pub struct VisionOutput {
    /// Every patch's state, the class token first: `[batch, 1 + patches, width]`.
    pub hidden: Tensor<3>,
    /// The class token's state after the last norm: `[batch, width]`.
    pub pooled: Tensor<2>,
}

impl VisionModel {
    pub(crate) fn new(config: &VisionConfig, device: &Device) -> Self {
        let size = Size {
            width: config.hidden_size,
            intermediate: config.intermediate_size,
            heads: config.num_attention_heads,
            layers: config.num_hidden_layers,
            activation: config.hidden_act,
            epsilon: config.layer_norm_eps,
            causal: false,
        };
        let width = config.hidden_size;
        let patch = [config.patch_size; 2];
        let side = config.image_size / config.patch_size;
        let norm = || LayerNorm::new(width, config.layer_norm_eps, device);
        Self {
            embeddings: VisionEmbeddings {
                class_embedding: Initializer::Zeros.init([width], device),
                patch_embedding: Conv2dConfig::new([config.num_channels, width], patch)
                    .with_stride(patch)
                    .with_bias(false)
                    .init(device),
                position_embedding: EmbeddingConfig::new(side * side + 1, width).init(device),
            },
            pre_layrnorm: norm(),
            encoder: Encoder::new(&size, device),
            post_layernorm: norm(),
        }
    }

    /// # Shapes
    /// `pixels`: `[batch, channels, height, width]`, normalised by a
    /// [`Preprocessor`](crate::Preprocessor).
    pub fn forward(&self, pixels: Tensor<4>) -> VisionOutput {
        let [batch, ..] = pixels.dims();
        let hidden = self.encoder.forward(self.embed(pixels));
        let [_, _, width] = hidden.dims();
        let class = hidden
            .clone()
            .slice([0..batch, 0..1, 0..width])
            .reshape([batch, width]);
        VisionOutput {
            hidden,
            pooled: self.post_layernorm.forward(class),
        }
    }

    /// Every patch's state, the class token first, as it goes into the layer that is `layer` from the
    /// end (−1: what comes out of the last), without the last norm: `vision_feature_layer` of LLaVA.
    /// Later layers are not computed.
    ///
    /// # Shapes
    /// `pixels`: as [`forward`](Self::forward); the answer: `[batch, 1 + patches, width]`.
    pub fn features(&self, pixels: Tensor<4>, layer: isize) -> Tensor<3> {
        let all = self.encoder.len() as isize;
        let used = if layer < 0 { all + 1 + layer } else { layer };
        let skipped = (all - used.clamp(0, all)) as usize;
        self.encoder.forward_without(self.embed(pixels), skipped)
    }

    fn embed(&self, pixels: Tensor<4>) -> Tensor<3> {
        let embeddings = &self.embeddings;
        let patches = conv2d(&embeddings.patch_embedding, pixels);
        let [batch, width, rows, columns] = patches.dims();
        let patches = patches
            .reshape([batch, width, rows * columns])
            .swap_dims(1, 2);
        let class = embeddings.class_embedding.val();
        let class = class.reshape([1, 1, width]).repeat_dim(0, batch);
        let positions = embeddings.position_embedding.weight.val();
        let tokens = Tensor::cat(vec![class, patches], 1);
        self.pre_layrnorm.forward(tokens + positions.unsqueeze())
    }
}
