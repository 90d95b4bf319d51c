use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::samples::{self, check};
use ccsr_stage::testing::Lab;

fn file(name: &str, content: &[u8]) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path.to_string_lossy().into_owned())
}

/// The rows of a file, read with these further parameters.
fn read(name: &str, content: &str, with: &serde_json::Value) -> Vec<serde_json::Value> {
    let (_folder, path) = file(name, content.as_bytes());
    let mut with = with.clone();
    with["path"] = json!(path);
    let ran = check::<ImportTable>(&with, &Lab::new(1), &[]);
    samples::rows(ran.table("table"))
}

/// What is said about a file when the pipeline is checked, without the file's path.
fn problem(name: &str, content: &[u8], with: &serde_json::Value) -> String {
    let (folder, path) = file(name, content);
    let mut with = with.clone();
    with["path"] = json!(path);
    let error = samples::build("table.import", &with).err().unwrap();
    let (at, problem) = error.split_once(": ").unwrap();
    assert_eq!(Path::new(at), folder.path().join(name));
    problem.to_owned()
}

#[test]
fn csv_is_text_unless_typed() {
    let csv = "\u{feff}image, answer,score,note\n1,yes,2.5,\"a, b\"\n2,no,,\n";
    assert_eq!(
        read("a.csv", csv, &json!({"columns": {"score": "float"}})),
        [
            json!({"image": "1", "answer": "yes", "score": 2.5, "note": "a, b"}),
            json!({"image": "2", "answer": "no", "score": null, "note": ""}),
        ]
    );
    let typed = json!({"columns": {"n": "int", "b": "bool", "j": "json"}, "format": "csv"});
    assert_eq!(
        read("a.txt", "n,b,j\n 7 ,true,\"[1, 2]\"\n", &typed),
        [json!({"n": 7, "b": true, "j": [1, 2]})]
    );
}

#[test]
fn jsonl_columns_have_the_type_that_fits_their_values_and_keep_their_order() {
    let jsonl = "{\"z\": null, \"a\": 1, \"t\": \"x\"}\n\n{\"z\": 1, \"a\": 2.5, \"new\": [1]}\n";
    let (_folder, path) = file("a.jsonl", jsonl.as_bytes());
    let stage = samples::build("table.import", &json!({"path": path})).unwrap();
    let ports = stage.outputs(&Schemas::new()).unwrap();
    let columns: Vec<_> = ports[0].schema.columns().collect();
    assert_eq!(
        columns,
        [
            ("z", ColumnType::Int),
            ("a", ColumnType::Float),
            ("t", ColumnType::Text),
            ("new", ColumnType::Json),
        ]
    );
    assert_eq!(
        read("a.jsonl", jsonl, &json!({})),
        [
            json!({"z": null, "a": 1, "t": "x", "new": null}),
            json!({"z": 1, "a": 2.5, "t": null, "new": [1]}),
        ]
    );
}

#[test]
fn text_is_a_value_a_line() {
    let text = "# prompts\n\n  a photo \nanother # one\n";
    assert_eq!(
        read("prompts.txt", text, &json!({})),
        [
            json!({"prompt": "a photo"}),
            json!({"prompt": "another # one"})
        ]
    );
    assert_eq!(
        read(
            "n.txt",
            "3\n",
            &json!({"column": "n", "columns": {"n": "int"}})
        ),
        [json!({"n": 3})]
    );
}

