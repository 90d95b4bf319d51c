//! `eval.judge`: how often the judge is right, by topic, about questions whose true answers are known.
//!
//! `image.judge` asks the same questions of all images; here each row of a table brings its own, as `world.render` writes
//! them. A unit is a question about an image, and the true answer is no part of it. Questions that do not apply (`nan`) are
//! not asked: there is nothing to be right about.

use std::collections::BTreeMap;
use std::sync::Arc;

use ccsr_stage::{
    Batch, Bound, ColumnType, Environment, InputPort, Inputs, Misfits, Outcome, OutputPort,
    Partition, PartitionOutcomes, Resolved, Resource, Roles, Row, RowCounts, Schema, Schemas,
    Source, Stage, StageError, StageKind, Table, Unit, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::questions::Answer;
use crate::roles::{Judge, Role};
use crate::row_id::{described, shortened};
use crate::statistics::Share;

/// The topic of the row about all questions.
const ALL: &str = "all";

/// Parameters of `eval.judge`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {}

/// How many answers are right: all, and those that should be yes, and no. A judge that always says the same is as often
/// right as that answer is the true one.
#[derive(Clone, Copy, Default)]
struct Shares {
    all: Share,
    yes: Share,
    no: Share,
}

impl Shares {
    fn count(&mut self, truth: Answer, is_right: bool) {
        self.all.count(is_right);
        match truth {
            Answer::Yes => self.yes.count(is_right),
            _ => self.no.count(is_right),
        }
    }

    fn cells(self) -> impl Iterator<Item = Value> {
        let by_answer = [self.yes, self.no].map(|share| {
            let [accuracy, ..] = share.values();
            accuracy
        });
        self.all.cells().chain(by_answer)
    }
}

/// The stage.
pub struct MeasureJudge {
    judge: Role<dyn Judge>,
}

/// Rows with questions that apply, and their true answers.
fn asked(questions: &Table) -> Result<Vec<(Row<'_>, Answer)>, StageError> {
    let mut asked = Vec::new();
    for row in questions.rows() {
        let answer = row.text("answer")?;
        match Answer::from_name(answer) {
            Some(Answer::Nan) => {}
            Some(answer @ (Answer::Yes | Answer::No)) => asked.push((row, answer)),
            _ => {
                return Err(StageError::input(format!(
                    "{}: the true answer `{answer}` is none; expected `yes`, `no` or `nan`",
                    described(row)
                )));
            }
        }
    }
    Ok(asked)
}

impl MeasureJudge {
    /// The unit that asks a row's question.
    fn unit(&self, row: Row<'_>, model: &Value) -> Result<Unit, StageError> {
        let question = row.text("question")?;
        let reads = vec![
            ("image", Value::Blob(row.blob("image")?)),
            ("question", Value::from(question)),
            ("model", model.clone()),
        ];
        let hint = format!("\"{}\" about {}", shortened(question), described(row));
        Ok(self.judge.unit("judge", reads).with_hint(Value::from(hint)))
    }
}

impl Stage for MeasureJudge {
    fn identity(&self) -> Value {
        Value::map::<&str>([])
    }

    fn inputs(&self) -> Vec<InputPort> {
        let mut columns = vec![("image", ColumnType::Image)];
        columns.extend(["question", "about", "answer"].map(|name| (name, ColumnType::Text)));
        vec![InputPort::new("questions", columns)]
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let topics = [("about", ColumnType::Text)].into_iter();
        let by_answer = ["of_yes", "of_no"].map(|name| (name, ColumnType::Float));
        let mut answers = Schema::new([("image", ColumnType::Image)]);
        for name in ["question", "about", "answer", "said"] {
            answers = answers.with(name, ColumnType::Text);
        }
        let answers = answers
            .with("margin", ColumnType::Float)
            .with("is_right", ColumnType::Bool);
        Ok(vec![
            OutputPort::new(
                "topics",
                Schema::new(topics.chain(Share::COLUMNS).chain(by_answer)),
            ),
            OutputPort::new("answers", answers),
        ])
    }

    fn sources(&self) -> Vec<Source> {
        self.judge.object.sources()
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        let questions = rows.get("questions").copied().unwrap_or(0);
        Bound {
            units: questions,
            rows: RowCounts::from([("topics", questions + 1), ("answers", questions)]),
        }
    }

    fn units(
        &self,
        inputs: &Inputs<'_>,
        _: &Partition,
        so_far: &[Resolved],
    ) -> Result<Vec<Unit>, StageError> {
        if !so_far.is_empty() {
            return Ok(Vec::new());
        }
        let model = self.judge.object.model(inputs)?;
        let asked = asked(inputs.table("questions")?)?.into_iter();
        asked.map(|(row, _)| self.unit(row, &model)).collect()
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
        let ports = self.outputs(&Schemas::new())?;
        let [mut topics, mut answers] =
            [0, 1].map(|port: usize| Table::builder(ports[port].schema.clone()));
        let (mut all, mut topic) = (Shares::default(), BTreeMap::<&str, Shares>::new());
        let asked = asked(inputs.table("questions")?)?;
        let resolved = outcomes.iter().flat_map(|partition| &partition.resolved);
        for ((row, truth), resolved) in asked.into_iter().zip(resolved) {
            let said = self.judge.object.verdict(&resolved.outcome);
            let is_right = said.answer == truth;
            all.count(truth, is_right);
            let own = topic.entry(row.text("about")?).or_default();
            own.count(truth, is_right);
            answers.push([
                row.value("image")?.clone(),
                row.value("question")?.clone(),
                row.value("about")?.clone(),
                row.value("answer")?.clone(),
                Value::from(said.answer.name()),
                Value::from(said.margin),
                Value::Bool(is_right),
            ])?;
        }
        for (about, shares) in [(ALL, all)].into_iter().chain(topic) {
            topics.push([Value::from(about)].into_iter().chain(shares.cells()))?;
        }
        Ok(BTreeMap::from([
            ("topics", topics.finish()),
            ("answers", answers.finish()),
        ]))
    }

    fn describe(&self, unit: &Unit) -> Option<String> {
        unit.hint.as_text().map(str::to_owned)
    }
}

impl StageKind for MeasureJudge {
    const NAME: &'static str = "eval.judge";
    const SUMMARY: &'static str =
        "Says how often the judge is right about questions whose answers are known.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 2;
    const ROLES: &'static [&'static str] = &["judge"];
    type Params = Params;

    fn new(_: Params, roles: &Roles) -> Result<Self, Misfits> {
        let judge: Role<dyn Judge> = Role::get(roles, "judge")?;
        judge.object.reads_words()?;
        Ok(Self { judge })
    }
}

#[cfg(test)]
mod tests;
