//! Weights: safetensors as the hub lays them out, into modules, strictly.
//!
//! Files are mapped into memory and read tensor by tensor. What a file lacks, what it has too many and
//! what has another shape are errors that name the tensor. A pickle is never read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::store::{
    ApplyError, FloatCastAdapter, ModuleAdapter, ModuleSnapshot, ModuleStore, PyTorchToBurnAdapter,
    SafetensorsStore,
};
use burn::tensor::{DType, Tensor};
use burn_pack::Tensor as Stored;
use serde::Deserialize;

/// The largest header that the format allows, in bytes.
const MAX_HEADER: u64 = 100_000_000;
/// How many tensors an error names.
const NAMED: usize = 5;
/// Endings of files that hold pickles, which are programs.
const PICKLES: [&str; 4] = ["bin", "ckpt", "pt", "pth"];

/// Why weights cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightError {
    /// There is no such file or folder, or it cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder without weights.
    #[error("there are no weights in `{}`; expected one of {expected}{}", path.display(), pickle_hint(pickles))]
    NoWeights {
        /// The folder.
        path: PathBuf,
        /// The files that were looked for.
        expected: String,
        /// Pickles that lie there.
        pickles: Vec<String>,
    },
    /// A pickle, which can run any program when it is read.
    #[error(
        "`{}` is a pickle, which runs programs when it is read, and so is not; save the weights as \
         safetensors: `save_pretrained(…, safe_serialization=True)`", path.display()
    )]
    Pickle {
        /// The file.
        path: PathBuf,
    },
    /// A shard that the index names is missing.
    #[error("`{}` names the shard `{shard}`, which is not there; download it again", index.display())]
    MissingShard {
        /// The index.
        index: PathBuf,
        /// The shard.
        shard: String,
    },
    /// The file is not what it should be.
    #[error("`{}` is damaged: {why}; download it again", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// In what way.
        why: String,
    },
    /// Tensors that the network has and the file lacks.
    #[error("`{}` lacks {}", path.display(), listed(tensors))]
    Missing {
        /// The file or folder.
        path: PathBuf,
        /// The tensors.
        tensors: Vec<String>,
    },
    /// Tensors that the file has and the network lacks: it is another network's.
    #[error("`{}` has tensors that this network has not: {}", path.display(), listed(tensors))]
    Unused {
        /// The file or folder.
        path: PathBuf,
        /// The tensors.
        tensors: Vec<String>,
    },
    /// A tensor has another shape, as Burn has it or as the file has it, or cannot be read.
    #[error("`{}`: the tensor `{tensor}` does not fit: {why}", path.display())]
    Misfit {
        /// The file or folder.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// In what way.
        why: String,
    },
    /// Two names of the file mean the same tensor.
    #[error("`{}` has the tensor `{tensor}` twice, under two names", path.display())]
    Twice {
        /// The file or folder.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
}

fn listed(tensors: &[String]) -> String {
    let named: Vec<_> = tensors
        .iter()
        .take(NAMED)
        .map(|name| format!("`{name}`"))
        .collect();
    match tensors.len().checked_sub(NAMED) {
        Some(more @ 1..) => format!("{} and {more} more", named.join(", ")),
        _ => named.join(", "),
    }
}

fn pickle_hint(pickles: &[String]) -> String {
    match pickles {
        [] => String::new(),
        names => format!(
            "; {} is a pickle, which runs programs when it is read, and so is not: save the weights as \
             safetensors",
            names.join(", ")
        ),
    }
}

/// The tensors of a file or folder of safetensors, by name. Their bytes are read when they are needed.
pub struct Checkpoint {
    path: PathBuf,
    tensors: BTreeMap<String, Stored>,
}

