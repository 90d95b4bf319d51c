//! Objects: bytes that are named by their digest and never change.
//!
//! An object is written aside, synced and renamed, so it is there as a whole or not at all. What its
//! bytes mean, and which unit made them, is not known here.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::layout::{create_folder, create_immutable, sync_folder};
use crate::ledger::Durability;
use crate::{Digest, Loss, ReadError, Store, StoreError};

/// Syncs that wait for the disk at the same time. More than the processors: they only wait, and the
/// file system makes one journal commit of those that arrive together. (`syncfs`, once a batch, was
/// faster for some sizes and slower for others; it waits for whatever others have written to the file
/// system: a training that saves its checkpoints would stall every batch.)
const SYNCS: usize = 16;

/// A blob on its way: its bytes, and where they lie now and will lie.
struct Arrival<'a> {
    bytes: &'a [u8],
    temporary: PathBuf,
    path: PathBuf,
}

impl Store {
    /// Stores `bytes` durably.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        Ok(self.put_all(&[bytes])?[0])
    }

    /// Stores all `blobs` durably and returns their digests, in order. Objects that are there are
    /// left alone, unless their size says that they are damaged.
    pub fn put_all(&self, blobs: &[impl AsRef<[u8]> + Sync]) -> Result<Vec<Digest>, StoreError> {
        self.put_with(Durability::Synced, blobs)
    }

    /// The same for what can be had again from what is durable: a power cut may take it, a killed
    /// process does not.
    pub fn put_all_unsynced(
        &self,
        blobs: &[impl AsRef<[u8]> + Sync],
    ) -> Result<Vec<Digest>, StoreError> {
        self.put_with(Durability::Unsynced, blobs)
    }

    fn put_with(
        &self,
        durability: Durability,
        blobs: &[impl AsRef<[u8]> + Sync],
    ) -> Result<Vec<Digest>, StoreError> {
        self.must_write()?;
        let digests: Vec<Digest> = blobs
            .par_iter()
            .map(|blob| Digest::of(blob.as_ref()))
            .collect();
        let mut seen = HashSet::new();
        let arrivals: Vec<Arrival<'_>> = digests
            .iter()
            .zip(blobs)
            .filter(|(digest, _)| seen.insert(**digest))
            .map(|(digest, blob)| Arrival {
                bytes: blob.as_ref(),
                temporary: self.layout.temporary(),
                path: self.layout.object(digest),
            })
            .filter(|arrival| !is_there(arrival))
            .collect();
        self.publish(durability, &arrivals).inspect_err(|_| {
            for arrival in &arrivals {
                // Best effort: what stays behind is cleared a day later.
                let _ = fs::remove_file(&arrival.temporary);
            }
        })?;
        Ok(digests)
    }

    /// Writes and syncs every file, then renames every file, then syncs every folder; without the
    /// syncs, if they are not asked for.
    fn publish(&self, durability: Durability, arrivals: &[Arrival<'_>]) -> Result<(), StoreError> {
        let synced = durability == Durability::Synced;
        if arrivals.is_empty() {
            return Ok(());
        }
        for_each(arrivals, |arrival| {
            write(arrival, synced).map_err(|error| StoreError::io(&arrival.path, "write", error))
        })?;
        let folders: BTreeSet<&Path> = arrivals
            .iter()
            .filter_map(|arrival| arrival.path.parent())
            .collect();
        let mut new_folders = false;
        for folder in &folders {
            if !folder.is_dir() {
                create_folder(folder)?;
                new_folders = true;
            }
        }
        for arrival in arrivals {
            fs::rename(&arrival.temporary, &arrival.path)
                .map_err(|error| StoreError::io(&arrival.path, "write", error))?;
        }
        if !synced {
            return Ok(());
        }
        let folders: Vec<&Path> = folders.into_iter().collect();
        for_each(&folders, |folder| sync_folder(folder))?;
        if new_folders {
            sync_folder(&self.layout.objects())?;
        }
        Ok(())
    }

    /// Reads an object and verifies it. A damaged one is removed, if it can be, so that from then on
    /// it is simply missing.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>, ReadError> {
        let path = self.layout.object(digest);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(source) => {
                return Err(match source.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ReadError::Lost {
                        digest: *digest,
                        how: Loss::Missing,
                    },
                    _ => ReadError::Io { path, source },
                });
            }
        };
        let actual = match bytes.len() {
            ..LARGE => Digest::of(&bytes),
            _ => Digest::from_bytes(
                *blake3::Hasher::new()
                    .update_rayon(&bytes)
                    .finalize()
                    .as_bytes(),
            ),
        };
        if actual == *digest {
            return Ok(bytes);
        }
        self.discard(digest);
        Err(ReadError::Lost {
            digest: *digest,
            how: Loss::Damaged,
        })
    }

    /// Whether the object is there. Its bytes are not looked at.
    pub fn has(&self, digest: &Digest) -> bool {
        self.layout.object(digest).is_file()
    }

    /// Where the object lies, or would. Its file must never be written to.
    pub fn object_path(&self, digest: &Digest) -> PathBuf {
        self.layout.object(digest)
    }

    /// Removes an object that turned out to be bad. That it is gone already, or that nothing may be
    /// removed here, is no error: reading it still says what is wrong.
    pub fn discard(&self, digest: &Digest) {
        if self.must_write().is_ok() {
            let _ = fs::remove_file(self.layout.object(digest));
        }
    }
}

/// Bytes from which on hashing is worth more than one thread.
const LARGE: usize = 1 << 20;

/// Whether the object is there already, with the right size.
fn is_there(arrival: &Arrival<'_>) -> bool {
    fs::metadata(&arrival.path)
        .is_ok_and(|file| file.is_file() && file.len() == arrival.bytes.len() as u64)
}

fn write(arrival: &Arrival<'_>, synced: bool) -> io::Result<()> {
    let mut file: File = create_immutable(&arrival.temporary)?;
    file.write_all(arrival.bytes)?;
    if synced { file.sync_all() } else { Ok(()) }
}

/// Does something that waits for the disk to each item, many at a time.
fn for_each<T: Sync>(
    items: &[T],
    action: impl Fn(&T) -> Result<(), StoreError> + Sync,
) -> Result<(), StoreError> {
    if let [item] = items {
        return action(item);
    }
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            action(item)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..SYNCS.min(items.len()))
            .map(|_| scope.spawn(work))
            .collect();
        let mut outcome = work();
        for other in others {
            let theirs = other.join().expect("writing a file does not panic");
            outcome = outcome.and(theirs);
        }
        outcome
    })
}
