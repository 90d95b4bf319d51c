//! A trained model as a table of files, for the training that begins with it.

use std::path::Path;

use burn::module::Module;
use ccsr_nn::Row;
use ccsr_stage::{Blobs, Digest, InputPort, Inputs, StageError, Value};
use tempfile::TempDir;

use super::chain::unread;

/// A port that takes a `model` table.
pub(crate) fn model_port(name: &'static str) -> InputPort {
    InputPort::new(name, super::MODEL)
}

/// The files of a port's model, by their paths.
pub(crate) fn model_value(inputs: &Inputs<'_>, port: &'static str) -> Result<Value, StageError> {
    let file = |row: ccsr_stage::Row<'_>| {
        Ok((
            row.text("file")?.to_owned(),
            Value::Blob(row.blob("content")?),
        ))
    };
    let files = inputs.table(port)?.rows().map(file);
    Ok(Value::map(files.collect::<Result<Vec<_>, StageError>>()?))
}

/// A part of what is learnt from.
pub(crate) fn part<'a>(material: &'a Value, name: &str) -> Result<&'a Value, StageError> {
    material.get(name).ok_or_else(|| unread(name))
}

/// Puts a loaded network's numbers in a row's, of which it has to be a part: its parameters come one after the other
/// there, with `below` before their names.
pub(crate) fn put_network<M: Module>(
    network: &M,
    below: &str,
    row: &Row,
    numbers: &mut [f32],
) -> Result<(), StageError> {
    put_parts(network, below, row, numbers, |_| true)
}

/// [`put_network`] of those parameters whose names in the network are wanted.
pub(crate) fn put_parts<M: Module>(
    network: &M,
    below: &str,
    row: &Row,
    numbers: &mut [f32],
    is_wanted: impl Fn(&str) -> bool,
) -> Result<(), StageError> {
    let found = Row::numbers(network);
    let mut rest = found.as_slice();
    for parameter in Row::of(network).parameters() {
        let (own, after) = rest.split_at(parameter.len());
        rest = after;
        if !is_wanted(&parameter.name) {
            continue;
        }
        let name = format!("{below}{}", parameter.name);
        let known = row.parameters().iter().find(|known| known.name == name);
        let place = known
            .filter(|known| known.shape == parameter.shape)
            .and_then(|_| row.range(&name));
        let place = place.ok_or_else(|| {
            let wanted = known.map_or_else(
                || "there is none of that name".to_owned(),
                |known| format!("{:?} is trained", known.shape),
            );
            StageError::input(format!(
                "the model to begin with is of another make: its `{name}` is {:?}, and {wanted}",
                parameter.shape
            ))
        })?;
        numbers[place].copy_from_slice(own);
    }
    Ok(())
}

/// A model's folder, laid out for a loader to read, for as long as it lives.
pub(crate) struct LaidOut {
    folder: TempDir,
    files: Vec<(String, Digest)>,
}

impl LaidOut {
    /// Lays out what [`model_value`] answered.
    pub(crate) fn new(model: &Value, blobs: &dyn Blobs) -> Result<Self, StageError> {
        let failed = |error: std::io::Error| {
            StageError::failed(format!(
                "cannot lay out a model in a temporary folder: {error}"
            ))
        };
        let Value::Map(map) = model else {
            return Err(unread("model"));
        };
        let folder = TempDir::new().map_err(failed)?;
        let mut files = Vec::new();
        for (name, content) in map.iter() {
            let content = content.as_blob().ok_or_else(|| unread("model"))?;
            let is_below = Path::new(&**name)
                .components()
                .all(|part| matches!(part, std::path::Component::Normal(_)));
            if !is_below {
                let message = format!("the model's file `{name}` does not lie in its folder");
                return Err(StageError::input(message));
            }
            let path = folder.path().join(&**name);
            let parent = path.parent().unwrap_or(folder.path());
            std::fs::create_dir_all(parent).map_err(failed)?;
            std::fs::write(&path, blobs.read(&content)?).map_err(failed)?;
            files.push((name.to_string(), content));
        }
        Ok(Self { folder, files })
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Its files, by their paths, with their contents.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, Digest)> {
        self.files
            .iter()
            .map(|(name, content)| (name.as_str(), *content))
    }
}
