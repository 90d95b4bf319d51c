//! Our Stable Diffusion beside diffusers': `make_golden.py` wrote what theirs computed.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where it stopped"
)]

mod adapters;

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::prelude::*;
use ccsr_nn::golden::{Golden, error};
use ccsr_nn::keys_of;
use ccsr_stable_diffusion::{
    AutoencoderConfig, Conditioning, UNetConfig, load_autoencoder, load_tiny_autoencoder, load_unet,
};

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
fn unets_are_those_of_diffusers() {
    let (device, expected) = (Device::flex(), expected());
    let text = expected.tensor::<3>("text", &device);
    for name in ["sd21", "sd15", "sdxs-ds", "sdxs-09"] {
        let (unet, _) = load_unet(&path(name), &device).unwrap();
        let conditioning = unet.condition(&text);
        for size in ["even", "odd"] {
            let sample = expected.tensor::<4>(&format!("{name}.{size}.sample"), &device);
            let found = unet.forward_each(sample, &[981.0, 37.0], &conditioning);
            near(&found, &expected, &format!("{name}.{size}.prediction"));
        }
    }
}

#[test]
fn a_batch_is_its_samples_whatever_texts_they_have() {
    let (device, expected) = (Device::flex(), expected());
    let (unet, _) = load_unet(&path("sd21"), &device).unwrap();
    let text = expected.tensor::<3>("text", &device);
    let one = |index: usize| unet.condition(&text.clone().slice(index..=index));
    let sample = expected.tensor::<4>("sd21.even.sample", &device);
    let together = unet.forward(
        sample.clone(),
        500.0,
        &Conditioning::cat(&[&one(0), &one(1)]),
    );
    for index in 0..2 {
        let alone = unet.forward(sample.clone().slice(index..=index), 500.0, &one(index));
        let found = together.clone().slice(index..=index);
        assert_eq!(found.into_data(), alone.into_data());
    }
    let twice = unet.forward(
        sample.clone().slice(0..1).repeat_dim(0, 2),
        9.0,
        &one(1).repeat(2),
    );
    let once = unet.forward(sample.slice(0..1), 9.0, &one(1));
    assert_eq!(twice.slice(1..2).into_data(), once.into_data());
}

#[test]
fn autoencoders_are_those_of_diffusers() {
    let (device, expected) = (Device::flex(), expected());
    for name in ["vae", "vae-old"] {
        let (autoencoder, config) = load_autoencoder(&path(name), &device).unwrap();
        assert_eq!(config.factor(), 4);
        let posterior = autoencoder.encode(expected.tensor("vae.images", &device));
        near(&posterior.mean, &expected, "vae.mean");
        near(&posterior.deviation, &expected, "vae.deviation");
        let decoded = autoencoder.decode(expected.tensor("vae.latents", &device));
        near(&decoded, &expected, "vae.decoded");
    }
}

#[test]
fn the_tiny_autoencoder_is_that_of_diffusers() {
    let (device, expected) = (Device::flex(), expected());
    let (tiny, _) = load_tiny_autoencoder(&path("tiny"), &device).unwrap();
    near(
        &tiny.encode(expected.tensor("vae.images", &device)),
        &expected,
        "tiny.latents",
    );
    let latents = expected.tensor::<4>("vae.latents", &device).mul_scalar(2.0);
    near(&tiny.decode(latents), &expected, "tiny.decoded");
}

#[test]
fn full_size_checkpoints_map_completely() {
    let device = Device::flex();
    let unet = keys_of(&UNetConfig::stable_diffusion_2_1_base().init(&device));
    let names = [
        (".ff.net.0.proj.", ".ff.gated."),
        (".ff.net.2.", ".ff.out."),
    ];
    assert_keys(&unet, include_str!("keys/unet.keys"), &names);
    let autoencoder = keys_of(&AutoencoderConfig::stable_diffusion().init(&device));
    let names = ["to_q.", "to_k.", "to_v.", "to_out."]
        .map(|part| (format!(".{part}"), format!(".attention.{part}")));
    let names: Vec<_> = names
        .iter()
        .map(|(theirs, ours)| (theirs.as_str(), ours.as_str()))
        .collect();
    assert_keys(&autoencoder, include_str!("keys/vae.keys"), &names);
}

/// Holds a network's tensors to a list of a published checkpoint's: `name (3, 4)` a line.
#[track_caller]
fn assert_keys(found: &BTreeMap<String, Vec<usize>>, list: &str, names: &[(&str, &str)]) {
    let listed = list.lines().filter_map(|line| {
        let (name, shape) = line.split_once(" (")?;
        let numbers = shape.trim_end_matches(')').split(',').map(str::trim);
        let shape = numbers.filter_map(|number| number.parse().ok()).collect();
        let name = names.iter().fold(name.to_owned(), |name, (theirs, ours)| {
            name.replace(theirs, ours)
        });
        Some((name, shape))
    });
    let listed: BTreeMap<_, Vec<usize>> = listed.collect();
    assert!(listed.len() > 200);
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
fn configurations_that_contradict_themselves_are_refused() {
    let folder = std::env::temp_dir().join(format!("ccsr-unet-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let config = std::fs::read_to_string(path("sd21").join("config.json")).unwrap();
    let says = |old: &str, new: &str| {
        assert!(config.contains(old), "{old}");
        std::fs::write(folder.join("config.json"), config.replace(old, new)).unwrap();
        load_unet(&folder, &Device::flex())
            .err()
            .unwrap()
            .to_string()
    };
    assert!(says("\"norm_num_groups\": 4", "\"norm_num_groups\": 3").contains("3 groups"));
    assert!(says("\"DownBlock2D\"", "\"AttnDownBlock2D\"").contains("AttnDownBlock2D"));
    assert!(says("\"silu\"", "\"mish\"").contains("mish"));
    assert!(says("\"norm_num_groups\": 4", "\"norm_num_groups\": 2").contains("no weights"));
    std::fs::remove_dir_all(&folder).unwrap();
}
