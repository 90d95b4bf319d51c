//! `test.chain`: each unit holds the outcome before it, as training does. How long the chain is
//! enters no unit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Params {
    length: i64,
    /// Enters the key and changes nothing.
    note: String,
    /// Not in any key.
    pause_ms: u64,
}

pub(crate) struct Chain(Params);

fn schema() -> Schema {
    Schema::new([("word", ColumnType::Int), ("image", ColumnType::Blob)])
}

impl Stage for Chain {
    fn identity(&self) -> Value {
        Value::map([
            ("length", Value::Int(self.0.length)),
            ("note", Value::from(self.0.note.as_str())),
        ])
    }

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        Ok(vec![OutputPort::new("rows", schema())])
    }

    fn bound(&self, _: &RowCounts) -> Bound {
        Bound::new(self.0.length as u64, "rows", 1)
    }

    fn units(
        &self,
        _: &Inputs<'_>,
        _: &Partition,
        so_far: &[Resolved],
    ) -> Result<Vec<Unit>, StageError> {
        if so_far.len() as i64 >= self.0.length {
            return Ok(Vec::new());
        }
        let before = so_far.last().map(|resolved| resolved.outcome.clone());
        Ok(vec![Unit::new(Value::map([
            ("step", Value::Int(so_far.len() as i64 + 1)),
            ("before", before.unwrap_or_default()),
        ]))])
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let step = |unit: &Unit| unit.input.get("step").and_then(Value::as_int).unwrap();
        let label = |unit: &Unit| format!("step {}", step(unit));
        each::<Self>(batch, self.0.pause_ms, label, |unit| {
            let mut bytes = match unit.input.get("before").and_then(Value::as_blob) {
                Some(before) => batch.blobs.read(&before)?,
                None => Vec::new(),
            };
            bytes.extend(format!("{};", step(unit)).bytes());
            Ok(Outcome::of_blob(bytes))
        })
    }

    fn collect(&self, _: &Inputs<'_>, outcomes: &[PartitionOutcomes]) -> Tables {
        let links = &outcomes[0].resolved;
        let last = links.last();
        let row = last.map(|last| vec![Value::Int(links.len() as i64), last.outcome.clone()]);
        one_table(schema(), row)
    }
}

impl StageKind for Chain {
    const NAME: &'static str = "test.chain";
    const SUMMARY: &'static str = "One after the other.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &ccsr_stage::Roles) -> Result<Self, Misfits> {
        Ok(Self(params))
    }
}
