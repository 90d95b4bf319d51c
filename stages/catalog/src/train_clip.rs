//! `train.clip`: a CLIP of captioned pictures, from nothing.
//!
//! Its vocabulary is learnt from the captions, too. What comes out is a folder as the hub lays it out: the scorer's, and the
//! text encoder of what draws, and the eyes of what judges. Captions say little of what is wrong in a picture; with `truth`
//! and `traces` the eyes are taught that, too.

mod folder;
mod towers;
mod traces;
mod truth;

use std::path::Path;

use burn::prelude::*;
use ccsr_clip::{
    ClipConfig, Padding, Preprocessor, PreprocessorConfig, TextConfig, Tokenizer, VisionConfig,
    learn_vocabulary, load_clip,
};
use ccsr_nn::{Parameter, Row};
use ccsr_stage::{
    Blobs, ColumnType, InputPort, Inputs, Misfit, Misfits, Outcome, StageError, Value,
};
use ccsr_training::{
    ContrastiveBatch, ContrastiveTrainer, Facts, Gradient, Initial, Known, initial,
};
use ccsr_world::{MAX_SIZE, MIN_SIZE};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cores::StepParts;
use crate::facts::read_scene;
use crate::failed;
use crate::pretraining::{
    File, LaidOut, Learner, Pictures, Recipe, Step, Training, examples, list, put_parts, source,
};
use crate::range::within;
pub use towers::{Part, Tower};

/// Tokens a text, as everything has it that encodes texts as Stable Diffusion does.
const TOKENS: usize = 77;
/// The largest logarithm of the temperature, 100, as OpenAI had it.
const HOTTEST: f32 = 4.605_17;

/// Parameters of `train.clip`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// How it is trained.
    pub training: Training,
    /// Tokens of the vocabulary, at least 514: those of bytes, and what is frequent.
    pub vocabulary: u32,
    /// Numbers of the space in which texts and pictures meet.
    pub space: u32,
    /// The size of the text tower.
    pub text: Tower,
    /// The size of the vision tower.
    pub vision: Tower,
    /// Pixels of the side of a patch, which the pictures' side is a multiple of.
    pub patch: u32,
    // What follows came later: it is left out of keys while it says what was done before.
    /// How much it counts, beside the captions, that the eyes see what is true of a scene: what it shows, and what is wrong
    /// with it. A readout of their patches is taught along, and left out of what is written. At 0, captions are all that
    /// pictures need.
    #[serde(skip_serializing_if = "is_untaught")]
    pub truth: f64,
    /// How much it counts that each patch tells what is to be seen there: an animal of which class, colour and pose, and
    /// which defect. Like `truth`, and far more is learnt of a picture. At 0, patches are not asked.
    #[serde(skip_serializing_if = "is_untaught")]
    pub traces: f64,
    /// Whether each patch is to tell which part of the animal is there, too: a head, a neck, a leg. It needs `traces`, of
    /// which it is a fifth.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub parts: bool,
    /// Towers that stay as they are, projections apart: `text`, `vision`. So what was made of a tower keeps fitting
    /// (LiT, Zhai et al., 2022).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<Part>,
    /// Towers that begin from nothing, with their projections, where `initial` gives a model: they may be of another size than
    /// its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub anew: Vec<Part>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_untaught(truth: &f64) -> bool {
    *truth == 0.0
}

impl Default for Params {
    fn default() -> Self {
        Self {
            training: Training::default(),
            vocabulary: 1024,
            space: 128,
            text: Tower {
                width: 128,
                layers: 4,
                heads: 4,
            },
            vision: Tower {
                width: 192,
                layers: 6,
                heads: 6,
            },
            patch: 8,
            truth: 0.0,
            traces: 0.0,
            parts: false,
            frozen: Vec::new(),
            anew: Vec::new(),
        }
    }
}

