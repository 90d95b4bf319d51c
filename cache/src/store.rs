//! The one door: a [`Store`] is opened, and everything else is a method of it.
//!
//! The methods live beside what they are about (`objects`, `outcomes`, `leases`, `stages`, `files`,
//! `exports`, `runs`); this module opens and closes.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::layout::{Layout, open_lock};
use crate::leases::Owner;
use crate::ledger::Ledger;
use crate::{LedgerProblem, StoreError};

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everything. What is missing is created.
    ReadWrite,
    /// Everything, and nobody else has the store open for writing: things may be taken away without
    /// anybody missing them. Whoever opens the store for writing meanwhile waits.
    Alone,
    /// Looking only: nothing at all is written, so that a folder that cannot be written to can be
    /// read, and a store that does not exist is an empty one. Whatever would change something
    /// answers [`StoreError::NotWritable`].
    ReadOnly,
}

/// A store that is open. It may be shared between threads; other processes may have it open too.
#[derive(Debug)]
pub struct Store {
    pub(crate) layout: Arc<Layout>,
    pub(crate) ledger: Ledger,
    pub(crate) owner: Owner,
    pub(crate) access: Access,
    /// Says to others that the store is in use. The system unlocks it when the process ends.
    _presence: Option<File>,
}

impl Store {
    /// Opens the store in the folder `root`. Opening a store that is complete writes nothing. While
    /// somebody has the store alone, opening it for writing waits; having it alone waits for nobody
    /// and answers [`StoreError::InUse`].
    pub fn open(root: &Path, access: Access) -> Result<Self, StoreError> {
        let absolute =
            std::path::absolute(root).map_err(|error| StoreError::io(root, "find", error))?;
        let layout = Arc::new(Layout::new(absolute));
        let (ledger, presence) = match access {
            Access::ReadWrite | Access::Alone => {
                layout.prepare()?;
                let presence = enter(&layout, access)?;
                (Ledger::open(Arc::clone(&layout))?, Some(presence))
            }
            Access::ReadOnly => {
                layout.check_version()?;
                (Ledger::open_read_only(Arc::clone(&layout))?, None)
            }
        };
        Ok(Self {
            layout,
            ledger,
            owner: Owner::default(),
            access,
            _presence: presence,
        })
    }

    /// The folder, as an absolute path.
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    /// A path that nobody else uses, for a file that is written aside and renamed into its place.
    /// What a killed process leaves there is cleared away when a store is opened a day later.
    pub fn temporary(&self) -> PathBuf {
        self.layout.temporary()
    }

    /// What the store was opened for.
    pub const fn access(&self) -> Access {
        self.access
    }

    /// Refuses when the store was opened for reading.
    pub(crate) fn must_write(&self) -> Result<(), StoreError> {
        match self.access {
            Access::ReadWrite | Access::Alone => Ok(()),
            Access::ReadOnly => Err(StoreError::opened_for_reading(self.root())),
        }
    }

    /// The error for content of the ledger that cannot be understood.
    pub(crate) fn damaged(
        &self,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> StoreError {
        StoreError::Ledger {
            path: self.layout.ledger(),
            problem: LedgerProblem::Damaged,
            source: Some(error.into()),
        }
    }
}

/// Takes the lock that says that the store is in use, or in use by one alone.
pub(crate) fn enter(layout: &Layout, access: Access) -> Result<File, StoreError> {
    let path = layout.in_use();
    let failed = |error| StoreError::io(&path, "lock", error);
    let file = open_lock(&path)?;
    if access != Access::Alone {
        file.lock_shared().map_err(failed)?;
        return Ok(file);
    }
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            path: layout.root().to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.resign();
    }
}
