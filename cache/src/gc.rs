//! Garbage collection: what is taken away, and in which order.
//!
//! [`Store::collection`] decides and changes nothing; [`Store::collect`] takes away what was
//! decided. What names goes before what is named, so a killed collection leaves a sound store: the
//! worst that stays is an object that nobody names, which the next collection takes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::io;

use rayon::prelude::*;
use rusqlite::{Transaction, params};

use crate::ledger::Durability;
use crate::reach::{Keep, Reached};
use crate::stat::Tally;
use crate::survey::Survey;
use crate::{Access, Digest, RunId, StageKey, Store, StoreError};

/// What a collection takes away, and what stays.
#[derive(Debug)]
pub struct Collection {
    /// Objects that stay because something kept reaches them.
    pub reached: Tally,
    /// Objects that stay because they are worth their bytes.
    pub spared: Tally,
    /// Objects that go.
    pub objects: Tally,
    /// Outcomes that go, and about what their rows take.
    pub outcomes: Tally,
    /// Seconds that it would take to compute again what goes.
    pub seconds: f64,
    /// Stages that are not remembered as a whole any more.
    pub stages: u64,
    /// Records of runs that go.
    pub runs: u64,
    /// Bytes by which what must stay exceeds the budget; 0 without one.
    pub over: u64,
    doomed: Doomed,
}

/// What goes, by name.
#[derive(Debug, Default)]
struct Doomed {
    runs: Vec<RunId>,
    units: BTreeSet<i64>,
    /// The rows of `produced` that go with the units.
    links: Vec<(Digest, i64)>,
    memos: Vec<StageKey>,
    objects: Vec<(Digest, u64)>,
}

/// What a collection freed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Freed {
    /// Objects that were removed.
    pub objects: Tally,
    /// Leftovers in `tmp/` that were removed.
    pub temporary: Tally,
    /// Bytes that the ledger's files shrank by.
    pub ledger: u64,
}

/// Something that nothing kept reaches.
enum Candidate {
    Object(Digest),
    Unit(usize),
}

impl Store {
    /// Decides what to take away.
    ///
    /// What [`Keep`] reaches stays. Without a budget every other object goes, and outcomes stay: their
    /// rows are small, and what was made from a blob is found through the outcome that names it, the
    /// blob gone or not. With a budget (bytes, for objects and ledger together) objects and outcomes
    /// stay as long as they fit, those first that cost the most seconds a byte; a blob is worth what
    /// all outcomes cost that name it.
    pub fn collection(&self, keep: &Keep, budget: Option<u64>) -> Result<Collection, StoreError> {
        let survey = Survey::of(self)?;
        let reached = Reached::of(self, &survey, keep)?;
        let size = |(blob, size): (&Digest, &u64)| reached.blobs.contains(blob).then_some(*size);
        let must_stay = Tally::of(survey.objects.iter().filter_map(size));
        let (candidates, fixed) = candidates(&survey, &reached, must_stay.bytes);
        let mut room = match budget {
            Some(budget) => budget.saturating_sub(fixed),
            None => 0,
        };
        let mut doomed = Doomed {
            runs: keep.forget.iter().cloned().collect(),
            ..Doomed::default()
        };
        let mut spared = Tally::default();
        for (candidate, bytes, _) in candidates {
            match candidate {
                Candidate::Unit(_) if budget.is_none() => {}
                _ if bytes <= room => {
                    room -= bytes;
                    if let Candidate::Object(_) = candidate {
                        (spared.count, spared.bytes) = (spared.count + 1, spared.bytes + bytes);
                    }
                }
                Candidate::Object(digest) => doomed.objects.push((digest, bytes)),
                Candidate::Unit(unit) => {
                    doomed.units.insert(survey.units[unit].id);
                }
            }
        }
        doomed.finish(&survey);
        let rows = doomed.units.iter().filter_map(|id| survey.position(*id));
        Ok(Collection {
            reached: must_stay,
            spared,
            objects: Tally::of(doomed.objects.iter().map(|(_, size)| *size)),
            outcomes: Tally::of(rows.map(|unit| survey.units[unit].bytes)),
            seconds: doomed.seconds(&survey),
            stages: doomed.memos.len() as u64,
            runs: doomed.runs.len() as u64,
            over: budget.map_or(0, |budget| fixed.saturating_sub(budget)),
            doomed,
        })
    }

    /// Takes away what was decided, and what dead processes left. The store must have been opened
    /// with [`Access::Alone`], and nothing may have been put since the decision.
    pub fn collect(&self, collection: &Collection) -> Result<Freed, StoreError> {
        if self.access != Access::Alone {
            return Err(StoreError::InUse {
                path: self.root().to_owned(),
            });
        }
        let doomed = &collection.doomed;
        for run in &doomed.runs {
            remove(&self.layout.run(run))?;
            remove(&self.layout.timeline(run))?;
        }
        let before = self.ledger.bytes();
        self.ledger
            .write(Durability::Synced, |ledger| doomed.forget(ledger))?;
        let objects = self.remove_objects(&doomed.objects)?;
        let temporary = self.clear_temporary();
        self.ledger.shrink()?;
        Ok(Freed {
            objects,
            temporary,
            ledger: before.saturating_sub(self.ledger.bytes()),
        })
    }

