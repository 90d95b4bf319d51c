//! What can go wrong with a store, sorted by what somebody can do about it.
//!
//! [`StoreError`] is the type to read first. The classification of operating-system errors is here
//! too, so that a full disk reads the same wherever it strikes. How errors are shown is not decided
//! here.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::Digest;

/// A store that cannot be used, or an operation on it that failed. Nothing that was committed
/// before is lost by any of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder is read-only, belongs to somebody else, or is no folder; or the store was opened
    /// for reading only.
    #[error("`{}` cannot be written; make it writable or use another cache folder", path.display())]
    NotWritable {
        /// What could not be written.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The disk, a quota or a limit on file sizes is exhausted.
    #[error("no space left for `{}`; nothing committed was lost; free some space and run again", path.display())]
    Full {
        /// What did not fit.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The store was written in another format. It was not touched.
    #[error(
        "`{}` says cache format `{found}`, and this program knows `{supported}`; use the program that wrote it, or another cache folder",
        path.display()
    )]
    Version {
        /// The format that is there.
        found: String,
        /// The format this crate reads and writes.
        supported: u32,
        /// The file that says so.
        path: PathBuf,
    },
    /// The ledger is damaged or is no ledger. The objects are not affected.
    #[error("the ledger `{}` {problem}", path.display())]
    Ledger {
        /// The ledger.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: LedgerProblem,
        /// What SQLite said, if it was asked.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Somebody has the store open for writing, and what was asked for needs it alone.
    #[error("the cache `{}` is in use; let the run that uses it end, and try again", path.display())]
    InUse {
        /// The store's folder.
        path: PathBuf,
    },
    /// Another process kept the ledger locked for longer than a minute.
    #[error("the ledger `{}` stayed locked for a minute; find the process that holds it, or run again", path.display())]
    Busy {
        /// The ledger.
        path: PathBuf,
    },
    /// Any other failure of the operating system.
    #[error("could not {operation} `{}`", path.display())]
    Io {
        /// What was being worked on.
        path: PathBuf,
        /// What was being done, as in "could not … it".
        operation: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// What is wrong with a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LedgerProblem {
    /// The file is not an SQLite database.
    NotADatabase,
    /// The file is an SQLite database, but not of this crate.
    Foreign {
        /// The id that was found.
        application_id: i32,
    },
    /// The content contradicts itself, or SQLite failed in a way that has no name here.
    Damaged,
    /// A writer died, and the file that would let a reader see what it wrote is missing.
    Unrecovered,
}

impl LedgerProblem {
    /// What is wrong, in words that follow "the ledger".
    pub fn fault(self) -> String {
        match self {
            Self::NotADatabase => "is not a database".to_owned(),
            Self::Foreign { application_id } => {
                format!("is a database of another program (application id {application_id:#x})")
            }
            Self::Damaged => "is damaged".to_owned(),
            Self::Unrecovered => {
                "holds changes of a writer that died, which only a writer can recover".to_owned()
            }
        }
    }

    /// What to do about it.
    const fn advice(self) -> &'static str {
        match self {
            Self::NotADatabase | Self::Damaged => {
                "`cache verify` saves what is good in it, objects stay; or put a good copy in its place"
            }
            Self::Foreign { .. } => {
                "put a good copy in its place, or delete it together with its `-wal` and `-shm`: outcomes are then computed again, objects stay"
            }
            Self::Unrecovered => "run something that writes once",
        }
    }
}

impl fmt::Display for LedgerProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.fault(), self.advice())
    }
}

/// How an object was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// There is no such file.
    Missing,
    /// The file holds other bytes than its name says.
    Damaged,
}

