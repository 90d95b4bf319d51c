//! Detections beside those of ultralytics: `golden/make_detector.py` wrote them.

use std::fs;
use std::path::PathBuf;

use ccsr_stage::testing::bind;
use serde_json::{Value as Json, json};

use super::*;

const WORDS: [&str; 2] = ["elephant", "giraffe"];

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/self_reward")
        .join(name)
}

fn model() -> Model {
    Model::load(
        &example("detector"),
        &example("text_encoder"),
        &Device::flex(),
    )
    .unwrap()
}

fn look(picture: &str, words: &[&str]) -> Look {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/llava");
    Look {
        image: png::decode(&fs::read(path.join(picture)).unwrap()).unwrap(),
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        floor: 0.01,
    }
}

#[test]
fn detections_are_those_of_ultralytics() {
    let golden: Json = serde_json::from_str(include_str!("../../golden/detector.json")).unwrap();
    let model = model();
    for (case, expected) in golden.as_object().unwrap() {
        let (picture, size) = case.split_once(' ').unwrap();
        let found = model
            .look(&[look(picture, &WORDS)], size.parse().ok(), 0.7)
            .unwrap();
        let expected = expected.as_array().unwrap();
        assert!(expected.len() > 5, "{case} says little");
        assert_eq!(found[0].len(), expected.len(), "{case}");
        for (found, expected) in found[0].iter().zip(expected) {
            assert_eq!(found.label, expected["label"], "{case}");
            let near = |found: f64, expected: &Json, most: f64| {
                let expected = expected.as_f64().unwrap();
                assert!(
                    (found - expected).abs() < most,
                    "{case}: {found}, not {expected}"
                );
            };
            near(found.confidence, &expected["confidence"], 1e-4);
            let sides = [found.x0, found.y0, found.x1, found.y1];
            for (side, found) in sides.into_iter().enumerate() {
                near(found, &expected["box"][side], 1e-3);
            }
        }
    }
}

#[test]
fn a_vocabulary_is_encoded_once_and_all_of_it_counts() {
    let model = model();
    let words = WORDS.map(str::to_owned);
    let one = model.vocabulary(&words).unwrap();
    assert!(Arc::ptr_eq(&one, &model.vocabulary(&words).unwrap()));
    assert!(!Arc::ptr_eq(&one, &model.vocabulary(&words[..1]).unwrap()));
    let found = |words: &[&str]| {
        let found = model
            .look(&[look("square.png", words)], Some(128), 0.7)
            .unwrap();
        found.concat()
    };
    let elephants = |found: &[Found]| -> Vec<Found> {
        let of = |found: &&Found| found.label == "elephant";
        found.iter().filter(of).cloned().collect()
    };
    let (alone, among) = (found(&["elephant"]), found(&["elephant", "giraffe"]));
    assert_ne!(elephants(&alone), elephants(&among));
}

#[test]
fn folders_and_settings_that_are_none_are_refused_before_anything_runs() {
    let empty = tempfile::tempdir().unwrap();
    let refused = |with: Json| {
        let bound = bind(&crate::registry(), &[("detector", "yolo-world", with)]);
        bound.map(drop).unwrap_err()
    };
    let (detector, text) = (example("detector"), example("text_encoder"));
    let error = refused(json!({"weights": empty.path(), "text_encoder": text}));
    assert!(error.contains("`ccsr-flow models convert`"), "{error}");
    let error = refused(json!({"weights": detector, "text_encoder": empty.path()}));
    assert!(
        error.contains("has no `config.json`; expected CLIP ViT-B/32"),
        "{error}"
    );
    let both = |size: Json, overlap: Json| {
        refused(
            json!({"weights": detector, "text_encoder": text, "size": size, "overlap": overlap}),
        )
    };
    assert!(both(json!(100), json!(0.7)).contains("`size: 100` is no multiple of 32"));
    assert!(both(json!(0), json!(0.7)).contains("`size: 0` is not from 32 to 4096 pixels"));
    assert!(both(json!(64), json!(7)).contains("`overlap: 7` is not from 0 to 1"));
}
