//! Reading without writing. SQLite's own reading of a write-ahead log creates and updates files
//! beside the database; the ways of reading here do not, and so also work in a read-only folder.
//!
//! - No log (the last writer closed properly): the file is opened as immutable.
//! - A log: it is read through its index (`-shm`), which is opened for reading only. One that a
//!   killed writer left is folded into the database first, if that may be written; an index that is
//!   missing or half written cannot be read otherwise.
//! - No ledger: an empty one in memory.
//!
//! Which of them is right may change at any moment, when a writer comes or goes: a query is run
//! again if the files changed hands meanwhile.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::layout::Layout;
use crate::store::enter;
use crate::{Access, LedgerProblem, StoreError};

use super::{check, configure, create, failure, identity};

/// How often a query is repeated because writers keep coming and going.
const ATTEMPTS: usize = 100;

/// The connection that reads.
#[derive(Debug)]
pub(super) enum Reader {
    /// Sees every change: an ordinary connection of a store that is open for writing.
    Live(Connection),
    /// Writes nothing, and is right as long as the files look like this.
    Still(Connection, Files),
}

/// What tells one state of the ledger's files from the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    /// Inode, size and modification time of the database, if it is there and read as it stands.
    database: Option<(u64, u64, i64, i64)>,
    /// Whether a log with something in it stands beside it.
    log: bool,
}

impl Files {
    fn of(layout: &Layout) -> Self {
        let log = fs::metadata(beside(layout, "-wal")).is_ok_and(|log| log.len() > 0);
        let database = fs::metadata(layout.ledger()).ok().map(|file| {
            if log {
                // SQLite itself follows the changes of a database that has a log.
                (file.ino(), 0, 0, 0)
            } else {
                (file.ino(), file.len(), file.mtime(), file.mtime_nsec())
            }
        });
        Self { database, log }
    }
}

pub(super) fn open(layout: &Layout) -> Result<Reader, StoreError> {
    // A log without a writer: it was killed. If it was writing to the log's index just then, SQLite
    // would wait ten seconds for it. Who may not write reads what can be read.
    if Files::of(layout).log
        && let Ok(_alone) = enter(layout, Access::Alone)
    {
        let _ = recover(layout);
    }
    match open_as_it_is(layout) {
        Err(
            unrecovered @ StoreError::Ledger {
                problem: LedgerProblem::Unrecovered,
                ..
            },
        ) => {
            recover(layout).map_err(|_| unrecovered)?;
            open_as_it_is(layout)
        }
        other => other,
    }
}

/// Opens the ledger like a writer for a moment, which rebuilds the index of its log, and folds the
/// log into it if there is no writer.
fn recover(layout: &Layout) -> rusqlite::Result<()> {
    let connection = super::connect(&layout.ledger())?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

fn open_as_it_is(layout: &Layout) -> Result<Reader, StoreError> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let files = Files::of(layout);
        let opened = open_as(layout, &files);
        if files == Files::of(layout) {
            return opened.map(|connection| Reader::Still(connection, files));
        }
        last = Some(opened);
    }
    Err(last.and_then(Result::err).unwrap_or(StoreError::Busy {
        path: layout.ledger(),
    }))
}

fn open_as(layout: &Layout, files: &Files) -> Result<Connection, StoreError> {
    let sort = |error| failure::sort(layout, error);
    if files.database.is_none() {
        return create::in_memory().map_err(sort);
    }
    let path = layout.ledger();
    if files.log && !beside(layout, "-shm").exists() {
        return Err(StoreError::Ledger {
            path,
            problem: LedgerProblem::Unrecovered,
            source: None,
        });
    }
    let way = if files.log {
        "mode=ro&readonly_shm=1"
    } else {
        "mode=ro&immutable=1"
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connect = || {
        let connection = Connection::open_with_flags(uri(&path, way), flags)?;
        configure(&connection)?;
        let identity = identity(&connection)?;
        Ok((connection, identity))
    };
    let (connection, identity) = connect().map_err(sort)?;
    check(&path, identity)?;
    Ok(connection)
}

pub(super) fn read<T>(
    layout: &Layout,
    reader: &mut Reader,
    query: impl Fn(&Connection) -> rusqlite::Result<T>,
) -> Result<T, StoreError> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let (connection, files) = match &*reader {
            Reader::Live(connection) => {
                return in_transaction(connection, &query)
                    .map_err(|error| failure::sort(layout, error));
            }
            Reader::Still(connection, files) => (connection, files.clone()),
        };
        if files == Files::of(layout) {
            let result = in_transaction(connection, &query);
            let gone = matches!(&result, Err(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen));
            if files == Files::of(layout) && !gone {
                return result.map_err(|error| failure::sort(layout, error));
            }
            last = result.err();
        }
        *reader = open(layout)?;
    }
    Err(last.map_or_else(
        || StoreError::Busy {
            path: layout.ledger(),
        },
        |error| failure::sort(layout, error),
    ))
}

fn in_transaction<T>(
    connection: &Connection,
    query: impl Fn(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.unchecked_transaction()?;
    let result = query(&transaction)?;
    transaction.commit()?;
    Ok(result)
}

fn beside(layout: &Layout, suffix: &str) -> PathBuf {
    let mut path = layout.ledger().into_os_string();
    path.push(suffix);
    path.into()
}

/// The path as an SQLite URI; every byte that could mean something is escaped.
fn uri(path: &Path, way: &str) -> String {
    use std::fmt::Write;
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte));
            }
            _ => write!(uri, "%{byte:02X}").expect("a String takes any text"),
        }
    }
    uri + "?" + way
}
