//! A run as one file that another machine can run again: the pipeline, what it read, its record, and
//! the tables that were chosen, with metadata as an RO-Crate.
//!
//! It is a zip archive, stored without compression (images are compressed already), names sorted and
//! times fixed: equal content makes equal bytes.
//!
//! | in the archive | |
//! |---|---|
//! | `ro-crate-metadata.json` | what all of it is (`metadata`) |
//! | `README.md` | how to run it |
//! | `run.json` | the record |
//! | `pipeline.json` | what the stages were told: the pipeline with variables, suite and `--set` in it |
//! | `project/…` | every file that was read, where it was in its project |
//! | `tables/<stage>.<port>.csv` | the chosen tables as text |
//! | `objects/<digest>` | the chosen tables as the cache has them, and blobs that they name |

mod metadata;
mod unpack;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use ccsr_cache::{Digest, ReadError, Store, StoreError, Value};
use ccsr_stage::Table;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::pipeline::TableFormat;
use crate::record::{RunRecord, StageRecord};
use crate::reproduce::{Content, Files, ReproduceError};
use crate::tabular;

pub use unpack::unbundle;

pub(crate) const README: &str = "README.md";
pub(crate) const RECORD: &str = "run.json";
pub(crate) const RESOLVED: &str = "pipeline.json";
pub(crate) const PROJECT: &str = "project/";
pub(crate) const OBJECTS: &str = "objects/";

