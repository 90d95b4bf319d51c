//! `adapter.merge`: a model with a LoRA adapter in its weights, as a folder that needs no adapter.
//!
//! The folder is laid out as the hub lays its models out. Files that do not change are taken as they are; in the
//! weights of the UNet and the text encoder, the numbers of the layers that are adapted change, and nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use ccsr_nn::{Component, converted, merge};
use ccsr_stage::params::FolderPath;
use ccsr_stage::{
    Batch, Bound, Digest, InputPort, Inputs, Misfit, Misfits, Outcome, OutputPort, Partition,
    PartitionOutcomes, Resolved, Roles, RowCounts, Schemas, Source, SourceFile, Stage, StageError,
    StageKind, Table, Unit, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::adapter_input::AdapterInput;
use crate::failed;
use crate::range::within;
use crate::stable_diffusion::Precision;

/// The parts of a model, each a folder, and whether every model has it.
const PARTS: [(&str, bool); 7] = [
    ("feature_extractor", false),
    ("safety_checker", false),
    ("scheduler", true),
    ("text_encoder", true),
    ("tokenizer", true),
    ("unet", true),
    ("vae", true),
];
/// What diffusers looks at first.
const INDEX: &str = "model_index.json";
/// The parts that are nothing without weights.
const NETWORKS: [&str; 3] = ["unet", "text_encoder", "vae"];
/// Stems of the weight files that loaders look for; others beside them (`….fp16.safetensors`) are left behind.
const STEMS: [&str; 2] = ["diffusion_pytorch_model", "model"];
/// Endings of files that are taken over.
const TAKEN: [&str; 3] = [".json", ".txt", ".model"];

/// Parameters of `adapter.merge`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The model's folder, as the hub lays it out: `scheduler`, `text_encoder`, `tokenizer`, `unet` and
    /// `vae`, with weights as safetensors.
    pub base: FolderPath,
    /// The folder of the adapter, as diffusers, PEFT or kohya's scripts write it, where none comes from a table.
    #[serde(default)]
    pub adapter: Option<FolderPath>,
    /// How much of the adapter is added, from −100 to 100.
    #[serde(default = "whole")]
    pub scale: f64,
    /// What the weights of the UNet and the text encoder are written as: `f32`, `f16` or `bf16`; as what they are, if
    /// left out.
    #[serde(default)]
    pub precision: Option<Precision>,
}

const fn whole() -> f64 {
    1.0
}

/// The stage.
pub struct MergeAdapter {
    base: FolderPath,
    /// The parts that the base has.
    parts: Vec<&'static str>,
    has_index: bool,
    /// Files in the base's folders when the pipeline was checked.
    files: u64,
    adapter: AdapterInput,
    scale: f64,
    precision: Option<Precision>,
}

/// Files that become files of the merged model together: the weights of a network, or one file that stays as it is.
struct Piece<'a> {
    /// The network, if an adapter may change it.
    component: Option<Component>,
    /// Paths below the folder, with what lies there.
    files: Vec<(String, &'a SourceFile)>,
}

/// The weights of a part: one file, or its shards.
fn weights(files: &[SourceFile]) -> Vec<&SourceFile> {
    let named = |name: &str| files.iter().find(|file| file.name == name);
    for stem in STEMS {
        if let Some(file) = named(&format!("{stem}.safetensors")) {
            return vec![file];
        }
        if named(&format!("{stem}.safetensors.index.json")).is_some() {
            let is_shard = |file: &&SourceFile| {
                let numbers = file.name.strip_prefix(stem);
                let numbers = numbers.and_then(|rest| rest.strip_suffix(".safetensors"));
                numbers.is_some_and(|numbers| numbers.starts_with('-') && numbers.contains("-of-"))
            };
            let shards = files.iter().filter(is_shard);
            return shards.collect();
        }
    }
    Vec::new()
}

impl MergeAdapter {
    /// What, beside the files, the merged weights depend on.
    fn settings(&self) -> Vec<(&'static str, Value)> {
        let mut settings = vec![("scale", Value::Float(self.scale))];
        let precision = self.precision.as_ref().map(crate::identity_of);
        settings.extend(precision.map(|precision| ("precision", precision)));
        settings
    }

