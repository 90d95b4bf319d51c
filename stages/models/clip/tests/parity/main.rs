//! Our CLIP beside that of transformers: `make_golden.py` wrote what theirs computed.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where it stopped"
)]

use std::path::PathBuf;

use burn::prelude::*;
use ccsr_clip::{
    Cleaning, ClipConfig, Padding, Preprocessor, PreprocessorConfig, TextConfig, Tokenizer,
    load_clip, load_text, load_text_tower, load_vision,
};
use ccsr_nn::golden::{Golden, error};
use ccsr_nn::keys_of;
use image::RgbImage;
use serde_json::Value as Json;

/// The largest error, relative to the largest number (binary32).
const TOLERANCE: f64 = 1e-4;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parity/golden")
        .join(name)
}

fn expected() -> Golden {
    Golden::open(path("expected.safetensors").to_str().unwrap())
}

#[track_caller]
fn near<const D: usize>(found: &Tensor<D>, expected: &Golden, name: &str) {
    let error = error(found, &expected.tensor(name, &Device::flex()));
    assert!(error <= TOLERANCE, "{name} is off by {error}");
}

#[test]
fn text_towers_are_those_of_transformers() {
    let (device, expected) = (Device::flex(), expected());
    let tokens = expected.whole::<2>("tokens", &device);
    for name in ["text-gelu", "text-quick_gelu"] {
        let (model, _) = load_text(&path(name), &device).unwrap();
        let hidden = model.forward(tokens.clone());
        near(&hidden, &expected, &format!("{name}.hidden"));
        let pooled = model.pool(hidden, tokens.clone());
        near(&pooled, &expected, &format!("{name}.pooled"));
    }
}

#[test]
fn the_text_tower_of_a_whole_clip_is_a_text_encoder() {
    let (device, expected) = (Device::flex(), expected());
    let tokens = expected.whole::<2>("clip.tokens", &device);
    let (encoder, config) = load_text(&path("clip"), &device).unwrap();
    let (tower, towers) = load_text_tower(&path("clip"), &device).unwrap();
    assert_eq!(config.hidden_size, towers.text_config.hidden_size);
    let (found, wanted) = (encoder.forward(tokens.clone()), tower.forward(tokens));
    assert_eq!(found.into_data(), wanted.into_data());
}

#[test]
fn both_towers_are_those_of_transformers() {
    let (device, expected) = (Device::flex(), expected());
    let (clip, _) = load_clip(&path("clip"), &device).unwrap();
    let pixels = expected.tensor::<4>("pixels", &device);
    let text = clip.text_features(expected.whole("clip.tokens", &device));
    near(&text, &expected, "clip.text_features");
    near(
        &clip.image_features(pixels.clone()),
        &expected,
        "clip.image_features",
    );
    let (temperature, _) = expected.numbers("clip.temperature");
    assert!((clip.temperature() / f64::from(temperature[0]) - 1.0).abs() < 1e-5);

    let (vision, _) = load_vision(&path("clip"), &device).unwrap();
    let output = vision.forward(pixels.clone());
    near(&output.hidden, &expected, "clip.vision.hidden");
    near(&output.pooled, &expected, "clip.vision.pooled");
    near(
        &vision.features(pixels, -2),
        &expected,
        "clip.vision.second_last",
    );
}

#[test]
fn a_batch_is_its_samples() {
    let (device, expected) = (Device::flex(), expected());
    let (clip, _) = load_clip(&path("clip"), &device).unwrap();
    let pixels = expected.tensor::<4>("pixels", &device);
    let together: Vec<f32> = clip
        .image_features(pixels.clone())
        .into_data()
        .try_to_vec()
        .unwrap();
    let one = |index: usize| {
        let alone = pixels.clone().slice(index..=index);
        clip.image_features(alone)
            .into_data()
            .try_to_vec::<f32>()
            .unwrap()
    };
    assert_eq!(together, [one(0), one(1)].concat());
}

#[test]
fn full_size_checkpoints_map_completely() {
    let device = Device::flex();
    let text = keys_of(&TextConfig::stable_diffusion_2().init(&device));
    assert_keys(&text, include_str!("keys/text.keys"));
    let large = keys_of(&ClipConfig::large_14().init(&device));
    assert_keys(&large, include_str!("keys/clip_L14.keys"));
    let base = keys_of(&ClipConfig::base_16().init(&device));
    assert_keys(&base, include_str!("keys/clip_B16.keys"));
}

