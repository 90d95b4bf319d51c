//! From pixels to what a language model sees of an image.

use burn::module::Param;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::prelude::*;
use ccsr_clip::VisionModel;
use ccsr_nn::Activation;
use ccsr_nn::ops::linear;

use crate::config::{Family, LlavaConfig};
use crate::{Layout, Prepared};

/// Tiles that go through the tower at once. At full size, one more takes some 10 MB while it lasts.
const TILES_AT_ONCE: usize = 16;

/// The vision tower and the projector: all of LLaVA but the language model.
#[derive(Module, Debug)]
pub struct ImageEncoder {
    vision_tower: Tower,
    multi_modal_projector: Projector,
    image_newline: Option<Param<Tensor<1>>>,
    #[module(skip)]
    layer: isize,
    #[module(skip)]
    layout: Layout,
}

// The hub's name for it has two levels.
#[derive(Module, Debug)]
struct Tower {
    vision_model: VisionModel,
}

/// Puts features of patches among the embeddings of tokens.
#[derive(Module, Debug)]
struct Projector {
    linear_1: Linear,
    linear_2: Linear,
    #[module(skip)]
    activation: Activation,
}

impl Projector {
    fn forward(&self, features: Tensor<3>) -> Tensor<3> {
        let inner = self.activation.forward(linear(&self.linear_1, features));
        linear(&self.linear_2, inner)
    }
}

impl ImageEncoder {
    pub(crate) fn new(config: &LlavaConfig, device: &Device) -> Self {
        let width = config.text_width();
        let layer = |input| {
            LinearConfig::new(input, width)
                .with_bias(config.multimodal_projector_bias)
                .init(device)
        };
        let has_newline = config.model_type == Family::Next;
        Self {
            vision_tower: Tower {
                vision_model: config.vision_config.init(device),
            },
            multi_modal_projector: Projector {
                linear_1: layer(config.vision_config.hidden_size),
                linear_2: layer(width),
                activation: config.projector_hidden_act,
            },
            image_newline: has_newline.then(|| Initializer::Zeros.init([width], device)),
            layer: config.vision_feature_layer,
            layout: config.layout(),
        }
    }

    /// The same, of whose vision tower or projector no gradients are wanted.
    pub(crate) fn frozen(mut self, vision: bool, projector: bool) -> Self {
        if vision {
            self.vision_tower = self.vision_tower.no_grad();
        }
        if projector {
            self.multi_modal_projector = self.multi_modal_projector.no_grad();
            self.image_newline = self.image_newline.map(Module::no_grad);
        }
        self
    }

    /// How images become tokens.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What stands in the place of each image's tokens, in order. The images are made ready by the
    /// [`Preprocessor`](crate::Preprocessor) of the same folder.
    ///
    /// # Shapes
    /// `[tokens, width]` an image, with as many tokens as [`Layout::tokens`] says.
    pub fn forward(&self, images: &[Prepared]) -> Vec<Tensor<2>> {
        let pixels: Vec<_> = images.iter().map(|image| image.pixels.clone()).collect();
        if pixels.is_empty() {
            return Vec::new();
        }
        let batches = Tensor::cat(pixels, 0).split(TILES_AT_ONCE, 0);
        let features = batches.into_iter().map(|pixels| self.features(pixels));
        let features = Tensor::cat(features.collect(), 0);
        let newline = self.image_newline.as_ref().map(Param::val);
        let mut end = 0;
        let packed = images.iter().map(|image| {
            let first = end;
            end += image.tiles();
            let own = features.clone().slice(first..end);
            self.layout.pack(image.size, own, newline.clone())
        });
        packed.collect()
    }

    /// # Shapes
    /// `pixels`: `[tiles, 3, side, side]`; the answer: `[tiles, patches, width]`.
    fn features(&self, pixels: Tensor<4>) -> Tensor<3> {
        let tower = &self.vision_tower.vision_model;
        let hidden = tower.features(pixels, self.layer);
        let [tiles, tokens, width] = hidden.dims();
        let class = usize::from(!self.layout.with_class());
        let used = hidden.slice([0..tiles, class..tokens, 0..width]);
        self.multi_modal_projector.forward(used)
    }
}