    fn remove_objects(&self, objects: &[(Digest, u64)]) -> Result<Tally, StoreError> {
        let removed: Vec<u64> = objects
            .par_iter()
            .map(|(digest, size)| remove(&self.layout.object(digest)).map(|()| *size))
            .collect::<Result<_, _>>()?;
        let folders: BTreeSet<_> = objects
            .iter()
            .filter_map(|(digest, _)| Some(self.layout.object(digest).parent()?.to_owned()))
            .collect();
        for folder in folders {
            // Only an empty one goes.
            let _ = fs::remove_dir(folder);
        }
        Ok(Tally::of(removed))
    }

    /// Nobody writes, so nothing in `tmp/` belongs to anybody, and no lock to anybody else.
    fn clear_temporary(&self) -> Tally {
        let files = |folder| fs::read_dir(folder).into_iter().flatten().flatten();
        let own = self.layout.lock(self.layout.owner());
        for lock in files(self.layout.locks()).filter(|lock| lock.path() != own) {
            let _ = fs::remove_file(lock.path());
        }
        let removed = files(self.layout.temporary_folder()).filter_map(|file| {
            let size = file.metadata().ok()?.len();
            fs::remove_file(file.path()).ok().map(|()| size)
        });
        Tally::of(removed)
    }
}

/// What nothing kept reaches, the dearest a byte first, each with its bytes and the seconds that it
/// is worth; and the bytes of all that must stay.
fn candidates(
    survey: &Survey,
    reached: &Reached,
    must_stay: u64,
) -> (Vec<(Candidate, u64, f64)>, u64) {
    let mut worth: HashMap<&Digest, f64> = HashMap::new();
    for (blob, id) in &survey.produced {
        if let Some(unit) = survey.position(*id).map(|unit| &survey.units[unit])
            && unit.counts
        {
            *worth.entry(blob).or_default() += unit.seconds;
        }
    }
    let objects = survey.objects.iter().filter_map(|(digest, size)| {
        let worth = worth.get(digest).copied().unwrap_or(0.0);
        (!reached.blobs.contains(digest)).then_some((Candidate::Object(*digest), *size, worth))
    });
    let units = survey.units.iter().enumerate().filter_map(|(index, unit)| {
        // What does not count any more is worth nothing.
        let worth = if unit.counts { unit.seconds } else { 0.0 };
        (!reached.units[index]).then_some((Candidate::Unit(index), unit.bytes, worth))
    });
    let mut candidates: Vec<_> = objects.chain(units).collect();
    let rank = |(_, bytes, worth): &(Candidate, u64, f64)| worth / (*bytes).max(1) as f64;
    candidates.sort_by(|a, b| {
        let name = |(candidate, ..): &(Candidate, u64, f64)| match candidate {
            Candidate::Unit(index) => (0, *index, None),
            Candidate::Object(digest) => (1, 0, Some(*digest)),
        };
        rank(b)
            .total_cmp(&rank(a))
            .then_with(|| name(a).cmp(&name(b)))
    });
    let rows: u64 = candidates
        .iter()
        .filter(|(candidate, ..)| matches!(candidate, Candidate::Unit(_)))
        .map(|(_, bytes, _)| bytes)
        .sum();
    (candidates, must_stay + survey.ledger.saturating_sub(rows))
}

impl Doomed {
    /// What goes because of what goes.
    fn finish(&mut self, survey: &Survey) {
        let links = survey.produced.iter();
        self.links = links
            .filter(|(_, unit)| self.units.contains(unit))
            .copied()
            .collect();
        let gone: HashSet<Digest> = self.objects.iter().map(|(digest, _)| *digest).collect();
        // A stage whose tables go would not be recognised. The newest of a name stays: it is what
        // changes are explained by.
        self.memos = survey
            .memos
            .iter()
            .filter(|memo| !memo.newest && memo.outputs.iter().any(|table| gone.contains(table)))
            .map(|memo| memo.key)
            .collect();
    }

    /// What the outcomes cost that go, or of which a blob goes.
    fn seconds(&self, survey: &Survey) -> f64 {
        let rows = self.units.iter().filter_map(|id| survey.position(*id));
        let blobs = self.objects.iter();
        let lessened: BTreeSet<usize> = blobs
            .flat_map(|(blob, _)| survey.producers(blob))
            .chain(rows)
            .filter(|unit| survey.units[*unit].counts)
            .collect();
        lessened
            .iter()
            .map(|unit| survey.units[*unit].seconds)
            .sum()
    }

    /// Forgets it, and whoever worked on anything: they are dead, or the store would be in use.
    fn forget(&self, ledger: &Transaction<'_>) -> rusqlite::Result<()> {
        ledger.execute("DELETE FROM lease", [])?;
        let mut link = ledger.prepare("DELETE FROM produced WHERE blob = ?1 AND unit = ?2")?;
        for (blob, unit) in &self.links {
            link.execute(params![blob.as_bytes(), unit])?;
        }
        let mut unit = ledger.prepare("DELETE FROM unit WHERE id = ?1")?;
        for id in &self.units {
            unit.execute([id])?;
        }
        for key in &self.memos {
            for table in ["stage", "stage_history"] {
                ledger.execute(
                    &format!("DELETE FROM {table} WHERE key = ?1"),
                    [key.as_bytes()],
                )?;
            }
        }
        Ok(())
    }
}

/// Removes a file. That it is gone already is no error.
fn remove(path: &std::path::Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::io(path, "remove", error))
        }
        _ => Ok(()),
    }
}
