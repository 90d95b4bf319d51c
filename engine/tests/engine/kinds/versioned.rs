//! `test.versioned`: one unit, in as many revisions as a test needs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Params {}

/// The stage kind at revision `R`, whose tables are at revision `T`.
pub(crate) struct Versioned<const R: u32, const T: u32>;

fn schema() -> Schema {
    Schema::new([("word", ColumnType::Text)])
}

impl<const R: u32, const T: u32> Stage for Versioned<R, T> {
    fn identity(&self) -> Value {
        Value::Null
    }

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        Ok(vec![OutputPort::new("rows", schema())])
    }

    fn bound(&self, _: &RowCounts) -> Bound {
        Bound::new(1, "rows", 1)
    }

    fn units(
        &self,
        _: &Inputs<'_>,
        _: &Partition,
        so_far: &[Resolved],
    ) -> Result<Vec<Unit>, StageError> {
        let one = so_far.is_empty().then(|| Unit::new(Value::from("unit")));
        Ok(one.into_iter().collect())
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        each::<Self>(
            batch,
            0,
            |_| format!("r{R}"),
            |_| Ok(Outcome::of(Value::from(format!("r{R}")))),
        )
    }

    fn collect(&self, _: &Inputs<'_>, outcomes: &[PartitionOutcomes]) -> Tables {
        let outcome = outcomes[0].resolved[0].outcome.as_text().unwrap();
        one_table(schema(), [vec![Value::from(format!("{outcome} t{T}"))]])
    }
}

impl<const R: u32, const T: u32> StageKind for Versioned<R, T> {
    const NAME: &'static str = "test.versioned";
    const SUMMARY: &'static str = "One unit.";
    const REVISION: u32 = R;
    const TABLE_REVISION: u32 = T;
    type Params = Params;

    fn new(_: Params, _: &ccsr_stage::Roles) -> Result<Self, Misfits> {
        Ok(Self)
    }
}