    /// The pieces of the model, in an order that depends on names alone: networks first, which take longest.
    fn pieces<'a>(&self, inputs: &'a Inputs<'_>) -> Result<Vec<Piece<'a>>, StageError> {
        let mut pieces = Vec::new();
        if self.has_index {
            let files = inputs.source(INDEX)?.iter();
            pieces.extend(files.map(|file| Piece {
                component: None,
                files: vec![(INDEX.to_owned(), file)],
            }));
        }
        for part in &self.parts {
            let files = inputs.source(part)?;
            let placed = |file: &'a SourceFile| (format!("{part}/{}", file.name), file);
            let taken = files.iter().filter(|file| {
                let is_top = !file.name.contains('/');
                is_top && TAKEN.iter().any(|ending| file.name.ends_with(ending))
            });
            pieces.extend(taken.map(|file| Piece {
                component: None,
                files: vec![placed(file)],
            }));
            let weights: Vec<_> = weights(files).into_iter().map(placed).collect();
            if weights.is_empty() && NETWORKS.contains(part) {
                return Err(StageError::input(format!(
                    "the base's `{part}` has no weights; expected `{}.safetensors`, or its shards and their index",
                    STEMS.join(".safetensors` or `")
                )));
            }
            if !weights.is_empty() {
                let component = Component::ALL.into_iter();
                pieces.push(Piece {
                    component: component
                        .into_iter()
                        .find(|component| component.name() == *part),
                    files: weights,
                });
            }
        }
        pieces.sort_by_key(|piece| piece.component.is_none());
        Ok(pieces)
    }

    /// Reads a piece's files, adds the adapter to them if it is a network that it may change, and hands them on.
    fn piece(&self, unit: &Unit, batch: &Batch<'_>) -> Result<Outcome, StageError> {
        let unread = || StageError::failed("a unit came without its files");
        let Some(Value::Map(digests)) = unit.input.get("files") else {
            return Err(unread());
        };
        let mut files = Vec::new();
        for (name, digest) in digests.iter() {
            let digest: Option<Digest> = digest.as_text().and_then(|text| text.parse().ok());
            let file = SourceFile {
                name: name.to_string(),
                path: self.base.0.path.join(&**name),
                digest: digest.ok_or_else(unread)?,
            };
            files.push((PathBuf::from(&file.name), file.read()?));
        }
        let network = unit.input.get("network").and_then(Value::as_text);
        let network = network.and_then(|network| {
            let mut all = Component::ALL.into_iter();
            all.find(|component| component.name() == network)
        });
        if let Some(component) = network {
            let adapter = unit.input.get("adapter").unwrap_or(&Value::Null);
            let adapter = self.adapter.open(adapter, batch.blobs)?;
            let convert = |files: &mut [(PathBuf, Vec<u8>)], precision: Precision| {
                files.iter_mut().try_for_each(|(path, bytes)| {
                    *bytes = converted(path, bytes, precision.dtype()).map_err(failed)?;
                    Ok::<_, StageError>(())
                })
            };
            // What widens comes first, and what rounds last: then nothing is rounded twice.
            let precision = self.precision;
            if let Some(precision @ Precision::F32) = precision {
                convert(&mut files, precision)?;
            }
            merge(&mut files, component, &[(&adapter, self.scale)]).map_err(failed)?;
            if let Some(precision @ (Precision::F16 | Precision::Bf16)) = precision {
                convert(&mut files, precision)?;
            }
        }
        let mut outcome = Outcome::default();
        let mut blobs = Vec::new();
        for (name, bytes) in files {
            let blob = outcome.add_blob(bytes);
            blobs.push((name.to_string_lossy().into_owned(), Value::Blob(blob)));
        }
        Ok(outcome.with_value(Value::map(blobs)))
    }
}

impl Stage for MergeAdapter {
    /// Without the paths: the files are among the sources.
    fn identity(&self) -> Value {
        Value::map(self.settings())
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![AdapterInput::port()]
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        self.adapter.check(inputs)?;
        Ok(vec![OutputPort::new("model", AdapterInput::files())])
    }

