//! From images to what is in them.

use std::collections::BTreeMap;
use std::path::Path;

use burn::prelude::*;
use burn::tensor::DType;
use image::RgbImage;

use crate::config::IMAGE_SIZE;
use crate::decode::{Detection, decode};
use crate::letterbox::{LONGEST, Letterbox, STEP, is_size};
use crate::suppress::suppress;
use crate::weights::{LoadError, load};
use crate::{Network, Predictions, Vocabulary};

/// Images that go through the network at once, at most: more take more memory, and on the CPU more time.
const MOST_TOGETHER: usize = 4;

/// Why nothing can be searched for, or nothing be searched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// Features of another text encoder, or none.
    #[error(
        "expected text features of the shape [classes, {expected}], with one class at least, found {found:?}; take the \
         text encoder that the detector was trained with"
    )]
    Features {
        /// Numbers of a text's features.
        expected: usize,
        /// Their shape.
        found: [usize; 2],
    },
    /// A vocabulary of a network of another size.
    #[error("the vocabulary was made by another network; make one by this network's `vocabulary`")]
    ForeignVocabulary,
    /// An image without pixels.
    #[error("image {index} is {width} x {height} pixels large: there is nothing in it")]
    EmptyImage {
        /// Which of the images.
        index: usize,
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
    },
    /// A size that the network cannot have.
    #[error("expected a size that is a multiple of {STEP}, at most {LONGEST}, found {found}")]
    Size {
        /// The size.
        found: usize,
    },
    /// A number that is no fraction.
    #[error("expected `{name}` between 0 and 1, found {found}")]
    Fraction {
        /// Of what.
        name: &'static str,
        /// The number.
        found: f32,
    },
}

/// How images are searched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Detections of this confidence or less are left out.
    pub floor: f32,
    /// Of two boxes of a class whose intersection is more than this part of their union, the one of less confidence is
    /// left out.
    pub overlap: f32,
    /// The longer side that images are scaled to, in pixels: a multiple of 32.
    pub size: usize,
    /// Detections an image, at most.
    pub most: usize,
}

impl Default for Settings {
    /// What `ultralytics` predicts with.
    fn default() -> Self {
        Self {
            floor: 0.25,
            overlap: 0.7,
            size: IMAGE_SIZE,
            most: 300,
        }
    }
}

impl Settings {
    fn check(&self) -> Result<(), DetectError> {
        for (name, found) in [("floor", self.floor), ("overlap", self.overlap)] {
            if !(0.0..=1.0).contains(&found) {
                return Err(DetectError::Fraction { name, found });
            }
        }
        let found = self.size;
        if !is_size(found) {
            return Err(DetectError::Size { found });
        }
        Ok(())
    }
}

/// The detector.
#[derive(Clone, Debug)]
pub struct YoloWorld {
    network: Network,
    size: usize,
    device: Device,
}

impl YoloWorld {
    /// Loads a detector from a folder: `model.safetensors`, and `config.json` if it is of no published size.
    pub fn load(folder: &Path, device: &Device) -> Result<Self, LoadError> {
        let (network, config) = load(folder, device)?;
        Ok(Self {
            network: network.fold(),
            size: config.image_size,
            device: device.clone(),
        })
    }

    /// The network in it.
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// The longer side that images are best scaled to, in pixels.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// What to search for, from text features ([`TextEncoder`](crate::TextEncoder)).
    ///
    /// # Shapes
    /// `features`: `[classes, text_width]`.
    pub fn vocabulary(&self, features: &Tensor<2>) -> Result<Vocabulary, DetectError> {
        let (found, expected) = (features.dims(), self.network.text_width());
        if found[0] == 0 || found[1] != expected {
            return Err(DetectError::Features { expected, found });
        }
        Ok(self.network.vocabulary(features))
    }

