//! The parameters of `prompt.generate`, and what each of them must be.

use ccsr_stage::params::{Document, FolderPath};
use ccsr_stage::{Misfit, Misfits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measure::Length;
use super::wording::PromptTemplate;
use crate::prompt_rules::mentions;
use crate::range::within;
use crate::roles::{Style, TokenSampling};

/// The most prompts a class.
const MOST: u32 = 1_000_000;

/// Parameters of `prompt.generate`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// What the prompts are about.
    pub classes: Vec<String>,
    /// Prompts a class, at most 1,000,000. A larger count keeps the prompts of a smaller one.
    pub count: u32,
    /// How prompts end: `camera` (camera, lens and light, as the paper's training prompts) or
    /// `plain` (as its validation prompts).
    pub style: Style,
    /// Prompts of your own, `{class: …, prompt: …}`, put after the written ones.
    pub extra: Vec<Extra>,
    /// The most tokens of a prompt: what the text encoder reads. Without `tokenizer`, the count is an
    /// estimate (a token a punctuation mark, one for every eight letters of a word begun, and two for
    /// the ends) that errs on the long side for plain English.
    pub max_tokens: u32,
    /// The folder of the CLIP tokenizer that counts the tokens of `max_tokens`: `tokenizer` of a Stable
    /// Diffusion.
    pub tokenizer: Option<FolderPath>,
    /// What to do when the writer has too few new prompts: `error`, or `accept` what there is.
    pub on_shortfall: OnShortfall,
    // What follows is for language models. A grammar does not look at it, so one pipeline serves both.
    /// What a language model is told: a file such as `templates/camera.yaml`, or written in place. The
    /// program brings along one for each `style`.
    pub template: Option<Document<PromptTemplate>>,
    /// How many prompts a language model is asked for at once, from 1 to 1,000.
    pub chunk: u32,
    /// How often a language model is asked again for a chunk that came out short, from 0 to 100.
    pub retries: u32,
    /// How freely a language model chooses its words, from 0 (the likeliest, always: then every chunk
    /// is the same) to 5.
    pub temperature: f64,
    /// The likeliest tokens among which a language model chooses; 0: all.
    pub top_k: u32,
    /// The probability that the tokens among which it chooses reach together, from 0 to 1.
    pub top_p: f64,
    /// How much less likely a language model finds a token that was there before, from 0.1 to 10; 1: not at all.
    pub repetition_penalty: f64,
    /// The most tokens of what a language model writes for a chunk, from 1 to 65,536.
    pub max_new_tokens: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            classes: classes(),
            count: 100,
            style: Style::Camera,
            extra: Vec::new(),
            max_tokens: 77,
            tokenizer: None,
            on_shortfall: OnShortfall::Error,
            template: None,
            chunk: 10,
            retries: 3,
            temperature: 0.7,
            top_k: 40,
            top_p: 0.95,
            repetition_penalty: 1.1,
            max_new_tokens: 1024,
        }
    }
}

impl Params {
    pub(super) fn sampling(&self) -> TokenSampling {
        TokenSampling {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            repetition_penalty: self.repetition_penalty,
            max_new_tokens: self.max_new_tokens,
        }
    }

    /// The values that lie outside of their ranges.
    pub(super) fn out_of_range(&self) -> Misfits {
        let mut misfits = within("count", self.count, &(0..=MOST), "");
        misfits.add(within("chunk", self.chunk, &(1..=1000), ""));
        misfits.add(within("retries", self.retries, &(0..=100), ""));
        misfits.add(within("temperature", self.temperature, &(0.0..=5.0), ""));
        misfits.add(within("top_k", self.top_k, &(0..=MOST), ""));
        misfits.add(within("top_p", self.top_p, &(0.0..=1.0), ""));
        let penalty = self.repetition_penalty;
        misfits.add(within("repetition_penalty", penalty, &(0.1..=10.0), ""));
        let tokens = self.max_new_tokens;
        misfits.add(within("max_new_tokens", tokens, &(1..=65_536), ""));
        misfits
    }

    /// The prompts of its own that do not fit.
    pub(super) fn unfit_extras(&self, length: &Length) -> Misfits {
        let mut misfits = Misfits::new();
        for (index, Extra { class, prompt }) in self.extra.iter().enumerate() {
            let mut refuse = |message| {
                misfits.add(Misfit::new(
                    ["extra", &index.to_string(), "prompt"],
                    message,
                ));
            };
            if !mentions(prompt, class) {
                refuse(format!(
                    "the extra prompt \"{prompt}\" does not mention its class, {class}"
                ));
            }
            match length.of(prompt) {
                Ok(tokens) if tokens > self.max_tokens => refuse(format!(
                    "the extra prompt \"{prompt}\" has {} tokens, more than `max_tokens: {}`",
                    length.shown(tokens),
                    self.max_tokens
                )),
                Ok(_) => {}
                Err(error) => refuse(error.to_string()),
            }
        }
        misfits
    }
}

/// The paper's classes.
pub(crate) fn classes() -> Vec<String> {
    ["elephant", "giraffe"].map(str::to_owned).into()
}

/// A prompt written by hand.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Extra {
    /// What it is about.
    pub class: String,
    /// The prompt.
    pub prompt: String,
}

/// What to do when the writer has too few new prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnShortfall {
    /// Fail, and say how many there are.
    Error,
    /// Go on with fewer.
    Accept,
}
