//! `train.judge`: a LLaVA that answers questions about the world's pictures.
//!
//! Its eyes are those of a CLIP, its language model one that was trained before, and all are trained on, the projector from
//! nothing. It is asked as `image.judge` asks: the picture, then a question in the chat form of its language model, and
//! the answer is a word. Half of the questions, as a rule, come from a table, the others are those of question sets in
//! their exact words, whose true answers follow from the scene. Beside answers it learns to describe what it sees.

mod exam;
mod files;

use std::collections::HashMap;
use std::path::Path;

use burn::prelude::Device;
use ccsr_clip::{Preprocessor, PreprocessorConfig};
use ccsr_llava::{ImageSize, Llava, LlavaConfig, Parts, Prepared};
use ccsr_nn::{Parameter, Row, read_config};
use ccsr_sampling::noise::Noise;
use ccsr_stage::params::Document;
use ccsr_stage::{
    Blobs, ColumnType, Digest, InputPort, Inputs, Misfit, Misfits, StageError, Value,
};
use ccsr_training::{Asked, Gradient, Initial, JudgeTrainer, Lesson, initial};
use ccsr_world::captions::{self, Claim};
use ccsr_world::{Answer, Class, Scene, Style};
use image::imageops::flip_horizontal;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::exam::Exam;
use self::files::Folder;
use crate::cores::StepParts;
use crate::describe_images;
use crate::failed;
use crate::known_questions;
use crate::pretraining::{
    File, LaidOut, Learner, Pictures, Recipe, Step, Training, below, examples, list, model_port,
    model_value, part, put_network, put_parts, source,
};
use crate::questions::QuestionSet;
use crate::range::within;
use crate::words::Words;

/// What the row calls the vision tower's parameters.
const TOWER: &str = "encoder.vision_tower.";
/// What it calls those of the language model.
const LANGUAGE: &str = "language.";
/// How it is told to write a prompt.
const PROMPT: &str = "Write a prompt for this image.";
/// What it is asked of claims.
const CLAIMS: &str = "Which of these are so?";

/// Parameters of `train.judge`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// How it is trained. Examples are pictures.
    pub training: Training,
    /// Questions about a picture in a step, from 1 to 64. They share what is seen of it, so that more cost little.
    pub questions: u32,
    /// Question sets, such as `questions/paper.yaml`, whose questions are learnt in their exact words. What each is about
    /// must be one of the ten things that the world knows the truth of.
    pub sets: Vec<Document<QuestionSet>>,
    /// The share of questions of the sets, `0.0..=1.0`; the others are those of the table.
    pub share: f64,
    /// Whether it also writes down what a picture shows, twice: thing by thing when it is told to in the words of
    /// `image.caption`, and as a prompt. A text says in one go what many answers of a word say, so that eyes and language
    /// find each other sooner (the first stage of LLaVA's training).
    pub descriptions: bool,
    /// Parts that stay as they are: `vision`, `projector`, `language`.
    pub frozen: Vec<Part>,
    /// What the vision tower gets of the learning rate: above 1, it learns faster than the rest.
    pub vision_rate: f64,
    /// The largest deviation of noise that is added to pictures, in levels of 255: what draws is no renderer.
    pub noise: f64,
    // What follows came later: it is left out of keys while it says what was done before.
    /// The most things that the prompts of questions say beside the class, up to 8: whether a picture is what a prompt says is
    /// learnt sooner where the prompt says little. At 0, prompts are as long as captions are.
    #[serde(skip_serializing_if = "is_zero")]
    pub brief: u32,
    /// Claims about a picture in a step, up to 256: a few words each, of which it says at once whether they are so ("in the
    /// rain: no"). In the words of one question ten are held against the picture, so that it learns to compare.
    #[serde(skip_serializing_if = "is_zero")]
    pub claims: u32,
    /// Parts that begin as `clip` and `language` have them where `initial` gives a model, and the projector from nothing: so a
    /// judge gets better eyes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub anew: Vec<Part>,
    /// Whether questions of the sets are chosen so that as many are answered yes as no, as they are by default. Otherwise they are
    /// asked as it falls, so that a judge that does not see whether a leg is missing learns that most often none is.
    #[serde(skip_serializing_if = "is_true")]
    pub balanced: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_true(balanced: &bool) -> bool {
    *balanced
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A part of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The vision tower.
    Vision,
    /// What puts its features among the embeddings of tokens.
    Projector,
    /// The language model.
    Language,
}

