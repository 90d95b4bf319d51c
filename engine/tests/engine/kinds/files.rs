//! `test.files`: blobs with the names that the parameters give them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Params {
    files: BTreeMap<String, String>,
}

pub(crate) struct Files(Params);

fn schema() -> Schema {
    Schema::new([("file", ColumnType::Text), ("image", ColumnType::Image)])
}

impl Stage for Files {
    fn identity(&self) -> Value {
        let files = self.0.files.iter();
        Value::map(files.map(|(name, text)| (name.as_str(), Value::from(text.as_str()))))
    }

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        Ok(vec![OutputPort::new("rows", schema())])
    }

    fn bound(&self, _: &RowCounts) -> Bound {
        let count = self.0.files.len() as u64;
        Bound::new(count, "rows", count)
    }

    fn units(
        &self,
        _: &Inputs<'_>,
        _: &Partition,
        so_far: &[Resolved],
    ) -> Result<Vec<Unit>, StageError> {
        if !so_far.is_empty() {
            return Ok(Vec::new());
        }
        let unit = |text: &String| Unit::new(Value::from(text.as_str()));
        Ok(self.0.files.values().map(unit).collect())
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let text = |unit: &Unit| unit.input.as_text().unwrap().to_owned();
        each::<Self>(batch, 0, text, |unit| {
            Ok(Outcome::of_blob(text(unit).into_bytes()))
        })
    }

    fn collect(&self, _: &Inputs<'_>, outcomes: &[PartitionOutcomes]) -> Tables {
        let rows = self.0.files.keys().zip(&outcomes[0].resolved);
        let cells = rows.map(|(name, one)| vec![Value::from(name.as_str()), one.outcome.clone()]);
        one_table(schema(), cells)
    }
}

impl StageKind for Files {
    const NAME: &'static str = "test.files";
    const SUMMARY: &'static str = "Named blobs.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &ccsr_stage::Roles) -> Result<Self, Misfits> {
        Ok(Self(params))
    }
}
