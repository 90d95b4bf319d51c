//! The questions that were asked about images, and what each answer counted.

use std::collections::HashMap;

use ccsr_cache::Value;
use ccsr_stage::Row;
use serde::Serialize;

use super::family::{Family, Lookup};
use super::gallery::Candidate;
use super::recorded::Recorded;
use super::text::number;

/// A question, to be read beside the tables of points.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Question {
    pub(crate) id: String,
    pub(crate) text: String,
}

/// Table 1: what each answer counted, a row a candidate.
#[derive(Debug, Serialize)]
pub(crate) struct Points {
    /// The stage that counted.
    pub(crate) stage: String,
    pub(crate) questions: Vec<String>,
    pub(crate) rows: Vec<PointsRow>,
}

#[derive(Debug, Serialize)]
pub(crate) struct PointsRow {
    pub(crate) name: String,
    pub(crate) won: bool,
    pub(crate) cells: Vec<Cell>,
    pub(crate) total: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Cell {
    pub(crate) points: String,
    pub(crate) answer: String,
}

/// What `scores` says of the images of `rows`, with the answers that were counted, or the answers
/// alone if nothing counted them.
pub(crate) fn points(
    stage: &str,
    (scores, answers): (Option<&Lookup<'_>>, Option<&Lookup<'_>>),
    questions: &[Question],
    rows: &[Row<'_>],
    candidates: &[Candidate],
) -> Points {
    let scored = |row: &Row<'_>| scores?.first(*row);
    let counted = |row: &Row<'_>| -> Option<Value> { scored(row)?.find("points").cloned() };
    let mut asked: Vec<String> = questions
        .iter()
        .map(|question| question.id.clone())
        .collect();
    for points in rows.iter().filter_map(counted) {
        if let Value::Map(points) = points {
            let new = points
                .keys()
                .filter(|id| !asked.iter().any(|known| **known == ***id));
            let new: Vec<String> = new.map(ToString::to_string).collect();
            asked.extend(new);
        }
    }
    let of_row = |(row, candidate): (&Row<'_>, &Candidate)| {
        let counted = counted(row);
        let answers: HashMap<String, String> = answers
            .into_iter()
            .flat_map(|answers| answers.all(*row))
            .filter_map(|row| {
                Some((
                    row.text("question").ok()?.to_owned(),
                    row.text("answer").ok()?.to_owned(),
                ))
            })
            .collect();
        let cell = |id: &String| Cell {
            points: counted
                .as_ref()
                .and_then(|points| points.get(id))
                .and_then(Value::as_float)
                .map_or_else(String::new, number),
            answer: answers.get(id).cloned().unwrap_or_default(),
        };
        PointsRow {
            name: candidate.name.clone(),
            won: candidate.won,
            cells: asked.iter().map(cell).collect(),
            total: scored(row)
                .and_then(|row| row.float("score").ok())
                .map_or_else(String::new, number),
        }
    };
    Points {
        stage: stage.to_owned(),
        rows: rows.iter().zip(candidates).map(of_row).collect(),
        questions: asked,
    }
}

/// The questions that were asked, as the judge, or else the scoring, was told them.
pub(crate) fn questions(run: &Recorded<'_>, family: &Family) -> Vec<Question> {
    let judges = family.answers.iter().map(|(stage, _)| *stage);
    let scorings = family.scorings.iter().map(|scoring| scoring.stage);
    let of_stage = |stage: usize| match run.record.stages[stage]
        .value
        .get("with")?
        .get("questions")?
    {
        Value::List(questions) => Some(questions.iter().filter_map(question).collect::<Vec<_>>()),
        _ => None,
    };
    judges
        .chain(scorings)
        .find_map(of_stage)
        .unwrap_or_default()
}

fn question(value: &Value) -> Option<Question> {
    let text = |name: &str| value.get(name).and_then(Value::as_text).map(str::to_owned);
    Some(Question {
        id: text("id")?,
        text: text("text").unwrap_or_default(),
    })
}
