//! What is refused, and what is said then.

use burn::prelude::*;
use ccsr_llava::{
    LlavaConfig, PictureError, Preprocessor, decode_picture, load_image_encoder, read_picture,
};
use image::RgbImage;
use serde_json::{Value as Json, json};

use super::{copied, open, path};

/// What is said of a folder with one field of a file changed.
fn said(folder: &str, file: &str, pointer: &str, value: Json) -> String {
    let copy = copied(folder);
    let path = copy.path().join(file);
    let mut json: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    json.pointer_mut(parent).unwrap()[name] = value;
    std::fs::write(&path, json.to_string()).unwrap();
    let opened = LlavaConfig::open(copy.path())
        .and_then(|config| Preprocessor::open(copy.path(), &config).map(drop));
    opened.unwrap_err().to_string()
}

#[test]
fn configurations_that_are_not_supported_say_so() {
    let cases = [
        ("/model_type", json!("llava_onevision"), "llava_onevision"),
        (
            "/vision_feature_select_strategy",
            json!("middle"),
            "unknown variant `middle`",
        ),
        (
            "/vision_feature_select_strategy",
            json!("full"),
            "expected `default`",
        ),
        (
            "/vision_feature_layer",
            json!([-2, -5]),
            "invalid type: sequence",
        ),
        ("/vision_feature_layer", json!(-5), "the layers −4 to 3"),
        ("/vision_feature_layer", json!(4), "the layers −4 to 3"),
        ("/projector_hidden_act", json!("mish"), "mish"),
        (
            "/use_image_newline_parameter",
            json!(false),
            "`use_image_newline_parameter` is false",
        ),
        (
            "/image_grid_pinpoints",
            json!([]),
            "`image_grid_pinpoints` is empty",
        ),
        (
            "/image_grid_pinpoints",
            json!([[28, 30]]),
            "multiples of the tower's 28 pixels",
        ),
        (
            "/image_grid_pinpoints",
            json!([[28, 56]]),
            "both must agree",
        ),
        (
            "/image_grid_pinpoints",
            json!([[28]]),
            "expected an array of length 2",
        ),
        (
            "/vision_config/model_type",
            json!("siglip_vision_model"),
            "siglip_vision_model",
        ),
        (
            "/vision_config/patch_size",
            json!(0),
            "`vision_config.patch_size` is 0",
        ),
        (
            "/vision_config/num_attention_heads",
            json!(5),
            "divisor of `hidden_size`",
        ),
        ("/vision_config/num_channels", json!(1), "pictures have 3"),
        (
            "/vision_config/image_size",
            json!(336),
            "multiples of the tower's 336 pixels",
        ),
        (
            "/text_config/hidden_size",
            json!("wide"),
            "`text_config.hidden_size` is \"wide\"",
        ),
    ];
    for (pointer, value, expected) in cases {
        let said = said("llava-next", "config.json", pointer, value);
        assert!(
            said.contains("config.json") && said.contains(expected),
            "{said}"
        );
    }
}

#[test]
fn preprocessors_that_are_not_supported_say_so() {
    let cases = [
        (
            "llava-next",
            "/image_processor_type",
            json!("SiglipImageProcessor"),
            "SiglipImageProcessor",
        ),
        (
            "llava-next",
            "/do_normalize",
            json!(false),
            "`do_normalize` is false",
        ),
        (
            "llava",
            "/do_center_crop",
            json!(false),
            "`do_center_crop` is false",
        ),
        ("llava-next", "/resample", json!(2), "only the cubic filter"),
        ("llava-next", "/rescale_factor", json!(1.0), "only 1/255"),
        (
            "llava-next",
            "/crop_size",
            json!(24),
            "squares of 28 pixels",
        ),
        (
            "llava",
            "/size",
            json!({"height": 28, "width": 28}),
            "expected `shortest_edge`",
        ),
    ];
    for (folder, pointer, value, expected) in cases {
        let said = said(folder, "preprocessor_config.json", pointer, value);
        assert!(
            said.contains("preprocessor_config.json") && said.contains(expected),
            "{said}"
        );
    }
    let copy = copied("llava");
    std::fs::remove_file(copy.path().join("preprocessor_config.json")).unwrap();
    let config = LlavaConfig::open(copy.path()).unwrap();
    let said = Preprocessor::open(copy.path(), &config).unwrap_err();
    assert!(said.to_string().contains("cannot read"), "{said}");
}

#[test]
fn weights_of_another_model_are_refused() {
    let copy = copied("llava-next");
    std::fs::copy(
        path("llava").join("model.safetensors"),
        copy.path().join("model.safetensors"),
    )
    .unwrap();
    let said = load_image_encoder(copy.path(), &Device::flex()).unwrap_err();
    assert!(said.to_string().contains("lacks `image_newline`"), "{said}");
    let copy = copied("llava");
    std::fs::copy(
        path("llava-next").join("model.safetensors"),
        copy.path().join("model.safetensors"),
    )
    .unwrap();
    let said = load_image_encoder(copy.path(), &Device::flex()).unwrap_err();
    assert!(
        said.to_string().contains("has not: `image_newline`"),
        "{said}"
    );
}

#[test]
fn pictures_that_cannot_be_read_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("picture.png");
    let says = |file: &std::path::Path| read_picture(file).unwrap_err().to_string();
    assert!(
        says(&file).starts_with("cannot read the picture"),
        "{}",
        says(&file)
    );
    let whole = std::fs::read(path("pictures/square.png")).unwrap();
    for bytes in [&b""[..], b"no picture", &whole[..whole.len() / 2]] {
        std::fs::write(&file, bytes).unwrap();
        assert!(
            says(&file).contains("picture.png` is no picture"),
            "{}",
            says(&file)
        );
        let error = decode_picture(bytes).unwrap_err();
        assert!(
            matches!(error, PictureError::NoPictureInBytes(_)),
            "{error}"
        );
    }
}

#[test]
fn odd_pictures_become_tokens_or_are_refused() {
    let device = Device::flex();
    for folder in ["llava-next", "llava"] {
        let (encoder, _, preprocessor) = open(folder);
        for (width, height) in [(1, 1), (1, 5000), (5000, 1), (3, 200)] {
            let picture = RgbImage::new(width, height);
            let prepared = preprocessor.prepare(&picture, &device).unwrap();
            let tokens = encoder.layout().tokens(prepared.size());
            assert_eq!(encoder.forward(&[prepared])[0].dims(), [tokens, 32]);
        }
        let said = preprocessor
            .prepare(&RgbImage::new(0, 9), &device)
            .unwrap_err();
        assert!(
            said.to_string().contains("0 by 9 pixels shows nothing"),
            "{said}"
        );
    }
}
