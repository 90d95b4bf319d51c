//! Our LLaVA beside that of transformers: `make_golden.py` wrote what theirs computed.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where it stopped"
)]

mod pixels;
mod refusals;
mod whole;

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::prelude::*;
use ccsr_llava::{
    ImageEncoder, ImageSize, LlavaConfig, Prepared, Preprocessor, Selection, expand, language_name,
    load_image_encoder, read_picture,
};
use ccsr_nn::golden::{Golden, error};
use ccsr_nn::keys_of;
use serde_json::json;
use tempfile::TempDir;

/// The largest error, relative to the largest number (binary32).
const TOLERANCE: f64 = 1e-4;
/// The pictures, and their files.
const PICTURES: [(&str, &str); 5] = [
    ("square", "square.png"),
    ("small", "small.png"),
    ("wide", "wide.png"),
    // Half transparent.
    ("clear", "clear.png"),
    // To be turned by a quarter.
    ("turned", "turned.jpg"),
];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parity/golden")
        .join(name)
}

fn expected() -> Golden {
    Golden::open(path("expected.safetensors").to_str().unwrap())
}

fn open(folder: &str) -> (ImageEncoder, LlavaConfig, Preprocessor) {
    let (encoder, config) = load_image_encoder(&path(folder), &Device::flex()).unwrap();
    let preprocessor = Preprocessor::open(&path(folder), &config).unwrap();
    (encoder, config, preprocessor)
}

fn prepare(preprocessor: &Preprocessor, file: &str) -> Prepared {
    let picture = read_picture(&path("pictures").join(file)).unwrap();
    preprocessor.prepare(&picture, &Device::flex()).unwrap()
}

/// A copy of a folder, in which files can be changed.
fn copied(folder: &str) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(path(folder)).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

#[track_caller]
fn near(found: &Tensor<2>, expected: &Golden, name: &str) {
    let error = error(found, &expected.tensor(name, &Device::flex()));
    assert!(error <= TOLERANCE, "{name} is off by {error}");
}

fn numbers(tensor: &Tensor<2>) -> Vec<f32> {
    tensor.clone().into_data().try_to_vec().unwrap()
}

#[test]
fn features_are_those_of_transformers() {
    let expected = expected();
    for (folder, prefix) in [("llava-next", "next"), ("llava", "plain")] {
        let (encoder, _, preprocessor) = open(folder);
        for (name, file) in PICTURES {
            let prepared = prepare(&preprocessor, file);
            let features = encoder.forward(std::slice::from_ref(&prepared));
            let [tokens, _] = features[0].dims();
            assert_eq!(tokens, encoder.layout().tokens(prepared.size()));
            near(
                &features[0],
                &expected,
                &format!("{prefix}.{name}.features"),
            );
        }
    }
}

#[test]
fn other_layers_and_the_class_token_can_be_asked_for() {
    let (device, expected) = (Device::flex(), expected());
    let folder = copied("llava");
    let config_path = folder.path().join("config.json");
    let mut config: LlavaConfig =
        serde_json::from_slice(&std::fs::read(&config_path).unwrap()).unwrap();
    let cases = [
        (Selection::Full, -2, "plain.full-2"),
        (Selection::Default, -1, "plain.default-1"),
        (Selection::Default, 1, "plain.default1"),
    ];
    for (selection, layer, name) in cases {
        config.vision_feature_select_strategy = selection;
        config.vision_feature_layer = layer;
        std::fs::write(&config_path, serde_json::to_vec(&config).unwrap()).unwrap();
        let (encoder, config) = load_image_encoder(folder.path(), &device).unwrap();
        let preprocessor = Preprocessor::open(folder.path(), &config).unwrap();
        let prepared = prepare(&preprocessor, "wide.png");
        near(&encoder.forward(&[prepared])[0], &expected, name);
    }
}

#[test]
fn a_batch_is_its_images() {
    let (encoder, _, preprocessor) = open("llava-next");
    // More tiles than go through the tower at once.
    let files = PICTURES.iter().cycle().take(8);
    let images: Vec<_> = files
        .map(|(_, file)| prepare(&preprocessor, file))
        .collect();
    let together = encoder.forward(&images);
    assert_eq!(together.len(), images.len());
    for (image, features) in images.iter().zip(&together) {
        let alone = encoder.forward(std::slice::from_ref(image));
        assert_eq!(numbers(&alone[0]), numbers(features));
    }
    assert!(encoder.forward(&[]).is_empty());
}

