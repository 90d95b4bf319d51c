//! Images into pixels for a vision tower: resized, cropped, normalised, as Pillow and `transformers`
//! do it.

use std::path::Path;

use burn::prelude::*;
use ccsr_nn::{ConfigError, read_config};
use image::{RgbImage, imageops};
use serde::{Deserialize, Serialize};

use crate::resize::{Filter, resize_part};

/// `preprocessor_config.json`, as far as it matters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PreprocessorConfig {
    /// The shorter side after resizing.
    pub size: Side,
    /// The side of the square that is cut out of the middle.
    pub crop_size: Side,
    /// Means of red, green and blue.
    pub image_mean: [f32; 3],
    /// Standard deviations of red, green and blue.
    pub image_std: [f32; 3],
}

/// A side in pixels, as a number or as one of the maps that files have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "u32")]
pub struct Side(pub u32);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u32),
    Shortest { shortest_edge: u32 },
    Square { height: u32 },
}

impl From<Written> for Side {
    fn from(written: Written) -> Self {
        match written {
            Written::Number(side)
            | Written::Shortest {
                shortest_edge: side,
            }
            | Written::Square { height: side } => Self(side),
        }
    }
}

impl From<Side> for u32 {
    fn from(side: Side) -> Self {
        side.0
    }
}

impl Default for PreprocessorConfig {
    /// What OpenAI trained with.
    fn default() -> Self {
        Self {
            size: Side(224),
            crop_size: Side(224),
            image_mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
            image_std: [0.268_629_54, 0.261_302_6, 0.275_777_1],
        }
    }
}

/// Turns images into pixels.
#[derive(Clone, Debug)]
pub struct Preprocessor {
    config: PreprocessorConfig,
}

impl Preprocessor {
    /// The preprocessor of a folder, by its `preprocessor_config.json`.
    pub fn open(folder: &Path) -> Result<Self, ConfigError> {
        let config = read_config(&folder.join("preprocessor_config.json"))?;
        Ok(Self::new(config))
    }

    /// One that is configured so.
    pub const fn new(config: PreprocessorConfig) -> Self {
        Self { config }
    }

    /// The image in bytes, resized and cut. Where it is smaller than what is cut out, black is around it.
    pub fn fit(&self, image: &RgbImage) -> RgbImage {
        let (width, height) = image.dimensions();
        let (size, crop) = (self.config.size.0, self.config.crop_size.0);
        let longer = |side: u32, shorter: u32| {
            let longer = u64::from(size) * u64::from(side) / u64::from(shorter.max(1));
            u32::try_from(longer).unwrap_or(u32::MAX)
        };
        let (wide, high) = if width <= height {
            (size, longer(height, width))
        } else {
            (longer(width, height), size)
        };
        // What is cut off is not made: it can be much.
        let middle = |side: u32| {
            let first = side.saturating_sub(crop) / 2;
            first..first + side.min(crop)
        };
        let cut = resize_part(
            image,
            [wide, high],
            middle(wide),
            middle(high),
            Filter::Cubic,
        );
        if cut.dimensions() == (crop, crop) {
            return cut;
        }
        let around = |side: u32| i64::from((crop - side).div_ceil(2));
        let mut padded = RgbImage::new(crop, crop);
        imageops::replace(&mut padded, &cut, around(cut.width()), around(cut.height()));
        padded
    }

    /// Any images as pixels.
    ///
    /// # Shapes
    /// `[images, 3, side, side]`
    pub fn pixels<'a>(
        &self,
        images: impl ExactSizeIterator<Item = &'a RgbImage>,
        device: &Device,
    ) -> Tensor<4> {
        let fitted: Vec<RgbImage> = images.map(|image| self.fit(image)).collect();
        self.normalised(&fitted, device)
    }

    /// Images that have the side already that is cut out, as pixels.
    ///
    /// # Shapes
    /// `[images, 3, side, side]`
    pub fn normalised(&self, images: &[RgbImage], device: &Device) -> Tensor<4> {
        let side = self.config.crop_size.0 as usize;
        let shape = [images.len(), 3, side, side];
        let mut numbers = Vec::with_capacity(shape.iter().product());
        let planes = [0, 1, 2].map(|channel| self.numbers_of_levels(channel));
        for image in images {
            for (channel, numbers_of_levels) in planes.iter().enumerate() {
                let levels = image.pixels().map(|pixel| pixel.0[channel]);
                numbers.extend(levels.map(|level| numbers_of_levels[usize::from(level)]));
            }
        }
        Tensor::from_data(TensorData::new(numbers, shape), device)
    }

    /// What becomes of each level of a colour.
    fn numbers_of_levels(&self, channel: usize) -> Vec<f32> {
        let mean = self.config.image_mean[channel];
        let deviation = self.config.image_std[channel];
        let number = |level: u8| (f32::from(level) / 255.0 - mean) / deviation;
        (0..=u8::MAX).map(number).collect()
    }
}
