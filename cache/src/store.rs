//! The one door: a [`Store`] is opened, and everything else is a method of it.
//!
//! The methods live beside what they are about (`objects`, `outcomes`, `leases`, `stages`, `files`,
//! `exports`, `runs`); this module opens and closes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::layout::Layout;
use crate::leases::Owner;
use crate::ledger::Ledger;
use crate::{LedgerProblem, StoreError};

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everything. What is missing is created.
    ReadWrite,
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
}

impl Store {
    /// Opens the store in the folder `root`. Opening a store that is complete writes nothing.
    pub fn open(root: &Path, access: Access) -> Result<Self, StoreError> {
        let absolute =
            std::path::absolute(root).map_err(|error| StoreError::io(root, "find", error))?;
        let layout = Arc::new(Layout::new(absolute));
        let ledger = match access {
            Access::ReadWrite => {
                layout.prepare()?;
                Ledger::open(Arc::clone(&layout))?
            }
            Access::ReadOnly => {
                layout.check_version()?;
                Ledger::open_read_only(Arc::clone(&layout))?
            }
        };
        Ok(Self {
            layout,
            ledger,
            owner: Owner::default(),
            access,
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
            Access::ReadWrite => Ok(()),
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

impl Drop for Store {
    fn drop(&mut self) {
        self.resign();
    }
}
