//! Configurations: `config.json`, in our own words, since `ultralytics` has its in a pickle.

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Network;
use crate::letterbox::{LONGEST, STEP, is_size};

/// Channels are multiples of this.
const CHANNELS_STEP: f64 = 8.0;
/// Numbers of a text's features, unless it is said: those of CLIP ViT-B/32.
const TEXT_WIDTH: usize = 512;
/// Classes that published networks were built for.
const CLASSES: usize = 80;
/// The side that images are scaled to, unless it is said.
pub(crate) const IMAGE_SIZE: usize = 640;
/// The narrowest attention head that scales are capped to.
const HEAD_WIDTH: usize = 32;

/// The published sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Nano: 3.7 million parameters.
    N,
    /// Small: 12.8 million.
    S,
    /// Medium: 28.4 million.
    M,
    /// Large: 46.8 million.
    L,
    /// Extra large: 72.9 million.
    X,
}

impl Scale {
    const ALL: [Self; 5] = [Self::N, Self::S, Self::M, Self::L, Self::X];

    /// Depth, width and the most channels before the width (`yolov8-worldv2.yaml`).
    const fn factors(self) -> (f64, f64, usize) {
        match self {
            Self::N => (0.33, 0.25, 1024),
            Self::S => (0.33, 0.5, 1024),
            Self::M => (0.67, 0.75, 768),
            Self::L => (1.0, 1.0, 512),
            Self::X => (1.0, 1.25, 512),
        }
    }

    /// The scale whose first convolution has so many outputs: all differ in it.
    pub(crate) fn of_stem(outputs: usize) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|scale| YoloWorldConfig::of(*scale).channels(64) == outputs)
    }
}

/// What there is of YOLO-World here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum ModelType {
    /// Version 2.
    #[default]
    #[serde(rename = "yolo-world-v2")]
    Version2,
}

/// A detector's sizes. `config.json` says `scale`, or `depth`, `width` and `max_channels` themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct YoloWorldConfig {
    model_type: ModelType,
    /// How many blocks there are in a row, as a factor of the largest published number.
    pub depth: f64,
    /// How many channels there are, as a factor of what the large scale has.
    pub width: f64,
    /// The most channels, before `width`.
    pub max_channels: usize,
    /// For how many classes it was built: wider heads if there are more than the finest features have channels.
    pub classes_at_build: usize,
    /// Numbers of a text's features.
    pub text_width: usize,
    /// The longer side that images are scaled to where nothing else is said, in pixels.
    pub image_size: usize,
}

/// `config.json` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    model_type: ModelType,
    scale: Option<Scale>,
    depth: Option<f64>,
    width: Option<f64>,
    max_channels: Option<usize>,
    classes_at_build: Option<usize>,
    text_width: Option<usize>,
    image_size: Option<usize>,
}

impl TryFrom<Written> for YoloWorldConfig {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let scale = written.scale.map(Scale::factors);
        let depth = written.depth.or(scale.map(|scale| scale.0));
        let width = written.width.or(scale.map(|scale| scale.1));
        let most = written.max_channels.or(scale.map(|scale| scale.2));
        let (Some(depth), Some(width), Some(max_channels)) = (depth, width, most) else {
            return Err("expected `scale`, or `depth`, `width` and `max_channels`".to_owned());
        };
        let config = Self {
            model_type: written.model_type,
            depth,
            width,
            max_channels,
            classes_at_build: written.classes_at_build.unwrap_or(CLASSES),
            text_width: written.text_width.unwrap_or(TEXT_WIDTH),
            image_size: written.image_size.unwrap_or(IMAGE_SIZE),
        };
        config.check().map(|()| config)
    }
}

impl YoloWorldConfig {
    /// A published size.
    pub fn of(scale: Scale) -> Self {
        let (depth, width, max_channels) = scale.factors();
        Self {
            model_type: ModelType::Version2,
            depth,
            width,
            max_channels,
            classes_at_build: CLASSES,
            text_width: TEXT_WIDTH,
            image_size: IMAGE_SIZE,
        }
    }

    /// A network of this size, without weights.
    pub fn init(&self, device: &Device) -> Network {
        Network::new(self, device)
    }

    /// That a network can be made of it.
    ///
    /// # Errors
    /// A sentence that says why not.
    pub fn check(&self) -> Result<(), String> {
        let fits = |name: &str, factor: f64| {
            if factor > 0.0 && factor <= 8.0 {
                Ok(())
            } else {
                Err(format!("expected `{name}` between 0 and 8, found {factor}"))
            }
        };
        fits("depth", self.depth)?;
        fits("width", self.width)?;
        if !(8..=8192).contains(&self.max_channels) {
            return Err(format!(
                "expected `max_channels` between 8 and 8192, found {}",
                self.max_channels
            ));
        }
        if !(1..=8192).contains(&self.text_width) {
            return Err(format!(
                "expected `text_width` between 1 and 8192, found {}",
                self.text_width
            ));
        }
        if !is_size(self.image_size) {
            return Err(format!(
                "expected `image_size` to be a multiple of {STEP}, at most {LONGEST}, found {}",
                self.image_size
            ));
        }
        for (channels, heads) in [(512, 8), (256, 4), (1024, 16)] {
            let (inner, heads) = (self.channels(channels) / 2, self.heads(heads));
            if inner % heads != 0 {
                return Err(format!(
                    "{inner} channels of an attention cannot be split into {heads} heads; take another `width` or \
                     `max_channels`"
                ));
            }
        }
        Ok(())
    }

    /// Channels of a layer that has so many at a width of 1.
    pub(crate) fn channels(&self, wanted: usize) -> usize {
        let scaled = wanted.min(self.max_channels) as f64 * self.width;
        ((scaled / CHANNELS_STEP).ceil() * CHANNELS_STEP) as usize
    }

    /// Blocks in a row where there are so many at a depth of 1.
    pub(crate) fn repeats(&self, wanted: usize) -> usize {
        ((wanted as f64 * self.depth).round_ties_even() as usize).max(1)
    }

    /// Heads of an attention that has so many at a width of 1.
    pub(crate) fn heads(&self, wanted: usize) -> usize {
        let capped = wanted.min(self.max_channels / 2 / HEAD_WIDTH) as f64;
        ((capped * self.width) as usize).max(1)
    }
}
