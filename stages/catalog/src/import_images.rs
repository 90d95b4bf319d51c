//! `image.import`: images from a folder, with their metadata.
//!
//! The layout is Hugging Face's ImageFolder: image files, and beside them an optional
//! `metadata.jsonl` or `metadata.csv` whose `file_name` says which row is about which file.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use ccsr_stage::params::FolderPath;
use ccsr_stage::{
    Batch, Bound, ColumnType, Digest, InputPort, Inputs, Outcome, OutputPort, Partition,
    PartitionOutcomes, Resolved, Roles, RowCounts, Schema, Schemas, Source, SourceFile, Stage,
    StageError, StageKind, Table, Unit, Value,
};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::import_table::rows::{self, Rows};
use crate::png;

/// Files that hold metadata.
const METADATA: [&str; 2] = ["metadata.jsonl", "metadata.csv"];
/// Extensions of the files that are taken when no metadata names any.
const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

/// Parameters of `image.import`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The folder. With a `metadata.jsonl` or `metadata.csv` in it, the files that it names in
    /// `file_name`; without, every PNG, JPEG and WebP file in it and in its sub-folders.
    pub path: FolderPath,
    /// Takes an image's `class` from the sub-folder that it lies in.
    #[serde(default)]
    pub class_from_folder: bool,
}

/// The stage.
pub struct ImportImages {
    params: Params,
}

impl ImportImages {
    fn named(&self, problem: impl std::fmt::Display) -> StageError {
        StageError::input(format!("{}: {problem}", self.params.path.0.display))
    }

    /// The rows of a metadata file, `text` offered as `prompt`.
    fn metadata(&self, name: &str, path: &Path) -> Result<Rows, StageError> {
        let at = |problem: String| self.named(format!("{name}: {problem}"));
        let text = std::fs::read_to_string(path).map_err(|error| at(error.to_string()))?;
        let types = BTreeMap::new();
        let is_csv = Path::new(name).extension().is_some_and(|e| e == "csv");
        let read = if is_csv { rows::of_csv } else { rows::of_jsonl };
        let mut rows = read(&text, &types).map_err(at)?;
        match rows.schema.get("file_name") {
            Some(ColumnType::Text) => {}
            Some(_) => return Err(at("`file_name` holds something other than text".to_owned())),
            None => return Err(at("there is no column `file_name`".to_owned())),
        }
        for reserved in ["file", "image"] {
            if rows.schema.get(reserved).is_some() {
                return Err(at(format!(
                    "there is a column `{reserved}`, which is what this stage calls the images'"
                )));
            }
        }
        if rows.schema.get("prompt").is_none()
            && let Some(position) = rows.schema.position("text")
            && rows.schema.get("text") == Some(ColumnType::Text)
        {
            rows.schema = rows.schema.with("prompt", ColumnType::Text);
            for cells in &mut rows.cells {
                let text = cells[position].clone();
                cells.push(text);
            }
        }
        Ok(rows)
    }

    /// Columns beside `file` and `image`, given the metadata.
    fn schema(&self, metadata: Option<&Rows>) -> Schema {
        let mut schema = Schema::default();
        if self.params.class_from_folder {
            schema = schema.with("class", ColumnType::Text);
        }
        if let Some(rows) = metadata {
            for (name, kind) in rows
                .schema
                .columns()
                .filter(|(name, _)| *name != "file_name")
            {
                schema = schema.with(name, kind);
            }
        }
        schema
            .with("file", ColumnType::Text)
            .with("image", ColumnType::Image)
    }

