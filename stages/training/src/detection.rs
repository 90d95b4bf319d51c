//! YOLO-World: what is in an image, and where.

mod assignment;
mod loss;

use burn::prelude::*;
use ccsr_nn::{Parameter, Row};
use ccsr_sampling::noise::Noise;
use ccsr_yolo_world::{Network, Place, Predictions, Projected, places};

pub use self::assignment::{Positive, assign};
use self::loss::Losses;
use crate::{Gradient, Initial, initial};

/// What counts how much: boxes, classes, distances.
const GAINS: [f64; 3] = [7.5, 0.5, 1.5];

/// The network, and how far from the truth it is: the loss of YOLOv8 (Jocher et al., 2023), whose parts are of Feng et al.
/// (2021, arXiv 2108.07755), Zheng et al. (2020, arXiv 1911.08287) and Li et al. (2020, arXiv 2006.04388).
pub struct DetectionTrainer {
    networks: Networks,
    row: Row,
    /// With a graph.
    device: Device,
}

/// What is trained.
#[derive(Module, Debug)]
struct Networks {
    network: Network,
    text_encoder: Option<Projected>,
}

/// What images are searched for.
#[derive(Clone, Debug)]
pub enum SearchTexts {
    /// As a text encoder left them, `[classes, text_width]`.
    Features(Tensor<2>),
    /// For a text encoder that is trained, too, `[classes, tokens]`.
    Tokens(Tensor<2, Int>),
}

/// Images with what is in them.
#[derive(Clone, Debug)]
pub struct DetectionBatch {
    /// Between 0 and 1, `[batch, 3, height, width]`, sides multiples of 32.
    pub pixels: Tensor<4>,
    /// What the images are searched for.
    pub texts: SearchTexts,
    /// What is in each image.
    pub boxes: Vec<Vec<LabelledBox>>,
}

/// Something in an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelledBox {
    /// The number of its text.
    pub class: usize,
    /// Left, top, right and bottom, in pixels.
    pub bounds: [f32; 4],
}

/// What a batch says, part by part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectionLoss {
    /// How far boxes are from true ones: complete intersection over union.
    pub boxes: f64,
    /// How far scores are from how well boxes fit: binary cross-entropy.
    pub classes: f64,
    /// How far the distributions of the edges' distances are from true distances.
    pub distances: f64,
}

impl DetectionLoss {
    /// The sum that is to become small.
    pub fn total(&self) -> f64 {
        self.boxes + self.classes + self.distances
    }
}

impl DetectionTrainer {
    /// A trainer on a device that keeps graphs, of a network and of the text encoder that goes with it, if that is to learn,
    /// too. What the network's numbers are does not matter.
    pub fn new(network: Network, text_encoder: Option<Projected>, device: &Device) -> Self {
        let networks = Networks {
            network: network.in_training(),
            text_encoder,
        };
        Self {
            row: Row::of(&networks),
            networks,
            device: device.clone(),
        }
    }

    /// The networks' numbers, of which the statistics of normalisations are none.
    pub const fn row(&self) -> &Row {
        &self.row
    }

    /// The numbers to begin with: each parameter of the network is drawn from a source of its own, and the text encoder's
    /// are its own.
    pub fn initial(&self, source: impl Fn(usize) -> Noise) -> Vec<f32> {
        let mut numbers = initial(&self.row, begin, source);
        let known = Row::numbers(&self.networks.text_encoder);
        let end = numbers.len() - known.len();
        numbers.truncate(end);
        numbers.extend(known);
        numbers
    }

    /// The loss of a batch at these numbers, and its gradient.
    pub fn gradient(&self, numbers: &[f32], batch: &DetectionBatch) -> Gradient {
        let (networks, losses) = self.losses(numbers, batch);
        let [boxes, classes, distances] = losses.weighted();
        let loss = boxes + classes + distances;
        Gradient::of(&loss, batch.boxes.len(), |gradients| {
            Row::gradient(&networks, gradients)
        })
    }

