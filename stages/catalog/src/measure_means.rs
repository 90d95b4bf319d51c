//! `eval.mean`: the mean of a column, group by group, with an interval: scores over LoRA scales, as a curve.
//!
//! Pure, and the interval is that of `eval.winrate`: a bootstrap that draws whole prompts, since images of one prompt
//! are not independent.

use std::collections::{BTreeMap, HashMap};

use ccsr_stage::{
    Bound, ColumnType, InputPort, Inputs, Misfit, Misfits, OutputPort, PartitionOutcomes, Roles,
    RowCounts, Schema, Schemas, Stage, StageError, StageKind, Table, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::named_column::{
    any_table, distinct_names, named_column, number_of, numeric_column, one_or_several,
};
use crate::statistics::{Bootstrap, misfits_of_bootstrap};

/// What is said of a group.
const NUMBERS: [(&str, ColumnType); 5] = [
    ("rows", ColumnType::Int),
    ("clusters", ColumnType::Int),
    ("mean", ColumnType::Float),
    ("low", ColumnType::Float),
    ("high", ColumnType::Float),
];

/// Parameters of `eval.mean`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// The column whose mean is taken; truth values count as 0 and 1.
    pub value: String,
    /// The columns whose values make groups, such as `[scale]`.
    pub by: Vec<String>,
    /// The columns that name a cluster: rows that share these are not independent, and the bootstrap draws them
    /// together.
    pub cluster_by: Vec<String>,
    /// How sure the interval is, `0.5..=0.999`.
    pub confidence: f64,
    /// How often the bootstrap draws, `100..=1000000`.
    pub resamples: u64,
    /// What it draws with. The pipeline's seed is not looked at.
    pub seed: u64,
    // What follows came later: it is left out of keys while it says what was done before.
    /// Several columns in place of `value`: each has rows of its own, and a column `value` says which it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            value: "score".to_owned(),
            by: vec!["scale".to_owned()],
            cluster_by: vec!["prompt".to_owned()],
            confidence: 0.95,
            resamples: 10_000,
            seed: 0,
            values: Vec::new(),
        }
    }
}

/// The stage.
pub struct MeasureMeans {
    params: Params,
}

/// What is known of a group: sum and number of each cluster.
#[derive(Default)]
struct Group {
    values: Vec<Value>,
    clusters: BTreeMap<Vec<u8>, (f64, u64)>,
}

impl MeasureMeans {
    /// The columns whose means are taken, and the parameter that names them.
    fn values(&self) -> (&'static str, &[String]) {
        let params = &self.params;
        one_or_several(("value", &params.value), ("values", &params.values))
    }

    fn schema(&self, scores: &Schema) -> Result<Schema, StageError> {
        let params = &self.params;
        let (parameter, values) = self.values();
        for name in values {
            numeric_column("rows", scores, parameter, name)?;
        }
        for name in &params.cluster_by {
            named_column("rows", scores, "cluster_by", name)?;
        }
        let mut schema = Schema::default();
        for name in &params.by {
            schema = schema.with(name.as_str(), named_column("rows", scores, "by", name)?);
        }
        if !params.values.is_empty() {
            schema = schema.with("value", ColumnType::Text);
        }
        for (name, kind) in NUMBERS {
            schema = schema.with(name, kind);
        }
        Ok(schema)
    }

    fn row(&self, group: &Group) -> Vec<Value> {
        let clusters: Vec<_> = group.clusters.values().copied().collect();
        let (sum, count) = clusters.iter().fold((0.0, 0), |(sum, count), cluster| {
            (sum + cluster.0, count + cluster.1)
        });
        let bootstrap = Bootstrap {
            resamples: self.params.resamples,
            confidence: self.params.confidence,
            seed: self.params.seed,
        };
        let interval = (clusters.len() > 1).then(|| bootstrap.interval(&clusters));
        let end = |index: usize| Value::from(interval.map(|ends| ends[index]));
        let mut row = group.values.clone();
        row.extend([
            Value::Int(count as i64),
            Value::Int(clusters.len() as i64),
            Value::Float(sum / count as f64),
            end(0),
            end(1),
        ]);
        row
    }
}

impl Stage for MeasureMeans {
    fn identity(&self) -> Value {
        crate::identity_of(&self.params)
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![any_table("rows")]
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let rows = inputs.get("rows").map(|schema| (**schema).clone());
        let schema = self.schema(&rows.unwrap_or_default())?;
        Ok(vec![OutputPort::new("means", schema)])
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        let rows = rows.get("rows").copied().unwrap_or(0);
        let values = self.values().1.len() as u64;
        Bound::new(0, "means", rows.saturating_mul(values))
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        _: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let rows = inputs.table("rows")?;
        let mut groups: Vec<Group> = Vec::new();
        let mut positions = HashMap::new();
        for (number, row) in (1..).zip(rows.rows()) {
            let values = |names: &[String]| {
                let found = names
                    .iter()
                    .map(|name| row.find(name).cloned().unwrap_or_default());
                found.collect::<Vec<_>>()
            };
            let cluster = Value::list(values(&self.params.cluster_by)).canonical();
            for name in self.values().1 {
                let Some(value) = number_of(row.value(name)?) else {
                    return Err(StageError::input(format!(
                        "row {number} has no number in `{name}`"
                    )));
                };
                let mut of = values(&self.params.by);
                if !self.params.values.is_empty() {
                    of.push(Value::from(name.as_str()));
                }
                let key = Value::list(of.clone()).canonical();
                let position = *positions.entry(key).or_insert_with(|| {
                    groups.push(Group {
                        values: of,
                        ..Group::default()
                    });
                    groups.len() - 1
                });
                let sums = groups[position].clusters.entry(cluster.clone());
                let sums = sums.or_default();
                sums.0 += value;
                sums.1 += 1;
            }
        }
        let mut means = Table::builder(self.schema(&rows.schema())?);
        for group in &groups {
            means.push(self.row(group))?;
        }
        Ok(BTreeMap::from([("means", means.finish())]))
    }
}

