//! What runs reach: which objects the cache must keep so that kept runs can be looked at, compared
//! and run again without computing anything.
//!
//! Read [`kept`] first. What to take away is the cache's business; this module knows what records
//! and tables mean, which the cache does not.

use std::collections::{BTreeSet, HashSet};

use ccsr_cache::{Digest, Keep, PinTarget, RunId, Store, StoreError};
use ccsr_stage::Table;
use rayon::prelude::*;

/// What is kept if the records of the `newest` runs are (all of them, if no number is named), and
/// what is pinned.
///
/// Runs without a record were killed and are to go on: what they computed is kept if they began after
/// the oldest run that is kept.
pub fn kept(store: &Store, newest: Option<usize>) -> Result<Keep, StoreError> {
    let runs = store.runs()?;
    let pins = store.pins()?;
    let pinned: BTreeSet<RunId> = pins
        .iter()
        .filter_map(|pin| match &pin.target {
            PinTarget::Run(run) => Some(run.clone()),
            PinTarget::Blob(_) => None,
        })
        .collect();
    let (young, old) = runs.split_at(newest.unwrap_or(runs.len()).min(runs.len()));
    let (old_pinned, forget): (Vec<_>, Vec<_>) =
        old.iter().cloned().partition(|run| pinned.contains(run));
    let mut keep = Keep {
        roots: HashSet::new(),
        unrecorded_since: oldest(young, newest),
        runs: young.iter().cloned().chain(old_pinned).collect(),
        forget: forget.into_iter().collect(),
    };
    let mut roots: HashSet<Digest> = store.stage_tables(&keep)?.into_iter().collect();
    for run in &keep.runs {
        roots.extend(digests_in(&store.run(run)?.unwrap_or_default()));
    }
    roots.extend(pins.iter().filter_map(|pin| match pin.target {
        PinTarget::Blob(digest) => Some(digest),
        PinTarget::Run(_) => None,
    }));
    let named: Vec<_> = roots.par_iter().map(|root| named_by(store, root)).collect();
    keep.roots = roots;
    keep.roots.extend(named.into_iter().flatten());
    Ok(keep)
}

/// The runs whose records name this digest, newest first.
pub fn runs_naming(store: &Store, digest: &Digest) -> Result<Vec<RunId>, StoreError> {
    let mut naming = Vec::new();
    for run in store.runs()? {
        if digests_in(&store.run(&run)?.unwrap_or_default()).any(|named| named == *digest) {
            naming.push(run);
        }
    }
    Ok(naming)
}

/// When the oldest of the kept runs began. Where no run was ever recorded, all that there is was
/// computed by runs that were killed.
fn oldest(young: &[RunId], newest: Option<usize>) -> Option<RunId> {
    let ever = || RunId::new(std::time::UNIX_EPOCH, 0);
    match newest {
        Some(0) => None,
        _ => Some(young.iter().min().cloned().unwrap_or_else(ever)),
    }
}

/// Every digest in a record. It is searched rather than read: a record of a later version, or one that
/// decayed in part, still keeps what it names.
fn digests_in(record: &[u8]) -> impl Iterator<Item = Digest> {
    let words = record.split(|byte| !byte.is_ascii_alphanumeric());
    words.filter_map(|word| std::str::from_utf8(word).ok()?.parse().ok())
}

/// The blobs that a table names; none, if it is not there or no table.
fn named_by(store: &Store, root: &Digest) -> Vec<Digest> {
    if !store.has(root) {
        return Vec::new();
    }
    let table = store
        .read(root)
        .ok()
        .and_then(|bytes| Table::decode(&bytes).ok());
    let cells = table.iter().flat_map(Table::columns);
    cells
        .flat_map(|column| column.cells().iter().flat_map(ccsr_cache::Value::blobs))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_found_in_any_text() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let text = format!(
            "{{\"x\": \"{a}\", \"{b}\": [1], \"no\": \"{a}0\", \"half\": \"{}",
            &b.to_string()[..60]
        );
        let found: Vec<_> = digests_in(text.as_bytes()).collect();
        assert_eq!(found, [a, b]);
        assert_eq!(digests_in(&[0xff, 0]).count(), 0);
    }
}
