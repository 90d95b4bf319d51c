//! Stage keys: what a stage's result depends on, as one value that is hashed for the key and kept
//! for the explanation, so that the two cannot drift apart.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ccsr_cache::{Digest, FileError, StageKey, Store, Value};
use ccsr_stage::{Source, SourceFile};

use crate::pipeline::{Pipeline, StageNode};

/// The files of a stage's sources, by source name.
pub(crate) type SourceFiles = BTreeMap<&'static str, Vec<SourceFile>>;

/// Folders with more files than this enter the explanation as a count and a digest.
pub(crate) const MAX_NAMED_FILES: usize = 1000;

/// The value that a stage's key is the digest of.
pub(crate) fn stage_value(
    pipeline: &Pipeline,
    node: &StageNode,
    tables: &BTreeMap<&'static str, Digest>,
    sources: &SourceFiles,
) -> Value {
    let mut entries = vec![
        ("kind", Value::from(node.kind)),
        ("revision", Value::Int(i64::from(node.revision))),
        ("table_revision", Value::Int(i64::from(node.table_revision))),
        ("with", node.stage.identity()),
        ("roles", node.roles.clone()),
        (
            "tables",
            Value::map(
                tables
                    .iter()
                    .map(|(port, digest)| (*port, Value::Blob(*digest))),
            ),
        ),
        ("files", Value::map(sources_value(node, sources))),
    ];
    if node.stage.seeded() {
        entries.push(("seed", Value::from(pipeline.seed.to_string())));
    }
    Value::map(entries)
}

/// The key of a stage value.
pub(crate) fn stage_key(value: &Value) -> StageKey {
    StageKey::of(value)
}

/// A file's content counts, not its name; in a folder, names below the folder count too.
fn sources_value(node: &StageNode, sources: &SourceFiles) -> Vec<(&'static str, Value)> {
    let value = |source: Source| {
        let files = sources.get(source.name).map_or(&[][..], Vec::as_slice);
        let named = || {
            files
                .iter()
                .map(|file| (file.name.as_str(), Value::Blob(file.digest)))
        };
        let value = if !source.folder {
            Value::list(files.iter().map(|file| Value::Blob(file.digest)))
        } else if files.len() <= MAX_NAMED_FILES {
            Value::map(named())
        } else {
            let count = Value::Int(files.len() as i64);
            Value::map([
                ("count", count),
                ("digest", Value::Blob(Value::map(named()).digest())),
            ])
        };
        (source.name, value)
    };
    node.stage.sources().into_iter().map(value).collect()
}

/// Looks at the files of a stage's sources.
pub(crate) fn look_at_sources(store: &Store, sources: &[Source]) -> Result<SourceFiles, FileError> {
    sources
        .iter()
        .map(|source| Ok((source.name, look_at(store, source)?)))
        .collect()
}

fn look_at(store: &Store, source: &Source) -> Result<Vec<SourceFile>, FileError> {
    let paths = if source.folder {
        walk(&source.path)?
    } else {
        vec![source.path.clone()]
    };
    let digests = store.digest_files(&paths)?;
    let file = |(path, digest): (PathBuf, Digest)| {
        let below = path.strip_prefix(&source.path).unwrap_or(&path);
        let name = if source.folder {
            slashed(below)
        } else {
            source.display.clone()
        };
        SourceFile { name, path, digest }
    };
    Ok(paths.into_iter().zip(digests).map(file).collect())
}

/// The files below a folder, sorted by name; hidden ones are left out.
fn walk(folder: &std::path::Path) -> Result<Vec<PathBuf>, FileError> {
    let hidden = |entry: &walkdir::DirEntry| {
        entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.')
    };
    let mut files = Vec::new();
    let entries = walkdir::WalkDir::new(folder)
        .follow_links(true)
        .sort_by_file_name();
    for entry in entries.into_iter().filter_entry(|entry| !hidden(entry)) {
        let entry = entry.map_err(|error| FileError::Io {
            path: error.path().unwrap_or(folder).to_owned(),
            source: error.into(),
        })?;
        if entry.file_type().is_file() {
            if entry.path().to_str().is_none() {
                // Two such names could read alike, and one would stand for both in the key.
                return Err(FileError::Io {
                    path: entry.into_path(),
                    source: std::io::Error::other("its name is not UTF-8; rename it"),
                });
            }
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

/// A path with `/` between its parts.
pub(crate) fn slashed(path: &std::path::Path) -> String {
    path.components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn names_that_could_read_alike_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ö.png"), "a").unwrap();
        assert_eq!(walk(folder.path()).unwrap().len(), 1);
        std::fs::write(folder.path().join(OsStr::from_bytes(b"\xff.png")), "b").unwrap();
        let error = walk(folder.path()).unwrap_err();
        assert!(
            crate::diagnostic::with_causes(&error).ends_with("its name is not UTF-8; rename it")
        );
    }
}
