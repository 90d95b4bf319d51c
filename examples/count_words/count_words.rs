//! `prompt.count-words`: how many words each prompt has.

use std::collections::BTreeMap;
use std::sync::Arc;

use ccsr_stage::{
    Batch, Bound, ColumnType, InputPort, Inputs, Misfits, Outcome, OutputPort, Partition,
    PartitionOutcomes, Resolved, Roles, RowCounts, Schemas, Stage, StageError, StageKind, Table,
    Unit, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `prompt.count-words`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// Words shorter than this, in letters, are not counted.
    pub at_least: usize,
}

impl Default for Params {
    fn default() -> Self {
        Self { at_least: 1 }
    }
}

/// The stage.
pub struct CountWords(Params);

impl StageKind for CountWords {
    const NAME: &'static str = "prompt.count-words";
    const SUMMARY: &'static str = "Counts the words of each prompt.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &Roles) -> Result<Self, Misfits> {
        Ok(Self(params))
    }
}

impl Stage for CountWords {
    /// Everything but tables, sources and roles that the result depends on.
    fn identity(&self) -> Value {
        Value::of(&self.0).expect("numbers become values")
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::new("prompts", [("prompt", ColumnType::Text)])]
    }

    /// The input's columns and one more.
    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let schema = inputs
            .get("prompts")
            .map(|schema| (**schema).clone())
            .unwrap_or_default();
        Ok(vec![OutputPort::new(
            "prompts",
            schema.with("words", ColumnType::Int),
        )])
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        let rows = rows.get("prompts").copied().unwrap_or(0);
        Bound::new(rows, "prompts", rows)
    }

    /// One unit a prompt. Its input is everything that its outcome depends on, and its key.
    fn units(
        &self,
        inputs: &Inputs<'_>,
        _: &Partition,
        so_far: &[Resolved],
    ) -> Result<Vec<Unit>, StageError> {
        if !so_far.is_empty() {
            return Ok(Vec::new());
        }
        let unit = |row: ccsr_stage::Row<'_>| {
            let prompt = Value::from(row.text("prompt")?);
            let at_least = Value::Int(self.0.at_least as i64);
            Ok(Unit::new(Value::map([
                ("prompt", prompt),
                ("at_least", at_least),
            ])))
        };
        inputs.table("prompts")?.rows().map(unit).collect()
    }

    /// The only place where work is done: here a model would run.
    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let long = |word: &&str| word.chars().count() >= self.0.at_least;
        let count = |unit: &Arc<Unit>| {
            let prompt = unit
                .input
                .get("prompt")
                .and_then(Value::as_text)
                .unwrap_or_default();
            Ok(Outcome::of(Value::Int(
                prompt.split_whitespace().filter(long).count() as i64,
            )))
        };
        batch.units.iter().map(count).collect()
    }

    /// The output table, from the outcomes in the order in which the units were asked for.
    fn collect(
        &self,
        inputs: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let prompts = inputs.table("prompts")?;
        let mut table = Table::builder(prompts.schema().with("words", ColumnType::Int));
        let counts = outcomes.iter().flat_map(|partition| &partition.resolved);
        for (row, count) in prompts.rows().zip(counts) {
            table.push(row.values().cloned().chain([count.outcome.clone()]))?;
        }
        Ok(BTreeMap::from([("prompts", table.finish())]))
    }
}
