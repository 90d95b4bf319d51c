//! A witness's loss and gradients beside PyTorch's: `make_witness.py` wrote them.

use std::path::Path;

use burn::prelude::*;
use ccsr_nn::Row;
use ccsr_nn::golden::Golden;
use ccsr_training::{WitnessBatch, WitnessTrainer};
use ccsr_witness::{Witness, load_witness};

use crate::{TOLERANCE, are_near, folder};

fn witness() -> Witness {
    let path = "../models/witness/tests/parity/golden/witness";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    load_witness(&path, &Device::flex()).unwrap().0
}

fn golden() -> Golden {
    Golden::open(folder().join("witness.safetensors").to_str().unwrap())
}

fn batch() -> WitnessBatch {
    let (values, shape) = golden().numbers("values");
    let of_fact = |values: &[f32]| values.iter().map(|value| *value as usize).collect();
    WitnessBatch {
        pixels: golden().tensor("pixels", &Device::flex()),
        values: values.chunks(shape[1]).map(of_fact).collect(),
    }
}

#[test]
fn losses_and_gradients_are_those_of_pytorch() {
    let (golden, network) = (golden(), witness());
    let numbers = Row::numbers(&network);
    for (name, smoothing) in [("plain", 0.0), ("smooth", 0.1)] {
        let trainer = WitnessTrainer::new(network.clone(), smoothing, &Device::flex().autodiff());
        assert_eq!(trainer.row().len(), numbers.len());
        let found = trainer.gradient(&numbers, batch());
        let loss = f64::from(golden.numbers(&format!("{name}.loss")).0[0]);
        assert!(
            (found.loss / loss - 1.0).abs() < 1e-5,
            "{} {loss}",
            found.loss
        );
        are_near(trainer.row(), &found.numbers, TOLERANCE, |parameter| {
            golden.numbers(&format!("{name}.{parameter}"))
        });
    }
}

#[test]
fn steps_along_the_gradient_make_the_loss_small() {
    use ccsr_training::{AdamW, State};

    let network = witness();
    let trainer = WitnessTrainer::new(network.clone(), 0.0, &Device::flex().autodiff());
    let mut state = State::new(Row::numbers(&network), false);
    let mut losses = Vec::new();
    for _ in 0..30 {
        let found = trainer.gradient(&state.parameters, batch());
        losses.push(found.loss);
        state.step(found.numbers, &AdamW::default(), 1e-2, None);
    }
    assert!(losses[29] < 0.1 * losses[0], "{losses:?}");
}
