//! Adapters from files, whoever wrote them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Map, Value};

use super::names::{Component, Key, Name, PEFT_PREFIX, Part, other_kind, parse};
use super::numbers::widened;
use super::settings::Settings;
use super::{Adapter, Factor, LoraLayer};
use crate::WeightError;
use crate::checkpoint::is_pickle;

/// The file of an adapter as diffusers names it.
pub const ADAPTER_FILE: &str = "pytorch_lora_weights.safetensors";
/// The tensors of an adapter as PEFT names them.
pub const PEFT_FILE: &str = "adapter_model.safetensors";
/// What PEFT says beside them.
pub const PEFT_CONFIG: &str = "adapter_config.json";
/// Where diffusers keeps what is no tensor.
pub(super) const METADATA: &str = "lora_adapter_metadata";

/// What lies in a folder.
enum Found {
    /// A file of diffusers or kohya's scripts.
    File(PathBuf),
    /// PEFT's files.
    Peft,
    /// Folders of PEFT's, by the network that each is of.
    Parts(Vec<Component>),
}

impl Adapter {
    /// Whether a folder holds what [`open`](Self::open) opens, by the names of its files.
    pub fn is_in(folder: &Path) -> bool {
        found(folder).is_ok()
    }

    /// Opens a file of diffusers or kohya's scripts, or a folder: with diffusers' `pytorch_lora_weights.safetensors`,
    /// with PEFT's `adapter_config.json` and `adapter_model.safetensors`, with folders `unet` and `text_encoder` of
    /// PEFT's, or with one file of safetensors and no other.
    pub fn open(path: &Path) -> Result<Self, WeightError> {
        if !path.is_dir() {
            return Self::from_bytes(path, &read(path)?);
        }
        match found(path)? {
            Found::File(file) => Self::from_bytes(&file, &read(&file)?),
            Found::Peft => of_peft(path, None),
            Found::Parts(components) => {
                let mut adapter = Self::new(path);
                for component in components {
                    let part = of_peft(&path.join(component.name()), Some(component))?;
                    adapter.layers.extend(part.layers);
                }
                Ok(adapter)
            }
        }
    }

    /// Reads a file of diffusers or kohya's scripts from its bytes; errors call it by this path.
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self, WeightError> {
        let file = parsed(path, bytes)?;
        let metadata = match texts(bytes).remove(METADATA) {
            None => Map::new(),
            Some(text) => serde_json::from_str(&text)
                .map_err(|error| corrupt(path, METADATA, &error.to_string()))?,
        };
        let mut settings = BTreeMap::new();
        for component in Component::ALL {
            if let Some(config) = configuration(&metadata, component) {
                let read = Settings::read(config);
                let read = read.map_err(|why| unreadable_settings(path, METADATA, why))?;
                settings.insert(component, read);
            }
        }
        let mut names = file.names().into_iter();
        if let Some(name) = names.find(|name| name.starts_with(PEFT_PREFIX))
            && settings.is_empty()
        {
            return Err(WeightError::Misfit {
                path: path.to_owned(),
                tensor: (*name).to_owned(),
                why: format!(
                    "PEFT says its alpha in `{PEFT_CONFIG}`; name the folder that holds both files"
                ),
            });
        }
        assembled(path, &file, &settings)
    }
}

/// What diffusers' metadata say of a network: entries that begin with its name, or all, where none begins with any
/// network's (`UNet2DConditionModel.save_lora_adapter`).
fn configuration(
    metadata: &Map<String, Value>,
    component: Component,
) -> Option<Map<String, Value>> {
    let below = |component: Component| {
        metadata.iter().filter_map(move |(name, value)| {
            let name = name.strip_prefix(component.name())?.strip_prefix('.')?;
            Some((name.to_owned(), value.clone()))
        })
    };
    let ours: Map<String, Value> = below(component).collect();
    if !ours.is_empty() {
        return Some(ours);
    }
    let is_of_none = Component::ALL
        .into_iter()
        .all(|other| below(other).next().is_none());
    (is_of_none && !metadata.is_empty()).then(|| metadata.clone())
}

