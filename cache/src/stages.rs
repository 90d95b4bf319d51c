//! Stages remembered as a whole, and under which names they were seen.
//!
//! A memo saves asking for the units one by one. It never decides what is right: forgetting one costs
//! lookups, nothing else. That is why it needs no sync.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::ledger::Durability;
use crate::outcomes::{finite, json};
use crate::{Digest, StageKey, Store, StoreError, Value};

/// What a stage came to.
#[derive(Debug, Clone, PartialEq)]
pub struct StageMemo {
    /// Each output's digest, by port.
    pub outputs: BTreeMap<String, Digest>,
    /// Each output's number of rows, by port.
    pub rows: BTreeMap<String, u64>,
    /// How many units it took.
    pub units: u64,
    /// What they cost, in seconds.
    pub seconds: f64,
    /// The value that the key is the digest of, for people.
    pub explanation: Value,
    /// The run that recorded it.
    pub run: String,
}

impl Store {
    /// What the stage of this key came to, if that is remembered.
    pub fn stage(&self, key: &StageKey) -> Result<Option<StageMemo>, StoreError> {
        self.ledger.read(|ledger| {
            ledger
                .prepare_cached(
                    "SELECT outputs, rows, units, seconds, explanation, run FROM stage WHERE key = ?1",
                )?
                .query_row([key.as_bytes()], |row| memo(row, 0))
                .optional()
        })
    }

    /// Remembers what a stage came to, and that `stage` of `pipeline` is it as of now.
    pub fn record_stage(
        &self,
        key: &StageKey,
        pipeline: &str,
        stage: &str,
        memo: &StageMemo,
    ) -> Result<(), StoreError> {
        let rows = serde_json::to_string(&memo.rows).map_err(|error| self.damaged(error))?;
        let outputs = serde_json::to_string(&memo.outputs).map_err(|error| self.damaged(error))?;
        self.ledger.write(Durability::Unsynced, |ledger| {
            ledger
                .prepare_cached(
                    "INSERT OR REPLACE INTO stage (key, outputs, rows, units, seconds, run, explanation)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    key.as_bytes(),
                    outputs,
                    rows,
                    memo.units,
                    finite(memo.seconds),
                    memo.run,
                    memo.explanation.to_json().to_string(),
                ])?;
            append(ledger, key, pipeline, stage)
        })
    }

    /// Notes that `stage` of `pipeline` is the stage of this key as of now. Writes nothing when it
    /// was so before.
    pub fn touch_stage(
        &self,
        key: &StageKey,
        pipeline: &str,
        stage: &str,
    ) -> Result<(), StoreError> {
        let newest = self.ledger.read(|ledger| newest(ledger, pipeline, stage))?;
        if newest == Some(*key) {
            return Ok(());
        }
        self.ledger.write(Durability::Unsynced, |ledger| {
            append(ledger, key, pipeline, stage)
        })
    }

    /// The newest memo that `stage` of `pipeline` has.
    pub fn latest_stage(
        &self,
        pipeline: &str,
        stage: &str,
    ) -> Result<Option<(StageKey, StageMemo)>, StoreError> {
        self.ledger.read(|ledger| {
            ledger
                .prepare_cached(
                    "SELECT stage.key, outputs, rows, units, seconds, explanation, run
                     FROM stage_history AS seen JOIN stage ON stage.key = seen.key
                     WHERE seen.pipeline = ?1 AND seen.stage = ?2
                     ORDER BY seen.id DESC LIMIT 1",
                )?
                .query_row([pipeline, stage], |row| {
                    Ok((StageKey::from_bytes(row.get(0)?), memo(row, 1)?))
                })
                .optional()
        })
    }

    /// Forgets a stage under every name: an output of it was lost.
    pub fn forget_stage(&self, key: &StageKey) -> Result<(), StoreError> {
        self.ledger.write(Durability::Unsynced, |ledger| {
            ledger.execute("DELETE FROM stage WHERE key = ?1", [key.as_bytes()])?;
            ledger.execute("DELETE FROM stage_history WHERE key = ?1", [key.as_bytes()])?;
            Ok(())
        })
    }
}

/// Which stage the name means now.
fn newest(ledger: &Connection, pipeline: &str, stage: &str) -> rusqlite::Result<Option<StageKey>> {
    ledger
        .prepare_cached(
            "SELECT key FROM stage_history WHERE pipeline = ?1 AND stage = ?2 ORDER BY id DESC LIMIT 1",
        )?
        .query_row([pipeline, stage], |row| row.get(0).map(StageKey::from_bytes))
        .optional()
}

/// Makes the name mean this stage, unless it does.
fn append(
    ledger: &Transaction<'_>,
    key: &StageKey,
    pipeline: &str,
    stage: &str,
) -> rusqlite::Result<()> {
    if newest(ledger, pipeline, stage)? == Some(*key) {
        return Ok(());
    }
    let at = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    ledger
        .prepare_cached(
            "INSERT INTO stage_history (pipeline, stage, key, at) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![pipeline, stage, key.as_bytes(), at])?;
    Ok(())
}

/// Reads a memo from the columns that begin at `first`.
fn memo(row: &Row<'_>, first: usize) -> rusqlite::Result<StageMemo> {
    Ok(StageMemo {
        outputs: json(row, first)?,
        rows: json(row, first + 1)?,
        units: row.get(first + 2)?,
        seconds: row.get(first + 3)?,
        explanation: json(row, first + 4)?,
        run: row.get(first + 5)?,
    })
}
