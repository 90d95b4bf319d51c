//! Rows out of the text of a file; every problem says its line.

use std::collections::BTreeMap;
use std::fmt;

use ccsr_stage::{Schema, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;

use super::{CellType, schema};

/// The rows of a file.
#[derive(Debug)]
pub struct Rows {
    /// The columns.
    pub schema: Schema,
    /// The cells of each row.
    pub cells: Vec<Vec<Value>>,
    /// Line of each row, counted from 1.
    pub lines: Vec<u64>,
}

/// Why a file cannot be read.
#[derive(Debug)]
pub struct Problem {
    /// The column whose type a cell does not have.
    pub column: Option<String>,
    /// What is wrong and in which line.
    pub message: String,
}

impl From<String> for Problem {
    fn from(message: String) -> Self {
        Self {
            column: None,
            message,
        }
    }
}

/// Types of columns that are known beforehand.
pub type Types = BTreeMap<String, CellType>;

/// Reads comma-separated values. The first line names the columns; an empty cell of a column that
/// is not text is null.
pub fn of_csv(text: &str, types: &Types) -> Result<Rows, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?;
    let names: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    closed(text, 0)?;
    distinct(&names)?;
    let kinds: Vec<CellType> = names
        .iter()
        .map(|name| types.get(name).copied().unwrap_or(CellType::Text))
        .collect();
    let mut rows = Rows {
        schema: schema(names.iter().map(String::as_str).zip(kinds.iter().copied())),
        cells: Vec::new(),
        lines: Vec::new(),
    };
    let mut record = csv::StringRecord::new();
    let mut last = 0;
    while reader
        .read_record(&mut record)
        .map_err(|error| error.to_string())?
    {
        last = record.position().map_or(0, |at| at.byte() as usize);
        let line = record.position().map_or(0, |at| line(text, at));
        if record.len() != names.len() {
            closed(text, last)?;
            return Err(Problem::from(format!(
                "line {line} has {} cells, the header has {}",
                record.len(),
                names.len()
            )));
        }
        let mut cells = Vec::with_capacity(names.len());
        for ((cell, kind), name) in record.iter().zip(&kinds).zip(&names) {
            let Some(value) = cell_of_text(cell, *kind) else {
                closed(text, last)?;
                return Err(wrong(line, name, *kind, cell));
            };
            cells.push(value);
        }
        rows.cells.push(cells);
        rows.lines.push(line);
    }
    closed(text, last)?;
    Ok(rows)
}

/// That every quote of the record at `start` is closed. One that is not makes a cell of all that
/// follows, which the reader takes without a word.
fn closed(text: &str, start: usize) -> Result<(), String> {
    let rest = text.as_bytes().get(start..).unwrap_or_default();
    let blank = rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
    let mut at = start + blank.count();
    let bytes = text.as_bytes();
    loop {
        // At the first byte of a cell.
        if bytes.get(at) == Some(&b'"') {
            let opened = at;
            at += 1;
            while bytes.get(at) != Some(&b'"') || bytes.get(at + 1) == Some(&b'"') {
                if at >= bytes.len() {
                    let line = text[..opened].matches('\n').count() + 1;
                    return Err(format!(
                        "the quote that opens in line {line} is never closed"
                    ));
                }
                at += if bytes[at] == b'"' { 2 } else { 1 };
            }
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b',' | b'\n' | b'\r'));
        match end {
            Some(end) if rest[end] == b',' => at += end + 1,
            _ => return Ok(()),
        }
    }
}

/// Line of a record. Its position is that of the blank lines before it, if there are any.
fn line(text: &str, position: &csv::Position) -> u64 {
    let rest = text
        .as_bytes()
        .get(position.byte() as usize..)
        .unwrap_or_default();
    let blank = rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
    position.line() + blank.filter(|byte| **byte == b'\n').count() as u64
}

fn distinct(names: &[String]) -> Result<(), String> {
    if names.iter().all(String::is_empty) {
        return Err("the file is empty; its first line should name the columns".to_owned());
    }
    for (index, name) in names.iter().enumerate() {
        if name.is_empty() {
            return Err(format!("column {} has no name", index + 1));
        }
        if names[..index].contains(name) {
            return Err(format!("two columns are called `{name}`"));
        }
    }
    Ok(())
}

