//! In what two tables differ: rows that came, went or changed, told by their identifying columns.

use std::collections::{BTreeMap, HashMap};

use ccsr_cache::Value;
use ccsr_stage::{ColumnType, Table};
use serde::Serialize;

use crate::explain::Change;

/// Columns that tell rows apart, where they hold no blobs. Several rows that agree in all of them
/// are told apart by their order.
pub(crate) const IDENTIFYING: &[&str] = &[
    "class",
    "prompt",
    "candidate",
    "image",
    "question",
    "label",
    "selector",
    "adapter",
    "scale",
    "baseline",
    "name",
    "file",
    "id",
];

/// Rows that are shown.
const EXAMPLES: usize = 3;

/// In what two tables differ.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TableChanges {
    /// Rows there were.
    pub old_rows: u64,
    /// Rows there are.
    pub new_rows: u64,
    /// Rows that are new.
    pub added: u64,
    /// Rows that are gone.
    pub removed: u64,
    /// Rows of which something changed.
    pub changed: u64,
    /// Whether rows that are in both stand in another order.
    pub reordered: bool,
    /// Columns that are new.
    pub columns_added: Vec<String>,
    /// Columns that are gone.
    pub columns_removed: Vec<String>,
    /// The columns in which rows changed.
    pub columns: BTreeMap<String, ColumnChanges>,
    /// Some of the rows that changed, came or went.
    pub examples: Vec<RowChange>,
}

/// How a column changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ColumnChanges {
    /// Rows in which it changed.
    pub rows: u64,
    /// Whether it holds images.
    pub images: bool,
    /// The largest difference, where both values are numbers.
    pub largest: Option<f64>,
}

/// A row that changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RowChange {
    /// What became of it.
    pub what: RowFate,
    /// Its identifying columns.
    pub row: BTreeMap<String, Value>,
    /// The cells that changed.
    pub cells: Vec<Change>,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowFate {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Something of it changed.
    Changed,
}

impl TableChanges {
    /// Images that differ, in rows that are in both.
    pub fn images(&self) -> u64 {
        let images = self.columns.values().filter(|column| column.images);
        images.map(|column| column.rows).sum()
    }
}

/// The columns of a table that tell its rows apart.
pub(crate) fn identifying(table: &Table) -> Vec<&str> {
    let columns = table.columns().iter();
    columns
        .filter(|column| !matches!(column.kind(), ColumnType::Image | ColumnType::Blob))
        .map(ccsr_stage::Column::name)
        .filter(|name| IDENTIFYING.contains(name))
        .collect()
}

/// In what `new` differs from `old`.
pub fn table_changes(old: &Table, new: &Table) -> TableChanges {
    let columns: Vec<&str> = {
        let theirs = identifying(old);
        identifying(new)
            .into_iter()
            .filter(|name| theirs.contains(name))
            .collect()
    };
    let names = |table: &Table, other: &Table| -> Vec<String> {
        let missing = |name: &&str| other.find(name).is_none();
        let names = table.columns().iter().map(ccsr_stage::Column::name);
        names.filter(missing).map(str::to_owned).collect()
    };
    let mut changes = TableChanges {
        old_rows: old.len() as u64,
        new_rows: new.len() as u64,
        columns_added: names(new, old),
        columns_removed: names(old, new),
        ..TableChanges::default()
    };
    let before = keyed(old, &columns);
    let mut places: HashMap<&Key, usize> =
        (0..).zip(&before).map(|(row, key)| (key, row)).collect();
    let (mut gone, mut last) = (vec![true; old.len()], None);
    for (row, key) in keyed(new, &columns).iter().enumerate() {
        let Some(place) = places.remove(key) else {
            changes.added += 1;
            changes.show(RowFate::Added, new, row, &columns, Vec::new());
            continue;
        };
        gone[place] = false;
        changes.reordered |= last.is_some_and(|last| place < last);
        last = Some(place);
        let cells = changes.cells(old, place, new, row);
        if !cells.is_empty() {
            changes.changed += 1;
            changes.show(RowFate::Changed, new, row, &columns, cells);
        }
    }
    for (row, gone) in gone.into_iter().enumerate() {
        if gone {
            changes.removed += 1;
            changes.show(RowFate::Removed, old, row, &columns, Vec::new());
        }
    }
    changes
}

/// What a row is called: its identifying values, and which of the rows of that name it is.
type Key = (Vec<u8>, u32);

fn keyed(table: &Table, columns: &[&str]) -> Vec<Key> {
    let mut counts: HashMap<Vec<u8>, u32> = HashMap::new();
    let key = |row: ccsr_stage::Row<'_>| {
        let mut bytes = Vec::new();
        for column in columns {
            row.find(column)
                .unwrap_or(&Value::Null)
                .write_canonical(&mut bytes);
        }
        let count = counts.entry(bytes.clone()).or_default();
        *count += 1;
        (bytes, *count)
    };
    table.rows().map(key).collect()
}

