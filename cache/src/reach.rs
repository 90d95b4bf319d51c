//! What is reached from what is kept.
//!
//! Whoever knows what records and tables mean names the roots ([`Keep`]); from there the ledger's
//! own words lead on: the units that made a blob, what they were made from, what else they made.

use std::collections::{BTreeSet, HashSet};

use rusqlite::Connection;

use crate::survey::{self, Survey};
use crate::{Digest, RunId, Store, StoreError, Value};

/// What is to be kept.
#[derive(Debug, Clone, Default)]
pub struct Keep {
    /// Objects that are kept: the tables of kept runs, what they name, what is pinned.
    pub roots: HashSet<Digest>,
    /// Runs whose records and outcomes are kept.
    pub runs: BTreeSet<RunId>,
    /// Runs whose records go, and which keep nothing.
    pub forget: BTreeSet<RunId>,
    /// What runs without a record computed is kept if they began in this second or later: they were
    /// killed, and are to go on. `None` keeps nothing of theirs.
    pub unrecorded_since: Option<RunId>,
}

impl Keep {
    /// Whether what this run computed is kept.
    pub fn keeps(&self, run: &str) -> bool {
        let Ok(run) = run.parse::<RunId>() else {
            return false;
        };
        let since = self.unrecorded_since.as_ref();
        let unrecorded = since.is_some_and(|since| run.second() >= since.second());
        self.runs.contains(&run) || unrecorded && !self.forget.contains(&run)
    }
}

impl Store {
    /// The tables of the stages that kept runs recorded, killed ones included.
    pub fn stage_tables(&self, keep: &Keep) -> Result<Vec<Digest>, StoreError> {
        let memos = self.ledger.read(survey::memos)?;
        let kept = memos.into_iter().filter(|memo| keep.keeps(&memo.run));
        Ok(kept.flat_map(|memo| memo.outputs).collect())
    }
}

/// What is reached: blobs, and units by their position in the survey.
pub(crate) struct Reached {
    pub(crate) blobs: HashSet<Digest>,
    pub(crate) units: Vec<bool>,
}

impl Reached {
    pub(crate) fn of(store: &Store, survey: &Survey, keep: &Keep) -> Result<Self, StoreError> {
        let kept: Vec<bool> = survey.runs.iter().map(|run| keep.keeps(run)).collect();
        let units: Vec<bool> = survey.units.iter().map(|unit| kept[unit.run]).collect();
        let own = survey
            .produced
            .iter()
            .filter(|(_, id)| survey.position(*id).is_some_and(|unit| units[unit]));
        let mut blobs: HashSet<Digest> = own.map(|(blob, _)| *blob).collect();
        blobs.extend(&keep.roots);
        store.ledger.read(|ledger| {
            let mut reached = Self {
                blobs: blobs.clone(),
                units: units.clone(),
            };
            reached.follow(ledger, survey)?;
            Ok(reached)
        })
    }

    /// From every blob to the units that made it, and on to what these name.
    fn follow(&mut self, ledger: &Connection, survey: &Survey) -> rusqlite::Result<()> {
        let mut select = ledger.prepare("SELECT input, outcome FROM unit WHERE id = ?1")?;
        let mut open: Vec<Digest> = self.blobs.iter().copied().collect();
        let mut seen = vec![false; survey.units.len()];
        while let Some(blob) = open.pop() {
            for unit in survey.producers(&blob) {
                if std::mem::replace(&mut seen[unit], true) || !survey.units[unit].counts {
                    continue;
                }
                self.units[unit] = true;
                let named = select.query_row([survey.units[unit].id], |row| {
                    let text = |column| crate::outcomes::text(row, column).unwrap_or_default();
                    Ok([named(text(0)), named(text(1))].concat())
                })?;
                for blob in named {
                    if self.blobs.insert(blob) {
                        open.push(blob);
                    }
                }
            }
        }
        Ok(())
    }
}

/// The blobs that a value names, in its written form.
fn named(json: &str) -> Vec<Digest> {
    if !json.contains("$blob") {
        return Vec::new();
    }
    let value = serde_json::from_str::<Value>(json);
    value.map_or_else(|_| Vec::new(), |value| value.blobs())
}
