//! The tree on disk that all of Hugging Face's programs share. README.md draws it.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::digest::Etag;
use crate::error::HubError;
use crate::id::{ModelId, is_commit};

/// A model's folder in a cache.
pub(crate) struct Layout {
    cache: PathBuf,
    folder: String,
}

impl Layout {
    pub(crate) fn of(cache: &Path, id: &ModelId) -> Self {
        Self {
            cache: cache.to_owned(),
            folder: id.folder(),
        }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.cache.join(&self.folder)
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.root().join("blobs")
    }

    pub(crate) fn blob(&self, etag: &Etag) -> PathBuf {
        self.blobs().join(etag.as_str())
    }

    /// Where a blob grows.
    pub(crate) fn incomplete(&self, etag: &Etag) -> PathBuf {
        self.blobs().join(format!("{}.incomplete", etag.as_str()))
    }

    pub(crate) fn lock(&self, etag: &Etag) -> PathBuf {
        let locks = self.cache.join(".locks").join(&self.folder);
        locks.join(format!("{}.lock", etag.as_str()))
    }

    pub(crate) fn snapshot(&self, commit: &str) -> PathBuf {
        self.root().join("snapshots").join(commit)
    }

    fn reference(&self, revision: &str) -> PathBuf {
        self.root().join("refs").join(revision)
    }

    /// Makes the folders that a download needs.
    pub(crate) fn prepare(&self) -> Result<(), HubError> {
        let locks = self.cache.join(".locks").join(&self.folder);
        for folder in [self.blobs(), locks] {
            fs::create_dir_all(&folder).map_err(|error| HubError::file("make", &folder, error))?;
        }
        Ok(())
    }

    /// The commit that a revision means here: itself, or what was noted when it was pulled.
    pub(crate) fn commit(&self, id: &ModelId) -> Result<Option<String>, HubError> {
        if let Some(commit) = id.commit() {
            return Ok(Some(commit.to_owned()));
        }
        let path = self.reference(id.revision());
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| is_commit(text))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(HubError::file("read", &path, error)),
        }
    }

    /// Notes what a branch or tag means now.
    pub(crate) fn note(&self, id: &ModelId, commit: &str) -> Result<(), HubError> {
        if id.commit().is_some() {
            return Ok(());
        }
        let path = self.reference(id.revision());
        let doing = |error| HubError::file("write", &path, error);
        let folder = path.parent().unwrap_or(&path);
        fs::create_dir_all(folder).map_err(doing)?;
        let fresh = beside(&path);
        fs::write(&fresh, commit).map_err(doing)?;
        fs::rename(&fresh, &path).map_err(doing)
    }

    /// Lets a file of a snapshot point to its blob, as a relative link: caches get moved.
    pub(crate) fn link(&self, commit: &str, file: &str, etag: &Etag) -> Result<(), HubError> {
        let path = self.snapshot(commit).join(file);
        let doing = |error| HubError::file("link", &path, error);
        let depth = file.split('/').count() + 1;
        let mut target: PathBuf = std::iter::repeat_n("..", depth).collect();
        target.extend(["blobs", etag.as_str()]);
        if fs::read_link(&path).is_ok_and(|there| there == target) {
            return Ok(());
        }
        fs::create_dir_all(path.parent().unwrap_or(&path)).map_err(doing)?;
        let fresh = beside(&path);
        let _ = fs::remove_file(&fresh);
        symlink(&target, &fresh).map_err(doing)?;
        fs::rename(&fresh, &path).map_err(doing)
    }
}

/// A name beside a path, nobody else's, for what is renamed to it when it is whole.
fn beside(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (process, next) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    path.with_file_name(format!(".{name}.{process}.{next}"))
}

/// That something is not there, or what would hold it.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Whether a path from a listing stays below the folder that it is joined to.
pub(crate) fn is_within(path: &str) -> bool {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    !path.is_empty()
        && !path.contains(['\\', '\0'])
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && Path::new(path).components().all(plain)
}

/// Every file and link below a folder, by its path there with slashes; sorted.
pub(crate) fn files(folder: &Path) -> Result<Vec<String>, HubError> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let here = folder.join(&below);
        let doing = |error| HubError::file("list", &here, error);
        for entry in fs::read_dir(&here).map_err(doing)? {
            let entry = entry.map_err(doing)?;
            let path = below.join(entry.file_name());
            if entry.file_type().map_err(doing)?.is_dir() {
                folders.push(path);
            } else {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_would_leave_the_snapshot_are_refused() {
        for path in [
            "", "/a", "../a", "a/../b", "a//b", "a/", "./a", "a\\b", "a\0",
        ] {
            assert!(!is_within(path), "{path:?}");
        }
        assert!(is_within("unet/config.json") && is_within("..a"));
    }
}
