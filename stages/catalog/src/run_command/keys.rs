//! What a unit depends on, and so what its key is made of.
//!
//! A unit's input holds everything from which the program is called, but for where things are: the
//! arguments as filled in, with placeholders left where paths will stand, and the row's values.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use ccsr_stage::{ColumnType, Digest, Inputs, Row, Schema, StageError, Table, Unit, Value};

use super::argv::{Slot, is_file};
use super::{ALWAYS_PASSED, Params, Per, ROWS, RowsEach, RunCommand, Stdin};
use crate::row_id::described;

/// Values of a row that the program sees, by column.
type Cells = BTreeMap<std::sync::Arc<str>, Value>;

impl RunCommand {
    /// What is the same in every unit's input, and in the stage's identity. What has its default is
    /// left out, so that a parameter that is added later re-keys nothing.
    pub(super) fn constants(&self) -> Vec<(&'static str, Value)> {
        let params = &self.params;
        let mut parts = Vec::new();
        if params.per != Per::Row {
            parts.push(("per", crate::identity_of(&params.per)));
        }
        if params.rows == RowsEach::Many {
            parts.push(("rows", crate::identity_of(&params.rows)));
        }
        if self.stdin() == Stdin::Jsonl {
            parts.push(("stdin", Value::from("jsonl")));
        }
        if !params.columns.is_empty() {
            parts.push(("columns", crate::identity_of(&params.columns)));
        }
        if !params.files.is_empty() {
            let file = |(name, file): (&String, &super::OutputFile)| {
                let parts = [
                    ("path", Value::from(file.name(name))),
                    ("type", Value::from(file.kind().column().to_string())),
                ];
                (name.clone(), Value::map(parts))
            };
            parts.push(("files", Value::map(params.files.iter().map(file))));
        }
        if !self.keyed_environment.is_empty() {
            let variables = self.keyed_environment.clone();
            parts.push(("env", Value::map(variables)));
        }
        parts
    }

    /// The constants, and the content of the files that matter to every row.
    fn common(&self, inputs: &Inputs<'_>) -> Result<Vec<(&'static str, Value)>, StageError> {
        let mut parts = self.constants();
        let mut contents = Vec::new();
        for name in &self.shared {
            let files = inputs.source(name)?;
            let folder = self
                .sources
                .list()
                .iter()
                .any(|s| s.name == *name && s.folder);
            // Digests as texts: the files are no blobs of the cache's.
            let digest = match files {
                [file] if !folder => file.digest,
                files => {
                    let named = files
                        .iter()
                        .map(|f| (f.name.as_str(), Value::Blob(f.digest)));
                    Value::map(named).digest()
                }
            };
            contents.push((*name, Value::from(digest.to_string())));
        }
        parts.push(("contents", Value::map(contents)));
        Ok(parts)
    }

    fn argv(&self, row: Option<Row<'_>>) -> Result<Value, StageError> {
        let argv: Result<Vec<Value>, _> = self.arguments.iter().map(|a| a.keyed(row)).collect();
        Ok(Value::list(argv?))
    }

    /// The columns of rows that the program sees.
    fn visible<'a>(&'a self, schema: &'a Schema) -> Vec<&'a str> {
        match &self.params.reads {
            Some(reads) => reads.iter().map(String::as_str).collect(),
            None => schema.columns().map(|(name, _)| name).collect(),
        }
    }

