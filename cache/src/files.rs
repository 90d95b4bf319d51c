//! Digests of the user's files. A file is read once, and its digest remembered for as long as the
//! file looks the same.
//!
//! Files are streamed, not memory-mapped: a file that somebody truncates meanwhile must not kill the
//! process.

use std::borrow::Cow;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rayon::prelude::*;
use rusqlite::{OptionalExtension, Row, params};

use crate::ledger::Durability;
use crate::seal::{Seal, seal};
use crate::{Access, Digest, FileError, Store, tree};

/// A file that changed so shortly before it was read may change again without looking different: the
/// clocks of file systems tick at up to two seconds.
const TICK: Duration = Duration::from_secs(2);
/// How much of a file is read at a time, in bytes.
const CHUNK: usize = 4 << 20;
/// Files of at least this many bytes are read and hashed by several threads.
const LARGE: u64 = 1 << 20;
/// Chunks of at least this many bytes are hashed by several threads.
const PARALLEL: usize = 256 << 10;

/// What a file looks like from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    size: u64,
    mtime_ns: i64,
    ctime_ns: i64,
    inode: u64,
}

impl Look {
    fn of(metadata: &Metadata) -> Self {
        let nanoseconds = |seconds: i64, rest| seconds.saturating_mul(1_000_000_000) + rest;
        Self {
            size: metadata.size(),
            mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }

    /// Whether a file that looked like this at `now` must look different after its next change.
    fn is_settled(&self, now: SystemTime) -> bool {
        let now = now
            .checked_sub(TICK)
            .and_then(|then| then.duration_since(UNIX_EPOCH).ok())
            .map_or(0, |since| since.as_nanos() as i64);
        self.mtime_ns.max(self.ctime_ns) < now
    }
}

/// A file of the user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLook {
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many bytes there are.
    pub bytes: u64,
}

/// A file that was read.
struct Hashed {
    digest: Digest,
    bytes: u64,
    /// What to remember it by, if it may be remembered.
    lasting: Option<Look>,
}

impl Store {
    /// The digest of a file's bytes; symbolic links are followed.
    pub fn digest_file(&self, path: &Path) -> Result<Digest, FileError> {
        Ok(self.digest_files(&[path.to_owned()])?[0])
    }

    /// The digests of many files, in order: see [`Store::look_at_files`].
    pub fn digest_files(&self, paths: &[PathBuf]) -> Result<Vec<Digest>, FileError> {
        let looks = self.look_at_files(paths)?;
        Ok(looks.into_iter().map(|look| look.digest).collect())
    }

    /// The digests and sizes of many files, in order. Only files that are new or look different are
    /// read, many at a time. Of several errors, that of the first file is returned.
    pub fn look_at_files(&self, paths: &[PathBuf]) -> Result<Vec<FileLook>, FileError> {
        let looks: Vec<_> = paths
            .par_iter()
            .with_min_len(64)
            .map(|path| look(path))
            .collect::<Vec<_>>()
            .into_iter()
            .collect::<Result<_, _>>()?;
        let known = self.known(&looks)?;
        let hashed: Vec<Option<Hashed>> = known
            .par_iter()
            .zip(paths)
            .with_min_len(16)
            .map(|(known, path)| match known {
                Some(_) => Ok(None),
                None => hash(path).map(Some),
            })
            .collect::<Vec<_>>()
            .into_iter()
            .collect::<Result<_, _>>()?;
        let news: Vec<_> = looks
            .iter()
            .zip(&hashed)
            .filter_map(|((path, _), hashed)| {
                let hashed = hashed.as_ref()?;
                Some((&**path, hashed.lasting?, hashed.digest))
            })
            .collect();
        self.remember(&news)?;
        let digests = known.into_iter().zip(hashed).zip(looks);
        Ok(digests
            .filter_map(|((known, hashed), (_, look))| {
                Some(match hashed {
                    Some(hashed) => FileLook {
                        digest: hashed.digest,
                        bytes: hashed.bytes,
                    },
                    None => FileLook {
                        digest: known?,
                        bytes: look.size,
                    },
                })
            })
            .collect())
    }

