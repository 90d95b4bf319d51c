//! `test.resources`: units that need one of two resources in turn.

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
    /// The resource that does not load. Not in any key.
    broken: String,
}

pub(crate) struct Resources(Params);

/// Occupies ten bytes, as it says.
struct Network(String);

impl Resource for Network {
    fn bytes(&self) -> u64 {
        10
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn schema() -> Schema {
    Schema::new([("word", ColumnType::Text), ("seen_by", ColumnType::Text)])
}

impl Stage for Resources {
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
            let resource = if row.index() % 2 == 0 {
                "left"
            } else {
                "right"
            };
            let input = Value::map([
                ("word", row.value("word")?.clone()),
                ("eye", Value::from(resource)),
            ]);
            Ok(Unit::new(input).with_resource(resource))
        };
        inputs.table("rows")?.rows().map(unit).collect()
    }

    fn load(
        &self,
        resource: &str,
        environment: &Environment,
    ) -> Result<Arc<dyn Resource>, StageError> {
        note(environment, &format!("load {resource}\t\n"));
        if self.0.broken == resource {
            return Err(StageError::failed(format!("`{resource}` is broken")));
        }
        Ok(Arc::new(Network(resource.to_owned())))
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let label = |unit: &Unit| text(&unit.input, "word");
        each::<Self>(batch, self.0.pause_ms, label, |unit| {
            let network = batch.resource::<Network>()?;
            assert_eq!(network.0, text(&unit.input, "eye"));
            Ok(Outcome::of(Value::from(network.0.as_str())))
        })
    }

    fn collect(&self, inputs: &Inputs<'_>, outcomes: &[PartitionOutcomes]) -> Tables {
        let rows = inputs.table("rows")?.rows().zip(&outcomes[0].resolved);
        let cells =
            rows.map(|(row, one)| vec![row.value("word").unwrap().clone(), one.outcome.clone()]);
        one_table(schema(), cells)
    }
}

impl StageKind for Resources {
    const NAME: &'static str = "test.resources";
    const SUMMARY: &'static str = "Two eyes.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &ccsr_stage::Roles) -> Result<Self, Misfits> {
        Ok(Self(params))
    }
}
