//! CLIP's loss and gradients beside those of transformers: `make_contrastive.py` wrote them.

use std::path::Path;

use burn::prelude::*;
use ccsr_clip::load_clip;
use ccsr_nn::Row;
use ccsr_nn::golden::Golden;
use ccsr_training::{ContrastiveBatch, ContrastiveTrainer, Known};

use crate::{TOLERANCE, are_near, folder};

#[test]
fn losses_and_gradients_are_those_of_transformers() {
    let golden = Golden::open(folder().join("contrastive.safetensors").to_str().unwrap());
    let path = "../models/clip/tests/parity/golden/clip";
    let device = Device::flex();
    let (network, _) =
        load_clip(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path), &device).unwrap();
    let numbers = Row::numbers(&network);
    let trainer = ContrastiveTrainer::new(network, Known::default(), &device.clone().autodiff());
    let batch = ContrastiveBatch {
        pixels: golden.tensor("pixels", &device),
        tokens: golden.whole("tokens", &device),
        values: Vec::new(),
        patch_values: Vec::new(),
    };
    let found = trainer.gradient(&numbers, &batch);
    let loss = f64::from(golden.numbers("loss").0[0]);
    assert!(
        (found.loss / loss - 1.0).abs() < 1e-5,
        "{} {loss}",
        found.loss
    );
    are_near(trainer.row(), &found.numbers, TOLERANCE, |name| {
        golden.numbers(name.trim_start_matches("clip."))
    });
}