    /// The remembered digests of files that still look the same.
    fn known(&self, looks: &[(Cow<'_, Path>, Look)]) -> Result<Vec<Option<Digest>>, FileError> {
        let known = self.ledger.read(|ledger| {
            let mut select = ledger.prepare_cached(
                "SELECT digest, seal FROM file
                 WHERE path = ?1 AND size = ?2 AND mtime_ns = ?3 AND ctime_ns = ?4 AND inode = ?5",
            )?;
            looks
                .iter()
                .map(|(path, look)| {
                    let path = path.as_os_str().as_bytes();
                    let inode = look.inode as i64;
                    let columns = params![path, look.size, look.mtime_ns, look.ctime_ns, inode];
                    let known = select
                        .query_row(columns, |row| Ok(sealed(row, path, look)))
                        .optional()?;
                    Ok(known.flatten())
                })
                .collect()
        })?;
        Ok(known)
    }

    fn remember(&self, news: &[(&Path, Look, Digest)]) -> Result<(), FileError> {
        if news.is_empty() || self.access == Access::ReadOnly {
            return Ok(());
        }
        self.ledger.write(Durability::Unsynced, |ledger| {
            let mut insert = ledger.prepare_cached(
                "INSERT OR REPLACE INTO file (path, size, mtime_ns, ctime_ns, inode, seal, digest)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            for (path, look, digest) in news {
                let path = path.as_os_str().as_bytes();
                let inode = look.inode as i64;
                insert.execute(params![
                    path,
                    look.size,
                    look.mtime_ns,
                    look.ctime_ns,
                    inode,
                    seal_of(path, look, digest.as_bytes()),
                    digest.as_bytes()
                ])?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// The digest that a row says; nothing, if it decayed.
fn sealed(row: &Row<'_>, path: &[u8], look: &Look) -> Option<Digest> {
    let digest = row.get(0).ok()?;
    let sealed: Seal = row.get(1).ok()?;
    (sealed == seal_of(path, look, &digest)).then(|| Digest::from_bytes(digest))
}

/// Whether a whole row of `file` is what was written.
pub(crate) fn is_sealed(row: &Row<'_>) -> bool {
    let check = || {
        let look = Look {
            size: row.get("size").ok()?,
            mtime_ns: row.get("mtime_ns").ok()?,
            ctime_ns: row.get("ctime_ns").ok()?,
            inode: row.get::<_, i64>("inode").ok()? as u64,
        };
        let (seal, digest): (Seal, [u8; 32]) = (row.get("seal").ok()?, row.get("digest").ok()?);
        let path = row.get_ref("path").ok()?.as_bytes().ok()?;
        Some(seal == seal_of(path, &look, &digest))
    };
    check().unwrap_or(false)
}

fn seal_of(path: &[u8], look: &Look, digest: &[u8; 32]) -> Seal {
    seal([
        path,
        &look.size.to_le_bytes(),
        &look.mtime_ns.to_le_bytes(),
        &look.ctime_ns.to_le_bytes(),
        &look.inode.to_le_bytes(),
        digest,
    ])
}

/// What a file looks like, and its absolute path.
fn look(path: &Path) -> Result<(Cow<'_, Path>, Look), FileError> {
    let metadata = fs::metadata(path).map_err(|error| FileError::io(path, error))?;
    if !metadata.is_file() {
        return Err(FileError::NotAFile {
            path: path.to_owned(),
        });
    }
    Ok((absolute(path)?, Look::of(&metadata)))
}

/// [`std::path::absolute`], without a copy of what is so already: ten thousand paths take it
/// milliseconds.
fn absolute(path: &Path) -> Result<Cow<'_, Path>, FileError> {
    let bytes = path.as_os_str().as_bytes();
    let doubtful = |pair: &[u8]| pair == b"//" || pair == b"/.";
    if bytes.starts_with(b"/") && !bytes.ends_with(b"/") && !bytes.windows(2).any(doubtful) {
        return Ok(Cow::Borrowed(path));
    }
    let absolute = std::path::absolute(path).map_err(|error| FileError::io(path, error))?;
    Ok(Cow::Owned(absolute))
}

/// Reads a file. It may be remembered if it stayed the same meanwhile and has settled.
fn hash(path: &Path) -> Result<Hashed, FileError> {
    let failed = |error| FileError::io(path, error);
    let mut file = File::open(path).map_err(failed)?;
    let before = Look::of(&file.metadata().map_err(failed)?);
    let began = SystemTime::now();
    let digest = digest_of(&mut file).map_err(failed)?;
    let after = Look::of(&file.metadata().map_err(failed)?);
    let lasting = before == after && before.is_settled(began);
    Ok(Hashed {
        digest,
        bytes: after.size,
        lasting: lasting.then_some(before),
    })
}

/// The digest of an open file that nothing was read of yet. Little of it is in memory at a time.
pub(crate) fn digest_of(file: &mut File) -> std::io::Result<Digest> {
    let size = file.metadata()?.len();
    if size >= LARGE {
        match tree::digest(file, size) {
            // It was truncated meanwhile: what is there now counts.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {}
            other => return other,
        }
    }
    digest_and(file, |_| Ok(()))
}

/// The digest of an open file, from where it stands, and what is done with each chunk of it. A chunk is
/// in memory at a time.
pub(crate) fn digest_and(
    file: &mut File,
    mut also: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> std::io::Result<Digest> {
    let size = file.metadata()?.len();
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; CHUNK.min(size as usize + 1)];
    loop {
        let read = fill(file, &mut chunk)?;
        match read {
            0 => break,
            PARALLEL.. => hasher.update_rayon(&chunk[..read]),
            _ => hasher.update(&chunk[..read]),
        };
        also(&chunk[..read])?;
    }
    Ok(Digest::from_bytes(*hasher.finalize().as_bytes()))
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
