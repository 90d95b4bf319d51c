//! Whole files into the store and out of it, without holding them in memory. Where the file system
//! can, bytes are shared instead of copied (a reflink), which nobody can tell but by the room.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::Path;

use crate::files::{digest_and, digest_of};
use crate::layout::{create_folder, create_immutable, sync_folder};
use crate::{Digest, FileError, Loss, ReadError, Store, StoreError};

impl Store {
    /// Stores the bytes of a file durably. The file is read once.
    pub fn put_file(&self, path: &Path) -> Result<Digest, FileError> {
        self.must_write()?;
        let unread = |error| FileError::io(path, error);
        let mut from = File::open(path).map_err(unread)?;
        if !from.metadata().map_err(unread)?.is_file() {
            return Err(FileError::NotAFile {
                path: path.to_owned(),
            });
        }
        let temporary = self.layout.temporary();
        let mut put = || {
            let unwritten = |error| StoreError::io(&temporary, "write", error);
            let mut to = create_immutable(&temporary).map_err(unwritten)?;
            let digest = transfer(&mut from, &mut to).map_err(unwritten)?;
            let object = self.layout.object(&digest);
            let size = to.metadata().map_err(unwritten)?.len();
            if fs::metadata(&object).is_ok_and(|file| file.is_file() && file.len() == size) {
                fs::remove_file(&temporary).map_err(unwritten)?;
                return Ok(digest);
            }
            to.sync_all().map_err(unwritten)?;
            let folder = object.parent().unwrap_or(self.root());
            create_folder(folder)?;
            fs::rename(&temporary, &object)
                .map_err(|error| StoreError::io(&object, "write", error))?;
            sync_folder(folder)?;
            sync_folder(&self.layout.objects())?;
            Ok(digest)
        };
        put().map_err(|error: StoreError| {
            // Best effort: what stays behind is cleared a day later.
            let _ = fs::remove_file(&temporary);
            error.into()
        })
    }

    /// Writes an object's bytes to a new file, which belongs to whoever asked. They are verified on the
    /// way; if they are not what they should be, the file is removed, and the object, too.
    pub fn copy_out(&self, digest: &Digest, path: &Path) -> Result<(), ReadError> {
        let mut from = self.open_object(digest)?;
        let failed = |source| ReadError::Io {
            path: path.to_owned(),
            source,
        };
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path);
        let mut to = file.map_err(failed)?;
        let copied = transfer(&mut from, &mut to).map_err(failed);
        self.checked(digest, copied).inspect_err(|_| {
            let _ = fs::remove_file(path);
        })
    }

    /// Gives an object a second name outside of the store, which takes no room. Whoever writes to that
    /// file, read-only as it is, damages the object: only for those who asked for it.
    pub fn link_out(&self, digest: &Digest, path: &Path) -> Result<(), ReadError> {
        let failed = |source| ReadError::Io {
            path: path.to_owned(),
            source,
        };
        let read = digest_of(&mut self.open_object(digest)?).map_err(failed);
        self.checked(digest, read)?;
        fs::hard_link(self.layout.object(digest), path).map_err(failed)
    }

    fn open_object(&self, digest: &Digest) -> Result<File, ReadError> {
        let path = self.layout.object(digest);
        File::open(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ReadError::Lost {
                digest: *digest,
                how: Loss::Missing,
            },
            _ => ReadError::Io { path, source },
        })
    }

    /// Whether what was read is what the name says; else the object is removed.
    fn checked(&self, digest: &Digest, read: Result<Digest, ReadError>) -> Result<(), ReadError> {
        if read? == *digest {
            return Ok(());
        }
        self.discard(digest);
        Err(ReadError::Lost {
            digest: *digest,
            how: Loss::Damaged,
        })
    }
}

/// Fills an empty file with another's bytes. The answer is their digest.
fn transfer(from: &mut File, to: &mut File) -> io::Result<Digest> {
    if share(from, to) {
        // The copy is read: the other may have changed since.
        to.rewind()?;
        return digest_of(to);
    }
    digest_and(from, |chunk| to.write_all(chunk))
}

/// Lets two files share their bytes until one is changed. The answer: whether the file system can.
#[cfg(target_os = "linux")]
pub(crate) fn share(from: &File, to: &File) -> bool {
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

#[cfg(not(target_os = "linux"))]
pub(crate) const fn share(_: &File, _: &File) -> bool {
    false
}
