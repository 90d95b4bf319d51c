//! Verifying a store: every object is hashed, every row of the ledger that carries a seal is proven.
//!
//! What turns out to be damaged becomes a miss: the object is removed and the outcomes that name it
//! count no longer, the row is removed. Nothing else is lost by it, and nothing is computed here.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;

use rayon::prelude::*;

use crate::layout::Layout;
use crate::ledger::salvage;
use crate::stat::Tally;
use crate::store::enter;
use crate::survey::list_objects;
use crate::{Access, Digest, LedgerProblem, Store, StoreError, files};

mod rows;

use rows::Rows;

/// Whether to mend what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// What is damaged becomes a miss.
    Yes,
    /// Only look. Nothing is written.
    No,
}

/// What was found.
#[derive(Debug)]
pub struct Verdict {
    /// The ledger as a file.
    pub ledger: LedgerState,
    /// Objects that were hashed.
    pub objects: Tally,
    /// Those of them that hold other bytes than their names say.
    pub damaged: Vec<BadObject>,
    /// Outcomes that were proven.
    pub outcomes: u64,
    /// Outcomes that decayed, by stage kind.
    pub bad_outcomes: BTreeMap<String, u64>,
    /// Remembered stages that decayed.
    pub bad_stages: u64,
    /// Remembered digests of files that decayed.
    pub bad_files: u64,
    /// Rows that say wrongly which outcome names a blob, or were missing.
    pub bad_links: u64,
    /// Blobs that outcomes name and that are not there: they were collected, or deleted. That is no
    /// damage: they are made again when somebody reads them.
    pub absent: u64,
}

/// What became of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerState {
    /// Its structure is sound.
    Sound,
    /// It is damaged, and was only looked at.
    Damaged(LedgerProblem),
    /// It was damaged: a new one holds what was good.
    Replaced {
        /// Outcomes that were saved.
        saved: u64,
        /// Where the old one lies.
        aside: PathBuf,
    },
}

/// An object that holds other bytes than its name says.
#[derive(Debug)]
pub struct BadObject {
    /// Its name.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
    /// The outcomes that name it, by stage kind.
    pub units: BTreeMap<String, u64>,
    /// The stages whose table it is, as `pipeline: stage`.
    pub stages: Vec<String>,
}

impl Verdict {
    /// Whether nothing was damaged.
    pub fn is_clean(&self) -> bool {
        self.ledger == LedgerState::Sound
            && self.damaged.is_empty()
            && self.bad_outcomes.is_empty()
            && (self.bad_stages, self.bad_files, self.bad_links) == (0, 0, 0)
    }
}

/// Told now and then: what was hashed, of what.
pub type Progress<'a> = &'a (dyn Fn(Tally, Tally) + Sync);

/// Verifies the store in the folder `root`.
///
/// Objects and rows may be verified while others use the store. A ledger whose structure is damaged
/// is replaced only if nobody does. One of another version or another program is refused.
pub fn verify(root: &Path, repair: Repair, progress: Progress<'_>) -> Result<Verdict, StoreError> {
    let access = match repair {
        Repair::Yes => Access::ReadWrite,
        Repair::No => Access::ReadOnly,
    };
    let (store, rows, ledger) = match read_rows(root, access) {
        Ok((store, rows)) => (Some(store), rows, LedgerState::Sound),
        Err(StoreError::Ledger {
            problem: problem @ (LedgerProblem::Damaged | LedgerProblem::NotADatabase),
            ..
        }) => match repair {
            Repair::No => (None, Rows::default(), LedgerState::Damaged(problem)),
            Repair::Yes => {
                let state = replace_ledger(root)?;
                let (store, rows) = read_rows(root, access)?;
                (Some(store), rows, state)
            }
        },
        Err(error) => return Err(error),
    };
    let layout = Layout::new(root.to_owned());
    let objects = list_objects(&layout.objects())?;
    let damaged = find_damaged(&layout, &objects, progress)?;
    let named = rows.links.iter().map(|(blob, _)| blob);
    let named: std::collections::BTreeSet<_> = named.collect();
    let absent = named.iter().filter(|blob| !objects.contains_key(**blob));
    let verdict = Verdict {
        ledger,
        objects: Tally::of(objects.values().copied()),
        damaged: damaged
            .iter()
            .map(|digest| rows.blame(*digest, objects[digest]))
            .collect(),
        outcomes: rows.outcomes,
        bad_outcomes: rows.bad_kinds(),
        bad_stages: rows.bad_stages.len() as u64,
        bad_files: rows.bad_files.len() as u64,
        bad_links: rows.bad_links(),
        absent: absent.count() as u64,
    };
    if let (Some(store), Repair::Yes) = (store, repair) {
        for digest in &damaged {
            store.discard(digest);
            store.invalidate(&store.producers(digest)?)?;
        }
        rows.mend(&store)?;
    }
    Ok(verdict)
}

/// Opens the store and reads all rows. A ledger with a damaged structure is an error.
fn read_rows(root: &Path, access: Access) -> Result<(Store, Rows), StoreError> {
    let store = Store::open(root, access)?;
    if let Some(fault) = store.ledger.faults()? {
        return Err(store.damaged(fault));
    }
    let rows = Rows::read(&store)?;
    Ok((store, rows))
}

fn replace_ledger(root: &Path) -> Result<LedgerState, StoreError> {
    let root = std::path::absolute(root).map_err(|error| StoreError::io(root, "find", error))?;
    let layout = Layout::new(root);
    let _alone = enter(&layout, Access::Alone)?;
    let (saved, aside) = salvage(&layout)?;
    Ok(LedgerState::Replaced { saved, aside })
}

/// Hashes all objects, many at a time, the largest first so that no thread ends with them.
fn find_damaged(
    layout: &Layout,
    objects: &HashMap<Digest, u64>,
    progress: Progress<'_>,
) -> Result<Vec<Digest>, StoreError> {
    let all = Tally::of(objects.values().copied());
    let mut order: Vec<(Digest, u64)> = objects.iter().map(|(d, size)| (*d, *size)).collect();
    order.sort_unstable_by_key(|(digest, size)| (std::cmp::Reverse(*size), *digest));
    let done = Mutex::new(Tally::default());
    let verdicts: Vec<Option<Digest>> = order
        .par_iter()
        .with_max_len(16)
        .map(|(digest, size)| {
            let good = is_good(layout, digest)?;
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            (done.count, done.bytes) = (done.count + 1, done.bytes + size);
            progress(*done, all);
            Ok((!good).then_some(*digest))
        })
        .collect::<Result<_, StoreError>>()?;
    let mut damaged: Vec<Digest> = verdicts.into_iter().flatten().collect();
    damaged.sort_unstable();
    Ok(damaged)
}

/// Whether an object holds what its name says. One that is gone meanwhile is not damaged; one that
/// the disk cannot give back is.
fn is_good(layout: &Layout, digest: &Digest) -> Result<bool, StoreError> {
    let path = layout.object(digest);
    match fs::File::open(&path).and_then(|mut file| files::digest_of(&mut file)) {
        Ok(actual) => Ok(actual == *digest),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => Ok(true),
            io::ErrorKind::PermissionDenied => Err(StoreError::reading(&path, error)),
            _ => Ok(false),
        },
    }
}
