//! Stages remembered as a whole, and under which names they were seen.
//!
//! A memo saves asking for the units one by one. It never decides what is right: forgetting one costs
//! lookups, nothing else. That is why it needs no sync, and why one that decayed is passed over.

use std::collections::{BTreeMap, HashSet};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, Row, ToSql, Transaction, params};

use crate::ledger::Durability;
use crate::outcomes::finite;
use crate::seal::{Seal, seal};
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
        let found = self.ledger.read(|ledger| {
            ledger
                .prepare_cached(
                    "SELECT outputs, rows, units, explanation, seal, seconds, run
                     FROM stage WHERE key = ?1",
                )?
                .query_row([key.as_bytes()], |row| Ok(memo(row, key)))
                .optional()
        })?;
        Ok(found.flatten())
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
        let explanation = memo.explanation.to_text();
        self.ledger.write(Durability::Unsynced, |ledger| {
            ledger
                .prepare_cached(
                    "INSERT OR REPLACE INTO stage (key, outputs, rows, units, seconds, run, seal, explanation)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute(params![
                    key.as_bytes(),
                    outputs,
                    rows,
                    memo.units,
                    finite(memo.seconds),
                    memo.run,
                    seal_of(key, &outputs, &rows, memo.units, &explanation),
                    explanation,
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
        self.ledger.read(|ledger| latest(ledger, pipeline, stage))
    }

    /// The newest memo of each of these stages of `pipeline`, in order: for many stages much faster
    /// than one by one.
    pub fn latest_stages(
        &self,
        pipeline: &str,
        stages: &[&str],
    ) -> Result<Vec<Option<(StageKey, StageMemo)>>, StoreError> {
        self.ledger.read(|ledger| {
            let latest = |stage: &&str| latest(ledger, pipeline, stage);
            stages.iter().map(latest).collect()
        })
    }

    /// The newest memos of `stage` of `pipeline`, newest first, at most `limit`.
    pub fn stage_history(
        &self,
        pipeline: &str,
        stage: &str,
        limit: usize,
    ) -> Result<Vec<StageMemo>, StoreError> {
        self.memos(
            "WHERE seen.pipeline = ?1 AND seen.stage = ?2",
            &[&pipeline, &stage],
            limit,
        )
    }

    /// The newest memos under whatever name, newest first, at most `limit`.
    pub fn recent_stages(&self, limit: usize) -> Result<Vec<StageMemo>, StoreError> {
        self.memos("", &[], limit)
    }

    /// Memos in the order of the history, newest first. Those that decayed are passed over.
    fn memos(
        &self,
        which: &str,
        named: &[&dyn ToSql],
        limit: usize,
    ) -> Result<Vec<StageMemo>, StoreError> {
        let query = format!(
            "SELECT outputs, rows, units, explanation, seal, seconds, run, seen.key
             FROM stage_history AS seen JOIN stage ON stage.key = seen.key
             {which} ORDER BY seen.id DESC LIMIT {limit}"
        );
        let mut memos = self.ledger.read(|ledger| {
            let mut select = ledger.prepare_cached(&query)?;
            let mut rows = select.query(named)?;
            let mut memos = Vec::new();
            while let Some(row) = rows.next()? {
                if let Ok(key) = row.get(7).map(StageKey::from_bytes)
                    && let Some(memo) = memo(row, &key)
                {
                    memos.push((key, memo));
                }
            }
            Ok(memos)
        })?;
        // A name that meant the same stage twice has it twice in its history.
        let mut seen = HashSet::new();
        memos.retain(|(key, _)| seen.insert(*key));
        Ok(memos.into_iter().map(|(_, memo)| memo).collect())
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

/// The newest memo that the name has; those that decayed are passed over.
fn latest(
    ledger: &Connection,
    pipeline: &str,
    stage: &str,
) -> rusqlite::Result<Option<(StageKey, StageMemo)>> {
    let mut select = ledger.prepare_cached(
        "SELECT outputs, rows, units, explanation, seal, seconds, run, seen.key
         FROM stage_history AS seen JOIN stage ON stage.key = seen.key
         WHERE seen.pipeline = ?1 AND seen.stage = ?2
         ORDER BY seen.id DESC",
    )?;
    let mut rows = select.query([pipeline, stage])?;
    while let Some(row) = rows.next()? {
        if let Ok(key) = row.get(7).map(StageKey::from_bytes)
            && let Some(memo) = memo(row, &key)
        {
            return Ok(Some((key, memo)));
        }
    }
    Ok(None)
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

/// The key and the content of a whole row of `stage`; nothing, if it decayed.
pub(crate) fn sealed(row: &Row<'_>) -> Option<(StageKey, StageMemo)> {
    let key = StageKey::from_bytes(row.get("key").ok()?);
    Some((key, memo(row, &key)?))
}

/// Whether a whole row of `stage` is what was written.
pub(crate) fn is_sealed(row: &Row<'_>) -> bool {
    sealed(row).is_some_and(|(key, memo)| StageKey::of(&memo.explanation) == key)
}

/// What the columns `outputs`, `rows`, `units`, `explanation`, `seal`, `seconds` and `run` say about
/// `key`; nothing, if they decayed.
fn memo(row: &Row<'_>, key: &StageKey) -> Option<StageMemo> {
    let text = |name| row.get_ref(name).ok()?.as_str().ok();
    let (outputs, rows, explanation) = (text("outputs")?, text("rows")?, text("explanation")?);
    let units = row.get("units").ok()?;
    let sealed: Seal = row.get("seal").ok()?;
    if sealed != seal_of(key, outputs, rows, units, explanation) {
        return None;
    }
    Some(StageMemo {
        outputs: serde_json::from_str(outputs).ok()?,
        rows: serde_json::from_str(rows).ok()?,
        units,
        seconds: finite(row.get("seconds").ok()?),
        explanation: serde_json::from_str(explanation).ok()?,
        run: row.get("run").ok()?,
    })
}

fn seal_of(key: &StageKey, outputs: &str, rows: &str, units: u64, explanation: &str) -> Seal {
    seal([
        key.as_bytes(),
        outputs.as_bytes(),
        rows.as_bytes(),
        &units.to_le_bytes(),
        explanation.as_bytes(),
    ])
}