#[test]
fn images_become_as_many_tokens_as_transformers_says() {
    let config: LlavaConfig = serde_json::from_value(json!({"model_type": "llava_next"})).unwrap();
    let layout = config.layout();
    let tokens = |height, width| layout.tokens(ImageSize::new(height, width));
    assert_eq!(tokens(512, 512), 2928);
    assert_eq!(tokens(336, 336), 1176);
    assert_eq!(tokens(512, 768), 2144);
    assert_eq!(tokens(768, 512), 2160);
    assert_eq!(tokens(333, 500), 1464);
    assert_eq!(tokens(300, 1000), 2182);
    assert_eq!(tokens(1000, 300), 2232);
    assert_eq!(tokens(1080, 1920), 1948);
    assert_eq!(tokens(1, 1000), 576);
    // Height, width, tiles, tokens.
    let table: Vec<[u32; 4]> =
        serde_json::from_slice(&std::fs::read(path("tokens.json")).unwrap()).unwrap();
    assert!(table.len() > 300);
    for [height, width, _, expected] in table {
        assert_eq!(tokens(height, width), expected as usize, "{height}x{width}");
    }

    let config: LlavaConfig = serde_json::from_value(json!({"model_type": "llava"})).unwrap();
    assert_eq!(config.layout().tokens(ImageSize::new(333, 500)), 576);
}

#[test]
fn room_is_made_as_transformers_makes_it() {
    let (encoder, config, _) = open("llava-next");
    let expected = expected();
    for (name, _) in PICTURES {
        let (size, _) = expected.numbers(&format!("next.{name}.size"));
        let size = ImageSize::new(size[0] as u32, size[1] as u32);
        let count = encoder.layout().tokens(size);
        let found = expand(
            &[1, 5, 17, 96, 23, 42, 8],
            config.image_token_index,
            &[count],
        );
        let (wanted, _) = expected.numbers(&format!("next.{name}.tokens"));
        let wanted: Vec<u32> = wanted.into_iter().map(|token| token as u32).collect();
        assert_eq!(found.unwrap(), wanted, "{name}");
    }
}

#[test]
fn what_a_file_leaves_out_is_what_transformers_takes_it_for() {
    let config: LlavaConfig = serde_json::from_value(json!({"model_type": "llava_next"})).unwrap();
    assert_eq!(config.image_token_index, 32_000);
    assert_eq!(config.vision_feature_layer, -2);
    assert_eq!(config.vision_config.num_hidden_layers, 24);
    assert_eq!(config.vision_config.image_size, 336);
    assert_eq!(config.text_width(), 4096);
    let sizes = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]];
    assert_eq!(config.pinpoints(), sizes.map(ImageSize::from));
    // A tower of which something is said is otherwise the smallest CLIP.
    let some = json!({"model_type": "llava", "vision_config": {"image_size": 28}});
    let config: LlavaConfig = serde_json::from_value(some).unwrap();
    assert_eq!(config.vision_config.hidden_size, 768);
    assert_eq!(config.pinpoints(), []);
}

#[test]
fn a_full_size_checkpoint_maps_completely() {
    let config: LlavaConfig = serde_json::from_value(json!({"model_type": "llava_next"})).unwrap();
    let found = keys_of(&config.init(&Device::flex()));
    let listed = include_str!("golden/keys.txt").lines().map(|line| {
        let (name, shape) = line.split_once(" (").unwrap();
        let lengths = shape.trim_end_matches([')', ',']).split(", ");
        let shape: Vec<usize> = lengths.map(|length| length.parse().unwrap()).collect();
        // The list has the names of transformers 5.
        assert_eq!(language_name(name), None);
        let name = name.strip_prefix("model.").unwrap();
        let name = name.replace("vision_tower.", "vision_tower.vision_model.");
        (name, shape)
    });
    let listed: BTreeMap<_, _> = listed.collect();
    assert_eq!(listed.len(), 396);
    assert_eq!(found, listed);
}

#[test]
fn names_of_transformers_5_are_read_too() {
    let (device, expected) = (Device::flex(), expected());
    let folder = copied("llava-next");
    let weights = folder.path().join("model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    let (length, rest) = bytes.split_first_chunk::<8>().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let header = String::from_utf8(header.to_vec())
        .unwrap()
        .replace("\"vision_tower.vision_model.", "\"model.vision_tower.")
        .replace("\"multi_modal_projector.", "\"model.multi_modal_projector.")
        .replace("\"image_newline", "\"model.image_newline")
        .replace("\"language_model.model.", "\"model.language_model.")
        .replace("\"language_model.lm_head", "\"lm_head");
    let length = (header.len() as u64).to_le_bytes();
    std::fs::write(&weights, [&length, header.as_bytes(), data].concat()).unwrap();
    let (encoder, config) = load_image_encoder(folder.path(), &device).unwrap();
    // Newer folders have one file about all preprocessing.
    let processor = folder.path().join("preprocessor_config.json");
    let inner = std::fs::read_to_string(&processor).unwrap();
    let nested = format!(r#"{{"image_processor": {inner}, "image_token": "<image>"}}"#);
    std::fs::write(folder.path().join("processor_config.json"), nested).unwrap();
    std::fs::remove_file(&processor).unwrap();
    let preprocessor = Preprocessor::open(folder.path(), &config).unwrap();
    let prepared = prepare(&preprocessor, "wide.png");
    near(
        &encoder.forward(&[prepared])[0],
        &expected,
        "next.wide.features",
    );
}
