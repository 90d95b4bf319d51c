//! `test.retry`: asks for words until it has so many different ones. Attempts are keyed by the slot
//! that the word is for and the number of the attempt.

use std::collections::BTreeMap as Map;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Params {
    count: i64,
    /// Words are the numbers below this.
    words: i64,
    /// Enters the key and changes nothing.
    note: String,
    /// Not in any key.
    pause_ms: u64,
}

pub(crate) struct Retry(Params);

fn schema() -> Schema {
    Schema::new([("word", ColumnType::Text), ("attempts", ColumnType::Int)])
}

/// The word that an attempt gives.
pub(crate) fn picked(slot: i64, attempt: i64, words: i64) -> String {
    let digest = Digest::of(format!("{slot}/{attempt}").as_bytes());
    (i64::from(digest.as_bytes()[0]) % words).to_string()
}

impl Retry {
    /// The word of each slot that has one, and the attempts that each slot took.
    fn standing(so_far: &[Resolved]) -> (Map<i64, String>, Map<i64, i64>) {
        let (mut words, mut attempts) = (Map::new(), Map::new());
        for resolved in so_far {
            let slot = resolved.unit.input.get("slot").unwrap().as_int().unwrap();
            let word = resolved.outcome.as_text().unwrap().to_owned();
            *attempts.entry(slot).or_default() += 1;
            if !words.values().any(|known| *known == word) {
                words.insert(slot, word);
            }
        }
        (words, attempts)
    }
}

impl Stage for Retry {
    fn identity(&self) -> Value {
        Value::map([
            ("count", Value::Int(self.0.count)),
            ("words", Value::Int(self.0.words)),
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
        Bound::new(self.0.count as u64 * 100, "rows", self.0.count as u64)
    }

    fn units(
        &self,
        _: &Inputs<'_>,
        _: &Partition,
        so_far: &[Resolved],
    ) -> Result<Vec<Unit>, StageError> {
        let (words, attempts) = Self::standing(so_far);
        let open = (0..self.0.count).filter(|slot| !words.contains_key(slot));
        let unit = |slot: i64| {
            Unit::new(Value::map([
                ("slot", Value::Int(slot)),
                (
                    "attempt",
                    Value::Int(attempts.get(&slot).copied().unwrap_or(0)),
                ),
                ("words", Value::Int(self.0.words)),
            ]))
        };
        Ok(open.map(unit).collect())
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let int = |unit: &Unit, name| unit.input.get(name).and_then(Value::as_int).unwrap();
        let label = |unit: &Unit| format!("{}/{}", int(unit, "slot"), int(unit, "attempt"));
        each::<Self>(batch, self.0.pause_ms, label, |unit| {
            let word = picked(int(unit, "slot"), int(unit, "attempt"), int(unit, "words"));
            Ok(Outcome::of(Value::from(word)))
        })
    }

    fn collect(&self, _: &Inputs<'_>, outcomes: &[PartitionOutcomes]) -> Tables {
        let (words, attempts) = Self::standing(&outcomes[0].resolved);
        let rows = words.into_iter();
        let rows = rows.map(|(slot, word)| vec![Value::from(word), Value::Int(attempts[&slot])]);
        one_table(schema(), rows)
    }
}

impl StageKind for Retry {
    const NAME: &'static str = "test.retry";
    const SUMMARY: &'static str = "Asks again.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &ccsr_stage::Roles) -> Result<Self, Misfits> {
        Ok(Self(params))
    }
}
