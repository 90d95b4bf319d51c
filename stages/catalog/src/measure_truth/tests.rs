use serde_json::json;

use super::*;
use crate::samples::{self, check, column, rows};
use ccsr_stage::testing::Lab;

#[test]
fn choices_are_measured_against_the_scenes() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let columns = [
        ("candidate", ColumnType::Int),
        ("prompt", ColumnType::Text),
        ("score", ColumnType::Int),
    ];
    let prompt = images.row(0).text("prompt").unwrap();
    let score = |candidate: i64, score: i64| json!({"candidate": candidate, "prompt": prompt, "score": score});
    // The sound elephant and the empty savanna tie; the pair is the former.
    let scores = samples::table(&columns, &[score(0, 8), score(1, 5), score(2, 8)]);
    let pairs = samples::table(&columns, &[score(0, 8)]);
    let tables = [("images", &images), ("scores", &scores), ("pairs", &pairs)];
    let ran = check::<MeasureTruth>(&json!({}), &lab, &tables);
    let third = 0.333_333;
    let row = |selector: &str, n: i64, sound: f64, faithful: f64, both: f64| json!({"selector": selector, "prompts": 1, "n": n, "sound": sound, "faithful": faithful, "both": both});
    assert_eq!(
        rows(ran.table("truth")),
        [
            row("all candidates", 3, 0.666_667, 0.666_667, third),
            row("shortlist", 2, 1.0, 0.5, 0.5),
            row("selected pairs", 1, 1.0, 1.0, 1.0),
            row("best possible", 3, 1.0, 1.0, 1.0),
        ]
    );
    let images = ran.table("images");
    assert_eq!(column(images, "candidate"), json!([0, 1, 2]));
    assert_eq!(column(images, "truth"), json!([1.0, 0.5, 0.5]));
    assert_eq!(column(images, "is_faithful"), json!([true, true, false]));
}

#[test]
fn without_choices_the_images_alone_are_measured() {
    let lab = Lab::new(1);
    let ran = check::<MeasureTruth>(&json!({}), &lab, &[("images", &samples::images(&lab))]);
    assert_eq!(
        samples::column(ran.table("truth"), "selector"),
        json!(["all candidates", "best possible"])
    );
}

#[test]
fn where_nothing_is_known_the_stage_says_so() {
    let stage = samples::build("world.truth", &json!({})).unwrap();
    let columns = [
        ("class", ColumnType::Text),
        ("prompt", ColumnType::Text),
        ("image", ColumnType::Image),
    ];
    let schemas = Schemas::from([("images", Schema::new(columns).into())]);
    assert_eq!(
        stage.outputs(&schemas).unwrap_err().to_string(),
        "the images have no column `scene`: their truth is known only under a suite that simulates \
         its drawer, such as `world`"
    );
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let mut broken = rows(&images);
    broken[0]["scene"] = json!("{}");
    let columns: Vec<_> = images
        .columns()
        .iter()
        .map(|c| (c.name(), c.kind()))
        .collect();
    let broken = samples::table(&columns, &broken);
    let error = samples::run(&lab, "world.truth", &json!({}), &[("images", &broken)]).unwrap_err();
    assert!(
        error.starts_with("candidate 0 of \"Photo of an elephant standing, savanna\": "),
        "{error}"
    );
}
