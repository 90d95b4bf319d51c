//! The ledger: one SQLite database, one connection that reads and one that writes.
//!
//! [`Ledger::read`] and [`Ledger::write`] are the two ways in: each runs a closure in one
//! transaction. What the tables mean is said in the modules that own them; this one opens, creates
//! and guards.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::layout::Layout;
use crate::{FORMAT, LedgerProblem, StoreError};

mod create;
mod failure;
mod reader;
mod salvage;
mod upkeep;

use reader::Reader;
pub(crate) use salvage::salvage;

const SCHEMA: &str = include_str!("ledger/schema.sql");
/// Marks the database as ours: "CCSR" in ASCII.
const APPLICATION_ID: i32 = 0x4343_5352;
/// How long to wait for another process's transaction. Ours take milliseconds.
const PATIENCE: Duration = Duration::from_mins(1);
/// Pages of the log (4 KiB each) from which on it is folded into the file. Keys are random, so every
/// batch touches hundreds of index pages; the longer the log, the fewer of them are written twice.
const LOG_PAGES: i64 = 8192;
/// Page cache of a connection, in KiB (negative is SQLite's way to say so).
const PAGE_CACHE_KIB: i64 = -65_536;

/// Whether a transaction must survive a power cut. A killed process never undoes either.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Synced to the disk before it counts.
    Synced,
    /// The last moments may be missing after a power cut, consistently.
    Unsynced,
}

/// An open ledger.
#[derive(Debug)]
pub(crate) struct Ledger {
    layout: Arc<Layout>,
    path: PathBuf,
    reader: Mutex<Reader>,
    /// Opened by the first write; none at all when the store may only be read.
    writer: Option<Mutex<Option<Connection>>>,
}

impl Ledger {
    /// Opens the ledger for both, creating it when it is not there.
    pub(crate) fn open(layout: Arc<Layout>) -> Result<Self, StoreError> {
        let path = layout.ledger();
        create::ensure(&layout)?;
        let open = || {
            let connection = connect(&path)?;
            if connection.is_readonly("main")? {
                let code = rusqlite::ffi::SQLITE_READONLY;
                return Err(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(code),
                    None,
                ));
            }
            let identity = identity(&connection)?;
            Ok((connection, identity))
        };
        let (connection, identity) = open().map_err(|error| failure::sort(&layout, error))?;
        check(&path, identity)?;
        Ok(Self {
            path,
            reader: Mutex::new(Reader::Live(connection)),
            writer: Some(Mutex::new(None)),
            layout,
        })
    }

    /// Opens the ledger for reading and writes nothing at all. No ledger is an empty one.
    pub(crate) fn open_read_only(layout: Arc<Layout>) -> Result<Self, StoreError> {
        let reader = reader::open(&layout)?;
        Ok(Self {
            path: layout.ledger(),
            reader: Mutex::new(reader),
            writer: None,
            layout,
        })
    }

    /// Runs `query` in one read transaction. It may be run again if the ledger changed hands.
    pub(crate) fn read<T>(
        &self,
        query: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut reader = locked(&self.reader);
        reader::read(&self.layout, &mut reader, query)
    }

    /// Runs `change` in one write transaction, which is rolled back if it fails.
    pub(crate) fn write<T>(
        &self,
        durability: Durability,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.write_within(PATIENCE, durability, change)
    }

    /// The same with another limit to waiting.
    pub(crate) fn write_within<T>(
        &self,
        patience: Duration,
        durability: Durability,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let Some(writer) = &self.writer else {
            return Err(StoreError::opened_for_reading(self.layout.root()));
        };
        let mut writer = locked(writer);
        let run = || {
            let connection = match &mut *writer {
                Some(connection) => connection,
                none => none.insert(connect(&self.path)?),
            };
            connection.busy_timeout(patience)?;
            let level = match durability {
                Durability::Synced => "FULL",
                Durability::Unsynced => "NORMAL",
            };
            connection.pragma_update(None, "synchronous", level)?;
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = change(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        run().map_err(|error| failure::sort(&self.layout, error))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic inside a transaction rolls it back, so the connection is sound afterwards.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens an existing ledger for reading and writing.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    configure(&connection)?;
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "cache_size", PAGE_CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Without it a statement is planned anew for each value that it is asked with.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// The application id and the version that a database carries.
fn identity(connection: &Connection) -> rusqlite::Result<(i32, u32)> {
    let application = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((application, version))
}

/// Refuses what is not a ledger of this version.
fn check(path: &Path, identity: (i32, u32)) -> Result<(), StoreError> {
    let problem = match identity {
        (APPLICATION_ID, FORMAT) => return Ok(()),
        (APPLICATION_ID, other) => {
            return Err(StoreError::Version {
                found: other.to_string(),
                supported: FORMAT,
                path: path.to_owned(),
            });
        }
        // SQLite takes a file that is shorter than a page for an empty database.
        (0, _) if std::fs::metadata(path).is_ok_and(|file| file.len() < 512) => {
            LedgerProblem::NotADatabase
        }
        (application_id, _) => LedgerProblem::Foreign { application_id },
    };
    Err(StoreError::Ledger {
        path: path.to_owned(),
        problem,
        source: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_that_stays_locked_is_busy_and_recovers() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Arc::new(Layout::new(folder.path().to_owned()));
        layout.prepare().unwrap();
        let ledger = Ledger::open(Arc::clone(&layout)).unwrap();
        let other = connect(&layout.ledger()).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let moment = Duration::from_millis(20);
        let delete = |ledger: &Transaction<'_>| ledger.execute("DELETE FROM lease", []);
        let error = ledger
            .write_within(moment, Durability::Synced, delete)
            .unwrap_err();
        assert!(matches!(error, StoreError::Busy { .. }), "{error:?}");
        // Reading does not wait for anybody.
        ledger
            .read(|ledger| ledger.query_row("SELECT count(*) FROM lease", [], |_| Ok(())))
            .unwrap();
        other.execute_batch("ROLLBACK").unwrap();
        ledger
            .write_within(moment, Durability::Synced, delete)
            .unwrap();
    }

    #[test]
    fn a_change_that_fails_or_panics_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Arc::new(Layout::new(folder.path().to_owned()));
        layout.prepare().unwrap();
        let ledger = Ledger::open(layout).unwrap();
        let insert = |ledger: &Transaction<'_>| {
            ledger.execute("INSERT INTO lease (key, owner) VALUES (x'00', 'me')", [])
        };
        let failed = ledger.write(Durability::Synced, |ledger| {
            insert(ledger)?;
            insert(ledger)
        });
        assert!(failed.is_err());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            ledger.write(Durability::Synced, |ledger| -> rusqlite::Result<()> {
                insert(ledger)?;
                panic!("on purpose")
            })
        }));
        assert!(panicked.is_err());
        let count: i64 = ledger
            .read(|ledger| ledger.query_row("SELECT count(*) FROM lease", [], |row| row.get(0)))
            .unwrap();
        assert_eq!(count, 0);
    }
}
