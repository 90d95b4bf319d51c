//! The birth of a ledger: built aside, then moved into place, so that `ledger.db` is either absent
//! or complete.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::layout::{Layout, hold, sync_folder};
use crate::{FORMAT, StoreError};

use super::{APPLICATION_ID, SCHEMA, failure};

/// Creates the ledger if there is none. Of several processes that find none, one creates it.
pub(super) fn ensure(layout: &Layout) -> Result<(), StoreError> {
    let path = layout.ledger();
    if path.exists() {
        return Ok(());
    }
    let _lock = hold(&layout.ledger_lock())?;
    if path.exists() {
        return Ok(());
    }
    // The log of a ledger that was deleted would be replayed into the new one.
    remove_logs(&path)?;
    let temporary = layout.temporary();
    build(&temporary).map_err(|error| {
        let _ = fs::remove_file(&temporary);
        failure::sort(layout, error)
    })?;
    fs::rename(&temporary, &path).map_err(|error| StoreError::io(&path, "create", error))?;
    sync_folder(layout.root())
}

/// Removes what SQLite keeps beside a ledger.
pub(super) fn remove_logs(ledger: &Path) -> Result<(), StoreError> {
    for suffix in ["-wal", "-shm"] {
        let mut path = ledger.to_owned().into_os_string();
        path.push(suffix);
        remove(Path::new(&path))?;
    }
    Ok(())
}

/// Writes an empty ledger. Closing it folds the log into the file.
pub(super) fn build(path: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "journal_mode", "DELETE")?;
    connection.execute_batch(&format!(
        "BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;"
    ))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.close().map_err(|(_, error)| error)
}

/// An empty ledger that exists in memory only.
pub(super) fn in_memory() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::io(path, "remove", error))
        }
        _ => Ok(()),
    }
}
