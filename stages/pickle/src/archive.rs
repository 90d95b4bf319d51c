//! The archive: a pickle, and a file for each storage.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use serde_json::{Map, Number, Value as Json};
use zip::{CompressionMethod, ZipArchive};

use crate::error::{Fault, PickleError};
use crate::machine::run;
use crate::modules::{Found, find};
use crate::tensor::Tensor;
use crate::value::{Id, Value, Values};

/// The pickle's name in the archive, below a folder of any name.
const PICKLE: &str = "/data.pkl";
/// How often the tensors may have the file's bytes, at most.
const SHARED: u64 = 4;
/// Values of an attribute, at most.
const ATTRIBUTE: usize = 10_000;
/// How deep they may lie in each other.
const DEEPEST: usize = 16;

/// A checkpoint: its directory in memory, its numbers on disk.
#[derive(Debug)]
pub struct TorchFile {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
    length: u64,
    folder: String,
    values: Values,
    tensors: BTreeMap<String, Tensor>,
    attributes: Option<Id>,
}

impl TorchFile {
    /// Opens a checkpoint and finds the network in it.
    pub fn open(path: &Path) -> Result<Self, PickleError> {
        let unread = |why| PickleError::File {
            path: path.to_owned(),
            why,
        };
        let foreign = |why: String| PickleError::NotTorch {
            path: path.to_owned(),
            why,
        };
        let file = File::open(path).map_err(unread)?;
        let length = file.metadata().map_err(unread)?.len();
        let archive = ZipArchive::new(BufReader::new(file));
        let mut archive =
            archive.map_err(|error| foreign(format!("it is no zip archive ({error})")))?;
        let names = archive.file_names().flatten();
        let pickle = names
            .filter(|name| name.ends_with(PICKLE))
            .min_by_key(|name| name.len());
        let pickle = pickle.map(std::borrow::Cow::into_owned);
        let pickle = pickle.ok_or_else(|| foreign("it has no `data.pkl`".to_owned()))?;
        let folder = pickle[..pickle.len() - PICKLE.len()].to_owned();
        let found = bytes_of(&mut archive, &pickle, length).and_then(|pickle| {
            let (values, whole) = run(&pickle)?;
            let found = find(&values, whole)?;
            check_sizes(&found.tensors, length)?;
            Ok((values, found))
        });
        let (
            values,
            Found {
                tensors,
                attributes,
            },
        ) = found.map_err(|fault| fault.of(path.to_owned()))?;
        Ok(Self {
            path: path.to_owned(),
            archive,
            length,
            folder,
            values,
            tensors,
            attributes,
        })
    }

    /// The tensors by their names, as a state dictionary has them.
    pub const fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    /// A tensor's bytes, little-endian, in the order of its shape.
    ///
    /// # Panics
    /// If there is no tensor of this name.
    pub fn read_tensor(&mut self, name: &str) -> Result<Vec<u8>, PickleError> {
        let tensor = &self.tensors[name];
        let storage = &tensor.storage;
        let file = format!("{}/data/{}", self.folder, storage.key);
        let read = bytes_of(&mut self.archive, &file, self.length).and_then(|bytes| {
            let wanted = storage.count.checked_mul(storage.kind.size());
            if wanted.is_none_or(|wanted| bytes.len() < wanted) {
                return Err(Fault::damaged(format!(
                    "`{file}`, where `{name}` lies, has {} bytes for {} numbers of {} bytes",
                    bytes.len(),
                    storage.count,
                    storage.kind.size()
                )));
            }
            Ok(tensor.gathered(&bytes))
        });
        read.map_err(|fault| fault.of(self.path.clone()))
    }

    /// An attribute of the outermost module, as far as it is plain: numbers, texts, lists and dictionaries of these.
    pub fn attribute(&self, name: &str) -> Option<Json> {
        let id = self.values.entry(self.attributes?, name)?;
        let mut left = ATTRIBUTE;
        plain(&self.values, id, DEEPEST, &mut left)
    }
}

/// That all tensors together are no more than a few times the file: they may share storages, and with many that do, a small
/// file would fill any memory.
fn check_sizes(tensors: &BTreeMap<String, Tensor>, length: u64) -> Result<(), Fault> {
    let sizes = tensors.values().map(|tensor| tensor.bytes() as u64);
    let all = sizes.fold(0, u64::saturating_add);
    if all <= length.saturating_mul(SHARED) {
        return Ok(());
    }
    Err(Fault::damaged(format!(
        "its tensors share so much that they have {all} bytes, more than {SHARED} times the file's {length}"
    )))
}

/// A file of the archive, stored as it is.
fn bytes_of(
    archive: &mut ZipArchive<BufReader<File>>,
    name: &str,
    length: u64,
) -> Result<Vec<u8>, Fault> {
    let damaged = |why: String| Fault::damaged(format!("`{name}` in it: {why}"));
    let file = archive
        .by_name(name)
        .map_err(|error| damaged(error.to_string()))?;
    if file.compression() != CompressionMethod::Stored {
        return Err(damaged(
            "it is compressed, which PyTorch never does".to_owned(),
        ));
    }
    let size = file.size();
    if size > length {
        return Err(damaged(format!(
            "{size} bytes are said to be in a file of {length}"
        )));
    }
    let mut bytes = Vec::new();
    file.take(size)
        .read_to_end(&mut bytes)
        .map_err(|error| damaged(error.to_string()))?;
    Ok(bytes)
}

fn plain(values: &Values, id: Id, depth: usize, left: &mut usize) -> Option<Json> {
    *left = left.checked_sub(1)?;
    let depth = depth.checked_sub(1)?;
    Some(match values.get(id) {
        Value::None => Json::Null,
        Value::Bool(is) => Json::Bool(*is),
        Value::Int(number) => Json::from(*number),
        Value::Float(number) => Json::Number(Number::from_f64(*number)?),
        Value::Text(text) => Json::from(&**text),
        Value::Tuple(items) | Value::List(items) => {
            let items = items.iter().map(|item| plain(values, *item, depth, left));
            Json::Array(items.collect::<Option<_>>()?)
        }
        Value::Dict(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let key = match values.get(*key) {
                    Value::Text(text) => text.to_string(),
                    Value::Int(number) => number.to_string(),
                    _ => return None,
                };
                map.insert(key, plain(values, *value, depth, left)?);
            }
            Json::Object(map)
        }
        _ => return None,
    })
}
