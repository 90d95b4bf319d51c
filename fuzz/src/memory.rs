//! A folder that is no disk, where the system has one.

use std::path::Path;

use tempfile::TempDir;

/// A new folder, in memory where the system can.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        TempDir::with_prefix_in("ccsr-fuzz-", memory)
    } else {
        TempDir::with_prefix("ccsr-fuzz-")
    };
    folder.expect("a folder for temporary files")
}
