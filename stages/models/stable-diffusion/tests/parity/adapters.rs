//! Adapters of every writer beside what diffusers and PEFT compute with them: `make_adapters.py` wrote both.

use std::fs;
use std::path::{Path, PathBuf};

use burn::prelude::*;
use ccsr_clip::{adapt_text, load_text};
use ccsr_nn::golden::{Golden, error};
use ccsr_nn::{Adapter, AdapterFormat, Component, WeightError, merge};
use ccsr_stable_diffusion::{adapt_unet, load_unet};

use crate::path;

/// The largest error, relative to the largest number (binary32).
const TOLERANCE: f64 = 1e-5;
/// Every adapter, and the UNet that it is for.
const ADAPTERS: [(&str, &str); 7] = [
    ("linear", "example"),
    ("all-layers", "example"),
    ("old-names", "example"),
    ("rank-stabilised", "example"),
    ("peft-of-both", "example"),
    ("kohya", "example"),
    ("kohya-15", "sd15"),
];
const SCALES: [(f64, &str); 3] = [(1.0, "1.0"), (0.4, "0.4"), (-0.5, "-0.5")];

fn example(part: &str) -> PathBuf {
    let examples = "../../../examples/stable_diffusion/checkpoint";
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(examples)
        .join(part)
}

fn unet_folder(base: &str) -> PathBuf {
    match base {
        "example" => example("unet"),
        other => path(other),
    }
}

fn open(name: &str) -> Adapter {
    Adapter::open(&path("adapters").join(name)).unwrap()
}

fn expected() -> Golden {
    Golden::open(path("adapters/expected.safetensors").to_str().unwrap())
}

/// What a UNet predicts and a text encoder answers, from these folders and with these adapters.
fn computed(
    unet: &Path,
    text: &Path,
    adapters: &[(&Adapter, f64)],
) -> Result<(Tensor<4>, Tensor<3>), WeightError> {
    let (device, expected) = (Device::flex(), expected());
    let (mut unet, _) = load_unet(unet, &device).unwrap();
    let (mut text, _) = load_text(text, &device).unwrap();
    for (adapter, scale) in adapters {
        unet = adapt_unet(unet, adapter, *scale)?;
        text = adapt_text(text, adapter, *scale)?;
    }
    let conditioning = unet.condition(&expected.tensor("text", &device));
    let sample = expected.tensor("sample", &device);
    let prediction = unet.forward_each(sample, &[981.0, 37.0], &conditioning);
    let states = text.forward(expected.whole("tokens", &device));
    Ok((prediction, states))
}

#[track_caller]
fn near((prediction, states): (Tensor<4>, Tensor<3>), name: &str) {
    let (device, expected) = (Device::flex(), expected());
    let off = error(
        &prediction,
        &expected.tensor(&format!("{name}.prediction"), &device),
    );
    assert!(off <= TOLERANCE, "{name}: the prediction is off by {off}");
    let off = error(
        &states,
        &expected.tensor(&format!("{name}.states"), &device),
    );
    assert!(off <= TOLERANCE, "{name}: the states are off by {off}");
}

#[test]
fn adapters_of_every_writer_do_what_their_writers_do() {
    for (name, base) in ADAPTERS {
        let (adapter, unet) = (open(name), unet_folder(base));
        for (scale, written) in SCALES {
            let found = computed(&unet, &example("text_encoder"), &[(&adapter, scale)]).unwrap();
            near(found, &format!("{name}.{written}"));
        }
    }
}

#[test]
fn stacked_adapters_add_up() {
    let (linear, all) = (open("linear"), open("all-layers"));
    let adapters = [(&linear, 0.7), (&all, -0.3)];
    let found = computed(&example("unet"), &example("text_encoder"), &adapters).unwrap();
    near(found, "stacked");
}

#[test]
fn a_scale_of_0_is_the_base() {
    let adapter = open("all-layers");
    let text = example("text_encoder");
    let with = computed(&example("unet"), &text, &[(&adapter, 0.0)]).unwrap();
    let without = computed(&example("unet"), &text, &[]).unwrap();
    assert_eq!(with.0.into_data(), without.0.into_data());
    assert_eq!(with.1.into_data(), without.1.into_data());
}