/// Holds a network's tensors to a list of a published checkpoint's: `name (3, 4)` a line.
#[track_caller]
fn assert_keys(found: &std::collections::BTreeMap<String, Vec<usize>>, list: &str) {
    let listed = list.lines().filter_map(|line| {
        let (name, shape) = line.split_once(" (")?;
        let numbers = shape.trim_end_matches(')').split(',').map(str::trim);
        let mut shape: Vec<usize> = numbers.filter_map(|number| number.parse().ok()).collect();
        if shape.is_empty() {
            // A number by itself is a list of one here.
            shape.push(1);
        }
        Some((name.to_owned(), shape))
    });
    let listed: std::collections::BTreeMap<_, _> = listed.collect();
    assert!(listed.len() > 100);
    for (name, shape) in &listed {
        assert_eq!(found.get(name), Some(shape), "{name}");
    }
    let more: Vec<_> = found
        .keys()
        .filter(|name| !listed.contains_key(*name))
        .collect();
    assert!(more.is_empty(), "the checkpoint has no {more:?}");
}

#[test]
fn images_are_fitted_as_pillow_does() {
    let (device, expected) = (Device::flex(), expected());
    let config = PreprocessorConfig {
        size: serde_json::from_str("32").unwrap(),
        crop_size: serde_json::from_str(r#"{"height": 32, "width": 32}"#).unwrap(),
        ..PreprocessorConfig::default()
    };
    let preprocessor = Preprocessor::new(config);
    for name in ["large", "wide", "small", "same"] {
        let (numbers, shape) = expected.numbers(&format!("image.{name}"));
        let bytes = numbers.into_iter().map(|number| number as u8).collect();
        let image = RgbImage::from_raw(shape[1] as u32, shape[0] as u32, bytes).unwrap();
        let found = preprocessor
            .pixels(std::iter::once(&image), &device)
            .into_data()
            .try_to_vec::<f32>()
            .unwrap();
        let (wanted, _) = expected.numbers(&format!("fitted.{name}"));
        assert_eq!(found, wanted, "{name}");
    }
}

/// A folder with the real vocabulary: its words follow from its merges.
fn vocabulary() -> tempfile::TempDir {
    let merges = std::fs::read_to_string(path("merges.txt")).unwrap();
    let shown = (33..127).chain(161..173).chain(174..256);
    let symbols: Vec<char> = shown
        .chain(256..324)
        .map(|code| char::from_u32(code).unwrap())
        .collect();
    let ends = symbols.iter().map(|symbol| format!("{symbol}</w>"));
    let words = symbols.iter().map(char::to_string).chain(ends);
    let merged = merges.lines().skip(1).map(|merge| merge.replace(' ', ""));
    let special = ["<|startoftext|>", "<|endoftext|>"].map(str::to_owned);
    let words = words.chain(merged).chain(special);
    let numbered: serde_json::Map<_, _> = words
        .zip(0..)
        .map(|(word, id)| (word, Json::from(id)))
        .collect();
    assert_eq!(numbered.len(), 49_408);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("vocab.json"),
        Json::from(numbered).to_string(),
    )
    .unwrap();
    std::fs::write(folder.path().join("merges.txt"), merges).unwrap();
    folder
}

#[test]
fn texts_become_the_tokens_of_transformers() {
    let cases: Vec<Json> =
        serde_json::from_slice(&std::fs::read(path("texts.json")).unwrap()).unwrap();
    assert!(cases.len() > 1000);
    for (name, padding) in [("end", 49_407), ("bang", 0)] {
        let folder = vocabulary();
        if name == "bang" {
            let map = r#"{"pad_token": "!", "eos_token": {"content": "<|endoftext|>"}}"#;
            std::fs::write(folder.path().join("special_tokens_map.json"), map).unwrap();
        }
        let tokenizer = Tokenizer::open(folder.path(), 77).unwrap();
        for case in &cases {
            let text = case["text"].as_str().unwrap();
            let mut wanted: Vec<i64> = case[name]
                .as_array()
                .unwrap()
                .iter()
                .map(|id| id.as_i64().unwrap())
                .collect();
            wanted.resize(77, padding);
            let found = tokenizer.tokenise(text, Padding::Checkpoint).unwrap();
            assert_eq!(found.ids, wanted, "{name}: {text:?}");
        }
    }
}

