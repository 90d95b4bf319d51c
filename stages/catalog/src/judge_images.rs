//! `image.judge`: answers to questions about images, from the suite's judge.
//!
//! A unit is a question about an image: its rendered words, the image, and what else the judge
//! reads. Weights and polarity are no part of it, so changing what an answer counts asks nothing.

use std::collections::BTreeMap;

use ccsr_stage::params::Document;
use ccsr_stage::{
    Batch, Bound, ColumnType, InputPort, Inputs, Misfit, Misfits, Outcome, OutputPort, Partition,
    PartitionOutcomes, Resolved, Roles, Row, RowCounts, Schemas, Stage, StageError, StageKind,
    Table, Unit, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::questions::{Answer, Question, QuestionSet};
use crate::roles::{Judge, Role, Verdict};
use crate::row_id::{RowId, described};
use crate::template::{self, Piece};

/// Parameters of `image.judge`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The questions: a file, or written in place.
    pub questions: Document<QuestionSet>,
    /// Which of them to ask: `all`, or, `gated`, only those whose required answers were given.
    #[serde(default)]
    pub ask: Ask,
}

/// Which questions to ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Every one: changing what a question requires asks nothing again.
    #[default]
    All,
    /// Those whose required answers were given; the answers to the others are `skipped`.
    Gated,
}

/// The stage.
pub struct JudgeImages {
    questions: QuestionSet,
    ask: Ask,
    judge: Role<dyn Judge>,
}

impl JudgeImages {
    /// The unit that asks a question about a row's image.
    fn unit(&self, row: Row<'_>, about: &Value, question: &Question) -> Result<Unit, StageError> {
        let text = template::render(&question.text, |name| {
            row.text(name).map_err(|error| {
                StageError::input(format!(
                    "question `{}` needs `{{{name}}}`: {error}",
                    question.id
                ))
            })
        })?;
        let mut reads = self.judge.object.input(row, question)?;
        reads.push(("image", Value::Blob(row.blob("image")?)));
        reads.push(("question", Value::from(text)));
        let hint = Value::map([
            ("question", Value::from(question.id.as_str())),
            ("about", about.clone()),
        ]);
        Ok(Unit::new(self.judge.keyed("judge", reads))
            .with_group(row.index() as u64)
            .with_hint(hint))
    }

    /// What is settled about an image after some outcomes, and what to ask next.
    fn progress(&self, outcomes: &[Resolved]) -> Progress {
        let mut answers: Vec<Option<Verdict>> = vec![None; self.questions.questions.len()];
        let mut outcomes = outcomes.iter();
        loop {
            let next = self.settle(&mut answers);
            if next.is_empty() || outcomes.len() == 0 {
                return Progress { answers, next };
            }
            for (index, resolved) in next.into_iter().zip(outcomes.by_ref()) {
                answers[index] = Some(self.judge.object.verdict(&resolved.outcome));
            }
        }
    }

    /// Skips the questions whose gates are closed and returns those that can be asked.
    fn settle(&self, answers: &mut [Option<Verdict>]) -> Vec<usize> {
        let skipped = Verdict {
            answer: Answer::Skipped,
            margin: None,
        };
        let order = self.questions.order().unwrap_or_default();
        let mut next = Vec::new();
        for index in order {
            if answers[index].is_some() {
                continue;
            }
            let required = &self.questions.questions[index].requires;
            let given: Option<Vec<bool>> = required
                .iter()
                .map(|(id, wanted)| {
                    let at = self.questions.position(id)?;
                    answers[at].map(|verdict| verdict.answer == *wanted)
                })
                .collect();
            match given {
                _ if self.ask == Ask::All => next.push(index),
                Some(given) if given.iter().all(|given| *given) => next.push(index),
                Some(_) => answers[index] = Some(skipped),
                None => {}
            }
        }
        next.sort_unstable();
        next
    }
}

/// How far the questions about one image are.
struct Progress {
    /// The verdict on each question that is settled.
    answers: Vec<Option<Verdict>>,
    /// The questions to ask next.
    next: Vec<usize>,
}

impl Stage for JudgeImages {
    fn identity(&self) -> Value {
        let question = |question: &Question| {
            let mut parts = vec![
                ("id", Value::from(question.id.as_str())),
                ("text", Value::from(question.text.as_str())),
                ("about", Value::from(question.about.as_deref())),
            ];
            if self.ask == Ask::Gated {
                parts.push(("requires", crate::identity_of(&question.requires)));
            }
            Value::map(parts)
        };
        Value::map([
            (
                "questions",
                Value::list(self.questions.questions.iter().map(question)),
            ),
            ("ask", crate::identity_of(&self.ask)),
        ])
    }

