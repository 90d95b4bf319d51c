//! Stage keys: what a stage's result depends on, as one value that is hashed for the key and kept
//! for the explanation, so that the two cannot drift apart.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ccsr_cache::{Digest, FileError, FileLook, StageKey, Store, Value};
use ccsr_stage::{Source, SourceFile};

use crate::pipeline::{Pipeline, StageNode};

/// The files of a stage's sources, by source name.
pub(crate) type SourceFiles = BTreeMap<&'static str, Vec<SourceFile>>;

/// What the sources of a stage look like.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// Their files, sorted by name.
    pub(crate) files: SourceFiles,
    /// Those of them that are folders, as wholes.
    pub(crate) folders: BTreeMap<&'static str, Folder>,
}

/// A folder of files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Folder {
    /// The size of its files together.
    pub(crate) bytes: u64,
    /// The digest of its files' names and digests.
    pub(crate) listing: Digest,
}

/// Folders with more files than this enter the explanation as a count and a digest.
pub(crate) const MAX_NAMED_FILES: usize = 1000;

/// The value that a stage's key is the digest of.
pub(crate) fn stage_value(
    pipeline: &Pipeline,
    node: &StageNode,
    tables: &BTreeMap<&'static str, Digest>,
    sources: &Sources,
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
fn sources_value(node: &StageNode, sources: &Sources) -> Vec<(&'static str, Value)> {
    let value = |source: Source| {
        let files = sources
            .files
            .get(source.name)
            .map_or(&[][..], Vec::as_slice);
        let value = if !source.folder {
            Value::list(files.iter().map(|file| Value::Blob(file.digest)))
        } else if files.len() <= MAX_NAMED_FILES {
            named(files)
        } else {
            let listing = sources.folders[source.name].listing;
            let count = Value::Int(files.len() as i64);
            Value::map([("count", count), ("digest", Value::Blob(listing))])
        };
        (source.name, value)
    };
    node.stage.sources().into_iter().map(value).collect()
}

fn named(files: &[SourceFile]) -> Value {
    let entry = |file: &SourceFile| (file.name.clone(), Value::Blob(file.digest));
    Value::map(files.iter().map(entry))
}

/// The digest of a folder: of its files' names and digests.
fn listing(files: &[SourceFile]) -> Digest {
    named(files).digest()
}

/// Looks at the files of a stage's sources.
pub(crate) fn look_at_sources(store: &Store, sources: &[Source]) -> Result<Sources, FileError> {
    let mut looked_at = Sources::default();
    for source in sources {
        let paths = if source.folder {
            walk(&source.path)?
        } else {
            vec![(source.display.clone(), source.path.clone())]
        };
        let (names, paths): (Vec<_>, Vec<_>) = paths.into_iter().unzip();
        let found = store.look_at_files(&paths)?;
        let bytes = found.iter().map(|file| file.bytes).sum();
        let file = |((name, path), found): ((String, PathBuf), FileLook)| {
            let digest = found.digest;
            SourceFile { name, path, digest }
        };
        let files = names.into_iter().zip(paths).zip(found).map(file);
        let files: Vec<_> = files.collect();
        if source.folder {
            let listing = listing(&files);
            let folder = Folder { bytes, listing };
            looked_at.folders.insert(source.name, folder);
        }
        looked_at.files.insert(source.name, files);
    }
    Ok(looked_at)
}

/// The files below a folder with their names below it, sorted by these, part by part; hidden ones
/// are left out.
fn walk(folder: &Path) -> Result<Vec<(String, PathBuf)>, FileError> {
    let hidden = |entry: &walkdir::DirEntry| {
        entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".")
    };
    let mut files = Vec::new();
    let entries = walkdir::WalkDir::new(folder).follow_links(true);
    for entry in entries.into_iter().filter_entry(|entry| !hidden(entry)) {
        let entry = entry.map_err(|error| FileError::Io {
            path: error.path().unwrap_or(folder).to_owned(),
            source: error.into(),
        })?;
        if !entry.file_type().is_file() {
            continue;
        }
        let path = entry.into_path();
        let below = path.strip_prefix(folder).unwrap_or(&path).to_str();
        let Some(name) = below.map(str::to_owned) else {
            // Two such names could read alike, and one would stand for both in the key.
            return Err(FileError::Io {
                path,
                source: std::io::Error::other("its name is not UTF-8; rename it"),
            });
        };
        files.push((name, path));
    }
    files.sort_unstable_by(|(a, _), (b, _)| part_by_part(a).cmp(part_by_part(b)));
    Ok(files)
}

/// Bytes by which names compare as lists of their parts do: `/` comes before every other character.
fn part_by_part(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().map(|byte| if byte == b'/' { 0 } else { byte })
}

/// A path with `/` between its parts.
pub(crate) fn slashed(path: &Path) -> String {
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
