//! `train.detector`: a YOLO-World, from nothing, of pictures whose boxes are known.
//!
//! The text tower of a CLIP that is there already embeds the words. To a CLIP of captions, which tell places and times apart
//! as well, animals' bare names may be all but the same: its last layer is made anew so that they are not. Each step is
//! searched for words of its own, some of which are to be seen in none of its pictures, and a box whose word is not among
//! them is nothing to be found: so the detector learns to find what it is asked for.

use std::collections::{BTreeMap, BTreeSet};

use burn::prelude::*;
use ccsr_nn::{Parameter, Row};
use ccsr_sampling::noise::Noise;
use ccsr_stage::{
    Blobs, ColumnType, Digest, InputPort, Inputs, Misfit, Misfits, StageError, Value,
};
use ccsr_training::{DetectionBatch, DetectionTrainer, Gradient, LabelledBox, SearchTexts};
use ccsr_yolo_world::{Letterbox, Projected, Scale, TextEncoder, YoloWorldConfig, written};
use image::imageops;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cores::StepParts;
use crate::failed;
use crate::pretraining::{
    File, LaidOut, Learner, Pictures, Recipe, Step, Training, below, examples, list, model_port,
    model_value, part, source,
};
use crate::range::within;

/// Batches that statistics are measured on, and how many images are in each.
const MEASURED: (u64, usize) = (64, 32);
/// How often a step is searched for all words, and how often for a word that nothing shows where it is not.
const SHARES: [f64; 2] = [0.5, 0.5];

/// Parameters of `train.detector`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// How it is trained.
    pub training: Training,
    /// The longer side that pictures are scaled to, in pixels: a multiple of 32.
    pub side: u32,
    /// How many blocks there are in a row, as a factor of what YOLO-World's large size has.
    pub depth: f64,
    /// How many channels there are, as a factor of what the large size has.
    pub width: f64,
    /// The most channels, before `width`.
    pub max_channels: u32,
    /// Words beside those of the boxes, which no picture shows.
    pub absent: Vec<String>,
    /// Whether every other picture is seen in a mirror.
    pub mirror: bool,
    /// What the text tower gets of the learning rate, once words have been spread.
    pub text_rate: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            training: Training {
                batch: 16,
                ..Training::default()
            },
            side: 64,
            depth: 0.33,
            width: 0.1875,
            max_channels: 512,
            absent: vec![" ".to_owned()],
            mirror: true,
            text_rate: 0.0,
        }
    }
}

impl Params {
    /// The network, which was built for so many words, whose features are so wide.
    fn config(&self, words: usize, text_width: usize) -> YoloWorldConfig {
        let mut config = YoloWorldConfig::of(Scale::S);
        (config.depth, config.width) = (self.depth, self.width);
        config.max_channels = self.max_channels as usize;
        (config.classes_at_build, config.text_width) = (words, text_width);
        config.image_size = self.side as usize;
        config
    }
}

/// What is trained.
pub(crate) struct Searcher {
    trainer: DetectionTrainer,
    config: YoloWorldConfig,
    pictures: Pictures,
    /// Of each picture, in its own pixels.
    boxes: Vec<Vec<LabelledBox>>,
    /// Those of boxes first.
    words: SearchTexts,
    /// How many words boxes have, and how many there are.
    labels: [usize; 2],
    /// As it is in the beginning.
    tower: Projected,
    /// The files beside the text tower's weights.
    texts: Vec<(String, Digest)>,
    mirror: bool,
    text_rate: f64,
    device: Device,
}

/// A row of the boxes.
type Boxed = (Value, String, f64, f64, f64, f64);

impl Recipe for Params {
    const NAME: &'static str = "train.detector";
    const SUMMARY: &'static str =
        "Trains a YOLO-World on pictures whose boxes are known, with a CLIP's words.";
    const REVISION: u32 = 1;
    // A detector is written with the statistics of all pictures, which training has none of.
    const GOES_ON: bool = false;
    type Learner = Searcher;

    fn training(&self) -> &Training {
        &self.training
    }

    fn misfits(&self) -> Misfits {
        let mut misfits = within("side", self.side, &(32..=4096), " pixels");
        if !self.side.is_multiple_of(32) {
            let message = format!("`side: {}` is no multiple of 32", self.side);
            misfits.add(Misfit::new(["side"], message));
        }
        misfits.add(within("text_rate", self.text_rate, &(0.0..=1000.0), ""));
        if misfits.is_empty()
            && let Err(message) = self.config(1, 1).check()
        {
            misfits.add(Misfit::new(["width"], message));
        }
        misfits
    }

