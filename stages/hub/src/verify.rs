//! Whether the files of a model are still what the hub sent.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::digest::{self, Etag};
use crate::error::HubError;
use crate::layout::{self, Layout, is_absent};

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// The commit that was looked at.
    pub commit: String,
    /// Its folder.
    pub path: PathBuf,
    /// Files whose content is what the hub called it.
    pub sound: u64,
    /// Files that nothing here says the digest of: other programs may put such into a cache.
    pub unchecked: Vec<String>,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file, as the repository calls it; of an incomplete download, the blob.
    pub file: String,
    /// What is wrong with it.
    pub kind: FaultKind,
}

/// What may be wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Its content is not what the hub called it.
    Damaged,
    /// It is not here.
    Missing,
    /// Its download was not brought to an end.
    Incomplete,
}

pub(crate) fn verify(
    layout: &Layout,
    commit: String,
    folder: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Verdict, HubError> {
    let names = layout::files(folder)?;
    let size = |name: &String| fs::metadata(folder.join(name)).map_or(0, |metadata| metadata.len());
    let all = names.iter().map(size).sum();
    let mut verdict = Verdict {
        commit,
        sound: 0,
        unchecked: Vec::new(),
        faults: Vec::new(),
        path: folder.to_owned(),
    };
    let mut done = 0;
    for name in &names {
        let path = folder.join(name);
        let mut passed = |bytes| {
            done += bytes;
            progress(done, all);
        };
        let etag = fs::read_link(&path)
            .ok()
            .and_then(|blob| Etag::read(&blob.file_name()?.to_string_lossy()));
        let holds = match &etag {
            Some(Etag::Opaque(_)) | None => Ok(None),
            Some(etag) => digest::holds(&path, etag, &mut passed).map(Some),
        };
        let gone = !path.exists();
        match holds {
            Ok(Some(true)) => verdict.sound += 1,
            Ok(Some(false)) => verdict.blame(name, FaultKind::Damaged),
            Ok(None) if gone => verdict.blame(name, FaultKind::Missing),
            Ok(None) => verdict.unchecked.push(name.clone()),
            Err(error) if is_absent(&error) => verdict.blame(name, FaultKind::Missing),
            Err(error) => return Err(HubError::file("read", &path, error)),
        }
    }
    for shard in missing_shards(folder, &names) {
        verdict.blame(&shard, FaultKind::Missing);
    }
    let blobs = layout.blobs();
    if blobs.is_dir() {
        for name in layout::files(&blobs)? {
            if name.ends_with(".incomplete") {
                verdict.blame(&format!("blobs/{name}"), FaultKind::Incomplete);
            }
        }
    }
    Ok(verdict)
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    fn blame(&mut self, file: &str, kind: FaultKind) {
        self.faults.push(Fault {
            file: file.to_owned(),
            kind,
        });
    }
}

/// Shards that an index names and that are not here. What is no index says nothing; the loader will.
fn missing_shards(folder: &Path, names: &[String]) -> BTreeSet<String> {
    let mut missing = BTreeSet::new();
    let indices = names
        .iter()
        .filter(|name| name.contains(".safetensors.index."));
    for index in indices {
        let Ok(bytes) = fs::read(folder.join(index)) else {
            continue;
        };
        let Ok(content) = serde_json::from_slice::<serde_json::Value>(&bytes) else {
            continue;
        };
        let below = index
            .rsplit_once('/')
            .map_or(String::new(), |(below, _)| format!("{below}/"));
        let shards = content["weight_map"].as_object().into_iter().flatten();
        let shards = shards.filter_map(|(_, shard)| Some(format!("{below}{}", shard.as_str()?)));
        missing.extend(shards.filter(|shard| names.binary_search(shard).is_err()));
    }
    missing
}
