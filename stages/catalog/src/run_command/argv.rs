//! The arguments of a program: templates whose placeholders stand for a row's values and for files.

use ccsr_stage::params::nearest;
use ccsr_stage::{ColumnType, Row, Schema, StageError, Value};

use crate::template::{self, Piece};

/// Placeholder of the file that holds the rows.
pub(super) const ROWS: &str = "rows";
/// Placeholder of the folder for files that the program writes.
pub(super) const OUT: &str = "out";

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Argument(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Slot(Slot),
}

/// What a placeholder stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// A value of the row, or the path of a file with its bytes.
    Column(String),
    /// The path of a file with the rows of a table; `rows` is the first.
    Table(String),
    /// The path of the folder for outputs.
    Out,
    /// The path of a declared output file.
    OutFile(String),
}

impl Argument {
    /// Reads a template. `tables` and `files` are the names that it may use besides columns.
    pub(super) fn parse(template: &str, tables: &[String], files: &[&str]) -> Result<Self, String> {
        let part = |piece| match piece {
            Piece::Text(text) => Ok(Part::Text(text.to_owned())),
            Piece::Slot(name) => Slot::parse(name, tables, files).map(Part::Slot),
        };
        let pieces = template::pieces(template)?.into_iter();
        Ok(Self(pieces.map(part).collect::<Result<_, _>>()?))
    }

    /// Its placeholders.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Slot(slot) => Some(slot),
        })
    }

    /// What of it enters a key: the text, or, where paths of files stand in it, a list of its parts.
    pub(super) fn keyed(&self, row: Option<Row<'_>>) -> Result<Value, StageError> {
        let mut parts: Vec<Value> = Vec::new();
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(piece) => text.push_str(piece),
                Part::Slot(slot) => match slot.text(row)? {
                    Some(value) => text.push_str(&value),
                    None => {
                        if !text.is_empty() {
                            parts.push(Value::from(std::mem::take(&mut text)));
                        }
                        parts.push(Value::map([("path", Value::from(slot.name()))]));
                    }
                },
            }
        }
        if parts.is_empty() {
            return Ok(Value::from(text));
        }
        if !text.is_empty() {
            parts.push(Value::from(text));
        }
        Ok(Value::list(parts))
    }
}

/// An argument as the program gets it, from what of it is in a key.
pub(super) fn written(
    keyed: &Value,
    mut path: impl FnMut(&str) -> Option<std::path::PathBuf>,
) -> Option<std::ffi::OsString> {
    let parts = match keyed {
        Value::List(parts) => parts.iter(),
        text => std::slice::from_ref(text).iter(),
    };
    let mut argument = std::ffi::OsString::new();
    for part in parts {
        match part {
            Value::Text(text) => argument.push(&**text),
            part => argument.push(path(part.get("path")?.as_text()?)?),
        }
    }
    Some(argument)
}

impl Slot {
    fn parse(name: &str, tables: &[String], files: &[&str]) -> Result<Self, String> {
        if name == OUT {
            return Ok(Self::Out);
        }
        if let Some(file) = name.strip_prefix("out.") {
            if files.contains(&file) {
                return Ok(Self::OutFile(file.to_owned()));
            }
            let hint = nearest(file, files.iter().copied()).map_or_else(String::new, |near| {
                format!("; did you mean `{{out.{near}}}`?")
            });
            return Err(format!("`files` declares no `{file}`{hint}"));
        }
        if name == ROWS || tables.iter().any(|table| table == name) {
            return Ok(Self::Table(name.to_owned()));
        }
        if name.is_empty() {
            return Err("`{}` stands for nothing; write `{{}}` for the braces".to_owned());
        }
        Ok(Self::Column(name.to_owned()))
    }

    /// As it is written.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Column(name) | Self::Table(name) => name.clone(),
            Self::Out => OUT.to_owned(),
            Self::OutFile(name) => format!("{OUT}.{name}"),
        }
    }

    /// The text that it stands for; `None` for the path of a file.
    fn text(&self, row: Option<Row<'_>>) -> Result<Option<String>, StageError> {
        let Self::Column(column) = self else {
            return Ok(None);
        };
        let row = row.ok_or_else(|| no_row(column))?;
        let text = match row.value(column)? {
            Value::Null => String::new(),
            Value::Blob(_) => return Ok(None),
            Value::Text(text) if text.contains('\0') => {
                return Err(StageError::input(format!(
                    "`{column}` holds a character that no argument can hold, U+0000"
                )));
            }
            Value::Text(text) => text.to_string(),
            other => other.to_text(),
        };
        Ok(Some(text))
    }
}

fn no_row(column: &str) -> StageError {
    StageError::failed(format!("there is no row to take `{column}` from"))
}

/// Whether a column's value is given as the path of a file.
pub(super) fn is_file(schema: &Schema, column: &str) -> bool {
    let kind = schema.get(column);
    kind.is_some_and(|kind| matches!(kind, ColumnType::Image | ColumnType::Blob))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ccsr_stage::{Digest, Table};

    #[test]
    fn an_argument_is_filled_in_from_a_row() {
        let mut table = Table::builder(Schema::new([
            ("class", ColumnType::Text),
            ("n", ColumnType::Int),
            ("image", ColumnType::Image),
        ]));
        let blob = Value::Blob(Digest::of(b"x"));
        table
            .push([Value::from("a {out} b"), Value::Int(3), blob])
            .unwrap();
        let table = table.finish();
        let keyed = |text: &str| {
            let argument = Argument::parse(text, &[], &["copy"]).unwrap();
            argument.keyed(Some(table.row(0))).unwrap()
        };
        let shown = |text: &str| {
            let path = |name: &str| Some(format!("<{name}>").into());
            written(&keyed(text), path).unwrap().into_string().unwrap()
        };
        assert_eq!(shown("--n={n} {{{class}}}"), "--n=3 {a {out} b}");
        assert_eq!(shown("x{image}y{out.copy}"), "x<image>y<out.copy>");
        // A text that looks like a placeholder is another argument than the placeholder.
        assert_ne!(keyed("{class}"), keyed("a {out} b"));
    }

    #[test]
    fn what_stands_for_nothing_is_refused() {
        let parse = |text: &str| Argument::parse(text, &[], &["copy"]).unwrap_err();
        assert_eq!(
            parse("{out.cpy}"),
            "`files` declares no `cpy`; did you mean `{out.copy}`?"
        );
        assert!(parse("{}").starts_with("`{}` stands for nothing"));
        assert!(parse("{a").starts_with("`{` has no partner"));
    }
}