    /// What the network says of an image, before boxes are made of it; it is scaled as for
    /// [`detect`](Self::detect).
    pub fn predict(
        &self,
        image: &RgbImage,
        vocabulary: &Vocabulary,
        size: usize,
    ) -> Result<Predictions, DetectError> {
        let settings = Settings {
            size,
            ..Settings::default()
        };
        let letterboxes = self.letterboxes(&[image], vocabulary, &settings)?;
        Ok(self.forward(&[image], &letterboxes, vocabulary))
    }

    /// What is in each image, by falling confidence. An image's detections do not depend on what other images there are.
    pub fn detect(
        &self,
        images: &[&RgbImage],
        vocabulary: &Vocabulary,
        settings: &Settings,
    ) -> Result<Vec<Vec<Detection>>, DetectError> {
        let letterboxes = self.letterboxes(images, vocabulary, settings)?;
        let mut alike: BTreeMap<[usize; 2], Vec<usize>> = BTreeMap::new();
        for (index, letterbox) in letterboxes.iter().enumerate() {
            alike.entry(letterbox.outer).or_default().push(index);
        }
        let mut found = vec![Vec::new(); images.len()];
        for (sides, indices) in alike {
            for indices in indices.chunks(MOST_TOGETHER) {
                let some: Vec<_> = indices.iter().map(|index| images[*index]).collect();
                let boxes: Vec<_> = indices.iter().map(|index| letterboxes[*index]).collect();
                let Predictions {
                    boxes: numbers,
                    scores,
                } = self.forward(&some, &boxes, vocabulary);
                let (numbers, scores) = (numbers_of(numbers), numbers_of(scores));
                let numbers = numbers.chunks_exact(numbers.len() / some.len());
                let scores = scores.chunks_exact(scores.len() / some.len());
                for (((index, letterbox), numbers), scores) in
                    indices.iter().zip(&boxes).zip(numbers).zip(scores)
                {
                    let all = decode(numbers, scores, sides, settings.floor);
                    let kept = suppress(all, settings.overlap, settings.most).into_iter();
                    let back = |detection: Detection| Detection {
                        bounds: letterbox.back(detection.bounds),
                        ..detection
                    };
                    found[*index] = kept.map(back).collect();
                }
            }
        }
        Ok(found)
    }

    /// Where images lie in the network's pixels, after everything was checked that a caller can get wrong.
    fn letterboxes(
        &self,
        images: &[&RgbImage],
        vocabulary: &Vocabulary,
        settings: &Settings,
    ) -> Result<Vec<Letterbox>, DetectError> {
        settings.check()?;
        if !self.network.takes(vocabulary) {
            return Err(DetectError::ForeignVocabulary);
        }
        let letterbox = |(index, image): (usize, &&RgbImage)| {
            let (width, height) = image.dimensions();
            if width == 0 || height == 0 {
                return Err(DetectError::EmptyImage {
                    index,
                    width,
                    height,
                });
            }
            let sides = [width, height].map(|side| side as usize);
            Ok(Letterbox::new(sides, settings.size))
        };
        images.iter().enumerate().map(letterbox).collect()
    }

    /// What the network says of images whose letter boxes are of the same size.
    fn forward(
        &self,
        images: &[&RgbImage],
        letterboxes: &[Letterbox],
        vocabulary: &Vocabulary,
    ) -> Predictions {
        let [width, height] = letterboxes[0].outer;
        let image = 3 * width * height;
        let mut pixels = vec![0.0; images.len() * image];
        let each = images.iter().zip(letterboxes);
        for ((image, letterbox), pixels) in each.zip(pixels.chunks_exact_mut(image)) {
            letterbox.write(image, pixels);
        }
        let data = TensorData::new(pixels, [images.len(), 3, height, width]);
        let pixels = Tensor::from_data(data, (&self.device, DType::F32));
        self.network.forward(pixels, vocabulary)
    }
}

fn numbers_of(tensor: Tensor<3>) -> Vec<f32> {
    let data = tensor.into_data().convert::<f32>();
    data.try_to_vec().expect("they were converted")
}
