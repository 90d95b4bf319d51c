//! Weights: safetensors as the hub lays them out, into modules, strictly.
//!
//! A tensor's bytes are read once, straight to where the network keeps them: loading takes no more memory
//! than the network. What a file lacks, what it has too many and what has another shape are errors that
//! name the tensor. A pickle is never read.

mod awq;
pub(crate) mod place;
pub(crate) mod stored;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Int, Tensor, TensorData};
use ccsr_kernels::packed::Form;
use serde::Deserialize;

use self::place::Place;
pub use self::place::keys_of;
use self::stored::Stored;
use crate::packed::packed_tensors;

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
    #[error("there are no weights in `{}`; expected one of {expected}{}", path.display(), pickle_hint(path, pickles))]
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
        "`{0}` is a pickle, which runs programs when it is read, and so is not; save the weights as safetensors: \
         `save_pretrained(…, safe_serialization=True)`, or read them out of it: `ccsr-flow models convert {0}`", path.display()
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
    /// An adapter's file has tensors that are no part of one, or none at all.
    #[error("`{}` is no LoRA adapter: {}; expected one as diffusers, PEFT or kohya's scripts write it", path.display(), strangers(tensors))]
    NoAdapter {
        /// The file.
        path: PathBuf,
        /// The tensors.
        tensors: Vec<String>,
    },
    /// An adapter was made for another base model.
    #[error("`{}` is an adapter for another base: its layer `{layer}` {why}", path.display())]
    OtherBase {
        /// The adapter.
        path: PathBuf,
        /// The first layer that does not fit.
        layer: String,
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

fn strangers(tensors: &[String]) -> String {
    if tensors.is_empty() {
        return "it has no layers".to_owned();
    }
    format!("it has {}", listed(tensors))
}

fn pickle_hint(folder: &Path, pickles: &[String]) -> String {
    match pickles {
        [] => String::new(),
        names @ [first, ..] => format!(
            "; {} is a pickle, which runs programs when it is read, and so is not: save the weights as safetensors, or \
             read them out of it: `ccsr-flow models convert {}`",
            names.join(", "),
            folder.join(first).display()
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
            for (name, tensor) in stored::open(file)? {
                if tensors.insert(name.clone(), tensor).is_some() {
                    return Err(WeightError::Corrupt {
                        path: file.clone(),
                        why: format!("an earlier shard has the tensor `{name}`, too"),
                    });
                }
            }
        }
        Ok(Self {
            path: path.to_owned(),
            tensors,
        })
    }

    /// Tensors that were made of what a file of another kind holds.
    pub fn of_tensors(
        path: &Path,
        tensors: impl IntoIterator<Item = (String, TensorData)>,
    ) -> Self {
        let made = |(name, data)| (name, Stored::Made(data));
        Self {
            path: path.to_owned(),
            tensors: tensors.into_iter().map(made).collect(),
        }
    }

    /// The names of the tensors, with their shapes.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors
            .iter()
            .map(|(name, tensor)| (name.as_str(), tensor.shape()))
    }

    /// Gives tensors other names, or leaves them out (`None`): what a file holds that is no weight.
    pub fn rename(self, rename: impl Fn(&str) -> Option<String>) -> Result<Self, WeightError> {
        let mut tensors = BTreeMap::new();
        for (name, tensor) in self.tensors {
            let Some(name) = rename(&name) else { continue };
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
        let below = |(name, tensor): (String, Stored)| {
            Some((name.strip_prefix(prefix)?.to_owned(), tensor))
        };
        Self {
            path: self.path,
            tensors: self.tensors.into_iter().filter_map(below).collect(),
        }
    }

    /// Puts the three tensors that AWQ makes of a linear layer (`qweight`, `qzeros`, `scales`) in the order in which a
    /// [`PackedLinear`](crate::PackedLinear) holds them, for each layer of these names.
    pub fn repack_awq<'a>(
        mut self,
        layers: impl IntoIterator<Item = (&'a str, Form)>,
    ) -> Result<Self, WeightError> {
        for (layer, form) in layers {
            let names = ["qweight", "qzeros", "scales"].map(|part| format!("{layer}.{part}"));
            let missing = names
                .iter()
                .filter(|name| !self.tensors.contains_key(*name));
            let missing: Vec<_> = missing.cloned().collect();
            let parts = names.each_ref().map(|name| self.tensors.remove(name));
            let [Some(weights), Some(zeros), Some(scales)] = parts else {
                return Err(WeightError::Missing {
                    path: self.path,
                    tensors: missing,
                });
            };
            let packed =
                awq::repacked(form, [&weights, &zeros, &scales]).map_err(|(part, why)| {
                    WeightError::Misfit {
                        path: self.path.clone(),
                        tensor: names[part].clone(),
                        why,
                    }
                })?;
            let made = packed_tensors(layer, packed).into_iter();
            self.tensors
                .extend(made.map(|(name, data)| (name, Stored::Made(data))));
        }
        Ok(self)
    }

    /// Loads every tensor into the module: as binary32, but weights of linear layers and convolutions that
    /// are stored in half precision stay so on the CPU, whose kernels widen them as they read them, and those of packed
    /// layers wherever there is half precision.
    ///
    /// Names are the module's own, with PyTorch's habits: `weight` and `bias` of norms, weights of linear
    /// layers as `[out, in]`.
    pub fn load<M: Module>(self, module: M) -> Result<M, WeightError> {
        let mut loading = Loading {
            place: Place::default(),
            path: &self.path,
            tensors: self.tensors,
            missing: Vec::new(),
            failed: None,
        };
        let module = module.map(&mut loading);
        if let Some(error) = loading.failed {
            return Err(error);
        }
        let (missing, unused) = (loading.missing, loading.tensors);
        if !missing.is_empty() {
            return Err(WeightError::Missing {
                path: self.path,
                tensors: missing,
            });
        }
        if !unused.is_empty() {
            return Err(WeightError::Unused {
                path: self.path,
                tensors: unused.into_keys().collect(),
            });
        }
        Ok(module)
    }
}

/// Goes through a module and puts tensors into its parameters, whose own values are never made.
struct Loading<'a> {
    place: Place,
    path: &'a Path,
    tensors: BTreeMap<String, Stored>,
    missing: Vec<String>,
    /// The first tensor that does not fit.
    failed: Option<WeightError>,
}