/// Why a bundle cannot be made or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file that the run read is not to be had.
    #[error(transparent)]
    Reproduce(#[from] ReproduceError),
    /// There is no such table.
    #[error("run `{run}` wrote no table `{wanted}`; it wrote {}", .known.join(", "))]
    NoTable {
        /// The run.
        run: String,
        /// The table that was asked for.
        wanted: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// The cache lost something that belongs into the bundle.
    #[error("the cache lost {what}; run the pipeline again, it makes what is lost")]
    Lost {
        /// What.
        what: String,
    },
    /// The file is no bundle.
    #[error("it is no bundle of a run: {why}")]
    NoBundle {
        /// Why.
        why: String,
    },
    /// A file cannot be read or written.
    #[error("cannot use `{}`", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The archive cannot be read or written.
    #[error("the archive cannot be used")]
    Archive(#[from] zip::result::ZipError),
    /// The cache cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BundleError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// What goes into a bundle.
#[derive(Clone, Debug, Default)]
pub struct BundleOptions {
    /// Tables: `stage` for all of a stage's, or `stage.port`. None: those that no stage reads.
    pub tables: Vec<String>,
    /// Whether the blobs that these tables name go with them.
    pub blobs: bool,
    /// The licence of what is in it, as a URL.
    pub license: Option<String>,
}

/// What went into a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundled {
    /// Files of the project.
    pub files: u64,
    /// Tables, as `stage.port`.
    pub tables: Vec<String>,
    /// Blobs that the tables name.
    pub blobs: u64,
}

/// A part of a bundle, before it is written.
pub(crate) struct Part {
    content: Content,
    executable: bool,
    size: u64,
}

/// Writes the bundle of a run.
pub fn bundle(
    record: &RunRecord,
    store: &Store,
    project: Option<&Path>,
    options: &BundleOptions,
    target: impl Write + Seek,
) -> Result<Bundled, BundleError> {
    let files = Files::gather(record, store, project)?;
    let mut parts = BTreeMap::new();
    let mut bundled = Bundled::default();
    for suite in files.suites() {
        let name = format!("{OBJECTS}{}", Digest::of(suite.as_bytes()));
        add(&mut parts, name, Content::Bytes(suite.as_bytes().to_vec()))?;
    }
    for (name, found) in files.into_contents()? {
        bundled.files += 1;
        let name = format!("{PROJECT}{name}");
        add(&mut parts, name.clone(), found.content)?;
        parts
            .entry(name)
            .and_modify(|part| part.executable = found.executable);
    }
    let mut blobs = BTreeSet::new();
    for (name, digest) in chosen(record, &options.tables)? {
        let bytes = read(store, &digest, &format!("the table `{name}`"))?;
        let decoded = Table::decode(&bytes).map_err(|_| BundleError::Lost {
            what: format!("the table `{name}`"),
        })?;
        let text = tabular::write(&decoded, TableFormat::Csv).into_bytes();
        add(
            &mut parts,
            format!("tables/{name}.csv"),
            Content::Bytes(text),
        )?;
        add(
            &mut parts,
            format!("{OBJECTS}{digest}"),
            Content::Bytes(bytes),
        )?;
        if options.blobs {
            blobs.extend(
                decoded
                    .rows()
                    .flat_map(|row| row.values().flat_map(Value::blobs).collect::<Vec<_>>()),
            );
        }
        bundled.tables.push(name);
    }
    for blob in blobs {
        bundled.blobs += 1;
        let path = store.object_path(&blob);
        // Bytes are verified when the bundle is unpacked; what is not there is missed here.
        if !store.has(&blob) {
            let what = "a blob that one of the tables names".to_owned();
            return Err(BundleError::Lost { what });
        }
        add(&mut parts, format!("{OBJECTS}{blob}"), Content::At(path))?;
    }
    add(&mut parts, RECORD.to_owned(), pretty(record))?;
    add(&mut parts, RESOLVED.to_owned(), pretty(&record.resolved))?;
    let readme = metadata::readme(record).into_bytes();
    add(&mut parts, README.to_owned(), Content::Bytes(readme))?;
    let about = metadata::of(record, &parts, options.license.as_deref());
    add(&mut parts, metadata::FILE.to_owned(), pretty(&about))?;
    write(parts, target)?;
    Ok(bundled)
}

fn pretty(value: &impl serde::Serialize) -> Content {
    let mut text =
        serde_json::to_vec_pretty(value).expect("a record holds nothing JSON has no word for");
    text.push(b'\n');
    Content::Bytes(text)
}

fn add(
    parts: &mut BTreeMap<String, Part>,
    name: String,
    content: Content,
) -> Result<(), BundleError> {
    let size = match &content {
        Content::Bytes(bytes) => bytes.len() as u64,
        Content::At(path) => std::fs::metadata(path)
            .map_err(|error| BundleError::io(path, error))?
            .len(),
    };
    let part = Part {
        content,
        executable: false,
        size,
    };
    parts.insert(name, part);
    Ok(())
}

/// The tables that were asked for, or those that no stage of the run read: `stage.port` and digest.
fn chosen(record: &RunRecord, wanted: &[String]) -> Result<Vec<(String, Digest)>, BundleError> {
    let named = |stage: &StageRecord| -> Vec<(String, Digest)> {
        let name = |port: &String| format!("{}.{port}", stage.name);
        let tables = stage.tables.iter();
        tables
            .map(|(port, table)| (name(port), table.digest))
            .collect()
    };
    let all: BTreeMap<String, Digest> = record.stages.iter().flat_map(named).collect();
    if wanted.is_empty() {
        let reads = |stage: &StageRecord| stage.value.get("tables").map(Value::blobs);
        let read: BTreeSet<Digest> = record.stages.iter().filter_map(reads).flatten().collect();
        let last = all.into_iter().filter(|(_, digest)| !read.contains(digest));
        return Ok(last.collect());
    }
    let mut chosen = BTreeMap::new();
    for wanted in wanted {
        let of_stage = format!("{wanted}.");
        let fits = |name: &String| name == wanted || name.starts_with(&of_stage);
        let before = chosen.len();
        chosen.extend(all.clone().into_iter().filter(|(name, _)| fits(name)));
        if chosen.len() == before && !chosen.keys().any(fits) {
            return Err(BundleError::NoTable {
                run: record.run.clone(),
                wanted: wanted.clone(),
                known: all.into_keys().collect(),
            });
        }
    }
    Ok(chosen.into_iter().collect())
}

fn read(store: &Store, digest: &Digest, what: &str) -> Result<Vec<u8>, BundleError> {
    store.read(digest).map_err(|error| match error {
        ReadError::Lost { .. } => BundleError::Lost {
            what: what.to_owned(),
        },
        ReadError::Io { path, source } => BundleError::io(&path, source),
    })
}

fn write(parts: BTreeMap<String, Part>, target: impl Write + Seek) -> Result<(), BundleError> {
    /// From this size on an entry needs the format's larger numbers.
    const LARGE: u64 = u32::MAX as u64;
    let mut archive = ZipWriter::new(target);
    for (name, part) in parts {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(if part.executable { 0o755 } else { 0o644 })
            .large_file(part.size >= LARGE);
        archive.start_file(&name, options)?;
        let copied = match part.content {
            Content::Bytes(bytes) => archive.write_all(&bytes),
            Content::At(path) => {
                let file = File::open(&path).map_err(|error| BundleError::io(&path, error))?;
                // Not more than its size: what grows meanwhile would break the archive.
                io::copy(&mut file.take(part.size), &mut archive).map(drop)
            }
        };
        copied.map_err(|error| BundleError::io(Path::new(&name), error))?;
    }
    archive.finish()?;
    Ok(())
}