impl Checkpoint {
    /// Opens a file of safetensors, or the weights of a folder: `{stem}.safetensors`, or the shards that
    /// `{stem}.safetensors.index.json` names. Stems are tried in order (`model`,
    /// `diffusion_pytorch_model`).
    pub fn open(path: &Path, stems: &[&str]) -> Result<Self, WeightError> {
        let unreadable = |source| WeightError::Unreadable {
            path: path.to_owned(),
            source,
        };
        if fs::metadata(path).map_err(unreadable)?.is_file() {
            return Self::of_files(path, &[path.to_owned()]);
        }
        for stem in stems {
            let file = path.join(format!("{stem}.safetensors"));
            if file.is_file() {
                return Self::of_files(path, &[file]);
            }
            let index = path.join(format!("{stem}.safetensors.index.json"));
            if index.is_file() {
                return Self::of_files(path, &shards(path, &index)?);
            }
        }
        let names = fs::read_dir(path).map_err(unreadable)?.flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let expected: Vec<_> = stems
            .iter()
            .map(|stem| format!("`{stem}.safetensors`"))
            .collect();
        Err(WeightError::NoWeights {
            path: path.to_owned(),
            expected: expected.join(", "),
            pickles: names.filter(|name| is_pickle(Path::new(name))).collect(),
        })
    }

    fn of_files(path: &Path, files: &[PathBuf]) -> Result<Self, WeightError> {
        let mut tensors = BTreeMap::new();
        for file in files {
            check(file)?;
            let corrupt = |why: String| WeightError::Corrupt {
                path: file.clone(),
                why,
            };
            let mut store = SafetensorsStore::from_file(file.clone());
            let found = store
                .get_all_tensors()
                .map_err(|error| corrupt(error.to_string()))?;
            for (name, tensor) in found {
                let mut tensor = tensor.clone();
                if tensor.shape.is_empty() {
                    // A number by itself is a list of one here: a parameter has a dimension at least.
                    tensor.shape = [1].into();
                }
                if tensors.insert(name.clone(), tensor).is_some() {
                    return Err(corrupt(format!(
                        "an earlier shard has the tensor `{name}`, too"
                    )));
                }
            }
        }
        Ok(Self {
            path: path.to_owned(),
            tensors,
        })
    }

    /// The names of the tensors, with their shapes.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors
            .iter()
            .map(|(name, tensor)| (name.as_str(), tensor.shape.as_slice()))
    }

    /// Gives tensors other names, or leaves them out (`None`): what a file holds that is no weight.
    pub fn rename(self, rename: impl Fn(&str) -> Option<String>) -> Result<Self, WeightError> {
        let mut tensors = BTreeMap::new();
        for (name, mut tensor) in self.tensors {
            let Some(name) = rename(&name) else { continue };
            tensor.name.clone_from(&name);
            if tensors.insert(name.clone(), tensor).is_some() {
                return Err(WeightError::Twice {
                    path: self.path,
                    tensor: name,
                });
            }
        }
        Ok(Self { tensors, ..self })
    }

    /// The tensors whose names begin with a prefix, without it.
    #[must_use]
    pub fn below(self, prefix: &str) -> Self {
        let below = |(name, mut tensor): (String, Stored)| {
            name.strip_prefix(prefix)?.clone_into(&mut tensor.name);
            Some((tensor.name.clone(), tensor))
        };
        Self {
            path: self.path,
            tensors: self.tensors.into_iter().filter_map(below).collect(),
        }
    }

    /// Loads every tensor into the module, as binary32.
    ///
    /// Names are the module's own, with PyTorch's habits: `weight` and `bias` of norms, weights of linear
    /// layers as `[out, in]`.
    pub fn load<M: Module>(self, mut module: M) -> Result<M, WeightError> {
        let path = self.path;
        let adapter = PyTorchToBurnAdapter.chain(FloatCastAdapter::to(DType::F32));
        let tensors = self.tensors.into_values().collect();
        let result = module.apply(tensors, None, Some(Box::new(adapter)), true);
        if let Some(error) = result.errors.first() {
            return Err(misfit(path, error));
        }
        if !result.missing.is_empty() {
            let tensors = result
                .missing
                .into_iter()
                .map(|(name, container)| as_stored(&name, &container));
            return Err(WeightError::Missing {
                path,
                tensors: tensors.collect(),
            });
        }
        if !result.unused.is_empty() {
            return Err(WeightError::Unused {
                path,
                tensors: result.unused,
            });
        }
        Ok(module)
    }
}

/// The names and shapes of all weights that a module wants from a checkpoint, as PyTorch has them. No
/// weight is made for it.
pub fn keys_of<M: Module>(module: &M) -> BTreeMap<String, Vec<usize>> {
    let mut keys = Keys::default();
    module.visit(&mut keys);
    keys.found
}

