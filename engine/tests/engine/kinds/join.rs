//! `test.join`: a unit for each pair of rows of two tables.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Params {}

pub(crate) struct Join;

fn schema() -> Schema {
    Schema::new([("word", ColumnType::Text), ("length", ColumnType::Int)])
}

impl Stage for Join {
    fn identity(&self) -> Value {
        Value::Null
    }

    fn inputs(&self) -> Vec<InputPort> {
        let port = |name| InputPort::new(name, [("word", ColumnType::Text)]);
        vec![port("left"), port("right")]
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        Ok(vec![
            OutputPort::new("rows", schema()),
            OutputPort::new("pairs", Schema::new([("count", ColumnType::Int)])),
        ])
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        let pairs = rows["left"] * rows["right"];
        let rows = RowCounts::from([("rows", pairs), ("pairs", 1)]);
        Bound { units: pairs, rows }
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
        let mut units = Vec::new();
        for left in inputs.table("left")?.rows() {
            for right in inputs.table("right")?.rows() {
                let (left, right) = (left.text("word")?, right.text("word")?);
                units.push(Unit::new(Value::map([
                    ("left", Value::from(left)),
                    ("right", Value::from(right)),
                ])));
            }
        }
        Ok(units)
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let joined = |unit: &Unit| {
            format!(
                "{}+{}",
                text(&unit.input, "left"),
                text(&unit.input, "right")
            )
        };
        each::<Self>(batch, 0, joined, |unit| {
            Ok(Outcome::of(Value::from(joined(unit))))
        })
    }

    fn collect(&self, _: &Inputs<'_>, outcomes: &[PartitionOutcomes]) -> Tables {
        let rows = outcomes[0].resolved.iter().map(|one| {
            let length = one.outcome.as_text().unwrap().len();
            vec![one.outcome.clone(), Value::Int(length as i64)]
        });
        let mut tables = one_table(schema(), rows)?;
        let mut pairs = Table::builder(Schema::new([("count", ColumnType::Int)]));
        pairs.push([Value::Int(outcomes[0].resolved.len() as i64)])?;
        tables.insert("pairs", pairs.finish());
        Ok(tables)
    }
}

impl StageKind for Join {
    const NAME: &'static str = "test.join";
    const SUMMARY: &'static str = "Each with each.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(_: Params, _: &ccsr_stage::Roles) -> Result<Self, Misfits> {
        Ok(Self)
    }
}
