//! What a run read, for its record: files with their digests, and the content of the small ones, put
//! into the cache.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use ccsr_cache::{Digest, Store, StoreError};
use ccsr_stage::SourceFile;

use crate::graph::StageId;
use crate::key::{Folder, MAX_NAMED_FILES, Sources, look_at_sources, slashed};
use crate::origin::Origin;
use crate::pipeline::Pipeline;
use crate::record::{FileRole, Host, RecordedFile};

/// What is known about a run besides its pipeline, for the record.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    /// Where it runs.
    pub host: Host,
    /// The run that it repeats.
    pub reproduces: Option<String>,
}

/// A file larger than this is not kept (1 MB); it is looked for where it was.
const MAX_KEPT: u64 = 1_000_000;
/// What is kept of the sources of one pipeline, together (64 MB).
const MAX_KEPT_TOGETHER: u64 = 64_000_000;

/// The files that the pipeline reads, sorted by path. What is small is put into the cache. Of a file
/// that changed while the run was under way the new content is listed, which is not the one that its
/// stage depends on: reproducing the run tells.
pub(crate) fn files_of(
    pipeline: &Pipeline,
    store: &Store,
    looked_at: &mut HashMap<StageId, Sources>,
) -> Result<Vec<RecordedFile>, StoreError> {
    let mut files = Files {
        project: &pipeline.project,
        found: BTreeMap::new(),
        contents: Vec::new(),
        kept: 0,
    };
    files.texts(&pipeline.origin, &pipeline.file);
    for (id, node) in (0..).map(StageId).zip(&pipeline.stages) {
        let sources = node.stage.sources();
        if sources.is_empty() {
            continue;
        }
        let looked_at = match looked_at.remove(&id) {
            Some(looked_at) => looked_at,
            // A source that cannot be read failed its stage, and the record says so there.
            None => look_at_sources(store, &sources).unwrap_or_default(),
        };
        for source in &sources {
            let found = looked_at
                .files
                .get(source.name)
                .map_or(&[][..], Vec::as_slice);
            if let Some(folder) = looked_at.folders.get(source.name) {
                files.folder(&source.path, *folder, found.len() as u64);
            }
            if !source.folder || found.len() <= MAX_NAMED_FILES {
                for file in found {
                    files.source(file, store);
                }
            }
        }
    }
    store.put_all(&files.contents)?;
    Ok(files.found.into_values().collect())
}

struct Files<'a> {
    project: &'a Path,
    found: BTreeMap<(String, FileRole), RecordedFile>,
    contents: Vec<Vec<u8>>,
    /// Bytes of sources that are kept.
    kept: u64,
}

impl Files<'_> {
    fn add(&mut self, file: RecordedFile) {
        self.found.insert((file.path.clone(), file.role), file);
    }

    fn texts(&mut self, origin: &Origin, pipeline: &str) {
        for text in &origin.texts {
            let bytes = text.text.as_bytes();
            let role = match text.name.as_str() {
                _ if text.built_in => FileRole::BuiltInSuite,
                name if name == pipeline => FileRole::Pipeline,
                _ => FileRole::Text,
            };
            self.add(RecordedFile {
                path: text.name.clone(),
                role,
                digest: Digest::of(bytes),
                bytes: bytes.len() as u64,
                files: 1,
                executable: false,
                kept: true,
            });
            self.contents.push(bytes.to_vec());
        }
    }

    fn source(&mut self, file: &SourceFile, store: &Store) {
        let bytes = std::fs::metadata(&file.path).map_or(0, |file| file.len());
        let Some(path) = self.below(&file.path) else {
            return self.outside(&file.path, file.digest, bytes, 1);
        };
        let mut kept = bytes <= MAX_KEPT && self.kept + bytes <= MAX_KEPT_TOGETHER;
        if kept && !store.has(&file.digest) {
            match file.read() {
                Ok(content) => self.contents.push(content),
                Err(_) => kept = false,
            }
        }
        if kept {
            self.kept += bytes;
        }
        self.add(RecordedFile {
            path,
            role: FileRole::Source,
            digest: file.digest,
            bytes,
            files: 1,
            executable: is_executable(&file.path),
            kept,
        });
    }

    fn folder(&mut self, path: &Path, folder: Folder, files: u64) {
        let Folder { bytes, listing } = folder;
        let Some(below) = self.below(path) else {
            return self.outside(path, listing, bytes, files);
        };
        self.add(RecordedFile {
            path: below,
            role: FileRole::Folder,
            digest: listing,
            bytes,
            files,
            executable: false,
            kept: false,
        });
    }

    fn outside(&mut self, path: &Path, digest: Digest, bytes: u64, files: u64) {
        self.add(RecordedFile {
            path: path.to_string_lossy().into_owned(),
            role: FileRole::Outside,
            digest,
            bytes,
            files,
            executable: false,
            kept: false,
        });
    }

    /// A path below the project's folder, if it is there.
    fn below(&self, path: &Path) -> Option<String> {
        path.strip_prefix(self.project).ok().map(slashed)
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o100 != 0)
}
