//! Exports: what was put where outside the store, so that it is not put there again.
//!
//! Nothing here enters a key, and nothing here writes an export.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::params;

use crate::layout::hold;
use crate::ledger::Durability;
use crate::{Digest, Store, StoreError};

/// A file that was exported, as it was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// What it was made from.
    pub identity: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Its modification time, in nanoseconds since 1970.
    pub mtime_ns: i64,
}

/// The turn to write exports, which one store at a time has. Given up when it is dropped, or its process ends.
#[derive(Debug)]
pub struct ExportTurn {
    _lock: File,
}

impl Store {
    /// Waits until no other run on this cache writes exports. Of two that write the same folder at once, neither would know
    /// what the other left there: it would stay for ever, or be gone when it is to be removed.
    ///
    /// # Errors
    ///
    /// The lock cannot be created or taken.
    pub fn export_turn(&self) -> Result<ExportTurn, StoreError> {
        let lock = hold(&self.layout.exports_lock())?;
        Ok(ExportTurn { _lock: lock })
    }

    /// What was exported to `target`, a file or a folder: by path relative to it.
    pub fn exports(&self, target: &Path) -> Result<BTreeMap<String, Exported>, StoreError> {
        let target = absolute(target)?;
        self.ledger.read(|ledger| {
            ledger
                .prepare_cached(
                    "SELECT path, identity, size, mtime_ns FROM export WHERE target = ?1",
                )?
                .query_map([target.as_os_str().as_bytes()], |row| {
                    let exported = Exported {
                        identity: Digest::from_bytes(row.get(1)?),
                        size: row.get(2)?,
                        mtime_ns: row.get(3)?,
                    };
                    Ok((row.get(0)?, exported))
                })?
                .collect()
        })
    }

    /// Replaces what is remembered of `target`. Writes nothing when it says nothing new.
    pub fn set_exports(
        &self,
        target: &Path,
        exports: &BTreeMap<String, Exported>,
    ) -> Result<(), StoreError> {
        if self.exports(target)? == *exports {
            return self.must_write();
        }
        let target = absolute(target)?;
        let target = target.as_os_str().as_bytes();
        self.ledger.write(Durability::Unsynced, |ledger| {
            ledger.execute("DELETE FROM export WHERE target = ?1", [target])?;
            let mut insert = ledger.prepare_cached(
                "INSERT INTO export (target, path, identity, size, mtime_ns)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for (path, export) in exports {
                insert.execute(params![
                    target,
                    path,
                    export.identity.as_bytes(),
                    export.size,
                    export.mtime_ns
                ])?;
            }
            Ok(())
        })
    }
}

fn absolute(path: &Path) -> Result<std::path::PathBuf, StoreError> {
    std::path::absolute(path).map_err(|error| StoreError::io(path, "find", error))
}
