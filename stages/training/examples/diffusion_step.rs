//! Times steps of training an autoencoder and a UNet from nothing.
//!
//! `diffusion_step autoencoder|unet CHANNELS LAYERS BATCH STEPS`, with channels as `64,96,128`: images of 64 x 64
//! pixels, latents of 16 x 16 cells, texts of 77 tokens of 128 numbers. It prints one JSON object.

#![expect(clippy::print_stdout, reason = "the answer is what this is for")]
#![expect(clippy::unwrap_used, reason = "nobody depends on it")]

use std::time::Instant;

use burn::prelude::*;
use ccsr_nn::Row;
use ccsr_sampling::noise::Noise;
use ccsr_sampling::{NoiseSchedule, Prediction, SchedulerConfig};
use ccsr_stable_diffusion::{AutoencoderConfig, BlockKind, PerBlock, UNetConfig};
use ccsr_training::{
    AdamW, AutoencoderBatch, AutoencoderObjective, AutoencoderTrainer, DenoiserBatch,
    DenoiserTrainer, Gradient, Initial, Objective, State, initial,
};

fn tensor<const D: usize>(noise: &mut Noise, shape: [usize; D]) -> Tensor<D> {
    let numbers = noise.numbers(shape.iter().product());
    Tensor::from_data(TensorData::new(numbers, shape), &Device::flex())
}

fn time(row: &Row, steps: usize, mut gradient: impl FnMut(&[f32]) -> Gradient) {
    let noise = |index: usize| Noise::new([index as u8; 32]);
    let mut state = State::new(initial(row, Initial::of, noise), true);
    let (mut seconds, mut losses) = (Vec::new(), Vec::new());
    for _ in 0..=steps {
        let began = Instant::now();
        let found = gradient(&state.parameters);
        let back = began.elapsed().as_secs_f64();
        state.step(found.numbers, &AdamW::default(), 1e-3, None);
        seconds.push([back, began.elapsed().as_secs_f64()]);
        losses.push(found.loss);
    }
    let answer =
        serde_json::json!({"numbers": row.len(), "seconds": seconds[1..], "losses": losses});
    println!("{answer}");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, channels, layers, batch, steps] = arguments.as_slice() else {
        panic!("expected autoencoder|unet CHANNELS LAYERS BATCH STEPS, found {arguments:?}");
    };
    let number = |text: &str| text.parse::<usize>().unwrap();
    let channels: Vec<usize> = channels.split(',').map(number).collect();
    let (layers, batch, steps) = (number(layers), number(batch), number(steps));
    let (plain, graph) = (Device::flex(), Device::flex().autodiff());
    let mut noise = Noise::new([7; 32]);
    if kind == "autoencoder" {
        let config = AutoencoderConfig {
            block_out_channels: channels,
            layers_per_block: layers,
            norm_num_groups: 8,
            ..AutoencoderConfig::default()
        };
        let side = 64 / config.factor();
        let objective = AutoencoderObjective::default();
        let trainer = AutoencoderTrainer::new(config.init(&plain), objective, &graph);
        let images = tensor(&mut noise, [batch, 3, 64, 64]);
        time(trainer.row(), steps, |numbers| {
            let noise = tensor(&mut noise, [batch, 4, side, side]);
            let images = images.clone();
            trainer.gradient(numbers, AutoencoderBatch { images, noise })
        });
    } else {
        use BlockKind::{CrossAttentionDown, CrossAttentionUp, Down, Up};
        let levels = channels.len();
        let attended = vec![CrossAttentionDown; levels - 1];
        let heads = channels.iter().map(|channels| channels / 32);
        let config = UNetConfig {
            attention_head_dim: PerBlock::Each(heads.collect()),
            down_block_types: [vec![Down], attended].concat(),
            up_block_types: [vec![CrossAttentionUp; levels - 1], vec![Up]].concat(),
            block_out_channels: channels,
            layers_per_block: PerBlock::All(layers),
            cross_attention_dim: 128,
            use_linear_projection: true,
            norm_num_groups: 8,
            ..UNetConfig::default()
        };
        let schedule = SchedulerConfig {
            prediction_type: Some(Prediction::Velocity),
            ..SchedulerConfig::default()
        };
        let objective = Objective {
            schedule: NoiseSchedule::new(&schedule).unwrap(),
            snr_gamma: None,
        };
        let trainer = DenoiserTrainer::new(config.init(&plain), objective, &graph);
        let latents = tensor(&mut noise, [batch, 4, 16, 16]);
        time(trainer.row(), steps, |numbers| {
            let batch = DenoiserBatch {
                latents: latents.clone(),
                noise: tensor(&mut noise, [batch, 4, 16, 16]),
                timesteps: (0..batch).map(|index| index * 900 / batch).collect(),
                states: tensor(&mut noise, [batch, 77, 128]),
            };
            trainer.gradient(numbers, batch)
        });
    }
}