/// What is trained.
pub(crate) struct Towers {
    trainer: ContrastiveTrainer,
    /// CLIP's own numbers, without the readout's.
    own: Row,
    config: ClipConfig,
    preprocessor: PreprocessorConfig,
    pictures: Pictures,
    /// Each caption's, with start and end.
    tokens: Vec<Vec<i64>>,
    /// The values that each scene's facts have; empty if nobody wants to know.
    truth: Vec<Vec<usize>>,
    /// The values that each scene's patches have, fact by fact; empty if nobody wants to know.
    traces: Vec<Vec<u8>>,
    tokenizer: Value,
    frozen: Vec<Part>,
    anew: Vec<Part>,
    device: Device,
}

impl Recipe for Params {
    const NAME: &'static str = "train.clip";
    const SUMMARY: &'static str = "Trains a CLIP on captioned pictures, from nothing.";
    const REVISION: u32 = 2;
    const KEPT: &'static [&'static str] = &["vocab.json", "merges.txt"];
    type Learner = Towers;

    fn training(&self) -> &Training {
        &self.training
    }

    fn misfits(&self) -> Misfits {
        let mut misfits = within("vocabulary", self.vocabulary, &(514..=1_000_000), " tokens");
        misfits.add(within("space", self.space, &(1..=4096), ""));
        misfits.add(within("patch", self.patch, &(1..=256), " pixels"));
        misfits.add(within("truth", self.truth, &(0.0..=1000.0), ""));
        misfits.add(within("traces", self.traces, &(0.0..=1000.0), ""));
        if self.parts && self.traces <= 0.0 {
            let message = "patches tell it where `traces` counts more than 0";
            misfits.add(Misfit::new(["parts"], message));
        }
        misfits.add(self.text.misfits().below("text"));
        misfits.add(self.vision.misfits().below("vision"));
        misfits
    }

    fn inputs(&self) -> Vec<InputPort> {
        let columns = [("prompt", ColumnType::Text), ("image", ColumnType::Image)];
        let scene = self.reads_scenes().then_some(("scene", ColumnType::Text));
        vec![InputPort::new("scenes", columns.into_iter().chain(scene))]
    }

    fn material(&self, inputs: &Inputs<'_>) -> Result<Value, StageError> {
        let columns = ["prompt", "image", "scene"];
        let known = if self.reads_scenes() { 3 } else { 2 };
        examples(inputs, "scenes", &columns[..known])
    }

    fn preparation(&self) -> Value {
        Value::Int(self.vocabulary.into())
    }

    fn prepare(
        &self,
        material: &Value,
        _: &dyn Blobs,
        _: &Device,
        outcome: &mut Outcome,
    ) -> Result<Value, StageError> {
        let captions = list(material)?;
        let captions = captions
            .iter()
            .filter_map(|row| row.as_list()?.first()?.as_text());
        let files = learn_vocabulary(captions, self.vocabulary as usize).map_err(failed)?;
        let tokenizer = Self::KEPT.iter().copied().zip(files);
        Ok(Value::map(tokenizer.map(|(name, file)| {
            (name, Value::Blob(outcome.add_blob(file)))
        })))
    }

    fn learner(
        &self,
        material: &Value,
        prepared: &Value,
        blobs: &dyn Blobs,
        device: &Device,
    ) -> Result<Towers, StageError> {
        let rows = list(material)?;
        let texts = |column: usize| {
            let texts = rows
                .iter()
                .map(move |row| row.as_list()?.get(column)?.as_text());
            texts.collect::<Option<Vec<_>>>()
        };
        let incomplete = || StageError::failed("an example is incomplete");
        let captions = texts(0).ok_or_else(incomplete)?;
        let images = rows.iter().map(|row| row.as_list()?.get(1)?.as_blob());
        let images = images.collect::<Option<Vec<_>>>().ok_or_else(incomplete)?;
        let scenes = if self.reads_scenes() {
            let scenes = texts(2).ok_or_else(incomplete)?.into_par_iter();
            scenes.map(read_scene).collect::<Result<Vec<_>, _>>()?
        } else {
            Vec::new()
        };
        let pictures = Pictures::read(&images, blobs)?;
        let tokenizer =
            Tokenizer::open(LaidOut::new(prepared, blobs)?.path(), TOKENS).map_err(failed)?;
        let end = tokenizer.vocabulary().len() as i64 - 1;
        let tokens = captions.into_iter().map(|caption| {
            let ids = tokenizer
                .tokenise(caption, Padding::Checkpoint)
                .map_err(failed)?
                .ids;
            let length = ids.iter().position(|id| *id == end).unwrap_or(TOKENS - 1);
            Ok(ids[..=length].to_vec())
        });
        let tokens = tokens.collect::<Result<Vec<_>, StageError>>()?;
        let [width, height] = pictures.side();
        if width != height || !width.is_multiple_of(self.patch) {
            let patch = self.patch;
            return Err(StageError::input(format!(
                "pictures of {width} x {height} pixels are no squares of patches of {patch} x {patch}"
            )));
        }
        let config = self.config(width, end);
        let graph = device.clone().autodiff();
        let network = config.init(device);
        let facts = |weight: f64, values: Vec<usize>| {
            (weight > 0.0).then_some(Facts {
                width: config.vision_config.hidden_size,
                values,
                weight,
            })
        };
        let known = Known {
            of_images: facts(self.truth, truth::widths()),
            of_patches: facts(self.traces, traces::widths(self.parts)),
        };
        if known.of_patches.is_some() && !(MIN_SIZE..=MAX_SIZE).contains(&width) {
            return Err(StageError::input(format!(
                "`traces` needs pictures of {MIN_SIZE} to {MAX_SIZE} pixels a side, in which scenes can be rendered; these have {width}"
            )));
        }
        let scenes_of = |facts: &Option<Facts>| match facts {
            Some(_) => scenes.as_slice(),
            None => &[],
        };
        let truth = scenes_of(&known.of_images).par_iter().map(truth::of);
        let traces = scenes_of(&known.of_patches).par_iter();
        let traces = traces.map(|scene| traces::of(scene, width, self.patch, self.parts));
        let (truth, traces) = (truth.collect(), traces.collect());
        Ok(Towers {
            own: Row::of(&network),
            trainer: ContrastiveTrainer::new(network, known, &graph),
            truth,
            traces,
            preprocessor: preprocessor(width),
            config,
            pictures,
            tokens,
            tokenizer: prepared.clone(),
            frozen: self.frozen.clone(),
            anew: self.anew.clone(),
            device: device.clone(),
        })
    }
}

