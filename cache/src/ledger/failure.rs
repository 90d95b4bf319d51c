//! SQLite's failures, sorted into [`StoreError`].

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};

use rusqlite::{Error, ErrorCode, ffi};

use crate::layout::Layout;
use crate::{LedgerProblem, StoreError};

/// More than an empty ledger and SQLite's shared-memory file take when they are born.
const BIRTH: u64 = 128 * 1024;

/// Sorts a failure of the ledger of this store.
pub(super) fn sort(layout: &Layout, error: Error) -> StoreError {
    let path = layout.ledger();
    let Some(code) = error.sqlite_error_code() else {
        return damaged(layout, error);
    };
    match code {
        ErrorCode::DiskFull => StoreError::Full {
            path,
            source: io::Error::from(io::ErrorKind::StorageFull),
        },
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => StoreError::NotWritable {
            path,
            source: io::Error::from(io::ErrorKind::PermissionDenied),
        },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Busy { path },
        // The index of the log is half written, and whoever reads cannot finish it.
        ErrorCode::FileLockingProtocolFailed => StoreError::Ledger {
            path,
            problem: LedgerProblem::Unrecovered,
            source: Some(Box::new(error)),
        },
        ErrorCode::NotADatabase => StoreError::Ledger {
            path,
            problem: LedgerProblem::NotADatabase,
            source: Some(Box::new(error)),
        },
        ErrorCode::CannotOpen | ErrorCode::SystemIoFailure if path.is_dir() => StoreError::Ledger {
            path,
            problem: LedgerProblem::NotADatabase,
            source: Some(Box::new(error)),
        },
        ErrorCode::CannotOpen | ErrorCode::SystemIoFailure => match reproduce(layout, &error) {
            Err(source) => StoreError::io(&path, "write", source),
            Ok(()) => StoreError::Io {
                path,
                operation: "use the ledger",
                source: io::Error::other(error),
            },
        },
        _ => damaged(layout, error),
    }
}

fn damaged(layout: &Layout, error: Error) -> StoreError {
    StoreError::Ledger {
        path: layout.ledger(),
        problem: LedgerProblem::Damaged,
        source: Some(Box::new(error)),
    }
}

/// SQLite says that writing failed but not why, so the same is tried aside: to create a file beside
/// the ledger and to write where the ledger's files end. Only failed writing is reproduced.
fn reproduce(layout: &Layout, error: &Error) -> io::Result<()> {
    let Error::SqliteFailure(failure, _) = error else {
        return Ok(());
    };
    let writing = [
        ffi::SQLITE_IOERR_WRITE,
        ffi::SQLITE_IOERR_FSYNC,
        ffi::SQLITE_IOERR_DIR_FSYNC,
        ffi::SQLITE_IOERR_TRUNCATE,
        ffi::SQLITE_IOERR_SHMOPEN,
        ffi::SQLITE_IOERR_SHMSIZE,
        ffi::SQLITE_IOERR_SHMMAP,
    ];
    let opening = failure.extended_code & 0xff == ffi::SQLITE_CANTOPEN;
    if !opening && !writing.contains(&failure.extended_code) {
        return Ok(());
    }
    let name = layout.temporary();
    let name = name.file_name().unwrap_or_default();
    let probe = layout.root().join(name);
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&probe)?;
        fill(&mut file, layout)
    };
    let outcome = write();
    let _ = fs::remove_file(&probe);
    outcome
}

fn fill(file: &mut File, layout: &Layout) -> io::Result<()> {
    let ledger = layout.ledger();
    let lengths = ["", "-wal"].map(|suffix| {
        let mut path = ledger.clone().into_os_string();
        path.push(suffix);
        fs::metadata(path).map_or(0, |metadata| metadata.len())
    });
    let end = lengths.into_iter().fold(BIRTH, u64::max);
    file.seek(SeekFrom::Start(end))?;
    file.write_all(&[0; 16 * 1024])?;
    file.sync_data()
}
