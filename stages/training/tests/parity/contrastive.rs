//! CLIP's loss and gradients beside those of transformers: `make_contrastive.py` wrote them.

use std::ops::Range;
use std::path::Path;
use std::slice;

use burn::prelude::*;
use ccsr_clip::{Clip, ClipConfig, load_clip};
use ccsr_nn::Row;
use ccsr_nn::golden::Golden;
use ccsr_training::{ContrastiveBatch, ContrastiveTrainer, Facts, Gradient, Known};

use crate::{TOLERANCE, are_near, folder};

fn golden() -> Golden {
    Golden::open(folder().join("contrastive.safetensors").to_str().unwrap())
}

fn clip(device: &Device) -> (Clip, ClipConfig) {
    let path = "../models/clip/tests/parity/golden/clip";
    load_clip(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path), device).unwrap()
}

fn batch(golden: &Golden, device: &Device) -> ContrastiveBatch {
    ContrastiveBatch {
        pixels: golden.tensor("pixels", device),
        tokens: golden.whole("tokens", device),
        values: Vec::new(),
        patch_values: Vec::new(),
    }
}

/// The gradient of a batch whose parts are looked at and followed apart.
fn in_parts(
    trainer: &ContrastiveTrainer,
    numbers: &[f32],
    batch: &ContrastiveBatch,
    parts: &[Range<usize>],
) -> Gradient {
    let seen = parts
        .iter()
        .map(|part| trainer.look(numbers, batch, part.clone()));
    let (pulls, mut sum) = trainer.compare(numbers, seen.collect());
    for pull in pulls {
        sum.plus(&trainer.follow(pull));
    }
    sum
}

#[test]
fn losses_and_gradients_are_those_of_transformers_in_parts_too() {
    let (golden, device) = (golden(), Device::flex());
    let (network, _) = clip(&device);
    let numbers = Row::numbers(&network);
    let trainer = ContrastiveTrainer::new(network, Known::default(), &device.clone().autodiff());
    let batch = batch(&golden, &device);
    let [count, ..] = batch.pixels.dims();
    let loss = f64::from(golden.numbers("loss").0[0]);
    let whole = 0..count;
    for parts in [slice::from_ref(&whole), &[0..1, 1..count]] {
        let found = in_parts(&trainer, &numbers, &batch, parts);
        assert_eq!(found.count, count);
        assert!(
            (found.loss / loss - 1.0).abs() < 1e-5,
            "{} {loss}",
            found.loss
        );
        are_near(trainer.row(), &found.numbers, TOLERANCE, |name| {
            golden.numbers(name.trim_start_matches("clip."))
        });
    }
}

#[test]
fn what_is_told_of_images_and_patches_is_the_same_in_parts() {
    let (golden, device) = (golden(), Device::flex());
    let (network, config) = clip(&device);
    let width = config.vision_config.hidden_size;
    let side = config.vision_config.image_size / config.vision_config.patch_size;
    let facts = |values: &[usize], weight| Facts {
        width,
        values: values.to_vec(),
        weight,
    };
    let known = Known {
        of_images: Some(facts(&[2, 5], 3.0)),
        of_patches: Some(facts(&[4], 2.0)),
    };
    let mut batch = batch(&golden, &device);
    let [count, ..] = batch.pixels.dims();
    assert!(count > 2);
    // Of the patches of the first image, one in seven shows something, of the last's, every one does.
    let patches = side * side;
    let patch = |at: usize| match at / patches {
        image if image + 1 == count => 1 + at % 3,
        _ => usize::from(at.is_multiple_of(7)),
    };
    batch.values = vec![(0..count).map(|it| it % 2).collect(), (0..count).collect()];
    batch.patch_values = vec![(0..count * patches).map(patch).collect()];
    let mut numbers = Row::numbers(&network);
    let trainer = ContrastiveTrainer::new(network, known, &device.clone().autodiff());
    let more = numbers.len()..trainer.row().len();
    assert!(!more.is_empty());
    numbers.extend(more.map(|at| (at as f32).sin() * 0.1));
    let all = 0..count;
    let all = slice::from_ref(&all);
    let whole = in_parts(&trainer, &numbers, &batch, all);
    // Along a direction that all numbers have a part in, the loss rises as the gradient says.
    let direction: Vec<_> = (0..numbers.len())
        .map(|at| (at as f32 * 0.7).cos())
        .collect();
    let loss_at = |step: f32| {
        let moved = numbers.iter().zip(&direction);
        let moved: Vec<_> = moved.map(|(number, along)| number + step * along).collect();
        in_parts(&trainer, &moved, &batch, all).loss
    };
    let step = 1e-4;
    let rise = (loss_at(step) - loss_at(-step)) / f64::from(2.0 * step);
    let slopes = whole.numbers.iter().zip(&direction);
    let slope: f64 = slopes.map(|(slope, along)| f64::from(slope * along)).sum();
    assert!((rise / slope - 1.0).abs() < 1e-2, "{rise} {slope}");

    let parts = (0..count).map(|it| it..it + 1).collect::<Vec<_>>();
    let parts = in_parts(&trainer, &numbers, &batch, &parts);
    assert!((parts.loss / whole.loss - 1.0).abs() < 1e-5, "{parts:?}");
    for parameter in trainer.row().parameters() {
        let range = trainer.row().range(&parameter.name).unwrap();
        let (own, whole) = (&parts.numbers[range.clone()], &whole.numbers[range]);
        let scale = whole.iter().fold(1e-3_f32, |most, it| most.max(it.abs()));
        for (own, whole) in own.iter().zip(whole) {
            assert!((own - whole).abs() < 1e-4 * scale, "{}", parameter.name);
        }
    }
}
