//! Run records: one file a run. Their content is bytes here.

use std::fs;
use std::io;
use std::path::Path;

use crate::{RunId, Store, StoreError};

impl Store {
    /// Writes the record of a run, or replaces it as a whole.
    pub fn write_run(&self, id: &RunId, bytes: &[u8]) -> Result<(), StoreError> {
        self.must_write()?;
        self.layout.write_atomically(&self.layout.run(id), bytes)
    }

    /// The record of a run, if there is one.
    pub fn run(&self, id: &RunId) -> Result<Option<Vec<u8>>, StoreError> {
        read(&self.layout.run(id))
    }

    /// Writes what executed when in a run, or replaces it as a whole. It goes with the run's record.
    pub fn write_timeline(&self, id: &RunId, bytes: &[u8]) -> Result<(), StoreError> {
        self.must_write()?;
        self.layout
            .write_atomically(&self.layout.timeline(id), bytes)
    }

    /// What executed when in a run, if that was kept.
    pub fn timeline(&self, id: &RunId) -> Result<Option<Vec<u8>>, StoreError> {
        read(&self.layout.timeline(id))
    }

    /// Every run that has a record, newest first; of those that began in the same second, the one
    /// that was recorded last. Files that are not run records are passed over.
    pub fn runs(&self) -> Result<Vec<RunId>, StoreError> {
        let folder = self.layout.runs();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StoreError::reading(&folder, error)),
        };
        let mut runs = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| StoreError::reading(&folder, error))?;
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".json"));
            if let Some(id) = id.and_then(|id| id.parse::<RunId>().ok()) {
                let recorded = entry.metadata().and_then(|metadata| metadata.modified());
                runs.push((id, recorded.ok()));
            }
        }
        runs.sort_unstable_by(|(a, a_recorded), (b, b_recorded)| {
            let seconds = b.second().cmp(a.second());
            seconds
                .then(b_recorded.cmp(a_recorded))
                .then_with(|| b.cmp(a))
        });
        Ok(runs.into_iter().map(|(id, _)| id).collect())
    }
}

/// A file's content, if it is there.
fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::reading(path, error)),
    }
}
