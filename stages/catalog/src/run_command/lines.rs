//! Rows as programs see them: a JSON object a line, on the way in and on the way out.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use ccsr_stage::params::nearest;
use ccsr_stage::{Outcome, StageError, Value};
use serde_json::Value as Json;

use super::{Columns, OutputType};
use crate::png;
use crate::row_id::shortened;

/// A row as a line. `path` says where the bytes of a blob are.
pub(super) fn line<'r, E>(
    row: impl IntoIterator<Item = (&'r Arc<str>, &'r Value)>,
    mut path: impl FnMut(&str) -> Result<PathBuf, E>,
) -> Result<String, E> {
    let mut object = serde_json::Map::new();
    for (name, value) in row {
        let json = match value {
            Value::Blob(_) => Json::String(path(name)?.to_string_lossy().into_owned()),
            other => other.to_json(),
        };
        object.insert(name.to_string(), json);
    }
    let mut line = Json::Object(object).to_string();
    line.push('\n');
    Ok(line)
}

/// What a program wrote, line by line; blank lines are left out.
pub(super) struct Lines<'a>(Vec<(u64, &'a str)>);

impl<'a> Lines<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            let line = before.split(|byte| *byte == b'\n').count();
            format!("wrote something that is not UTF-8 text in line {line}")
        })?;
        let lines = (1..).zip(text.lines());
        let lines = lines.filter(|(_, content)| !content.trim().is_empty());
        Ok(Self(lines.collect()))
    }

    /// One line for each of `rows` rows.
    pub(super) fn one_each(&self, rows: usize) -> Result<&[(u64, &'a str)], String> {
        let found = self.0.len();
        match (rows, found) {
            _ if rows == found => Ok(&self.0),
            (1, 0) => Err("wrote no line; expected one with its answer".to_owned()),
            (1, _) => Err(format!(
                "wrote {found} lines for one row; expected one (or say `rows: many`)"
            )),
            _ if found < rows => Err(format!(
                "wrote {found} of {rows} lines; expected one a row, in their order"
            )),
            _ => Err(format!(
                "wrote {found} lines for {rows} rows; expected one a row, in their order"
            )),
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> &[(u64, &'a str)] {
        &self.0
    }
}

/// Reads rows that a program wrote, and the files that they name.
pub(super) struct Reader<'a> {
    pub(super) columns: &'a Columns,
    /// Where the files lie that lines name.
    pub(super) out: &'a Path,
}

impl Reader<'_> {
    /// The row of a line; blobs are added to `outcome`.
    pub(super) fn row(
        &self,
        (line, text): (u64, &str),
        outcome: &mut Outcome,
    ) -> Result<Value, String> {
        self.cells(line, parsed(line, text)?, outcome)
    }

    /// The rows of a line that holds a list of them.
    pub(super) fn rows(
        &self,
        (line, text): (u64, &str),
        outcome: &mut Outcome,
    ) -> Result<Vec<Value>, String> {
        match parsed(line, text)? {
            Json::Array(rows) => rows
                .into_iter()
                .map(|row| self.cells(line, row, outcome))
                .collect(),
            other => Err(format!(
                "wrote no list in line {line} but {}; expected the rows that the row in the same \
                 place becomes, `[{{…}}, {{…}}]`",
                described(&other)
            )),
        }
    }

    fn cells(&self, line: u64, row: Json, outcome: &mut Outcome) -> Result<Value, String> {
        let Json::Object(mut object) = row else {
            return Err(format!(
                "wrote no object in line {line} but {}; expected `{{\"column\": value, …}}`",
                described(&row)
            ));
        };
        let mut cells = Vec::with_capacity(self.columns.len());
        for (name, kind) in self.columns {
            let Some(json) = object.remove(name) else {
                let present: Vec<&str> = object.keys().map(String::as_str).collect();
                let hint = nearest(name, present.iter().copied())
                    .map_or_else(String::new, |near| format!("; it has `{near}`"));
                return Err(format!("wrote no `{name}` in line {line}{hint}"));
            };
            let place = format!("line {line}, column `{name}`");
            cells.push(self.cell(&place, *kind, json, outcome)?);
        }
        Ok(Value::list(cells))
    }

    fn cell(
        &self,
        place: &str,
        kind: OutputType,
        json: Json,
        outcome: &mut Outcome,
    ) -> Result<Value, String> {
        let wrong = |json: &Json| {
            let found = shortened(&json.to_string());
            format!("wrote `{found}` in {place}; expected {}", kind.expected())
        };
        match (kind, &json) {
            (_, Json::Null) => Ok(Value::Null),
            (OutputType::Image | OutputType::Blob, Json::String(path)) => {
                let read = self.file(path, kind, outcome);
                read.map_err(|problem| format!("named a file in {place}: {problem}"))
            }
            (OutputType::Text, Json::String(_))
            | (OutputType::Bool, Json::Bool(_))
            | (OutputType::Float, Json::Number(_))
            | (OutputType::Json, _) => {
                let value = Value::from_json(json).map_err(|error| {
                    format!("wrote a value in {place} that cannot be kept: {error}")
                })?;
                if value.blobs().is_empty() {
                    Ok(value)
                } else {
                    Err(format!(
                        "named a blob of the cache in {place}; declare the column as `blob` and \
                         write the path of a file"
                    ))
                }
            }
            // How a line says what JSON has no number for, on its way in and out.
            (OutputType::Float, Json::Object(_)) => match Value::from_json(json.clone()) {
                Ok(number @ Value::Float(_)) => Ok(number),
                _ => Err(wrong(&json)),
            },
            (OutputType::Int, Json::Number(number)) => {
                number.as_i64().map(Value::Int).ok_or_else(|| wrong(&json))
            }
            _ => Err(wrong(&json)),
        }
    }

    /// The file that a line names, which lies in the folder for outputs.
    fn file(&self, path: &str, kind: OutputType, outcome: &mut Outcome) -> Result<Value, String> {
        let given = Path::new(path);
        let below = given.strip_prefix(self.out).unwrap_or(given);
        let inside = below
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !inside || path.is_empty() {
            return Err(format!("`{path}` does not lie in the folder `{{out}}`"));
        }
        read_file(&self.out.join(below), path, kind, outcome)
    }
}

/// The bytes of a file that a program wrote, as a blob.
pub(super) fn read_file(
    path: &Path,
    name: &str,
    kind: OutputType,
    outcome: &mut Outcome,
) -> Result<Value, String> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Err(format!("`{name}` is no file")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(format!("`{name}` was not written"));
        }
        Err(error) => return Err(format!("`{name}` cannot be looked at: {error}")),
    }
    let bytes = std::fs::read(path).map_err(|error| format!("`{name}` cannot be read: {error}"))?;
    let bytes = if kind == OutputType::Image {
        // An image blob is its pixels and nothing else, whoever wrote the file.
        let pixels = png::decode(&bytes).map_err(|error| format!("`{name}`: {error}"))?;
        png::encode(&pixels)
    } else {
        bytes
    };
    Ok(Value::Blob(outcome.add_blob(bytes)))
}

