//! Curves that are worked out by hand.

use std::sync::Arc;

use ccsr_stage::Roles;
use ccsr_stage::testing::{Lab, check_kind};
use serde_json::{Value as Json, json};

use super::*;
use crate::samples::{column, files, table};

fn rows(lab: &Lab, rows: &[(&str, &str, [f64; 4], Option<f64>)]) -> Arc<Table> {
    let mut columns = boxed();
    let made = rows
        .iter()
        .map(|(image, label, [x0, y0, x1, y1], confidence)| {
            let image = json!({"$blob": lab.add_blob(image.as_bytes().to_vec()).to_string()});
            let mut row =
                json!({"image": image, "label": label, "x0": x0, "y0": y0, "x1": x1, "y1": y1});
            if let Some(confidence) = confidence {
                row["confidence"] = json!(confidence);
            }
            row
        });
    let made: Vec<Json> = made.collect();
    if rows.iter().any(|(.., confidence)| confidence.is_some()) {
        columns.push(("confidence", ColumnType::Float));
    }
    table(&columns, &made)
}

#[test]
fn the_area_is_that_under_the_best_precision_at_each_recall() {
    let lab = Lab::new(1);
    let square = |left: f64| [left, 0.0, left + 10.0, 10.0];
    let boxes = rows(
        &lab,
        &[
            ("a", "cat", square(0.0), None),
            ("a", "cat", square(40.0), None),
            ("b", "cat", square(0.0), None),
            ("b", "dog", square(20.0), None),
        ],
    );
    let detections = rows(
        &lab,
        &[
            // Right: 8 of 12 in common.
            ("a", "cat", square(2.0), Some(0.9)),
            // Wrong: found already.
            ("a", "cat", square(0.0), Some(0.8)),
            // Wrong: a dog is there.
            ("b", "cat", square(20.0), Some(0.7)),
            // Right.
            ("b", "cat", square(0.0), Some(0.6)),
            // Wrong: 5 of 15 in common; and it is the third that stays unfound.
            ("a", "cat", square(45.0), Some(0.5)),
            ("b", "dog", square(20.0), Some(0.1)),
            ("a", "ghost", square(20.0), Some(0.9)),
        ],
    );
    let ran = check_kind::<MeasureAveragePrecision>(
        &json!({}),
        &files(),
        &Roles::default(),
        &lab,
        &[("detections", &detections), ("boxes", &boxes)],
    );
    let found = ran.table("labels");
    assert_eq!(column(found, "label"), json!(["cat", "dog", null]));
    assert_eq!(column(found, "boxes"), json!([3, 1, 4]));
    assert_eq!(column(found, "detections"), json!([5, 1, 6]));
    // A third at a precision of 1, a third at one of a half.
    let areas = column(found, "average_precision");
    for (found, wanted) in areas.as_array().unwrap().iter().zip([0.5, 1.0, 0.75]) {
        assert!((found.as_f64().unwrap() - wanted).abs() < 1e-6, "{areas}");
    }
}
