//! `dataset.export`: pairs as a folder to train on, in Hugging Face's ImageFolder layout.
//!
//! The folder holds an image a pair and a `metadata.jsonl` that names each image's text; the
//! `datasets` library loads it as it is.

use std::collections::{BTreeMap, HashSet};

use ccsr_stage::params::nearest;
use ccsr_stage::{
    Bound, ColumnType, ExportFile, InputPort, Inputs, Misfit, Misfits, OutputPort,
    PartitionOutcomes, Roles, RowCounts, Schema, Schemas, Stage, StageError, StageKind, Table,
    Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::file_name;

/// Bump it when the same table would become other files.
const EXPORT_REVISION: u32 = 1;

/// Parameters of `dataset.export`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// Name of the field that holds the file's name; `datasets` knows `file_name`.
    pub file_field: String,
    /// Name of the field that holds the prompt; the paper's training script reads `text`.
    pub text_field: String,
    /// Columns of the pairs to write as further fields.
    pub extra_columns: Vec<String>,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            file_field: "file_name".to_owned(),
            text_field: "text".to_owned(),
            extra_columns: Vec::new(),
        }
    }
}

/// The stage.
pub struct ExportDataset {
    params: Params,
}

impl Stage for ExportDataset {
    fn identity(&self) -> Value {
        crate::identity_of(&self.params)
    }

    fn inputs(&self) -> Vec<InputPort> {
        let columns = [("prompt", ColumnType::Text), ("image", ColumnType::Image)];
        vec![InputPort::new("pairs", columns)]
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let pairs = inputs
            .get("pairs")
            .map(|schema| (**schema).clone())
            .unwrap_or_default();
        let mut schema = Schema::new([
            (self.params.file_field.as_str(), ColumnType::Text),
            (self.params.text_field.as_str(), ColumnType::Text),
        ]);
        for name in &self.params.extra_columns {
            let kind = pairs.get(name).ok_or_else(|| {
                let present: Vec<&str> = pairs.columns().map(|(name, _)| name).collect();
                let hint = nearest(name, present.iter().copied())
                    .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                StageError::input(format!(
                    "`extra_columns` names `{name}`, which the pairs do not have; they have {}{hint}",
                    present.join(", ")
                ))
            })?;
            if matches!(kind, ColumnType::Image | ColumnType::Blob) {
                return Err(StageError::input(format!(
                    "`extra_columns` names `{name}`, which holds {}; a field of metadata.jsonl cannot",
                    kind.described()
                )));
            }
            schema = schema.with(name.as_str(), kind);
        }
        Ok(vec![OutputPort::new(
            "dataset",
            schema.with("image", ColumnType::Image),
        )])
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        Bound::new(0, "dataset", rows.get("pairs").copied().unwrap_or(0))
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        _: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let pairs = inputs.table("pairs")?;
        let schemas = Schemas::from([("pairs", pairs.schema().into())]);
        let mut table = Table::builder(self.outputs(&schemas)?.remove(0).schema);
        let mut names = HashSet::new();
        for row in pairs.rows() {
            // The prompt's number if the pairs say it, so that dropped prompts rename no file.
            let line = row.find("line").and_then(Value::as_int);
            let class = row.find("class").and_then(Value::as_text);
            let name = file_name::of(line.unwrap_or(row.index() as i64 + 1), class);
            if !names.insert(name.clone()) {
                return Err(StageError::input(format!(
                    "two pairs would be written to `{name}`: their `line` and `class` are the same"
                )));
            }
            let extra = self.params.extra_columns.iter();
            let extra = extra.map(|name| row.find(name).cloned().unwrap_or_default());
            let cells = [Value::from(name), Value::from(row.text("prompt")?)];
            let image = Value::Blob(row.blob("image")?);
            table.push(cells.into_iter().chain(extra).chain([image]))?;
        }
        Ok(BTreeMap::from([("dataset", table.finish())]))
    }

    fn export(&self, _: &str, table: &Table) -> Result<Option<Vec<ExportFile>>, StageError> {
        let mut files = Vec::with_capacity(table.len() + 1);
        let mut metadata = String::new();
        let schema = table.schema();
        for row in table.rows() {
            files.push(ExportFile::blob(
                row.text(&self.params.file_field)?,
                row.blob("image")?,
            ));
            let fields = schema
                .columns()
                .zip(row.values())
                .filter(|((name, _), _)| *name != "image");
            let fields = fields.map(|((name, _), value)| {
                format!("{}: {}", serde_json::Value::from(name), value.to_json())
            });
            let fields = fields.collect::<Vec<_>>().join(", ");
            metadata.extend(["{", &fields, "}\n"]);
        }
        files.push(ExportFile::bytes("metadata.jsonl", metadata.into_bytes()));
        Ok(Some(files))
    }

    fn export_revision(&self) -> u32 {
        EXPORT_REVISION
    }
}

impl StageKind for ExportDataset {
    const NAME: &'static str = "dataset.export";
    const SUMMARY: &'static str = "Makes a folder of images and texts to train on.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &Roles) -> Result<Self, Misfits> {
        let mut names = HashSet::from(["image"]);
        let mut misfits = Misfits::new();
        let mut field = |path: &[&str], name| {
            if !names.insert(name) {
                let message = format!("two fields of the dataset are called `{name}`");
                misfits.add(Misfit::new(path.iter().copied(), message));
            }
        };
        field(&["file_field"], params.file_field.as_str());
        field(&["text_field"], params.text_field.as_str());
        for (index, name) in params.extra_columns.iter().enumerate() {
            field(&["extra_columns", &index.to_string()], name.as_str());
        }
        misfits.check()?;
        Ok(Self { params })
    }
}

#[cfg(test)]
mod tests;
