//! `image.judge`: answers to questions about images, from the suite's judge.
//!
//! A unit is a question about an image: its rendered words, the image, and what else the judge
//! reads. Weights and polarity are no part of it, so changing what an answer counts asks nothing. With
//! `mode: joint` a unit is all questions about an image. What a judge writes is kept as it is, and read
//! when the table is made (`answer_text`).

mod gates;
mod message;

use std::collections::BTreeMap;
use std::sync::Arc;

use ccsr_stage::params::Document;
use ccsr_stage::{
    Batch, Bound, ColumnType, Environment, InputPort, Inputs, Misfit, Misfits, Outcome, OutputPort,
    Partition, PartitionOutcomes, Resolved, Resource, Roles, Row, RowCounts, Schemas, Source,
    Stage, StageError, StageKind, Table, Unit, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::gates::Progress;
use crate::answer_text;
use crate::questions::{Answer, Question, QuestionSet};
use crate::range::within;
use crate::roles::{Judge, Role, Verdict, told};
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
    /// How to put them: `separate`, each on its own; or `joint`, all about an image in one message, as
    /// the paper does, whose answer is text.
    #[serde(default)]
    pub mode: Mode,
    /// What the judge answers a separate question with: `logits`, the probabilities of yes and no, of
    /// which the larger counts and which cannot be misread; or `text`, in which nan is possible. A
    /// judge that reads no words has its own way and knows `logits` only.
    #[serde(default)]
    pub answer: AnswerWith,
    /// The most tokens of an answer that is text, from 1 to 65,536.
    #[serde(default = "max_tokens")]
    pub max_tokens: u32,
}

const fn max_tokens() -> u32 {
    1024
}

/// How questions are put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Each on its own: changing one asks that one.
    #[default]
    Separate,
    /// All about an image in one message: changing one asks all of them.
    Joint,
}

/// What a separate question is answered with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerWith {
    /// The probabilities of yes and no as the first token.
    #[default]
    Logits,
    /// A text.
    Text,
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
    form: Form,
    max_tokens: u32,
    judge: Role<dyn Judge>,
}

/// What a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A question that the judge answers in its own way.
    Answer,
    /// A question that it answers with a text.
    Text,
    /// All questions about an image, which it answers with one text.
    Joint,
}

impl JudgeImages {
    /// The unit that asks a question about a row's image.
    fn unit(&self, row: Row<'_>, model: &Value, question: &Question) -> Result<Unit, StageError> {
        let (words, image) = (words(row, question)?, row.blob("image")?);
        let reads = if self.form == Form::Answer {
            let mut reads = self.judge.object.input(row, question)?;
            reads.push(("image", Value::Blob(image)));
            reads.push(("question", Value::from(words)));
            if !model.is_null() {
                reads.push(("model", model.clone()));
            }
            reads
        } else {
            told(image, words, self.max_tokens, model)
        };
        let hint = Value::map([
            ("question", Value::from(question.id.as_str())),
            ("about", Value::from(described(row))),
        ]);
        let unit = self.judge.unit("judge", reads);
        Ok(unit.with_group(row.index() as u64).with_hint(hint))
    }

    /// The unit that asks all questions about a row's image.
    fn joint_unit(&self, row: Row<'_>, model: &Value) -> Result<Unit, StageError> {
        let questions = self.questions.questions.iter();
        let words: Result<Vec<_>, _> = questions.map(|question| words(row, question)).collect();
        let reads = told(
            row.blob("image")?,
            message::joint(&words?),
            self.max_tokens,
            model,
        );
        let hint = Value::map([("about", Value::from(described(row)))]);
        Ok(self.judge.unit("judge", reads).with_hint(hint))
    }

    /// How many units are about one image, all questions asked.
    fn units_an_image(&self) -> usize {
        match self.form {
            Form::Joint => 1,
            Form::Answer | Form::Text => self.questions.questions.len(),
        }
    }

    /// What is settled about an image after some outcomes, and what to ask next.
    fn progress(&self, outcomes: &[Resolved]) -> Progress {
        let outcomes = outcomes.iter().map(|resolved| &resolved.outcome);
        Progress::of(&self.questions, self.ask, outcomes, |outcome| {
            match self.form {
                Form::Answer => self.judge.object.verdict(outcome),
                Form::Text | Form::Joint => of_text(answer_text::single(written(outcome))),
            }
        })
    }

