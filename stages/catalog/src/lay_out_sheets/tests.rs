use std::sync::Arc;

use ccsr_stage::Content;
use image::Rgb;
use serde_json::json;

use super::*;
use crate::png;
use crate::samples::{self, check};
use ccsr_stage::testing::Lab;

fn scores() -> Arc<Table> {
    let columns = [("candidate", ColumnType::Int), ("score", ColumnType::Int)];
    let row = |candidate: i64| json!({"candidate": candidate, "score": candidate + 6});
    samples::table(&columns, &[row(0), row(1), row(2)])
}

/// A pair: the candidate 1 of the sample images.
fn pairs(images: &Table) -> Arc<Table> {
    let columns = [
        ("candidate", ColumnType::Int),
        ("image", ColumnType::Image),
        ("confidence", ColumnType::Float),
    ];
    let image = images.row(1).value("image").unwrap().to_json();
    samples::table(
        &columns,
        &[json!({"candidate": 1, "image": image, "confidence": 0.875})],
    )
}

fn rendered(file: &ExportFile, lab: &Lab) -> Vec<u8> {
    match &file.content {
        Content::Rendered(render) => render(lab).unwrap(),
        _ => panic!("a sheet is drawn when it is needed"),
    }
}

#[test]
fn a_sheet_says_what_is_on_it() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let tables = [
        ("images", &images),
        ("scores", &scores()),
        ("pairs", &pairs(&images)),
    ];
    let ran = check::<LayOutSheets>(&json!({}), &lab, &tables);
    assert_eq!(ran.asked, 0);
    let rows = samples::rows(ran.table("sheets"));
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["file"], "1_elephant.png");
    let cell = &rows[0]["layout"]["cells"][1];
    assert_eq!(
        (&cell["score"], &cell["chosen"], &cell["confidence"]),
        (&json!(7), &json!(true), &json!(0.875))
    );
    assert_eq!(rows[0]["layout"]["cells"][0].get("chosen"), None);
}

/// Images that differ in nothing else are told apart by the adapter's scale, and each scale has a row.
#[test]
fn a_sheet_says_the_scale_of_the_adapter() {
    let lab = Lab::new(1);
    let columns = [
        ("prompt", ColumnType::Text),
        ("scale", ColumnType::Float),
        ("image", ColumnType::Image),
    ];
    let images = samples::images(&lab);
    let image = images.row(0).value("image").unwrap().to_json();
    let drawn = |scale: f64| json!({"prompt": "an elephant", "scale": scale, "image": image});
    let scales = [0.0, 0.0, 0.0, 0.4, 0.4, 0.4];
    let images = samples::table(&columns, &scales.map(drawn));
    let stage = samples::build("image.grid", &json!({"columns": 2})).unwrap();
    let ran = check::<LayOutSheets>(&json!({"columns": 2}), &lab, &[("images", &images)]);
    let rows = samples::rows(ran.table("sheets"));
    assert_eq!(rows.len(), 1);
    let said = [0, 1, 2, 3, 4, 5].map(|cell| rows[0]["layout"]["cells"][cell]["scale"].clone());
    assert_eq!(said, scales.map(|scale| json!(scale)));
    let files = stage
        .export("sheets", ran.table("sheets"))
        .unwrap()
        .unwrap();
    let sheet = png::decode(&rendered(&files[0], &lab)).unwrap();
    // Two and one of the first, two and one of the second.
    let paper = *sheet.get_pixel(0, 0);
    let row = |row: u32| sheet.get_pixel(12 + 192 + 12 + 96, sheet.height() - (4 - row) * 222 + 96);
    let shown = [0, 1, 2, 3].map(|number| *row(number) != paper);
    assert_eq!(shown, [true, false, true, false]);
}

#[test]
fn sheets_are_drawn_with_images_captions_and_a_frame() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let tables = [
        ("images", &images),
        ("scores", &scores()),
        ("pairs", &pairs(&images)),
    ];
    let stage = samples::build("image.grid", &json!({"columns": 2})).unwrap();
    let ran = lab.run(stage.as_ref(), &tables).unwrap();
    let files = stage
        .export("sheets", ran.table("sheets"))
        .unwrap()
        .unwrap();
    assert_eq!(files[0].path, "1_elephant.png");
    let bytes = rendered(&files[0], &lab);
    assert_eq!(bytes, rendered(&files[0], &lab));
    let sheet = png::decode(&bytes).unwrap();
    // Two columns of images enlarged from 64 to 192 pixels, three gaps.
    assert_eq!(sheet.width(), 2 * 192 + 3 * 12);
    let green = Rgb([22, 130, 60]);
    assert!(sheet.pixels().filter(|pixel| **pixel == green).count() > 3000);
    // The images themselves: the first, the second, and the third in the next row.
    let has =
        |colour: [u8; 3]| sheet.pixels().filter(|pixel| pixel.0 == colour).count() == 192 * 192;
    assert!(has([0, 100, 50]) && has([60, 100, 50]) && has([120, 100, 50]));
}

#[test]
fn a_sheet_is_drawn_again_when_something_on_it_changes() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let stage = samples::build("image.grid", &json!({})).unwrap();
    let identity = |tables: &[(&'static str, &Arc<Table>)]| {
        let ran = lab.run(stage.as_ref(), tables).unwrap();
        stage
            .export("sheets", ran.table("sheets"))
            .unwrap()
            .unwrap()[0]
            .identity
    };
    let plain = identity(&[("images", &images)]);
    assert_eq!(plain, identity(&[("images", &images)]));
    assert_ne!(
        plain,
        identity(&[("images", &images), ("scores", &scores())])
    );
}

#[test]
fn images_without_a_prompt_are_one_sheet() {
    let lab = Lab::new(1);
    let columns = [("image", ColumnType::Image)];
    let images = samples::table(&columns, &samples::rows(&samples::images(&lab)));
    let ran = check::<LayOutSheets>(&json!({}), &lab, &[("images", &images)]);
    assert_eq!(
        samples::column(ran.table("sheets"), "file"),
        json!(["1.png"])
    );
}

#[test]
fn what_is_wrong_is_said() {
    let problem = |with: serde_json::Value| samples::build("image.grid", &with).err().unwrap();
    assert_eq!(
        problem(json!({"columns": 0})),
        "`columns: 0` is not from 1 to 100"
    );
    assert_eq!(
        problem(json!({"cell": 0})),
        "`cell: 0` is not from 1 to 4096 pixels"
    );
    assert_eq!(
        samples::misfits::<LayOutSheets>(&json!({"columns": 101, "cell": 5000})),
        [
            "columns: `columns: 101` is not from 1 to 100",
            "cell: `cell: 5000` is not from 1 to 4096 pixels"
        ]
    );
}