fn cell_of_text(cell: &str, kind: CellType) -> Option<Value> {
    let trimmed = cell.trim();
    match kind {
        CellType::Text => Some(Value::from(cell)),
        _ if trimmed.is_empty() => Some(Value::Null),
        CellType::Int => trimmed.parse().ok().map(Value::Int),
        CellType::Float => trimmed.parse().ok().map(Value::Float),
        CellType::Bool => trimmed.parse().ok().map(Value::Bool),
        CellType::Json => Value::from_json(serde_json::from_str(trimmed).ok()?).ok(),
    }
}

fn wrong(line: u64, name: &str, kind: CellType, found: &str) -> Problem {
    let expected = match kind {
        CellType::Json => "JSON",
        other => other.column().described(),
    };
    let found = crate::row_id::shortened(found);
    Problem {
        column: Some(name.to_owned()),
        message: format!("line {line}, column `{name}`: expected {expected}, found `{found}`"),
    }
}

/// Reads a JSON object a line. Columns stand in order of first appearance; what a row lacks is
/// null.
pub fn of_jsonl(text: &str, types: &Types) -> Result<Rows, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut names: Vec<String> = Vec::new();
    let mut objects: Vec<(u64, Vec<(String, Json)>)> = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        if content.trim().is_empty() {
            continue;
        }
        let Object(entries) = serde_json::from_str(content)
            .map_err(|error| format!("line {line} is not a JSON object: {}", said(&error)))?;
        for (index, (name, _)) in entries.iter().enumerate() {
            if entries[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(format!("line {line} has `{name}` twice").into());
            }
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        objects.push((line, entries));
    }
    let kinds: Vec<CellType> = names
        .iter()
        .map(|name| {
            let cells = objects.iter().flat_map(|(_, entries)| entries);
            let values = cells.filter(|(known, _)| known == name);
            let values: Vec<&Json> = values.map(|(_, value)| value).collect();
            types.get(name).copied().unwrap_or_else(|| fitting(&values))
        })
        .collect();
    let mut rows = Rows {
        schema: schema(names.iter().map(String::as_str).zip(kinds.iter().copied())),
        cells: Vec::new(),
        lines: Vec::new(),
    };
    for (line, entries) in objects {
        let mut object: BTreeMap<String, Json> = entries.into_iter().collect();
        let mut cells = Vec::with_capacity(names.len());
        for (name, kind) in names.iter().zip(&kinds) {
            let json = object.remove(name).unwrap_or(Json::Null);
            if !fits(&json, *kind) {
                return Err(wrong(line, name, *kind, &json.to_string()));
            }
            let value = Value::from_json(json)
                .map_err(|error| format!("line {line}, column `{name}`: {error}"))?;
            cells.push(value);
        }
        rows.cells.push(cells);
        rows.lines.push(line);
    }
    Ok(rows)
}

/// What the parser of one line says, without its own count of lines.
fn said(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match message.strip_suffix(&place) {
        Some(what) if error.column() > 0 => format!("{what} (character {})", error.column()),
        Some(what) => what.to_owned(),
        None => message,
    }
}

/// A JSON object whose entries keep their order.
struct Object(Vec<(String, Json)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`{…}`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Object(entries))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// The narrowest type that all values fit.
fn fitting(values: &[&Json]) -> CellType {
    let narrow_first = [
        CellType::Bool,
        CellType::Int,
        CellType::Float,
        CellType::Text,
    ];
    if values.iter().all(|value| value.is_null()) {
        return CellType::Json;
    }
    narrow_first
        .into_iter()
        .find(|kind| values.iter().all(|value| fits(value, *kind)))
        .unwrap_or(CellType::Json)
}

fn fits(value: &Json, kind: CellType) -> bool {
    value.is_null()
        || match kind {
            CellType::Text => value.is_string(),
            CellType::Int => value.is_i64(),
            CellType::Float => value.is_number(),
            CellType::Bool => value.is_boolean(),
            CellType::Json => true,
        }
}

/// Reads a value a line. Blank lines and lines that begin with `#` are left out.
pub fn of_lines(text: &str, column: &str, types: &Types) -> Result<Rows, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let kind = types.get(column).copied().unwrap_or(CellType::Text);
    let mut rows = Rows {
        schema: schema([(column, kind)]),
        cells: Vec::new(),
        lines: Vec::new(),
    };
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let cell = cell_of_text(content, kind).ok_or_else(|| wrong(line, column, kind, content))?;
        rows.cells.push(vec![cell]);
        rows.lines.push(line);
    }
    Ok(rows)
}
