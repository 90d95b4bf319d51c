//! Tables as bytes.

use std::collections::HashMap;

use ccsr_cache::Value;

use super::{Column, ColumnType, Table, TableError};

impl Table {
    /// The bytes it is stored as: the canonical encoding of its columns, texts as numbers into the
    /// list of a column's distinct texts. Equal tables, equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        let columns = self.columns.iter().map(|column| {
            let (texts, cells) = intern(&column.cells);
            Value::list([
                Value::Text(column.name.clone()),
                Value::from(column.kind.to_string()),
                Value::list(texts),
                Value::list(cells),
            ])
        });
        Value::list([
            Value::Int(1),
            Value::Int(self.rows as i64),
            Value::list(columns),
        ])
        .canonical()
    }

    /// Reads what [`Table::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, TableError> {
        let malformed = |what: &str| TableError::Malformed(what.to_owned());
        let value =
            Value::from_canonical(bytes).map_err(|e| TableError::Malformed(e.to_string()))?;
        let Value::List(parts) = &value else {
            return Err(malformed("it is no list"));
        };
        let [Value::Int(1), Value::Int(rows), Value::List(stored)] = parts.as_ref() else {
            return Err(malformed("its version is not 1"));
        };
        let rows = *rows as usize;
        let mut columns = Vec::with_capacity(stored.len());
        for column in stored.iter() {
            let Value::List(parts) = column else {
                return Err(malformed("a column is no list"));
            };
            let [
                Value::Text(name),
                kind,
                Value::List(texts),
                Value::List(cells),
            ] = parts.as_ref()
            else {
                return Err(malformed("a column has other parts than it should"));
            };
            let kind: ColumnType = kind
                .read()
                .map_err(|e| TableError::Malformed(e.to_string()))?;
            let cells = restore(texts, cells).filter(|cells| cells.len() == rows);
            let cells = cells.ok_or_else(|| malformed("a column's cells do not fit its rows"))?;
            columns.push(Column {
                name: name.clone(),
                kind,
                cells,
            });
        }
        Ok(Self { columns, rows })
    }
}

/// The distinct texts in order of appearance, and the cells with `[n]` in place of a text.
fn intern(cells: &[Value]) -> (Vec<Value>, Vec<Value>) {
    let mut texts = Vec::new();
    let mut numbers: HashMap<&str, i64> = HashMap::new();
    let cells = cells
        .iter()
        .map(|cell| match cell {
            Value::Text(text) => {
                let number = *numbers.entry(text).or_insert_with(|| {
                    texts.push(cell.clone());
                    texts.len() as i64 - 1
                });
                Value::Text(number.to_string().into())
            }
            other => other.clone(),
        })
        .collect();
    (texts, cells)
}

fn restore(texts: &[Value], cells: &[Value]) -> Option<Vec<Value>> {
    cells
        .iter()
        .map(|cell| match cell {
            Value::Text(number) => texts.get(number.parse::<usize>().ok()?).cloned(),
            other => Some(other.clone()),
        })
        .collect()
}