/// A folder of PEFT's; of this network, if it is known.
fn of_peft(folder: &Path, component: Option<Component>) -> Result<Adapter, WeightError> {
    let (config_path, path) = (folder.join(PEFT_CONFIG), folder.join(PEFT_FILE));
    let config = serde_json::from_slice(&read(&config_path)?);
    let config = config.map_err(|error| corrupt(&config_path, PEFT_CONFIG, &error.to_string()))?;
    let settings = || {
        let read = Settings::read(Map::clone(&config));
        read.map_err(|why| unreadable_settings(&config_path, PEFT_CONFIG, why))
    };
    let mut of_each = BTreeMap::new();
    for component in Component::ALL {
        of_each.insert(component, settings()?);
    }
    if !path.is_file() {
        return Err(WeightError::NoWeights {
            path: folder.to_owned(),
            expected: format!("`{PEFT_FILE}`"),
            pickles: pickles(folder)?,
        });
    }
    let bytes = read(&path)?;
    let adapter = assembled(&path, &parsed(&path, &bytes)?, &of_each)?;
    let strange = component.and_then(|component| {
        let mut layers = adapter.layers.keys();
        layers.find(|(of, _)| *of != component)
    });
    match (strange, component) {
        (Some((of, name)), Some(component)) => {
            let folder = component.name();
            Err(adapter.misfit(*of, name, format!("the folder is that of `{folder}`")))
        }
        _ => Ok(adapter),
    }
}

