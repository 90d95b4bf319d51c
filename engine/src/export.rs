//! Materialising tables at the paths that `outputs:` names.
//!
//! Exports are views. They are looked at on every run: what is there and unchanged stays, what is
//! missing, stale or edited is written again, and what an earlier export left behind is removed
//! unless somebody changed it. Files that no row is written to are never touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ccsr_cache::{Digest, Exported, ReadError, Store, StoreError, Value};
use ccsr_stage::{Blobs, ColumnType, Content, ExportFile, StageError, Table};
use rayon::prelude::*;

use crate::active::guarded;
use crate::pipeline::{Export, ExportFormat, StageNode};
use crate::tabular;
use crate::worker::StoreBlobs;

/// What an export amounted to.
pub(crate) struct Materialised {
    /// Files that belong to it.
    pub(crate) files: u64,
    /// Those of them that had to be written.
    pub(crate) written: u64,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error("the cache lost {} blobs", .0.len())]
    Lost(Vec<Digest>),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot write `{}`: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("`{path}` is no path below the folder of an export")]
    Path { path: String },
    #[error("two rows would both be written to `{path}`")]
    Twice { path: String },
    #[error("{0}")]
    Stage(StageError),
}

impl From<StageError> for ExportError {
    fn from(error: StageError) -> Self {
        match error {
            StageError::Lost(digest) => Self::Lost(vec![digest]),
            other => Self::Stage(other),
        }
    }
}

/// Name under which the identity of the export as a whole is remembered.
const WHOLE: &str = "";
/// Name under which an export that is one file remembers it.
const ITSELF: &str = ".";

/// Makes sure that the table stands at its target.
pub(crate) fn materialise(
    store: &Store,
    node: &StageNode,
    target: &Export,
    table_digest: Digest,
) -> Result<Materialised, ExportError> {
    let known = store.exports(&target.path.path)?;
    if is_current(node, target, table_digest, &known) {
        let files = known.len() as u64 - 1;
        return Ok(Materialised { files, written: 0 });
    }
    let _turn = store.export_turn()?;
    // Whoever had the turn before may have been at the same target.
    let known = store.exports(&target.path.path)?;
    let blobs = StoreBlobs(store);
    let table = Table::decode(&blobs.read(&table_digest)?)
        .map_err(|error| ExportError::Stage(error.into()))?;
    let files = match target.format {
        ExportFormat::Table(format) => {
            vec![ExportFile::bytes(
                ITSELF,
                tabular::write(&table, format).into_bytes(),
            )]
        }
        ExportFormat::Folder => match guarded(|| node.stage.export(target.port, &table))? {
            Some(files) => checked(files)?,
            None => checked(blob_files(&table)?)?,
        },
    };
    if target.format == ExportFormat::Folder {
        fs::create_dir_all(&target.path.path).map_err(write_error(&target.path.path))?;
    }
    let results = files
        .into_par_iter()
        .map(|file| bring_up_to_date(&target.path.path, file, &known, &blobs))
        .collect::<Vec<_>>();
    let results = all_or_all_lost(results)?;
    let written = results.iter().filter(|(_, _, written)| *written).count() as u64;
    let mut remembered: BTreeMap<_, _> = results
        .into_iter()
        .map(|(name, file, _)| (name, file))
        .collect();
    for (name, file) in known.iter().filter(|(name, _)| name.as_str() != WHOLE) {
        let path = place(&target.path.path, name);
        if !remembered.contains_key(name) && is_as_left(&path, file) {
            fs::remove_file(&path).map_err(write_error(&path))?;
        }
    }
    let count = remembered.len() as u64;
    remembered.insert(
        WHOLE.to_owned(),
        Exported {
            identity: whole_identity(node, target, table_digest),
            size: 0,
            mtime_ns: 0,
        },
    );
    store.set_exports(&target.path.path, &remembered)?;
    Ok(Materialised {
        files: count,
        written,
    })
}

/// Whether everything stands where it was put, and is what it would be now.
pub(crate) fn is_current(
    node: &StageNode,
    target: &Export,
    table: Digest,
    known: &BTreeMap<String, Exported>,
) -> bool {
    let mut files = known.iter().filter(|(name, _)| name.as_str() != WHOLE);
    known
        .get(WHOLE)
        .is_some_and(|whole| whole.identity == whole_identity(node, target, table))
        && files.all(|(name, file)| is_as_left(&place(&target.path.path, name), file))
}

fn whole_identity(node: &StageNode, target: &Export, table: Digest) -> Digest {
    Value::list([
        Value::from(node.kind),
        Value::Int(i64::from(node.stage.export_revision())),
        Value::Int(i64::from(tabular::REVISION)),
        node.stage.identity(),
        Value::from(target.port),
        Value::from(format!("{:?}", target.format)),
        Value::Blob(table),
    ])
    .digest()
}

