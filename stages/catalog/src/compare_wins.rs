//! `eval.winrate`: how often a variant's images score better than a baseline's.
//!
//! Scores are paired: the same prompt and seed, drawn by the variant and by the baseline. Each
//! difference is a win, a tie (within the band) or a loss. The mean difference comes with a
//! bootstrap interval that draws whole prompts, since images of one prompt are not independent; the
//! sign test says how surprising the split of wins and losses is. Only the intervals are units:
//! another tie band resamples nothing.

use std::collections::BTreeMap;
use std::fmt;

use ccsr_stage::{
    Batch, Bound, ColumnType, InputPort, Inputs, Misfit, Misfits, Outcome, OutputPort, Partition,
    PartitionOutcomes, Resolved, Roles, RowCounts, Schema, Schemas, Stage, StageError, StageKind,
    Table, Unit, Value,
};
use schemars::{JsonSchema, Schema as JsonType, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};

use crate::named_column::{
    any_table, distinct_names, named_column, numeric_column, one_or_several,
};
use crate::number_label::number_label;
use crate::statistics::{Bootstrap, misfits_of_bootstrap, sign_test};
use crate::world::rounded;

mod pairing;

use pairing::{Comparison, Verdict, compare, trimmed};

/// What `differences` says of a pair besides what was paired, by what, and with what.
const PAIR: [(&str, ColumnType); 7] = [
    ("score", ColumnType::Float),
    ("baseline_score", ColumnType::Float),
    ("difference", ColumnType::Float),
    ("result", ColumnType::Text),
    ("is_win", ColumnType::Bool),
    ("is_tie", ColumnType::Bool),
    ("is_loss", ColumnType::Bool),
];

/// Parameters of `eval.winrate`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// What the others are compared with: values of the column `variant`, such as `[base, sdxs]`,
    /// or `[0]` if variants are LoRA scales. All other values are compared with each of them.
    pub baselines: Vec<Level>,
    /// The column that says what drew a row's image: a name, or a LoRA scale.
    #[serde(default = "variant")]
    pub variant: String,
    /// The column of scores: numbers, or true and false, which are 1 and 0. More is better.
    #[serde(default = "score")]
    pub score: String,
    /// Several columns of scores in place of `score`, such as `[is_sound, class_right]`: the tables then say in `value` which
    /// one a row is about.
    #[serde(default)]
    pub scores: Vec<String>,
    /// The columns that two rows must share to be a pair.
    #[serde(default = "pair_by")]
    pub pair_by: Vec<String>,
    /// Those of them that name a cluster: pairs that share these are not independent, and the
    /// bootstrap draws them together. All of `pair_by`: each pair stands for itself.
    #[serde(default = "cluster_by")]
    pub cluster_by: Vec<String>,
    /// A difference of at most this is a tie. The paper's 0.01 is meant for cosines, not for scores
    /// of 0 to 100.
    #[serde(default = "tie_band")]
    pub tie_band: f64,
    /// How sure the interval of the mean difference is, `0.5..=0.999`.
    #[serde(default = "confidence")]
    pub confidence: f64,
    /// How often the bootstrap draws, `100..=1000000`.
    #[serde(default = "resamples")]
    pub resamples: u64,
    /// What the bootstrap draws with. The pipeline's seed is not looked at.
    #[serde(default)]
    pub seed: u64,
    /// What to do about a score without a counterpart: `error`, or `drop` and count it.
    #[serde(default)]
    pub missing: Missing,
}

fn variant() -> String {
    "variant".to_owned()
}

fn score() -> String {
    "score".to_owned()
}

fn pair_by() -> Vec<String> {
    ["prompt", "seed"].map(str::to_owned).into()
}

fn cluster_by() -> Vec<String> {
    vec!["prompt".to_owned()]
}

const fn tie_band() -> f64 {
    0.01
}

const fn confidence() -> f64 {
    0.95
}

const fn resamples() -> u64 {
    10_000
}

