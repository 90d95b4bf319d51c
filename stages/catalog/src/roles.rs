//! The interfaces behind the roles that stage kinds ask a suite for.
//!
//! A stage kind asks a role what it reads ([`Drawer::input`], [`Judge::input`]), makes that its
//! units' input, and hands those inputs back to be computed. So a unit is keyed by what the
//! implementation reads and by nothing else.

use std::sync::Arc;

use ccsr_stage::params::FolderPath;
use ccsr_stage::{
    Batch, ColumnType, Digest, Environment, Inputs, Misfit, Misfits, Resource, Roles, Row, Source,
    StageError, Unit, Value,
};
use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::questions::{Answer, Question};

/// A role as a stage kind holds it: the implementation, and what of it enters keys.
pub(crate) struct Role<T: ?Sized> {
    /// The implementation.
    pub(crate) object: Arc<T>,
    identity: Value,
}

impl<T: ?Sized + 'static> Role<T> {
    /// The implementation that the suite bound to `role`.
    pub(crate) fn get(roles: &Roles, role: &str) -> Result<Self, String> {
        Ok(Self {
            object: roles.get(role)?,
            identity: roles.identity().get(role).cloned().unwrap_or_default(),
        })
    }

    /// The input of a unit that the role computes: what it reads, and itself under `name`.
    pub(crate) fn keyed(&self, name: &str, reads: Vec<(&str, Value)>) -> Value {
        let itself = (name, self.identity.clone());
        Value::map(reads.into_iter().chain([itself]))
    }
}

impl<T: Network + ?Sized + 'static> Role<T> {
    /// A unit that the role computes, with the resource that it needs for it.
    pub(crate) fn unit(&self, name: &str, reads: Vec<(&str, Value)>) -> Unit {
        let unit = Unit::new(self.keyed(name, reads));
        match self.object.resource() {
            Some(resource) => unit.with_resource(resource),
            None => unit,
        }
    }
}

/// How prompts end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// With camera, lens and light, as the paper's training prompts do.
    #[default]
    Camera,
    /// With the last thing to be seen, as the paper's validation prompts do.
    Plain,
}

/// Writes prompts: at once by a grammar, or with a language model, completion by completion.
pub trait Writer: Network {
    /// That it can write about `class`.
    ///
    /// # Errors
    /// A sentence.
    fn check(&self, class: &str) -> Result<(), String> {
        let _ = class;
        Ok(())
    }

    /// The writer as one that needs no model. One that is a grammar is asked for nothing else.
    fn grammar(&self) -> Option<&dyn Grammar> {
        None
    }

    /// What of the request the completion depends on: for a language model, all of it
    /// ([`WriteRequest::reads`]).
    fn input(&self, request: &WriteRequest<'_>) -> Result<Reads, StageError> {
        Ok(request.reads())
    }

    /// How many completions make a good batch.
    fn batch(&self) -> usize {
        16
    }

    /// Completes what was asked for by [`input`](Self::input), one completion a unit of the batch.
    fn write(&self, batch: &Batch<'_>) -> Vec<Result<Completion, StageError>> {
        let refused = || Err(StageError::failed("the suite's writer completes no texts"));
        batch.units.iter().map(|_| refused()).collect()
    }
}

/// Writes prompts without a model, at once.
pub trait Grammar: Send + Sync {
    /// The prompt number `ordinal` about a class that was checked. Equal arguments, equal prompts.
    fn write(&self, class: &str, style: Style, ordinal: u64, seed: u64) -> String;
}

/// What a language model is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wording {
    /// One turn of a conversation, to be put into the model's chat template.
    Chat {
        /// What holds for the whole conversation; a model without a place for it gets it before
        /// the instruction.
        system: Option<String>,
        /// What is to be done.
        instruction: String,
    },
    /// A text to go on from as it is, without a chat template; the special tokens that it spells out
    /// are those tokens.
    Raw(String),
}

