//! The witness beside its twin in PyTorch: `make_golden.py` wrote what that computed.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where it stopped"
)]

use std::fs;
use std::path::{Path, PathBuf};

use burn::prelude::*;
use ccsr_nn::golden::{Golden, error};
use ccsr_nn::keys_of;
use ccsr_witness::{Fact, WitnessConfig, load_witness};

/// The largest error of a logit, relative to the largest one (binary32).
const TOLERANCE: f64 = 1e-5;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/golden")
}

fn golden() -> Golden {
    Golden::open(folder().join("expected.safetensors").to_str().unwrap())
}

#[test]
fn logits_are_those_of_pytorch() {
    let (golden, device) = (golden(), Device::flex());
    let (witness, config) = load_witness(&folder().join("witness"), &device).unwrap();
    let said = witness.forward(golden.tensor("pixels", &device));
    assert_eq!(said.len(), config.facts.len());
    for (fact, said) in config.facts.iter().zip(&said) {
        let error = error(said, &golden.tensor(&fact.name, &device));
        assert!(error <= TOLERANCE, "{} is off by {error}", fact.name);
    }
}

#[test]
fn shares_are_those_of_the_logits_and_an_image_is_judged_alone() {
    let (golden, device) = (golden(), Device::flex());
    let (witness, config) = load_witness(&folder().join("witness"), &device).unwrap();
    let pixels: Tensor<4> = golden.tensor("pixels", &device);
    let together = witness.testify(pixels.clone());
    assert_eq!(together.len(), 3);
    for (index, said) in together.iter().enumerate() {
        let alone = witness.testify(pixels.clone().narrow(0, index, 1));
        assert_eq!(alone[0], *said, "image {index}");
        for (fact, shares) in config.facts.iter().zip(said) {
            let (logits, _) = golden.numbers(&fact.name);
            let logits = &logits[index * shares.len()..][..shares.len()];
            let sum: f32 = logits.iter().map(|logit| logit.exp()).sum();
            for (share, logit) in shares.iter().zip(logits) {
                assert!((share - logit.exp() / sum).abs() < 1e-5, "{}", fact.name);
            }
        }
    }
}

#[test]
fn the_small_size_has_the_parameters_that_it_should() {
    let fact = |count: usize| Fact {
        name: format!("one of {count}"),
        values: (0..count).map(|value| value.to_string()).collect(),
    };
    let config = WitnessConfig::small([13, 7, 15, 2].map(fact).into());
    let keys = keys_of(&config.init(&Device::flex()));
    let numbers = keys.values().map(|shape| shape.iter().product::<usize>());
    assert_eq!(numbers.sum::<usize>(), 590_821);
    assert_eq!(keys["levels.3.down.weight"], [96, 96, 3, 3]);
    assert_eq!(keys["head.weight"], [37, 192]);
}

#[test]
fn what_is_no_witness_is_refused() {
    let (broken, device) = (tempfile::tempdir().unwrap(), Device::flex());
    let copy = |name: &str| {
        let from = folder().join("witness").join(name);
        fs::copy(from, broken.path().join(name)).unwrap();
    };
    let refused = || {
        load_witness(broken.path(), &device)
            .unwrap_err()
            .to_string()
    };
    assert!(refused().contains("config.json"));
    copy("config.json");
    assert!(refused().contains("there are no weights"));
    copy("model.safetensors");
    load_witness(broken.path(), &device).unwrap();
    let path = broken.path().join("config.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"3\"", "\"3\", \"4\"")).unwrap();
    let said = refused();
    assert!(
        said.contains("`head.") && said.contains("does not fit"),
        "{said}"
    );
    fs::write(
        &path,
        text.replace("\"layers_per_block\": 2", "\"layers_per_block\": 1"),
    )
    .unwrap();
    assert!(refused().contains("tensors that this network has not"));
}
