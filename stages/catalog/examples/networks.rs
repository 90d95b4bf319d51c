//! Times one network from a folder: `benches/networks.py` calls this beside PyTorch.
//!
//! `networks NETWORK FOLDER INPUTS.safetensors OUTPUT ROUNDS [DEVICE]` loads, computes once to warm up and then
//! ROUNDS times, writes the last answer as binary32 numbers and prints one JSON object with seconds.

#![expect(clippy::print_stdout, reason = "the answer is what this is for")]
#![expect(clippy::unwrap_used, reason = "nobody depends on it")]

use std::path::Path;
use std::time::Instant;

use burn::module::Module;
use burn::prelude::*;
use ccsr_clip::{load_clip, load_text};
use ccsr_nn::golden::Golden;
use ccsr_stable_diffusion::{load_autoencoder, load_unet};

/// A network in memory with its input: each call computes once.
type Computation = Box<dyn Fn() -> TensorData>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [network, folder, inputs, output, rounds, device @ ..] = arguments.as_slice() else {
        panic!(
            "expected NETWORK FOLDER INPUTS.safetensors OUTPUT ROUNDS [DEVICE], found {arguments:?}"
        );
    };
    let device = device.first().map_or("cpu", String::as_str);
    let device = ccsr_stages::device(device).unwrap();
    let (folder, inputs) = (Path::new(folder), Golden::open(inputs));
    let began = Instant::now();
    let compute = load(network, folder, &inputs, device);
    let loading = began.elapsed().as_secs_f64();
    let mut answer = compute();
    let seconds: Vec<f64> = (0..rounds.parse().unwrap())
        .map(|_| {
            let began = Instant::now();
            answer = compute();
            began.elapsed().as_secs_f64()
        })
        .collect();
    let bytes = answer.convert::<f32>().into_bytes();
    std::fs::write(output, &bytes[..]).unwrap();
    println!(
        "{}",
        serde_json::json!({"loading": loading, "seconds": seconds})
    );
}

fn load(network: &str, folder: &Path, inputs: &Golden, device: Device) -> Computation {
    match network {
        "unet" | "half" => {
            let (unet, _) = load_unet(folder, &device).unwrap();
            let sample = inputs.tensor::<4>("sample", &device);
            let text = unet.condition(&inputs.tensor::<3>("text", &device));
            Box::new(move || unet.forward(sample.clone(), 500.0, &text).into_data())
        }
        "backward" => {
            let device = device.autodiff();
            let unet = load_unet(folder, &device).unwrap().0.no_grad();
            let sample = inputs.tensor::<4>("sample", &device);
            let text = inputs.tensor::<3>("text", &device);
            Box::new(move || {
                let sample = sample.clone().require_grad();
                let text = unet.condition(&text.clone().require_grad());
                let predicted = unet.forward(sample.clone(), 500.0, &text);
                let gradients = predicted.square().mean().backward();
                sample.grad(&gradients).unwrap().into_data()
            })
        }
        "decoder" => {
            let (autoencoder, _) = load_autoencoder(folder, &device).unwrap();
            let latents = inputs.tensor::<4>("latents", &device);
            Box::new(move || autoencoder.decode(latents.clone()).into_data())
        }
        "text" => {
            let (text, _) = load_text(folder, &device).unwrap();
            let tokens = inputs.whole::<2>("tokens", &device);
            Box::new(move || text.forward(tokens.clone()).into_data())
        }
        "clip" => {
            let (clip, _) = load_clip(folder, &device).unwrap();
            let pixels = inputs.tensor::<4>("pixels", &device);
            Box::new(move || clip.image_features(pixels.clone()).into_data())
        }
        other => panic!("there is no network `{other}`: unet, half, backward, decoder, text, clip"),
    }
}
