//! The ledger as a file: how large it is, whether it is sound, making it smaller.

use std::fs;

use rusqlite::Connection;

use super::{Ledger, failure, locked};
use crate::StoreError;

impl Ledger {
    /// What its files take.
    pub(crate) fn bytes(&self) -> u64 {
        let size = |suffix: &str| {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            fs::metadata(path).map_or(0, |file| file.len())
        };
        size("") + size("-wal")
    }

    /// What SQLite finds wrong with the file's structure; nothing, if it is sound.
    pub(crate) fn faults(&self) -> Result<Option<String>, StoreError> {
        self.read(|ledger| {
            let said: String =
                ledger.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
            Ok((said != "ok").then_some(said))
        })
    }

    /// Gives the file's free pages back, if they are many, and folds the log into it. Nobody else may
    /// write meanwhile. That there is no room to do it is no failure: free pages are used again.
    pub(crate) fn shrink(&self) -> Result<(), StoreError> {
        let pages =
            |name| self.read(|l| l.pragma_query_value(None, name, |row| row.get::<_, u64>(0)));
        let (free, all) = (pages("freelist_count")?, pages("page_count")?);
        if free * 4 > all {
            match self.with_writer(|writer| writer.execute_batch("VACUUM")) {
                Err(StoreError::Full { .. }) => {}
                other => other?,
            }
        }
        self.with_writer(|writer| {
            writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        })
    }

    /// Uses the writing connection outside of a transaction.
    fn with_writer<T>(
        &self,
        action: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let Some(writer) = &self.writer else {
            return Err(StoreError::opened_for_reading(self.layout.root()));
        };
        let mut writer = locked(writer);
        let run = || {
            let connection = match &mut *writer {
                Some(connection) => connection,
                none => none.insert(super::connect(&self.path)?),
            };
            action(connection)
        };
        run().map_err(|error| failure::sort(&self.layout, error))
    }
}