impl Params {
    fn reads_scenes(&self) -> bool {
        self.truth > 0.0 || self.traces > 0.0
    }

    fn config(&self, side: u32, end: i64) -> ClipConfig {
        let (text, vision) = (self.text, self.vision);
        let space = self.space as usize;
        ClipConfig {
            text_config: TextConfig {
                hidden_size: text.width as usize,
                intermediate_size: 4 * text.width as usize,
                num_hidden_layers: text.layers as usize,
                num_attention_heads: text.heads as usize,
                max_position_embeddings: TOKENS,
                vocab_size: end as usize + 1,
                eos_token_id: end,
                projection_dim: space,
                ..TextConfig::default()
            },
            vision_config: VisionConfig {
                hidden_size: vision.width as usize,
                intermediate_size: 4 * vision.width as usize,
                num_hidden_layers: vision.layers as usize,
                num_attention_heads: vision.heads as usize,
                image_size: side as usize,
                patch_size: self.patch as usize,
                projection_dim: space,
                ..VisionConfig::default()
            },
            projection_dim: Some(space),
        }
    }
}

fn preprocessor(side: u32) -> PreprocessorConfig {
    PreprocessorConfig {
        size: ccsr_clip::Side(side),
        crop_size: ccsr_clip::Side(side),
        ..PreprocessorConfig::default()
    }
}

/// The values of each fact from those of each scene, which come fact by fact, `each` of one.
fn by_fact<'a, T: Copy + Into<usize> + 'a>(
    scenes: impl Iterator<Item = &'a Vec<T>>,
    each: usize,
) -> Vec<Vec<usize>> {
    let mut facts: Vec<Vec<usize>> = Vec::new();
    for scene in scenes {
        facts.resize(scene.len() / each, Vec::new());
        for (fact, values) in facts.iter_mut().zip(scene.chunks(each)) {
            fact.extend(values.iter().map(|value| (*value).into()));
        }
    }
    facts
}