impl Part {
    /// The part that a parameter of the row belongs to.
    fn of(name: &str) -> Self {
        if name.starts_with(TOWER) {
            Self::Vision
        } else if name.starts_with(LANGUAGE) {
            Self::Language
        } else {
            Self::Projector
        }
    }
}

impl Default for Params {
    fn default() -> Self {
        Self {
            training: Training::default(),
            questions: 8,
            sets: Vec::new(),
            share: 0.5,
            descriptions: true,
            frozen: Vec::new(),
            vision_rate: 1.0,
            noise: 4.0,
            brief: 0,
            claims: 0,
            anew: Vec::new(),
            balanced: true,
        }
    }
}

impl Recipe for Params {
    const NAME: &'static str = "train.judge";
    const SUMMARY: &'static str = "Trains a LLaVA to answer questions about the world's pictures, from a CLIP and a language model.";
    const REVISION: u32 = 3;
    type Learner = Candidate;

    fn training(&self) -> &Training {
        &self.training
    }

    fn misfits(&self) -> Misfits {
        let mut misfits = within("questions", self.questions, &(1..=64), "");
        misfits.add(within("share", self.share, &(0.0..=1.0), ""));
        misfits.add(within("vision_rate", self.vision_rate, &(0.0..=1000.0), ""));
        misfits.add(within("noise", self.noise, &(0.0..=255.0), ""));
        misfits.add(within("brief", self.brief, &(0..=8), " things"));
        misfits.add(within("claims", self.claims, &(0..=256), ""));
        for (index, Document(set)) in self.sets.iter().enumerate() {
            let found = known_questions::misfits(set);
            misfits.add(found.below(index.to_string()).below("sets"));
        }
        if self.frozen() == ALL {
            misfits.add(Misfit::new(["frozen"], "nothing is left to be trained"));
        }
        misfits
    }

    fn inputs(&self) -> Vec<InputPort> {
        let scenes = [
            ("class", ColumnType::Text),
            ("image", ColumnType::Image),
            ("scene", ColumnType::Text),
        ];
        let questions = [
            ("image", ColumnType::Image),
            ("question", ColumnType::Text),
            ("answer", ColumnType::Text),
        ];
        vec![
            InputPort::new("scenes", scenes),
            InputPort::new("questions", questions),
            model_port("clip"),
            model_port("language"),
        ]
    }

    fn material(&self, inputs: &Inputs<'_>) -> Result<Value, StageError> {
        Ok(Value::map([
            (
                "scenes",
                examples(inputs, "scenes", &["class", "image", "scene"])?,
            ),
            (
                "questions",
                examples(inputs, "questions", &["image", "question", "answer"])?,
            ),
            ("clip", model_value(inputs, "clip")?),
            ("language", model_value(inputs, "language")?),
        ]))
    }

    fn learner(
        &self,
        material: &Value,
        _: &Value,
        blobs: &dyn Blobs,
        device: &Device,
    ) -> Result<Candidate, StageError> {
        let part = |name| part(material, name);
        let folder = Folder::new(
            LaidOut::new(part("clip")?, blobs)?,
            LaidOut::new(part("language")?, blobs)?,
        )?;
        let mut shown = shown(part("scenes")?, part("questions")?)?;
        if self.sets.is_empty() {
            shown.retain(|shown| !shown.asked.is_empty());
        }
        if shown.is_empty() {
            return Err(StageError::input(
                "there is no question about any of the pictures: `questions` has none of them, and `sets` is empty",
            ));
        }
        let images: Vec<Digest> = shown.iter().map(|shown| shown.image).collect();
        let pictures = Pictures::read(&images, blobs)?;
        let config: LlavaConfig = serde_json::from_value(folder.config.clone()).map_err(failed)?;
        let network = Llava::new(&config, device).map_err(StageError::Failed)?;
        let preprocessor: PreprocessorConfig =
            read_config(&folder.clip.path().join("preprocessor_config.json")).map_err(failed)?;
        let words = folder.words()?;
        let sets = self.sets.iter().map(|Document(set)| set);
        let exam = Exam::new(sets, self.brief as usize, self.balanced, &shown);
        let graph = device.clone().autodiff();
        Ok(Candidate {
            trainer: JudgeTrainer::new(network, self.frozen(), &graph),
            params: self.clone(),
            preprocessor: Preprocessor::new(preprocessor),
            image_token: config.image_token_index,
            exam,
            shown,
            pictures,
            words,
            folder,
            device: device.clone(),
        })
    }
}