/// How a language model chooses the next token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenSampling {
    /// What logits are divided by; at 0, the likeliest token is taken.
    pub temperature: f64,
    /// The likeliest tokens among which is drawn; 0: all.
    pub top_k: u32,
    /// The probability that these must reach together, `0.0..=1.0`.
    pub top_p: f64,
    /// How much less likely a token is that was there before, the request included; 1: not at all.
    pub repetition_penalty: f64,
    /// The most tokens of a completion.
    pub max_new_tokens: u32,
}

/// What a language model wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// The raw text, without the request and without special tokens.
    pub text: String,
    /// Whether it ended for want of room, before the model was done: its last line may be half a one.
    pub is_cut: bool,
}

/// A completion to write.
pub struct WriteRequest<'a> {
    /// What the writer is told.
    pub wording: &'a Wording,
    /// How tokens are chosen.
    pub sampling: &'a TokenSampling,
    /// What they are drawn with.
    pub seed: u64,
    /// What [`Network::model`] answered.
    pub model: &'a Value,
}

impl WriteRequest<'_> {
    /// All of it: `wording` (a [`Wording`]), `sampling` (a [`TokenSampling`]), `model` and, if
    /// anything is drawn, `seed`.
    pub fn reads(&self) -> Reads {
        let mut reads = vec![
            ("wording", crate::identity_of(self.wording)),
            ("sampling", crate::identity_of(self.sampling)),
            ("model", self.model.clone()),
        ];
        if self.sampling.temperature > 0.0 {
            reads.push(("seed", Value::Int(self.seed as i64)));
        }
        reads
    }
}

/// A candidate to draw.
pub struct DrawRequest<'a> {
    /// What to draw.
    pub prompt: &'a str,
    /// What the noise that the image starts from is drawn with.
    pub noise: Digest,
    /// Width and height in pixels.
    pub size: u32,
    /// How to get from noise to an image.
    pub sampling: &'a Sampling,
    /// What [`Network::model`] answered.
    pub model: &'a Value,
}

/// How a diffusion model gets from noise to an image. Drawers that are none pass it over.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// The sampler; the one that the checkpoint was published with if not said.
    pub sampler: Option<SamplerName>,
    /// Steps.
    pub steps: u32,
    /// How much more the prompt counts than its absence; up to 1, it alone is looked at.
    pub guidance: f64,
    /// What not to draw.
    pub negative_prompt: String,
}

/// The names of samplers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SamplerName {
    /// Pseudo numerical methods (PLMS), what Stable Diffusion was published with.
    Pndm,
    /// Denoising diffusion implicit models, without noise on the way.
    Ddim,
    /// DPM-Solver++ of order 2, multistep.
    DpmSolver,
    /// The same with the noise levels of Karras et al.
    DpmSolverKarras,
    /// Euler's method.
    Euler,
    /// Euler's method with noise on the way.
    EulerAncestral,
    /// UniPC.
    UniPc,
    /// Latent consistency models.
    Lcm,
}

/// A drawn candidate.
pub struct Drawing {
    /// Its pixels.
    pub image: RgbImage,
    /// What is on it, if the drawer knows ([`Drawer::knows_scene`]).
    pub scene: Option<String>,
    /// What people should know about it.
    pub note: Option<String>,
}

/// What a role reads of a piece of work: the entries of the unit's input.
pub type Reads = Vec<(&'static str, Value)>;

/// The network behind a role; one that has none leaves everything as it is.
pub trait Network: Send + Sync {
    /// The files that it reads: its model.
    fn sources(&self) -> Vec<Source> {
        Vec::new()
    }

    /// What its files are, for keys: asked once for all units.
    fn model(&self, inputs: &Inputs<'_>) -> Result<Value, StageError> {
        let _ = inputs;
        Ok(Value::Null)
    }

    /// What people call the resource that units need.
    fn resource(&self) -> Option<&'static str> {
        None
    }

    /// What tells the resource from others.
    fn resource_identity(&self) -> Value {
        Value::Null
    }

    /// Brings the resource into memory.
    fn load(&self, environment: &Environment) -> Result<Arc<dyn Resource>, StageError> {
        let _ = environment;
        Err(StageError::failed("nothing is there to be loaded"))
    }
}

