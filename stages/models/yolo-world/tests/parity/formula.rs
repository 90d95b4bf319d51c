//! Weights, texts and images that a formula makes: the one of `make_golden.py`.

use std::collections::BTreeMap;
use std::path::Path;

use burn::prelude::*;
use ccsr_nn::keys_of;
use ccsr_yolo_world::{YoloWorldConfig, renamed};
use half::f16;
use image::{Rgb, RgbImage};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::numbers::{formula, parameter};

/// Text features, nearly of length 1.
pub(crate) fn texts(count: usize) -> Tensor<2> {
    let numbers: Vec<f32> = formula("texts", count * 512)
        .map(|number| (number * 0.08) as f32)
        .collect();
    Tensor::from_data(TensorData::new(numbers, [count, 512]), &Device::flex())
}

/// A picture of gradients, stripes and noise.
pub(crate) fn picture(width: u32, height: u32) -> RgbImage {
    let mut noise = formula("noise", (width * height * 3) as usize);
    let mut image = RgbImage::new(width, height);
    for (x, y, pixel) in image.enumerate_pixels_mut() {
        *pixel = Rgb([0, 1, 2].map(|channel| {
            let noise = (noise.next().unwrap() + 1.0) * 20.0;
            let shade = x * (3 + channel) / 4 + y * (5 - channel) / 6;
            ((shade + (x / 24 + y / 40) % 3 * 40 + noise as u32) % 256) as u8
        }));
    }
    image
}

/// The names and shapes of a network's tensors, as files have them.
fn tensors_of(config: &YoloWorldConfig) -> BTreeMap<String, Vec<usize>> {
    let wanted = keys_of(&config.init(&Device::flex()));
    // The deepest network has the names of all.
    let names = include_str!("keys/yw_x.keys").lines();
    let names = names.filter_map(|line| line.split_once(" ("));
    let found: BTreeMap<_, _> = names
        .filter_map(|(name, _)| {
            let shape = wanted.get(&renamed(name)?)?;
            Some((name.to_owned(), shape.clone()))
        })
        .collect();
    assert_eq!(found.len(), wanted.len());
    found
}

/// Writes a checkpoint with weights by the formula, of half precision if `half`, and its configuration.
pub(crate) fn write_checkpoint(folder: &Path, config: &str, half: bool) {
    std::fs::write(folder.join("config.json"), config).unwrap();
    let config: YoloWorldConfig = serde_json::from_str(config).unwrap();
    let file = folder.join("model.safetensors");
    write_tensors(&file, tensors_of(&config), str::to_owned, half);
}

/// Writes tensors of these names and shapes by the formula, under other names.
pub(crate) fn write_tensors(
    file: &Path,
    tensors: BTreeMap<String, Vec<usize>>,
    rename: impl Fn(&str) -> String,
    half: bool,
) {
    let made = |(name, shape): (String, Vec<usize>)| {
        let numbers = parameter(&name, &shape);
        let bytes: Vec<u8> = if half {
            let halves = numbers.iter().map(|number| f16::from_f32(*number));
            halves.flat_map(f16::to_le_bytes).collect()
        } else {
            numbers
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .collect()
        };
        (rename(&name), shape, bytes)
    };
    let tensors: Vec<_> = tensors.into_iter().map(made).collect();
    let kind = if half { Dtype::F16 } else { Dtype::F32 };
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(kind, shape.clone(), bytes).unwrap()));
    safetensors::serialize_to_file(views, None, file).unwrap();
}
