//! Scores beside those of transformers: `golden/make_clip.py` wrote them.

use std::fs;
use std::path::PathBuf;

use ccsr_nn::golden::Golden;
use ccsr_stage::testing::bind;
use serde_json::json;

use super::*;

pub(crate) const TEXTS: [&str; 3] = ["Photo of an elephant, wow!!!", "A giraffe in the rain", ""];

pub(crate) fn checkpoint() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/stable_diffusion/clip")
}

pub(crate) fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/clip.safetensors");
    Golden::open(path.to_str().unwrap())
}

/// The golden image of this number.
pub(crate) fn image(golden: &Golden, number: usize) -> RgbImage {
    let (levels, shape) = golden.numbers(&format!("image.{number}"));
    let levels = levels.into_iter().map(|level| level as u8).collect();
    RgbImage::from_raw(shape[1] as u32, shape[0] as u32, levels).unwrap()
}

impl Model {
    fn cosines(&self, pairs: &[&(RgbImage, &str)]) -> Vec<f64> {
        let scored = self
            .score(&pairs.iter().map(|pair| (*pair).clone()).collect::<Vec<_>>())
            .unwrap()
            .into_iter();
        scored.map(|scored| scored.cosine).collect()
    }
}

#[test]
fn cosines_are_those_of_transformers() {
    let (golden, model) = (
        golden(),
        Model::load(&checkpoint(), Cleaning::Plain, Device::flex()).unwrap(),
    );
    let long = "an elephant and a giraffe ".repeat(30);
    let texts = TEXTS.into_iter().chain([long.as_str()]);
    let pairs: Vec<_> = texts
        .enumerate()
        .map(|(number, text)| (image(&golden, number), text))
        .collect();
    let together = model.cosines(&pairs.iter().collect::<Vec<_>>());
    for (number, pair) in pairs.iter().enumerate() {
        let expected = f64::from(golden.numbers(&format!("cosine.{number}")).0[0]);
        let found = together[number];
        // Pixels may differ by one level of 255.
        assert!((found - expected).abs() < 2e-3, "{found}, not {expected}");
        let alone = model.cosines(&[pair])[0];
        assert!((found - alone).abs() < 1e-6, "{found}, alone {alone}");
    }
    assert!(model.cosines(&[]).is_empty());
    let scored = model.score(&pairs).unwrap();
    let notes: Vec<_> = scored.iter().map(|scored| scored.note.as_deref()).collect();
    assert_eq!(notes[..3], [None; 3]);
    let note = notes[3].unwrap();
    assert!(
        note.contains("the 77 tokens") && note.contains("does not see \"a giraffe"),
        "{note}"
    );
}

#[test]
fn texts_may_be_cleaned_as_openai_does() {
    let golden = golden();
    let pairs = [
        "\u{201c}an elephant\u{201d} &amp; rain",
        "\"an elephant\" & rain",
    ];
    let pairs = pairs.map(|text| (image(&golden, 0), text));
    let cosines = |cleaning| {
        let model = Model::load(&checkpoint(), cleaning, Device::flex()).unwrap();
        model.cosines(&pairs.each_ref())
    };
    let [plain, openai] = [Cleaning::Plain, Cleaning::OpenAi].map(cosines);
    assert!((plain[0] - plain[1]).abs() > 1e-3, "{plain:?}");
    assert!((openai[0] - openai[1]).abs() < 1e-6, "{openai:?}");
    assert!((plain[1] - openai[1]).abs() < 1e-6, "{plain:?} {openai:?}");
}

#[test]
fn images_that_share_a_text_are_scored_each() {
    let (golden, model) = (
        golden(),
        Model::load(&checkpoint(), Cleaning::Plain, Device::flex()).unwrap(),
    );
    let pair = |number, text| (image(&golden, number), text);
    let pairs = [pair(0, "a"), pair(1, "b"), pair(1, "a"), pair(0, "b")];
    let found = model.cosines(&pairs.iter().collect::<Vec<_>>());
    for (pair, found) in pairs.iter().zip(&found) {
        let alone = model.cosines(&[pair])[0];
        assert!((found - alone).abs() < 1e-6, "{found}, alone {alone}");
    }
    assert!((found[0] - found[3]).abs() > 1e-3 && (found[0] - found[2]).abs() > 1e-3);
}

#[test]
fn a_folder_that_is_no_clip_is_refused_by_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let refused = || {
        let with = json!({"weights": folder.path()});
        bind(&crate::registry(), &[("scorer", "clip", with)]).map(drop)
    };
    let error = refused().unwrap_err();
    assert!(error.contains("config.json"), "{error}");
    fs::write(folder.path().join("config.json"), r#"{"text_config": {}}"#).unwrap();
    let error = refused().unwrap_err();
    assert!(error.contains("has no `vision_config`"), "{error}");
    for name in [
        "config.json",
        "preprocessor_config.json",
        "vocab.json",
        "merges.txt",
    ] {
        if name != "config.json" {
            let error = refused().unwrap_err();
            assert!(error.contains(&format!("has no `{name}`")), "{error}");
        }
        fs::copy(checkpoint().join(name), folder.path().join(name)).unwrap();
    }
    refused().unwrap();
}