/// A value of the column of variants, as its text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Level(String);

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;

        impl Visitor<'_> for Scalar {
            type Value = Level;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Level, E> {
                Ok(Level(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Level, E> {
                Ok(Level(number.to_string()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Level, E> {
                Ok(Level(number.to_string()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Level, E> {
                Ok(Level(number_label(number)))
            }
        }

        deserializer.deserialize_any(Scalar)
    }
}

impl JsonSchema for Level {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Level".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> JsonType {
        json_schema!({"type": ["string", "number"]})
    }
}

/// What to do about a score without a counterpart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Fail, and name prompt and seed.
    #[default]
    Error,
    /// Leave it out.
    Drop,
}

/// The stage.
pub struct CompareWins {
    params: Params,
}

impl Params {
    /// The parameter that names the columns of scores, and the columns.
    const fn scores(&self) -> (&'static str, &[String]) {
        one_or_several(("score", &self.score), ("scores", self.scores.as_slice()))
    }

    /// What tells comparisons apart: of what, with what, and by which score if there are several.
    fn compared(&self, variant: ColumnType) -> Vec<(&'static str, ColumnType)> {
        let mut columns = vec![("variant", variant), ("baseline", variant)];
        if !self.scores.is_empty() {
            columns.push(("value", ColumnType::Text));
        }
        columns
    }

    fn compared_values(&self, comparison: &Comparison<'_>) -> Vec<Value> {
        let mut values = vec![comparison.variant.clone(), comparison.baseline.clone()];
        if !self.scores.is_empty() {
            values.push(Value::from(comparison.score));
        }
        values
    }
}

impl CompareWins {
    /// The unit of a comparison's interval; none, if there is nothing to draw from.
    fn unit(&self, comparison: &Comparison<'_>) -> Option<Unit> {
        let clusters = &comparison.clusters;
        let halves = [
            Value::list(clusters.iter().map(|(sum, _)| Value::Float(*sum))),
            Value::list(clusters.iter().map(|(_, count)| Value::Int(*count as i64))),
        ];
        let [sums, counts] = halves;
        let input = Value::map([
            ("sums", sums),
            ("counts", counts),
            ("resamples", Value::Int(self.params.resamples as i64)),
            ("confidence", Value::Float(self.params.confidence)),
            ("seed", Value::from(self.params.seed.to_string())),
        ]);
        (clusters.len() > 1).then(|| Unit::new(input))
    }

    /// A row of the table of win rates.
    fn row(&self, comparison: &Comparison<'_>, interval: Option<[f64; 2]>) -> Vec<Value> {
        let pairs = comparison.pairs.len() as u64;
        let counted = |wanted: Verdict| {
            let results = comparison.pairs.iter();
            results
                .filter(|pair| pair.result(self.params.tie_band) == wanted)
                .count() as u64
        };
        let [wins, ties, losses] = [Verdict::Win, Verdict::Tie, Verdict::Loss].map(counted);
        let share = |part: f64, of: u64| Value::from((of > 0).then(|| rounded(part / of as f64)));
        let sum: f64 = comparison.clusters.iter().map(|(sum, _)| sum).sum();
        let mean = (pairs > 0).then(|| trimmed(sum / pairs as f64));
        let count = |number: u64| Value::Int(number as i64);
        let mut row = self.params.compared_values(comparison);
        row.extend([
            count(pairs),
            count(comparison.clusters.len() as u64),
            count(comparison.unpaired),
            count(wins),
            count(ties),
            count(losses),
            share(wins as f64, pairs),
            share((wins + ties) as f64, pairs),
            share(wins as f64, wins + losses),
            share(wins as f64 - losses as f64, pairs),
            Value::from(mean),
            Value::from(interval.map(|ends| trimmed(ends[0]))),
            Value::from(interval.map(|ends| trimmed(ends[1]))),
            Value::Float(sign_test(wins, losses)),
        ]);
        row
    }

    /// Adds a comparison's pairs to the table of differences.
    fn differences(
        &self,
        comparison: &Comparison<'_>,
        table: &mut ccsr_stage::TableBuilder,
    ) -> Result<(), StageError> {
        for pair in &comparison.pairs {
            let shared = self.params.pair_by.iter();
            let shared = shared.map(|name| pair.row.find(name).cloned().unwrap_or_default());
            let result = pair.result(self.params.tie_band);
            let is = |verdict| Value::Bool(result == verdict);
            let own = [
                Value::Float(pair.score),
                Value::Float(pair.baseline),
                Value::Float(pair.difference()),
                Value::from(result.name()),
                is(Verdict::Win),
                is(Verdict::Tie),
                is(Verdict::Loss),
            ];
            let compared = self.params.compared_values(comparison);
            table.push(shared.chain(compared).chain(own))?;
        }
        Ok(())
    }
}

impl Stage for CompareWins {
    fn identity(&self) -> Value {
        crate::identity_of(&self.params)
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![any_table("scores")]
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let scores = inputs.get("scores").map(|schema| (**schema).clone());
        let scores = scores.unwrap_or_default();
        let variant = named_column("scores", &scores, "variant", &self.params.variant)?;
        let (parameter, names) = self.params.scores();
        for name in names {
            numeric_column("scores", &scores, parameter, name)?;
        }
        let compared = self.params.compared(variant);
        let counts = ["pairs", "clusters", "unpaired", "win", "tie", "loss"];
        let shares = [
            "win_rate",
            "win_or_tie_rate",
            "win_of_decided",
            "net_win",
            "mean_difference",
            "low",
            "high",
            "sign_p",
        ];
        let counts = counts.map(|name| (name, ColumnType::Int));
        let shares = shares.map(|name| (name, ColumnType::Float));
        let winrate = Schema::new(compared.iter().copied().chain(counts).chain(shares));
        let mut differences = Schema::default();
        for name in &self.params.pair_by {
            differences = differences.with(
                name.as_str(),
                named_column("scores", &scores, "pair_by", name)?,
            );
        }
        for (name, kind) in compared.into_iter().chain(PAIR) {
            differences = differences.with(name, kind);
        }
        Ok(vec![
            OutputPort::new("winrate", winrate),
            OutputPort::new("differences", differences),
        ])
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        let scores = rows.get("scores").copied().unwrap_or(0);
        let values = self.params.scores().1.len() as u64;
        let most = scores.saturating_mul(self.params.baselines.len() as u64 * values);
        Bound {
            units: most,
            rows: RowCounts::from([("winrate", most), ("differences", most)]),
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
        let comparisons = compare(&self.params, inputs.table("scores")?)?;
        Ok(comparisons.iter().filter_map(|c| self.unit(c)).collect())
    }

    fn batch(&self) -> usize {
        16
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let bootstrap = Bootstrap {
            resamples: self.params.resamples,
            confidence: self.params.confidence,
            seed: self.params.seed,
        };
        let outcome = |unit: &std::sync::Arc<Unit>| {
            let part = |name| unit.input.get(name).cloned().unwrap_or_default();
            let sums: Vec<f64> = part("sums").read()?;
            let counts: Vec<u64> = part("counts").read()?;
            let clusters: Vec<_> = sums.into_iter().zip(counts).collect();
            let ends = bootstrap.interval(&clusters).map(Value::Float);
            Ok(Outcome::of(Value::list(ends)))
        };
        batch.units.iter().map(outcome).collect()
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let scores = inputs.table("scores")?;
        let ports = self.outputs(&Schemas::from([("scores", scores.schema().into())]))?;
        let [winrate, differences] = [0, 1].map(|port: usize| ports[port].schema.clone());
        let mut winrate = Table::builder(winrate);
        let mut differences = Table::builder(differences);
        let mut intervals = outcomes.iter().flat_map(|partition| &partition.resolved);
        for comparison in compare(&self.params, scores)? {
            let interval = match self.unit(&comparison).and_then(|_| intervals.next()) {
                Some(resolved) => Some(resolved.outcome.read()?),
                None => None,
            };
            winrate.push(self.row(&comparison, interval))?;
            self.differences(&comparison, &mut differences)?;
        }
        Ok(BTreeMap::from([
            ("winrate", winrate.finish()),
            ("differences", differences.finish()),
        ]))
    }
}

impl StageKind for CompareWins {
    const NAME: &'static str = "eval.winrate";
    const SUMMARY: &'static str = "Counts how often a variant scores better than a baseline.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 2;
    type Params = Params;

    fn new(params: Params, _: &Roles) -> Result<Self, Misfits> {
        let mut misfits = misfits_of_bootstrap(params.confidence, params.resamples);
        if !(params.tie_band >= 0.0 && params.tie_band.is_finite()) {
            let message = format!(
                "`tie_band: {}` is not a number from 0 upwards",
                params.tie_band
            );
            misfits.add(Misfit::new(["tie_band"], message));
        }
        let baselines = params.baselines.iter().map(|level| level.0.as_str());
        misfits.add(distinct_names("baselines", baselines));
        if !params.scores.is_empty() {
            misfits.add(distinct_names(
                "scores",
                params.scores.iter().map(String::as_str),
            ));
        }
        misfits.add(distinct_names(
            "pair_by",
            params.pair_by.iter().map(String::as_str),
        ));
        misfits.add(distinct_names(
            "cluster_by",
            params.cluster_by.iter().map(String::as_str),
        ));
        let compared = params.compared(ColumnType::Text).into_iter();
        let differences: Vec<_> = compared.chain(PAIR).map(|(name, _)| name).collect();
        for (index, name) in params.pair_by.iter().enumerate() {
            let path = ["pair_by", &index.to_string()];
            if *name == params.variant || params.scores().1.contains(name) {
                let message = format!("`{name}` differs within a pair: it is no column to pair by");
                misfits.add(Misfit::new(path, message));
            } else if differences.contains(&name.as_str()) {
                let message = format!(
                    "`{name}` is what a column of the table `differences` is called; give the \
                     column of the scores another name"
                );
                misfits.add(Misfit::new(path, message));
            }
        }
        for (index, name) in params.cluster_by.iter().enumerate() {
            if !params.pair_by.contains(name) {
                let there = params.pair_by.join(", ");
                let message = format!("`{name}` is not one of `pair_by`, which are {there}");
                misfits.add(Misfit::new(["cluster_by", &index.to_string()], message));
            }
        }
        misfits.check()?;
        Ok(Self { params })
    }
}

#[cfg(test)]
mod tests;
