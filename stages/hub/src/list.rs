//! What is in a cache.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::HubError;
use crate::layout::{self, is_absent};

/// The files of a model at one commit, as far as they are here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// `owner/name`.
    pub id: String,
    /// The commit.
    pub commit: String,
    /// The branches and tags that meant this commit when they were last pulled.
    pub revisions: Vec<String>,
    /// Files.
    pub files: u64,
    /// Bytes of the files. Snapshots of a model share files that are equal.
    pub bytes: u64,
    /// The folder.
    pub path: PathBuf,
}

pub(crate) fn list(cache: &Path) -> Result<Vec<Snapshot>, HubError> {
    let mut found = Vec::new();
    for name in folders(cache)? {
        let Some(id) = name.strip_prefix("models--") else {
            continue;
        };
        let id = id.replacen("--", "/", 1);
        let root = cache.join(&name);
        let revisions = revisions(&root)?;
        for commit in folders(&root.join("snapshots"))? {
            let path = root.join("snapshots").join(&commit);
            let files = layout::files(&path)?;
            // A link whose blob is gone is no file.
            let sizes = files
                .iter()
                .filter_map(|file| Some(fs::metadata(path.join(file)).ok()?.len()));
            let sizes: Vec<_> = sizes.collect();
            found.push(Snapshot {
                id: id.clone(),
                revisions: revisions.get(&commit).cloned().unwrap_or_default(),
                commit,
                files: sizes.len() as u64,
                bytes: sizes.iter().sum(),
                path,
            });
        }
    }
    Ok(found)
}

/// The names of the folders in a folder, sorted; none, if it is not there.
fn folders(folder: &Path) -> Result<Vec<String>, HubError> {
    let doing = |error| HubError::file("list", folder, error);
    let entries = match fs::read_dir(folder) {
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        entries => entries.map_err(doing)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(doing)?;
        if entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Branches and tags by commit.
fn revisions(root: &Path) -> Result<BTreeMap<String, Vec<String>>, HubError> {
    let refs = root.join("refs");
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    if refs.is_dir() {
        let names = layout::files(&refs)?;
        // What begins with a dot is what a writer left that died.
        let is_left = |name: &String| name.split('/').any(|part| part.starts_with('.'));
        for name in names.into_iter().filter(|name| !is_left(name)) {
            let path = refs.join(&name);
            let commit =
                fs::read_to_string(&path).map_err(|error| HubError::file("read", &path, error))?;
            found
                .entry(commit.trim().to_owned())
                .or_default()
                .push(name);
        }
    }
    Ok(found)
}
