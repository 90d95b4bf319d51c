//! From a table of scores to the paired differences of each variant and baseline.

use std::collections::HashMap;

use ccsr_stage::{Row, StageError, Table, Value};

use super::{Missing, Params};
use crate::named_column::number_of;
use crate::number_label::number_label;
use crate::row_id::shortened;

/// What tells a row from others, column by column.
type Key = Vec<String>;

/// A variant beside a baseline.
pub(super) struct Comparison<'a> {
    pub(super) variant: &'a Value,
    pub(super) baseline: &'a Value,
    /// The column of the scores.
    pub(super) score: &'a str,
    pub(super) pairs: Vec<Pair<'a>>,
    /// How many scores of either had no counterpart and were left out.
    pub(super) unpaired: u64,
    /// Sum and number of the differences of each cluster.
    pub(super) clusters: Vec<(f64, u64)>,
}

/// A score of the variant and the baseline's for the same prompt and seed.
pub(super) struct Pair<'a> {
    pub(super) row: Row<'a>,
    pub(super) score: f64,
    pub(super) baseline: f64,
}

impl Pair<'_> {
    /// The variant's score less the baseline's: 0.01 for 0.32 and 0.31, although binary has neither.
    pub(super) fn difference(&self) -> f64 {
        trimmed(self.score - self.baseline)
    }

    /// Which of the two is better, if one is by more than the band.
    pub(super) fn result(&self, tie_band: f64) -> Verdict {
        match self.difference() {
            difference if difference > tie_band => Verdict::Win,
            difference if difference < -tie_band => Verdict::Loss,
            _ => Verdict::Tie,
        }
    }
}

/// What became of a pair, from the variant's side.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Win,
    Tie,
    Loss,
}

impl Verdict {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Win => "win",
            Self::Tie => "tie",
            Self::Loss => "loss",
        }
    }
}

/// The scores of one variant, or of one baseline, in the table's order.
struct Group<'a> {
    label: String,
    value: &'a Value,
    scores: Vec<(Key, Row<'a>, f64)>,
    positions: HashMap<Key, usize>,
}

impl Group<'_> {
    fn score(&self, key: &Key) -> Option<f64> {
        self.positions.get(key).map(|at| self.scores[*at].2)
    }
}

/// Every variant beside every baseline, score by score: baselines as the parameters name them, variants in order of
/// first appearance.
pub(super) fn compare<'a>(
    params: &'a Params,
    table: &'a Table,
) -> Result<Vec<Comparison<'a>>, StageError> {
    let mut comparisons = Vec::new();
    for score in params.scores().1 {
        comparisons.extend(compare_by(params, table, score)?);
    }
    Ok(comparisons)
}

fn compare_by<'a>(
    params: &Params,
    table: &'a Table,
    score: &'a str,
) -> Result<Vec<Comparison<'a>>, StageError> {
    let groups = groups(params, table, score)?;
    let is_baseline = |group: &&Group<'_>| params.baselines.iter().any(|b| b.0 == group.label);
    let variants: Vec<_> = groups.iter().filter(|g| !is_baseline(g)).collect();
    if variants.is_empty() && !table.is_empty() {
        return Err(StageError::input(format!(
            "every row is of a baseline: the column `{}` names no other, so there is nothing to \
             compare",
            params.variant
        )));
    }
    let mut comparisons = Vec::new();
    for baseline in &params.baselines {
        let found = groups.iter().find(|group| group.label == baseline.0);
        let Some(found) = found else {
            if table.is_empty() {
                continue;
            }
            let there: Vec<_> = groups.iter().map(|g| format!("`{}`", g.label)).collect();
            return Err(StageError::input(format!(
                "no row is of the baseline `{}`: the column `{}` has {}",
                baseline.0,
                params.variant,
                there.join(", ")
            )));
        };
        for variant in &variants {
            comparisons.push(comparison(params, score, variant, found)?);
        }
    }
    Ok(comparisons)
}

