//! Tables as text: CSV, JSON lines, Markdown.

use ccsr_cache::Value;
use ccsr_stage::Table;

use crate::pipeline::TableFormat;

/// Bump it when the same table is written as other text, so that exports are written anew.
pub(crate) const REVISION: u32 = 1;

/// The whole table in a text format.
pub fn write(table: &Table, format: TableFormat) -> String {
    match format {
        TableFormat::Csv => csv_text(table),
        TableFormat::Jsonl => jsonl(table),
        TableFormat::Markdown => markdown(table),
    }
}

/// A value as people read it: text as it is, nothing as nothing, blobs as their digests, whole
/// numbers without a point, the rest as JSON.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) => text.to_string(),
        Value::Blob(digest) => digest.to_string(),
        other => other.to_text(),
    }
}

fn csv_text(table: &Table) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = table
        .columns()
        .iter()
        .map(|column| column.name().to_owned())
        .collect();
    let rows = table
        .rows()
        .map(|row| row.values().map(cell).collect::<Vec<_>>());
    for record in std::iter::once(header).chain(rows) {
        writer
            .write_record(record)
            .expect("rows are as wide as the header, and memory takes all");
    }
    let bytes = writer.into_inner().expect("memory takes all");
    String::from_utf8(bytes).expect("it was written from text")
}

fn jsonl(table: &Table) -> String {
    let mut text = String::new();
    for row in table.rows() {
        let cells = row.values().map(|value| match value {
            // Outside the cache a digest is a text like any other.
            Value::Blob(digest) => serde_json::Value::String(digest.to_string()),
            other => other.to_json(),
        });
        let names = table.columns().iter().map(ccsr_stage::Column::name);
        let fields = names
            .zip(cells)
            .map(|(name, cell)| format!("{}:{cell}", serde_json::Value::String(name.to_owned())));
        text.push('{');
        text.push_str(&fields.collect::<Vec<_>>().join(","));
        text.push_str("}\n");
    }
    text
}

fn markdown(table: &Table) -> String {
    let escaped = |text: String| {
        text.replace('\\', "\\\\")
            .replace('|', "\\|")
            .replace('\n', "<br>")
    };
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(
        table
            .columns()
            .iter()
            .map(|c| escaped(c.name().to_owned()))
            .collect(),
    );
    text.push_str(&line(vec!["---".to_owned(); table.columns().len()]));
    for row in table.rows() {
        text.push_str(&line(row.values().map(cell).map(escaped).collect()));
    }
    text
}

#[cfg(test)]
mod tests {
    use ccsr_stage::{ColumnType, Schema};

    use super::*;

    fn table() -> Table {
        let schema = Schema::new([
            ("b", ColumnType::Text),
            ("a", ColumnType::Float),
            ("n", ColumnType::Json),
        ]);
        let mut builder = Table::builder(schema);
        builder
            .push([
                Value::from("x,\"y\""),
                Value::Float(0.5),
                Value::map([("k", Value::Int(1))]),
            ])
            .unwrap();
        builder
            .push([Value::from("a|b\nc"), Value::Int(8), Value::Null])
            .unwrap();
        builder.finish()
    }

    #[test]
    fn each_format_escapes_what_it_must() {
        assert_eq!(
            write(&table(), TableFormat::Csv),
            "b,a,n\n\"x,\"\"y\"\"\",0.5,\"{\"\"k\"\":1}\"\n\"a|b\nc\",8,\n"
        );
        assert_eq!(
            write(&table(), TableFormat::Jsonl),
            "{\"b\":\"x,\\\"y\\\"\",\"a\":0.5,\"n\":{\"k\":1}}\n{\"b\":\"a|b\\nc\",\"a\":8,\"n\":null}\n"
        );
        assert_eq!(
            write(&table(), TableFormat::Markdown),
            "| b | a | n |\n| --- | --- | --- |\n| x,\"y\" | 0.5 | {\"k\":1} |\n| a\\|b<br>c | 8 |  |\n"
        );
    }
}
