//! Both towers and the space in which they meet.

use burn::module::Param;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::prelude::*;
use ccsr_nn::ops::linear;

use crate::config::ClipConfig;
use crate::{TextModel, VisionModel, VisionOutput};

/// The temperature's logarithm at the beginning of training, 1/0.07.
const LOGIT_SCALE: f64 = 2.6592;

/// CLIP.
#[derive(Module, Debug)]
pub struct Clip {
    text_model: TextModel,
    vision_model: VisionModel,
    visual_projection: Linear,
    text_projection: Linear,
    // Files have it without dimensions; a parameter has one at least.
    logit_scale: Param<Tensor<1>>,
}

impl Clip {
    pub(crate) fn new(config: &ClipConfig, device: &Device) -> Self {
        let (text, vision) = (&config.text_config, &config.vision_config);
        let space = config.projection_dim.unwrap_or(512);
        let projection = |width| {
            LinearConfig::new(width, space)
                .with_bias(false)
                .init(device)
        };
        Self {
            text_model: text.init(device),
            vision_model: vision.init(device),
            visual_projection: projection(vision.hidden_size),
            text_projection: projection(text.hidden_size),
            logit_scale: Initializer::Constant { value: LOGIT_SCALE }.init([1], device),
        }
    }

    /// Where texts lie, at a distance of 1 from the origin.
    ///
    /// # Shapes
    /// `tokens`: `[batch, tokens]`; the answer: `[batch, space]`.
    pub fn text_features(&self, tokens: Tensor<2, Int>) -> Tensor<2> {
        let hidden = self.text_model.forward(tokens.clone());
        let pooled = self.text_model.pool(hidden, tokens);
        normalised(linear(&self.text_projection, pooled))
    }

    /// Where images lie, at a distance of 1 from the origin.
    ///
    /// # Shapes
    /// `pixels`: `[batch, 3, height, width]`; the answer: `[batch, space]`.
    pub fn image_features(&self, pixels: Tensor<4>) -> Tensor<2> {
        self.place(self.look(pixels).pooled)
    }

    /// What the vision tower says of images: see [`VisionModel::forward`].
    pub fn look(&self, pixels: Tensor<4>) -> VisionOutput {
        self.vision_model.forward(pixels)
    }

    /// Where images lie of which the vision tower says this: its `pooled`.
    ///
    /// # Shapes
    /// `pooled`: `[images, width]`; the answer: `[images, space]`.
    pub fn place(&self, pooled: Tensor<2>) -> Tensor<2> {
        normalised(linear(&self.visual_projection, pooled))
    }

    /// How well each image fits each text: cosines times the temperature, as training compares them.
    ///
    /// # Shapes
    /// `pixels`: `[images, 3, height, width]`, `tokens`: `[texts, tokens]`; the answer: `[images, texts]`.
    pub fn logits(&self, pixels: Tensor<4>, tokens: Tensor<2, Int>) -> Tensor<2> {
        let texts = self.text_features(tokens);
        let cosines = self.image_features(pixels).matmul(texts.transpose());
        cosines * self.logit_scale.val().exp().reshape([1, 1])
    }

    /// The factor of cosines in training: 100 in what OpenAI released.
    pub fn temperature(&self) -> f64 {
        let scale: f32 = self.logit_scale.val().into_scalar();
        f64::from(scale).exp()
    }
}

fn normalised(features: Tensor<2>) -> Tensor<2> {
    let length = features.clone().square().sum_dim(1).sqrt();
    features / length
}
