//! The tree on disk: where everything lies, and how it comes to be.
//!
//! [`Layout`] knows paths and creates folders and small files. It does not know what the objects and
//! the ledger hold.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::{Digest, PinTarget, RunId, StoreError};

/// The version of the format on disk that this crate reads and writes. It covers the whole tree, the
/// ledger's tables and the encoding of keys.
pub const FORMAT: u32 = 1;

/// Leftovers in `tmp/` and `locks/` younger than this may belong to somebody who is alive.
const LEFTOVER_AGE: Duration = Duration::from_hours(24);

/// The paths of one store, and a name for whoever uses it here.
#[derive(Debug)]
pub(crate) struct Layout {
    root: PathBuf,
    /// Names this user of the store among all processes, dead ones included.
    owner: String,
    written: AtomicU64,
}

/// Random bits from the standard library's hash seeds: enough to keep names apart.
pub(crate) fn random() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

impl Layout {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self {
            root,
            owner: format!("{}-{:016x}", std::process::id(), random()),
            written: AtomicU64::new(0),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    pub(crate) fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }

    pub(crate) fn object(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.root.join("objects").join(&name[..2]).join(&name[2..])
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.root.join("ledger.db")
    }

    /// Held while a ledger is created, so that only one process does.
    pub(crate) fn ledger_lock(&self) -> PathBuf {
        self.root.join("ledger.lock")
    }

    /// Locked, shared, by everybody who may write, for as long as the store is open; exclusively by
    /// whoever takes things away.
    pub(crate) fn in_use(&self) -> PathBuf {
        self.root.join("in-use.lock")
    }

    /// Held while exports are written, so that one run at a time does.
    pub(crate) fn exports_lock(&self) -> PathBuf {
        self.root.join("exports.lock")
    }

    pub(crate) fn pins(&self) -> PathBuf {
        self.root.join("pins")
    }

    pub(crate) fn pin(&self, target: &PinTarget) -> PathBuf {
        self.pins().join(format!("{target}.json"))
    }

    pub(crate) fn temporary_folder(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(crate) fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    pub(crate) fn lock(&self, owner: &str) -> PathBuf {
        self.locks().join(format!("{owner}.lock"))
    }

    pub(crate) fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    pub(crate) fn run(&self, id: &RunId) -> PathBuf {
        self.root.join("runs").join(format!("{id}.json"))
    }

    pub(crate) fn timeline(&self, id: &RunId) -> PathBuf {
        self.root.join("runs").join(format!("{id}.timeline"))
    }

    /// A path in `tmp/` that nobody else uses.
    pub(crate) fn temporary(&self) -> PathBuf {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        self.temporary_folder()
            .join(format!("{}-{number}", self.owner))
    }

    /// Creates what is missing, refuses another format, clears away old leftovers. Touches nothing
    /// when all is there.
    pub(crate) fn prepare(&self) -> Result<(), StoreError> {
        self.check_version()?;
        fs::create_dir_all(&self.root).map_err(|error| self.not_a_folder(error))?;
        for name in ["objects", "tmp", "locks", "runs"] {
            create_folder(&self.root.join(name))?;
        }
        for (name, text) in [
            ("VERSION", format!("{FORMAT}\n")),
            (".gitignore", "*\n".into()),
        ] {
            let path = self.root.join(name);
            if !path.exists() {
                self.write_atomically(&path, text.as_bytes())?;
            }
        }
        self.clear_leftovers();
        Ok(())
    }

    /// Refuses a store of another format. One without a version has just begun to exist.
    pub(crate) fn check_version(&self) -> Result<(), StoreError> {
        let path = self.root.join("VERSION");
        match fs::read(&path) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                let found = text.trim();
                if found == FORMAT.to_string() {
                    return Ok(());
                }
                Err(StoreError::Version {
                    found: found.chars().take(20).collect(),
                    supported: FORMAT,
                    path,
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                Err(self.not_a_folder(error))
            }
            Err(error) => Err(StoreError::reading(&path, error)),
        }
    }

    /// An error about the root itself. A plain file in its place is as good as a folder that nobody
    /// may write to.
    fn not_a_folder(&self, error: io::Error) -> StoreError {
        if error.kind() == io::ErrorKind::AlreadyExists {
            let source = io::Error::from(io::ErrorKind::NotADirectory);
            return StoreError::io(&self.root, "create", source);
        }
        StoreError::io(&self.root, "create", error)
    }

    /// Writes a file that is either there as a whole or not at all, power cuts included.
    pub(crate) fn write_atomically(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let temporary = self.temporary();
        let write = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&temporary)?;
            file.write_all(bytes)?;
            file.sync_data()?;
            fs::rename(&temporary, path)
        };
        write().map_err(|error| {
            // Best effort: what stays behind is cleared a day later.
            let _ = fs::remove_file(&temporary);
            StoreError::io(path, "write", error)
        })
    }

    /// Removes what dead processes left a day or longer ago. Failing to is no failure of the store.
    fn clear_leftovers(&self) {
        for (folder, locked) in [("tmp", false), ("locks", true)] {
            let Ok(entries) = fs::read_dir(self.root.join(folder)) else {
                continue;
            };
            for entry in entries.flatten() {
                let path = entry.path();
                if is_old(&entry) && !(locked && is_held(&path)) {
                    let _ = fs::remove_file(path);
                }
            }
        }
    }
}

fn is_old(entry: &fs::DirEntry) -> bool {
    let modified = entry.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| {
        SystemTime::now()
            .duration_since(modified)
            .is_ok_and(|age| age > LEFTOVER_AGE)
    })
}

/// Whether somebody alive holds the lock on this file. A file that is not there is held by nobody;
/// one that cannot be probed is taken to be held.
pub(crate) fn is_held(path: &Path) -> bool {
    match File::open(path) {
        Ok(file) => file.try_lock_shared().is_err(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Whether somebody alive holds the lock on this file, be it with others. Nobody holds one that is
/// not there.
pub(crate) fn is_held_shared(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock().is_err())
}

/// Opens a file to lock, and creates it unless it is there.
pub(crate) fn open_lock(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|error| StoreError::io(path, "create", error))
}

/// Waits until nobody else holds the lock on this file, and holds it until what comes back is dropped.
pub(crate) fn hold(path: &Path) -> Result<File, StoreError> {
    let file = open_lock(path)?;
    file.lock()
        .map_err(|error| StoreError::io(path, "lock", error))?;
    Ok(file)
}

/// Creates a folder unless it is there.
pub(crate) fn create_folder(path: &Path) -> Result<(), StoreError> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let source = io::Error::from(io::ErrorKind::NotADirectory);
            Err(StoreError::io(path, "create", source))
        }
        other => other.map_err(|error| StoreError::io(path, "create", error)),
    }
}

/// Opens a new file whose bytes will never change.
pub(crate) fn create_immutable(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o444)
        .open(path)
}

/// Makes the names in a folder survive a power cut.
pub(crate) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| StoreError::io(path, "sync", error))
}
