//! Outcomes: what actions came to, by their keys.
//!
//! An outcome is a value; what it means is not known here. Its row is sealed: one that decayed is a
//! miss, here and for leases alike. Whether the blobs that an outcome names are still there is not
//! checked: whoever reads one finds out, and asks [`Store::producers`] whom to blame.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Row, Statement, Transaction, params};

use crate::ledger::Durability;
use crate::seal::{Seal, seal};
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

/// An action that was committed.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// Its revision, as it entered the key.
    pub revision: u32,
    /// Its input, as it entered the key.
    pub input: Value,
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
            let mut select = ledger.prepare_cached(COUNTING)?;
            keys.iter().map(|key| counting(&mut select, key)).collect()
        })
    }

    /// Remembers outcomes, all or none, durably, and releases this process's leases on their keys.
    /// The answer is what stands now, in order: `None` if it is what was committed, else the outcome
    /// that was there before.
    ///
    /// The first outcome of a key stays, and a second one is only counted, unless the first was
    /// invalidated or decayed: then the second takes its place. The blobs that outcomes name must
    /// have been put before.
    pub fn commit(
        &self,
        run: &RunId,
        commits: &[Commit<'_>],
    ) -> Result<Vec<Option<Value>>, StoreError> {
        if commits.is_empty() {
            return self.must_write().map(|()| Vec::new());
        }
        self.ledger.write(Durability::Synced, |ledger| {
            let standing = commits
                .iter()
                .map(|commit| insert(ledger, run, commit))
                .collect::<Result<_, _>>()?;
            let keys = commits.iter().map(|commit| &commit.key);
            self.owner.release(ledger, &self.layout, keys)?;
            Ok(standing)
        })
    }

    /// How often the outcome of `key` was committed; 0 for a miss. More than once means that two
    /// processes did the same work.
    pub fn commits(&self, key: &ActionKey) -> Result<u64, StoreError> {
        self.ledger.read(|ledger| {
            let present = present(ledger, key)?.filter(Present::counts);
            Ok(present.map_or(0, |present| present.commits))
        })
    }

    /// The mean cost of the outcomes of `kind` that were committed last, in seconds; `None` if there
    /// are none among the newest outcomes.
    pub fn seconds_a_unit(&self, kind: &str) -> Result<Option<f64>, StoreError> {
        self.ledger.read(|ledger| {
            ledger
                .prepare_cached(
                    "SELECT avg(seconds) FROM unit
                     WHERE id > (SELECT coalesce(max(id), 0) FROM unit) - ?2 AND kind = ?1",
                )?
                .query_row(params![kind, REMEMBERED], |row| row.get(0))
        })
    }

    /// Kind, revision and input of the action, as they entered its key, if it was ever committed.
    pub fn input_of(&self, key: &ActionKey) -> Result<Option<(String, u32, Value)>, StoreError> {
        let found = self.ledger.read(|ledger| {
            ledger
                .prepare_cached("SELECT kind, revision, input FROM unit WHERE key = ?1")?
                .query_row([key.as_bytes()], |row| Ok(action(row)))
                .optional()
        })?;
        // The key is their digest, and so their seal.
        Ok(found
            .flatten()
            .filter(|(kind, revision, input)| ActionKey::of(kind, *revision, input) == *key))
    }

    /// The actions of a kind that were committed last, newest first, at most `limit`. Those that
    /// cannot be read are passed over.
    pub fn recent_actions(&self, kind: &str, limit: usize) -> Result<Vec<Action>, StoreError> {
        self.ledger.read(|ledger| {
            let mut select = ledger.prepare_cached(
                "SELECT kind, revision, input, run FROM unit WHERE kind = ?1 ORDER BY id DESC LIMIT ?2",
            )?;
            let mut rows = select.query(params![kind, limit])?;
            let mut actions = Vec::new();
            while let Some(row) = rows.next()? {
                if let Some((_, revision, input)) = action(row)
                    && let Ok(run) = row.get(3)
                {
                    actions.push(Action { revision, input, run });
                }
            }
            Ok(actions)
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

/// How many outcomes, the newest, [`Store::seconds_a_unit`] looks at.
const REMEMBERED: i64 = 20_000;

/// Commits one outcome. The answer is the outcome that stands instead.
fn insert(
    ledger: &Transaction<'_>,
    run: &RunId,
    commit: &Commit<'_>,
) -> rusqlite::Result<Option<Value>> {
    let outcome = commit.outcome.to_text();
    let input = commit.input.to_text();
    let sealed = seal_of(&commit.key, &outcome);
    let inserted = ledger
        .prepare_cached(
            "INSERT INTO unit (key, seconds, run, kind, revision, seal, outcome, input)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (key) DO NOTHING",
        )?
        .execute(params![
            commit.key.as_bytes(),
            finite(commit.seconds),
            run.as_str(),
            commit.kind,
            commit.revision,
            sealed,
            outcome,
            input,
        ])?;
    if inserted > 0 {
        link(ledger, ledger.last_insert_rowid(), commit.outcome.blobs())?;
        return Ok(None);
    }
    let present = present(ledger, &commit.key)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    if present.counts() {
        ledger
            .prepare_cached("UPDATE unit SET commits = ?2 WHERE id = ?1")?
            .execute(params![present.unit, present.commits.saturating_add(1)])?;
        let stands = present.stored.map(|stored| stored.outcome);
        return Ok(stands.filter(|stands| stands != commit.outcome));
    }
    unlink(ledger, &present)?;
    ledger
        .prepare_cached(
            "UPDATE unit SET valid = 1, commits = ?2, seconds = ?3, run = ?4, kind = ?5,
             revision = ?6, seal = ?7, outcome = ?8, input = ?9 WHERE id = ?1",
        )?
        .execute(params![
            present.unit,
            present.commits,
            finite(commit.seconds),
            run.as_str(),
            commit.kind,
            commit.revision,
            sealed,
            outcome,
            input,
        ])?;
    link(ledger, present.unit, commit.outcome.blobs())?;
    Ok(None)
}

/// Notes which blobs the outcome of a unit names.
fn link(
    ledger: &Transaction<'_>,
    unit: i64,
    blobs: impl IntoIterator<Item = Digest>,
) -> rusqlite::Result<()> {
    let mut insert =
        ledger.prepare_cached("INSERT OR IGNORE INTO produced (blob, unit) VALUES (?1, ?2)")?;
    for blob in blobs {
        insert.execute(params![blob.as_bytes(), unit])?;
    }
    Ok(())
}

/// Forgets which blobs the outcome of a unit named.
fn unlink(ledger: &Transaction<'_>, present: &Present) -> rusqlite::Result<()> {
    let Some(old) = &present.stored else {
        // Nobody knows which they were, so all of the table is searched.
        return ledger
            .execute("DELETE FROM produced WHERE unit = ?1", [present.unit])
            .map(drop);
    };
    let mut delete = ledger.prepare_cached("DELETE FROM produced WHERE blob = ?1 AND unit = ?2")?;
    for blob in old.outcome.blobs() {
        delete.execute(params![blob.as_bytes(), present.unit])?;
    }
    Ok(())
}

/// Whether an outcome of `key` counts. It must say what [`Store::lookup`] says: a unit that is
/// neither found nor to be had would be waited for for ever.
pub(crate) fn is_done(ledger: &Connection, key: &ActionKey) -> rusqlite::Result<bool> {
    let mut select = ledger.prepare_cached(COUNTING)?;
    Ok(counting(&mut select, key)?.is_some())
}

/// Selects what [`stored`] reads.
const COUNTING: &str = "SELECT outcome, seal, seconds, run FROM unit WHERE key = ?1 AND valid";

/// The outcome of `key`, if it counts.
fn counting(select: &mut Statement<'_>, key: &ActionKey) -> rusqlite::Result<Option<Stored>> {
    let stored = select
        .query_row([key.as_bytes()], |row| Ok(stored(row, key)))
        .optional()?;
    Ok(stored.flatten())
}

/// The row of a key.
struct Present {
    unit: i64,
    valid: bool,
    commits: u64,
    /// Nothing, if it decayed.
    stored: Option<Stored>,
}

impl Present {
    const fn counts(&self) -> bool {
        self.valid && self.stored.is_some()
    }
}

/// The row of `key`, whether it counts or not.
fn present(ledger: &Connection, key: &ActionKey) -> rusqlite::Result<Option<Present>> {
    ledger
        .prepare_cached(
            "SELECT outcome, seal, seconds, run, id, valid, commits FROM unit WHERE key = ?1",
        )?
        .query_row([key.as_bytes()], |row| {
            Ok(Present {
                unit: row.get(4)?,
                valid: row.get(5).unwrap_or(false),
                commits: row.get(6).unwrap_or(1),
                stored: stored(row, key),
            })
        })
        .optional()
}

/// What the columns `outcome`, `seal`, `seconds` and `run` say about `key`; nothing, if they decayed.
fn stored(row: &Row<'_>, key: &ActionKey) -> Option<Stored> {
    let outcome = text(row, 0)?;
    let sealed: Seal = row.get(1).ok()?;
    if sealed != seal_of(key, outcome) {
        return None;
    }
    Some(Stored {
        outcome: serde_json::from_str(outcome).ok()?,
        seconds: finite(row.get(2).ok()?),
        run: row.get(3).ok()?,
    })
}

/// Whether a whole row of `unit` is what was written: the outcome is sealed, and kind, revision and
/// input are what the key is the digest of.
pub(crate) fn is_sealed(row: &Row<'_>) -> bool {
    let check = || {
        let key = ActionKey::from_bytes(row.get("key").ok()?);
        let outcome = row.get_ref("outcome").ok()?.as_str().ok()?;
        let sealed: Seal = row.get("seal").ok()?;
        let input = row.get_ref("input").ok()?.as_str().ok()?;
        let input: Value = serde_json::from_str(input).ok()?;
        let (kind, revision): (String, u32) = (row.get("kind").ok()?, row.get("revision").ok()?);
        let _: Value = serde_json::from_str(outcome).ok()?;
        Some(sealed == seal_of(&key, outcome) && key == ActionKey::of(&kind, revision, &input))
    };
    check().unwrap_or(false)
}

/// The blobs that the outcome in a row of `unit` names.
pub(crate) fn blobs_of(row: &Row<'_>) -> BTreeSet<Digest> {
    let outcome = row
        .get_ref("outcome")
        .ok()
        .and_then(|cell| cell.as_str().ok());
    let outcome = outcome.filter(|text| text.contains("$blob"));
    let value = outcome.and_then(|text| serde_json::from_str::<Value>(text).ok());
    value.map_or_else(BTreeSet::new, |value| value.blobs().into_iter().collect())
}

/// Notes for every outcome which blobs it names. What is noted already stays.
pub(crate) fn link_all(ledger: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut select =
        ledger.prepare("SELECT id, outcome FROM unit WHERE instr(outcome, '$blob')")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let unit: i64 = row.get("id")?;
        link(ledger, unit, blobs_of(row))?;
    }
    Ok(())
}

/// What the columns `kind`, `revision` and `input` say, if they can be read.
fn action(row: &Row<'_>) -> Option<(String, u32, Value)> {
    let input = serde_json::from_str(text(row, 2)?).ok()?;
    Some((row.get(0).ok()?, row.get(1).ok()?, input))
}

fn seal_of(key: &ActionKey, outcome: &str) -> Seal {
    seal([key.as_bytes(), outcome.as_bytes()])
}

/// A duration that the ledger can hold: it has no word for what is not a number.
pub(crate) fn finite(seconds: f64) -> f64 {
    if seconds.is_finite() { seconds } else { 0.0 }
}

/// A column that should hold text, if it does.
pub(crate) fn text<'a>(row: &'a Row<'_>, column: usize) -> Option<&'a str> {
    row.get_ref(column).ok()?.as_str().ok()
}
