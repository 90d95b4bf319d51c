//! The files of a folder that a stage imports: a unit each.

use std::collections::HashMap;

use ccsr_stage::params::FolderPath;
use ccsr_stage::{Digest, Misfit, PartitionOutcomes, Source, SourceFile, StageError, Unit, Value};

/// The name of the parameter, and of the source.
pub(crate) const PATH: &str = "path";

/// The folder as what a stage reads from outside.
pub(crate) fn source(folder: &FolderPath) -> Source {
    Source {
        name: PATH,
        path: folder.0.path.clone(),
        display: folder.0.display.clone(),
        folder: true,
    }
}

/// The files below a folder, as the engine will find them: hidden ones are left out.
pub(crate) fn names(folder: &FolderPath) -> Result<Vec<String>, Misfit> {
    let (root, display) = (&folder.0.path, &folder.0.display);
    let unread = |error: walkdir::Error| {
        let error = error
            .io_error()
            .map_or_else(|| error.to_string(), ToString::to_string);
        Misfit::new([PATH], format!("cannot look at `{display}`: {error}"))
    };
    let hidden = |entry: &walkdir::DirEntry| {
        entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.')
    };
    let entries = walkdir::WalkDir::new(root).follow_links(true).into_iter();
    let mut names = Vec::new();
    for entry in entries.filter_entry(|entry| !hidden(entry)) {
        let entry = entry.map_err(unread)?;
        if entry.file_type().is_file() {
            let below = entry.path().strip_prefix(root).unwrap_or(entry.path());
            let parts = below.components();
            let parts: Vec<_> = parts
                .map(|part| part.as_os_str().to_string_lossy())
                .collect();
            names.push(parts.join("/"));
        }
    }
    Ok(names)
}

/// The unit that reads a file.
pub(crate) fn unit_of(file: &SourceFile) -> Unit {
    let hint = [
        ("name", Value::from(file.name.as_str())),
        ("path", Value::from(file.path.to_string_lossy().as_ref())),
    ];
    // The digest as text: the file is no blob of the cache's.
    let input = Value::map([("file", Value::from(file.digest.to_string()))]);
    Unit::new(input).with_hint(Value::map(hint))
}

/// The file that a unit is about, with the digest that its content must have.
pub(crate) fn source_file(unit: &Unit) -> Result<SourceFile, StageError> {
    let text = |of: &Value, name| of.get(name).and_then(Value::as_text).map(str::to_owned);
    let whole = || {
        let digest: Digest = text(&unit.input, "file")?.parse().ok()?;
        Some(SourceFile {
            name: text(&unit.hint, "name")?,
            path: text(&unit.hint, "path")?.into(),
            digest,
        })
    };
    whole().ok_or_else(|| StageError::failed("a unit came without its file"))
}

/// What became of the files, by their content, which is what a unit is about.
pub(crate) struct Read<'a>(HashMap<&'a str, &'a Value>);

impl<'a> Read<'a> {
    /// What the units became.
    pub(crate) fn new(outcomes: &'a [PartitionOutcomes]) -> Self {
        let resolved = outcomes.iter().flat_map(|partition| &partition.resolved);
        let of_file = resolved.filter_map(|done| {
            let file = done.unit.input.get("file")?.as_text()?;
            Some((file, &done.outcome))
        });
        Self(of_file.collect())
    }

    /// What a file became.
    pub(crate) fn get(&self, file: &SourceFile) -> Option<Value> {
        self.0
            .get(file.digest.to_string().as_str())
            .copied()
            .cloned()
    }
}
