//! Times steps of training a small language model, and a small LLaVA made of it.
//!
//! `language_step writer|judge STEPS` trains on texts of random tokens, a step to warm up and then STEPS, and prints one
//! JSON object with seconds and losses.

#![expect(clippy::print_stdout, reason = "the answer is what this is for")]
#![expect(clippy::unwrap_used, reason = "nobody depends on it")]

use std::time::Instant;

use burn::prelude::*;
use ccsr_llava::{ImageSize, Llava, LlavaConfig, Parts, Prepared};
use ccsr_mistral::{Mistral, MistralConfig, Packing};
use ccsr_nn::Row;
use ccsr_sampling::noise::Noise;
use ccsr_training::{
    AdamW, Asked, Gradient, Initial, JudgeTrainer, LanguageTrainer, Lesson, State, initial,
};
use serde_json::json;

const VOCABULARY: usize = 1024;
const IMAGE: u32 = VOCABULARY as u32 - 1;

/// So many tokens, all but the image's.
fn drawn(noise: &mut Noise, count: usize) -> Vec<u32> {
    let token = |_| (noise.uniform() * f64::from(IMAGE)) as u32;
    (0..count).map(token).collect()
}

/// Trains, and prints how long it took.
fn train(row: &Row, steps: usize, mut gradient: impl FnMut(&[f32]) -> Gradient) {
    let source = |index: usize| Noise::new([index as u8; 32]);
    let mut state = State::new(initial(row, Initial::of, source), true);
    let (mut seconds, mut losses) = (Vec::new(), Vec::new());
    for _ in 0..=steps {
        let began = Instant::now();
        let found = gradient(&state.parameters);
        state.step(found.numbers, &AdamW::default(), 1e-3, None);
        seconds.push(began.elapsed().as_secs_f64());
        losses.push(found.loss);
    }
    let answer = json!({"numbers": row.len(), "seconds": seconds[1..], "losses": losses});
    println!("{answer}");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [which, steps] = arguments.as_slice() else {
        panic!("expected writer|judge STEPS, found {arguments:?}");
    };
    let (steps, device) = (steps.parse().unwrap(), Device::flex());
    let language = json!({
        "model_type": "mistral", "hidden_size": 160, "intermediate_size": 448, "num_hidden_layers": 4,
        "num_attention_heads": 5, "num_key_value_heads": 5, "head_dim": 32, "vocab_size": VOCABULARY,
        "max_position_embeddings": 512, "sliding_window": null, "rms_norm_eps": 1e-5,
    });
    let mut noise = Noise::new([7; 32]);
    if which == "writer" {
        let config = MistralConfig::of_json(&language).unwrap();
        let network = Mistral::new(&config, &Packing::default(), &device);
        let trainer = LanguageTrainer::new(network, &device.autodiff());
        let lesson = |_| Lesson::answer(&drawn(&mut noise, 20), &drawn(&mut noise, 240));
        let batch: Vec<Lesson> = (0..16).map(lesson).collect();
        return train(trainer.row(), steps, |numbers| {
            trainer.gradient(numbers, &batch)
        });
    }
    let config: LlavaConfig = serde_json::from_value(json!({
        "model_type": "llava", "image_token_index": IMAGE, "vision_feature_layer": -1,
        "text_config": language,
        "vision_config": {
            "hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 6, "num_attention_heads": 6,
            "image_size": 64, "patch_size": 8,
        },
    }))
    .unwrap();
    let network = Llava::new(&config, &device).unwrap();
    let pixels = |noise: &mut Noise| {
        let numbers = TensorData::new(noise.numbers(3 * 64 * 64), [1, 3, 64, 64]);
        Prepared::new(ImageSize::new(64, 64), Tensor::from_data(numbers, &device))
    };
    let asked = |_| Asked {
        image: pixels(&mut noise),
        beginning: [drawn(&mut noise, 4), vec![IMAGE]].concat(),
        questions: (0..8)
            .map(|index| {
                let question = drawn(&mut noise, 20 + 2 * index);
                Lesson::answer(&question, &drawn(&mut noise, 2))
            })
            .collect(),
    };
    let batch: Vec<Asked> = (0..16).map(asked).collect();
    let trainer = JudgeTrainer::new(network, Parts::default(), &device.clone().autodiff());
    train(trainer.row(), steps, |numbers| {
        trainer.gradient(numbers, &batch)
    });
}
