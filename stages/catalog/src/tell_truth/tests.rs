use ccsr_stage::testing::{Lab, Ran, check_kind, messages, node};
use image::{Rgb, RgbImage};
use serde_json::{Value as Json, json};

use super::*;
use crate::fakes;
use crate::png;
use crate::samples::{self, column, files, rows, table};

/// An image of which the fake sees these values.
fn image(lab: &Lab, [class, count, colour, sound]: [u8; 4]) -> Json {
    let mut picture = RgbImage::new(8, 8);
    picture.put_pixel(0, 0, Rgb([class, count, colour]));
    picture.put_pixel(1, 0, Rgb([sound, 0, 0]));
    let image = lab.add_blob(png::encode(&picture));
    json!({"$blob": image.to_string()})
}

/// Two grey elephants without defect, and three with one, for each of these prompts.
fn images(lab: &Lab, prompts: &[&str]) -> Arc<Table> {
    let columns = [("prompt", ColumnType::Text), ("image", ColumnType::Image)];
    let seen = [[0, 2, 0, 1], [0, 3, 0, 0]].map(|seen| image(lab, seen));
    let row = |prompt: &&str, image: &Json| json!({"prompt": prompt, "image": image});
    let rows = prompts
        .iter()
        .flat_map(|prompt| [row(prompt, &seen[0]), row(prompt, &seen[1])]);
    table(&columns, &rows.collect::<Vec<_>>())
}

fn run(lab: &Lab, manner: &str, images: &Arc<Table>) -> Result<Ran, StageError> {
    let kind = crate::registry().kind("image.truth").unwrap().build;
    let stage = kind(Some(&node(&json!({}))), &files(), &fakes::witness(manner));
    lab.run(
        stage.map_err(messages).unwrap().as_ref(),
        &[("images", images)],
    )
}

#[test]
fn images_are_as_their_prompts_ask_or_not() {
    let lab = Lab::new(1);
    let images = images(
        &lab,
        &["two grey elephants, savanna", "three brown elephants"],
    );
    let (files, witness) = (files(), fakes::witness(""));
    let tables = [("images", &images)];
    let ran = check_kind::<TellTruth>(&json!({}), &files, &witness, &lab, &tables);
    assert_eq!(ran.executed.len(), 2, "an image is looked at once");
    let found = rows(ran.table("truth"));
    let holds = |row: usize| {
        let names = [
            "is_sound",
            "class_right",
            "count_right",
            "colour_right",
            "is_right",
        ];
        names.map(|name| found[row][name].as_bool().unwrap())
    };
    assert_eq!(holds(0), [true, true, true, true, true]);
    assert_eq!(holds(1), [false, true, false, true, false]);
    assert_eq!(holds(2), [true, true, false, false, false]);
    assert_eq!(holds(3), [false, true, true, false, false]);
    let number = |row: usize, name: &str| found[row][name].as_f64().unwrap();
    let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-5, "{found}");
    near(number(0, "truth"), 0.9_f64.powi(4));
    near(number(1, "truth"), 0.1 * 0.9 * 0.1 / 6.0 * 0.9);
    near(number(2, "colour_fits"), 0.1 / 14.0);
    near(number(3, "sound"), 0.1);
    assert_eq!(
        column(ran.table("truth"), "seen_count"),
        json!([2, 3, 2, 3])
    );
    assert_eq!(
        (&found[0]["seen_class"], &found[0]["seen_colour"]),
        (&json!("elephant"), &json!("grey"))
    );
    assert_eq!(
        column(ran.table("truth"), "prompt"),
        column(&images, "prompt")
    );
}

#[test]
fn what_a_prompt_leaves_open_is_right_and_another_prompt_looks_at_nothing_again() {
    let lab = Lab::new(1);
    let first = run(&lab, "", &images(&lab, &["a grey elephant"])).unwrap();
    assert_eq!(first.executed.len(), 2);
    let open = run(&lab, "", &images(&lab, &["a quiet evening by the sea"])).unwrap();
    assert_eq!(open.executed.len(), 0);
    let found = column(open.table("truth"), "is_right");
    assert_eq!(
        found,
        json!([true, false]),
        "but a defect is wrong whatever is asked"
    );
    let truth = column(open.table("truth"), "truth");
    assert!((truth[0].as_f64().unwrap() - 0.9).abs() < 1e-9);
    // More than can be counted is never right.
    let many = run(&lab, "", &images(&lab, &["20 elephants"])).unwrap();
    assert_eq!(column(many.table("truth"), "count_fits"), json!([0.0, 0.0]));
}

#[test]
fn what_cannot_be_said_is_an_error() {
    let lab = Lab::new(1);
    let error = run(&lab, "broken", &images(&lab, &["elephants"])).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("speaks of 1 values of `class`, expected 13"),
        "{error}"
    );
    let columns = [
        ("prompt", ColumnType::Text),
        ("image", ColumnType::Image),
        ("is_sound", ColumnType::Bool),
    ];
    let rendered = table(&columns, &[]);
    let error = run(&lab, "", &rendered).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the images have a column `is_sound`"),
        "{error}"
    );
    let empty = run(&lab, "", &images(&lab, &[])).unwrap();
    assert_eq!(empty.table("truth").len(), 0);
}

#[test]
fn a_trained_witness_takes_the_role() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let ran = samples::run(&lab, "image.truth", &json!({}), &[("images", &images)]).unwrap();
    assert_eq!(ran.executed.len(), 3);
    for row in rows(ran.table("truth")) {
        let truth = row["truth"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&truth));
        assert_eq!(
            row["scene"].as_str().map(|scene| scene.starts_with('{')),
            Some(true)
        );
    }
}