    fn inputs(&self) -> Vec<InputPort> {
        let mut boxes = vec![("image", ColumnType::Image), ("label", ColumnType::Text)];
        boxes.extend(["x0", "y0", "x1", "y1"].map(|edge| (edge, ColumnType::Float)));
        vec![
            InputPort::new("scenes", [("image", ColumnType::Image)]),
            InputPort::new("boxes", boxes),
            model_port("clip"),
        ]
    }

    fn material(&self, inputs: &Inputs<'_>) -> Result<Value, StageError> {
        let boxed = ["image", "label", "x0", "y0", "x1", "y1"];
        Ok(Value::map([
            ("scenes", examples(inputs, "scenes", &["image"])?),
            ("boxes", examples(inputs, "boxes", &boxed)?),
            ("clip", model_value(inputs, "clip")?),
        ]))
    }

    fn learner(
        &self,
        material: &Value,
        _: &Value,
        blobs: &dyn Blobs,
        device: &Device,
    ) -> Result<Searcher, StageError> {
        let part = |name| part(material, name);
        let images = list(part("scenes")?)?.iter();
        let images: Vec<Digest> = images
            .filter_map(|row| row.as_list()?.first()?.as_blob())
            .collect();
        let pictures = Pictures::read(&images, blobs)?;
        let rows = list(part("boxes")?)?.iter().map(Value::read::<Boxed>);
        let rows = rows.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let labels: BTreeSet<&str> = rows.iter().map(|(_, label, ..)| label.as_str()).collect();
        let mut words: Vec<&str> = labels.iter().copied().collect();
        let absent = self.absent.iter().map(String::as_str);
        words.extend(absent.filter(|word| !labels.contains(word)));
        let clip = LaidOut::new(part("clip")?, blobs)?;
        let encoder = TextEncoder::load(clip.path(), device).map_err(failed)?;
        let config = self.config(labels.len(), encoder.width());
        let count = [labels.len(), words.len()];
        let tokens = encoder.tokens(&words).map_err(failed)?;
        let tower = encoder.network().clone().spread(tokens.clone());
        let (words, learner) = if self.text_rate > 0.0 {
            (SearchTexts::Tokens(tokens), Some(tower.clone()))
        } else {
            (SearchTexts::Features(tower.features(tokens)), None)
        };
        let texts = clip.files().filter(|(name, _)| is_of_texts(name));
        let texts = texts.map(|(name, content)| (name.to_owned(), content));
        let mut by_image: BTreeMap<Digest, Vec<LabelledBox>> = BTreeMap::new();
        for (image, label, x0, y0, x1, y1) in &rows {
            let Some(image) = image.as_blob() else {
                continue;
            };
            let bounds = [x0, y0, x1, y1].map(|edge| *edge as f32);
            let found = LabelledBox {
                class: labels
                    .iter()
                    .position(|known| known == label)
                    .expect("it is one of them"),
                bounds,
            };
            let known = by_image.entry(image).or_default();
            // Pictures that are the same have the same boxes.
            if !known.contains(&found) {
                known.push(found);
            }
        }
        let boxes = images.iter();
        let boxes = boxes.map(|image| by_image.get(image).cloned().unwrap_or_default());
        Ok(Searcher {
            trainer: DetectionTrainer::new(
                config.init(device),
                learner,
                &device.clone().autodiff(),
            ),
            config,
            boxes: boxes.collect(),
            pictures,
            words,
            labels: count,
            tower,
            texts: texts.collect(),
            mirror: self.mirror,
            text_rate: self.text_rate,
            device: device.clone(),
        })
    }
}

impl Searcher {
    /// Words that a step is searched for, by their numbers: all, or some.
    fn words(&self, noise: &mut Noise) -> Vec<usize> {
        let [labels, all] = self.labels;
        let mut words: Vec<usize> = (0..labels).collect();
        if noise.uniform() >= SHARES[0] {
            for last in (1..labels).rev() {
                words.swap(last, below(noise, last + 1));
            }
            words.truncate(1 + below(noise, labels));
        }
        let absent = (labels..all).filter(|_| noise.uniform() < SHARES[1]);
        words.extend(absent);
        words
    }