impl TableChanges {
    /// The cells of two rows that differ, counted by column.
    fn cells(&mut self, old: &Table, place: usize, new: &Table, row: usize) -> Vec<Change> {
        let mut cells = Vec::new();
        for column in new.columns() {
            let name = column.name();
            let Some(before) = old.find(name) else {
                continue;
            };
            let (was, is) = (&before.cells()[place], &column.cells()[row]);
            if was == is {
                continue;
            }
            let counted = self.columns.entry(name.to_owned()).or_default();
            counted.rows += 1;
            counted.images = column.kind() == ColumnType::Image;
            if let (Some(was), Some(is)) = (was.as_float(), is.as_float()) {
                let difference = (is - was).abs();
                let largest = counted.largest.unwrap_or(0.0);
                counted.largest = Some(largest.max(difference));
            }
            cells.push(Change {
                field: name.to_owned(),
                old: Some(was.clone()),
                new: Some(is.clone()),
            });
        }
        cells
    }

    fn show(
        &mut self,
        what: RowFate,
        table: &Table,
        row: usize,
        columns: &[&str],
        cells: Vec<Change>,
    ) {
        let shown = self.examples.iter().filter(|row| row.what == what).count();
        if shown == EXAMPLES {
            return;
        }
        let mut named: BTreeMap<String, Value> = columns
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), table.row(row).find(name)?.clone())))
            .collect();
        if named.is_empty() {
            named.insert("row".to_owned(), Value::Int(row as i64 + 1));
        }
        let row = named;
        self.examples.push(RowChange { what, row, cells });
    }
}

#[cfg(test)]
mod tests {
    use ccsr_cache::Digest;
    use ccsr_stage::Schema;

    use super::*;

    fn table(rows: &[(&str, i64, f64, &str)]) -> Table {
        let mut table = Table::builder(Schema::new([
            ("prompt", ColumnType::Text),
            ("candidate", ColumnType::Int),
            ("score", ColumnType::Float),
            ("image", ColumnType::Image),
        ]));
        for (prompt, candidate, score, image) in rows {
            table
                .push([
                    Value::from(*prompt),
                    Value::Int(*candidate),
                    Value::Float(*score),
                    Value::Blob(Digest::of(image.as_bytes())),
                ])
                .unwrap();
        }
        table.finish()
    }

    #[test]
    fn rows_are_told_apart_by_what_identifies_them_and_not_by_their_place() {
        let old = table(&[("a", 0, 1.0, "x"), ("a", 1, 2.0, "y"), ("b", 0, 3.0, "z")]);
        let new = table(&[("c", 0, 1.0, "x"), ("a", 0, 1.0, "x"), ("a", 1, 2.25, "w")]);
        let changes = table_changes(&old, &new);
        assert_eq!((changes.added, changes.removed, changes.changed), (1, 1, 1));
        assert_eq!(changes.images(), 1);
        assert_eq!(changes.columns["score"].largest, Some(0.25));
        assert!(!changes.reordered);
        let changed = changes
            .examples
            .iter()
            .find(|row| row.what == RowFate::Changed)
            .unwrap();
        assert_eq!(changed.row["candidate"], Value::Int(1));
        assert_eq!(changed.cells[0].field, "score");
        assert_eq!(
            table_changes(&old, &old),
            TableChanges {
                old_rows: 3,
                new_rows: 3,
                ..TableChanges::default()
            }
        );
    }

    #[test]
    fn order_and_columns_count() {
        let old = table(&[("a", 0, 1.0, "x"), ("a", 1, 2.0, "y")]);
        let new = table(&[("a", 1, 2.0, "y"), ("a", 0, 1.0, "x")]);
        let changes = table_changes(&old, &new);
        assert!(changes.reordered && changes.changed == 0);
        let narrow = Table::builder(Schema::new([("prompt", ColumnType::Text)])).finish();
        assert_eq!(
            table_changes(&old, &narrow).columns_removed,
            ["candidate", "score", "image"]
        );
        // Without anything that identifies them, rows are compared place by place.
        let numbers = |values: &[i64]| {
            let mut table = Table::builder(Schema::new([("n", ColumnType::Int)]));
            for value in values {
                table.push([Value::Int(*value)]).unwrap();
            }
            table.finish()
        };
        let changes = table_changes(&numbers(&[1, 2]), &numbers(&[1, 3, 4]));
        assert_eq!((changes.changed, changes.added), (1, 1));
        assert_eq!(changes.examples[0].row["row"], Value::Int(2));
    }
}