#[test]
fn mistakes_are_found_when_the_pipeline_is_checked_with_their_lines() {
    let csv = |content: &str, with| problem("a.csv", content.as_bytes(), &with);
    let none = || json!({});
    assert_eq!(
        csv("a,b\n1,2\n\n1\n", none()),
        "line 4 has 1 cells, the header has 2"
    );
    assert_eq!(
        csv("", none()),
        "the file is empty; its first line should name the columns"
    );
    assert_eq!(csv("a,\n", none()), "column 2 has no name");
    assert_eq!(csv("a,a\n", none()), "two columns are called `a`");
    assert_eq!(
        csv("a\nseven\n", json!({"columns": {"a": "int"}})),
        "line 2, column `a`: expected whole numbers, found `seven`"
    );
    assert_eq!(
        csv("score\n1\n", json!({"columns": {"scores": "int"}})),
        "there is no column `scores`; the file has score; did you mean `score`?"
    );
    assert_eq!(
        problem("a.csv", b"a\n\xff\n", &none()),
        "line 2 is not UTF-8 text"
    );
    let jsonl = |content: &str, with| problem("a.jsonl", content.as_bytes(), &with);
    assert_eq!(
        jsonl("{}\n[1]\n", none()),
        "line 2 is not a JSON object: invalid type: sequence, expected `{…}`"
    );
    assert_eq!(
        jsonl("{\"a\": }\n", none()),
        "line 1 is not a JSON object: expected value (character 7)"
    );
    assert_eq!(
        jsonl("{\"a\": 1, \"a\": 2}\n", none()),
        "line 1 has `a` twice"
    );
    assert_eq!(
        jsonl(
            "{\"a\": 1}\n{\"a\": \"x\"}\n",
            json!({"columns": {"a": "float"}})
        ),
        "line 2, column `a`: expected numbers, found `\"x\"`"
    );
    assert_eq!(
        jsonl("{\"a\": 18446744073709551615}\n", none()),
        "line 1, column `a`: 18446744073709551615 does not fit in 64 bits with sign"
    );
}

#[test]
fn a_quote_that_never_closes_is_found_where_it_opens() {
    let csv = |content: &str| problem("a.csv", content.as_bytes(), &json!({}));
    let opens = |line: u32| format!("the quote that opens in line {line} is never closed");
    assert_eq!(csv("a,b\n1,2\n\n3,\"4\n5,6\n7,8\n"), opens(4));
    assert_eq!(csv("a,b\n\"1\n5,6\n"), opens(2));
    assert_eq!(csv("a,\"b\n1,2\n"), opens(1));
    assert_eq!(csv("a,b\n\"x\ny\",\"z\"\"\n"), opens(3));
    let fine = "a,b\n\"x\n\"\"y\"\"\",5\" wide\n\"1\"2,\"\"";
    assert_eq!(
        read("a.csv", fine, &json!({})),
        [
            json!({"a": "x\n\"y\"", "b": "5\" wide"}),
            json!({"a": "12", "b": ""})
        ]
    );
}

#[test]
fn what_does_not_fit_is_said_where_it_stands() {
    let found = |content: &str, with: &serde_json::Value| {
        let (_folder, path) = file("a.csv", content.as_bytes());
        let mut with = with.clone();
        with["path"] = json!(path);
        let found = samples::misfits::<ImportTable>(&with);
        let paths = found.iter().filter_map(|misfit| misfit.split(':').next());
        paths.map(str::to_owned).collect::<Vec<_>>()
    };
    let typed = json!({"columns": {"a": "int", "b": "int", "c": "int"}});
    assert_eq!(found("a\n1\n", &typed), ["columns.b", "columns.c"]);
    assert_eq!(found("a,b,c\n1,x,2\n", &typed), ["columns.b"]);
    assert_eq!(found("a,a\n", &typed), ["path"]);
    assert_eq!(found("a\n", &json!({"column": " "})), ["column"]);
}

#[test]
fn a_table_that_changes_after_the_check_is_noticed() {
    let (_folder, path) = file("a.csv", b"a\n1\n");
    let stage = samples::build("table.import", &json!({"path": path})).unwrap();
    std::fs::write(&path, "b\n1\n").unwrap();
    assert_eq!(
        Lab::new(1)
            .run(stage.as_ref(), &[])
            .unwrap_err()
            .to_string(),
        format!("`{path}` changed while it was read; run again")
    );
}

#[test]
fn the_path_is_no_part_of_the_identity() {
    let (_one, first) = file("a.csv", b"a\n");
    let (_two, second) = file("b.csv", b"a\n");
    let identity = |path: &str| {
        samples::build("table.import", &json!({"path": path}))
            .unwrap()
            .identity()
    };
    assert_eq!(identity(&first), identity(&second));
}

#[test]
fn an_empty_column_name_is_refused() {
    let (_folder, path) = file("a.txt", b"");
    assert_eq!(
        samples::build("table.import", &json!({"path": path, "column": " "}))
            .err()
            .unwrap(),
        "`column` is empty; expected a column's name"
    );
}
