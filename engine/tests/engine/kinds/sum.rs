//! `test.sum`: the sum of the lengths. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Params {
    /// Enters the key and changes nothing.
    note: String,
}

pub(crate) struct Sum(Params);

fn schema() -> Schema {
    Schema::new([("length", ColumnType::Int)])
}

impl Stage for Sum {
    fn identity(&self) -> Value {
        Value::map([("note", Value::from(self.0.note.as_str()))])
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::new("rows", [("length", ColumnType::Int)])]
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        Ok(vec![OutputPort::new("rows", schema())])
    }

    fn bound(&self, _: &RowCounts) -> Bound {
        Bound::new(0, "rows", 1)
    }

    fn collect(&self, inputs: &Inputs<'_>, _: &[PartitionOutcomes]) -> Tables {
        let lengths = inputs.table("rows")?.rows().map(|row| row.int("length"));
        let total: i64 = lengths.sum::<Result<_, _>>()?;
        one_table(schema(), [vec![Value::Int(total)]])
    }
}

impl StageKind for Sum {
    const NAME: &'static str = "test.sum";
    const SUMMARY: &'static str = "The sum.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &ccsr_stage::Roles) -> Result<Self, Misfits> {
        Ok(Self(params))
    }
}