const ALL: Parts = Parts {
    vision: true,
    projector: true,
    language: true,
};

impl Params {
    fn frozen(&self) -> Parts {
        let is_frozen = |part| self.frozen.contains(&part);
        Parts {
            vision: is_frozen(Part::Vision),
            projector: is_frozen(Part::Projector),
            language: is_frozen(Part::Language),
        }
    }
}

/// A picture, what it shows, and what the table asks about it.
pub(crate) struct Shown {
    image: Digest,
    /// What its caption speaks of.
    class: Class,
    scene: Scene,
    /// Questions and answers.
    asked: Vec<[String; 2]>,
}

/// The pictures of the tables.
fn shown(scenes: &Value, questions: &Value) -> Result<Vec<Shown>, StageError> {
    let mut asked: HashMap<Digest, Vec<[String; 2]>> = HashMap::new();
    for row in list(questions)? {
        let (image, question, answer): (Value, String, String) = row.read().map_err(failed)?;
        if let Some(image) = image.as_blob() {
            asked.entry(image).or_default().push([question, answer]);
        }
    }
    let shown = list(scenes)?.iter().map(|row| {
        let (class, image, scene): (String, Value, String) = row.read().map_err(failed)?;
        let image = image
            .as_blob()
            .ok_or_else(|| StageError::input("a scene has no image"))?;
        Ok(Shown {
            image,
            class: crate::world::class(&class).map_err(StageError::Input)?,
            scene: Scene::from_text(&scene).map_err(|error| {
                StageError::input(format!("a picture's `scene` cannot be read: {error}"))
            })?,
            asked: asked.get(&image).cloned().unwrap_or_default(),
        })
    });
    shown.collect()
}

/// What it is told about a picture, and what it is to write.
fn descriptions(scene: &Scene, chance: &mut Noise) -> [[String; 2]; 2] {
    let seed = below(chance, 1 << 40) as u64;
    let prompt = if chance.uniform() < 0.5 {
        captions::caption(scene, seed).text
    } else {
        captions::facts(scene).to_prompt(Style::Plain, seed)
    };
    let told = describe_images::Params::default().prompt;
    [
        [told, captions::inventory(scene)],
        [PROMPT.to_owned(), prompt],
    ]
}

/// What is trained.
pub(crate) struct Candidate {
    trainer: JudgeTrainer,
    params: Params,
    preprocessor: Preprocessor,
    image_token: u32,
    exam: Exam,
    shown: Vec<Shown>,
    pictures: Pictures,
    words: Words,
    folder: Folder,
    device: Device,
}

impl Candidate {
    /// A question about a picture, and its answer; none where nothing is known to ask.
    fn question(&self, shown: &Shown, chance: &mut Noise) -> Option<[String; 2]> {
        let of_sets = chance.uniform() < self.params.share;
        if (of_sets || shown.asked.is_empty()) && !self.exam.is_empty() {
            Some(self.exam.ask(shown, chance))
        } else if shown.asked.is_empty() {
            None
        } else {
            Some(shown.asked[below(chance, shown.asked.len())].clone())
        }
    }

    /// Claims, one after the other, and after each whether it is so. That alone counts: nobody can foretell what is claimed.
    fn lesson(&self, question: Vec<u32>, claims: &[Claim]) -> Result<Lesson, StageError> {
        let mut lesson = Lesson {
            counts: vec![false; question.len()],
            tokens: question,
        };
        let encode = |text: String| self.words.tokenizer.encode(&text, false).map_err(failed);
        let answer = |answer: Answer| encode(format!(" {}", answer.name()));
        let (yes, no) = (answer(Answer::Yes)?, answer(Answer::No)?);
        for claim in claims {
            let said = encode(format!(" {}:", claim.text))?;
            let answer = if claim.holds { &yes } else { &no };
            for (tokens, counts) in [(&said, false), (answer, true)] {
                lesson.counts.extend(tokens.iter().map(|_| counts));
                lesson.tokens.extend(tokens);
            }
        }
        Ok(lesson)
    }

