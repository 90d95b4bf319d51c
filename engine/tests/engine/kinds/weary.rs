//! `test.weary`: a unit a row that may fail a few times, not fit into memory, or take long.

use std::collections::HashMap;
use std::sync::Mutex;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Params {
    /// Each word's unit fails so often before it succeeds.
    flaky: u32,
    /// Larger batches do not fit into memory.
    fits: usize,
    /// What it says when it is refused is about its input.
    stubborn: bool,
    pause_ms: u64,
    /// Waits, as for an external program, until the batch's time is over.
    waits: bool,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            flaky: 0,
            fits: usize::MAX,
            stubborn: false,
            pause_ms: 0,
            waits: false,
        }
    }
}

pub(crate) struct Weary {
    params: Params,
    failures: Mutex<HashMap<String, u32>>,
}

/// By log: batches at work now, and the most there ever were.
static AT_WORK: Mutex<BTreeMap<String, (u64, u64)>> = Mutex::new(BTreeMap::new());

/// The most batches that were at work at a time in a place with this log.
pub(crate) fn peak(log: &Path) -> u64 {
    AT_WORK.lock().unwrap()[&*log.to_string_lossy()].1
}

fn schema() -> Schema {
    Schema::new([("word", ColumnType::Text)])
}

impl Weary {
    fn outcome(&self, unit: &Unit) -> Result<Outcome, StageError> {
        let word = text(&unit.input, "word");
        let mut failures = self.failures.lock().unwrap();
        let failed = failures.entry(word.clone()).or_default();
        if *failed < self.params.flaky {
            *failed += 1;
            return Err(if self.params.stubborn {
                StageError::input("it cannot be")
            } else {
                StageError::failed("not now")
            });
        }
        Ok(Outcome::of(Value::from(word)))
    }
}

impl Stage for Weary {
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
        let rows = inputs.table("rows")?.rows();
        rows.map(|row| {
            Ok(Unit::new(Value::map([(
                "word",
                Value::from(row.text("word")?),
            )])))
        })
        .collect()
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let device = &batch.environment.device;
        {
            let mut all = AT_WORK.lock().unwrap();
            let (now, peak) = all.entry(device.clone()).or_default();
            *now += 1;
            *peak = (*peak).max(*now);
        }
        let results = if batch.units.len() > self.params.fits {
            let short = || StageError::OutOfMemory(format!("{} are too many", batch.units.len()));
            batch.units.iter().map(|_| Err(short())).collect()
        } else {
            let label = |unit: &Unit| text(&unit.input, "word");
            each::<Self>(batch, self.params.pause_ms, label, |unit| {
                if self.params.waits {
                    while !batch.limits.is_late() {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    return Err(StageError::TimedOut("it was ended".to_owned()));
                }
                self.outcome(unit)
            })
        };
        AT_WORK.lock().unwrap().get_mut(device).unwrap().0 -= 1;
        results
    }

    fn collect(&self, _: &Inputs<'_>, outcomes: &[PartitionOutcomes]) -> Tables {
        let resolved = outcomes.iter().flat_map(|part| &part.resolved);
        one_table(
            schema(),
            resolved.map(|resolved| vec![resolved.outcome.clone()]),
        )
    }

    fn describe(&self, unit: &Unit) -> Option<String> {
        Some(format!("the word `{}`", text(&unit.input, "word")))
    }
}

impl StageKind for Weary {
    const NAME: &'static str = "test.weary";
    const SUMMARY: &'static str = "Does not succeed at once.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &ccsr_stage::Roles) -> Result<Self, Misfits> {
        let failures = Mutex::default();
        Ok(Self { params, failures })
    }
}