    /// Pictures, what is searched for in them, and what of it is where.
    fn batch(&self, step: &Step) -> DetectionBatch {
        let words = self.words(&mut step.noise("words"));
        let mut mirrors = step.noise("mirrors");
        let sides = self.pictures.side().map(|side| side as usize);
        let letterbox = Letterbox::new(sides, self.config.image_size);
        let [width, height] = letterbox.sides();
        let examples = step.examples(self.pictures.len());
        let mut pixels = vec![0.0; examples.len() * 3 * width * height];
        let mut boxes = Vec::with_capacity(examples.len());
        for (index, pixels) in examples
            .iter()
            .zip(pixels.chunks_exact_mut(3 * width * height))
        {
            let mut picture = self.pictures.get(*index);
            let is_turned = self.mirror && mirrors.uniform() < 0.5;
            if is_turned {
                imageops::flip_horizontal_in_place(&mut picture);
            }
            letterbox.write(&picture, pixels);
            let seen = self.boxes[*index].iter().filter_map(|found| {
                let class = words.iter().position(|word| *word == found.class)?;
                let [left, top, right, bottom] = found.bounds;
                let side = sides[0] as f32;
                let (left, right) = if is_turned {
                    (side - right, side - left)
                } else {
                    (left, right)
                };
                let bounds = letterbox.boxed([left, top, right, bottom]);
                Some(LabelledBox { class, bounds })
            });
            boxes.push(seen.collect());
        }
        let pixels = TensorData::new(pixels, [examples.len(), 3, height, width]);
        let words: Vec<i64> = words.iter().map(|word| *word as i64).collect();
        let words = Tensor::<1, Int>::from_data(words.as_slice(), &self.device);
        DetectionBatch {
            pixels: Tensor::from_data(pixels, &self.device),
            texts: match &self.words {
                SearchTexts::Features(all) => SearchTexts::Features(all.clone().select(0, words)),
                SearchTexts::Tokens(all) => SearchTexts::Tokens(all.clone().select(0, words)),
            },
            boxes,
        }
    }
}

impl Learner for Searcher {
    type Drawn = DetectionBatch;

    const OUTER: &'static [&'static str] = &["down_2", "detect", "text_encoder"];

    fn row(&self) -> &Row {
        self.trainer.row()
    }

    fn initial(&self, seed: u64) -> Result<Vec<f32>, StageError> {
        let source = |index| source("initial", seed, index as u64);
        Ok(self.trainer.initial(source))
    }

    fn share_of_rate(&self, parameter: &Parameter) -> f64 {
        if parameter.name.starts_with("text_encoder.") {
            self.text_rate
        } else {
            1.0
        }
    }

    fn draw(&self, step: &Step) -> Result<DetectionBatch, StageError> {
        Ok(self.batch(step))
    }

    /// Not in parts: what a layer normalises by are all of a step.
    fn gradient(
        &self,
        numbers: &[f32],
        drawn: &DetectionBatch,
        _: &StepParts<'_>,
    ) -> Result<Gradient, StageError> {
        Ok(self.trainer.gradient(numbers, drawn))
    }

    fn files(&self, numbers: &[f32]) -> Result<Vec<(String, File)>, StageError> {
        let batches = (0..MEASURED.0).map(|number| {
            let step = Step {
                seed: 0,
                number,
                batch: MEASURED.1,
            };
            let batch = self.batch(&step);
            (batch.pixels, batch.texts)
        });
        let (network, tower) = self.trainer.finished(numbers, batches);
        let weights = Row::of(&network).file(&Row::numbers(&network), written);
        let config = serde_json::to_value(&self.config).map_err(failed)?;
        let mut files = vec![
            ("config.json".to_owned(), File::from(&config)),
            ("model.safetensors".to_owned(), File::from(weights)),
        ];
        let tower = tower.unwrap_or_else(|| self.tower.clone());
        let weights = Row::of(&tower).file(&Row::numbers(&tower), str::to_owned);
        let named = |name: &str| format!("text_encoder/{name}");
        files.push((named("model.safetensors"), File::from(weights)));
        let others = self.texts.iter();
        files.extend(others.map(|(name, content)| (named(name), File::Blob(*content))));
        Ok(files)
    }
}

/// Whether a file of a CLIP is its text tower's, beside the weights.
fn is_of_texts(name: &str) -> bool {
    !name.contains('/') && name != "model.safetensors" && name != "preprocessor_config.json"
}

#[cfg(test)]
mod tests;
