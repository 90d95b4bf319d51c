//! `image.import`: images from a folder, with their metadata.
//!
//! The layout is Hugging Face's ImageFolder: image files, and beside them, in each folder or above
//! it, an optional `metadata.jsonl` or `metadata.csv` whose `file_name` says which row is about
//! which file. How images and metadata are joined: `folder.rs`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ccsr_stage::params::FolderPath;
use ccsr_stage::{
    Batch, Bound, InputPort, Inputs, Misfits, Outcome, OutputPort, Partition, PartitionOutcomes,
    Resolved, Roles, RowCounts, Schema, Schemas, Source, SourceFile, Stage, StageError, StageKind,
    Table, Unit, Value,
};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::png;
use crate::source_folder::{Read, names, source, source_file, unit_of};

pub mod folder;

use folder::{Folder, Images};

/// Parameters of `image.import`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The folder. Of a `metadata.jsonl` or `metadata.csv` in it or in a sub-folder, the files that
    /// it names in `file_name`, relative to where it lies; where there is none, every PNG, JPEG and
    /// WebP file.
    pub path: FolderPath,
    /// Takes an image's `class` from the sub-folder that it lies in.
    #[serde(default)]
    pub class_from_folder: bool,
}

/// The stage.
pub struct ImportImages {
    params: Params,
    /// What was found in the folder when the pipeline was checked.
    found: Found,
}

/// What the table is promised to be.
struct Found {
    schema: Schema,
    rows: u64,
}

impl Params {
    fn folder<'a>(&'a self, names: impl IntoIterator<Item = &'a str>) -> Folder<'a> {
        Folder::new(names, &self.path.0.display, self.class_from_folder)
    }
}

impl ImportImages {
    fn named(&self, problem: impl std::fmt::Display) -> StageError {
        StageError::input(format!("{}: {problem}", self.params.path.0.display))
    }

    /// The images among the files that the engine found.
    fn images<'a>(&'a self, inputs: &'a Inputs<'_>) -> Result<Images<'a>, StageError> {
        let files = inputs.source("path")?;
        let folder = self
            .params
            .folder(files.iter().map(|file| file.name.as_str()));
        let read = |name: &str| {
            let bytes = inputs.read_source_file("path", name);
            bytes.map_err(|error| error.to_string())
        };
        let images = folder.images(&read);
        let images = images.map_err(|misfits| StageError::input(misfits.to_string()))?;
        if images.schema == self.found.schema {
            Ok(images)
        } else {
            Err(self.named("its metadata changed while it was read; run again"))
        }
    }
}

fn by_name(files: &[SourceFile]) -> HashMap<&str, &SourceFile> {
    let named = files.iter().map(|file| (file.name.as_str(), file));
    named.collect()
}

impl Stage for ImportImages {
    fn identity(&self) -> Value {
        Value::map([(
            "class_from_folder",
            Value::Bool(self.params.class_from_folder),
        )])
    }

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        Ok(vec![OutputPort::new("images", self.found.schema.clone())])
    }

    fn sources(&self) -> Vec<Source> {
        vec![source(&self.params.path)]
    }

    fn bound(&self, _: &RowCounts) -> Bound {
        Bound::new(self.found.rows, "images", self.found.rows)
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
        let files = by_name(inputs.source("path")?);
        let unit = |(name, _): &(&str, _)| unit_of(files[name]);
        Ok(self.images(inputs)?.entries.iter().map(unit).collect())
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let read = |unit: &Arc<Unit>| {
            let file = source_file(unit)?;
            let bytes = file.read().map_err(|error| self.named(error))?;
            let pixels = png::decode(&bytes)
                .map_err(|error| self.named(format!("`{}`: {error}", file.name)))?;
            Ok(Outcome::of_blob(png::encode(&pixels)))
        };
        batch.units.par_iter().map(read).collect()
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let decoded = Read::new(outcomes);
        let files = by_name(inputs.source("path")?);
        let Images { schema, entries } = self.images(inputs)?;
        let mut table = Table::builder(schema);
        for (name, cells) in entries {
            let missing = || StageError::failed(format!("`{name}` was not decoded"));
            let image = decoded.get(files[name]).ok_or_else(missing)?;
            table.push(cells.into_iter().chain([image]))?;
        }
        Ok(BTreeMap::from([("images", table.finish())]))
    }

    fn describe(&self, unit: &Unit) -> Option<String> {
        Some(unit.hint.get("name")?.as_text()?.to_owned())
    }
}

impl StageKind for ImportImages {
    const NAME: &'static str = "image.import";
    const SUMMARY: &'static str = "Reads the images of a folder, with their metadata.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    /// Looks at the folder and its metadata, so that their mistakes are known before anything runs.
    fn new(params: Params, _: &Roles) -> Result<Self, Misfits> {
        let names = names(&params.path)?;
        let read = |name: &str| {
            let bytes = std::fs::read(params.path.0.path.join(name));
            bytes.map_err(|error| format!("cannot read `{name}`: {error}"))
        };
        let folder = params.folder(names.iter().map(String::as_str));
        let Images { schema, entries } = folder.images(&read)?;
        let rows = entries.len() as u64;
        let found = Found { schema, rows };
        Ok(Self { params, found })
    }
}

#[cfg(test)]
mod tests;
