//! Running a recorded run again: the files that it read are put into a folder, compiled as they were,
//! and the tables that come out are compared with those of the record.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ccsr_cache::{FileError, ReadError, Store, StoreError};
use ccsr_stage::{Registry, Source};
use serde::Serialize;

use crate::compare::{TableComparison, table};
use crate::compile::{CompileError, CompileOptions, compile};
use crate::explain::{Change, changes};
use crate::key::look_at_sources;
use crate::origin::stays_inside;
use crate::pipeline::Pipeline;
use crate::project::Project;
use crate::record::{FileRole, RecordedFile, RunRecord};

/// Why a run cannot be made again.
#[derive(Debug, thiserror::Error)]
pub enum ReproduceError {
    /// The record is from before runs could be reproduced.
    #[error(
        "the record does not hold the pipeline: a version of ccsr-flow wrote it that did not keep it"
    )]
    Old,
    /// The run read nothing that could be put anywhere.
    #[error("the record names the file `{path}`, which would lie outside of the project")]
    Outside {
        /// The path.
        path: String,
    },
    /// Files are gone or changed, and the cache does not keep what they held.
    #[error("files changed or are gone, and the cache does not keep what they held: {}", .paths.join(", "))]
    Missing {
        /// Their paths.
        paths: Vec<String>,
    },
    /// The pipeline is not valid for this program.
    #[error("the recorded pipeline is not valid for this version of ccsr-flow")]
    Compile(Box<CompileError>),
    /// A file cannot be written or read.
    #[error("cannot use `{}`", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The cache cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReproduceError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// The files of a run, as the run read them.
#[derive(Debug, Default)]
pub struct Files {
    /// Their content by path, or where it lies.
    found: BTreeMap<String, Found>,
    /// Folders, and where the files of those that are too large to be listed lie.
    folders: BTreeMap<String, Option<PathBuf>>,
    /// Suites that the program brought along.
    suites: Vec<(String, String)>,
}

/// A file that was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) content: Content,
    pub(crate) executable: bool,
}

/// What a file holds.
#[derive(Debug)]
pub(crate) enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What lies there.
    At(PathBuf),
}

impl Files {
    /// Gathers the files that a run read: from the cache, or from where they were, if they are still
    /// as they were.
    ///
    /// # Errors
    /// [`ReproduceError::Missing`] with all that are not to be had any more.
    pub fn gather(
        record: &RunRecord,
        store: &Store,
        project: Option<&Path>,
    ) -> Result<Self, ReproduceError> {
        if !record
            .files
            .iter()
            .any(|file| file.role == FileRole::Pipeline)
        {
            return Err(ReproduceError::Old);
        }
        let (mut files, mut missing) = (Self::default(), Vec::new());
        let inside = |file: &&RecordedFile| file.role != FileRole::Outside;
        for file in record.files.iter().filter(inside) {
            if file.role != FileRole::BuiltInSuite && !stays_inside(&file.path) {
                let path = file.path.clone();
                return Err(ReproduceError::Outside { path });
            }
            if !files.add(file, store, project)? {
                missing.push(format!("`{}`", file.path));
            }
        }
        if missing.is_empty() {
            Ok(files)
        } else {
            Err(ReproduceError::Missing { paths: missing })
        }
    }

    /// Adds a file. The answer: whether it was to be had.
    fn add(
        &mut self,
        file: &RecordedFile,
        store: &Store,
        project: Option<&Path>,
    ) -> Result<bool, ReproduceError> {
        let original = project.map(|project| project.join(&file.path));
        if file.role == FileRole::Folder {
            let large = file.files > crate::key::MAX_NAMED_FILES as u64;
            let at = original.filter(|_| large);
            let found = match &at {
                None => !large,
                Some(folder) => folder_is(store, folder, file)?,
            };
            self.folders.insert(file.path.clone(), at);
            return Ok(found);
        }
        let kept = match store.read(&file.digest) {
            Ok(bytes) => Some(bytes),
            Err(ReadError::Lost { .. }) => None,
            Err(ReadError::Io { path, source }) => return Err(ReproduceError::io(&path, source)),
        };
        if file.role == FileRole::BuiltInSuite {
            let text = kept.and_then(|bytes| String::from_utf8(bytes).ok());
            let Some(text) = text else { return Ok(false) };
            self.suites.push((file.path.clone(), text));
            return Ok(true);
        }
        let content = match (kept, original) {
            (Some(bytes), _) => Content::Bytes(bytes),
            (None, Some(path)) => match store.digest_file(&path) {
                Ok(digest) if digest == file.digest => Content::At(path),
                Err(FileError::Store(error)) => return Err(error.into()),
                Ok(_) | Err(_) => return Ok(false),
            },
            (None, None) => return Ok(false),
        };
        let executable = file.executable;
        let found = Found {
            content,
            executable,
        };
        self.found.insert(file.path.clone(), found);
        Ok(true)
    }

    /// Puts the files into a folder. What is large is linked, not copied.
    pub fn put_into(&self, folder: &Path) -> Result<(), ReproduceError> {
        for (name, at) in &self.folders {
            let path = folder.join(name);
            match at {
                None => {
                    fs::create_dir_all(&path).map_err(|error| ReproduceError::io(&path, error))?;
                }
                Some(target) => link(target, &path)?,
            }
        }
        for (name, found) in &self.found {
            let path = folder.join(name);
            match &found.content {
                Content::At(target) => link(target, &path)?,
                Content::Bytes(bytes) => {
                    above(&path)?;
                    fs::write(&path, bytes)
                        .and_then(|()| {
                            if found.executable {
                                make_executable(&path)
                            } else {
                                Ok(())
                            }
                        })
                        .map_err(|error| ReproduceError::io(&path, error))?;
                }
            }
        }
        Ok(())
    }

