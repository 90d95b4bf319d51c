//! Tables: what flows between stages. Named, typed columns of values.

mod schema;
mod stored;

use std::sync::Arc;

use ccsr_cache::{Digest, Value};

pub use schema::{ColumnType, Schema};

/// A table that is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A column is missing.
    #[error("there is no column `{column}`; the table has {present}")]
    NoColumn {
        /// The column asked for.
        column: String,
        /// The columns there are.
        present: String,
    },
    /// A cell is not of the type asked for.
    #[error("row {row}, column `{column}`: expected {expected}, found {found}")]
    Cell {
        /// Row, counted from 1.
        row: usize,
        /// The column.
        column: String,
        /// What was expected.
        expected: &'static str,
        /// What stands there, shortened.
        found: String,
    },
    /// A row has too few or too many cells.
    #[error("row {row} has {found} cells, expected {expected}")]
    Width {
        /// Row, counted from 1.
        row: usize,
        /// Cells it has.
        found: usize,
        /// Columns of the schema.
        expected: usize,
    },
    /// Bytes that are no table.
    #[error("the stored table cannot be read: {0}")]
    Malformed(String),
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    name: Arc<str>,
    kind: ColumnType,
    cells: Vec<Value>,
}

impl Column {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its type.
    pub const fn kind(&self) -> ColumnType {
        self.kind
    }

    /// Its values, by row.
    pub fn cells(&self) -> &[Value] {
        &self.cells
    }
}

/// Rows of named, typed values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    rows: usize,
}

impl Table {
    /// A builder for tables of this schema.
    pub fn builder(schema: Schema) -> TableBuilder {
        let columns = schema.0.into_iter().map(|(name, kind)| Column {
            name,
            kind,
            cells: Vec::new(),
        });
        TableBuilder {
            table: Self {
                columns: columns.collect(),
                rows: 0,
            },
        }
    }

    /// Its schema.
    pub fn schema(&self) -> Schema {
        Schema(
            self.columns
                .iter()
                .map(|column| (column.name.clone(), column.kind))
                .collect(),
        )
    }

    /// Number of rows.
    pub const fn len(&self) -> usize {
        self.rows
    }

    /// Whether it has no rows.
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Its columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// A column by name.
    pub fn column(&self, name: &str) -> Result<&Column, TableError> {
        self.find(name).ok_or_else(|| TableError::NoColumn {
            column: name.to_owned(),
            present: self
                .columns
                .iter()
                .map(|c| format!("`{}`", c.name))
                .collect::<Vec<_>>()
                .join(", "),
        })
    }

    /// A column by name, if there is one.
    pub fn find(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| &*column.name == name)
    }

    /// A row.
    pub const fn row(&self, index: usize) -> Row<'_> {
        Row { table: self, index }
    }

    /// Its rows in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        (0..self.rows).map(|index| self.row(index))
    }

    /// The digest that names it.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.encode())
    }
}

/// Builds a table row by row.
pub struct TableBuilder {
    table: Table,
}

impl TableBuilder {
    /// Adds a row: one value a column, each of its column's type.
    pub fn push(&mut self, row: impl IntoIterator<Item = Value>) -> Result<(), TableError> {
        let row: Vec<Value> = row.into_iter().collect();
        let number = self.table.rows + 1;
        if row.len() != self.table.columns.len() {
            return Err(TableError::Width {
                row: number,
                found: row.len(),
                expected: self.table.columns.len(),
            });
        }
        for (column, value) in self.table.columns.iter().zip(&row) {
            if !column.kind.admits(value) {
                return Err(mismatch(
                    number,
                    &column.name,
                    column.kind.described(),
                    value,
                ));
            }
        }
        for (column, value) in self.table.columns.iter_mut().zip(row) {
            column.cells.push(value);
        }
        self.table.rows += 1;
        Ok(())
    }

    /// The table.
    pub fn finish(self) -> Table {
        self.table
    }
}

fn mismatch(row: usize, column: &str, expected: &'static str, found: &Value) -> TableError {
    let text = found.to_text();
    let found = if text.chars().count() > 40 {
        text.chars().take(40).chain(['…']).collect()
    } else {
        text
    };
    TableError::Cell {
        row,
        column: column.to_owned(),
        expected,
        found,
    }
}

