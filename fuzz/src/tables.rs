//! Tables: as the cache stores them, and as people bring them along.

use std::collections::BTreeMap;

use ccsr_engine::{TableFormat, tabular};
use ccsr_stage::{Schema, Table, Value};
use ccsr_stages::import_images::folder::Folder;
use ccsr_stages::import_table::CellType;
use ccsr_stages::import_table::rows::{self, Problem, Rows, Types};

/// Rows beyond which a table is not written out: it may say that it has billions, without a column.
const MOST_ROWS: usize = 1_000;

/// Reads a table. The first byte of the input says how.
pub fn tables(input: &[u8]) {
    let Some((how, bytes)) = input.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(bytes);
    match how {
        b'c' => imported(rows::of_csv(&text, &Types::new())),
        b'C' => imported(rows::of_csv(&text, &types())),
        b'j' => imported(rows::of_jsonl(&text, &Types::new())),
        b'J' => imported(rows::of_jsonl(&text, &types())),
        b'l' => imported(rows::of_lines(&text, "prompt", &Types::new())),
        b'L' => imported(rows::of_lines(&text, "int", &types())),
        b'm' => metadata("metadata.csv", bytes),
        b'M' => metadata("a/metadata.jsonl", bytes),
        _ => stored(bytes),
    }
}

/// A column of each type.
fn types() -> Types {
    let types = [
        ("text", CellType::Text),
        ("int", CellType::Int),
        ("float", CellType::Float),
        ("bool", CellType::Bool),
        ("json", CellType::Json),
    ];
    types.map(|(name, kind)| (name.to_owned(), kind)).into()
}

fn stored(bytes: &[u8]) {
    if let Ok(table) = Table::decode(bytes) {
        let again = Table::decode(&table.encode()).expect("it was written a moment ago");
        assert_eq!(again, table);
        written(&table);
    }
}

fn imported(rows: Result<Rows, Problem>) {
    match rows {
        Ok(rows) => written(&table(rows.schema, rows.cells)),
        Err(problem) => assert!(!problem.message.is_empty()),
    }
}

fn table(schema: Schema, cells: Vec<Vec<Value>>) -> Table {
    let mut table = Table::builder(schema);
    for row in cells {
        table
            .push(row)
            .expect("cells have the types of their columns");
    }
    table.finish()
}

/// A table that is good enough to be had is good enough to be stored and shown.
fn written(table: &Table) {
    if table.len() > MOST_ROWS {
        return;
    }
    let again = Table::decode(&table.encode()).expect("it was written a moment ago");
    assert_eq!(again.digest(), table.digest());
    for format in [TableFormat::Csv, TableFormat::Jsonl, TableFormat::Markdown] {
        let text = tabular::write(table, format);
        assert!(text.len() >= table.len());
    }
}

fn metadata(file: &str, bytes: &[u8]) {
    let names = [file, "1.png", "a/2.jpg", "a/b/3.webp", "notes.txt"];
    let read = |_: &str| Ok(bytes.to_vec());
    for takes_class in [false, true] {
        let folder = Folder::new(names, "folder", takes_class);
        match folder.images(&read) {
            Ok(images) => {
                let distinct: BTreeMap<_, _> = images.schema.columns().collect();
                assert_eq!(distinct.len(), images.schema.len(), "a column stands twice");
            }
            Err(misfits) => assert!(!misfits.to_string().is_empty()),
        }
    }
}