    /// The parts of the loss of a batch at these numbers.
    pub fn loss(&self, numbers: &[f32], batch: &DetectionBatch) -> DetectionLoss {
        let (_, losses) = self.losses(numbers, batch);
        let [boxes, classes, distances] = losses.weighted();
        let number = |loss: Tensor<1>| f64::from(loss.inner().into_scalar::<f32>());
        DetectionLoss {
            boxes: number(boxes),
            classes: number(classes),
            distances: number(distances),
        }
    }

    /// The networks at these numbers after training: the detector normalises by the statistics of these images and texts.
    pub fn finished(
        &self,
        numbers: &[f32],
        batches: impl IntoIterator<Item = (Tensor<4>, SearchTexts)>,
    ) -> (Network, Option<Projected>) {
        let below = self.device.clone().without_autodiff();
        let networks = Row::put(self.networks.clone(), numbers, &below);
        let encoder = networks.text_encoder;
        let batches = batches.into_iter().map(|(pixels, texts)| {
            let features = match texts {
                SearchTexts::Features(features) => features,
                SearchTexts::Tokens(tokens) => features_of(encoder.as_ref(), tokens),
            };
            (pixels, features)
        });
        (
            networks.network.with_statistics_of(batches),
            encoder.clone(),
        )
    }

    fn losses(&self, numbers: &[f32], batch: &DetectionBatch) -> (Networks, Losses) {
        let networks = Row::put(self.networks.clone(), numbers, &self.device);
        let below = self.device.clone().without_autodiff();
        let features = match &batch.texts {
            SearchTexts::Features(features) => {
                Tensor::from_inner(features.clone().to_device(&below))
            }
            SearchTexts::Tokens(tokens) => {
                let tokens = Tensor::from_inner(tokens.clone().to_device(&below));
                features_of(networks.text_encoder.as_ref(), tokens)
            }
        };
        let pixels = batch.pixels.clone().to_device(&below);
        let [_, _, height, width] = pixels.dims();
        let network = &networks.network;
        let vocabulary = network.vocabulary(&features);
        let predictions = network.forward(Tensor::from_inner(pixels), &vocabulary);
        let places: Vec<_> = places([width, height]).collect();
        let positives = positives(&predictions, &batch.boxes, &places);
        let losses = Losses::of(predictions, &places, &positives);
        (networks, losses)
    }
}

/// How a parameter of the network begins. Scores are near 0 in the beginning, as most places of an image show nothing.
fn begin(parameter: &Parameter) -> Initial {
    let name = parameter.name.as_str();
    let is_contrast = name.starts_with("network.detect.cv4.") && !name.contains(".norm.");
    if is_contrast && name.ends_with("bias") {
        Initial::Constant(-10.0)
    } else if is_contrast {
        Initial::Constant(-1.0)
    } else if name.starts_with("network.detect.cv2.") && name.ends_with(".2.bias") {
        Initial::Constant(1.0)
    } else {
        Initial::of(parameter)
    }
}

fn features_of(encoder: Option<&Projected>, tokens: Tensor<2, Int>) -> Tensor<2> {
    let encoder = encoder.expect("texts come as features if there is none");
    encoder.features(tokens)
}

/// What each image's places are to say, with the image's number.
fn positives(
    predictions: &Predictions,
    boxes: &[Vec<LabelledBox>],
    places: &[Place],
) -> Vec<(usize, Positive)> {
    let numbers_of = |tensor: &Tensor<3>| {
        let data = tensor.clone().inner().into_data().convert::<f32>();
        data.try_to_vec::<f32>().expect("it was converted above")
    };
    let numbers = numbers_of(&predictions.boxes);
    let scores = numbers_of(&predictions.scores);
    let images = boxes.len().max(1);
    let each = numbers
        .chunks_exact(numbers.len() / images)
        .zip(scores.chunks_exact(scores.len() / images));
    let each = each.zip(boxes).enumerate();
    each.flat_map(|(image, ((numbers, scores), boxes))| {
        let found = assign(numbers, scores, boxes, places).into_iter();
        found.map(move |positive| (image, positive))
    })
    .collect()
}
