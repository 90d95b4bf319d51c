//! `score.answers`: a number for each image, from the answers to the questions about it.
//!
//! Equation 1 of the paper (`eq1`): a positive question counts 1 if answered yes; a negative one
//! counts 1 if answered no and -1 if answered yes; all else counts 0. Other ways to count stand in
//! the question set, by name. Pure: nothing but weights and gates of the set is read.

use std::collections::{BTreeMap, HashMap};

use ccsr_stage::params::{Document, nearest};
use ccsr_stage::{
    Bound, ColumnType, InputPort, Inputs, Misfit, Misfits, OutputPort, PartitionOutcomes, Roles,
    Row, RowCounts, Schema, Schemas, Stage, StageError, StageKind, Table, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::questions::{Answer, QuestionSet, Weights};
use crate::row_id::{Key, RowId, described};

/// Name of the profile that the questions' polarity gives.
const EQ1: &str = "eq1";

/// Parameters of `score.answers`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The questions that were asked: a file, or written in place.
    pub questions: Document<QuestionSet>,
    /// How answers are counted: `eq1`, the paper's equation 1 by the questions' polarity, or the
    /// name of a profile of the question set (`srt2i`: as the paper's published code counts).
    #[serde(default = "eq1")]
    pub profile: String,
    /// Whether a question counts 0 when an answer that it requires was not given. Left out: as the
    /// profile says; `eq1` says yes.
    #[serde(default)]
    pub gates: Option<bool>,
    /// What counts otherwise than the profile says: `{q6: {"yes": -2}}`.
    #[serde(default)]
    pub weights: BTreeMap<String, Change>,
    /// What to do about a question without an answer: `error`, or count it as `nan`.
    #[serde(default)]
    pub missing: Missing,
}

fn eq1() -> String {
    EQ1.to_owned()
}

/// Weights that replace a profile's; what is left out stays.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// For yes.
    pub yes: Option<f64>,
    /// For no.
    pub no: Option<f64>,
    /// For nan, and for a question that was skipped.
    pub nan: Option<f64>,
    /// For an answer that could not be read.
    pub unparsed: Option<f64>,
}

/// What to do about a question without an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Fail, and name image and question.
    #[default]
    Error,
    /// Count it as nan.
    Nan,
}

/// The stage.
pub struct ScoreAnswers {
    questions: QuestionSet,
    weights: Vec<Weights>,
    gates: bool,
    missing: Missing,
}

impl ScoreAnswers {
    /// A number as the scores' type: whole numbers if all weights are.
    fn number(&self, number: f64) -> Value {
        if self.whole() {
            Value::Int(number as i64)
        } else {
            Value::Float(number)
        }
    }

    fn whole(&self) -> bool {
        let each = |w: &Weights| [w.yes, w.no, w.nan, w.unparsed];
        self.weights
            .iter()
            .flat_map(each)
            .all(|weight| weight.fract() == 0.0 && weight.abs() < 1e9)
    }

    /// What the answers to one image's questions count, by question.
    fn points(&self, answers: &[Answer]) -> Vec<f64> {
        let open = if self.gates {
            self.questions.open(answers)
        } else {
            vec![true; answers.len()]
        };
        let each = self.weights.iter().zip(answers).zip(open);
        each.map(|((weights, answer), open)| if open { weights.of(*answer) } else { 0.0 })
            .collect()
    }

    /// The question and the answer of a row.
    fn answer(&self, row: Row<'_>) -> Result<(usize, Answer), StageError> {
        let about = |problem: String| StageError::input(format!("{}: {problem}", described(row)));
        let id = row.text("question")?;
        let question = self
            .questions
            .known(id)
            .map_err(|text| about(format!("an answer to {text}")))?;
        let text = row.text("answer")?;
        let answer = Answer::from_name(text).ok_or_else(|| {
            about(format!(
                "the answer to `{id}` is `{text}`; expected yes, no, nan, unparsed or skipped"
            ))
        })?;
        Ok((question, answer))
    }

    /// The images, in order of first appearance, with a row each and their answers.
    fn images<'a>(&self, table: &'a Table) -> Result<Vec<Image<'a>>, StageError> {
        let id = RowId::of(&table.schema());
        let mut positions: HashMap<Key, usize> = HashMap::new();
        let mut images: Vec<Image<'a>> = Vec::new();
        for row in table.rows() {
            let (question, answer) = self.answer(row)?;
            let position = *positions.entry(id.key(row)).or_insert_with(|| {
                let answers = vec![None; self.questions.questions.len()];
                images.push(Image { row, answers });
                images.len() - 1
            });
            let slot = &mut images[position].answers[question];
            if slot.is_some_and(|earlier| earlier != answer) {
                return Err(StageError::input(format!(
                    "{}: `{}` has two different answers",
                    described(row),
                    self.questions.questions[question].id
                )));
            }
            *slot = Some(answer);
        }
        Ok(images)
    }
}

/// An image and the answers about it, by question.
struct Image<'a> {
    row: Row<'a>,
    answers: Vec<Option<Answer>>,
}

impl Stage for ScoreAnswers {
    fn identity(&self) -> Value {
        let question = |(index, weights): (usize, &Weights)| {
            let question = &self.questions.questions[index];
            let mut parts = vec![
                ("id", Value::from(question.id.as_str())),
                ("weights", crate::identity_of(weights)),
            ];
            if self.gates {
                parts.push(("requires", crate::identity_of(&question.requires)));
            }
            Value::map(parts)
        };
        Value::map([
            (
                "questions",
                Value::list(self.weights.iter().enumerate().map(question)),
            ),
            ("missing", crate::identity_of(&self.missing)),
        ])
    }