    fn sources(&self) -> Vec<Source> {
        let (path, display) = (&self.base.0.path, &self.base.0.display);
        let source = |name: &'static str, folder| Source {
            name,
            path: path.join(name),
            display: format!("{display}/{name}"),
            folder,
        };
        let mut sources = self.adapter.sources();
        sources.extend(self.parts.iter().map(|part| source(part, true)));
        sources.extend(self.has_index.then(|| source(INDEX, false)));
        sources
    }

    fn bound(&self, _: &RowCounts) -> Bound {
        Bound::new(self.files, "model", self.files)
    }

    fn units(
        &self,
        inputs: &Inputs<'_>,
        _: &Partition,
        so_far: &[Resolved],
    ) -> Result<Vec<Unit>, StageError> {
        if !so_far.is_empty() {
            return Ok(Vec::new());
        }
        let adapter = self.adapter.one(inputs)?;
        let unit = |piece: Piece<'_>| {
            // The digests as texts: the files are no blobs of the cache's.
            let digest = |file: &SourceFile| Value::from(file.digest.to_string());
            let files = piece.files.iter().map(|(name, file)| (name, digest(file)));
            let mut input = vec![("files", Value::map(files))];
            if let Some(component) = piece.component {
                input.push(("network", Value::from(component.name())));
                input.push(("adapter", adapter.clone()));
                input.extend(self.settings());
            }
            Unit::new(Value::map(input))
        };
        Ok(self.pieces(inputs)?.into_iter().map(unit).collect())
    }

    /// A network's weights are gigabytes.
    fn batch(&self) -> usize {
        1
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let units = batch.units.iter();
        units
            .map(|unit: &Arc<Unit>| self.piece(unit, batch))
            .collect()
    }

    fn collect(
        &self,
        _: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let mut table = Table::builder(AdapterInput::files());
        let resolved = outcomes.iter().flat_map(|partition| &partition.resolved);
        let files: BTreeMap<_, _> = resolved
            .filter_map(|resolved| match &resolved.outcome {
                Value::Map(files) => Some(files.iter()),
                _ => None,
            })
            .flatten()
            .collect();
        for (file, blob) in files {
            table.push([Value::from(&**file), blob.clone()])?;
        }
        Ok(BTreeMap::from([("model", table.finish())]))
    }

    fn describe(&self, unit: &Unit) -> Option<String> {
        let Value::Map(files) = unit.input.get("files")? else {
            return None;
        };
        let names: Vec<_> = files.keys().map(|name| format!("`{name}`")).collect();
        Some(names.join(", "))
    }
}

impl StageKind for MergeAdapter {
    const NAME: &'static str = "adapter.merge";
    const SUMMARY: &'static str = "Adds a LoRA adapter to a model's weights for good.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &Roles) -> Result<Self, Misfits> {
        let (path, display) = (&params.base.0.path, &params.base.0.display);
        let mut misfits = within("scale", params.scale, &(-100.0..=100.0), "");
        let (parts, missing): (Vec<_>, Vec<_>) = PARTS
            .into_iter()
            .partition(|(part, _): &(&'static str, bool)| path.join(part).is_dir());
        if let Some((part, _)) = missing.iter().find(|(_, is_needed)| *is_needed) {
            let message = format!(
                "`{display}` has no folder `{part}`; expected a model as the hub lays it out"
            );
            misfits.add(Misfit::new(["base"], message));
        }
        misfits.check()?;
        let folders = parts
            .iter()
            .map(|(part, _)| std::fs::read_dir(path.join(part)));
        let files = folders.flatten().map(|entries| entries.count() as u64);
        Ok(Self {
            files: files.sum::<u64>() + 1,
            parts: parts.into_iter().map(|(part, _)| part).collect(),
            has_index: path.join(INDEX).is_file(),
            adapter: AdapterInput::new(params.adapter)?,
            scale: params.scale,
            precision: params.precision,
            base: params.base,
        })
    }
}

#[cfg(test)]
mod tests;
