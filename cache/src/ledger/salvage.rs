//! A damaged ledger: what can be read of it and proves itself is copied into a new one.
//!
//! Every row that decides something carries a seal, so what is copied is as good as it was. The old
//! ledger is kept aside.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Row, Transaction, params_from_iter, types::Value as Cell};

use super::{connect, create, failure};
use crate::layout::{Layout, sync_folder};
use crate::{RunId, StoreError, files, outcomes, stages};

/// The tables that are copied, in an order in which they can be read from either end. `lease` is
/// about processes that are gone, `produced` follows from `unit`.
const TABLES: [(&str, &str, Proof); 5] = [
    ("unit", "id", outcomes::is_sealed),
    ("stage", "rowid", stages::is_sealed),
    ("stage_history", "id", anything),
    ("file", "path", files::is_sealed),
    ("export", "target, path", anything),
];

/// Whether a row is what was written.
type Proof = fn(&Row<'_>) -> bool;

const fn anything(_: &Row<'_>) -> bool {
    true
}

/// Puts a new ledger in the place of a damaged one, with all that is good. The answer: how many
/// outcomes that is, and where the old one lies now. Nobody else may have the store open.
pub(crate) fn salvage(layout: &Layout) -> Result<(u64, PathBuf), StoreError> {
    let sort = |error| failure::sort(layout, error);
    let path = layout.ledger();
    let failed = |operation| {
        let path = path.clone();
        move |error| StoreError::io(&path, operation, error)
    };
    let (broken, fresh) = (layout.temporary(), layout.temporary());
    let copied = spread_out(&path, &broken)
        .map_err(failed("copy"))
        .and_then(|()| {
            create::build(&fresh)
                .and_then(|()| copy(&broken, &fresh))
                .map_err(sort)
        });
    let _ = fs::remove_file(&broken);
    create::remove_logs(&broken)?;
    let copied = copied.inspect_err(|_| {
        let _ = fs::remove_file(&fresh);
    })?;
    let aside = path.with_file_name(format!("ledger-damaged-{}.db", RunId::fresh()));
    fs::hard_link(&path, &aside).map_err(failed("keep"))?;
    // Its log would be replayed into the new one.
    create::remove_logs(&path)?;
    fs::rename(&fresh, &path).map_err(failed("replace"))?;
    sync_folder(layout.root())?;
    Ok((copied, aside))
}

/// Copies a ledger with its log, so that reading it changes nothing. Of one that lost its end SQLite
/// would read nothing at all, so it gets an empty end of the length that it should have.
fn spread_out(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    let log = |ledger: &Path| {
        let mut path = ledger.to_owned().into_os_string();
        path.push("-wal");
        PathBuf::from(path)
    };
    if log(from).exists() {
        fs::copy(log(from), log(to))?;
    }
    let mut file = OpenOptions::new().read(true).write(true).open(to)?;
    let mut header = [0; 32];
    if file.read_exact(&mut header).is_err() {
        return Ok(());
    }
    // Page size and number of pages, where the format of SQLite's files has them.
    let page = u16::from_be_bytes([header[16], header[17]]);
    let pages = u32::from_be_bytes([header[28], header[29], header[30], header[31]]);
    let length = u64::from(page) * u64::from(pages);
    let present = file.metadata()?.len();
    // A header that decayed may say anything.
    if length > present && length <= present.saturating_mul(64) {
        file.set_len(length)?;
    }
    Ok(())
}

/// Copies what is good. A ledger that cannot be opened has nothing good.
fn copy(from: &Path, to: &Path) -> rusqlite::Result<u64> {
    let mut to = connect(to)?;
    let transaction = to.transaction()?;
    // Opened for writing, so that the log is read, too.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if let Ok(from) = Connection::open_with_flags(from, flags) {
        for (table, order, proof) in TABLES {
            copy_table(&from, &transaction, table, order, proof)?;
        }
    }
    outcomes::link_all(&transaction)?;
    let copied = transaction.query_row("SELECT count(*) FROM unit WHERE valid", [], |row| {
        row.get(0)
    })?;
    transaction.commit()?;
    to.close().map_err(|(_, error)| error)?;
    Ok(copied)
}

/// Reads a table from both ends, up to where it cannot be read.
fn copy_table(
    from: &Connection,
    to: &Transaction<'_>,
    table: &str,
    order: &str,
    proof: Proof,
) -> rusqlite::Result<()> {
    let columns: Vec<String> = to
        .prepare(&format!("SELECT * FROM {table}"))?
        .column_names()
        .map(str::to_owned)
        .collect();
    let names = columns.join(", ");
    let places = vec!["?"; columns.len()].join(", ");
    let mut insert = to.prepare(&format!(
        "INSERT OR IGNORE INTO {table} ({names}) VALUES ({places})"
    ))?;
    for direction in ["ASC", "DESC"] {
        let order = order.replace(',', &format!(" {direction},"));
        let query = format!("SELECT {names} FROM {table} ORDER BY {order} {direction}");
        let Ok(mut select) = from.prepare(&query) else {
            return Ok(());
        };
        let Ok(mut rows) = select.query([]) else {
            continue;
        };
        loop {
            match rows.next() {
                Ok(Some(row)) if proof(row) => {
                    let cells: Result<Vec<Cell>, _> =
                        (0..columns.len()).map(|column| row.get(column)).collect();
                    // A row that breaks a rule of its table is not good either.
                    let _ = cells.and_then(|cells| insert.execute(params_from_iter(cells)));
                }
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(_) => break,
            }
        }
    }
    Ok(())
}
