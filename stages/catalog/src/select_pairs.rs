//! `select.pairs`: the best candidate of each prompt.
//!
//! Of a prompt's candidates those with the best scores are shortlisted; of these the one wins in
//! which the class was detected most surely, if surely enough. Pure: confidences were stored from a
//! low floor upwards, so another threshold looks at no image again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ccsr_stage::{
    Bound, ColumnType, InputPort, Inputs, Misfit, Misfits, OutputPort, PartitionOutcomes, Roles,
    Row, RowCounts, Schema, Schemas, Stage, StageError, StageKind, Table, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::range::within;
use crate::roles::Found;
use crate::row_id::{Key, RowId, described, same_word};

mod choice;

use choice::Candidate;

/// Parameters of `select.pairs`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// Which candidates of a prompt are shortlisted: `all_max`, all that share the best score;
    /// `{top_k: n}`, the `n` best; `{threshold: s}`, those that score at least `s`.
    pub shortlist: Shortlist,
    /// The confidence that the winner's detection must reach, `0.0..=1.0`. Without detections it
    /// is not looked at.
    pub min_confidence: f64,
    /// Which of equally sure candidates wins: `lowest_index`, the first, or `highest_score`, the
    /// best scored and of these the first.
    pub ties: Ties,
    /// What to do when no shortlisted candidate is sure enough: `drop` the prompt, or try the
    /// candidates of the `next_score_tier`.
    pub on_none: OnNone,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            shortlist: Shortlist::AllMax,
            min_confidence: 0.6,
            ties: Ties::LowestIndex,
            on_none: OnNone::Drop,
        }
    }
}

/// Which candidates of a prompt are shortlisted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shortlist {
    /// All that share the best score.
    AllMax,
    /// This many of the best; of equal scores, the first.
    TopK(u32),
    /// Those that score at least this.
    Threshold(f64),
}

/// Which of equally sure candidates wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ties {
    /// The first.
    LowestIndex,
    /// The best scored, and of these the first.
    HighestScore,
}

/// What to do when no shortlisted candidate is sure enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnNone {
    /// The prompt has no pair.
    Drop,
    /// Try the candidates with the next lower score, and so on.
    NextScoreTier,
}

/// The stage.
pub struct SelectPairs {
    params: Params,
}

/// Whether a detection is of its image's class; `None`: nothing was looked for that would be. Of a
/// table that does not say, such as an imported one, the label is compared.
fn is_target(row: Row<'_>, says: bool) -> Result<Option<bool>, StageError> {
    if says {
        return Ok(row.find("target").and_then(Value::as_bool));
    }
    match row.find("class").and_then(Value::as_text) {
        Some(class) => Ok(same_word(class, row.text("label")?).then_some(true)),
        None => Ok(Some(true)),
    }
}

/// The surest detection of each image's class, by what identifies the image.
fn surest(table: &Table, id: &RowId) -> Result<HashMap<Key, [f64; 5]>, StageError> {
    let mut surest: HashMap<Key, [f64; 5]> = HashMap::new();
    let says = table.schema().get("target") == Some(ColumnType::Bool);
    let mut looked_for = table.is_empty();
    for row in table.rows() {
        let target = is_target(row, says)?;
        looked_for |= target.is_some();
        if target != Some(true) {
            continue;
        }
        let mut detection = [0.0; 5];
        for (value, name) in detection.iter_mut().zip(Found::NUMBERS) {
            *value = row.float(name)?;
        }
        let best = surest.entry(id.key(row)).or_insert(detection);
        if detection[0] > best[0] {
            *best = detection;
        }
    }
    if looked_for {
        Ok(surest)
    } else {
        Err(nothing_of_a_class(table))
    }
}

/// Without this, every prompt would be dropped for want of detections.
fn nothing_of_a_class(detections: &Table) -> StageError {
    let named = |column: &str| {
        let cells = detections.find(column).map_or(&[][..], |c| c.cells());
        let names: BTreeSet<&str> = cells.iter().filter_map(Value::as_text).collect();
        let mut shown: Vec<String> = names.iter().take(6).map(|n| format!("`{n}`")).collect();
        if names.len() > shown.len() {
            shown.push("…".to_owned());
        }
        shown.join(", ")
    };
    StageError::input(format!(
        "none of the {} detections is of its image's class: they are of {}, the classes are {}; \
         look for `{{class}}` in the `vocabulary` of the detections, or leave `detections` out",
        detections.len(),
        named("label"),
        named("class"),
    ))
}

/// The candidates of each prompt, in order of first appearance.
fn grouped<'a>(
    scores: &'a Table,
    detection: impl Fn(Row<'a>) -> Option<[f64; 5]>,
) -> Result<Vec<Vec<Candidate<'a>>>, StageError> {
    let group = RowId::group_of(&scores.schema());
    let mut prompts: Vec<Vec<Candidate<'a>>> = Vec::new();
    let mut positions: HashMap<Key, usize> = HashMap::new();
    for row in scores.rows() {
        let position = *positions.entry(group.key(row)).or_insert_with(|| {
            prompts.push(Vec::new());
            prompts.len() - 1
        });
        let score = row.float("score")?;
        if score.is_nan() {
            let about = described(row);
            return Err(StageError::input(format!(
                "{about}: its score is not a number"
            )));
        }
        prompts[position].push(Candidate {
            row,
            score,
            detection: detection(row),
        });
    }
    Ok(prompts)
}

