//! Writers: grammars, and language models.

use ccsr_stage::{Batch, StageError, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Network, Reads};

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
