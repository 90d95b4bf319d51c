use std::sync::Arc;

use ccsr_stage::Content;
use ccsr_stage::testing::Lab;
use image::Rgb;
use serde_json::json;

use super::*;
use crate::png;
use crate::samples::{self, check};

/// A sure elephant on the first image, an unsure one and a giraffe on the second.
fn detections() -> Arc<Table> {
    let mut columns = vec![
        ("candidate", ColumnType::Int),
        ("label", ColumnType::Text),
        ("target", ColumnType::Bool),
    ];
    columns.extend(["confidence", "x0", "y0", "x1", "y1"].map(|name| (name, ColumnType::Float)));
    let row = |candidate: i64, label: &str, target: bool, confidence: f64| {
        json!({"candidate": candidate, "label": label, "target": target, "confidence": confidence,
               "x0": 10.0, "y0": 30.0, "x1": 40.0, "y1": 50.0})
    };
    let rows = [
        row(0, "elephant", true, 0.9),
        row(1, "elephant", true, 0.2),
        row(1, "giraffe", false, 0.5),
    ];
    samples::table(&columns, &rows)
}

fn pictures(with: &serde_json::Value) -> Vec<(String, image::RgbImage)> {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let stage = samples::build("image.draw-boxes", with).unwrap();
    let tables = [("images", &images), ("detections", &detections())];
    let ran = lab.run(stage.as_ref(), &tables).unwrap();
    let files = stage
        .export("pictures", ran.table("pictures"))
        .unwrap()
        .unwrap();
    let rendered = files.iter().map(|file| match &file.content {
        Content::Rendered(render) => (
            file.path.clone(),
            png::decode(&render(&lab).unwrap()).unwrap(),
        ),
        _ => panic!("a picture is drawn when it is needed"),
    });
    rendered.collect()
}

#[test]
fn a_picture_an_image_says_what_is_on_it() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let tables = [("images", &images), ("detections", &detections())];
    let ran = check::<DrawBoxes>(&json!({}), &lab, &tables);
    assert_eq!(ran.asked, 0);
    let table = ran.table("pictures");
    assert_eq!(
        samples::column(table, "file"),
        json!(["1_elephant-0.png", "1_elephant-1.png", "1_elephant-2.png"])
    );
    assert_eq!(samples::column(table, "boxes"), json!([1, 1, 0]));
    let layout = &samples::rows(table)[1]["layout"];
    assert_eq!(layout["boxes"][0]["found"]["label"], "giraffe");
}

#[test]
fn boxes_are_framed_where_they_were_found() {
    let found = pictures(&json!({"width": 64}));
    let (green, red) = (Rgb([22, 130, 60]), Rgb([200, 60, 40]));
    let (_, elephant) = &found[0];
    assert_eq!(elephant.dimensions(), (64, 64));
    for (x, y) in [(10, 35), (39, 35), (20, 30), (20, 49)] {
        assert_eq!(elephant.get_pixel(x, y), &green, "{x}, {y}");
    }
    assert_eq!(elephant.get_pixel(20, 40), &Rgb([0, 100, 50]), "inside");
    let (_, giraffe) = &found[1];
    assert_eq!(giraffe.get_pixel(10, 35), &red);
    let (_, empty) = &found[2];
    assert!(empty.pixels().all(|pixel| *pixel == Rgb([120, 100, 50])));
}

#[test]
fn small_images_are_enlarged_with_their_boxes() {
    let found = pictures(&json!({"width": 128}));
    let (_, elephant) = &found[0];
    assert_eq!(elephant.dimensions(), (128, 128));
    assert_eq!(elephant.get_pixel(79, 80), &Rgb([22, 130, 60]));
    assert_eq!(elephant.get_pixel(81, 80), &Rgb([0, 100, 50]));
}

#[test]
fn what_is_drawn_can_be_chosen() {
    let counts = |with: serde_json::Value| {
        let lab = Lab::new(1);
        let images = samples::images(&lab);
        let tables = [("images", &images), ("detections", &detections())];
        let ran = samples::run(&lab, "image.draw-boxes", &with, &tables).unwrap();
        samples::column(ran.table("pictures"), "boxes")
    };
    assert_eq!(counts(json!({"min_confidence": 0.1})), json!([1, 2, 0]));
    assert_eq!(
        counts(json!({"min_confidence": 0.1, "most": 1})),
        json!([1, 1, 0])
    );
    assert_eq!(counts(json!({"only_class": true})), json!([1, 0, 0]));
}

#[test]
fn what_is_wrong_is_said() {
    let with = json!({"min_confidence": 2, "most": 0, "width": 0});
    assert_eq!(
        samples::misfits::<DrawBoxes>(&with),
        [
            "min_confidence: `min_confidence: 2` is not from 0 to 1",
            "most: `most: 0` is not from 1 to 300",
            "width: `width: 0` is not from 1 to 4096 pixels",
        ]
    );
}
