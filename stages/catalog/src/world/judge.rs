//! `world.judge`: the truth about a scene, with errors.
//!
//! It looks at what a question is about, not at its words, and errs by the image's digest: a
//! question asked again in other words gets the same answer.

use std::sync::Arc;

use ccsr_stage::{Batch, ColumnType, Misfits, RoleKind, Row, StageError, Unit, Value};
use ccsr_world::{About, Wish, Witness};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::questions::{Answer, Question};
use crate::roles::{Judge, Network, Reads, Verdict};
use crate::row_id::described;

/// Parameters of `world.judge`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// How often an answer is wrong, `0.0..=1.0`.
    pub error_rate: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self { error_rate: 0.08 }
    }
}

/// Answers the ten questions of the paper about the world's images.
pub struct WorldJudge {
    error_rate: f64,
}

impl WorldJudge {
    /// Answers questions about one scene.
    fn answers(&self, units: &[Arc<Unit>]) -> Vec<Result<Value, StageError>> {
        let Some(first) = units.first() else {
            return Vec::new();
        };
        let scene = super::scene(&first.input).map_err(|error| error.to_string());
        let witness = scene.as_ref().map(Witness::of);
        let answered = |unit: &Arc<Unit>| match &witness {
            Ok(witness) => self.answered(witness, &unit.input),
            Err(problem) => Err(StageError::failed(problem.as_str())),
        };
        units.iter().map(answered).collect()
    }

    fn answered(&self, witness: &Witness<'_>, input: &Value) -> Result<Value, StageError> {
        let failed = |problem: String| StageError::failed(problem);
        let about: About = super::text(input, "about")?
            .parse()
            .map_err(|e| failed(format!("{e}")))?;
        let class = super::class(super::text(input, "class")?).map_err(failed)?;
        let wish = Wish::parse(super::text(input, "prompt")?);
        let image = input.get("image").and_then(Value::as_blob);
        let image = image.ok_or_else(|| failed("a unit came without its image".to_owned()))?;
        let (answer, margin) =
            witness.judge(&wish, class, about, image.as_bytes(), self.error_rate);
        Ok(Value::map([
            ("answer", Value::from(answer.name())),
            ("margin", Value::Float(super::rounded(margin))),
        ]))
    }
}

impl Network for WorldJudge {}

impl Judge for WorldJudge {
    fn check(&self, question: &Question) -> Result<(), String> {
        let id = &question.id;
        match question.about.as_deref() {
            Some(about) => about
                .parse::<About>()
                .map(|_| ())
                .map_err(|error| format!("question `{id}`: {error}")),
            None => {
                let known: Vec<&str> = About::ALL.iter().map(|about| about.name()).collect();
                Err(format!(
                    "question `{id}` does not say what it is about, and this suite's judge does \
                     not read its words; add `about:` with one of {}",
                    known.join(", ")
                ))
            }
        }
    }

    fn columns(&self) -> Vec<(&'static str, ColumnType)> {
        vec![
            ("class", ColumnType::Text),
            ("prompt", ColumnType::Text),
            ("scene", ColumnType::Text),
        ]
    }

    fn input(&self, row: Row<'_>, question: &Question) -> Result<Reads, StageError> {
        let class = row.text("class")?;
        super::class(class)
            .map_err(|problem| StageError::input(format!("{}: {problem}", described(row))))?;
        Ok(vec![
            ("about", Value::from(question.about.as_deref())),
            ("class", row.text_value("class")?),
            ("prompt", row.text_value("prompt")?),
            ("scene", row.text_value("scene")?),
        ])
    }

    fn answer(&self, batch: &Batch<'_>) -> Vec<Result<Value, StageError>> {
        // All questions about an image stand together.
        let same = |a: &Arc<Unit>, b: &Arc<Unit>| a.input.get("scene") == b.input.get("scene");
        let images: Vec<_> = batch.units.chunk_by(same).collect();
        let answers = images.into_par_iter().map(|units| self.answers(units));
        answers.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    fn verdict(&self, outcome: &Value) -> Verdict {
        let answer = outcome.get("answer").and_then(Value::as_text);
        Verdict {
            answer: answer
                .and_then(Answer::from_name)
                .unwrap_or(Answer::Unparsed),
            margin: outcome.get("margin").and_then(Value::as_float),
        }
    }
}

impl RoleKind for WorldJudge {
    const ROLE: &'static str = "judge";
    const NAME: &'static str = "world.judge";
    const REVISION: u32 = 1;
    type Params = Params;
    type Object = Arc<dyn Judge>;

    fn new(params: Params, _: &Value) -> Result<Self::Object, Misfits> {
        super::share("error_rate", params.error_rate).check()?;
        Ok(Arc::new(Self {
            error_rate: params.error_rate,
        }))
    }
}
