//! `test.sum`: the sum of the lengths, of those of a second table, too, if there is one. Pure.

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
        let port = |name| InputPort::new(name, [("length", ColumnType::Int)]);
        vec![port("rows"), port("more").optional()]
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        Ok(vec![OutputPort::new("rows", schema())])
    }

    fn bound(&self, _: &RowCounts) -> Bound {
        Bound::new(0, "rows", 1)
    }

    fn collect(&self, inputs: &Inputs<'_>, _: &[PartitionOutcomes]) -> Tables {
        let more = inputs.tables.get("more");
        let rows = [inputs.table("rows")?].into_iter().chain(more);
        let lengths = rows.flat_map(|table| table.rows().map(|row| row.int("length")));
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
