//! What a small witness says, beside PyTorch: `golden/make_witness.py` wrote it.

use std::fs;
use std::path::PathBuf;

use ccsr_stage::testing::bind;
use image::Rgb;
use serde_json::{Value as Json, json};

use super::*;

pub(crate) fn checkpoint() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/witness")
}

/// The picture that PyTorch saw.
pub(crate) fn picture() -> RgbImage {
    RgbImage::from_fn(16, 16, |x, y| {
        Rgb([0, 50, 100].map(|channel| ((x * 11 + y * 7 + channel) % 256) as u8))
    })
}

#[test]
fn shares_are_those_of_pytorch() {
    let golden: Json = serde_json::from_str(include_str!("../../golden/witness.json")).unwrap();
    let model = Model::load(&checkpoint(), Device::flex()).unwrap();
    let larger = image::imageops::resize(&picture(), 32, 32, image::imageops::Nearest);
    let said = model.look(&[picture(), larger]).unwrap();
    for fact in Fact::ALL {
        let expected = golden[fact.name()].as_array().unwrap();
        let mut best = 0;
        for (value, expected) in expected.iter().map(|it| it.as_f64().unwrap()).enumerate() {
            let found = said[0].share(fact, value);
            assert!((found - expected).abs() < 2e-6, "{found}, not {expected}");
            if expected > golden[fact.name()][best].as_f64().unwrap() {
                best = value;
            }
        }
        assert_eq!(said[0].likeliest(fact), best);
    }
    assert!(model.look(&[]).unwrap().is_empty());
}

#[test]
fn folders_that_hold_no_witness_of_the_world_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = || {
        let with = json!({"weights": folder.path()});
        let bound = bind(&crate::registry(), &[("witness", "witness", with)]);
        bound.map(drop).unwrap_err()
    };
    assert!(refused().contains("config.json"));
    let config = fs::read_to_string(checkpoint().join("config.json")).unwrap();
    let write = |text: &str| fs::write(folder.path().join("config.json"), text).unwrap();
    write(&config.replace("\"mixed\"", "\"both\""));
    let error = refused();
    assert!(
        error.contains("speaks of other facts than those of the world: `class` with 13 values"),
        "{error}"
    );
    write(&config);
    assert!(refused().contains("has no `model.safetensors`"));
    write("{}");
    assert!(refused().contains("missing field"));
}
