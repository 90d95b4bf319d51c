//! `table.import`: a table from a CSV, JSONL or text file.
//!
//! The file is read whole when the stage is built, so its mistakes are known before anything runs,
//! and again when the table is made. How each format is read: `rows.rs`.

use std::collections::BTreeMap;

use ccsr_stage::params::{FilePath, nearest};
use ccsr_stage::{
    Bound, ColumnType, InputPort, Inputs, Misfit, Misfits, OutputPort, PartitionOutcomes, Roles,
    RowCounts, Schema, Schemas, Source, Stage, StageError, StageKind, Table, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod rows;

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
    /// What was found in the file when the pipeline was checked.
    found: Found,
}

/// What a table is promised to be.
struct Found {
    schema: Schema,
    rows: u64,
}

impl Params {
    fn format(&self) -> Format {
        let extension = self.path.0.path.extension();
        let extension = extension.map(|e| e.to_string_lossy().to_lowercase());
        self.format.unwrap_or(match extension.as_deref() {
            Some("csv") => Format::Csv,
            Some("jsonl" | "ndjson") => Format::Jsonl,
            _ => Format::Text,
        })
    }

    /// The rows of the file, whose bytes these are.
    fn read(&self, bytes: &[u8]) -> Result<Rows, Misfits> {
        let at = &self.path.0.display;
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = bytes[..error.valid_up_to()]
                .split(|byte| *byte == b'\n')
                .count();
            let message = format!("{at}: line {line} is not UTF-8 text");
            Misfit::new(["path"], message)
        })?;
        let rows = match self.format() {
            Format::Csv => rows::of_csv(text, &self.columns),
            Format::Jsonl => rows::of_jsonl(text, &self.columns),
            Format::Text => rows::of_lines(text, &self.column, &self.columns),
        };
        let rows = rows.map_err(|problem| {
            let typed = problem
                .column
                .filter(|name| self.columns.contains_key(name));
            let path = match &typed {
                Some(name) => vec!["columns", name],
                None => vec!["path"],
            };
            Misfit::new(path, format!("{at}: {}", problem.message))
        })?;
        let mut misfits = Misfits::new();
        for wanted in self.columns.keys() {
            if rows.schema.get(wanted).is_none() {
                let present: Vec<&str> = rows.schema.columns().map(|(name, _)| name).collect();
                let hint = nearest(wanted, present.iter().copied())
                    .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                let message = format!(
                    "{at}: there is no column `{wanted}`; the file has {}{hint}",
                    present.join(", ")
                );
                misfits.add(Misfit::of_name(["columns", wanted], message));
            }
        }
        misfits.check()?;
        Ok(rows)
    }
}

impl Stage for ImportTable {
    fn identity(&self) -> Value {
        let columns = self.params.columns.iter();
        Value::map([
            ("format", Value::from(format!("{:?}", self.params.format()))),
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
        Ok(vec![OutputPort::new("table", self.found.schema.clone())])
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
        Bound::new(0, "table", self.found.rows)
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        _: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let rows = self.params.read(&inputs.read_source("path")?);
        let rows = rows.map_err(|misfits| StageError::input(misfits.to_string()))?;
        if rows.schema != self.found.schema {
            return Err(StageError::input(format!(
                "`{}` changed while it was read; run again",
                self.params.path.0.display
            )));
        }
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

    /// Reads the file, so that its mistakes are known before anything runs.
    fn new(params: Params, _: &Roles) -> Result<Self, Misfits> {
        if params.column.trim().is_empty() {
            let message = "`column` is empty; expected a column's name";
            return Err(Misfit::new(["column"], message).into());
        }
        let path = &params.path.0;
        let bytes = std::fs::read(&path.path).map_err(|error| {
            let message = format!("cannot read `{}`: {error}", path.display);
            Misfit::new(["path"], message)
        })?;
        let rows = params.read(&bytes)?;
        let found = Found {
            rows: rows.cells.len() as u64,
            schema: rows.schema,
        };
        Ok(Self { params, found })
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