impl StageKind for MeasureMeans {
    const NAME: &'static str = "eval.mean";
    const SUMMARY: &'static str = "Takes means group by group, with intervals.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &Roles) -> Result<Self, Misfits> {
        let mut misfits = misfits_of_bootstrap(params.confidence, params.resamples);
        let value = (!params.values.is_empty()).then_some("value");
        let numbers = NUMBERS.iter().map(|(name, _)| *name).chain(value);
        if let Some(name) = numbers
            .into_iter()
            .find(|name| params.by.iter().any(|by| by == name))
        {
            let message = format!("`{name}` is what this stage calls a column of its own");
            misfits.add(Misfit::new(["by"], message));
        }
        if !params.values.is_empty() {
            misfits.add(distinct_names(
                "values",
                params.values.iter().map(String::as_str),
            ));
        }
        misfits.check()?;
        Ok(Self { params })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ccsr_stage::testing::Lab;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::samples::{check, misfits, rows, run, table};

    fn scores() -> Arc<Table> {
        let columns = [
            ("prompt", ColumnType::Text),
            ("scale", ColumnType::Float),
            ("score", ColumnType::Float),
            ("shown", ColumnType::Bool),
        ];
        let row = |prompt: &str, scale: f64, score: f64| json!({"prompt": prompt, "scale": scale, "score": score, "shown": score > 0.25});
        let rows = [
            row("a", 0.0, 0.2),
            row("a", 0.0, 0.3),
            row("b", 0.0, 0.1),
            row("a", 0.5, 0.4),
            row("b", 0.5, 0.4),
        ];
        table(&columns, &rows)
    }

    #[test]
    fn means_come_group_by_group_with_their_intervals() {
        let scores = scores();
        let ran = check::<MeasureMeans>(&json!({}), &Lab::new(1), &[("rows", &scores)]);
        let found = rows(ran.table("means"));
        let number = |row: usize, name: &str| found[row][name].as_f64().unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (&found[0]["rows"], &found[0]["clusters"]),
            (&json!(3), &json!(2))
        );
        assert!((number(0, "mean") - 0.2).abs() < 1e-12);
        // Of two prompts, a resample has one alone or both: means from 0.1 to 0.25.
        assert!((number(0, "low") - 0.1).abs() < 1e-12 && (number(0, "high") - 0.25).abs() < 1e-12);
        for name in ["mean", "low", "high"] {
            assert!((number(1, name) - 0.4).abs() < 1e-12, "{name}");
        }
        let shares = run(
            &Lab::new(1),
            "eval.mean",
            &json!({"value": "shown"}),
            &[("rows", &scores)],
        )
        .unwrap();
        let shares = rows(shares.table("means"));
        assert!((shares[0]["mean"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn several_columns_have_rows_of_their_own() {
        let scores = scores();
        let with = json!({"values": ["shown", "score"]});
        let both = check::<MeasureMeans>(&with, &Lab::new(1), &[("rows", &scores)]);
        let both = rows(both.table("means"));
        assert_eq!(both.len(), 4, "two scales, two columns");
        for (index, value) in ["shown", "score"].into_iter().enumerate() {
            let with = json!({"value": value});
            let one = run(&Lab::new(1), "eval.mean", &with, &[("rows", &scores)]).unwrap();
            for (scale, mut one) in rows(one.table("means")).into_iter().enumerate() {
                one["value"] = json!(value);
                assert_eq!(both[scale * 2 + index], one);
            }
        }
    }

    #[test]
    fn one_prompt_has_no_interval() {
        let scores = scores();
        let with = json!({"cluster_by": []});
        let ran = run(&Lab::new(1), "eval.mean", &with, &[("rows", &scores)]).unwrap();
        assert_eq!(rows(ran.table("means"))[0]["low"], Json::Null);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let scores = scores();
        let says = |with: Json| {
            let ran = run(&Lab::new(1), "eval.mean", &with, &[("rows", &scores)]);
            ran.err().unwrap()
        };
        assert!(says(json!({"value": "scor"})).contains("did you mean `score`?"));
        assert!(says(json!({"value": "prompt"})).contains("`prompt` holds text; expected numbers"));
        assert!(says(json!({"by": ["rank"]})).contains("no column `rank`, which `by` names"));
        let said = misfits::<MeasureMeans>(&json!({"by": ["mean"], "confidence": 2}));
        assert_eq!(said.len(), 2, "{said:?}");
        let twice = json!({"values": ["score", "score"], "by": ["value"]});
        assert_eq!(
            misfits::<MeasureMeans>(&twice),
            [
                "by: `value` is what this stage calls a column of its own",
                "values.1: `score` stands twice in `values`"
            ]
        );
        assert!(says(json!({"values": ["score", "scor"]})).contains("which `values` names"));
    }
}
