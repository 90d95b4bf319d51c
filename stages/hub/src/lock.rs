//! One writer at a time: a lock file a blob, where Hugging Face's own programs lock it too.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use crate::error::HubError;

/// Between two looks at whether a lock is free.
const PAUSE: Duration = Duration::from_millis(50);

/// Held as long as it lives; the system lets go of it when the process ends in any way.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock; `wait` is told once if it has to.
    pub(crate) fn take(path: &Path, wait: &mut dyn FnMut()) -> Result<Self, HubError> {
        let doing = |error| HubError::file("lock", path, error);
        // What it held before does not matter; it is empty, and stays.
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(doing)?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) => {
                    if !told {
                        wait();
                        told = true;
                    }
                    std::thread::sleep(PAUSE);
                }
                Err(TryLockError::Error(error)) => return Err(doing(error)),
            }
        }
    }
}
