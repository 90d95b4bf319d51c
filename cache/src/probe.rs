//! What a folder is good for as the place of a store, found out by trying.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::layout::random;
use crate::transfer::share;
use crate::{Store, StoreError};

/// How often the disk is asked to sync; the median counts.
const SYNCS: usize = 5;

/// What was found out about a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The file system that it lies on.
    pub filesystem: Filesystem,
    /// Bytes that may still be written.
    pub free: u64,
    /// Bytes that the file system holds in all.
    pub size: u64,
    /// Whether a file that is locked is locked for others.
    pub locks: bool,
    /// Whether files can share their bytes (reflinks).
    pub shares: bool,
    /// How long it takes until 4 KiB are on the disk.
    pub sync: Duration,
}

/// A file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filesystem {
    /// What it is called, if it is known here.
    pub name: Option<&'static str>,
    /// What is kept on it, as far as it matters.
    pub kind: FilesystemKind,
}

/// What becomes of what is written to a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilesystemKind {
    /// It lies on a disk of this machine, as far as is known.
    Local,
    /// It lies on another machine. Locks and shared memory, which the ledger needs, may not hold.
    Network,
    /// It is gone when the machine stops.
    Memory,
}

/// Looks at a folder that exists. A file is written there, and removed.
pub fn probe(folder: &Path) -> Result<Probe, StoreError> {
    let path = folder.join(format!(".ccsr-probe-{:016x}", random()));
    let scratch = Scratch(path);
    let room = rustix::fs::statvfs(folder)
        .map_err(|error| StoreError::io(folder, "look at", error.into()))?;
    let (locks, sync) = try_out(&scratch.0)?;
    Ok(Probe {
        filesystem: filesystem(folder),
        free: room.f_bavail.saturating_mul(room.f_frsize),
        size: room.f_blocks.saturating_mul(room.f_frsize),
        locks,
        shares: can_share(&scratch.0),
        sync,
    })
}

/// A file, removed when it is dropped.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Whether locks hold, and how long a sync takes.
fn try_out(path: &Path) -> Result<(bool, Duration), StoreError> {
    let failed = |operation| move |error| StoreError::io(path, operation, error);
    let create = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = create.map_err(failed("create"))?;
    let other = File::open(path).map_err(failed("read"))?;
    let is_locked = || matches!(other.try_lock(), Err(TryLockError::WouldBlock));
    let locks = file.try_lock().is_ok() && is_locked();
    let mut times = [Duration::ZERO; SYNCS];
    for time in &mut times {
        let began = Instant::now();
        file.write_all(&[0; 4096]).map_err(failed("write"))?;
        file.sync_all().map_err(failed("sync"))?;
        *time = began.elapsed();
    }
    times.sort_unstable();
    Ok((locks, times[SYNCS / 2]))
}

fn can_share(path: &Path) -> bool {
    let copy = Scratch(path.with_extension("copy"));
    let to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&copy.0);
    let (Ok(from), Ok(to)) = (File::open(path), to) else {
        return false;
    };
    share(&from, &to)
}

/// Magic numbers of `statfs(2)` and of the kernel's `magic.h`.
#[cfg(target_os = "linux")]
const FILESYSTEMS: &[(u32, &str, FilesystemKind)] = &[
    (0xEF53, "ext4", FilesystemKind::Local),
    (0x9123_683E, "btrfs", FilesystemKind::Local),
    (0x5846_5342, "xfs", FilesystemKind::Local),
    (0x2FC1_2FC1, "zfs", FilesystemKind::Local),
    (0xCA45_1A4E, "bcachefs", FilesystemKind::Local),
    (0xF2F5_2010, "f2fs", FilesystemKind::Local),
    (0x794C_7630, "overlay", FilesystemKind::Local),
    (0x0102_1994, "tmpfs", FilesystemKind::Memory),
    (0x8584_58F6, "ramfs", FilesystemKind::Memory),
    (0x6969, "nfs", FilesystemKind::Network),
    (0x517B, "smb", FilesystemKind::Network),
    (0xFF53_4D42, "cifs", FilesystemKind::Network),
    (0xFE53_4D42, "smb2", FilesystemKind::Network),
    (0x0102_1997, "9p", FilesystemKind::Network),
    (0x00C3_6400, "ceph", FilesystemKind::Network),
    (0x0BD0_0BD0, "lustre", FilesystemKind::Network),
    (0x4750_4653, "gpfs", FilesystemKind::Network),
    (0x5346_414F, "afs", FilesystemKind::Network),
    (0x1983_0326, "beegfs", FilesystemKind::Network),
    (0x6573_5546, "fuse", FilesystemKind::Network),
];

#[cfg(target_os = "linux")]
fn filesystem(folder: &Path) -> Filesystem {
    // Magic numbers have 32 bits, in a field whose type differs between machines.
    let magic = rustix::fs::statfs(folder).map(|found| found.f_type as u32);
    let known = FILESYSTEMS.iter().find(|(number, ..)| magic == Ok(*number));
    known.map_or(Filesystem::UNKNOWN, |(_, name, kind)| Filesystem {
        name: Some(name),
        kind: *kind,
    })
}

#[cfg(not(target_os = "linux"))]
fn filesystem(_: &Path) -> Filesystem {
    Filesystem::UNKNOWN
}

impl Filesystem {
    const UNKNOWN: Self = Self {
        name: None,
        kind: FilesystemKind::Local,
    };
}

impl Store {
    /// Whether somebody else has the store open for writing.
    pub fn is_in_use(root: &Path) -> bool {
        let layout = crate::layout::Layout::new(root.to_owned());
        crate::layout::is_held_shared(&layout.in_use())
    }

    /// Refuses when the ledger is there and may not be written to. Nothing is written.
    pub fn ledger_is_writable(&self) -> Result<(), StoreError> {
        let path = self.layout.ledger();
        match OpenOptions::new().append(true).open(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io(&path, "open", error))
            }
            _ => Ok(()),
        }
    }

    /// Bytes of the ledger's files.
    pub fn ledger_bytes(&self) -> u64 {
        self.ledger.bytes()
    }

    /// What is wrong with the ledger's structure; nothing, if it is sound. Reads all of it.
    pub fn ledger_faults(&self) -> Result<Option<String>, StoreError> {
        self.ledger.faults()
    }

    /// What lies in `tmp/`: being written, or left by a killed process.
    pub fn leftovers(&self) -> crate::Tally {
        self.temporary_files()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_probed_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let found = probe(folder.path()).unwrap();
        assert!(found.locks);
        assert!(found.size >= found.free && found.free > 0);
        assert!(found.sync < Duration::from_mins(1));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let gone = folder.path().join("gone");
        assert!(probe(&gone).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_is_told_from_disks() {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() {
            assert_eq!(filesystem(memory).kind, FilesystemKind::Memory);
        }
    }
}