/// One row of a table.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    table: &'a Table,
    index: usize,
}

impl<'a> Row<'a> {
    /// Its position, counted from 0.
    pub const fn index(self) -> usize {
        self.index
    }

    /// The value of a column.
    pub fn value(self, column: &str) -> Result<&'a Value, TableError> {
        Ok(&self.table.column(column)?.cells[self.index])
    }

    /// The value of a column, if there is such a column and it is not null.
    pub fn find(self, column: &str) -> Option<&'a Value> {
        self.table
            .find(column)
            .map(|c| &c.cells[self.index])
            .filter(|value| !value.is_null())
    }

    /// All values, by column.
    pub fn values(self) -> impl Iterator<Item = &'a Value> {
        self.table
            .columns
            .iter()
            .map(move |column| &column.cells[self.index])
    }

    /// The text of a column.
    pub fn text(self, column: &str) -> Result<&'a str, TableError> {
        self.typed(column, "text", Value::as_text)
    }

    /// The text of a column as a value, which shares it.
    pub fn text_value(self, column: &str) -> Result<Value, TableError> {
        let is_text = |value: &'a Value| value.as_text().map(|_| value.clone());
        self.typed(column, "text", is_text)
    }

    /// The whole number of a column.
    pub fn int(self, column: &str) -> Result<i64, TableError> {
        self.typed(column, "a whole number", Value::as_int)
    }

    /// The number of a column.
    pub fn float(self, column: &str) -> Result<f64, TableError> {
        self.typed(column, "a number", Value::as_float)
    }

    /// The blob of a column.
    pub fn blob(self, column: &str) -> Result<Digest, TableError> {
        self.typed(column, "a blob", Value::as_blob)
    }

    fn typed<T>(
        self,
        column: &str,
        expected: &'static str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<T, TableError> {
        let value = self.value(column)?;
        read(value).ok_or_else(|| mismatch(self.index + 1, column, expected, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let schema = Schema::new([
            ("prompt", ColumnType::Text),
            ("score", ColumnType::Float),
            ("image", ColumnType::Image),
            ("any", ColumnType::Json),
        ]);
        let mut builder = Table::builder(schema);
        for (text, number) in [("a", 1.5), ("b", f64::NAN), ("a", 2.0)] {
            let nested = Value::list([Value::from("deep"), Value::Null]);
            let blob = Value::Blob(Digest::of(text.as_bytes()));
            builder
                .push([Value::from(text), Value::Float(number), blob, nested])
                .unwrap();
        }
        builder
            .push([Value::Null, Value::Int(3), Value::Null, Value::from("x")])
            .unwrap();
        builder.finish()
    }

    #[test]
    fn tables_round_trip() {
        let table = table();
        assert_eq!(Table::decode(&table.encode()).unwrap(), table);
        assert_eq!(table.row(2).text("prompt").unwrap(), "a");
        assert!((table.row(3).float("score").unwrap() - 3.0).abs() < f64::EPSILON);
        let empty = Table::builder(Schema::new([("x", ColumnType::Int)])).finish();
        assert_eq!(Table::decode(&empty.encode()).unwrap(), empty);
    }

    #[test]
    fn damaged_bytes_are_refused_without_a_panic() {
        let bytes = table().encode();
        for end in 0..bytes.len() {
            assert!(Table::decode(&bytes[..end]).is_err());
        }
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 0x55;
            let _ = Table::decode(&damaged);
        }
    }

    #[test]
    fn wrong_cells_are_named() {
        let mut builder = Table::builder(Schema::new([("count", ColumnType::Int)]));
        let error = builder.push([Value::from("three")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "row 1, column `count`: expected whole numbers, found \"three\""
        );
        assert!(builder.push([]).is_err());
        let table = table();
        assert_eq!(
            table.row(0).text("promt").unwrap_err().to_string(),
            "there is no column `promt`; the table has `prompt`, `score`, `image`, `any`"
        );
    }
}