/// The rows by their variant.
fn groups<'a>(
    params: &Params,
    table: &'a Table,
    score: &str,
) -> Result<Vec<Group<'a>>, StageError> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for row in table.rows() {
        let value = row.value(&params.variant)?;
        let label = cell(row, &params.variant)?;
        let at = *known.entry(label.clone()).or_insert_with(|| {
            groups.push(Group {
                label,
                value,
                scores: Vec::new(),
                positions: HashMap::new(),
            });
            groups.len() - 1
        });
        let key: Key = params
            .pair_by
            .iter()
            .map(|name| cell(row, name))
            .collect::<Result<_, _>>()?;
        let group = &mut groups[at];
        let Some(score) = number_of(row.value(score)?) else {
            return Err(StageError::input(format!(
                "{}: the score of `{}` is not a number",
                described(params, &key),
                group.label
            )));
        };
        if group
            .positions
            .insert(key.clone(), group.scores.len())
            .is_some()
        {
            return Err(StageError::input(format!(
                "{}: `{}` has two scores; name in `pair_by` what tells them apart",
                described(params, &key),
                group.label
            )));
        }
        group.scores.push((key, row, score));
    }
    Ok(groups)
}

fn comparison<'a>(
    params: &Params,
    score: &'a str,
    variant: &Group<'a>,
    baseline: &Group<'a>,
) -> Result<Comparison<'a>, StageError> {
    let lacks = |key: &Key, has: &Group<'_>, lacks: &Group<'_>| {
        StageError::input(format!(
            "{}: `{}` has a score and `{}` has none; set `missing: drop` to leave out what has no \
             counterpart",
            described(params, key),
            has.label,
            lacks.label
        ))
    };
    let strict = params.missing == Missing::Error;
    let mut pairs = Vec::new();
    let mut clusters: Vec<(f64, u64)> = Vec::new();
    let mut known: HashMap<Vec<&str>, usize> = HashMap::new();
    for (key, row, score) in &variant.scores {
        let Some(other) = baseline.score(key) else {
            if strict {
                return Err(lacks(key, variant, baseline));
            }
            continue;
        };
        let pair = Pair {
            row: *row,
            score: *score,
            baseline: other,
        };
        let at = *known.entry(cluster(params, key)).or_insert_with(|| {
            clusters.push((0.0, 0));
            clusters.len() - 1
        });
        clusters[at].0 += pair.difference();
        clusters[at].1 += 1;
        pairs.push(pair);
    }
    if strict
        && let Some((key, ..)) = baseline
            .scores
            .iter()
            .find(|(key, ..)| variant.score(key).is_none())
    {
        return Err(lacks(key, baseline, variant));
    }
    Ok(Comparison {
        variant: variant.value,
        baseline: baseline.value,
        score,
        unpaired: (variant.scores.len() + baseline.scores.len() - 2 * pairs.len()) as u64,
        pairs,
        clusters,
    })
}

/// Those parts of a key that name its cluster.
fn cluster<'k>(params: &Params, key: &'k Key) -> Vec<&'k str> {
    let named = params.pair_by.iter().zip(key);
    named
        .filter(|(name, _)| params.cluster_by.contains(name))
        .map(|(_, part)| part.as_str())
        .collect()
}

/// The text of a cell, to compare with others of its column.
fn cell(row: Row<'_>, column: &str) -> Result<String, StageError> {
    match row.value(column)? {
        Value::Null => Err(StageError::input(format!(
            "row {}: there is no value in the column `{column}`",
            row.index() + 1
        ))),
        Value::Text(text) => Ok(text.to_string()),
        Value::Float(number) => Ok(number_label(*number)),
        other => Ok(other.to_text()),
    }
}

/// A difference to twelve decimals, which is finer than any score and coarser than what taking the
/// difference of two decimals in binary leaves behind.
pub(super) fn trimmed(difference: f64) -> f64 {
    let trimmed = (difference * 1e12).round() / 1e12;
    if trimmed.is_finite() {
        trimmed
    } else {
        difference
    }
}

/// What is paired, in a person's words: `prompt "Wide shot of …", seed 3`.
fn described(params: &Params, key: &Key) -> String {
    let part = |(name, text): (&String, &String)| {
        if text.parse::<f64>().is_ok() {
            format!("{name} {text}")
        } else {
            format!("{name} \"{}\"", shortened(text))
        }
    };
    let parts: Vec<_> = params.pair_by.iter().zip(key).map(part).collect();
    parts.join(", ")
}
