use serde_json::json;

use super::*;
use crate::samples::{self, check};
use ccsr_stage::testing::Lab;

#[test]
fn every_image_is_looked_at_once_and_a_row_is_a_detection() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let ran = check::<DetectObjects>(&json!({}), &lab, &[("images", &images)]);
    assert_eq!(ran.executed.len(), 3);
    let table = ran.table("detections");
    let best = |candidate| {
        let rows = table
            .rows()
            .filter(|row| row.int("candidate").unwrap() == candidate);
        rows.map(|row| row.float("confidence").unwrap())
            .fold(0.0, f64::max)
    };
    assert!(best(0) > 0.3, "a sound elephant is seen");
    assert!(best(2) < best(0), "an empty savanna holds none");
    for row in table.rows() {
        assert_eq!(row.text("label").unwrap(), "elephant");
        assert!(row.float("x0").unwrap() < row.float("x1").unwrap());
        assert!(row.float("y1").unwrap() <= 64.0);
    }
}

#[test]
fn the_floor_and_the_vocabulary_are_what_the_detector_is_given() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let run = |with| samples::run(&lab, "image.detect", &with, &[("images", &images)]).unwrap();
    let all = run(json!({"vocabulary": ["giraffe", "elephant"], "pad_class": true}));
    let words = all.executed[0].input.get("vocabulary").unwrap().to_json();
    assert_eq!(words, json!(["giraffe", "elephant", " "]));
    let sure = run(json!({"floor": 0.2}));
    let table = sure.table("detections");
    assert!(
        table
            .rows()
            .all(|row| row.float("confidence").unwrap() >= 0.2)
    );
    assert!(!table.is_empty());
}

#[test]
fn a_fixed_vocabulary_needs_no_class() {
    let columns = |with| {
        samples::build("image.detect", &with).unwrap().inputs()[0]
            .columns
            .len()
    };
    assert_eq!(columns(json!({})), 3);
    assert_eq!(columns(json!({"vocabulary": ["lion"]})), 2);
}

/// Whether any detection is marked as the class, as something else, and as neither.
fn marked(vocabulary: &serde_json::Value) -> [bool; 3] {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let with = json!({"vocabulary": vocabulary});
    let ran = samples::run(&lab, "image.detect", &with, &[("images", &images)]).unwrap();
    let marks = samples::column(ran.table("detections"), "target");
    let marks = marks.as_array().unwrap();
    [json!(true), json!(false), json!(null)].map(|mark| marks.contains(&mark))
}

#[test]
fn what_was_found_of_the_class_is_marked() {
    assert_eq!(marked(&json!(["{class}s"])), [true, false, false]);
    // So many words that something is taken for one of them.
    let all = ["giraffe", "zebra", "lion", "bear", "cow", "dog", "bird"];
    let with = |more: &'static str| all.into_iter().chain([more]).collect::<Vec<_>>();
    assert_eq!(marked(&json!(with("{class}"))), [true, true, false]);
    assert_eq!(marked(&json!(with("Elephant"))), [true, true, false]);
    assert_eq!(marked(&json!(all)), [false, false, true]);
}

#[test]
fn what_does_not_fit_is_said_where_it_stands() {
    let with = json!({"vocabulary": ["a", "{clas}", "{"], "floor": 1.5});
    let found = samples::misfits::<DetectObjects>(&with);
    let paths: Vec<_> = found
        .iter()
        .filter_map(|text| text.split(':').next())
        .collect();
    assert_eq!(paths, ["floor", "vocabulary.1", "vocabulary.2"]);
}

#[test]
fn what_is_wrong_with_parameters_is_said() {
    let problem = |with: serde_json::Value| samples::build("image.detect", &with).err().unwrap();
    assert_eq!(
        problem(json!({"vocabulary": []})),
        "`vocabulary` is empty; expected at least one word"
    );
    assert_eq!(
        problem(json!({"floor": 2})),
        "`floor: 2` is not from 0 to 1"
    );
    assert_eq!(
        problem(json!({"vocabulary": ["{clas}"]})),
        "`{clas}` stands for nothing; there are `{class}`; did you mean `{class}`?"
    );
}
