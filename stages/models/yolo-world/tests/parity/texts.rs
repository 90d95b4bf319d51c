//! Names into features, beside `transformers`' `CLIPTextModelWithProjection`.

use std::collections::BTreeMap;
use std::path::Path;

use burn::prelude::*;
use ccsr_nn::golden::error;
use ccsr_yolo_world::TextEncoder;
use tempfile::TempDir;

use crate::formula::write_tensors;
use crate::{TOLERANCE, expected};

const WIDTH: usize = 64;
const MERGES: &str = include_str!("../../../clip/tests/parity/golden/merges.txt");
const CONFIG: &str = r#"{"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_hidden_layers": 3,
    "projection_dim": 512, "hidden_act": "quick_gelu", "eos_token_id": 2}"#;
const NAMES: [&str; 6] = [
    "elephant",
    "a person riding a horse",
    "Traffic  LIGHT",
    "salt &amp; pepper",
    "“teddy” bear",
    "",
];

/// The tensors of a text tower with projection, as the hub calls them.
fn tensors() -> BTreeMap<String, Vec<usize>> {
    let mut tensors = BTreeMap::new();
    let mut add = |name: String, shape: &[usize]| tensors.insert(name, shape.to_vec());
    add("text_projection.weight".to_owned(), &[512, WIDTH]);
    for (part, count) in [("token", 49_408), ("position", 77)] {
        let name = format!("text_model.embeddings.{part}_embedding.weight");
        add(name, &[count, WIDTH]);
    }
    let mut layer = |name: &str, shape: &[usize]| {
        add(format!("text_model.{name}.weight"), shape);
        add(format!("text_model.{name}.bias"), &shape[..1]);
    };
    layer("final_layer_norm", &[WIDTH]);
    for index in 0..3 {
        let layers = format!("encoder.layers.{index}");
        for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
            layer(&format!("{layers}.self_attn.{part}"), &[WIDTH, WIDTH]);
        }
        layer(&format!("{layers}.layer_norm1"), &[WIDTH]);
        layer(&format!("{layers}.layer_norm2"), &[WIDTH]);
        layer(&format!("{layers}.mlp.fc1"), &[96, WIDTH]);
        layer(&format!("{layers}.mlp.fc2"), &[WIDTH, 96]);
    }
    tensors
}

/// A folder with an encoder whose tensors are called so.
fn folder(config: &str, rename: impl Fn(&str) -> String) -> TempDir {
    folder_of(config, tensors(), rename)
}

fn folder_of(
    config: &str,
    tensors: BTreeMap<String, Vec<usize>>,
    rename: impl Fn(&str) -> String,
) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("config.json", config);
    put("merges.txt", MERGES);
    put("vocab.json", &vocabulary());
    write_tensors(
        &folder.path().join("model.safetensors"),
        tensors,
        rename,
        false,
    );
    folder
}

/// `vocab.json` of these merges: bytes, bytes that end a word, merges, start and end.
fn vocabulary() -> String {
    let printable = (33..=126).chain(161..=172).chain(174..=255);
    let bytes: Vec<u32> = printable.collect();
    let others = (256..).take(256 - bytes.len());
    let symbols = bytes.iter().copied().chain(others);
    let symbols: Vec<String> = symbols
        .filter_map(char::from_u32)
        .map(String::from)
        .collect();
    let merges = MERGES.lines().skip(1).map(|line| line.replace(' ', ""));
    let ends = symbols.iter().map(|symbol| format!("{symbol}</w>"));
    let special = ["<|startoftext|>", "<|endoftext|>"].map(String::from);
    let words = symbols
        .iter()
        .cloned()
        .chain(ends)
        .chain(merges)
        .chain(special);
    let numbered: BTreeMap<String, usize> = words.zip(0..).collect();
    assert_eq!(numbered.len(), 49_408);
    serde_json::to_string(&numbered).unwrap()
}

fn encoder(folder: &Path) -> TextEncoder {
    TextEncoder::load(folder, &Device::flex()).unwrap()
}

