//! `test.read`: a unit a row, which reads the row's blob.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Params {
    /// Enters every unit.
    salt: String,
}

pub(crate) struct Read(Params);

fn schema() -> Schema {
    Schema::new([("text", ColumnType::Text)])
}

impl Stage for Read {
    fn identity(&self) -> Value {
        Value::map([("salt", Value::from(self.0.salt.as_str()))])
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::new("rows", [("image", ColumnType::Blob)])]
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        Ok(vec![OutputPort::new("rows", schema())])
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        one_each(rows)
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
        let unit = |row: ccsr_stage::Row<'_>| {
            Ok(Unit::new(Value::map([
                ("image", Value::Blob(row.blob("image")?)),
                ("salt", Value::from(self.0.salt.as_str())),
            ])))
        };
        inputs.table("rows")?.rows().map(unit).collect()
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let label = |_: &Unit| "read".to_owned();
        each::<Self>(batch, 0, label, |unit| {
            let image = unit.input.get("image").and_then(Value::as_blob).unwrap();
            let content = String::from_utf8(batch.blobs.read(&image)?).unwrap();
            let text = content + &text(&unit.input, "salt");
            Ok(Outcome::of(Value::from(text)))
        })
    }

    fn collect(&self, _: &Inputs<'_>, outcomes: &[PartitionOutcomes]) -> Tables {
        let resolved = &outcomes[0].resolved;
        one_table(
            schema(),
            resolved.iter().map(|one| vec![one.outcome.clone()]),
        )
    }
}

impl StageKind for Read {
    const NAME: &'static str = "test.read";
    const SUMMARY: &'static str = "What the blobs say.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &ccsr_stage::Roles) -> Result<Self, Misfits> {
        Ok(Self(params))
    }
}
