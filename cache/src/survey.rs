//! What lies in a store, read once: every object with its size, every outcome with what it cost and
//! which blobs it names, every remembered stage. Statistics and garbage collection work on it.
//!
//! About 100 bytes an outcome and 60 an object are held in memory; inputs and outcomes are not.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::Path;

use rayon::prelude::*;
use rusqlite::Connection;

use crate::{Digest, StageKey, Store, StoreError};

/// About what a row of the ledger takes besides its texts: the key twice, numbers, indices.
const ROW_BYTES: u64 = 140;
/// About what a row that says which unit names a blob takes.
const LINK_BYTES: u64 = 44;

/// An outcome, as far as it matters here.
pub(crate) struct UnitFacts {
    pub(crate) id: i64,
    pub(crate) counts: bool,
    pub(crate) seconds: f64,
    /// About what its rows take in the ledger.
    pub(crate) bytes: u64,
    /// Index into [`Survey::runs`].
    pub(crate) run: usize,
    /// Index into [`Survey::kinds`].
    pub(crate) kind: usize,
}

/// A stage that is remembered as a whole.
pub(crate) struct MemoFacts {
    pub(crate) key: StageKey,
    pub(crate) run: String,
    pub(crate) outputs: Vec<Digest>,
    /// Whether a name means this stage now.
    pub(crate) newest: bool,
}

/// All of it.
pub(crate) struct Survey {
    pub(crate) objects: HashMap<Digest, u64>,
    /// By id.
    pub(crate) units: Vec<UnitFacts>,
    /// Which units name a blob, by blob.
    pub(crate) produced: Vec<(Digest, i64)>,
    pub(crate) memos: Vec<MemoFacts>,
    pub(crate) runs: Vec<String>,
    pub(crate) kinds: Vec<String>,
    /// What the ledger's files take.
    pub(crate) ledger: u64,
}

impl Survey {
    pub(crate) fn of(store: &Store) -> Result<Self, StoreError> {
        let objects = list_objects(&store.layout.objects())?;
        store
            .ledger
            .read(|connection| {
                let mut survey = Self {
                    objects: HashMap::new(),
                    units: Vec::new(),
                    produced: produced(connection)?,
                    memos: memos(connection)?,
                    runs: Vec::new(),
                    kinds: Vec::new(),
                    ledger: store.ledger.bytes(),
                };
                survey.read_units(connection)?;
                Ok(survey)
            })
            .map(|survey| Self { objects, ..survey })
    }

    fn read_units(&mut self, ledger: &Connection) -> rusqlite::Result<()> {
        let (mut runs, mut kinds) = (Names::default(), Names::default());
        let mut select = ledger.prepare(
            "SELECT id, valid, seconds, octet_length(input) + octet_length(outcome), run, kind
             FROM unit ORDER BY id",
        )?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let name = |column| row.get_ref(column).ok().and_then(|text| text.as_str().ok());
            self.units.push(UnitFacts {
                id: row.get(0)?,
                counts: row.get(1).unwrap_or(false),
                seconds: row.get(2).unwrap_or(0.0_f64).max(0.0),
                bytes: ROW_BYTES + row.get(3).unwrap_or(0_u64),
                run: runs.index(name(4).unwrap_or_default()),
                kind: kinds.index(name(5).unwrap_or_default()),
            });
        }
        (self.runs, self.kinds) = (runs.texts, kinds.texts);
        for index in 0..self.produced.len() {
            if let Some(unit) = self.position(self.produced[index].1) {
                self.units[unit].bytes += LINK_BYTES;
            }
        }
        Ok(())
    }

    /// Where the unit of this row id stands among `units`.
    pub(crate) fn position(&self, id: i64) -> Option<usize> {
        self.units.binary_search_by_key(&id, |unit| unit.id).ok()
    }

    /// The units that name this blob, as positions among `units`.
    pub(crate) fn producers(&self, blob: &Digest) -> impl Iterator<Item = usize> {
        let start = self.produced.partition_point(|(other, _)| other < blob);
        self.produced[start..]
            .iter()
            .take_while(move |(other, _)| other == blob)
            .filter_map(|(_, id)| self.position(*id))
    }
}

/// Texts that repeat, by number.
#[derive(Default)]
struct Names {
    texts: Vec<String>,
    known: BTreeMap<String, usize>,
    last: usize,
}

impl Names {
    fn index(&mut self, name: &str) -> usize {
        // Rows that follow each other mostly say the same.
        if self.texts.get(self.last).is_none_or(|last| last != name) {
            self.last = self.known.get(name).copied().unwrap_or_else(|| {
                self.texts.push(name.to_owned());
                self.known.insert(name.to_owned(), self.texts.len() - 1);
                self.texts.len() - 1
            });
        }
        self.last
    }
}

fn produced(ledger: &Connection) -> rusqlite::Result<Vec<(Digest, i64)>> {
    ledger
        .prepare("SELECT blob, unit FROM produced ORDER BY blob, unit")?
        .query_map([], |row| Ok((Digest::from_bytes(row.get(0)?), row.get(1)?)))?
        // A row that decayed names nothing.
        .filter_map(|row| match row {
            Err(
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..),
            ) => None,
            other => Some(other),
        })
        .collect()
}

pub(crate) fn memos(ledger: &Connection) -> rusqlite::Result<Vec<MemoFacts>> {
    let newest: BTreeSet<Vec<u8>> = ledger
        .prepare("SELECT key, max(id) FROM stage_history GROUP BY pipeline, stage")?
        .query_map([], |row| row.get(0))?
        .filter_map(Result::ok)
        .collect();
    ledger
        .prepare("SELECT key, run, outputs FROM stage")?
        .query_map([], |row| {
            let key: [u8; 32] = row.get(0)?;
            let outputs: String = row.get(2).unwrap_or_default();
            let outputs: BTreeMap<String, Digest> =
                serde_json::from_str(&outputs).unwrap_or_default();
            Ok(MemoFacts {
                key: StageKey::from_bytes(key),
                run: row.get(1).unwrap_or_default(),
                outputs: outputs.into_values().collect(),
                newest: newest.contains(&key[..]),
            })
        })?
        .collect()
}

/// Every object with its size. Files whose names are no digests are passed over.
pub(crate) fn list_objects(folder: &Path) -> Result<HashMap<Digest, u64>, StoreError> {
    let folders: Vec<_> = match fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(StoreError::reading(folder, error)),
    };
    let found: Vec<Vec<(Digest, u64)>> = folders
        .par_iter()
        .filter(|folder| folder.is_dir())
        .map(|folder| list_folder(folder))
        .collect::<Result<_, _>>()?;
    Ok(found.into_iter().flatten().collect())
}

fn list_folder(folder: &Path) -> Result<Vec<(Digest, u64)>, StoreError> {
    let failed = |error| StoreError::reading(folder, error);
    let Some(first) = folder.file_name().and_then(|name| name.to_str()) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let digest = name
            .to_str()
            .and_then(|rest| format!("{first}{rest}").parse().ok());
        // One that is gone by now was discarded by somebody else.
        if let (Some(digest), Ok(file)) = (digest, entry.metadata())
            && file.is_file()
        {
            found.push((digest, file.len()));
        }
    }
    Ok(found)
}
