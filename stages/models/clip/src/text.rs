//! The text tower.

use burn::nn::{Embedding, EmbeddingConfig};
use burn::prelude::*;
use ccsr_nn::{Adaptable, LayerNorm, Sites};

use crate::config::TextConfig;
use crate::encoder::{Encoder, Size};

/// The number that stands for "the largest token" in old configurations.
const LARGEST: i64 = 2;

/// A text encoder.
#[derive(Module, Debug)]
pub struct TextModel {
    embeddings: TextEmbeddings,
    encoder: Encoder,
    final_layer_norm: LayerNorm,
    #[module(skip)]
    eos_token_id: i64,
}

#[derive(Module, Debug)]
struct TextEmbeddings {
    token_embedding: Embedding,
    position_embedding: Embedding,
}

impl TextModel {
    pub(crate) fn new(config: &TextConfig, device: &Device) -> Self {
        let size = Size {
            width: config.hidden_size,
            intermediate: config.intermediate_size,
            heads: config.num_attention_heads,
            layers: config.num_hidden_layers,
            activation: config.hidden_act,
            epsilon: config.layer_norm_eps,
            causal: true,
        };
        let embedding = |count| EmbeddingConfig::new(count, config.hidden_size).init(device);
        Self {
            embeddings: TextEmbeddings {
                token_embedding: embedding(config.vocab_size),
                position_embedding: embedding(config.max_position_embeddings),
            },
            encoder: Encoder::new(&size, device),
            final_layer_norm: LayerNorm::new(config.hidden_size, config.layer_norm_eps, device),
            eos_token_id: config.eos_token_id,
        }
    }

    /// Every token's state after the last layer and its norm: what Stable Diffusion is conditioned on.
    /// No token is masked, padding neither, as diffusers has it.
    ///
    /// # Shapes
    /// `tokens`: `[batch, tokens]`; the answer: `[batch, tokens, width]`.
    pub fn forward(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        let [batch, count] = tokens.dims();
        let positions = Tensor::<1, Int>::arange(0..count as i64, &tokens.device());
        let positions = positions.reshape([1, count]).repeat_dim(0, batch);
        let embeddings = &self.embeddings;
        let hidden = embeddings.token_embedding.forward(tokens)
            + embeddings.position_embedding.forward(positions);
        self.final_layer_norm.forward(self.encoder.forward(hidden))
    }

    /// The state at each text's end, which stands for the text.
    ///
    /// # Shapes
    /// `hidden`: what [`forward`](Self::forward) answered, `[batch, tokens, width]`; the answer:
    /// `[batch, width]`.
    pub fn pool(&self, hidden: Tensor<3>, tokens: Tensor<2, Int>) -> Tensor<2> {
        let [batch, _, width] = hidden.dims();
        let ends = if self.eos_token_id == LARGEST {
            tokens.argmax(1)
        } else {
            // The first of them is the first maximum.
            tokens.equal_elem(self.eos_token_id).int().argmax(1)
        };
        let ends = ends.reshape([batch, 1, 1]).repeat_dim(2, width);
        hidden.gather(1, ends).reshape([batch, width])
    }
}

/// Names begin with `encoder`, as `transformers` 5 has them; older files put `text_model` before.
impl Adaptable for TextModel {
    fn find_sites<'a>(&'a mut self, sites: &mut Sites<'a>) {
        sites.part("encoder", &mut self.encoder);
    }
}