/// An object that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The object is not there, or not what it should be. Whoever made it can make it again.
    #[error("object {} is {}", digest.short(), match how { Loss::Missing => "missing", Loss::Damaged => "damaged" })]
    Lost {
        /// The object.
        digest: Digest,
        /// Whether it is absent or wrong.
        how: Loss,
    },
    /// The operating system would not read it.
    #[error("could not read `{}`", path.display())]
    Io {
        /// The object's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A file of the user's that could not be digested.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Nothing is there.
    #[error("there is no file `{}`", path.display())]
    NotFound {
        /// The path, as it was asked for.
        path: PathBuf,
    },
    /// A folder or something else that has no bytes of its own.
    #[error("`{}` is not a file", path.display())]
    NotAFile {
        /// The path, as it was asked for.
        path: PathBuf,
    },
    /// The operating system would not read it.
    #[error("could not read `{}`", path.display())]
    Io {
        /// The path, as it was asked for.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file could be read, but its digest could not be looked up or remembered.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StoreError {
    /// Sorts an operating-system error that struck while `operation` was done to `path`.
    pub(crate) fn io(path: &Path, operation: &'static str, source: io::Error) -> Self {
        use io::ErrorKind as Kind;
        let path = path.to_owned();
        match source.kind() {
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => {
                Self::Full { path, source }
            }
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem | Kind::NotADirectory => {
                Self::NotWritable { path, source }
            }
            _ => Self::Io {
                path,
                operation,
                source,
            },
        }
    }

    /// The same for reading, where a lack of permission says nothing about writing.
    pub(crate) fn reading(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            operation: "read",
            source,
        }
    }

    /// A write to a store that was opened for reading.
    pub(crate) fn opened_for_reading(root: &Path) -> Self {
        Self::NotWritable {
            path: root.to_owned(),
            source: io::Error::other("it was opened for reading only"),
        }
    }
}

impl FileError {
    /// Sorts an operating-system error that struck while `path` was read.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { path },
            io::ErrorKind::IsADirectory => Self::NotAFile { path },
            _ => Self::Io { path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use io::ErrorKind as Kind;

    use super::*;

    #[test]
    fn errors_are_sorted_by_what_helps() {
        let sorted = |kind: Kind| StoreError::io(Path::new("/x"), "write", kind.into());
        for kind in [Kind::StorageFull, Kind::QuotaExceeded, Kind::FileTooLarge] {
            assert!(matches!(sorted(kind), StoreError::Full { .. }), "{kind}");
        }
        for kind in [Kind::PermissionDenied, Kind::ReadOnlyFilesystem] {
            let error = sorted(kind);
            assert!(matches!(error, StoreError::NotWritable { .. }), "{kind}");
        }
        let other = sorted(Kind::TimedOut);
        assert_eq!(other.to_string(), "could not write `/x`");
        // ENOSPC, EDQUOT, EFBIG, EROFS and EACCES, as Linux numbers them.
        for (number, full) in [
            (28, true),
            (122, true),
            (27, true),
            (30, false),
            (13, false),
        ] {
            let source = io::Error::from_raw_os_error(number);
            let error = StoreError::io(Path::new("/x"), "write", source);
            assert_eq!(matches!(error, StoreError::Full { .. }), full, "{number}");
            let denied = matches!(error, StoreError::NotWritable { .. });
            assert_eq!(denied, !full, "{number}");
        }
    }

    #[test]
    fn every_error_says_where_and_what_to_do() {
        let path = || PathBuf::from("/x/ledger.db");
        let source = || io::Error::from(Kind::Other);
        let ledger = |problem| StoreError::Ledger {
            path: path(),
            problem,
            source: None,
        };
        let errors = [
            (
                StoreError::NotWritable {
                    path: path(),
                    source: source(),
                },
                "another cache folder",
            ),
            (
                StoreError::Full {
                    path: path(),
                    source: source(),
                },
                "free some space and run again",
            ),
            (
                StoreError::Version {
                    found: "2".into(),
                    supported: 1,
                    path: path(),
                },
                "another cache folder",
            ),
            (StoreError::Busy { path: path() }, "run again"),
            (ledger(LedgerProblem::Damaged), "cache verify"),
            (
                ledger(LedgerProblem::Foreign { application_id: 7 }),
                "delete it",
            ),
            (ledger(LedgerProblem::Unrecovered), "writes once"),
        ];
        for (error, advice) in errors {
            let text = error.to_string();
            assert!(
                text.contains("/x/ledger.db") && text.contains(advice),
                "{text}"
            );
            assert!(!text.contains('\n') && !text.ends_with('.'), "{text}");
        }
    }
}
