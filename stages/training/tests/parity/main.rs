//! Training beside peft with diffusers' training script: `make_golden.py` wrote what theirs computed.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where it stopped"
)]

mod contrastive;
mod diffusion;
mod language;
mod muon;
mod witness;

use std::path::{Path, PathBuf};

use burn::prelude::*;
use ccsr_clip::load_text;
use ccsr_nn::Row;
use ccsr_nn::golden::Golden;
use ccsr_sampling::{NoiseSchedule, SchedulerConfig};
use ccsr_stable_diffusion::load_unet;
use ccsr_training::{
    AdamW, Average, Batch, Gradient, Layers, LearningRate, Objective, RateSchedule, State, Targets,
    Text, Trainer,
};
use serde_json::{Value, json};

const RANK: usize = 3;
/// The largest error of a gradient, relative to its largest number.
const TOLERANCE: f64 = 1e-4;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/golden")
}

fn golden() -> Golden {
    Golden::open(folder().join("expected.safetensors").to_str().unwrap())
}

fn expected() -> Value {
    serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap()
}

fn texts(value: &Value) -> Vec<String> {
    let found = value.as_array().into_iter().flatten();
    found
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

/// What a case of the script trains.
fn trainer(case: &Value) -> Trainer {
    let device = Device::flex();
    let unets = "../models/stable-diffusion/tests/parity/golden";
    let unets = Path::new(env!("CARGO_MANIFEST_DIR")).join(unets);
    let (mut unet, _) = load_unet(&unets.join(case["unet"].as_str().unwrap()), &device).unwrap();
    let mut encoder = case.get("text_targets").map(|_| {
        let (encoder, _) = load_text(&folder().join("text_encoder"), &device).unwrap();
        encoder
    });
    let targets = Targets {
        unet: texts(&case["targets"]),
        text_encoder: texts(&case["text_targets"]),
    };
    let layers = Layers::of(&mut unet, encoder.as_mut(), &targets, RANK).unwrap();
    let config: SchedulerConfig = serde_json::from_value(json!({
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": case.get("prediction").cloned().unwrap_or_else(|| json!("epsilon")),
    }))
    .unwrap();
    let objective = Objective {
        schedule: NoiseSchedule::new(&config).unwrap(),
        snr_gamma: case.get("gamma").map(|gamma| gamma.as_f64().unwrap()),
    };
    let rank = RANK as f64;
    let divisor = if case.get("rslora").is_some() {
        rank.sqrt()
    } else {
        rank
    };
    let factor = case["alpha"].as_f64().unwrap() / divisor;
    Trainer::new(unet, encoder, layers, factor, objective, &device.autodiff())
}

/// The batch of the script, or a part of it.
fn batch(case: &Value, from: usize, to: usize) -> Batch {
    let (golden, device) = (golden(), Device::flex());
    let part = |name: &str| golden.tensor::<4>(name, &device).slice(from..to);
    let (timesteps, _) = golden.numbers("timesteps");
    let text = if case.get("text_targets").is_some() {
        Text::Tokens(golden.whole::<2>("tokens", &device).slice(from..to))
    } else {
        Text::States(golden.tensor::<3>("text", &device).slice(from..to))
    };
    Batch {
        latents: part("latents"),
        noise: part("noise"),
        timesteps: timesteps[from..to]
            .iter()
            .map(|step| *step as usize)
            .collect(),
        text,
    }
}

fn numbers(name: &str) -> Vec<f32> {
    golden().numbers(name).0
}

#[track_caller]
fn near(found: &[f32], expected: &[f32], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected
        .iter()
        .fold(0.0_f64, |most, number| most.max(f64::from(number.abs())));
    let errors = found
        .iter()
        .zip(expected)
        .map(|(a, b)| f64::from((a - b).abs()));
    let error = errors.fold(0.0, f64::max) / largest;
    assert!(error <= tolerance, "{what} is off by {error}");
}

/// That all numbers of a network's row are those of PyTorch, which says them by the parameter's name, with their shape. Errors
/// are relative to a parameter's largest number, or to a hundredth of the largest of all: what is 0 but for rounding (the
/// gradient of a key's bias) has no first digit.
#[track_caller]
fn are_near(
    row: &Row,
    found: &[f32],
    tolerance: f64,
    theirs: impl Fn(&str) -> (Vec<f32>, Vec<usize>),
) {
    let largest = |numbers: &[f32]| {
        numbers
            .iter()
            .fold(0.0_f32, |most, number| most.max(number.abs()))
    };
    let (floor, mut rest) = (largest(found) * 1e-2, found);
    for parameter in row.parameters() {
        let (own, after) = rest.split_at(parameter.len());
        rest = after;
        let (mut theirs, shape) = theirs(&parameter.name);
        if parameter.is_linear {
            let (outputs, inputs) = (shape[0], shape[1]);
            let turned = (0..inputs)
                .flat_map(|input| (0..outputs).map(move |output| output * inputs + input));
            theirs = turned.map(|place| theirs[place]).collect();
        }
        let scale = largest(&theirs).max(floor);
        let apart = own
            .iter()
            .zip(&theirs)
            .map(|(own, theirs)| (own - theirs).abs());
        let error = f64::from(apart.fold(0.0, f32::max) / scale);
        assert!(
            own.len() == theirs.len() && error <= tolerance,
            "{} is off by {error}",
            parameter.name
        );
    }
    assert!(rest.is_empty());
}

#[test]
fn losses_and_gradients_are_those_of_peft() {
    let expected = expected();
    let cases = [
        "attention",
        "everything",
        "velocity",
        "min-snr",
        "min-snr-velocity",
        "text",
    ];
    for name in cases {
        let case = &expected[name];
        let trainer = trainer(case);
        let parameters = numbers(&format!("{name}.parameters"));
        assert_eq!(trainer.layers().numbers(), parameters.len(), "{name}");
        let found = trainer.gradient(&parameters, batch(case, 0, 4));
        let loss = case["loss"].as_f64().unwrap();
        assert!(
            (found.loss / loss - 1.0).abs() <= TOLERANCE,
            "{name}: {} beside {loss}",
            found.loss
        );
        near(
            &found.numbers,
            &numbers(&format!("{name}.gradient")),
            TOLERANCE,
            name,
        );
    }
}

#[test]
fn gradients_are_the_same_block_by_block() {
    let expected = expected();
    for name in ["attention", "everything", "text"] {
        let case = &expected[name];
        let parameters = numbers(&format!("{name}.parameters"));
        let whole = trainer(case).gradient(&parameters, batch(case, 0, 4));
        let by_blocks = trainer(case).checkpointing(true);
        let by_blocks = by_blocks.gradient(&parameters, batch(case, 0, 4));
        assert!((by_blocks.loss / whole.loss - 1.0).abs() <= 1e-6, "{name}");
        near(&by_blocks.numbers, &whole.numbers, 1e-5, name);
    }
}

#[test]
fn steps_are_those_of_pytorch_whether_a_batch_comes_at_once_or_in_parts() {
    let (expected, optimizer) = (
        expected(),
        AdamW {
            max_norm: Some(0.05),
            ..AdamW::default()
        },
    );
    let case = &expected["attention"];
    let trainer = trainer(case);
    for part in [4, 2, 1] {
        let mut state = State::new(numbers("attention.parameters"), true);
        for step in 0..3 {
            let parts = (0..4)
                .step_by(part)
                .map(|from| trainer.gradient(&state.parameters, batch(case, from, from + part)));
            let together = Gradient::mean(&parts.collect::<Vec<_>>()).unwrap();
            let expected = |what: &str| expected["steps"][what][step].as_f64().unwrap();
            assert!((together.loss / expected("losses") - 1.0).abs() <= 1e-5);
            let average = Some(Average { decay: 0.9 });
            let norm = state.step(together.numbers, &optimizer, 1e-2, average);
            assert!(
                (norm / expected("norms") - 1.0).abs() <= TOLERANCE,
                "{norm}"
            );
            let number = step + 1;
            near(
                &state.parameters,
                &numbers(&format!("step{number}")),
                TOLERANCE,
                "parameters",
            );
            near(
                state.result(),
                &numbers(&format!("average{number}")),
                TOLERANCE,
                "average",
            );
        }
    }
}

#[test]
fn learning_rates_are_those_of_diffusers() {
    let expected = expected();
    let schedules = [
        ("constant", RateSchedule::Constant),
        ("linear", RateSchedule::Linear),
        ("cosine", RateSchedule::Cosine),
    ];
    for (name, schedule) in schedules {
        for warmup in [0, 4] {
            let rate = LearningRate {
                peak: 3e-4,
                warmup,
                schedule,
                steps: 12,
            };
            let theirs = &expected["rates"][format!("{name} {warmup}")];
            for step in 0..12 {
                let theirs = theirs[step].as_f64().unwrap();
                let ours = rate.at(step as u64);
                assert!(
                    (ours - theirs).abs() <= 1e-12,
                    "{name} {warmup} {step}: {ours} {theirs}"
                );
            }
        }
    }
}

#[test]
fn gradients_are_the_same_bits_whatever_else_the_machine_does() {
    let expected = expected();
    for name in ["attention", "everything", "text"] {
        let case = &expected[name];
        for checkpointing in [false, true] {
            let trainer = trainer(case).checkpointing(checkpointing);
            let parameters = numbers(&format!("{name}.parameters"));
            let alone = trainer.gradient(&parameters, batch(case, 0, 4));
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..3 {
                            let found = trainer.gradient(&parameters, batch(case, 0, 4));
                            assert_eq!(found.loss.to_bits(), alone.loss.to_bits(), "{name}");
                            assert_eq!(found.numbers, alone.numbers, "{name} {checkpointing}");
                        }
                    });
                }
            });
        }
    }
}
