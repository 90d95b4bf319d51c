//! Whole autoencoders and UNets beside diffusers: `make_diffusion.py` wrote what theirs computed.

use std::path::PathBuf;

use burn::prelude::*;
use ccsr_nn::Row;
use ccsr_nn::golden::Golden;
use ccsr_sampling::{NoiseSchedule, SchedulerConfig};
use ccsr_stable_diffusion::{autoencoder_name, load_autoencoder, load_unet, unet_name};
use ccsr_training::{
    AutoencoderBatch, AutoencoderObjective, AutoencoderTrainer, DenoiserBatch, DenoiserTrainer,
    DistillationBatch, DistillationTrainer, Gradient, Objective,
};
use serde_json::{Value, json};

use crate::near;

/// The largest error of a gradient, relative to the largest number of its parameter.
const TOLERANCE: f64 = 1e-4;
/// What counts as zero: keys' biases have no gradient, as all of a query's products grow alike, but for rounding.
const NOTHING: f32 = 1e-6;

fn folder() -> PathBuf {
    crate::folder().join("diffusion")
}

fn golden() -> Golden {
    Golden::open(folder().join("expected.safetensors").to_str().unwrap())
}

fn expected() -> Value {
    serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap()
}

/// Holds a loss, and the gradient of every parameter, to what the script wrote of a case.
#[track_caller]
fn compare(case: &str, found: &Gradient, row: &Row, named: fn(&str) -> String) {
    let loss = expected()["losses"][case].as_f64().unwrap();
    let error = (found.loss / loss - 1.0).abs();
    assert!(error <= 1e-5, "{case}: {} beside {loss}", found.loss);
    let golden = golden();
    for parameter in row.parameters() {
        let name = named(&parameter.name);
        let own = &found.numbers[row.range(&parameter.name).unwrap()];
        let (theirs, shape) = golden.numbers(&format!("{case}.{name}"));
        let own = match (parameter.is_linear, &shape[..]) {
            (true, [outputs, inputs]) => {
                let row = |output| (0..*inputs).map(move |input| own[input * outputs + output]);
                (0..*outputs).flat_map(row).collect()
            }
            _ => own.to_vec(),
        };
        if theirs.iter().all(|number| number.abs() < NOTHING) {
            assert!(
                own.iter().all(|number| number.abs() < NOTHING),
                "{case}: {name}"
            );
            continue;
        }
        near(&own, &theirs, TOLERANCE, &format!("{case}: {name}"));
    }
}

fn schedule(prediction: &str) -> NoiseSchedule {
    let config: SchedulerConfig = serde_json::from_value(json!({
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": prediction,
    }))
    .unwrap();
    NoiseSchedule::new(&config).unwrap()
}

fn timesteps() -> Vec<usize> {
    let (timesteps, _) = golden().numbers("timesteps");
    timesteps.iter().map(|step| *step as usize).collect()
}

#[test]
fn an_autoencoders_loss_and_gradients_are_those_of_diffusers() {
    let (device, golden) = (Device::flex(), golden());
    let (network, _) = load_autoencoder(&folder().join("autoencoder"), &device).unwrap();
    let numbers = Row::numbers(&network);
    let objective = &expected()["objective"];
    let objective = AutoencoderObjective {
        square: objective["square"].as_f64().unwrap(),
        divergence: objective["divergence"].as_f64().unwrap(),
    };
    let trainer = AutoencoderTrainer::new(network, objective, &device.clone().autodiff());
    let batch = AutoencoderBatch {
        images: golden.tensor("images", &device),
        noise: golden.tensor("images.noise", &device),
    };
    let found = trainer.gradient(&numbers, batch);
    compare("autoencoder", &found, trainer.row(), autoencoder_name);
}

#[test]
fn a_denoisers_losses_and_gradients_are_those_of_diffusers() {
    let (device, golden) = (Device::flex(), golden());
    let (network, _) = load_unet(&folder().join("unet"), &device).unwrap();
    let numbers = Row::numbers(&network);
    for (case, prediction, snr_gamma) in [
        ("noise", "epsilon", None),
        ("velocity", "v_prediction", Some(5.0)),
    ] {
        let objective = Objective {
            schedule: schedule(prediction),
            snr_gamma,
        };
        let graph = device.clone().autodiff();
        let trainer = DenoiserTrainer::new(network.clone(), objective, &graph);
        let batch = DenoiserBatch {
            latents: golden.tensor("latents", &device),
            noise: golden.tensor("noise", &device),
            timesteps: timesteps(),
            states: golden.tensor("states", &device),
        };
        let found = trainer.gradient(&numbers, batch);
        compare(case, &found, trainer.row(), unet_name);
    }
}

#[test]
fn a_students_loss_and_gradients_are_those_of_pytorch() {
    let (device, golden) = (Device::flex(), golden());
    let (network, _) = load_unet(&folder().join("unet"), &device).unwrap();
    let numbers = Row::numbers(&network);
    let graph = device.clone().autodiff();
    let trainer = DistillationTrainer::new(network, schedule("v_prediction"), &graph);
    let batch = DistillationBatch {
        samples: golden.tensor("noise", &device),
        timesteps: timesteps(),
        latents: golden.tensor("latents", &device),
        states: golden.tensor("states", &device),
    };
    let found = trainer.gradient(&numbers, batch);
    compare("distillation", &found, trainer.row(), unet_name);
}
