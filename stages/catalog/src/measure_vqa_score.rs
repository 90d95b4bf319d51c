//! `eval.vqa-score`: how well each image fits its prompt, by what the suite's judge says when it is
//! asked: the probability that its answer begins with yes.
//!
//! VQAScore of Lin et al., 2024, <https://arxiv.org/abs/2404.01291>. The probability is that among all
//! tokens, as there, not the share that yes has beside no.

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
use crate::roles::{Judge, Role, YesNo};
use crate::template;

/// The column of scores.
const SCORE: AddedColumn = AddedColumn {
    name: "vqa_score",
    kind: ColumnType::Float,
    port: "scores",
};

/// Parameters of `eval.vqa-score`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// What is asked about the image; `{prompt}` and `{class}` stand for the row's.
    pub question: String,
}

impl Default for Params {
    fn default() -> Self {
        let question = "Does this figure show \"{prompt}\"? Please answer yes or no.";
        Self {
            question: question.to_owned(),
        }
    }
}

/// The stage.
pub struct MeasureVqaScore {
    params: Params,
    judge: Role<dyn Judge>,
}

impl Stage for MeasureVqaScore {
    fn identity(&self) -> Value {
        crate::identity_of(&self.params)
    }

    fn inputs(&self) -> Vec<InputPort> {
        AddedColumn::input(&self.params.question)
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        SCORE.output(inputs)
    }

    fn sources(&self) -> Vec<Source> {
        self.judge.object.sources()
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
        let (judge, words) = (("judge", &self.judge), &self.params.question);
        AddedColumn::units(inputs, so_far, judge, words, |image, question, model| {
            vec![
                ("image", Value::Blob(image)),
                ("question", Value::from(question)),
                ("model", model.clone()),
            ]
        })
    }

    fn batch(&self) -> usize {
        self.judge.object.batch()
    }

    fn resource_identity(&self, _: &str) -> Value {
        self.judge.object.resource_identity()
    }

    fn load(&self, _: &str, environment: &Environment) -> Result<Arc<dyn Resource>, StageError> {
        self.judge.object.load(environment)
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let answers = self.judge.object.answer(batch).into_iter();
        answers.map(|answer| answer.map(Outcome::of)).collect()
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        SCORE.tables(inputs, outcomes, |outcome| {
            let answer: YesNo = outcome.read()?;
            Ok(Value::Float(answer.probability()))
        })
    }

    fn describe(&self, unit: &Unit) -> Option<String> {
        unit.hint.as_text().map(str::to_owned)
    }
}

impl StageKind for MeasureVqaScore {
    const NAME: &'static str = "eval.vqa-score";
    const SUMMARY: &'static str = "Says how well each image fits its prompt, by asking the judge.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    const ROLES: &'static [&'static str] = &["judge"];
    type Params = Params;

    fn new(params: Params, roles: &Roles) -> Result<Self, Misfits> {
        template::check(&params.question, &SLOTS)
            .map_err(|message| Misfit::new(["question"], message))?;
        let judge: Role<dyn Judge> = Role::get(roles, "judge")?;
        judge.object.reads_words()?;
        Ok(Self { params, judge })
    }
}

#[cfg(test)]
mod tests;
