//! What is no adapter, and why.

use std::fs;
use std::path::Path;

use ccsr_nn::{Adapter, AdapterFormat, Component, Factor};
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::{adapter, factor, file};

#[test]
fn what_is_no_layer_is_not_taken_in() {
    let mut adapter = adapter();
    let mut says = |layer: &str, down: Factor, up: Factor, alpha: f64| {
        let inserted = adapter.insert(Component::UNet, layer, down, up, alpha);
        inserted.unwrap_err().to_string()
    };
    for (down, up, alpha, said) in [
        (factor(&[0, 4], 0), factor(&[3, 0], 0), 1.0, "its rank is 0"),
        (
            factor(&[2, 4], 0),
            factor(&[3, 3], 0),
            1.0,
            "found [2, 4] and [3, 3]",
        ),
        (
            factor(&[2, 4], 0),
            factor(&[3], 0),
            1.0,
            "found [2, 4] and [3]",
        ),
        (
            factor(&[2, 4, 1, 3], 0),
            factor(&[3, 2, 1, 3], 0),
            1.0,
            "found [2, 4, 1, 3] and [3, 2, 1, 3]",
        ),
        (
            factor(&[2, 4], 0),
            factor(&[3, 2], 0),
            f64::NAN,
            "its alpha is NaN",
        ),
        (
            factor(&[2, 4], 0),
            factor(&[3, 2], 0),
            f64::INFINITY,
            "its alpha is inf",
        ),
        (
            Factor {
                shape: vec![1, 1],
                numbers: vec![f32::NAN],
            },
            factor(&[1, 1], 0),
            1.0,
            "it holds NaN",
        ),
        (
            Factor {
                shape: vec![2, 1],
                numbers: vec![1.0],
            },
            factor(&[1, 2], 0),
            1.0,
            "1 numbers are no [2, 1]",
        ),
    ] {
        let error = says("up_blocks.0", down, up, alpha);
        assert!(error.contains(said), "{error}");
        assert!(
            error.contains("the tensor `unet.up_blocks.0` does not fit"),
            "{error}"
        );
    }
    let again = says("mid_block", factor(&[5, 4], 0), factor(&[3, 5], 0), 1.0);
    assert!(
        again.contains("has the tensor `unet.mid_block` twice"),
        "{again}"
    );
}

/// What opening these bytes says.
#[track_caller]
fn refused(bytes: &[u8], said: &str) {
    let error = Adapter::from_bytes(Path::new("it"), bytes)
        .unwrap_err()
        .to_string();
    assert!(error.contains(said), "`{said}` is not in: {error}");
}

#[test]
fn files_that_are_broken_are_refused_by_what_is_wrong() {
    let (down, up) = (
        "unet.mid_block.lora_A.weight",
        "unet.mid_block.lora_B.weight",
    );
    let of = |tensors: &[(&str, &[usize])]| file(tensors, Dtype::F32);
    refused(
        &of(&[(down, &[2, 4])]),
        "what goes up (`lora_B`, `up`) is missing",
    );
    refused(
        &of(&[(up, &[3, 2])]),
        "what goes down (`lora_A`, `down`) is missing",
    );
    refused(&of(&[(down, &[0, 4]), (up, &[3, 0])]), "its rank is 0");
    refused(&of(&[]), "it has no layers");
    // Without its configuration nobody knows how much of it counts.
    refused(
        &of(&[("base_model.model.mid_block.lora_A.weight", &[2, 4])]),
        "PEFT says its alpha in `adapter_config.json`",
    );
    let whole = of(&[(down, &[2, 4]), (up, &[3, 2])]);
    Adapter::from_bytes(Path::new("it"), &whole).unwrap();
    for length in 0..whole.len() {
        assert!(
            Adapter::from_bytes(Path::new("it"), &whole[..length]).is_err(),
            "{length}"
        );
    }
    refused(
        &whole[..whole.len() - 1],
        "`it` is damaged: it is no whole file of safetensors",
    );
    let (third, older) = ("unet.mid_block.weight", "unet.mid_block.lora.down.weight");
    refused(
        &of(&[(down, &[2, 4]), (third, &[2, 4])]),
        "is no LoRA adapter: it has `unet.mid_block.weight`",
    );
    refused(
        &of(&[(down, &[2, 4]), (older, &[2, 4])]),
        "twice, under two names",
    );
    for (tensor, said) in [
        (
            "unet.mid_block.lora_magnitude_vector.weight",
            "DoRA cannot be applied",
        ),
        ("lora_unet_mid_block.dora_scale", "DoRA cannot be applied"),
        ("lora_unet_mid_block.hada_w1_a", "LoHa cannot be applied"),
        ("lora_unet_mid_block.lokr_w1", "LoKr cannot be applied"),
        ("lora_unet_mid_block.lora_mid.weight", "Tucker"),
        (
            "unet.mid_block.lora_B.bias",
            "a bias of LoRA cannot be applied",
        ),
        (
            "unet.embeddings.lora_embedding_A",
            "an adapter of embeddings",
        ),
        (
            "lora_te2_text_model_encoder.lora_up.weight",
            "second text encoder",
        ),
    ] {
        refused(
            &of(&[(down, &[2, 4]), (up, &[3, 2]), (tensor, &[2, 4])]),
            said,
        );
    }
    let (flat_down, flat_up) = (
        "lora_unet_mid_block.lora_down.weight",
        "lora_unet_mid_block.lora_up.weight",
    );
    let flat = |alpha: &[usize]| {
        of(&[
            (flat_down, &[2, 4]),
            (flat_up, &[3, 2]),
            ("lora_unet_mid_block.alpha", alpha),
        ])
    };
    refused(&flat(&[2]), "an alpha is one number, and this is [2]");
    Adapter::from_bytes(Path::new("it"), &flat(&[])).unwrap();
}

