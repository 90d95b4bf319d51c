//! An open checkpoint: a pickle, and a file for each storage.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use serde_json::{Map, Number, Value as Json};

use crate::archive::Archive;
use crate::error::{Fault, PickleError};
use crate::machine::run;
use crate::modules::{Found, find};
use crate::tensor::Tensor;
use crate::value::{Id, Value, Values};

/// The pickle's name in the archive, below a folder of any name.
const PICKLE: &str = "/data.pkl";
/// How often the tensors may have the file's bytes, at most.
const SHARED: u64 = 4;
/// Values of an attribute and bytes of its texts, at most.
const ATTRIBUTE: usize = 100_000;
/// How deep they may lie in each other.
const DEEPEST: usize = 16;

/// A checkpoint: its directory in memory, its numbers on disk.
#[derive(Debug)]
pub struct TorchFile<R = File> {
    path: PathBuf,
    archive: Archive<R>,
    folder: String,
    values: Values,
    tensors: BTreeMap<String, Tensor>,
    attributes: Option<Id>,
}

impl TorchFile {
    /// Opens a checkpoint and finds the network in it.
    pub fn open(path: &Path) -> Result<Self, PickleError> {
        let file = File::open(path).map_err(|why| PickleError::File {
            path: path.to_owned(),
            why,
        })?;
        Self::of_reader(file, path)
    }
}

impl<R: Read + Seek> TorchFile<R> {
    /// Opens a checkpoint that lies elsewhere, as in memory; errors call it by the path.
    pub fn of_reader(reader: R, path: &Path) -> Result<Self, PickleError> {
        Self::found(reader, path).map_err(|fault| fault.of(path.to_owned()))
    }

    fn found(reader: R, path: &Path) -> Result<Self, Fault> {
        let mut archive = Archive::open(reader)?;
        let pickles = archive.names().filter(|name| name.ends_with(PICKLE));
        // By length, then by name: the same one each time.
        let pickle = pickles.min_by_key(|name| (name.len(), *name));
        let pickle = pickle.ok_or_else(|| Fault::NotTorch("it has no `data.pkl`".to_owned()))?;
        let folder = pickle[..pickle.len() - PICKLE.len()].to_owned();
        check_order(&mut archive, &format!("{folder}/byteorder"))?;
        let pickle = archive.file(&format!("{folder}{PICKLE}"))?;
        let (values, whole) = run(&pickle)?;
        let Found {
            tensors,
            attributes,
        } = find(&values, whole)?;
        check_sizes(&tensors, archive.length())?;
        Ok(Self {
            path: path.to_owned(),
            archive,
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

    /// A tensor's bytes, little-endian, in the order of its shape. Of its storage no more is read than it has, but for the
    /// checksum, for which each storage is read once.
    ///
    /// # Panics
    /// If there is no tensor of this name.
    pub fn read_tensor(&mut self, name: &str) -> Result<Vec<u8>, PickleError> {
        let tensor = &self.tensors[name];
        let file = format!("{}/data/{}", self.folder, tensor.storage.key);
        let read = read(&mut self.archive, &file, tensor);
        read.map_err(|fault| fault.at(name).of(self.path.clone()))
    }

    /// An attribute of the outermost module, as far as it is plain: numbers, texts, lists and dictionaries of these.
    pub fn attribute(&self, name: &str) -> Option<Json> {
        let id = self.values.entry(self.attributes?, name)?;
        let mut left = ATTRIBUTE;
        plain(&self.values, id, DEEPEST, &mut left)
    }
}

/// That numbers lie in the archive as they are read. Before version 2.1 nothing was said, and all machines that wrote
/// checkpoints were little-endian.
fn check_order<R: Read + Seek>(archive: &mut Archive<R>, name: &str) -> Result<(), Fault> {
    if !archive.names().any(|known| known == name) {
        return Ok(());
    }
    match archive.file(name)?.as_slice() {
        b"little" => Ok(()),
        other => Err(Fault::damaged(format!(
            "its numbers are `{}`-endian; expected `little`",
            String::from_utf8_lossy(other)
        ))),
    }
}

/// That all tensors together are no more than a few times the file: they may share storages, and with many that do, a small
/// file would fill any memory. Numbers with gaps between them count with the gaps, which are read.
fn check_sizes(tensors: &BTreeMap<String, Tensor>, length: u64) -> Result<(), Fault> {
    let sizes = tensors.values().map(|tensor| {
        let (_, span) = tensor.place();
        span.max(tensor.bytes() as u64)
    });
    let all = sizes.fold(0, u64::saturating_add);
    if all <= length.saturating_mul(SHARED) {
        return Ok(());
    }
    Err(Fault::damaged(format!(
        "its tensors share so much that they have {all} bytes, more than {SHARED} times the file's {length}"
    )))
}

fn read<R: Read + Seek>(
    archive: &mut Archive<R>,
    file: &str,
    tensor: &Tensor,
) -> Result<Vec<u8>, Fault> {
    let (start, bytes) = archive.checked(file)?;
    let (kind, count) = (tensor.kind(), tensor.storage.count);
    let wanted = count.checked_mul(kind.size());
    if wanted.is_none_or(|wanted| bytes < wanted as u64) {
        return Err(Fault::damaged(format!(
            "`{file}` has {bytes} bytes for {count} numbers of {} bytes",
            kind.size()
        )));
    }
    let (first, span) = tensor.place();
    let span = archive.read(start + first, span)?;
    Ok(tensor.gathered(span))
}

fn plain(values: &Values, id: Id, depth: usize, left: &mut usize) -> Option<Json> {
    *left = left.checked_sub(1)?;
    let depth = depth.checked_sub(1)?;
    Some(match values.get(id) {
        Value::None => Json::Null,
        Value::Bool(is) => Json::Bool(*is),
        Value::Int(number) => Json::from(*number),
        Value::Float(number) => Json::Number(Number::from_f64(*number)?),
        Value::Text(text) => {
            *left = left.checked_sub(text.len())?;
            Json::from(&**text)
        }
        Value::Tuple(items) | Value::List(items) => {
            let items = items.iter().map(|item| plain(values, *item, depth, left));
            Json::Array(items.collect::<Option<_>>()?)
        }
        Value::Dict(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let key = match values.get(*key) {
                    Value::Text(text) => {
                        *left = left.checked_sub(text.len())?;
                        text.to_string()
                    }
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