/// Columns of the two output tables.
fn schemas(scores: &Schema, detections: bool) -> (Schema, Schema) {
    let id = RowId::of(scores).schema();
    let score = scores.get("score").unwrap_or(ColumnType::Float);
    let mut pairs = id
        .clone()
        .with("line", ColumnType::Int)
        .with("score", score);
    let mut rejected = id.with("line", ColumnType::Int).with("score", score);
    pairs = pairs.with("shortlisted", ColumnType::Int);
    rejected = rejected
        .with("reason", ColumnType::Text)
        .with("rank", ColumnType::Int)
        .with("shortlisted", ColumnType::Bool);
    if detections {
        pairs = Found::NUMBERS
            .iter()
            .fold(pairs, |s, name| s.with(*name, ColumnType::Float));
        rejected = rejected.with("confidence", ColumnType::Float);
    }
    for (name, kind) in scores.columns() {
        if pairs.get(name).is_none() {
            pairs = pairs.with(name, kind);
        }
    }
    (pairs, rejected)
}

impl Stage for SelectPairs {
    fn identity(&self) -> Value {
        crate::identity_of(&self.params)
    }

    fn inputs(&self) -> Vec<InputPort> {
        let found = [("label", ColumnType::Text)]
            .into_iter()
            .chain(Found::NUMBERS.map(|name| (name, ColumnType::Float)));
        vec![
            InputPort::new("scores", [("score", ColumnType::Float)]),
            InputPort::new("detections", found).optional(),
        ]
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let scores = inputs
            .get("scores")
            .map(|schema| (**schema).clone())
            .unwrap_or_default();
        if let Some(detections) = inputs.get("detections") {
            RowId::shared(("scores", &scores), ("detections", detections))?;
        }
        let (pairs, rejected) = schemas(&scores, inputs.contains_key("detections"));
        Ok(vec![
            OutputPort::new("pairs", pairs),
            OutputPort::new("rejected", rejected),
        ])
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        let candidates = rows.get("scores").copied().unwrap_or(0);
        Bound {
            units: 0,
            rows: RowCounts::from([("pairs", candidates), ("rejected", candidates)]),
        }
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        _: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let scores = inputs.table("scores")?;
        let schema = scores.schema();
        let detections = inputs.tables.get("detections");
        let sees = detections.is_some();
        let found = match detections {
            Some(table) => {
                let id = RowId::shared(("scores", &schema), ("detections", &table.schema()))?;
                Some((surest(table, &id)?, id))
            }
            None => None,
        };
        let prompts = grouped(scores, |row| {
            found
                .as_ref()
                .and_then(|(found, id)| found.get(&id.key(row)).copied())
        })?;
        let (pairs, rejected) = schemas(&schema, sees);
        let mut chosen = Table::builder(pairs.clone());
        let mut others = Table::builder(rejected.clone());
        for (line, candidates) in (1..).zip(prompts) {
            let choice = choice::choose(&self.params, &candidates, sees);
            let ranks = choice::ranks(&candidates);
            for (index, candidate) in candidates.iter().enumerate() {
                let won = choice.winner == Some(index);
                let value = |name: &str| match name {
                    "line" => Value::Int(line),
                    "shortlisted" if won => Value::Int(choice.tied as i64),
                    "shortlisted" => Value::Bool(choice.shortlisted[index]),
                    "rank" => Value::Int(ranks[index]),
                    "reason" => Value::from(choice::reason(&candidates, &choice, index)),
                    name => match Found::NUMBERS.iter().position(|known| *known == name) {
                        Some(part) if sees => {
                            Value::from(candidate.detection.map(|found| found[part]))
                        }
                        _ => candidate.row.find(name).cloned().unwrap_or_default(),
                    },
                };
                if won {
                    chosen.push(pairs.columns().map(|(name, _)| value(name)))?;
                } else {
                    others.push(rejected.columns().map(|(name, _)| value(name)))?;
                }
            }
        }
        Ok(BTreeMap::from([
            ("pairs", chosen.finish()),
            ("rejected", others.finish()),
        ]))
    }
}

impl StageKind for SelectPairs {
    const NAME: &'static str = "select.pairs";
    const SUMMARY: &'static str = "Chooses the best candidate of each prompt.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &Roles) -> Result<Self, Misfits> {
        let mut misfits = within("min_confidence", params.min_confidence, &(0.0..=1.0), "");
        let nobody = match params.shortlist {
            Shortlist::TopK(0) => Some(("top_k", "0")),
            Shortlist::Threshold(score) if score.is_nan() => Some(("threshold", "nan")),
            _ => None,
        };
        if let Some((name, value)) = nobody {
            let message = format!("`shortlist: {{{name}: {value}}}` leaves no candidate");
            misfits.add(Misfit::new(["shortlist", name], message));
        }
        misfits.check()?;
        Ok(Self { params })
    }
}

#[cfg(test)]
mod tests;