/// All results, or all blobs that were lost, so that they can be made again in one go.
fn all_or_all_lost(
    results: Vec<Result<Remembered, ExportError>>,
) -> Result<Vec<Remembered>, ExportError> {
    let (mut good, mut lost) = (Vec::with_capacity(results.len()), Vec::new());
    for result in results {
        match result {
            Ok(remembered) => good.push(remembered),
            Err(ExportError::Lost(blobs)) => lost.extend(blobs),
            Err(error) => return Err(error),
        }
    }
    if lost.is_empty() {
        Ok(good)
    } else {
        Err(ExportError::Lost(lost))
    }
}

type Remembered = (String, Exported, bool);

fn bring_up_to_date(
    target: &Path,
    file: ExportFile,
    known: &BTreeMap<String, Exported>,
    blobs: &StoreBlobs<'_>,
) -> Result<Remembered, ExportError> {
    let path = place(target, &file.path);
    if let Some(old) = known.get(&file.path)
        && old.identity == file.identity
        && is_as_left(&path, old)
    {
        return Ok((file.path, *old, false));
    }
    let put = |aside: &Path| match &file.content {
        Content::Blob(digest) => Ok(blobs.0.copy_out(digest, aside)?),
        Content::Bytes(bytes) => fs::write(aside, bytes).map_err(write_error(&path)),
        Content::Rendered(render) => {
            let bytes = guarded(|| render(blobs))?;
            fs::write(aside, bytes).map_err(write_error(&path))
        }
    };
    write_whole(&path, put, &blobs.0.temporary())?;
    let (size, mtime_ns) = left(&path).map_err(write_error(&path))?;
    Ok((
        file.path,
        Exported {
            identity: file.identity,
            size,
            mtime_ns,
        },
        true,
    ))
}

/// Never half a file: it is written in the cache and renamed into its place. So a run that is killed
/// leaves nothing behind in the export, unless the two are on different file systems.
fn write_whole(
    path: &Path,
    put: impl Fn(&Path) -> Result<(), ExportError>,
    aside: &Path,
) -> Result<(), ExportError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(write_error(path))?;
    let put_and_move = |aside: &Path| {
        let written = put(aside).and_then(|()| fs::rename(aside, path).map_err(write_error(path)));
        written.inspect_err(|_| {
            let _ = fs::remove_file(aside);
        })
    };
    match put_and_move(aside) {
        Err(ExportError::Write { source, .. })
            if source.kind() == io::ErrorKind::CrossesDevices =>
        {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            put_and_move(&folder.join(format!(".{name}.{}.part", std::process::id())))
        }
        other => other,
    }
}

fn write_error(path: &Path) -> impl Fn(io::Error) -> ExportError {
    move |source| ExportError::Write {
        path: path.to_owned(),
        source,
    }
}

fn place(target: &Path, name: &str) -> PathBuf {
    if name == ITSELF {
        target.to_owned()
    } else {
        target.join(name)
    }
}

fn is_as_left(path: &Path, file: &Exported) -> bool {
    left(path).is_ok_and(|left| left == (file.size, file.mtime_ns))
}

/// Size and modification time of a file.
fn left(path: &Path) -> io::Result<(u64, i64)> {
    let metadata = fs::symlink_metadata(path)?;
    let mtime = metadata
        .modified()?
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Ok((metadata.len(), mtime.as_nanos() as i64))
}

/// Refuses files that would land outside the folder or on each other.
fn checked(files: Vec<ExportFile>) -> Result<Vec<ExportFile>, ExportError> {
    let mut seen = BTreeSet::new();
    for file in &files {
        let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']);
        if !file.path.split('/').all(plain) {
            return Err(ExportError::Path {
                path: file.path.clone(),
            });
        }
        if !seen.insert(file.path.as_str()) {
            return Err(ExportError::Twice {
                path: file.path.clone(),
            });
        }
    }
    Ok(files)
}

/// A file a row for its first blob, named by the column `file` or by the row's number.
fn blob_files(table: &Table) -> Result<Vec<ExportFile>, StageError> {
    let is_blob = |kind| matches!(kind, ColumnType::Image | ColumnType::Blob);
    let column = table.columns().iter().find(|column| is_blob(column.kind())).ok_or_else(|| {
        StageError::input(
            "its rows hold no images, so it cannot become a folder; name a .csv, .jsonl or .md file",
        )
    })?;
    let ending = if column.kind() == ColumnType::Image {
        "png"
    } else {
        "bin"
    };
    let named = |row: ccsr_stage::Row<'_>| {
        let name = row.find("file").and_then(Value::as_text).map(str::to_owned);
        let name = name.unwrap_or_else(|| format!("{:05}.{ending}", row.index() + 1));
        row.find(column.name())
            .and_then(Value::as_blob)
            .map(|blob| ExportFile::blob(name, blob))
    };
    Ok(table.rows().filter_map(named).collect())
}

impl From<ReadError> for ExportError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Lost { digest, .. } => Self::Lost(vec![digest]),
            ReadError::Io { path, source } => Self::Write { path, source },
        }
    }
}
