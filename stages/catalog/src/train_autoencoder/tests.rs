//! Training of tiny networks. That losses and gradients are right is shown in `ccsr-training`, beside diffusers.

use ccsr_stable_diffusion::load_autoencoder;
use ccsr_stage::Roles;
use ccsr_stage::testing::{Lab, check_kind, misfits};
use serde_json::{Value as Json, json};

use super::*;
use crate::pretraining::Train;
use crate::samples::{COLOURS, check_goes_on, colours, column, files, laid_out, run};

fn with(training: &Json) -> Json {
    json!({"training": training, "channels": [24, 24, 24]})
}

#[test]
fn it_keeps_the_contract_of_a_stage() {
    let lab = Lab::new(1);
    let scenes = colours(&lab);
    let training = json!({"steps": 3, "batch": 3, "checkpoint_every": 2, "warmup": 1, "ema": 0.9});
    let (with, roles) = (with(&training), Roles::default());
    let tables = [("scenes", &scenes)];
    let ran = check_kind::<Train<Params>>(&with, &files(), &roles, &lab, &tables);
    assert_eq!(column(ran.table("metrics"), "step"), json!([1, 2, 3]));
    assert_eq!(
        column(ran.table("model"), "file"),
        json!(["config.json", "diffusion_pytorch_model.safetensors"])
    );
    check_goes_on("train.autoencoder", &with, &lab, &tables);
}

/// Pictures come back from it, as its loader reads it, and latents are as large as diffusion wants them.
#[test]
fn pictures_come_back() {
    let lab = Lab::new(1);
    let training = json!({"steps": 150, "batch": 4, "learning_rate": 0.005, "warmup": 10});
    let tables = [("scenes", &colours(&lab))];
    let ran = run(&lab, "train.autoencoder", &with(&training), &tables).unwrap();
    let losses = column(ran.table("metrics"), "loss");
    let loss = |step: usize| losses[step].as_f64().unwrap();
    assert!(loss(149) < 0.2 * loss(0), "{} to {}", loss(0), loss(149));
    let folder = laid_out(&lab, ran.table("model"));
    let device = Device::flex();
    let (network, config) = load_autoencoder(folder.path(), &device).unwrap();
    assert_eq!(config.factor(), 4);
    let colours = COLOURS.map(|(_, colour)| colour.map(|level| f32::from(level) / 127.5 - 1.0));
    let numbers: Vec<f32> = colours
        .iter()
        .flatten()
        .flat_map(|level| [*level; 256])
        .collect();
    let images = Tensor::<4>::from_data(TensorData::new(numbers, [4, 3, 16, 16]), &device);
    let latents = network
        .encode(images.clone())
        .mean
        .mul_scalar(network.scaling_factor());
    let deviation: f32 = latents
        .clone()
        .reshape([1024 / 4])
        .var(0)
        .sqrt()
        .into_scalar();
    assert!((0.8..1.2).contains(&deviation), "{deviation}");
    let error: f32 = (network.decode(latents) - images)
        .abs()
        .mean()
        .into_scalar();
    assert!(error < 0.15, "{error}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let said = misfits::<Train<Params>>(
        &json!({"channels": [8, 12], "layers": 0, "latent_channels": 99, "square": -1}),
        &files(),
        &Roles::default(),
    );
    let all = said.join("\n");
    for wanted in [
        "channels.1: `12` is no multiple of 8",
        "layers: `layers: 0`",
        "latent_channels: `latent_channels: 99`",
        "square: `square: -1`",
    ] {
        assert!(all.contains(wanted), "{wanted}: {all}");
    }
    let lab = Lab::new(1);
    let deep = json!({"channels": [8, 8, 8, 8, 8, 8]});
    let error = run(
        &lab,
        "train.autoencoder",
        &deep,
        &[("scenes", &colours(&lab))],
    )
    .unwrap_err();
    assert!(
        error.contains("16 x 16 pixels do not part into latent cells of 32 x 32"),
        "{error}"
    );
}
