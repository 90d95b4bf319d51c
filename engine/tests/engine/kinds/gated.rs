//! `test.gated`: a second question about a word, only if the first was answered yes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Params {
    /// Enters the key and changes nothing.
    note: String,
    /// Not in any key.
    pause_ms: u64,
}

pub(crate) struct Gated(Params);

fn schema() -> Schema {
    Schema::new([
        ("word", ColumnType::Text),
        ("even", ColumnType::Bool),
        ("half", ColumnType::Int),
    ])
}

fn question(question: &str, word: &str) -> Unit {
    Unit::new(Value::map([
        ("question", Value::from(question)),
        ("word", Value::from(word)),
    ]))
}

impl Stage for Gated {
    fn identity(&self) -> Value {
        Value::map([("note", Value::from(self.0.note.as_str()))])
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::new("rows", [("word", ColumnType::Text)])]
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        Ok(vec![OutputPort::new("rows", schema())])
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        Bound::new(2 * rows["rows"], "rows", rows["rows"])
    }

    fn partitions(&self, inputs: &Inputs<'_>) -> Result<Vec<Partition>, StageError> {
        let rows = inputs.table("rows")?.rows();
        rows.map(|row| Ok(Partition::new(row.index(), row.text("word")?)))
            .collect()
    }

    fn units(
        &self,
        _: &Inputs<'_>,
        partition: &Partition,
        so_far: &[Resolved],
    ) -> Result<Vec<Unit>, StageError> {
        let word = &partition.name;
        Ok(match so_far {
            [] => vec![question("even", word)],
            [first] if first.outcome == Value::Bool(true) => vec![question("half", word)],
            _ => Vec::new(),
        })
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let label = |unit: &Unit| {
            format!(
                "{} {}",
                text(&unit.input, "question"),
                text(&unit.input, "word")
            )
        };
        each::<Self>(batch, self.0.pause_ms, label, |unit| {
            let length = text(&unit.input, "word").len() as i64;
            Ok(Outcome::of(match text(&unit.input, "question").as_str() {
                "even" => Value::Bool(length % 2 == 0),
                _ => Value::Int(length / 2),
            }))
        })
    }

    fn collect(&self, _: &Inputs<'_>, outcomes: &[PartitionOutcomes]) -> Tables {
        let row = |part: &PartitionOutcomes| {
            let answer = |index: usize| {
                let resolved = part.resolved.get(index);
                resolved.map(|one| one.outcome.clone()).unwrap_or_default()
            };
            vec![Value::from(&*part.partition.name), answer(0), answer(1)]
        };
        one_table(schema(), outcomes.iter().map(row))
    }
}

impl StageKind for Gated {
    const NAME: &'static str = "test.gated";
    const SUMMARY: &'static str = "Asks on.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &ccsr_stage::Roles) -> Result<Self, Misfits> {
        Ok(Self(params))
    }
}
