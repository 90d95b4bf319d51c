//! `prompt.generate`: prompts about classes, from the suite's writer.
//!
//! A prompt is taken if it mentions its class, is short enough for the text encoder and is not one
//! of the others; the writer is asked for more until there are as many as were wanted.

use std::collections::{BTreeMap, HashSet};

use ccsr_stage::{
    Bound, ColumnType, InputPort, Inputs, Misfit, Misfits, OutputPort, PartitionOutcomes, Roles,
    RowCounts, Schema, Schemas, Stage, StageError, StageKind, Table, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::prompt_rules::{mentions, normalised, tokens};
use crate::range::within;
use crate::roles::{Role, Style, Writer};

/// The most prompts a class.
const MOST: u32 = 1_000_000;
/// Prompts in a row that are of no use before the writer is taken to have no more to say.
const PATIENCE: usize = 1000;

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
    /// The most tokens of a prompt: what the text encoder reads. The count is an estimate (a token
    /// a punctuation mark, one for every eight letters of a word begun, and two for the ends) that
    /// errs on the long side for plain English.
    pub max_tokens: u32,
    /// What to do when the writer has too few new prompts: `error`, or `accept` what there is.
    pub on_shortfall: OnShortfall,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            classes: classes(),
            count: 100,
            style: Style::Camera,
            extra: Vec::new(),
            max_tokens: 77,
            on_shortfall: OnShortfall::Error,
        }
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

/// The stage.
pub struct GeneratePrompts {
    params: Params,
    writer: Role<dyn Writer>,
}

impl GeneratePrompts {
    /// Writes about one class; `seen` holds what must not be repeated.
    fn about(
        &self,
        class: &str,
        seed: u64,
        seen: &mut HashSet<String>,
    ) -> Result<Vec<String>, StageError> {
        let wanted = self.params.count as usize;
        let mut prompts = Vec::new();
        let mut misses = 0;
        for ordinal in 0.. {
            // The more was said, the rarer is what is new; after this long, it is taken that there
            // is nothing. That `count` plays no part keeps a smaller one's prompts in a larger's.
            if prompts.len() == wanted || misses > PATIENCE + 4 * seen.len() {
                break;
            }
            let prompt = self
                .writer
                .object
                .write(class, self.params.style, ordinal, seed);
            let fits = tokens(&prompt) <= self.params.max_tokens && mentions(&prompt, class);
            if fits && seen.insert(normalised(&prompt)) {
                prompts.push(prompt);
                misses = 0;
            } else {
                misses += 1;
            }
        }
        match self.params.on_shortfall {
            OnShortfall::Error if prompts.len() < wanted => Err(StageError::failed(format!(
                "the writer has {} prompts about {class} that are new and have at most {} tokens, \
                 fewer than `count: {wanted}`; ask for fewer, or set `on_shortfall: accept`",
                prompts.len(),
                self.params.max_tokens
            ))),
            _ => Ok(prompts),
        }
    }
}

impl Stage for GeneratePrompts {
    fn identity(&self) -> Value {
        crate::identity_of(&self.params)
    }

    fn seeded(&self) -> bool {
        true
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::new("exclude", [("prompt", ColumnType::Text)]).optional()]
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let schema = Schema::new([("class", ColumnType::Text), ("prompt", ColumnType::Text)]);
        Ok(vec![OutputPort::new("prompts", schema)])
    }

    fn bound(&self, _: &RowCounts) -> Bound {
        let written = u64::from(self.params.count) * self.params.classes.len() as u64;
        Bound::new(0, "prompts", written + self.params.extra.len() as u64)
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        _: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let mut seen = HashSet::new();
        if let Some(exclude) = inputs.tables.get("exclude") {
            for row in exclude.rows() {
                seen.insert(normalised(row.text("prompt")?));
            }
        }
        let ports = self.outputs(&Schemas::new())?;
        let mut table = Table::builder(ports[0].schema.clone());
        for class in &self.params.classes {
            for prompt in self.about(class, inputs.seed, &mut seen)? {
                table.push([Value::from(class.as_str()), Value::from(prompt)])?;
            }
        }
        for extra in &self.params.extra {
            if !seen.insert(normalised(&extra.prompt)) {
                return Err(StageError::input(format!(
                    "the extra prompt \"{}\" is there already: among the written ones, the \
                     excluded ones or the other extra ones",
                    extra.prompt
                )));
            }
            table.push([
                Value::from(extra.class.as_str()),
                Value::from(extra.prompt.as_str()),
            ])?;
        }
        Ok(BTreeMap::from([("prompts", table.finish())]))
    }
}

impl StageKind for GeneratePrompts {
    const NAME: &'static str = "prompt.generate";
    const SUMMARY: &'static str = "Writes prompts about classes.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    const ROLES: &'static [&'static str] = &["writer"];
    type Params = Params;

    fn new(params: Params, roles: &Roles) -> Result<Self, Misfits> {
        let writer = Role::<dyn Writer>::get(roles, "writer")?;
        let mut misfits = within("count", params.count, &(0..=MOST), "");
        for (index, class) in params.classes.iter().enumerate() {
            let mut refuse = |message| {
                misfits.add(Misfit::new(["classes", &index.to_string()], message));
            };
            if params.classes[..index].contains(class) {
                refuse(format!("`classes` names {class} twice"));
            } else if let Err(message) = writer.object.check(class) {
                refuse(message);
            }
        }
        for (index, Extra { class, prompt }) in params.extra.iter().enumerate() {
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
            let length = tokens(prompt);
            if length > params.max_tokens {
                refuse(format!(
                    "the extra prompt \"{prompt}\" has about {length} tokens, more than `max_tokens: {}`",
                    params.max_tokens
                ));
            }
        }
        misfits.check()?;
        Ok(Self { params, writer })
    }
}

#[cfg(test)]
mod tests;
