use std::sync::Arc;

use ccsr_stage::testing::Lab;
use serde_json::{Value as Json, json};

use super::*;
use crate::samples::{self, check};

/// Two prompts about elephants and one about a giraffe, two images each.
fn images(lab: &Lab) -> Arc<Table> {
    let columns = [
        ("class", ColumnType::Text),
        ("prompt", ColumnType::Text),
        ("candidate", ColumnType::Int),
        ("image", ColumnType::Image),
        ("number", ColumnType::Int),
    ];
    let prompts = [
        ("elephant", "two elephants"),
        ("elephant", "a herd of elephants"),
        ("giraffe", "a giraffe"),
    ];
    let image = lab.add_blob(crate::png::encode(&image::RgbImage::new(8, 8)));
    let row = |(class, prompt): (&str, &str), candidate: i64| {
        json!({"class": class, "prompt": prompt, "candidate": candidate, "number": 3,
               "image": {"$blob": image.to_string()}})
    };
    let rows: Vec<Json> = prompts
        .into_iter()
        .flat_map(|prompt| [row(prompt, 0), row(prompt, 1)])
        .collect();
    samples::table(&columns, &rows)
}

/// Of the first prompt's images two elephants and one; of the second's three, and none that is sure; of the giraffe's
/// one, and none but a tree.
fn detections() -> Arc<Table> {
    let columns = [
        ("prompt", ColumnType::Text),
        ("candidate", ColumnType::Int),
        ("target", ColumnType::Bool),
        ("confidence", ColumnType::Float),
    ];
    let row = |(prompt, candidate, target, confidence): (&str, i64, bool, f64)| json!({"prompt": prompt, "candidate": candidate, "target": target, "confidence": confidence});
    let herd = "a herd of elephants";
    let rows = [
        ("two elephants", 0, true, 0.9),
        ("two elephants", 0, true, 0.25),
        ("two elephants", 1, true, 0.9),
        (herd, 0, true, 0.9),
        (herd, 0, true, 0.8),
        (herd, 0, true, 0.7),
        (herd, 1, true, 0.2),
        ("a giraffe", 0, true, 0.5),
        ("a giraffe", 1, false, 0.9),
    ];
    samples::table(&columns, &rows.map(row))
}

#[test]
fn classes_that_are_shown_and_counts_that_are_right() {
    let lab = Lab::new(1);
    let tables = [("images", &images(&lab)), ("detections", &detections())];
    let ran = check::<MeasureDetection>(&json!({}), &lab, &tables);
    assert_eq!(ran.asked, 0);
    let of_images = ran.table("images");
    let column = |name| samples::column(of_images, name);
    assert_eq!(column("found"), json!([2, 1, 3, 0, 1, 0]));
    assert_eq!(column("wanted"), json!([2, 2, null, null, 1, 1]));
    assert_eq!(
        column("right"),
        json!([true, false, null, null, true, false])
    );
    let shares = samples::rows(ran.table("shares"));
    let part = |row: usize, names: [&str; 4]| names.map(|name| shares[row][name].clone());
    let names = ["class", "images", "shown", "counted"];
    assert_eq!(
        part(0, names),
        [json!("elephant"), json!(4), json!(0.75), json!(2)]
    );
    assert_eq!(
        part(1, names),
        [json!("giraffe"), json!(2), json!(0.5), json!(2)]
    );
    assert_eq!(
        part(2, names),
        [json!(null), json!(6), json!(0.666_667), json!(4)]
    );
    // As statsmodels' `proportion_confint(3, 4, method="wilson")` has it.
    let names = ["shown_low", "shown_high", "right", "right_low"];
    assert_eq!(part(0, names)[..2], [json!(0.300_642), json!(0.954_413)]);
}

#[test]
fn thresholds_and_columns_decide_anew() {
    let lab = Lab::new(1);
    let found = |with: Json| {
        let tables = [("images", &images(&lab)), ("detections", &detections())];
        let ran = samples::run(&lab, "eval.detect", &with, &tables).unwrap();
        let column = |name| samples::column(ran.table("images"), name);
        (column("found"), column("right"))
    };
    let (counts, _) = found(json!({"min_confidence": 0.5}));
    assert_eq!(counts, json!([1, 1, 3, 0, 1, 0]));
    let (_, right) = found(json!({"wanted": "number"}));
    assert_eq!(right, json!([false, false, true, false, false, false]));
}

#[test]
fn classes_that_were_not_looked_for_cannot_be_counted() {
    let lab = Lab::new(1);
    let mut rows = samples::rows(&detections());
    rows[0]["target"] = Json::Null;
    let columns = [
        ("prompt", ColumnType::Text),
        ("candidate", ColumnType::Int),
        ("target", ColumnType::Bool),
        ("confidence", ColumnType::Float),
    ];
    let detections = samples::table(&columns, &rows);
    let tables = [("images", &images(&lab)), ("detections", &detections)];
    let problem = samples::run(&lab, "eval.detect", &json!({}), &tables)
        .err()
        .unwrap();
    assert!(
        problem.contains("put `{class}` into the `vocabulary`"),
        "{problem}"
    );
    let misfits = samples::misfits::<MeasureDetection>(&json!({"min_confidence": -1}));
    assert_eq!(
        misfits,
        ["min_confidence: `min_confidence: -1` is not from 0 to 1"]
    );
}