#[test]
fn what_is_written_is_what_was_read() {
    let folder = tempfile::tempdir().unwrap();
    for (name, base) in ADAPTERS {
        let adapter = open(name);
        for (format, kind) in [
            (AdapterFormat::Diffusers, "diffusers"),
            (AdapterFormat::Peft, "peft"),
            (AdapterFormat::Kohya, "kohya"),
        ] {
            let written = adapter.files(format);
            if base == "sd15" || name == "kohya" {
                // Names without points are names of a model's layers only beside it.
                assert_eq!(written.is_ok(), format == AdapterFormat::Kohya);
            }
            let Ok(files) = written else { continue };
            assert_eq!(files, adapter.files(format).unwrap());
            let place = folder.path().join(name).join(kind);
            for (file, bytes) in files {
                let file = place.join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, bytes).unwrap();
            }
            let again = Adapter::open(&place).unwrap();
            let text = example("text_encoder");
            let found = computed(&unet_folder(base), &text, &[(&again, 0.4)]).unwrap();
            near(found, &format!("{name}.0.4"));
        }
    }
}

/// A folder's weights with adapters, as a folder.
fn merged(
    folder: &Path,
    stem: &str,
    component: Component,
    adapters: &[(&Adapter, f64)],
) -> tempfile::TempDir {
    let merged = tempfile::tempdir().unwrap();
    let (weights, config) = (format!("{stem}.safetensors"), "config.json");
    fs::copy(folder.join(config), merged.path().join(config)).unwrap();
    let bytes = fs::read(folder.join(&weights)).unwrap();
    let mut files = [(folder.join(&weights), bytes)];
    merge(&mut files, component, adapters).unwrap();
    fs::write(merged.path().join(weights), &files[0].1).unwrap();
    merged
}

#[test]
fn a_merged_checkpoint_does_what_its_adapters_do_beside_the_base() {
    let (linear, all) = (open("linear"), open("all-layers"));
    let adapters = [(&linear, 0.7), (&all, -0.3)];
    let (unet, text) = (example("unet"), example("text_encoder"));
    let beside = computed(&unet, &text, &adapters).unwrap();
    let stem = "diffusion_pytorch_model";
    let unet = merged(&unet, stem, Component::UNet, &adapters);
    let text = merged(&text, "model", Component::TextEncoder, &adapters);
    let within = computed(unet.path(), text.path(), &[]).unwrap();
    // The checkpoint's weights are of half precision, and so are the merged ones.
    assert!(error(&within.0, &beside.0) < 2e-3);
    assert!(error(&within.1, &beside.1) < 2e-3);
    let base = computed(&example("unet"), &example("text_encoder"), &[]).unwrap();
    assert!(error(&base.0, &beside.0) > 0.1);
}

#[test]
fn an_adapter_for_another_base_is_refused_by_its_first_layer() {
    // The same names, and another width: 12 here, where it was made for 16.
    let mut adapter = Adapter::new(Path::new("of-a-wider-model"));
    let layer = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k";
    let factor = |shape: [usize; 2]| ccsr_nn::Factor {
        shape: shape.to_vec(),
        numbers: vec![0.5; shape[0] * shape[1]],
    };
    adapter
        .insert(Component::UNet, layer, factor([2, 16]), factor([8, 2]), 2.0)
        .unwrap();
    let text = example("text_encoder");
    let refused = computed(&example("unet"), &text, &[(&adapter, 1.0)]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "`of-a-wider-model` is an adapter for another base: its layer `unet.{layer}` is for a weight of [8, 16], \
             and here the weight is [8, 12]"
        )
    );
    // Projections by convolution and linear ones are the same weights.
    let fifteen = open("kohya-15");
    computed(&example("unet"), &text, &[(&fifteen, 1.0)]).unwrap();
    // A network without a middle has none of its layers.
    let refused = computed(&path("sdxs-ds"), &text, &[(&fifteen, 1.0)]).unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused.contains("is an adapter for another base: its layer `lora_unet_"),
        "{refused}"
    );
    assert!(refused.contains("is none of its layers, and "), "{refused}");
}