fn parsed(line: u64, text: &str) -> Result<Json, String> {
    serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let what = message.strip_suffix(&place).unwrap_or(&message);
        let shown = shortened(text.trim());
        format!(
            "wrote no JSON in line {line}: {what} (character {}) in `{shown}`",
            error.column()
        )
    })
}

fn described(json: &Json) -> String {
    match json {
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "an object".to_owned(),
        other => format!("`{}`", shortened(&other.to_string())),
    }
}

/// The rows of an outcome, each of `width` cells.
pub(super) fn rows_of(outcome: &Value, width: usize) -> Result<Vec<&[Value]>, StageError> {
    let rows: Vec<&[Value]> = cells(outcome).iter().map(cells).collect();
    if rows.iter().all(|cells| cells.len() == width) {
        Ok(rows)
    } else {
        Err(StageError::failed(
            "a stored outcome is not as it was written",
        ))
    }
}

/// The elements of a list; none, if it is no list.
pub(super) fn cells(list: &Value) -> &[Value] {
    match list {
        Value::List(cells) => cells,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_row_is_asked_for() {
        let lines = |text: &'static str, rows| {
            let lines = Lines::of(text.as_bytes()).unwrap();
            lines.one_each(rows).map(<[_]>::to_vec)
        };
        assert_eq!(lines("a\n\n b\n", 2), Ok(vec![(1, "a"), (3, " b")]));
        assert_eq!(
            lines("a\n", 3).unwrap_err(),
            "wrote 1 of 3 lines; expected one a row, in their order"
        );
        assert_eq!(
            lines("a\nb\nc\n", 2).unwrap_err(),
            "wrote 3 lines for 2 rows; expected one a row, in their order"
        );
    }
}