    fn inputs(&self) -> Vec<InputPort> {
        let columns = [("question", ColumnType::Text), ("answer", ColumnType::Text)];
        vec![InputPort::new("answers", columns)]
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let answers = inputs
            .get("answers")
            .map(|schema| (**schema).clone())
            .unwrap_or_default();
        let id = RowId::of(&answers).schema();
        if id.is_empty() {
            return Err(StageError::input(
                "the answers do not say what they are about: expected at least one of the columns \
                 `class`, `prompt`, `candidate`, `image`",
            ));
        }
        let kind = if self.whole() {
            ColumnType::Int
        } else {
            ColumnType::Float
        };
        let counts = Answer::ALL.map(|answer| (answer.name(), ColumnType::Int));
        let columns = [("score", kind)]
            .into_iter()
            .chain(counts)
            .chain([("points", ColumnType::Json)]);
        let schema: Schema = columns.fold(id, |schema, (name, kind)| schema.with(name, kind));
        Ok(vec![OutputPort::new("scores", schema)])
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        Bound::new(0, "scores", rows.get("answers").copied().unwrap_or(0))
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        _: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let answers = inputs.table("answers")?;
        let schemas = Schemas::from([("answers", answers.schema().into())]);
        let mut table = Table::builder(self.outputs(&schemas)?.remove(0).schema);
        let id = RowId::of(&answers.schema());
        for Image { row, answers } in self.images(answers)? {
            let mut given = Vec::with_capacity(answers.len());
            for (question, answer) in self.questions.ids().zip(answers) {
                given.push(match answer {
                    Some(answer) => answer,
                    None if self.missing == Missing::Nan => Answer::Nan,
                    None => {
                        return Err(StageError::input(format!(
                            "{}: there is no answer to `{question}`; set `missing: nan` to count \
                             it as nan",
                            described(row)
                        )));
                    }
                });
            }
            let points = self.points(&given);
            let by_question = self
                .questions
                .ids()
                .zip(points.iter().map(|p| self.number(*p)));
            let count =
                |answer| Value::Int(given.iter().filter(|given| **given == answer).count() as i64);
            let cells = [self.number(points.iter().sum())]
                .into_iter()
                .chain(Answer::ALL.map(count))
                .chain([Value::map(by_question)]);
            table.push(id.values(row).into_iter().chain(cells))?;
        }
        Ok(BTreeMap::from([("scores", table.finish())]))
    }
}

impl StageKind for ScoreAnswers {
    const NAME: &'static str = "score.answers";
    const SUMMARY: &'static str = "Adds up what the answers about each image count.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &Roles) -> Result<Self, Misfits> {
        let questions = params.questions.0;
        let mut misfits = questions.misfits().below("questions");
        let (mut weights, gates) = match counted(&questions, &params.profile) {
            Ok(counted) => counted,
            Err(misfit) => {
                misfits.add(misfit);
                return Err(misfits);
            }
        };
        for (id, change) in &params.weights {
            let index = match questions.known(id) {
                Ok(index) => index,
                Err(text) => {
                    let message = format!("`weights` names {text}");
                    misfits.add(Misfit::of_name(["weights", id], message));
                    continue;
                }
            };
            let weights: &mut Weights = &mut weights[index];
            weights.yes = change.yes.unwrap_or(weights.yes);
            weights.no = change.no.unwrap_or(weights.no);
            weights.nan = change.nan.unwrap_or(weights.nan);
            weights.unparsed = change.unparsed.unwrap_or(weights.unparsed);
            let infinite = weights.named().into_iter();
            for (answer, weight) in infinite.filter(|(_, weight)| !weight.is_finite()) {
                let message = format!("`{answer}: {weight}` is not a finite number");
                misfits.add(Misfit::new(["weights", id, answer], message));
            }
        }
        misfits.check()?;
        Ok(Self {
            questions,
            weights,
            gates: params.gates.unwrap_or(gates),
            missing: params.missing,
        })
    }
}

/// The weights of each question under a profile, and whether its gates hold.
fn counted(questions: &QuestionSet, profile: &str) -> Result<(Vec<Weights>, bool), Misfit> {
    if let Some(found) = questions.profiles.get(profile) {
        let weights = questions.ids().map(|id| {
            found.weights.get(id).copied().ok_or_else(|| {
                let message =
                    format!("the profile `{profile}` has no weights for the question `{id}`");
                Misfit::new(["questions", "profiles", profile, "weights"], message)
            })
        });
        return Ok((weights.collect::<Result<_, _>>()?, found.gates));
    }
    if profile == EQ1 {
        let weights = questions
            .questions
            .iter()
            .map(|question| question.polarity.weights());
        return Ok((weights.collect(), true));
    }
    let names = || {
        [EQ1]
            .into_iter()
            .chain(questions.profiles.keys().map(String::as_str))
    };
    let hint = nearest(profile, names())
        .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    let known = names()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let message = format!("there is no profile `{profile}`; there are {known}{hint}");
    Err(Misfit::new(["profile"], message))
}

#[cfg(test)]
mod tests;