impl ModuleMapper for Loading<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.place.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.place.leave();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.place.name();
        let Some(stored) = self.tensors.remove(&name) else {
            self.missing.push(name);
            return parameter;
        };
        let turned = D == 2 && self.place.is_linear();
        let device = parameter.lazy_device();
        let keep_halves = if self.place.is_packed() {
            // WebGPU has them only as an extension.
            device.supports_dtype(DType::F16)
        } else {
            self.place.is_kernel() && crate::ops::takes_halves(&device)
        };
        match read(stored, &parameter, turned, keep_halves) {
            Ok(tensor) => {
                let id = parameter.id;
                parameter.transform_for_load(tensor, id)
            }
            Err(why) => {
                self.fail(name, why);
                parameter
            }
        }
    }

    fn map_int<const D: usize>(
        &mut self,
        parameter: Param<Tensor<D, Int>>,
    ) -> Param<Tensor<D, Int>> {
        let name = self.place.name();
        let Some(stored) = self.tensors.remove(&name) else {
            self.missing.push(name);
            return parameter;
        };
        let fits = misfit(&stored, &parameter.lazy_shape().to_vec()).and_then(|()| match stored {
            Stored::Made(data) => Ok(data),
            Stored::Filed(_) => Err("whole numbers are not read from files".to_owned()),
        });
        match fits {
            Ok(data) => {
                let (id, options) = (parameter.id, (&parameter.lazy_device(), data.dtype()));
                let tensor = Tensor::from_data(data, options);
                parameter.transform_for_load(tensor, id)
            }
            Err(why) => {
                self.fail(name, why);
                parameter
            }
        }
    }
}

impl Loading<'_> {
    fn fail(&mut self, tensor: String, why: String) {
        self.failed.get_or_insert_with(|| WeightError::Misfit {
            path: self.path.to_owned(),
            tensor,
            why,
        });
    }
}

/// That a tensor has the shape that is wanted.
fn misfit(stored: &Stored, expected: &[usize]) -> Result<(), String> {
    let found = stored.shape();
    if found == expected {
        Ok(())
    } else {
        Err(format!("expected the shape {expected:?}, found {found:?}"))
    }
}

/// A tensor for a parameter; `turned`, if the file has its two dimensions the other way round. Then it is a
/// view: the numbers stay as they lie. Of half precision, if they are stored so and `keep_halves`.
fn read<const D: usize>(
    stored: Stored,
    parameter: &Param<Tensor<D>>,
    turned: bool,
    keep_halves: bool,
) -> Result<Tensor<D>, String> {
    let mut expected = parameter.lazy_shape().to_vec();
    if turned {
        expected.reverse();
    }
    misfit(&stored, &expected)?;
    let data = stored.data(keep_halves)?;
    let options = (&parameter.lazy_device(), data.dtype());
    let tensor = Tensor::from_data(data, options);
    Ok(if turned { tensor.transpose() } else { tensor })
}

pub(crate) fn is_pickle(path: &Path) -> bool {
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