/// Draws candidates.
pub trait Drawer: Network {
    /// That it can draw so.
    fn check(&self, size: u32, sampling: &Sampling) -> Result<(), Misfits> {
        let _ = (size, sampling);
        Ok(())
    }

    /// The same drawer with a LoRA adapter added, `scale` times.
    ///
    /// # Errors
    /// If it takes none, or not this one.
    fn with_adapter(&self, adapter: &FolderPath, scale: f64) -> Result<Arc<dyn Drawer>, Misfits> {
        let _ = (adapter, scale);
        let message = "the suite's drawer takes no adapter; `stable-diffusion` does";
        Err(Misfit::new(["adapter"], message).into())
    }

    /// What of the request the drawing depends on.
    fn input(&self, request: &DrawRequest<'_>) -> Result<Reads, StageError>;

    /// How it draws, as web UIs write it into the metadata of images: `Steps`, `Sampler`, ….
    fn settings(&self, sampling: &Sampling) -> Vec<(&'static str, String)> {
        let _ = sampling;
        Vec::new()
    }

    /// How many drawings make a good batch.
    fn batch(&self) -> usize {
        128
    }

    /// Whether its drawings come with their truth.
    fn knows_scene(&self) -> bool {
        false
    }

    /// Draws what was asked for by [`input`](Self::input): one drawing a unit of the batch.
    fn draw(&self, batch: &Batch<'_>) -> Vec<Result<Drawing, StageError>>;
}

/// What a judge said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The answer.
    pub answer: Answer,
    /// How sure it was, `0.0..=1.0`, if it knows.
    pub margin: Option<f64>,
}

/// The logarithms of the probabilities of yes and no as the first token of an answer: what the outcome
/// of a judge that reads words holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct YesNo {
    /// Of yes, at most 0.
    pub yes: f64,
    /// Of no, at most 0.
    pub no: f64,
}

impl YesNo {
    /// As an outcome.
    ///
    /// # Errors
    /// If they are no logarithms of probabilities.
    pub fn outcome(self) -> Result<Value, StageError> {
        let (yes, no) = (self.yes, self.no);
        // What rounding adds to a probability of 1 is no harm.
        if [yes, no]
            .into_iter()
            .all(|log| log <= 1e-3 && log.is_finite())
        {
            Ok(crate::identity_of(&self))
        } else {
            Err(StageError::failed(format!(
                "the model's log-probabilities of yes and no are {yes} and {no}: its weights, or what \
                 it computes, are no numbers"
            )))
        }
    }

    /// The likelier of the two, of equals no; the margin is the distance of their shares.
    pub fn verdict(self) -> Verdict {
        // The share of yes is 1 / (1 + e^-d), and the distance of the shares is tanh(d / 2).
        let margin = ((self.yes - self.no) / 2.0).tanh();
        Verdict {
            answer: if margin > 0.0 {
                Answer::Yes
            } else {
                Answer::No
            },
            margin: Some(margin.abs()),
        }
    }

    /// The probability of yes, `0.0..=1.0`.
    pub fn probability(self) -> f64 {
        self.yes.exp().min(1.0)
    }
}

/// What a unit reads that has a judge [`tell`](Judge::tell) something: `text` is all that is said to it,
/// `max_tokens` the most that it may say.
pub(crate) fn told(image: Digest, text: String, max_tokens: u32, model: &Value) -> Reads {
    vec![
        ("image", Value::Blob(image)),
        ("text", Value::from(text)),
        ("max_tokens", Value::Int(i64::from(max_tokens))),
        ("model", model.clone()),
    ]
}