    /// The verdicts on all questions about an image, after all its outcomes.
    fn verdicts(&self, outcomes: &[Resolved]) -> Vec<Option<Verdict>> {
        match (self.form, outcomes) {
            (Form::Joint, [resolved]) => {
                let questions = self.questions.questions.len();
                let answers = answer_text::numbered(written(&resolved.outcome), questions);
                answers
                    .into_iter()
                    .map(|answer| Some(of_text(answer)))
                    .collect()
            }
            _ => self.progress(outcomes).answers,
        }
    }
}

/// The words of a question about a row's image.
fn words(row: Row<'_>, question: &Question) -> Result<String, StageError> {
    template::render(&question.text, |name| {
        row.text(name).map_err(|error| {
            StageError::input(format!(
                "question `{}` needs `{{{name}}}`: {error}",
                question.id
            ))
        })
    })
}

/// What the judge wrote.
fn written(outcome: &Value) -> &str {
    outcome.as_text().unwrap_or_default()
}

/// An answer that was read in a text: how sure the judge was, it does not say.
const fn of_text(answer: Answer) -> Verdict {
    Verdict {
        answer,
        margin: None,
    }
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
        let mut parts = vec![
            (
                "questions",
                Value::list(self.questions.questions.iter().map(question)),
            ),
            ("ask", crate::identity_of(&self.ask)),
        ];
        // These came later: they are left out where all is as it was before.
        let form = match self.form {
            Form::Answer => return Value::map(parts),
            Form::Text => "text",
            Form::Joint => "joint",
        };
        parts.push(("form", Value::from(form)));
        parts.push(("max_tokens", crate::identity_of(&self.max_tokens)));
        Value::map(parts)
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

    fn sources(&self) -> Vec<Source> {
        self.judge.object.sources()
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        let images = rows.get("images").copied().unwrap_or(0);
        let answers = images.saturating_mul(self.questions.questions.len() as u64);
        let units = images.saturating_mul(self.units_an_image() as u64);
        Bound::new(units, "answers", answers)
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
        let model = self.judge.object.model(inputs)?;
        let ask = |row, index: usize| self.unit(row, &model, &self.questions.questions[index]);
        if self.ask == Ask::Gated {
            let row = images.row(partition.index);
            let next = self.progress(so_far).next.into_iter();
            return next.map(|index| ask(row, index)).collect();
        }
        if !so_far.is_empty() {
            return Ok(Vec::new());
        }
        if self.form == Form::Joint {
            return images
                .rows()
                .map(|row| self.joint_unit(row, &model))
                .collect();
        }
        let questions = self.questions.questions.len();
        let each = images
            .rows()
            .flat_map(|row| (0..questions).map(move |index| (row, index)));
        each.map(|(row, index)| ask(row, index)).collect()
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
        if self.form == Form::Answer {
            let answers = self.judge.object.answer(batch).into_iter();
            return answers.map(|answer| answer.map(Outcome::of)).collect();
        }
        let outcome = |text: String| Outcome::of(Value::from(text));
        let texts = self.judge.object.tell(batch).into_iter();
        texts.map(|text| text.map(outcome)).collect()
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
                .flat_map(|part| part.resolved.chunks(self.units_an_image()))
                .collect(),
        };
        for (row, resolved) in images.rows().zip(each) {
            let answers = self.verdicts(resolved);
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
        let about = unit.hint.get("about")?.as_text()?;
        let question = unit.hint.get("question").and_then(Value::as_text);
        Some(match question {
            Some(question) => format!("question {question} about {about}"),
            None => format!("the questions about {about}"),
        })
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
        let mut misfits = misfits.below("questions");
        let tokens = params.max_tokens;
        misfits.add(within("max_tokens", tokens, &(1..=65_536), ""));
        let form = match (params.mode, params.answer) {
            (Mode::Joint, _) => Form::Joint,
            (Mode::Separate, AnswerWith::Text) => Form::Text,
            (Mode::Separate, AnswerWith::Logits) => Form::Answer,
        };
        let named = match form {
            Form::Answer => None,
            Form::Text => Some("answer"),
            Form::Joint => Some("mode"),
        };
        if let (Some(name), Err(message)) = (named, judge.object.reads_words()) {
            misfits.add(Misfit::new([name], message));
        }
        if form == Form::Joint && params.ask == Ask::Gated {
            let message = "with `mode: joint` all questions stand in one message, so none can wait for the \
                           answer to another; leave `ask: all`: `score.answers` heeds what they require";
            misfits.add(Misfit::new(["ask"], message));
        }
        misfits.check()?;
        Ok(Self {
            questions,
            ask: params.ask,
            form,
            max_tokens: params.max_tokens,
            judge,
        })
    }
}

#[cfg(test)]
mod tests;
