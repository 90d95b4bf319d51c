//! What is known about a name: the beginning of an action key, a stage key or a blob's digest.

use std::collections::BTreeSet;
use std::fs;

use rusqlite::{Connection, OptionalExtension};

use crate::{ActionKey, Digest, StageKey, StageMemo, Store, StoreError, Value, outcomes, stages};

/// How many hexadecimal digits a name must have at least.
pub const MIN_PREFIX: usize = 6;

/// Something whose name begins as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Found {
    /// An action that was committed.
    Unit(ActionKey),
    /// A stage that is remembered as a whole.
    Stage(StageKey),
    /// A blob that is there, or that an outcome names.
    Blob(Digest),
}

/// An outcome, with what it is the outcome of.
#[derive(Debug, Clone)]
pub struct KnownUnit {
    /// Its kind; empty if it decayed.
    pub kind: String,
    /// Its revision.
    pub revision: u32,
    /// Everything that the outcome depends on; nothing, if it decayed.
    pub input: Option<Value>,
    /// What it came to; nothing, if it decayed.
    pub outcome: Option<Value>,
    /// Whether a lookup finds it.
    pub counts: bool,
    /// How often it was committed.
    pub commits: u64,
    /// What it cost, in seconds.
    pub seconds: f64,
    /// The run that committed it.
    pub run: String,
}

/// A stage that is remembered, and under which names.
#[derive(Debug, Clone)]
pub struct KnownStage {
    /// What it came to; nothing, if that decayed.
    pub memo: Option<StageMemo>,
    /// Pipeline, stage, and when the name began to mean this, in seconds since 1970; oldest first.
    pub names: Vec<(String, String, u64)>,
}

/// A blob, and who names it.
#[derive(Debug, Clone, Default)]
pub struct KnownBlob {
    /// Its size, if it is there.
    pub bytes: Option<u64>,
    /// The actions whose outcomes name it, oldest first.
    pub units: Vec<ActionKey>,
    /// The stages whose table it is, with the port.
    pub stages: Vec<(StageKey, String)>,
}

impl Store {
    /// Everything whose name begins with these hexadecimal digits, [`MIN_PREFIX`] at least.
    pub fn find(&self, prefix: &str) -> Result<Vec<Found>, StoreError> {
        let Some((first, last)) = range(prefix) else {
            return Ok(Vec::new());
        };
        let mut blobs: BTreeSet<Digest> = self.objects_named(prefix).into_iter().collect();
        let mut found = self.ledger.read(|ledger| {
            let keys = |table: &str, column: &str| between(ledger, table, column, [&first, &last]);
            let units = keys("unit", "key")?.into_iter().map(ActionKey::from_digest);
            let stages = keys("stage", "key")?.into_iter().map(StageKey::from_digest);
            let blobs = keys("produced", "blob")?.into_iter().map(Found::Blob);
            let units = units.map(Found::Unit);
            Ok(units
                .chain(stages.map(Found::Stage))
                .chain(blobs)
                .collect::<Vec<_>>())
        })?;
        found.retain(|found| match found {
            Found::Blob(digest) => {
                blobs.insert(*digest);
                false
            }
            _ => true,
        });
        found.extend(blobs.into_iter().map(Found::Blob));
        Ok(found)
    }

    /// What is known of an action.
    pub fn known_unit(&self, key: &ActionKey) -> Result<Option<KnownUnit>, StoreError> {
        let stored = self.lookup(&[*key])?.remove(0);
        let input = self.input_of(key)?;
        self.ledger.read(|ledger| {
            ledger
                .prepare_cached("SELECT kind, revision, outcome, commits, seconds, run FROM unit WHERE key = ?1")?
                .query_row([key.as_bytes()], |row| {
                    let outcome = outcomes::text(row, 2).and_then(|text| serde_json::from_str(text).ok());
                    Ok(KnownUnit {
                        kind: row.get(0).unwrap_or_default(),
                        revision: row.get(1).unwrap_or_default(),
                        input: input.clone().map(|(_, _, input)| input),
                        outcome,
                        counts: stored.is_some(),
                        commits: row.get(3).unwrap_or_default(),
                        seconds: row.get(4).unwrap_or_default(),
                        run: row.get(5).unwrap_or_default(),
                    })
                })
                .optional()
        })
    }

    /// What is known of a stage.
    pub fn known_stage(&self, key: &StageKey) -> Result<KnownStage, StoreError> {
        let memo = self.stage(key)?;
        self.ledger.read(|ledger| {
            let names = ledger
                .prepare_cached(
                    "SELECT pipeline, stage, at FROM stage_history WHERE key = ?1 ORDER BY id",
                )?
                .query_map([key.as_bytes()], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?
                .collect::<Result<_, _>>()?;
            Ok(KnownStage {
                memo: memo.clone(),
                names,
            })
        })
    }

    /// What is known of a blob.
    pub fn known_blob(&self, digest: &Digest) -> Result<KnownBlob, StoreError> {
        let units = self.producers(digest)?;
        let text = digest.to_string();
        let stages = self.ledger.read(|ledger| {
            let mut select =
                ledger.prepare("SELECT * FROM stage WHERE instr(outputs, ?1) ORDER BY rowid")?;
            let mut rows = select.query([&text])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                if let Some((key, memo)) = stages::sealed(row) {
                    let ports = memo
                        .outputs
                        .into_iter()
                        .filter(|(_, table)| table == digest);
                    found.extend(ports.map(|(port, _)| (key, port)));
                }
            }
            Ok(found)
        })?;
        let file = fs::metadata(self.layout.object(digest)).ok();
        Ok(KnownBlob {
            bytes: file.filter(fs::Metadata::is_file).map(|file| file.len()),
            units,
            stages,
        })
    }

    /// The objects whose names begin like this.
    fn objects_named(&self, prefix: &str) -> Vec<Digest> {
        let (folder, rest) = prefix.split_at(2);
        let entries = fs::read_dir(self.layout.objects().join(folder));
        let names = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name());
        names
            .filter_map(|name| {
                name.to_str()
                    .filter(|name| name.starts_with(rest))
                    .map(str::to_owned)
            })
            .filter_map(|name| format!("{folder}{name}").parse().ok())
            .collect()
    }
}

/// The first and the last digest that begin with `prefix`; nothing, if it is too short or none.
fn range(prefix: &str) -> Option<(Digest, Digest)> {
    let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if prefix.len() < MIN_PREFIX || prefix.len() > 64 || !prefix.bytes().all(is_hex) {
        return None;
    }
    let padded = |with: &str| {
        format!("{prefix}{}", with.repeat(64 - prefix.len()))
            .parse()
            .ok()
    };
    Some((padded("0")?, padded("f")?))
}

/// The digests in an indexed column, from the first to the last.
fn between(
    ledger: &Connection,
    table: &str,
    column: &str,
    bounds: [&Digest; 2],
) -> rusqlite::Result<Vec<Digest>> {
    ledger
        .prepare(&format!(
            "SELECT DISTINCT {column} FROM {table} WHERE {column} BETWEEN ?1 AND ?2 ORDER BY {column}"
        ))?
        .query_map(bounds.map(Digest::as_bytes), |row| row.get(0).map(Digest::from_bytes))?
        .collect()
}