/// How CLIP's numbers begin: as PyTorch's, and with a temperature of 1/0.07.
fn begin(parameter: &Parameter) -> Initial {
    match parameter.name.as_str() {
        ContrastiveTrainer::TEMPERATURE => Initial::Constant(2.6592),
        _ => Initial::of(parameter),
    }
}

impl Learner for Towers {
    type Drawn = ContrastiveBatch;

    const OUTER: &'static [&'static str] = &["embedding", "_projection", "readout"];

    fn row(&self) -> &Row {
        self.trainer.row()
    }

    fn initial(&self, seed: u64) -> Result<Vec<f32>, StageError> {
        Ok(initial(self.row(), begin, |index| {
            source("initial", seed, index as u64)
        }))
    }

    fn put(&self, numbers: &mut [f32], folder: &Path, device: &Device) -> Result<(), StageError> {
        let (network, _) = load_clip(folder, device).map_err(failed)?;
        put_parts(&network, "clip.", self.row(), numbers, |name| {
            let mut begins = self
                .anew
                .iter()
                .flat_map(|it| [it.tower(), it.projection()]);
            !begins.any(|part| name.starts_with(part))
        })
    }

    fn draw(&self, step: &Step) -> Result<ContrastiveBatch, StageError> {
        let examples = step.examples(self.pictures.len());
        let pictures: Vec<_> = examples
            .iter()
            .map(|index| self.pictures.get(*index))
            .collect();
        let preprocessor = Preprocessor::new(self.preprocessor.clone());
        let texts = examples.iter().map(|index| &self.tokens[*index]);
        let longest = texts.clone().map(Vec::len).max().unwrap_or_default();
        // What follows the end of a text changes nothing before it.
        let end = self.config.text_config.eos_token_id;
        let ids = texts.flat_map(|ids| {
            ids.iter()
                .copied()
                .chain(std::iter::repeat(end))
                .take(longest)
        });
        let ids = TensorData::new(ids.collect::<Vec<i64>>(), [examples.len(), longest]);
        let side = self.config.vision_config.image_size / self.config.vision_config.patch_size;
        let patches = side * side;
        Ok(ContrastiveBatch {
            pixels: preprocessor.normalised(&pictures, &self.device),
            tokens: Tensor::from_data(ids, &self.device),
            values: by_fact(
                examples.iter().filter_map(|index| self.truth.get(*index)),
                1,
            ),
            patch_values: by_fact(
                examples.iter().filter_map(|index| self.traces.get(*index)),
                patches,
            ),
        })
    }

    /// An image is told from all others of its step: what cores do apart is to look at them, and to follow what is said of
    /// all of them back.
    fn gradient(
        &self,
        numbers: &[f32],
        drawn: &ContrastiveBatch,
        parts: &StepParts<'_>,
    ) -> Result<Gradient, StageError> {
        let trainer = &self.trainer;
        let seen = parts.each(|examples| Ok(trainer.look(numbers, drawn, examples)))?;
        let (pulls, mut sum) = trainer.compare(numbers, seen);
        for share in parts.each_of(pulls, |pull| Ok(trainer.follow(pull)))? {
            sum.plus(&share);
        }
        Ok(sum)
    }

    fn share_of_rate(&self, parameter: &Parameter) -> f64 {
        let name = parameter.name.strip_prefix("clip.");
        let is_frozen = name.is_some_and(|name| {
            let mut frozen = self.frozen.iter();
            frozen.any(|part| name.starts_with(part.tower()))
        });
        if is_frozen { 0.0 } else { 1.0 }
    }

    fn bound(&self, numbers: &mut [f32]) {
        if let Some(temperature) = self
            .row()
            .range(ContrastiveTrainer::TEMPERATURE)
            .and_then(|range| numbers.get_mut(range))
        {
            temperature[0] = temperature[0].min(HOTTEST);
        }
    }

    fn files(&self, numbers: &[f32]) -> Result<Vec<(String, File)>, StageError> {
        let weights = self.own.file(&numbers[..self.own.len()], str::to_owned);
        let mut files = folder::tokenizer(&self.tokenizer)?;
        files.extend(folder::model(&self.config, &self.preprocessor, weights)?);
        Ok(files)
    }
}

#[cfg(test)]
mod tests;