#[test]
fn features_are_those_of_transformers() {
    let folder = folder(CONFIG, str::to_owned);
    let encoder = encoder(folder.path());
    let long = "elephant ".repeat(100);
    let names: Vec<&str> = NAMES.into_iter().chain([long.as_str()]).collect();
    let found = encoder.features(&names).unwrap();
    let wanted = expected().tensor("texts", &Device::flex());
    let error = error(&found, &wanted);
    assert!(error <= TOLERANCE, "features are off by {error}");
    // More names than go through the encoder at once, each as it is alone.
    let many: Vec<_> = names.iter().cycle().take(90).collect();
    let many = encoder.features(&many).unwrap();
    let last = many.slice(89..90);
    let alone = encoder.features(&names[89 % 7..][..1]).unwrap();
    assert_eq!(last.into_data(), alone.into_data());
    assert_eq!(encoder.features::<&str>(&[]).unwrap().dims(), [0, 512]);
}

#[test]
fn names_that_are_spread_lie_like_the_corners_of_a_simplex() {
    let folder = folder(CONFIG, str::to_owned);
    let encoder = encoder(folder.path());
    let names = ["elephant", "giraffe", "zebra", "lion", " "];
    let tokens = encoder.tokens(&names).unwrap();
    let spread = encoder.network().clone().spread(tokens.clone());
    let features = spread.features(tokens.clone());
    let cosines = features.clone().matmul(features.transpose());
    let cosines = cosines.into_data().try_to_vec::<f32>().unwrap();
    for (at, cosine) in cosines.iter().enumerate() {
        let wanted = if at % 6 == 0 { 1.0 } else { -0.25 };
        assert!((cosine - wanted).abs() < 0.02, "{cosine} at {at}");
    }
    // More names than a text's features have numbers.
    let many: Vec<String> = (0..513).map(|number| format!("animal {number}")).collect();
    let many = encoder.tokens(&many).unwrap();
    let same = encoder.network().clone().spread(many);
    let wanted = encoder.network().features(tokens.clone());
    assert_eq!(same.features(tokens).into_data(), wanted.into_data());
}

#[test]
fn encoders_are_found_in_folders_of_all_kinds() {
    let wanted = {
        let folder = folder(CONFIG, str::to_owned);
        encoder(folder.path()).features(&NAMES).unwrap()
    };
    let same = |folder: &TempDir| {
        let found = encoder(folder.path()).features(&NAMES).unwrap();
        assert_eq!(found.into_data(), wanted.clone().into_data());
    };
    let bare = |name: &str| name.strip_prefix("text_model.").unwrap_or(name).to_owned();
    same(&folder(CONFIG, bare));
    let both = format!(r#"{{"text_config": {CONFIG}, "projection_dim": 512}}"#);
    let mut tensors = tensors();
    for (name, shape) in [
        ("logit_scale", vec![1]),
        ("text_model.embeddings.position_ids", vec![1, 77]),
        ("vision_model.post_layernorm.weight", vec![7]),
        ("visual_projection.weight", vec![512, 7]),
    ] {
        tensors.insert(name.to_owned(), shape);
    }
    same(&folder_of(&both, tensors, str::to_owned));
}

#[test]
fn other_encoders_are_refused() {
    let says = |config: &str| {
        let folder = folder(config, str::to_owned);
        let refused = TextEncoder::load(folder.path(), &Device::flex());
        refused.err().unwrap().to_string()
    };
    let large = says(&CONFIG.replace("512", "768"));
    assert!(
        large.contains("`text_projection.weight` does not fit"),
        "{large}"
    );
    let deep = says(&CONFIG.replace("\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4"));
    assert!(
        deep.contains("lacks `text_model.encoder.layers.3."),
        "{deep}"
    );
    let nowhere = TextEncoder::load(Path::new("/nowhere"), &Device::flex());
    let nowhere = nowhere.err().unwrap().to_string();
    assert!(nowhere.contains("/nowhere/config.json"), "{nowhere}");
}