#[derive(Default)]
struct Keys {
    path: Vec<(String, String)>,
    found: BTreeMap<String, Vec<usize>>,
}

impl ModuleVisitor for Keys {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.push((name.to_owned(), container.to_owned()));
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let is_variant = |container: &str| container.starts_with("Enum:");
        let named = self
            .path
            .iter()
            .filter(|(_, container)| !is_variant(container));
        let names: Vec<_> = named.map(|(name, _)| name.as_str()).collect();
        let containers: Vec<_> = self
            .path
            .iter()
            .map(|(_, container)| container.as_str())
            .collect();
        let mut shape = parameter.lazy_shape().to_vec();
        let is_linear = |container: &&str| container.rsplit(':').next() == Some("Linear");
        if containers.iter().any(is_linear) && D == 2 {
            shape.reverse();
        }
        let name = as_stored(&names.join("."), &containers.join("."));
        self.found.insert(name, shape);
    }
}

/// A parameter's name in files: norms call theirs `weight` and `bias` there.
fn as_stored(name: &str, container: &str) -> String {
    let is_norm = container.contains("Norm");
    match name.rsplit_once('.') {
        Some((module, "gamma")) if is_norm => format!("{module}.weight"),
        Some((module, "beta")) if is_norm => format!("{module}.bias"),
        _ => name.to_owned(),
    }
}

fn misfit(path: PathBuf, error: &ApplyError) -> WeightError {
    let (tensor, why) = match error {
        ApplyError::ShapeMismatch {
            path,
            expected,
            found,
        } => (
            path,
            format!("expected the shape {expected:?}, found {found:?}"),
        ),
        ApplyError::DTypeMismatch {
            path,
            expected,
            found,
        } => (
            path,
            format!("expected numbers like {expected:?}, found {found:?}"),
        ),
        ApplyError::AdapterError { path, message } | ApplyError::LoadError { path, message } => {
            (path, message.clone())
        }
    };
    WeightError::Misfit {
        path,
        tensor: tensor.clone(),
        why,
    }
}

fn is_pickle(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| PICKLES.contains(&ending))
}

/// The index of a checkpoint in several files.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

fn shards(folder: &Path, index: &Path) -> Result<Vec<PathBuf>, WeightError> {
    let corrupt = |why: String| WeightError::Corrupt {
        path: index.to_owned(),
        why,
    };
    let text = fs::read(index).map_err(|source| WeightError::Unreadable {
        path: index.to_owned(),
        source,
    })?;
    let read: Index = serde_json::from_slice(&text).map_err(|error| corrupt(error.to_string()))?;
    let names: BTreeSet<String> = read.weight_map.into_values().collect();
    let mut files = Vec::new();
    for shard in names {
        if shard.contains(['/', '\\']) || shard == ".." {
            return Err(corrupt(format!(
                "it names a shard outside of its folder, `{shard}`"
            )));
        }
        let file = folder.join(&shard);
        if !file.is_file() {
            return Err(WeightError::MissingShard {
                index: index.to_owned(),
                shard,
            });
        }
        files.push(file);
    }
    Ok(files)
}

/// Looks at a file's header before it is mapped: what it promises must be there.
fn check(path: &Path) -> Result<(), WeightError> {
    if is_pickle(path) {
        return Err(WeightError::Pickle {
            path: path.to_owned(),
        });
    }
    let corrupt = |why: &str| WeightError::Corrupt {
        path: path.to_owned(),
        why: why.to_owned(),
    };
    let unreadable = |source| WeightError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut length = [0; 8];
    if file.read_exact(&mut length).is_err() {
        return Err(corrupt("it is shorter than a header"));
    }
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER || length > size - 8 {
        return Err(corrupt(
            "its header is longer than it may be; it is no safetensors file, or cut off",
        ));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(unreadable)?;
    let header: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&header).map_err(|_| corrupt("its header is not JSON"))?;
    let ends = header
        .values()
        .filter_map(|entry| entry["data_offsets"][1].as_u64());
    let end = ends.max().unwrap_or(0);
    if end != size - 8 - length {
        let why = format!(
            "it holds {} bytes of tensors, its header says {end}",
            size - 8 - length
        );
        return Err(corrupt(&why));
    }
    Ok(())
}
