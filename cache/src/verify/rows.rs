//! The rows of a ledger, proven one by one.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};

use crate::ledger::Durability;
use crate::{BadObject, Digest, StageKey, Store, StoreError, files, outcomes, stages};

/// What the rows say, and which of them decayed.
#[derive(Default)]
pub(super) struct Rows {
    /// Outcomes that were looked at.
    pub(super) outcomes: u64,
    /// Row id and kind of outcomes that decayed.
    bad_outcomes: Vec<(i64, String)>,
    /// Row ids of stages that decayed.
    pub(super) bad_stages: Vec<i64>,
    /// Paths whose digest decayed.
    pub(super) bad_files: Vec<Vec<u8>>,
    /// Which outcome names which blob, as the good outcomes say.
    pub(super) links: BTreeSet<(Digest, i64)>,
    /// Links that are missing in the ledger, and such as it has wrongly.
    missing: Vec<(Digest, i64)>,
    wrong: Vec<(Vec<u8>, i64)>,
    /// The kinds of units, by row id.
    kinds: BTreeMap<i64, String>,
    /// Whose table a blob is.
    tables: BTreeMap<Digest, BTreeSet<String>>,
}

impl Rows {
    pub(super) fn read(store: &Store) -> Result<Self, StoreError> {
        store.ledger.read(|ledger| {
            let mut rows = Self::default();
            rows.read_units(ledger)?;
            rows.read_stages(ledger)?;
            rows.read_files(ledger)?;
            rows.compare_links(ledger)?;
            Ok(rows)
        })
    }

    fn read_units(&mut self, ledger: &Connection) -> rusqlite::Result<()> {
        let mut select = ledger.prepare("SELECT * FROM unit ORDER BY id")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get("id")?;
            let kind: String = row.get("kind").unwrap_or_default();
            self.outcomes += 1;
            if !outcomes::is_sealed(row) {
                self.bad_outcomes.push((id, kind));
                continue;
            }
            let blobs = outcomes::blobs_of(row);
            if !blobs.is_empty() {
                self.kinds.insert(id, kind);
                self.links.extend(blobs.into_iter().map(|blob| (blob, id)));
            }
        }
        Ok(())
    }

    fn read_stages(&mut self, ledger: &Connection) -> rusqlite::Result<()> {
        let mut names: BTreeMap<Vec<u8>, BTreeSet<String>> = BTreeMap::new();
        let mut select = ledger.prepare("SELECT key, pipeline, stage FROM stage_history")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let text = |column| outcomes::text(row, column).unwrap_or_default();
            let name = format!("{}: {}", text(1), text(2));
            names.entry(row.get(0)?).or_default().insert(name);
        }
        let mut select = ledger.prepare("SELECT rowid AS id, * FROM stage")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let Some((key, memo)) = stages::sealed(row) else {
                self.bad_stages.push(row.get("id")?);
                continue;
            };
            let key: StageKey = key;
            let names = names.get(&key.as_bytes()[..]).cloned().unwrap_or_default();
            for table in memo.outputs.into_values() {
                self.tables.entry(table).or_default().extend(names.clone());
            }
        }
        Ok(())
    }

    fn read_files(&mut self, ledger: &Connection) -> rusqlite::Result<()> {
        let mut select = ledger.prepare("SELECT * FROM file")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            if !files::is_sealed(row) {
                self.bad_files
                    .push(row.get_ref("path")?.as_bytes().unwrap_or_default().to_vec());
            }
        }
        Ok(())
    }

    fn compare_links(&mut self, ledger: &Connection) -> rusqlite::Result<()> {
        let bad: BTreeSet<i64> = self.bad_outcomes.iter().map(|(id, _)| *id).collect();
        let mut missing = self.links.clone();
        let mut select = ledger.prepare("SELECT blob, unit FROM produced")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let unit: i64 = row.get(1)?;
            let blob = row.get_ref(0)?.as_bytes().unwrap_or_default();
            let known = <[u8; 32]>::try_from(blob)
                .is_ok_and(|bytes| missing.remove(&(Digest::from_bytes(bytes), unit)));
            // The links of an outcome that decayed go with it, and are no damage of their own.
            if !known && !bad.contains(&unit) {
                self.wrong.push((blob.to_vec(), unit));
            }
        }
        self.missing = missing.into_iter().collect();
        Ok(())
    }

    pub(super) fn bad_kinds(&self) -> BTreeMap<String, u64> {
        let mut kinds = BTreeMap::new();
        for (_, kind) in &self.bad_outcomes {
            *kinds.entry(kind.clone()).or_default() += 1;
        }
        kinds
    }

    pub(super) fn bad_links(&self) -> u64 {
        (self.missing.len() + self.wrong.len()) as u64
    }

    /// Who is concerned by the loss of an object.
    pub(super) fn blame(&self, digest: Digest, bytes: u64) -> BadObject {
        let mut units = BTreeMap::new();
        let naming = self.links.range((digest, i64::MIN)..=(digest, i64::MAX));
        for kind in naming.filter_map(|(_, unit)| self.kinds.get(unit)) {
            *units.entry(kind.clone()).or_default() += 1;
        }
        let stages = self.tables.get(&digest).into_iter().flatten();
        BadObject {
            digest,
            bytes,
            units,
            stages: stages.cloned().collect(),
        }
    }

    /// Removes what decayed, and links outcomes and blobs as the outcomes say.
    pub(super) fn mend(&self, store: &Store) -> Result<(), StoreError> {
        if self.bad_outcomes.is_empty()
            && self.bad_stages.is_empty()
            && self.bad_files.is_empty()
            && self.bad_links() == 0
        {
            return Ok(());
        }
        store.ledger.write(Durability::Synced, |ledger| {
            for (id, _) in &self.bad_outcomes {
                ledger.execute("DELETE FROM unit WHERE id = ?1", [id])?;
                ledger.execute("DELETE FROM produced WHERE unit = ?1", [id])?;
            }
            for id in &self.bad_stages {
                ledger.execute("DELETE FROM stage WHERE rowid = ?1", [id])?;
            }
            for path in &self.bad_files {
                ledger.execute("DELETE FROM file WHERE path = ?1", [path])?;
            }
            for (blob, unit) in &self.wrong {
                ledger.execute(
                    "DELETE FROM produced WHERE blob = ?1 AND unit = ?2",
                    params![blob, unit],
                )?;
            }
            outcomes::link_all(ledger)
        })
    }
}
