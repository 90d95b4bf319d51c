//! A look into the ledger, past the program: cache/README.md says what its columns mean.

use rusqlite::{Connection, OpenFlags};

use crate::project::Project;

/// What a ledger says about units.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Units {
    /// How many were ever committed.
    pub(crate) count: u64,
    /// How often the one that was committed most often was.
    pub(crate) most_commits: u64,
}

fn open(project: &Project) -> Connection {
    let path = project.path(".ccsr/ledger.db");
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap()
}

pub(crate) fn units(project: &Project) -> Units {
    let query = "SELECT count(*), coalesce(max(commits), 0) FROM unit";
    let row = |row: &rusqlite::Row<'_>| {
        Ok(Units {
            count: row.get(0)?,
            most_commits: row.get(1)?,
        })
    };
    open(project).query_row(query, [], row).unwrap()
}

/// The digests of the blobs that units of a kind made, in hexadecimal digits, in order.
pub(crate) fn blobs(project: &Project, kind: &str) -> Vec<String> {
    let ledger = open(project);
    let mut select = ledger
        .prepare(
            "SELECT lower(hex(blob)) FROM produced JOIN unit ON unit.id = unit
             WHERE kind = ?1 ORDER BY 1",
        )
        .unwrap();
    let rows = select.query_map([kind], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}
