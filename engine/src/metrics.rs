//! The numbers of a table, each under a name that two runs have in common.
//!
//! A small table tells each of its numeric cells, named by the texts that tell its rows apart:
//! `truth.selected pairs.both`. A larger one tells the mean of each numeric column, and its rows:
//! `pairs.mean.score`, `pairs.rows`. A boolean counts as 0 or 1, so its mean is a share.

use std::collections::HashSet;

use ccsr_cache::Value;
use ccsr_stage::{Column, Table};

/// The most rows of a table whose cells are told one by one.
pub const MAX_ROWS: usize = 50;

/// A number with a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// `stage.row.column` or `stage.port.row.column`; a table of one row needs no row in it.
    pub name: String,
    /// The number.
    pub value: f64,
}

/// The numbers of a table that `stage` wrote, in the table's order. A `port` becomes part of their
/// names; leave it out for the first.
pub fn metrics(stage: &str, port: Option<&str>, table: &Table) -> Vec<Metric> {
    if table.len() <= MAX_ROWS {
        cells(stage, port, table)
    } else {
        means(stage, port, table)
    }
}

/// Each numeric cell.
fn cells(stage: &str, port: Option<&str>, table: &Table) -> Vec<Metric> {
    let table_name = table_name(stage, port);
    let labels = labels(table);
    let mut found = Vec::new();
    for (row, label) in labels.iter().enumerate() {
        for column in table.columns() {
            let Some(value) = number(&column.cells()[row]) else {
                continue;
            };
            let column = column.name();
            let name = if label.is_empty() {
                format!("{table_name}.{column}")
            } else {
                format!("{table_name}.{label}.{column}")
            };
            found.push(Metric { name, value });
        }
    }
    found
}

/// The mean of each numeric column over the rows that have a number there, and how many rows there
/// are: for tables of any size that are to be compared with large ones.
pub fn means(stage: &str, port: Option<&str>, table: &Table) -> Vec<Metric> {
    let table_name = table_name(stage, port);
    let mut found = vec![Metric {
        name: format!("{table_name}.rows"),
        value: table.len() as f64,
    }];
    for column in table.columns() {
        let numbers: Vec<f64> = column.cells().iter().filter_map(number).collect();
        if !numbers.is_empty() {
            found.push(Metric {
                name: format!("{table_name}.mean.{}", column.name()),
                value: numbers.iter().sum::<f64>() / numbers.len() as f64,
            });
        }
    }
    found
}

/// Whether a name is meant by a pattern, in which `*` stands for any text.
pub fn is_meant(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn table_name(stage: &str, port: Option<&str>) -> String {
    port.map_or_else(|| stage.to_owned(), |port| format!("{stage}.{port}"))
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        _ => None,
    }
}

/// What each row is called: the texts that tell it from the others, and its number where they do
/// not.
fn labels(table: &Table) -> Vec<String> {
    let mut labels = vec![String::new(); table.len()];
    if table.len() < 2 {
        return labels;
    }
    let is_text = |column: &&Column| column.cells().iter().all(|cell| cell.as_text().is_some());
    for column in table.columns().iter().filter(is_text) {
        let before = distinct(&labels);
        if before == table.len() {
            break;
        }
        let cells = column.cells().iter().filter_map(Value::as_text);
        let joined: Vec<_> = labels
            .iter()
            .zip(cells)
            .map(|(label, cell)| match label.as_str() {
                "" => cell.to_owned(),
                label => format!("{label}.{cell}"),
            })
            .collect();
        if distinct(&joined) > before {
            labels = joined;
        }
    }
    let mut seen = HashSet::new();
    let ambiguous = distinct(&labels) < labels.len();
    for (row, label) in (1..).zip(&mut labels) {
        if ambiguous && !seen.insert(label.clone()) || label.is_empty() {
            let numbered = format!("{label}#{row}");
            *label = numbered;
        }
    }
    labels
}

fn distinct(labels: &[String]) -> usize {
    labels.iter().collect::<HashSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use ccsr_stage::{ColumnType, Schema};

    use super::*;

    fn table(columns: &[(&'static str, ColumnType)], rows: Vec<Vec<Value>>) -> Table {
        let mut builder = Table::builder(Schema::new(columns.iter().copied()));
        for row in rows {
            builder.push(row).unwrap();
        }
        builder.finish()
    }

    fn told(metrics: &[Metric]) -> Vec<String> {
        let told = |metric: &Metric| format!("{} = {}", metric.name, metric.value);
        metrics.iter().map(told).collect()
    }

    #[test]
    fn a_small_table_tells_its_cells() {
        let table = table(
            &[
                ("suite", ColumnType::Text),
                ("selector", ColumnType::Text),
                ("n", ColumnType::Int),
                ("share", ColumnType::Float),
                ("good", ColumnType::Bool),
            ],
            vec![
                vec![
                    "world".into(),
                    "all".into(),
                    Value::Int(4),
                    Value::Float(0.5),
                    Value::Bool(true),
                ],
                vec![
                    "world".into(),
                    "best".into(),
                    Value::Int(2),
                    Value::Null,
                    Value::Bool(false),
                ],
            ],
        );
        assert_eq!(
            told(&metrics("truth", None, &table)),
            [
                "truth.all.n = 4",
                "truth.all.share = 0.5",
                "truth.all.good = 1",
                "truth.best.n = 2",
                "truth.best.good = 0"
            ]
        );
    }

    #[test]
    fn rows_are_told_apart_by_as_few_texts_as_it_takes() {
        let columns = [
            ("a", ColumnType::Text),
            ("b", ColumnType::Text),
            ("c", ColumnType::Text),
            ("x", ColumnType::Int),
        ];
        let row = |a: &str, b: &str, x| vec![a.into(), b.into(), "same".into(), Value::Int(x)];
        let names = |rows| {
            let found = metrics("s", Some("p"), &table(&columns, rows));
            found
                .into_iter()
                .map(|metric| metric.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(vec![row("u", "v", 1)]), ["s.p.x"]);
        assert_eq!(
            names(vec![row("u", "v", 1), row("u", "w", 2)]),
            ["s.p.v.x", "s.p.w.x"]
        );
        assert_eq!(
            names(vec![row("u", "v", 1), row("u", "v", 2), row("t", "v", 3)]),
            ["s.p.u.x", "s.p.u#2.x", "s.p.t.x"]
        );
    }

    #[test]
    fn a_large_table_tells_its_means() {
        let rows = (0..60).map(|n| {
            let score = if n < 30 { Value::Null } else { Value::Int(n) };
            vec![Value::from(format!("r{n}")), score, Value::Bool(n < 15)]
        });
        let columns = [
            ("id", ColumnType::Text),
            ("score", ColumnType::Float),
            ("good", ColumnType::Bool),
        ];
        assert_eq!(
            told(&metrics("s", None, &table(&columns, rows.collect()))),
            ["s.rows = 60", "s.mean.score = 44.5", "s.mean.good = 0.25"]
        );
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, meant) in [
            ("a.b", "a.b", true),
            ("a.b", "a.bc", false),
            ("a.*", "a.b.c", true),
            ("*.c", "a.b.c", true),
            ("a.*.c", "a.b.c", true),
            ("a.*.c", "a.c", false),
            ("a*a", "a", false),
            ("*", "", true),
            ("*b*d*", "a.b.c.d", true),
            ("*d*b*", "a.b.c.d", false),
        ] {
            assert_eq!(is_meant(pattern, name), meant, "{pattern} {name}");
        }
    }
}
