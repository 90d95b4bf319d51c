//! Outcomes: what actions came to, by their keys.
//!
//! An outcome is a value; what it means is not known here. Whether the blobs it names are still there
//! is not checked either: whoever reads one finds out, and asks [`Store::producers`] whom to blame.

use std::collections::BTreeSet;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::ledger::Durability;
use crate::{ActionKey, Digest, RunId, Store, StoreError, Value};

/// An outcome that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// What the action came to.
    pub outcome: Value,
    /// What it cost, in seconds.
    pub seconds: f64,
    /// The run that committed it.
    pub run: String,
}

/// An outcome to be remembered.
#[derive(Debug, Clone, Copy)]
pub struct Commit<'a> {
    /// The action.
    pub key: ActionKey,
    /// Its kind, as it entered the key.
    pub kind: &'a str,
    /// Its revision, as it entered the key.
    pub revision: u32,
    /// Its input, as it entered the key.
    pub input: &'a Value,
    /// What it came to.
    pub outcome: &'a Value,
    /// What it cost, in seconds; nothing, if that is not finite.
    pub seconds: f64,
}

impl Store {
    /// The outcomes of `keys`, in order; `None` for a miss.
    pub fn lookup(&self, keys: &[ActionKey]) -> Result<Vec<Option<Stored>>, StoreError> {
        self.ledger.read(|ledger| {
            let mut select = ledger.prepare_cached(
                "SELECT outcome, seconds, run FROM unit WHERE key = ?1 AND valid",
            )?;
            keys.iter()
                .map(|key| {
                    let read = |row: &Row<'_>| {
                        Ok(Stored {
                            outcome: json(row, 0)?,
                            seconds: row.get(1)?,
                            run: row.get(2)?,
                        })
                    };
                    select.query_row([key.as_bytes()], read).optional()
                })
                .collect()
        })
    }

    /// Remembers outcomes, all or none, durably, and releases this process's leases on their keys.
    ///
    /// The first outcome of a key stays, and a second one is only counted, unless the first was
    /// invalidated: then the second takes its place. The blobs that outcomes name must have been put
    /// before.
    pub fn commit(&self, run: &RunId, commits: &[Commit<'_>]) -> Result<(), StoreError> {
        if commits.is_empty() {
            return self.must_write();
        }
        self.ledger.write(Durability::Synced, |ledger| {
            for commit in commits {
                insert(ledger, run, commit)?;
            }
            let keys = commits.iter().map(|commit| &commit.key);
            self.owner.release(ledger, &self.layout, keys)
        })
    }

    /// How often the outcome of `key` was committed; 0 for a miss. More than once means that two
    /// processes did the same work.
    pub fn commits(&self, key: &ActionKey) -> Result<u64, StoreError> {
        self.ledger.read(|ledger| {
            let mut select =
                ledger.prepare_cached("SELECT commits FROM unit WHERE key = ?1 AND valid")?;
            let count: Option<u64> = select
                .query_row([key.as_bytes()], |row| row.get(0))
                .optional()?;
            Ok(count.unwrap_or(0))
        })
    }

    /// Kind, revision and input of the action, as they entered its key, if it was ever committed.
    pub fn input_of(&self, key: &ActionKey) -> Result<Option<(String, u32, Value)>, StoreError> {
        self.ledger.read(|ledger| {
            ledger
                .prepare_cached("SELECT kind, revision, input FROM unit WHERE key = ?1")?
                .query_row([key.as_bytes()], |row| {
                    Ok((row.get(0)?, row.get(1)?, json(row, 2)?))
                })
                .optional()
        })
    }

    /// The actions whose outcomes name `blob`, invalidated ones included, oldest first.
    pub fn producers(&self, blob: &Digest) -> Result<Vec<ActionKey>, StoreError> {
        self.ledger.read(|ledger| {
            ledger
                .prepare_cached(
                    "SELECT key FROM produced JOIN unit ON unit.id = unit WHERE blob = ?1 ORDER BY unit",
                )?
                .query_map([blob.as_bytes()], |row| row.get(0).map(ActionKey::from_bytes))?
                .collect()
        })
    }

    /// Makes the outcomes of `keys` count no longer, because a blob of theirs was lost: the next
    /// commit replaces them.
    pub fn invalidate(&self, keys: &[ActionKey]) -> Result<(), StoreError> {
        self.ledger.write(Durability::Unsynced, |ledger| {
            let mut update = ledger.prepare_cached("UPDATE unit SET valid = 0 WHERE key = ?1")?;
            for key in keys {
                update.execute([key.as_bytes()])?;
            }
            Ok(())
        })
    }
}

fn insert(ledger: &Transaction<'_>, run: &RunId, commit: &Commit<'_>) -> rusqlite::Result<()> {
    let present: Option<(i64, bool, Value)> = ledger
        .prepare_cached("SELECT id, valid, outcome FROM unit WHERE key = ?1")?
        .query_row([commit.key.as_bytes()], |row| {
            Ok((row.get(0)?, row.get(1)?, json(row, 2)?))
        })
        .optional()?;
    match present {
        Some((unit, true, _)) => {
            ledger
                .prepare_cached("UPDATE unit SET commits = commits + 1 WHERE id = ?1")?
                .execute([unit])?;
            Ok(())
        }
        Some((unit, false, old)) => {
            let mut unlink =
                ledger.prepare_cached("DELETE FROM produced WHERE blob = ?1 AND unit = ?2")?;
            for blob in old.blobs() {
                unlink.execute(params![blob.as_bytes(), unit])?;
            }
            ledger
                .prepare_cached(
                    "UPDATE unit SET valid = 1, seconds = ?2, run = ?3, outcome = ?4 WHERE id = ?1",
                )?
                .execute(params![
                    unit,
                    finite(commit.seconds),
                    run.as_str(),
                    commit.outcome.to_json().to_string()
                ])?;
            link(ledger, unit, commit.outcome)
        }
        None => {
            ledger
                .prepare_cached(
                    "INSERT INTO unit (key, seconds, run, kind, revision, outcome, input)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    commit.key.as_bytes(),
                    finite(commit.seconds),
                    run.as_str(),
                    commit.kind,
                    commit.revision,
                    commit.outcome.to_json().to_string(),
                    commit.input.to_json().to_string(),
                ])?;
            link(ledger, ledger.last_insert_rowid(), commit.outcome)
        }
    }
}

/// Notes which blobs the outcome of a unit names.
fn link(ledger: &Transaction<'_>, unit: i64, outcome: &Value) -> rusqlite::Result<()> {
    let blobs: BTreeSet<Digest> = outcome.blobs().into_iter().collect();
    let mut insert = ledger.prepare_cached("INSERT INTO produced (blob, unit) VALUES (?1, ?2)")?;
    for blob in blobs {
        insert.execute(params![blob.as_bytes(), unit])?;
    }
    Ok(())
}

/// Whether an outcome of `key` counts.
pub(crate) fn is_done(ledger: &Connection, key: &ActionKey) -> rusqlite::Result<bool> {
    ledger
        .prepare_cached("SELECT 1 FROM unit WHERE key = ?1 AND valid")?
        .exists([key.as_bytes()])
}

/// A duration that the ledger can hold: it has no word for what is not a number.
pub(crate) fn finite(seconds: f64) -> f64 {
    if seconds.is_finite() { seconds } else { 0.0 }
}

/// Reads a column that holds JSON.
pub(crate) fn json<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}
