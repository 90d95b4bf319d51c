//! `select.pairs`: the best candidate of each prompt.
//!
//! Of a prompt's candidates those with the best scores are shortlisted; of these the one wins in
//! which the class was detected most surely, if surely enough. Pure: confidences were stored from a
//! low floor upwards, so another threshold looks at no image again. To see what each of the two is
//! worth, `by` lets one of them choose alone, or chance, or the truth.

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
    // What follows came later: it is left out of keys while it says what was done before.
    /// Who chooses: `both`, judge and detector, as in the paper; the `judge` alone, the best score; the
    /// `detector` alone, the surest of all candidates; `random`, a lot by the pipeline's seed and the prompt; the
    /// `truth`, of the table on the port of that name, which no other reads.
    #[serde(skip_serializing_if = "is_both")]
    pub by: Selector,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_both(by: &Selector) -> bool {
    *by == Selector::Both
}

impl Default for Params {
    fn default() -> Self {
        Self {
            shortlist: Shortlist::AllMax,
            min_confidence: 0.6,
            ties: Ties::LowestIndex,
            on_none: OnNone::Drop,
            by: Selector::Both,
        }
    }
}

/// Who chooses the pair of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Selector {
    /// The judge makes a shortlist, and the detector chooses from it.
    Both,
    /// The best score, and of these by `ties`. Detections are not looked at.
    Judge,
    /// The surest detection of all candidates. Scores are not looked at.
    Detector,
    /// Any candidate.
    Random,
    /// The candidate with the highest `truth`: an upper bound, where the truth is known.
    Truth,
}

impl Selector {
    /// Whether scores make a shortlist.
    const fn reads_scores(self) -> bool {
        matches!(self, Self::Both | Self::Judge)
    }

    /// Whether confidences decide.
    const fn reads_detections(self) -> bool {
        matches!(self, Self::Both | Self::Detector)
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

/// The candidates of each prompt, in order of first appearance. `worth`, given a row and its detection: what
/// decides, and whether it may win.
fn grouped<'a>(
    scores: &'a Table,
    detection: impl Fn(Row<'a>) -> Option<[f64; 5]>,
    worth: impl Fn(Row<'a>, Option<[f64; 5]>) -> Result<(f64, bool), StageError>,
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
        let detection = detection(row);
        let (worth, may_win) = worth(row, detection)?;
        prompts[position].push(Candidate {
            row,
            score,
            detection,
            worth,
            may_win,
        });
    }
    Ok(prompts)
}

/// A number below 1 by which a candidate wins when chance chooses: of the pipeline's seed, the prompt and the
/// candidate's number, wherever it stands in the table and whatever it shows.
fn lot(seed: u64, row: Row<'_>, id: &RowId) -> f64 {
    let is_numbered = row.find("candidate").is_some();
    let names = id.names().filter(|name| !is_numbered || *name != "image");
    let named = names.map(|name| row.find(name).cloned().unwrap_or_default());
    let drawn = [Value::from("lot of a candidate"), Value::Int(seed as i64)];
    let digest = Value::list(drawn.into_iter().chain(named)).digest();
    let bytes = digest.as_bytes().iter().take(6);
    let lot = bytes.fold(0_u64, |lot, byte| lot << 8 | u64::from(*byte));
    lot as f64 / 2_f64.powi(48)
}

/// The `truth` of each image, by what identifies it.
fn truths(table: &Table, id: &RowId) -> Result<HashMap<Key, f64>, StageError> {
    let truth = |row: Row<'_>| {
        let truth = row.float("truth")?;
        if truth.is_nan() {
            let about = described(row);
            return Err(StageError::input(format!(
                "{about}: its truth is not a number"
            )));
        }
        Ok((id.key(row), truth))
    };
    table.rows().map(truth).collect()
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

    fn seeded(&self) -> bool {
        self.params.by == Selector::Random
    }

    fn inputs(&self) -> Vec<InputPort> {
        let found = [("label", ColumnType::Text)]
            .into_iter()
            .chain(Found::NUMBERS.map(|name| (name, ColumnType::Float)));
        vec![
            InputPort::new("scores", [("score", ColumnType::Float)]),
            InputPort::new("detections", found).optional(),
            InputPort::new("truth", [("truth", ColumnType::Float)]).optional(),
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
        let needed = match self.params.by {
            Selector::Detector => Some("detections"),
            Selector::Truth => Some("truth"),
            _ => None,
        };
        if let Some(port) = needed.filter(|port| !inputs.contains_key(port)) {
            let by = if port == "truth" { "truth" } else { "detector" };
            return Err(StageError::input(format!(
                "`by: {by}` chooses by what is read on the port `{port}`, and nothing is; say where it comes from: \
                 `from: {{scores: …, {port}: STAGE}}`"
            )));
        }
        let by_truth = self.params.by == Selector::Truth;
        if let Some(truth) = inputs.get("truth").filter(|_| by_truth) {
            RowId::shared(("scores", &scores), ("truth", truth))?;
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
        let by = self.params.by;
        let detections = inputs.tables.get("detections");
        let sees = detections.is_some();
        let found = match detections {
            Some(table) => {
                let id = RowId::shared(("scores", &schema), ("detections", &table.schema()))?;
                Some((surest(table, &id)?, id))
            }
            None => None,
        };
        let truth = match inputs.tables.get("truth").filter(|_| by == Selector::Truth) {
            Some(table) => {
                let id = RowId::shared(("scores", &schema), ("truth", &table.schema()))?;
                Some((truths(table, &id)?, id))
            }
            None => None,
        };
        let candidate_id = RowId::of(&schema);
        let worth = |row: Row<'_>, detection: Option<[f64; 5]>| {
            let confidence = detection.map_or(0.0, |detection| detection[0]);
            let worth = match (by, &truth) {
                (Selector::Random, _) => lot(inputs.seed, row, &candidate_id),
                (Selector::Truth, Some((truth, id))) => match truth.get(&id.key(row)) {
                    Some(truth) => *truth,
                    None => {
                        let about = described(row);
                        return Err(StageError::input(format!("{about}: it has no truth")));
                    }
                },
                _ if by.reads_detections() => confidence,
                _ => 0.0,
            };
            let looks = by.reads_detections() && sees;
            let is_sure = detection.is_some() && confidence >= self.params.min_confidence;
            Ok((worth, !looks || is_sure))
        };
        let detection = |row: Row<'_>| {
            let (found, id) = found.as_ref()?;
            found.get(&id.key(row)).copied()
        };
        let prompts = grouped(scores, detection, worth)?;
        let (pairs, rejected) = schemas(&schema, sees);
        let mut chosen = Table::builder(pairs.clone());
        let mut others = Table::builder(rejected.clone());
        for (line, candidates) in (1..).zip(prompts) {
            let choice = choice::choose(&self.params, &candidates);
            let ranks = choice::ranks(&candidates);
            for (index, candidate) in candidates.iter().enumerate() {
                let won = choice.winner == Some(index);
                let value = |name: &str| match name {
                    "line" => Value::Int(line),
                    "shortlisted" if won => Value::Int(choice.tied as i64),
                    "shortlisted" => Value::Bool(choice.shortlisted[index]),
                    "rank" => Value::Int(ranks[index]),
                    "reason" => Value::from(choice::reason(by, &candidates, &choice, index)),
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
