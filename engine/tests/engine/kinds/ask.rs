//! `test.ask`: a unit a row, which asks the suite's `judge`.

use ccsr_stage::RoleKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct NoParams {}

pub(crate) struct Ask {
    judge: Arc<str>,
    identity: Value,
}

fn schema() -> Schema {
    Schema::new([("answer", ColumnType::Text)])
}

impl Stage for Ask {
    fn identity(&self) -> Value {
        Value::Null
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
            Ok(Unit::new(Value::map([
                ("word", row.value("word")?.clone()),
                ("judge", self.identity.clone()),
            ])))
        };
        inputs.table("rows")?.rows().map(unit).collect()
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let label = |unit: &Unit| format!("{} says {}", self.judge, text(&unit.input, "word"));
        each::<Self>(batch, 0, label, |unit| {
            Ok(Outcome::of(Value::from(label(unit))))
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

impl StageKind for Ask {
    const NAME: &'static str = "test.ask";
    const SUMMARY: &'static str = "Asks the judge.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    const ROLES: &'static [&'static str] = &["judge"];
    type Params = NoParams;

    fn new(_: NoParams, roles: &ccsr_stage::Roles) -> Result<Self, Misfits> {
        Ok(Self {
            judge: roles.get::<Arc<str>>("judge")?,
            identity: roles.identity(),
        })
    }
}

/// A judge without settings.
pub(crate) struct Plain;

impl RoleKind for Plain {
    const ROLE: &'static str = "judge";
    const NAME: &'static str = "plain";
    const REVISION: u32 = 1;
    type Params = NoParams;
    type Object = Arc<str>;

    fn new(_: NoParams, _: &Value) -> Result<Arc<str>, Misfits> {
        Ok(Arc::from("plain"))
    }
}

/// A judge with settings.
pub(crate) struct Moody;

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Mood {
    mood: String,
    #[serde(default)]
    level: u8,
}

impl RoleKind for Moody {
    const ROLE: &'static str = "judge";
    const NAME: &'static str = "moody";
    const REVISION: u32 = 1;
    type Params = Mood;
    type Object = Arc<str>;

    fn new(params: Mood, _: &Value) -> Result<Arc<str>, Misfits> {
        Ok(Arc::from(format!("{} {}", params.mood, params.level)))
    }
}