    /// A picture with what is asked about it.
    fn asked(&self, index: usize, number: u64, seed: u64) -> Result<Asked, StageError> {
        let mut chance = source("questions", seed, number);
        let shown = &self.shown[index];
        let mut asked = Vec::new();
        if self.params.descriptions {
            asked.extend(descriptions(&shown.scene, &mut chance));
        }
        for _ in 0..self.params.questions {
            asked.extend(self.question(shown, &mut chance));
        }
        let (mut beginning, mut questions) = (Vec::new(), Vec::new());
        if self.params.claims > 0 {
            let seed = below(&mut chance, 1 << 40) as u64;
            let claims = captions::claims(&shown.scene, self.params.claims as usize, seed);
            let (before, tokens) = self.words.of_image(CLAIMS, self.image_token)?;
            questions.push(self.lesson(tokens, &claims)?);
            beginning = before;
        }
        for [question, answer] in asked {
            let (before, tokens) = self.words.of_image(&question, self.image_token)?;
            let answer = self.words.of_answer(&answer)?;
            questions.push(Lesson::answer(&tokens, &answer));
            beginning = before;
        }
        if beginning.is_empty() {
            (beginning, _) = self.words.of_image("", self.image_token)?;
        }
        let mut picture = self.pictures.get(index);
        if chance.uniform() < 0.5 {
            picture = flip_horizontal(&picture);
        }
        let deviation = self.params.noise * chance.uniform();
        if deviation > 0.0 {
            for level in picture.as_mut() {
                *level = (f64::from(*level) + deviation * chance.number()).round() as u8;
            }
        }
        let size = ImageSize::of(&picture);
        let pixels = self
            .preprocessor
            .pixels([&picture].into_iter(), &self.device);
        Ok(Asked {
            image: Prepared::new(size, pixels),
            beginning,
            questions,
        })
    }
}

impl Learner for Candidate {
    type Drawn = Vec<Asked>;

    const OUTER: &'static [&'static str] = &["embedding", "embed_tokens", "lm_head"];

    fn row(&self) -> &Row {
        self.trainer.row()
    }

    /// Those of the models that it is made of, and a projector's from nothing.
    fn initial(&self, seed: u64) -> Result<Vec<f32>, StageError> {
        let row = self.row();
        let mut numbers = initial(row, Initial::of, |index| {
            source("initial", seed, index as u64)
        });
        let vision = self.folder.vision(&self.device)?;
        put_network(&vision, &format!("{TOWER}vision_model."), row, &mut numbers)?;
        let language = self.folder.language(&self.device)?;
        put_network(&language, LANGUAGE, row, &mut numbers)?;
        Ok(numbers)
    }

    fn share_of_rate(&self, parameter: &Parameter) -> f64 {
        let frozen = self.params.frozen();
        let (is_frozen, share) = match Part::of(&parameter.name) {
            Part::Vision => (frozen.vision, self.params.vision_rate),
            Part::Projector => (frozen.projector, 1.0),
            Part::Language => (frozen.language, 1.0),
        };
        if is_frozen { 0.0 } else { share }
    }

    fn put(&self, numbers: &mut [f32], folder: &Path, device: &Device) -> Result<(), StageError> {
        self.folder.has_words_of(folder)?;
        let network = Llava::load(folder, device).map_err(failed)?;
        put_parts(&network, "", self.row(), numbers, |name| {
            !self.params.anew.contains(&Part::of(name))
        })
    }

    fn draw(&self, step: &Step) -> Result<Vec<Asked>, StageError> {
        let first = step.number * step.batch as u64;
        let of = step.examples(self.shown.len()).into_par_iter();
        let asked = of.enumerate().map(|(place, index)| {
            let number = first + place as u64;
            self.asked(index, number, step.seed)
        });
        asked.collect()
    }

    fn gradient(
        &self,
        numbers: &[f32],
        drawn: &Vec<Asked>,
        parts: &StepParts<'_>,
    ) -> Result<Gradient, StageError> {
        parts.mean(|examples| Ok(self.trainer.gradient(numbers, &drawn[examples])))
    }

    fn files(&self, numbers: &[f32]) -> Result<Vec<(String, File)>, StageError> {
        let weights = self.row().file(numbers, ccsr_llava::hub_name);
        let mut files = self.folder.files()?;
        files.push(("model.safetensors".to_owned(), File::from(weights)));
        Ok(files)
    }
}

#[cfg(test)]
mod tests;