    /// Compiles the run's pipeline from a folder into which its files were put: with what `--set` and
    /// `--suite` said, and with nothing but the stages that the run had.
    pub fn compile(
        &self,
        record: &RunRecord,
        project: &Project,
        registry: &Registry,
        devices: &[&str],
    ) -> Result<Pipeline, ReproduceError> {
        let suites: Vec<_> = self
            .suites
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        let options = CompileOptions {
            set: record.set.clone(),
            suite: record.suite_named.clone(),
            suites: &suites,
            devices,
            ..CompileOptions::default()
        };
        let (pipeline, _) = compile(Path::new(&record.file), project, registry, &options)
            .map_err(|error| ReproduceError::Compile(Box::new(error)))?;
        let had = record
            .stages
            .iter()
            .filter_map(|stage| pipeline.find(&stage.name));
        let had: Vec<_> = had.collect();
        Ok(pipeline.up_to(&had))
    }

    /// Every file and where its content is, by path.
    pub(crate) fn into_contents(self) -> Result<BTreeMap<String, Found>, ReproduceError> {
        let mut contents = self.found;
        for (name, at) in self.folders {
            let Some(at) = at else { continue };
            for entry in walkdir::WalkDir::new(&at).follow_links(true) {
                let entry = entry.map_err(|error| ReproduceError::io(&at, error.into()))?;
                let below = entry.path().strip_prefix(&at).unwrap_or(entry.path());
                if entry.file_type().is_file() {
                    let path = format!("{name}/{}", crate::key::slashed(below));
                    let found = Found {
                        content: Content::At(entry.path().to_owned()),
                        executable: false,
                    };
                    contents.insert(path, found);
                }
            }
        }
        Ok(contents)
    }

    /// The texts of the suites that the program brought along.
    pub(crate) fn suites(&self) -> impl Iterator<Item = &str> {
        self.suites.iter().map(|(_, text)| text.as_str())
    }
}

/// Whether a folder still holds what it held.
fn folder_is(store: &Store, folder: &Path, file: &RecordedFile) -> Result<bool, ReproduceError> {
    let source = Source {
        name: "folder",
        path: folder.to_owned(),
        display: file.path.clone(),
        folder: true,
    };
    match look_at_sources(store, &[source]) {
        Ok(found) => Ok(found
            .folders
            .values()
            .all(|folder| folder.listing == file.digest)),
        Err(FileError::Store(error)) => Err(error.into()),
        Err(_) => Ok(false),
    }
}

/// Lets a file be executed.
pub(crate) fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

fn above(path: &Path) -> Result<(), ReproduceError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|error| ReproduceError::io(folder, error))
}

fn link(target: &Path, path: &Path) -> Result<(), ReproduceError> {
    above(path)?;
    std::os::unix::fs::symlink(target, path).map_err(|error| ReproduceError::io(path, error))
}

/// How a run that was repeated compares with its record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// The run of the record.
    pub run: String,
    /// The run that repeated it.
    pub again: String,
    /// Tables that agree, bit for bit.
    pub tables: u64,
    /// Their rows, together.
    pub rows: u64,
    /// Units that were computed for it.
    pub units_executed: u64,
    /// The stages whose tables differ or are missing.
    pub differing: Vec<Disagreement>,
}

/// A stage that did not come out as recorded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disagreement {
    /// The stage.
    pub stage: String,
    /// What it depends on that is not as it was, tables left out: a revision of its kind, a file.
    pub changes: Vec<Change>,
    /// Its tables that differ, by port.
    pub tables: BTreeMap<String, TableComparison>,
    /// Why it failed, if it did.
    pub errors: Vec<String>,
}

/// Compares a run with the one that repeated it. Stages that wrote nothing promised nothing.
pub fn agreement(record: &RunRecord, again: &RunRecord, stores: &[&Store]) -> Agreement {
    let mut agreement = Agreement {
        run: record.run.clone(),
        again: again.run.clone(),
        tables: 0,
        rows: 0,
        units_executed: again.units_executed,
        differing: Vec::new(),
    };
    for stage in &record.stages {
        let theirs = again.stages.iter().find(|other| other.name == stage.name);
        let mut tables = BTreeMap::new();
        for (port, recorded) in &stage.tables {
            let found = theirs.and_then(|theirs| theirs.tables.get(port));
            match table(&stage.name, port, Some(recorded), found, stores) {
                None => {}
                Some(TableComparison::Same { rows }) => {
                    agreement.tables += 1;
                    agreement.rows += rows;
                }
                Some(other) => drop(tables.insert(port.clone(), other)),
            }
        }
        if tables.is_empty() {
            continue;
        }
        let mut found = theirs
            .filter(|theirs| !theirs.value.is_null())
            .map(|theirs| changes(&stage.value, &theirs.value))
            .unwrap_or_default();
        found.retain(|change| !change.field.starts_with("tables."));
        agreement.differing.push(Disagreement {
            stage: stage.name.clone(),
            changes: found,
            tables,
            errors: theirs
                .map(|theirs| theirs.errors.clone())
                .unwrap_or_default(),
        });
    }
    agreement
}