/// The two paddings of the reference differ from where its words and their end are over.
#[test]
fn tokens_are_counted_as_in_transformers() {
    let cases: Vec<Json> =
        serde_json::from_slice(&std::fs::read(path("texts.json")).unwrap()).unwrap();
    let folder = vocabulary();
    let tokenizer = Tokenizer::open(folder.path(), 77).unwrap();
    let padded = |case: &Json, name: &str, padding| {
        let ids = case[name].as_array().unwrap();
        let mut ids: Vec<i64> = ids.iter().map(|id| id.as_i64().unwrap()).collect();
        ids.resize(77, padding);
        ids
    };
    let mut checked = 0;
    for case in &cases {
        let text = case["text"].as_str().unwrap();
        // In one of the two, `!` is padding wherever it stands.
        if text.contains(['!', '！']) {
            continue;
        }
        let (end, bang) = (padded(case, "end", 49_407), padded(case, "bang", 0));
        let same = end.iter().zip(&bang).take_while(|(end, bang)| end == bang);
        assert_eq!(
            tokenizer.count(text).unwrap().min(77),
            same.count(),
            "{text:?}"
        );
        checked += 1;
    }
    assert!(checked > 300, "{checked}");
    assert_eq!(tokenizer.count(&"elephant ".repeat(200)).unwrap(), 202);
}

#[test]
fn texts_are_cleaned_as_openai_does() {
    let cases: Vec<Json> =
        serde_json::from_slice(&std::fs::read(path("cleaned.json")).unwrap()).unwrap();
    assert!(cases.len() > 30);
    let folder = vocabulary();
    let tokenizer = Tokenizer::open(folder.path(), 77).unwrap();
    let tokenizer = tokenizer.with_cleaning(Cleaning::OpenAi);
    for case in &cases {
        let text = case["text"].as_str().unwrap();
        let ids = case["ids"].as_array().unwrap();
        let mut wanted: Vec<i64> = ids.iter().map(|id| id.as_i64().unwrap()).collect();
        wanted.resize(77, 0);
        let found = tokenizer.tokenise(text, Padding::Zero).unwrap();
        assert_eq!(found.ids, wanted, "{text:?}");
    }
}

#[test]
fn what_is_cut_off_is_told() {
    let folder = vocabulary();
    let tokenizer = Tokenizer::open(folder.path(), 77).unwrap();
    let cut = |count: usize| {
        let text = "elephant ".repeat(count) + "at night";
        tokenizer.tokenise(&text, Padding::Zero).unwrap().cut
    };
    assert_eq!(cut(73), "");
    assert_eq!(cut(74), "night");
    assert_eq!(cut(75), "at night");
    let tokens = tokenizer.tokenise("a giraffe", Padding::Zero).unwrap();
    assert_eq!((tokens.ids[0], tokens.ids[76]), (49_406, 0));
}

#[test]
fn broken_checkpoints_are_errors_that_name_what_is_wrong() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let says = || load_text(folder.path(), &device).unwrap_err().to_string();
    assert!(says().contains("config.json"), "{}", says());
    let config = std::fs::read_to_string(path("text-gelu").join("config.json")).unwrap();
    let weights = std::fs::read(path("text-gelu").join("model.safetensors")).unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    put("config.json", config.as_bytes());
    put("pytorch_model.bin", b"pickle");
    assert!(
        says().contains("pytorch_model.bin is a pickle"),
        "{}",
        says()
    );
    put("model.safetensors", &weights[..weights.len() - 8]);
    assert!(says().contains("is damaged"), "{}", says());
    put("model.safetensors", b"short");
    assert!(says().contains("shorter than a header"), "{}", says());
    put("model.safetensors", &weights);
    put(
        "config.json",
        config.replace("\"gelu\"", "\"mish\"").as_bytes(),
    );
    assert!(says().contains("mish"), "{}", says());
    put(
        "config.json",
        config
            .replace("\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4")
            .as_bytes(),
    );
    assert!(
        says().contains("lacks") && says().contains("encoder.layers.3."),
        "{}",
        says()
    );
    put(
        "config.json",
        config
            .replace("\"num_hidden_layers\": 3", "\"num_hidden_layers\": 2")
            .as_bytes(),
    );
    assert!(
        says().contains("this network has not") && says().contains("encoder.layers.2."),
        "{}",
        says()
    );
    put(
        "config.json",
        config
            .replace("\"vocab_size\": 99", "\"vocab_size\": 98")
            .as_bytes(),
    );
    assert!(
        says().contains("embeddings.token_embedding.weight"),
        "{}",
        says()
    );
    put("config.json", config.as_bytes());
    load_text(folder.path(), &device).unwrap();
}