/// What lies in a folder, by the names of its files.
fn found(folder: &Path) -> Result<Found, WeightError> {
    let file = folder.join(ADAPTER_FILE);
    if file.is_file() {
        return Ok(Found::File(file));
    }
    let is_of_peft = |folder: &Path| folder.join(PEFT_CONFIG).is_file();
    if is_of_peft(folder) {
        return Ok(Found::Peft);
    }
    let mut parts = Component::ALL.to_vec();
    parts.retain(|part| is_of_peft(&folder.join(part.name())));
    if !parts.is_empty() {
        return Ok(Found::Parts(parts));
    }
    let mut files = entries(folder)?;
    files.retain(|file| {
        file.extension()
            .is_some_and(|ending| ending == "safetensors")
    });
    match <[PathBuf; 1]>::try_from(files) {
        Ok([file]) => Ok(Found::File(file)),
        Err(_) => Err(WeightError::NoWeights {
            path: folder.to_owned(),
            expected: format!("`{ADAPTER_FILE}`, `{PEFT_CONFIG}`, one file of safetensors alone"),
            pickles: pickles(folder)?,
        }),
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, WeightError> {
    let entries = fs::read_dir(folder).map_err(|source| WeightError::Unreadable {
        path: folder.to_owned(),
        source,
    })?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

fn pickles(folder: &Path) -> Result<Vec<String>, WeightError> {
    let mut files = entries(folder)?;
    files.retain(|file| is_pickle(file));
    let names = files.iter().filter_map(|file| file.file_name());
    Ok(names
        .map(|name| name.to_string_lossy().into_owned())
        .collect())
}

fn read(path: &Path) -> Result<Vec<u8>, WeightError> {
    if is_pickle(path) {
        return Err(WeightError::Pickle {
            path: path.to_owned(),
        });
    }
    fs::read(path).map_err(|source| WeightError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn parsed<'a>(path: &Path, bytes: &'a [u8]) -> Result<SafeTensors<'a>, WeightError> {
    SafeTensors::deserialize(bytes).map_err(|error| WeightError::Corrupt {
        path: path.to_owned(),
        why: format!("it is no whole file of safetensors: {error}"),
    })
}

/// The texts of a file that was parsed.
fn texts(bytes: &[u8]) -> BTreeMap<String, String> {
    let header = SafeTensors::read_metadata(bytes);
    let texts = header
        .ok()
        .and_then(|(_, header)| header.metadata().clone());
    texts.unwrap_or_default().into_iter().collect()
}

fn corrupt(path: &Path, what: &str, why: &str) -> WeightError {
    WeightError::Corrupt {
        path: path.to_owned(),
        why: format!("its `{what}` cannot be read: {why}"),
    }
}

fn unreadable_settings(path: &Path, what: &str, why: String) -> WeightError {
    WeightError::Misfit {
        path: path.to_owned(),
        tensor: what.to_owned(),
        why,
    }
}

/// What a file holds of a layer.
#[derive(Default)]
struct Parts {
    down: Option<Factor>,
    up: Option<Factor>,
    alpha: Option<f64>,
}

/// The adapter of a file's tensors.
fn assembled(
    path: &Path,
    file: &SafeTensors<'_>,
    settings: &BTreeMap<Component, Settings>,
) -> Result<Adapter, WeightError> {
    let misfit = |tensor: &str, why: String| WeightError::Misfit {
        path: path.to_owned(),
        tensor: tensor.to_owned(),
        why,
    };
    let mut layers: BTreeMap<(Component, Name), Parts> = BTreeMap::new();
    let mut unknown = BTreeSet::new();
    let tensors: BTreeMap<&str, TensorView<'_>> = file.iter().collect();
    for (tensor, view) in tensors {
        let Some(Key {
            component,
            name,
            part,
        }) = parse(tensor)
        else {
            unknown.insert(tensor.to_owned());
            continue;
        };
        let factor = numbers(&view).map_err(|why| misfit(tensor, why))?;
        let parts = layers.entry((component, name)).or_default();
        let is_again = match part {
            Part::Down => parts.down.replace(factor).is_some(),
            Part::Up => parts.up.replace(factor).is_some(),
            Part::Alpha => {
                let [alpha] = factor.numbers[..] else {
                    let shape = factor.shape;
                    let why = format!("an alpha is one number, and this is {shape:?}");
                    return Err(misfit(tensor, why));
                };
                parts.alpha.replace(f64::from(alpha)).is_some()
            }
        };
        if is_again {
            return Err(WeightError::Twice {
                path: path.to_owned(),
                tensor: tensor.to_owned(),
            });
        }
    }
    let others = unknown
        .iter()
        .filter_map(|tensor| Some((tensor, other_kind(tensor)?)));
    if let Some((tensor, kind)) = others.min() {
        return Err(misfit(
            tensor,
            format!("{kind} cannot be applied; expected a LoRA adapter"),
        ));
    }
    if !unknown.is_empty() {
        return Err(WeightError::NoAdapter {
            path: path.to_owned(),
            tensors: unknown.into_iter().collect(),
        });
    }
    let mut adapter = Adapter::new(path);
    for ((component, name), parts) in layers {
        let layer = layer(component, &name, parts, settings.get(&component));
        let layer = layer.map_err(|why| adapter.misfit(component, &name, why))?;
        adapter.add(component, name, layer)?;
    }
    if adapter.layers.is_empty() {
        return Err(WeightError::NoAdapter {
            path: path.to_owned(),
            tensors: Vec::new(),
        });
    }
    Ok(adapter)
}

fn layer(
    component: Component,
    name: &Name,
    parts: Parts,
    settings: Option<&Settings>,
) -> Result<LoraLayer, String> {
    let (down, up) = match (parts.down, parts.up) {
        (Some(down), Some(up)) => (down, up),
        (None, None) => return Err("its two factors are missing".to_owned()),
        (None, Some(_)) => return Err("what goes down (`lora_A`, `down`) is missing".to_owned()),
        (Some(_), None) => return Err("what goes up (`lora_B`, `up`) is missing".to_owned()),
    };
    let rank = down.shape.first().copied().unwrap_or(0);
    let alpha = match (parts.alpha, settings) {
        // So kohya's scripts say that none was chosen.
        (Some(0.0), _) => rank as f64,
        (Some(alpha), _) => alpha,
        (None, Some(settings)) if rank > 0 => settings.alpha(component, name.as_str(), rank)?,
        (None, _) => rank as f64,
    };
    LoraLayer::new(down, up, alpha)
}

/// The numbers of a tensor, in single precision.
fn numbers(view: &TensorView<'_>) -> Result<Factor, String> {
    let numbers = widened(view.data(), view.dtype())?;
    Ok(Factor {
        shape: view.shape().to_vec(),
        numbers,
    })
}