/// A file of one layer with these metadata.
fn with_metadata(metadata: &str) -> Vec<u8> {
    let tensors = [
        ("unet.mid_block.lora_A.weight", vec![2, 4]),
        ("unet.mid_block.lora_B.weight", vec![3, 2]),
    ];
    let zeros = [0; 32];
    let views = tensors.into_iter().map(|(name, shape)| {
        let length = shape.iter().product::<usize>() * 4;
        (
            name,
            TensorView::new(Dtype::F32, shape, &zeros[..length]).unwrap(),
        )
    });
    let metadata = [("lora_adapter_metadata".to_owned(), metadata.to_owned())];
    serialize(views, Some(metadata.into())).unwrap()
}

#[test]
fn metadata_that_are_broken_are_refused() {
    let opened = |metadata: &str| Adapter::from_bytes(Path::new("it"), &with_metadata(metadata));
    let alpha = |metadata: &str| {
        opened(metadata)
            .unwrap()
            .layers()
            .next()
            .unwrap()
            .2
            .alpha()
            .to_string()
    };
    assert_eq!(alpha(r#"{"unet.r": 2, "unet.lora_alpha": 5}"#), "5");
    // Without the network's name; of another network.
    assert_eq!(alpha(r#"{"r": 2, "lora_alpha": 5}"#), "5");
    assert_eq!(
        alpha(r#"{"text_encoder.r": 4, "text_encoder.lora_alpha": 5}"#),
        "2"
    );
    assert_eq!(alpha("{}"), "2");
    for (metadata, said) in [
        ("{", "its `lora_adapter_metadata` cannot be read"),
        ("[]", "its `lora_adapter_metadata` cannot be read"),
        (
            r#"{"unet.lora_alpha": NaN}"#,
            "its `lora_adapter_metadata` cannot be read",
        ),
        (r#"{"unet.lora_alpha": "many"}"#, "invalid type"),
        (
            r#"{"unet.r": 4, "unet.lora_alpha": 4}"#,
            "its rank is 2, and its configuration says 4",
        ),
        (r#"{"unet.use_dora": true}"#, "DoRA cannot be applied"),
    ] {
        refused(&with_metadata(metadata), said);
    }
}

#[test]
fn folders_are_told_by_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let says = |path: &Path| Adapter::open(path).unwrap_err().to_string();
    assert!(says(&at("nowhere")).contains("cannot read"));
    assert!(says(folder.path()).contains("there are no weights in"));
    assert!(!Adapter::is_in(folder.path()));
    fs::write(at("pytorch_lora_weights.bin"), "").unwrap();
    assert!(says(folder.path()).contains("pytorch_lora_weights.bin is a pickle"));
    assert!(says(&at("pytorch_lora_weights.bin")).contains("is a pickle"));
    let kohya = adapter().files(AdapterFormat::Kohya).unwrap().remove(0).1;
    fs::write(at("one.safetensors"), &kohya).unwrap();
    assert!(Adapter::is_in(folder.path()));
    assert_eq!(Adapter::open(folder.path()).unwrap().layers().count(), 2);
    // Which of two is meant nobody can say.
    fs::write(at("two.safetensors"), &kohya).unwrap();
    assert!(says(folder.path()).contains("there are no weights in"));
    fs::write(at("adapter_config.json"), "{").unwrap();
    assert!(says(folder.path()).contains("its `adapter_config.json` cannot be read"));
    fs::write(at("adapter_config.json"), "{}").unwrap();
    assert!(says(folder.path()).contains("expected one of `adapter_model.safetensors`"));
    fs::write(at("adapter_config.json"), r#"{"peft_type": "LOKR"}"#).unwrap();
    assert!(says(folder.path()).contains("of the kind `LOKR`"));
    let diffusers = adapter()
        .files(AdapterFormat::Diffusers)
        .unwrap()
        .remove(0)
        .1;
    fs::write(at("pytorch_lora_weights.safetensors"), diffusers).unwrap();
    assert_eq!(Adapter::open(folder.path()).unwrap().layers().count(), 2);
}