    /// One unit a row.
    pub(super) fn row_units(&self, inputs: &Inputs<'_>) -> Result<Vec<Unit>, StageError> {
        let table = inputs.table(ROWS)?;
        let schema = table.schema();
        let common = self.common(inputs)?;
        let files = self.row_files(inputs)?;
        let mut columns = if self.gets_rows() {
            self.visible(&schema)
        } else {
            Vec::new()
        };
        // Blobs that only arguments name travel with the row, too.
        for slot in self.slots() {
            if let Slot::Column(name) = slot
                && is_file(&schema, name)
                && !columns.contains(&name.as_str())
            {
                columns.push(name);
            }
        }
        let unit = |row: Row<'_>| {
            let mut parts = common.clone();
            parts.push(("argv", self.argv(Some(row))?));
            let cells: Result<Cells, StageError> = columns
                .iter()
                .map(|name| Ok(((*name).into(), row.value(name)?.clone())))
                .collect();
            let cells = cells?;
            if !cells.is_empty() {
                parts.push(("row", Value::map(cells)));
            }
            let contents = self.contents_of(row, &files)?;
            if !contents.is_empty() {
                parts.push(("row_files", Value::map(contents)));
            }
            let about = Value::map([("about", Value::from(described(row)))]);
            Ok(Unit::new(Value::map(parts)).with_hint(about))
        };
        table.rows().map(unit).collect()
    }

    /// The files that rows may name, by column and path below the column's folder.
    fn row_files<'a>(&self, inputs: &'a Inputs<'_>) -> Result<RowFiles<'a>, StageError> {
        let mut found = RowFiles::new();
        for (column, source) in &self.row_files {
            let files = inputs.source(source)?;
            let named = files.iter().map(|file| (file.path.as_path(), file.digest));
            found.insert(column.clone(), named.collect());
        }
        Ok(found)
    }

    /// The content of the files that a row names.
    fn contents_of(
        &self,
        row: Row<'_>,
        files: &RowFiles<'_>,
    ) -> Result<Vec<(String, Value)>, StageError> {
        let mut contents = Vec::new();
        for (column, known) in files {
            if row.value(column)?.is_null() {
                continue;
            }
            let text = row.text(column)?;
            let digest = known.get(normal(&self.folder.join(text)).as_path());
            let digest = digest.ok_or_else(|| {
                StageError::input(format!(
                    "{}: `{column}` names `{text}`, and there is no such file in `{}`; paths are \
                     relative to the folder of the file that holds `argv`",
                    described(row),
                    self.params.row_files[column]
                ))
            })?;
            contents.push((column.clone(), Value::from(digest.to_string())));
        }
        Ok(contents)
    }

    /// The one unit of whole tables.
    pub(super) fn table_unit(&self, inputs: &Inputs<'_>) -> Result<Unit, StageError> {
        let mut parts = self.common(inputs)?;
        parts.push(("argv", self.argv(None)?));
        let mut seen = Vec::new();
        let mut stored = Vec::new();
        let mut contents = Vec::new();
        for (port, table) in inputs.tables {
            let digest = table.digest();
            stored.push((*port, Value::Blob(digest)));
            if *port != ROWS {
                seen.push((*port, Value::from(digest.to_string())));
                continue;
            }
            let files = self.row_files(inputs)?;
            for row in table.rows() {
                contents.extend(self.contents_of(row, &files)?.into_iter().map(|(_, v)| v));
            }
            if self.gets_rows() {
                let seen_of_it = match &self.params.reads {
                    Some(reads) => only(table, reads)?.digest(),
                    None => digest,
                };
                seen.push((ROWS, Value::from(seen_of_it.to_string())));
            }
        }
        if !seen.is_empty() {
            parts.push(("tables", Value::map(seen)));
        }
        if !contents.is_empty() {
            parts.push(("row_files", Value::list(contents)));
        }
        let hint = [
            ("about", Value::from("the whole table")),
            ("tables", Value::map(stored)),
        ];
        Ok(Unit::new(Value::map(parts)).with_hint(Value::map(hint)))
    }
}

/// By column: the files that it may name, and what is in them.
type RowFiles<'a> = BTreeMap<String, HashMap<&'a Path, Digest>>;

/// Some columns of a table.
pub(super) fn only(table: &Table, columns: &[String]) -> Result<Table, StageError> {
    let schema = table.schema();
    let kinds = columns.iter().map(|name| {
        let kind = schema.get(name).unwrap_or(ColumnType::Json);
        (name.as_str(), kind)
    });
    let mut part = Table::builder(Schema::new(kinds));
    for row in table.rows() {
        let cells: Result<Vec<Value>, _> = columns
            .iter()
            .map(|name| row.value(name).cloned())
            .collect();
        part.push(cells?)?;
    }
    Ok(part.finish())
}

/// The path without `.` and `..`, by its letters.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// What a program sees of the environment, and what of that enters keys. `outside` looks a variable
/// up.
pub(super) fn environment(
    params: &Params,
    outside: impl Fn(&str) -> Option<OsString>,
) -> (Vec<(OsString, OsString)>, BTreeMap<String, Value>) {
    let mut seen: BTreeMap<OsString, OsString> = BTreeMap::new();
    let mut keyed = BTreeMap::new();
    let secret = params.secret_env.iter().map(String::as_str);
    for name in ALWAYS_PASSED.into_iter().chain(secret) {
        if let Some(value) = outside(name) {
            seen.insert(name.into(), value);
        }
    }
    for name in &params.pass_env {
        let value = outside(name);
        let text = value
            .as_ref()
            .map(|value| value.to_string_lossy().into_owned());
        keyed.insert(name.clone(), Value::from(text));
        if let Some(value) = value {
            seen.insert(name.into(), value);
        }
    }
    for (name, value) in &params.env {
        keyed.insert(name.clone(), Value::from(value.as_str()));
        seen.insert(name.into(), value.into());
    }
    (seen.into_iter().collect(), keyed)
}
