//! Times steps of LoRA training: `benches/training.py` calls this beside peft on PyTorch.
//!
//! `step FOLDER INPUTS.safetensors STEPS [checkpointing]` loads a UNet, trains an adapter of rank 4 for its attention on
//! the one batch of the inputs, a step to warm up and then STEPS, and prints one JSON object with seconds and losses.

#![expect(clippy::print_stdout, reason = "the answer is what this is for")]
#![expect(clippy::unwrap_used, reason = "nobody depends on it")]

use std::path::Path;
use std::time::Instant;

use burn::prelude::*;
use ccsr_nn::golden::Golden;
use ccsr_sampling::noise::Noise;
use ccsr_sampling::{NoiseSchedule, SchedulerConfig};
use ccsr_stable_diffusion::load_unet;
use ccsr_training::{AdamW, Batch, Layers, Objective, State, Targets, Text, Trainer};

const RANK: usize = 4;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, inputs, steps, more @ ..] = arguments.as_slice() else {
        panic!("expected FOLDER INPUTS.safetensors STEPS [checkpointing], found {arguments:?}");
    };
    let (inputs, plain) = (Golden::open(inputs), Device::flex());
    let checkpointing = more.iter().any(|word| word == "checkpointing");
    let device = plain.clone().autodiff();
    let began = Instant::now();
    let (mut unet, _) = load_unet(Path::new(folder), &plain).unwrap();
    let targets = Targets {
        unet: ["to_q", "to_k", "to_v", "to_out.0"]
            .map(str::to_owned)
            .into(),
        text_encoder: Vec::new(),
    };
    let layers = Layers::of(&mut unet, None, &targets, RANK).unwrap();
    let config = SchedulerConfig {
        beta_start: Some(0.00085),
        beta_end: Some(0.012),
        beta_schedule: Some(ccsr_sampling::BetaSchedule::ScaledLinear),
        ..SchedulerConfig::default()
    };
    let objective = Objective {
        schedule: NoiseSchedule::new(&config).unwrap(),
        snr_gamma: None,
    };
    let trainer =
        Trainer::new(unet, None, layers, 1.0, objective, &device).checkpointing(checkpointing);
    let mut noise = Noise::new([7; 32]);
    let initial = trainer.layers().initial(|_, count| noise.numbers(count));
    let mut state = State::new(initial, false);
    let loading = began.elapsed().as_secs_f64();
    let (timesteps, _) = inputs.numbers("timesteps");
    let (mut seconds, mut losses) = (Vec::new(), Vec::new());
    for _ in 0..=steps.parse::<usize>().unwrap() {
        let batch = Batch {
            latents: inputs.tensor("latents", &plain),
            noise: inputs.tensor("noise", &plain),
            timesteps: timesteps.iter().map(|step| *step as usize).collect(),
            text: Text::States(inputs.tensor("text", &plain)),
        };
        let began = Instant::now();
        let gradient = trainer.gradient(&state.parameters, batch);
        state.step(gradient.numbers, &AdamW::default(), 1e-4, None);
        seconds.push(began.elapsed().as_secs_f64());
        losses.push(gradient.loss);
    }
    let answer = serde_json::json!({"loading": loading, "seconds": seconds[1..], "losses": losses});
    println!("{answer}");
}
