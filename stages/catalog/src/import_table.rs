//! `table.import`: a table from a CSV, JSONL or text file.
//!
//! The file is read whole when the pipeline is checked, so its mistakes are known before anything
//! runs, and again when the table is made. How each format is read: `rows.rs`.

use std::collections::BTreeMap;

use ccsr_stage::params::{FilePath, nearest};
use ccsr_stage::{
    Bound, ColumnType, InputPort, Inputs, OutputPort, PartitionOutcomes, Roles, RowCounts, Schema,
    Schemas, Source, Stage, StageError, StageKind, Table, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) mod rows;

use rows::Rows;

/// Parameters of `table.import`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The file: `.csv`, `.jsonl`, or text with a row a line.
    pub path: FilePath,
    /// How to read it; by its extension if left out (`.csv`, `.jsonl` or `.ndjson`, else text).
    #[serde(default)]
    pub format: Option<Format>,
    /// Types of columns: `{score: float}`. Columns of a CSV are text unless typed here, those of a
    /// JSONL file of the type that fits all their values. The file must have each of them.
    #[serde(default)]
    pub columns: BTreeMap<String, CellType>,
    /// Name of the only column of a text file.
    #[serde(default = "prompt")]
    pub column: String,
}

fn prompt() -> String {
    "prompt".to_owned()
}

/// Format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Comma-separated values; the first line names the columns.
    Csv,
    /// A JSON object a line.
    Jsonl,
    /// A value a line; blank lines and lines that begin with `#` are left out.
    Text,
}

/// Type of a column of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CellType {
    /// Text.
    Text,
    /// Whole numbers.
    Int,
    /// Numbers.
    Float,
    /// `true` or `false`.
    Bool,
    /// Any JSON value.
    Json,
}

impl CellType {
    /// The type of the table's column.
    pub(crate) const fn column(self) -> ColumnType {
        match self {
            Self::Text => ColumnType::Text,
            Self::Int => ColumnType::Int,
            Self::Float => ColumnType::Float,
            Self::Bool => ColumnType::Bool,
            Self::Json => ColumnType::Json,
        }
    }
}

/// The stage.
pub struct ImportTable {
    params: Params,
}

impl ImportTable {
    fn format(&self) -> Format {
        let extension = self.params.path.0.path.extension();
        let extension = extension.map(|e| e.to_string_lossy().to_lowercase());
        self.params.format.unwrap_or(match extension.as_deref() {
            Some("csv") => Format::Csv,
            Some("jsonl" | "ndjson") => Format::Jsonl,
            _ => Format::Text,
        })
    }

    fn read(&self, bytes: &[u8]) -> Result<Rows, StageError> {
        let at = &self.params.path.0.display;
        let named = |problem: String| StageError::input(format!("{at}: {problem}"));
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = bytes[..error.valid_up_to()]
                .split(|byte| *byte == b'\n')
                .count();
            named(format!("line {line} is not UTF-8 text"))
        })?;
        let rows = match self.format() {
            Format::Csv => rows::of_csv(text, &self.params.columns),
            Format::Jsonl => rows::of_jsonl(text, &self.params.columns),
            Format::Text => rows::of_lines(text, &self.params.column, &self.params.columns),
        };
        let rows = rows.map_err(&named)?;
        for wanted in self.params.columns.keys() {
            if rows.schema.get(wanted).is_none() {
                let present: Vec<&str> = rows.schema.columns().map(|(name, _)| name).collect();
                let hint = nearest(wanted, present.iter().copied())
                    .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                return Err(named(format!(
                    "there is no column `{wanted}`; the file has {}{hint}",
                    present.join(", ")
                )));
            }
        }
        Ok(rows)
    }

    fn read_path(&self) -> Result<Rows, StageError> {
        let path = &self.params.path.0;
        let bytes = std::fs::read(&path.path)
            .map_err(|error| StageError::input(format!("cannot read {}: {error}", path.display)))?;
        self.read(&bytes)
    }
}

impl Stage for ImportTable {
    fn identity(&self) -> Value {
        let columns = self.params.columns.iter();
        Value::map([
            ("format", Value::from(format!("{:?}", self.format()))),
            (
                "columns",
                Value::map(
                    columns.map(|(name, kind)| {
                        (name.as_str(), Value::from(kind.column().to_string()))
                    }),
                ),
            ),
            ("column", Value::from(self.params.column.as_str())),
        ])
    }

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        Ok(vec![OutputPort::new("table", self.read_path()?.schema)])
    }

    fn sources(&self) -> Vec<Source> {
        vec![Source {
            name: "path",
            path: self.params.path.0.path.clone(),
            display: self.params.path.0.display.clone(),
            folder: false,
        }]
    }

    fn bound(&self, _: &RowCounts) -> Bound {
        let rows = self.read_path().map_or(0, |rows| rows.cells.len());
        Bound::new(0, "table", rows as u64)
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        _: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let rows = self.read(&inputs.read_source("path")?)?;
        let mut table = Table::builder(rows.schema);
        for cells in rows.cells {
            table.push(cells)?;
        }
        Ok(BTreeMap::from([("table", table.finish())]))
    }
}

impl StageKind for ImportTable {
    const NAME: &'static str = "table.import";
    const SUMMARY: &'static str = "Reads a table from a CSV, JSONL or text file.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &Roles) -> Result<Self, String> {
        if params.column.trim().is_empty() {
            return Err("`column` is empty; expected a column's name".to_owned());
        }
        Ok(Self { params })
    }
}

/// A schema of the columns, in order.
pub(crate) fn schema<'a>(columns: impl IntoIterator<Item = (&'a str, CellType)>) -> Schema {
    Schema::new(
        columns
            .into_iter()
            .map(|(name, kind)| (name, kind.column())),
    )
}

#[cfg(test)]
mod tests;
