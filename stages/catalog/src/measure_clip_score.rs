//! `eval.clip-score`: how well each image fits its text, by CLIP.
//!
//! What the model answers is a cosine, and the definition of the score is arithmetic on it: another
//! definition with the same words looks at no image again.

use std::collections::BTreeMap;
use std::sync::Arc;

use ccsr_stage::{
    Batch, Bound, ColumnType, Environment, InputPort, Inputs, Misfit, Misfits, Outcome, OutputPort,
    Partition, PartitionOutcomes, Resolved, Resource, Roles, RowCounts, Schemas, Source, Stage,
    StageError, StageKind, Table, Unit, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::added_column::{AddedColumn, SLOTS};
use crate::roles::{Role, Scored, Scorer};
use crate::template;

/// The column of scores, as `eval.winrate` looks for it.
const SCORE: AddedColumn = AddedColumn {
    name: "score",
    kind: ColumnType::Float,
    port: "scores",
};

/// Parameters of `eval.clip-score`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// The definition: `cosine`, `torchmetrics` or `clip-s`.
    pub measure: Measure,
    /// What the image is compared with; `{prompt}` and `{class}` stand for the row's. By default
    /// `{prompt}`, and for `clip-s` `A photo depicts {prompt}`, as in its paper.
    pub text: Option<String>,
}

/// Definitions of the score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// The cosine of the angle between image and text, `-1.0..=1.0`, as the paper's code has it.
    #[default]
    Cosine,
    /// A hundred times the cosine, 0 where it is negative: `CLIPScore` of torchmetrics.
    Torchmetrics,
    /// Two and a half times the cosine, 0 where it is negative: CLIP-S of Hessel et al., 2021,
    /// <https://arxiv.org/abs/2104.08718>.
    ClipS,
}

impl Measure {
    fn of(self, cosine: f64) -> f64 {
        match self {
            Self::Cosine => cosine,
            Self::Torchmetrics => 100.0 * cosine.max(0.0),
            Self::ClipS => 2.5 * cosine.max(0.0),
        }
    }
}

impl Params {
    fn text(&self) -> &str {
        match (&self.text, self.measure) {
            (Some(text), _) => text,
            (None, Measure::ClipS) => "A photo depicts {prompt}",
            (None, Measure::Cosine | Measure::Torchmetrics) => "{prompt}",
        }
    }
}

/// The stage.
pub struct MeasureClipScore {
    params: Params,
    scorer: Role<dyn Scorer>,
}

impl Stage for MeasureClipScore {
    fn identity(&self) -> Value {
        crate::identity_of(&self.params)
    }

    fn inputs(&self) -> Vec<InputPort> {
        AddedColumn::input(self.params.text())
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        SCORE.output(inputs)
    }

    fn sources(&self) -> Vec<Source> {
        self.scorer.object.sources()
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        SCORE.bound(rows)
    }

    fn units(
        &self,
        inputs: &Inputs<'_>,
        _: &Partition,
        so_far: &[Resolved],
    ) -> Result<Vec<Unit>, StageError> {
        let (scorer, words) = (("scorer", &self.scorer), self.params.text());
        AddedColumn::units(inputs, so_far, scorer, words, |image, text, model| {
            vec![
                ("image", Value::Blob(image)),
                ("text", Value::from(text)),
                ("model", model.clone()),
            ]
        })
    }

    fn batch(&self) -> usize {
        self.scorer.object.batch()
    }

    fn resource_identity(&self, _: &str) -> Value {
        self.scorer.object.resource_identity()
    }

    fn load(&self, _: &str, environment: &Environment) -> Result<Arc<dyn Resource>, StageError> {
        self.scorer.object.load(environment)
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let outcome = |scored: Scored| {
            let cosine = scored.cosine;
            if cosine.is_finite() {
                Ok(Outcome::of(Value::Float(cosine)).with_note(scored.note))
            } else {
                Err(StageError::failed(format!(
                    "the model's cosine is {cosine}: its weights, or what it computes, are no numbers"
                )))
            }
        };
        let scored = self.scorer.object.score(batch).into_iter();
        scored.map(|scored| scored.and_then(outcome)).collect()
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        SCORE.tables(inputs, outcomes, |outcome| {
            let cosine: f64 = outcome.read()?;
            Ok(Value::Float(self.params.measure.of(cosine)))
        })
    }

    fn describe(&self, unit: &Unit) -> Option<String> {
        unit.hint.as_text().map(str::to_owned)
    }
}

impl StageKind for MeasureClipScore {
    const NAME: &'static str = "eval.clip-score";
    const SUMMARY: &'static str = "Says how well each image fits its prompt, by CLIP.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    const ROLES: &'static [&'static str] = &["scorer"];
    type Params = Params;

    fn new(params: Params, roles: &Roles) -> Result<Self, Misfits> {
        template::check(params.text(), &SLOTS).map_err(|message| Misfit::new(["text"], message))?;
        Ok(Self {
            params,
            scorer: Role::get(roles, "scorer")?,
        })
    }
}

#[cfg(test)]
mod tests;
