//! Leases: who is working on what, so that equal keys are computed once.
//!
//! A lease is a row that names its owner, and an owner is alive as long as its lock file is locked.
//! The operating system drops the lock when the process ends, however it ends, and the lease with it.
//! Leases keep work from being done twice; correctness never hangs on them.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{OptionalExtension, Transaction, params};

use crate::layout::{Layout, is_held};
use crate::ledger::Durability;
use crate::{ActionKey, Store, StoreError};

/// How long closing a store waits to release its leases. They die with the lock in any case.
const FAREWELL: Duration = Duration::from_secs(1);

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Claim {
    /// This store holds the lease now, or held it already: do the work, then commit or release.
    Ours,
    /// There is an outcome: look it up.
    Done,
    /// Somebody alive is at it: look again later.
    Held,
}

/// The lock that keeps this store's leases alive; taken with the first claim.
#[derive(Debug, Default)]
pub(crate) struct Owner(Mutex<Option<File>>);

impl Owner {
    /// Creates and locks the lock file, once.
    fn enlist(&self, layout: &Layout) -> Result<(), StoreError> {
        let mut lock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_none() {
            let path = layout.lock(layout.owner());
            let file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&path)
                .map_err(|error| StoreError::io(&path, "create", error))?;
            file.lock()
                .map_err(|error| StoreError::io(&path, "lock", error))?;
            *lock = Some(file);
        }
        Ok(())
    }

    fn is_enlisted(&self) -> bool {
        let lock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lock.is_some()
    }

    /// Drops this owner's leases on `keys`.
    pub(crate) fn release<'a>(
        &self,
        ledger: &Transaction<'_>,
        layout: &Layout,
        keys: impl IntoIterator<Item = &'a ActionKey>,
    ) -> rusqlite::Result<()> {
        if !self.is_enlisted() {
            return Ok(());
        }
        let mut delete =
            ledger.prepare_cached("DELETE FROM lease WHERE key = ?1 AND owner = ?2")?;
        for key in keys {
            delete.execute(params![key.as_bytes(), layout.owner()])?;
        }
        Ok(())
    }
}

impl Store {
    /// Claims the work on `keys`, in order. Leases whose owner died are taken over.
    pub fn claim(&self, keys: &[ActionKey]) -> Result<Vec<Claim>, StoreError> {
        self.must_write()?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.owner.enlist(&self.layout)?;
        let (claims, dead) = self.ledger.write(Durability::Unsynced, |ledger| {
            let mut others = BTreeMap::new();
            let claims: Vec<Claim> = keys
                .iter()
                .map(|key| claim(ledger, &self.layout, key, &mut others))
                .collect::<Result<_, _>>()?;
            Ok((claims, others))
        })?;
        for (owner, _) in dead.iter().filter(|(_, alive)| !**alive) {
            // Best effort: what stays behind is cleared a day later.
            let _ = fs::remove_file(self.layout.lock(owner));
        }
        Ok(claims)
    }

    /// Gives up this store's leases on `keys`, so that somebody else may do the work.
    pub fn release(&self, keys: &[ActionKey]) -> Result<(), StoreError> {
        if keys.is_empty() || !self.owner.is_enlisted() {
            return Ok(());
        }
        self.ledger.write(Durability::Unsynced, |ledger| {
            self.owner.release(ledger, &self.layout, keys)
        })
    }

    /// Gives up everything, when the store is closed.
    pub(crate) fn resign(&self) {
        if !self.owner.is_enlisted() {
            return;
        }
        let owner = self.layout.owner();
        // Should this fail, the leases die with the lock file all the same.
        let _ = self
            .ledger
            .write_within(FAREWELL, Durability::Unsynced, |ledger| {
                ledger.execute("DELETE FROM lease WHERE owner = ?1", [owner])
            });
        let _ = fs::remove_file(self.layout.lock(owner));
    }
}

/// Claims one key. `others` remembers which other owners were found alive.
fn claim(
    ledger: &Transaction<'_>,
    layout: &Layout,
    key: &ActionKey,
    others: &mut BTreeMap<String, bool>,
) -> rusqlite::Result<Claim> {
    if crate::outcomes::is_done(ledger, key)? {
        return Ok(Claim::Done);
    }
    let holder: Option<String> = ledger
        .prepare_cached("SELECT owner FROM lease WHERE key = ?1")?
        .query_row([key.as_bytes()], |row| row.get(0))
        .optional()?;
    if let Some(holder) = holder {
        if holder == layout.owner() {
            return Ok(Claim::Ours);
        }
        let alive = *others
            .entry(holder)
            .or_insert_with_key(|owner| is_held(&layout.lock(owner)));
        if alive {
            return Ok(Claim::Held);
        }
    }
    ledger
        .prepare_cached("INSERT OR REPLACE INTO lease (key, owner) VALUES (?1, ?2)")?
        .execute(params![key.as_bytes(), layout.owner()])?;
    Ok(Claim::Ours)
}
