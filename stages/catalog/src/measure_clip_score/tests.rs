use std::path::PathBuf;

use ccsr_stage::testing::{Folder, Lab, Ran, bind, check_kind, misfits, node};
use ccsr_stage::{ColumnType, Roles, Table};
use serde_json::{Value as Json, json};

use super::*;
use crate::clip_scorer::tests::{TEXTS, checkpoint, golden, image};
use crate::png;
use crate::samples::{column, table};

fn clip() -> Roles {
    let with = json!({"weights": checkpoint()});
    bind(&crate::registry(), &[("scorer", "clip", with)]).unwrap()
}

fn images(lab: &Lab) -> Arc<Table> {
    let golden = golden();
    let row = |(number, prompt): (usize, &&str)| {
        let blob = lab.add_blob(png::encode(&image(&golden, number)));
        json!({"class": "elephant", "prompt": prompt, "seed": number, "image": blob_cell(blob)})
    };
    let rows: Vec<Json> = TEXTS.iter().enumerate().map(row).collect();
    let columns = [
        ("class", ColumnType::Text),
        ("prompt", ColumnType::Text),
        ("seed", ColumnType::Int),
        ("image", ColumnType::Image),
    ];
    table(&columns, &rows)
}

fn blob_cell(digest: ccsr_stage::Digest) -> Json {
    Value::Blob(digest).to_json()
}

fn run(lab: &Lab, with: &Json, images: &Arc<Table>) -> Ran {
    let kind = crate::registry().kind("eval.clip-score").unwrap().build;
    let stage = kind(Some(&node(with)), &Folder(PathBuf::new()), &clip()).unwrap();
    lab.run(stage.as_ref(), &[("images", images)]).unwrap()
}

#[test]
fn it_keeps_the_contract_of_stages() {
    let (lab, files) = (Lab::new(1), Folder(PathBuf::new()));
    let images = images(&lab);
    let ran =
        check_kind::<MeasureClipScore>(&json!({}), &files, &clip(), &lab, &[("images", &images)]);
    assert_eq!(scores(&ran).len(), 3);
}

fn scores(ran: &Ran) -> Vec<f64> {
    serde_json::from_value(column(ran.table("scores"), "score")).unwrap()
}

#[test]
fn scores_are_those_of_torchmetrics() {
    let lab = Lab::new(1);
    let ran = run(&lab, &json!({"measure": "torchmetrics"}), &images(&lab));
    let expected = golden().numbers("torchmetrics").0;
    for (found, expected) in scores(&ran).into_iter().zip(&expected) {
        assert!(
            (found - f64::from(*expected)).abs() < 0.2,
            "{found}, not {expected}"
        );
    }
    assert_eq!(column(ran.table("scores"), "seed"), json!([0, 1, 2]));
    // Negative ones are 0, positive ones are not.
    assert!(expected[0] == 0.0 && expected[2] > 20.0, "{expected:?}");
}

#[test]
fn another_definition_with_the_same_words_looks_at_nothing_again() {
    let lab = Lab::new(1);
    let images = images(&lab);
    let cosine = run(&lab, &json!({}), &images);
    assert_eq!(cosine.executed.len(), 3);
    let cosines = scores(&cosine);
    assert!(cosines[0] < 0.0 && cosines[2] > 0.2, "{cosines:?}");
    let other = run(&lab, &json!({"measure": "torchmetrics"}), &images);
    assert_eq!(other.executed.len(), 0);
    let clip_s = run(&lab, &json!({"measure": "clip-s"}), &images);
    assert_eq!(clip_s.executed.len(), 3);
    let text = clip_s.executed[1]
        .input
        .get("text")
        .and_then(Value::as_text);
    assert_eq!(text, Some("A photo depicts A giraffe in the rain"));
    let same_words = run(
        &lab,
        &json!({"measure": "clip-s", "text": "{prompt}"}),
        &images,
    );
    assert_eq!(same_words.executed.len(), 0);
    let expected: Vec<f64> = cosines.iter().map(|cosine| 2.5 * cosine.max(0.0)).collect();
    assert_eq!(scores(&same_words), expected);
}

#[test]
fn the_words_may_be_the_class_or_none_of_the_rows() {
    let lab = Lab::new(1);
    let golden = golden();
    let blob = lab.add_blob(png::encode(&image(&golden, 0)));
    let only_images = table(
        &[("image", ColumnType::Image)],
        &[json!({"image": blob_cell(blob)})],
    );
    let ran = run(&lab, &json!({"text": "an elephant"}), &only_images);
    assert_eq!(scores(&ran).len(), 1);
    let ran = run(&lab, &json!({"text": "a photo of {class}"}), &images(&lab));
    let text = ran.executed[0].input.get("text").and_then(Value::as_text);
    assert_eq!(text, Some("a photo of elephant"));
    let found = misfits::<MeasureClipScore>(
        &json!({"text": "{promt}"}),
        &Folder(PathBuf::new()),
        &clip(),
    );
    assert!(found[0].contains("did you mean `{prompt}`"), "{found:?}");
}

#[test]
fn a_table_that_has_scores_already_is_refused() {
    let columns = [("image", ColumnType::Image), ("score", ColumnType::Float)];
    let schema = Arc::new(table(&columns, &[]).schema());
    let stage = MeasureClipScore {
        params: Params::default(),
        scorer: Role::get(&clip(), "scorer").unwrap(),
    };
    let error = stage
        .outputs(&Schemas::from([("images", schema)]))
        .unwrap_err();
    assert!(
        error.to_string().contains("have a column `score`"),
        "{error}"
    );
}
