use ccsr_stage::testing::Lab;
use serde_json::{Value as Json, json};

use super::*;
use crate::clip_scorer::tests::{golden, image};
use crate::png;
use crate::samples::{check, misfits, rows, run, table};

const COLUMNS: [(&str, ColumnType); 2] =
    [("image", ColumnType::Image), ("prompt", ColumnType::Text)];

/// The golden images of these numbers, with captions.
fn images(lab: &Lab, pairs: &[(usize, &str)]) -> Arc<Table> {
    let golden = golden();
    let row = |(number, prompt): &(usize, &str)| {
        let blob = lab.add_blob(png::encode(&image(&golden, *number)));
        json!({"prompt": prompt, "image": {"$blob": blob.to_string()}})
    };
    table(&COLUMNS, &pairs.iter().map(row).collect::<Vec<Json>>())
}

#[test]
fn the_best_of_a_row_and_of_a_column_are_what_is_found() {
    let lab = Lab::new(1);
    let texts = [
        "an elephant",
        "a giraffe in the rain",
        "the sea at night",
        "grass",
    ];
    let all: Vec<(usize, &str)> = (0..9).map(|index| (index % 3, texts[index % 4])).collect();
    let images = images(&lab, &all);
    let with = json!({"among": 4});
    let ran = check::<MeasureRetrieval>(&with, &lab, &[("images", &images)]);
    assert_eq!(ran.asked, 2, "the ninth is left over");
    // What the scorer itself says of every pair.
    let mut wanted = [0, 0];
    for lot in all.chunks_exact(4) {
        let pairs: Vec<(usize, &str)> = lot
            .iter()
            .flat_map(|(image, _)| lot.iter().map(|(_, text)| (*image, *text)))
            .collect();
        let scored = self::images(&lab, &pairs);
        let scored = run(&lab, "eval.clip-score", &json!({}), &[("images", &scored)]).unwrap();
        let scores = rows(scored.table("scores"));
        let score = |image: usize, text: usize| scores[image * 4 + text]["score"].as_f64().unwrap();
        for own in 0..4 {
            let others = || (0..4).filter(|other| *other != own);
            wanted[0] += i64::from(others().all(|other| score(own, own) > score(own, other)));
            let rivals = || others().filter(|other| lot[*other].0 != lot[own].0);
            wanted[1] += i64::from(rivals().all(|other| score(own, own) > score(other, own)));
        }
    }
    let found = rows(ran.table("retrieval"));
    for (row, (name, wanted)) in found
        .iter()
        .zip(["caption", "image"].into_iter().zip(wanted))
    {
        assert_eq!(row["found"], name);
        assert_eq!((&row["among"], &row["count"]), (&json!(4), &json!(8)));
        assert_eq!(row["right"], json!(wanted), "{name}");
    }
}

#[test]
fn the_same_is_no_rival_and_all_others_are() {
    assert!(is_best(&[0.3, 0.3, 0.1], &["a", "a", "b"], 1));
    assert!(!is_best(&[0.3, 0.3, 0.1], &["a", "b", "c"], 1));
    assert!(!is_best(&[0.3, 0.2, 0.1], &["a", "b", "c"], 1));
    assert!(is_best(&[0.1, 0.2, 0.1], &["a", "b", "c"], 1));
}

#[test]
fn too_few_are_refused() {
    let lab = Lab::new(1);
    let images = images(&lab, &[(0, "an elephant"), (1, "a giraffe")]);
    let error = run(&lab, "eval.retrieval", &json!({}), &[("images", &images)]).unwrap_err();
    assert!(
        error.contains("there are 2 images; expected 100 at least"),
        "{error}"
    );
    let found = misfits::<MeasureRetrieval>(&json!({"among": 1}));
    assert!(
        found[0].contains("`among: 1` is not from 2 to 10000"),
        "{found:?}"
    );
}
