use std::sync::Arc;

use ccsr_stage::Content;
use serde_json::json;

use super::*;
use crate::samples::{self, check};
use ccsr_stage::testing::Lab;

/// The pairs of the prompts 1 and 3.
fn pairs(lab: &Lab) -> Arc<Table> {
    let columns = [
        ("class", ColumnType::Text),
        ("prompt", ColumnType::Text),
        ("image", ColumnType::Image),
        ("line", ColumnType::Int),
        ("score", ColumnType::Int),
    ];
    let images = samples::images(lab);
    let row = |line: i64, class: &str| {
        let image = images
            .row(line as usize - 1)
            .value("image")
            .unwrap()
            .to_json();
        json!({"class": class, "prompt": format!("a \"{class}\""), "image": image, "line": line, "score": 8})
    };
    samples::table(&columns, &[row(1, "elephant"), row(3, "Teddy Bear")])
}

fn metadata(files: &[ExportFile]) -> String {
    match &files.last().unwrap().content {
        Content::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        _ => panic!("metadata.jsonl is at hand"),
    }
}

#[test]
fn the_folder_is_an_image_folder_whose_files_keep_the_prompts_numbers() {
    let lab = Lab::new(1);
    let ran = check::<ExportDataset>(&json!({}), &lab, &[("pairs", &pairs(&lab))]);
    let table = ran.table("dataset");
    assert_eq!(
        samples::column(table, "file_name"),
        json!(["1_elephant.png", "3_teddy_bear.png"])
    );
    let stage = samples::build("dataset.export", &json!({})).unwrap();
    let files = stage.export("dataset", table).unwrap().unwrap();
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        ["1_elephant.png", "3_teddy_bear.png", "metadata.jsonl"]
    );
    assert!(
        matches!(files[0].content, Content::Blob(blob) if blob == table.row(0).blob("image").unwrap())
    );
    assert_eq!(
        metadata(&files),
        "{\"file_name\": \"1_elephant.png\", \"text\": \"a \\\"elephant\\\"\"}\n\
         {\"file_name\": \"3_teddy_bear.png\", \"text\": \"a \\\"Teddy Bear\\\"\"}\n"
    );
}

#[test]
fn fields_may_be_renamed_and_added() {
    let lab = Lab::new(1);
    let with = json!({"text_field": "caption", "extra_columns": ["score"]});
    let ran = check::<ExportDataset>(&with, &lab, &[("pairs", &pairs(&lab))]);
    let stage = samples::build("dataset.export", &with).unwrap();
    let files = stage
        .export("dataset", ran.table("dataset"))
        .unwrap()
        .unwrap();
    let first = metadata(&files).lines().next().unwrap().to_owned();
    let fields: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!(
        fields,
        json!({"file_name": "1_elephant.png", "caption": "a \"elephant\"", "score": 8})
    );
}

#[test]
fn what_is_wrong_is_said() {
    let lab = Lab::new(1);
    let pairs = pairs(&lab);
    let outputs = |extra: &str| {
        let stage = samples::build("dataset.export", &json!({"extra_columns": [extra]})).unwrap();
        let schemas = Schemas::from([("pairs", pairs.schema().into())]);
        stage.outputs(&schemas).unwrap_err().to_string()
    };
    assert_eq!(
        outputs("scores"),
        "`extra_columns` names `scores`, which the pairs do not have; they have class, prompt, \
         image, line, score; did you mean `score`?"
    );
    let problem = |with: serde_json::Value| samples::build("dataset.export", &with).err().unwrap();
    assert_eq!(
        problem(json!({"extra_columns": ["text"]})),
        "two fields of the dataset are called `text`"
    );
    assert_eq!(
        problem(json!({"text_field": "image"})),
        "two fields of the dataset are called `image`"
    );
    let mut rows = samples::rows(&pairs);
    rows[1] = rows[0].clone();
    let columns: Vec<_> = pairs
        .columns()
        .iter()
        .map(|c| (c.name(), c.kind()))
        .collect();
    let twice = samples::table(&columns, &rows);
    assert_eq!(
        samples::run(&lab, "dataset.export", &json!({}), &[("pairs", &twice)]).unwrap_err(),
        "two pairs would be written to `1_elephant.png`: their `line` and `class` are the same"
    );
}