    /// The images to take, each with the cells of its columns up to `file`.
    fn entries<'a>(&self, files: &'a [SourceFile]) -> Result<Entries<'a>, StageError> {
        let metadata = METADATA
            .iter()
            .find_map(|name| files.iter().find(|file| file.name == *name))
            .map(|file| self.metadata(&file.name, &file.path))
            .transpose()?;
        let schema = self.schema(metadata.as_ref());
        let images = match &metadata {
            None => {
                let images = files.iter().filter(|file| has_image_extension(&file.name));
                images.map(|file| (file, BTreeMap::new())).collect()
            }
            Some(rows) => self.joined(rows, files)?,
        };
        let mut entries = Vec::with_capacity(images.len());
        for (file, mut cells) in images {
            if self.params.class_from_folder {
                cells.insert("class", Value::from(self.class_of(&file.name)?));
            }
            cells.insert("file", Value::from(file.name.as_str()));
            let cell = |(name, _)| cells.get(name).cloned().unwrap_or_default();
            let width = schema.len() - 1;
            entries.push((file, schema.columns().take(width).map(cell).collect()));
        }
        Ok(Entries { schema, entries })
    }

    /// The file of each row of the metadata.
    fn joined<'a, 'm>(
        &self,
        rows: &'m Rows,
        files: &'a [SourceFile],
    ) -> Result<Vec<Named<'a, 'm>>, StageError> {
        let by_name: HashMap<&str, &SourceFile> = files
            .iter()
            .map(|file| (file.name.as_str(), file))
            .collect();
        let mut joined = Vec::with_capacity(rows.cells.len());
        for (cells, line) in rows.cells.iter().zip(&rows.lines) {
            let cells: BTreeMap<&str, Value> = rows
                .schema
                .columns()
                .map(|(name, _)| name)
                .zip(cells.iter().cloned())
                .collect();
            let at = |problem: String| self.named(format!("metadata, line {line}: {problem}"));
            let name = cells.get("file_name").and_then(Value::as_text);
            let name = name.ok_or_else(|| at("`file_name` is missing".to_owned()))?;
            let tidy = name.strip_prefix("./").unwrap_or(name).replace('\\', "/");
            if Path::new(&tidy).is_absolute() || tidy.split('/').any(|part| part == "..") {
                return Err(at(format!("`{name}` leads out of the folder")));
            }
            let file = by_name.get(tidy.as_str());
            let file = file.ok_or_else(|| at(format!("there is no file `{name}`")))?;
            joined.push((*file, cells));
        }
        Ok(joined)
    }

    fn class_of(&self, name: &str) -> Result<String, StageError> {
        match name.rsplit('/').nth(1) {
            Some(folder) => Ok(folder.to_owned()),
            None => Err(self.named(format!(
                "`{name}` lies in no sub-folder; `class_from_folder` takes its class from there"
            ))),
        }
    }

    fn files<'a>(&self, inputs: &'a Inputs<'_>) -> Result<&'a [SourceFile], StageError> {
        let files = inputs.sources.get("path");
        files
            .map(Vec::as_slice)
            .ok_or_else(|| self.named("the folder was not looked at"))
    }
}

/// A file, and the cells of its row of the metadata by column.
type Named<'a, 'm> = (&'a SourceFile, BTreeMap<&'m str, Value>);

/// The images to take.
struct Entries<'a> {
    schema: Schema,
    entries: Vec<(&'a SourceFile, Vec<Value>)>,
}

fn has_image_extension(name: &str) -> bool {
    let extension = Path::new(name)
        .extension()
        .map(|e| e.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
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
        let folder = &self.params.path.0.path;
        let metadata = METADATA
            .iter()
            .find(|name| folder.join(name).is_file())
            .map(|name| self.metadata(name, &folder.join(name)))
            .transpose()?;
        Ok(vec![OutputPort::new(
            "images",
            self.schema(metadata.as_ref()),
        )])
    }

    fn sources(&self) -> Vec<Source> {
        vec![Source {
            name: "path",
            path: self.params.path.0.path.clone(),
            display: self.params.path.0.display.clone(),
            folder: true,
        }]
    }

    fn bound(&self, _: &RowCounts) -> Bound {
        let folder = &self.params.path.0.path;
        let metadata = METADATA
            .iter()
            .filter(|name| folder.join(name).is_file())
            .find_map(|name| self.metadata(name, &folder.join(name)).ok());
        let files = walkdir::WalkDir::new(folder)
            .into_iter()
            .filter_map(Result::ok);
        let count = metadata.map_or_else(
            || {
                files
                    .filter(|entry| has_image_extension(&entry.file_name().to_string_lossy()))
                    .count()
            },
            |rows| rows.cells.len(),
        );
        Bound::new(count as u64, "images", count as u64)
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
        let unit = |(file, _): &(&SourceFile, _)| {
            let hint = [
                ("name", Value::from(file.name.as_str())),
                ("path", Value::from(file.path.to_string_lossy().as_ref())),
            ];
            // The digest as text: the file is no blob of the cache's.
            let input = Value::map([("file", Value::from(file.digest.to_string()))]);
            Unit::new(input).with_hint(Value::map(hint))
        };
        Ok(self
            .entries(self.files(inputs)?)?
            .entries
            .iter()
            .map(unit)
            .collect())
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let read = |unit: &Unit| {
            let hint = |name| {
                unit.hint
                    .get(name)
                    .and_then(Value::as_text)
                    .unwrap_or_default()
            };
            let bytes = std::fs::read(hint("path"))
                .map_err(|error| self.named(format!("cannot read `{}`: {error}", hint("name"))))?;
            let expected = unit.input.get("file").and_then(Value::as_text);
            if expected != Some(Digest::of(&bytes).to_string().as_str()) {
                let changed = format!("`{}` changed while it was read; run again", hint("name"));
                return Err(self.named(changed));
            }
            let pixels = png::decode(&bytes)
                .map_err(|error| self.named(format!("`{}`: {error}", hint("name"))))?;
            Ok(Outcome::of_blob(png::encode(&pixels)))
        };
        batch.units.par_iter().map(read).collect()
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let Entries { schema, entries } = self.entries(self.files(inputs)?)?;
        let images = outcomes.iter().flat_map(|partition| &partition.resolved);
        let mut table = Table::builder(schema);
        for ((_, cells), image) in entries.into_iter().zip(images) {
            table.push(cells.into_iter().chain([image.outcome.clone()]))?;
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

    fn new(params: Params, _: &Roles) -> Result<Self, String> {
        Ok(Self { params })
    }
}

#[cfg(test)]
mod tests;