/// Answers questions about images.
pub trait Judge: Network {
    /// That it can answer `question`.
    ///
    /// # Errors
    /// A sentence.
    fn check(&self, question: &Question) -> Result<(), String>;

    /// That it reads words, so that anything may be asked: then its answers are [`YesNo`], and it can
    /// [`tell`](Self::tell).
    ///
    /// # Errors
    /// A sentence that says which judge does.
    fn reads_words(&self) -> Result<(), String> {
        Err("the suite's judge reads no words and writes none; `llava` does".to_owned())
    }

    /// Columns of the images' table that it reads beside `image`.
    fn columns(&self) -> Vec<(&'static str, ColumnType)> {
        Vec::new()
    }

    /// What its answer to a question about a row's image depends on, beside the image, the
    /// question's words and the model.
    fn input(&self, row: Row<'_>, question: &Question) -> Result<Reads, StageError> {
        let _ = (row, question);
        Ok(Reads::new())
    }

    /// How many units make a good batch.
    fn batch(&self) -> usize {
        2048
    }

    /// Answers the units of the batch, whose inputs hold what [`input`](Self::input) said and
    /// `image` and `question`. The values are stored and read by [`verdict`](Self::verdict); those
    /// of a judge that reads words are made by [`YesNo::outcome`].
    fn answer(&self, batch: &Batch<'_>) -> Vec<Result<Value, StageError>>;

    /// Reads an answer. What it cannot read is [`Answer::Unparsed`].
    fn verdict(&self, outcome: &Value) -> Verdict {
        let unparsed = Verdict {
            answer: Answer::Unparsed,
            margin: None,
        };
        outcome.read().map_or(unparsed, YesNo::verdict)
    }

    /// Says something about the images of the batch's units, whose inputs hold `image`, `text` (all
    /// that is said to the judge) and `max_tokens` (of what it may say): the raw completions, decoded
    /// greedily. Only judges that [read words](Self::reads_words) are asked.
    fn tell(&self, batch: &Batch<'_>) -> Vec<Result<String, StageError>> {
        let refused = || Err(StageError::failed("the suite's judge writes no words"));
        batch.units.iter().map(|_| refused()).collect()
    }
}

/// Something found in an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// What, in the vocabulary's words.
    pub label: String,
    /// How sure, `0.0..=1.0`.
    pub confidence: f64,
    /// Left edge, in pixels.
    pub x0: f64,
    /// Top edge, in pixels.
    pub y0: f64,
    /// Right edge, in pixels.
    pub x1: f64,
    /// Bottom edge, in pixels.
    pub y1: f64,
}

/// Finds things in images.
pub trait Detector: Send + Sync {
    /// Columns of the images' table that it reads beside `image`.
    fn columns(&self) -> Vec<(&'static str, ColumnType)> {
        Vec::new()
    }

    /// What its findings in a row's image depend on, beside the image, the vocabulary and the
    /// floor.
    fn input(&self, row: Row<'_>) -> Result<Reads, StageError>;

    /// Looks at the images of the batch's units, whose inputs hold what [`input`](Self::input)
    /// said and `image`, `vocabulary` and `floor`.
    fn detect(&self, batch: &Batch<'_>) -> Vec<Result<Vec<Found>, StageError>>;
}

/// How well an image fits a text.
pub struct Scored {
    /// The cosine of the angle between them, `-1.0..=1.0`.
    pub cosine: f64,
    /// What people should know about it.
    pub note: Option<String>,
}

/// Says how well images fit texts.
pub trait Scorer: Network {
    /// How many images make a good batch.
    fn batch(&self) -> usize;

    /// Scores the units of the batch, whose inputs hold `image` and `text`.
    fn score(&self, batch: &Batch<'_>) -> Vec<Result<Scored, StageError>>;
}
