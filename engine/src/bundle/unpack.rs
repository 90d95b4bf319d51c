//! Unpacking a bundle: the project's files go where they were, everything else into its cache.

use std::fs;
use std::io::{self, Read, Seek};
use std::path::Path;

use ccsr_cache::{Access, Digest, RunId, Store};
use zip::ZipArchive;

use super::{BundleError, OBJECTS, PROJECT, RECORD};
use crate::origin::stays_inside;
use crate::project::CACHE;
use crate::record::RunRecord;
use crate::reproduce::make_executable;

/// Unpacks a bundle into a folder, which becomes a project with a cache in which the run is listed.
/// The answer is its record.
pub fn unbundle(archive: impl Read + Seek, folder: &Path) -> Result<RunRecord, BundleError> {
    let mut archive = ZipArchive::new(archive)?;
    let record = {
        let no_bundle = |why: String| BundleError::NoBundle { why };
        let mut entry = archive
            .by_name(RECORD)
            .map_err(|_| no_bundle(format!("there is no `{RECORD}` in it")))?;
        let mut bytes = Vec::new();
        entry
            .read_to_end(&mut bytes)
            .map_err(|error| BundleError::io(Path::new(RECORD), error))?;
        let record: RunRecord =
            serde_json::from_slice(&bytes).map_err(|error| no_bundle(error.to_string()))?;
        record
    };
    let id: RunId = record.run.parse().map_err(|_| BundleError::NoBundle {
        why: format!("`{}` is no id of a run", record.run),
    })?;
    fs::create_dir_all(folder).map_err(|error| BundleError::io(folder, error))?;
    let store = Store::open(&folder.join(CACHE), Access::ReadWrite)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        let name = entry.name()?.into_owned();
        if !stays_inside(&name) {
            let why = format!("`{name}` would leave the folder");
            return Err(BundleError::NoBundle { why });
        }
        if let Some(path) = name.strip_prefix(PROJECT) {
            // The cache is not the project's to write to.
            if path.is_empty() || Path::new(path).starts_with(CACHE) {
                continue;
            }
            let path = folder.join(path);
            let above = path.parent().unwrap_or(folder);
            fs::create_dir_all(above).map_err(|error| BundleError::io(above, error))?;
            let executable = entry.unix_mode().is_some_and(|mode| mode & 0o100 != 0);
            fs::File::create_new(&path)
                .and_then(|mut file| io::copy(&mut entry, &mut file))
                .and_then(|_| {
                    if executable {
                        make_executable(&path)
                    } else {
                        Ok(())
                    }
                })
                .map_err(|error| BundleError::io(&path, error))?;
        } else if let Some(digest) = name.strip_prefix(OBJECTS) {
            let mut bytes = Vec::new();
            entry
                .read_to_end(&mut bytes)
                .map_err(|error| BundleError::io(Path::new(&name), error))?;
            if Digest::of(&bytes).to_string() != digest {
                let why = format!("`{name}` holds other bytes than its name says");
                return Err(BundleError::NoBundle { why });
            }
            store.put(&bytes)?;
        }
    }
    keep(&record, &store, folder)?;
    let json =
        serde_json::to_vec_pretty(&record).expect("a record holds nothing JSON has no word for");
    store.write_run(&id, &json)?;
    Ok(record)
}

/// Puts what the record says the cache keeps into the cache: the files may change afterwards.
fn keep(record: &RunRecord, store: &Store, folder: &Path) -> Result<(), BundleError> {
    let mut contents = Vec::new();
    for file in record.files.iter().filter(|file| file.kept) {
        if stays_inside(&file.path)
            && let Ok(bytes) = fs::read(folder.join(&file.path))
            && Digest::of(&bytes) == file.digest
        {
            contents.push(bytes);
        }
    }
    store.put_all(&contents)?;
    Ok(())
}