    fn inputs(&self) -> Vec<InputPort> {
        let mut columns = vec![("image".to_owned(), ColumnType::Image)];
        let mut need = |name: &str, kind| {
            if !columns.iter().any(|(known, _)| known == name) {
                columns.push((name.to_owned(), kind));
            }
        };
        for question in &self.questions.questions {
            for piece in template::pieces(&question.text).unwrap_or_default() {
                if let Piece::Slot(name) = piece {
                    need(name, ColumnType::Text);
                }
            }
        }
        for (name, kind) in self.judge.object.columns() {
            need(name, kind);
        }
        vec![InputPort::new("images", columns)]
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let images = inputs
            .get("images")
            .map(|schema| (**schema).clone())
            .unwrap_or_default();
        let schema = RowId::of(&images)
            .schema()
            .with("question", ColumnType::Text)
            .with("answer", ColumnType::Text)
            .with("margin", ColumnType::Float);
        Ok(vec![OutputPort::new("answers", schema)])
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        let images = rows.get("images").copied().unwrap_or(0);
        let answers = images.saturating_mul(self.questions.questions.len() as u64);
        Bound::new(answers, "answers", answers)
    }

    fn partitions(&self, inputs: &Inputs<'_>) -> Result<Vec<Partition>, StageError> {
        match self.ask {
            Ask::All => Ok(vec![Partition::whole()]),
            Ask::Gated => {
                let rows = inputs.table("images")?.rows();
                Ok(rows
                    .map(|row| Partition::new(row.index(), described(row)))
                    .collect())
            }
        }
    }

    fn units(
        &self,
        inputs: &Inputs<'_>,
        partition: &Partition,
        so_far: &[Resolved],
    ) -> Result<Vec<Unit>, StageError> {
        let images = inputs.table("images")?;
        let ask = |row: Row<'_>, questions: Vec<usize>| -> Result<Vec<Unit>, StageError> {
            let about = Value::from(described(row));
            let units = questions
                .into_iter()
                .map(|index| self.unit(row, &about, &self.questions.questions[index]));
            units.collect()
        };
        if self.ask == Ask::Gated {
            return ask(images.row(partition.index), self.progress(so_far).next);
        }
        if !so_far.is_empty() {
            return Ok(Vec::new());
        }
        let all = || (0..self.questions.questions.len()).collect();
        let mut units = Vec::with_capacity(images.len() * self.questions.questions.len());
        for row in images.rows() {
            units.extend(ask(row, all())?);
        }
        Ok(units)
    }

    fn batch(&self) -> usize {
        2048
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let answers = self.judge.object.answer(batch);
        answers
            .into_iter()
            .map(|answer| answer.map(Outcome::of))
            .collect()
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let images = inputs.table("images")?;
        let schemas = Schemas::from([("images", images.schema().into())]);
        let id = RowId::of(&images.schema());
        let mut table = Table::builder(self.outputs(&schemas)?.remove(0).schema);
        let each: Vec<&[Resolved]> = match self.ask {
            Ask::Gated => outcomes
                .iter()
                .map(|part| part.resolved.as_slice())
                .collect(),
            Ask::All => outcomes
                .iter()
                .flat_map(|part| part.resolved.chunks(self.questions.questions.len()))
                .collect(),
        };
        for (row, resolved) in images.rows().zip(each) {
            let answers = self.progress(resolved).answers;
            for (question, verdict) in self.questions.questions.iter().zip(answers) {
                let verdict = verdict.ok_or_else(|| {
                    StageError::failed(format!(
                        "`{}` about {} was not answered",
                        question.id,
                        described(row)
                    ))
                })?;
                table.push(id.values(row).into_iter().chain([
                    Value::from(question.id.as_str()),
                    Value::from(verdict.answer.name()),
                    Value::from(verdict.margin),
                ]))?;
            }
        }
        Ok(BTreeMap::from([("answers", table.finish())]))
    }

    fn describe(&self, unit: &Unit) -> Option<String> {
        let question = unit.hint.get("question")?.as_text()?;
        Some(format!(
            "question {question} about {}",
            unit.hint.get("about")?.as_text()?
        ))
    }
}

impl StageKind for JudgeImages {
    const NAME: &'static str = "image.judge";
    const SUMMARY: &'static str = "Asks questions about each image.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    const ROLES: &'static [&'static str] = &["judge"];
    type Params = Params;

    fn new(params: Params, roles: &Roles) -> Result<Self, Misfits> {
        let judge = Role::<dyn Judge>::get(roles, "judge")?;
        let questions = params.questions.0;
        let mut misfits = questions.misfits();
        for (index, question) in questions.questions.iter().enumerate() {
            if let Err(message) = judge.object.check(question) {
                let index = index.to_string();
                misfits.add(Misfit::new(["questions", &index, "about"], message));
            }
        }
        misfits.below("questions").check()?;
        Ok(Self {
            questions,
            ask: params.ask,
            judge,
        })
    }
}

#[cfg(test)]
mod tests;
