//! YOLO-World in training beside ultralytics': `make_golden.py` wrote what theirs computed.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where it stopped"
)]

#[path = "../../../models/yolo-world/tests/parity/numbers.rs"]
mod numbers;

use std::collections::BTreeMap;

use burn::prelude::*;
use ccsr_nn::golden::Golden;
use ccsr_nn::{Parameter, Row};
use ccsr_training::detection::assign;
use ccsr_training::{DetectionBatch, DetectionTrainer, LabelledBox, SearchTexts};
use ccsr_yolo_world::{Network, YoloWorldConfig, places, written};

use self::numbers::{formula, parameter};

const IMAGES: usize = 4;
const CLASSES: usize = 5;
const WIDTH: usize = 24;
const SIDE: usize = 64;
/// The largest error of a gradient, relative to its norm. Theirs is of double precision.
const TOLERANCE: f64 = 1e-3;
/// The same relative to the norm of all: some are 0 but for rounding.
const TOLERANCE_OF_ALL: f64 = 1e-6;

fn golden(name: &str) -> Vec<f32> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/detection");
    let golden = Golden::open(&format!("{folder}/golden.safetensors"));
    golden.numbers(name).0
}

fn network() -> Network {
    let config = r#"{"model_type": "yolo-world-v2", "depth": 0.33, "width": 0.0625, "max_channels": 512,
        "classes_at_build": 5, "text_width": 24}"#;
    let config: YoloWorldConfig = serde_json::from_str(config).unwrap();
    config.init(&Device::flex())
}

fn trainer() -> DetectionTrainer {
    DetectionTrainer::new(network(), None, &Device::flex().autodiff())
}

/// Numbers as files have them, where linear layers are `[outputs, inputs]`, into our order, or back.
fn turned(numbers: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let row = |column| (0..rows).map(move |row| numbers[row * columns + column]);
    (0..columns).flat_map(row).collect()
}

/// What files call a parameter of the trainer's.
fn filed(name: &str) -> String {
    written(name.strip_prefix("network.").unwrap())
}

/// The network's numbers by the formula.
fn parameters(row: &Row) -> Vec<f32> {
    let made = |of: &Parameter| {
        let mut shape = of.shape.clone();
        if of.is_linear {
            shape.reverse();
        }
        let numbers = parameter(&filed(&of.name), &shape);
        if of.is_linear {
            turned(&numbers, shape[0], shape[1])
        } else {
            numbers
        }
    };
    row.parameters().iter().flat_map(made).collect()
}

fn texts() -> Tensor<2> {
    let numbers: Vec<f32> = formula("texts", CLASSES * WIDTH)
        .map(|number| number as f32)
        .collect();
    Tensor::from_data(TensorData::new(numbers, [CLASSES, WIDTH]), &Device::flex())
}

fn pixels(name: &str) -> Tensor<4> {
    let numbers = formula(name, IMAGES * 3 * SIDE * SIDE);
    let numbers: Vec<f32> = numbers
        .map(|number| f32::midpoint(number as f32, 1.0))
        .collect();
    let shape = [IMAGES, 3, SIDE, SIDE];
    Tensor::from_data(TensorData::new(numbers, shape), &Device::flex())
}

/// The boxes of the script: one image has none.
fn batch() -> DetectionBatch {
    let rows = [
        [0, 0, 4, 6, 40, 50],
        [0, 1, 10, 12, 36, 44],
        [0, 0, 20, 8, 58, 52],
        [0, 4, 50, 50, 57, 56],
        [1, 2, 0, 0, 64, 64],
        [1, 3, 30, 2, 34, 62],
        [1, 2, 33, 3, 61, 30],
        [3, 3, 7, 21, 29, 45],
    ];
    let mut boxes = vec![Vec::new(); IMAGES];
    for [image, class, bounds @ ..] in rows {
        boxes[image].push(LabelledBox {
            class,
            bounds: bounds.map(|edge| edge as f32),
        });
    }
    DetectionBatch {
        pixels: pixels("pixels"),
        texts: SearchTexts::Features(texts()),
        boxes,
    }
}

#[test]
fn the_loss_is_that_of_ultralytics() {
    let trainer = trainer();
    assert_eq!(trainer.row().len(), golden("numbers")[0] as usize);
    let numbers = parameters(trainer.row());
    let found = trainer.loss(&numbers, &batch());
    let expected = golden("loss");
    let parts = [found.boxes, found.classes, found.distances];
    for (found, expected) in parts.into_iter().zip(&expected) {
        let error = (found / f64::from(*expected) - 1.0).abs();
        assert!(error <= 1e-4, "{found} beside {expected}");
    }
    let total = trainer.gradient(&numbers, &batch()).loss;
    assert!((total / found.total() - 1.0).abs() <= 1e-6);
}

#[test]
fn every_gradient_is_that_of_ultralytics() {
    let trainer = trainer();
    let row = trainer.row();
    let found = trainer.gradient(&parameters(row), &batch()).numbers;
    let mut rest = found.as_slice();
    let mut by_name = BTreeMap::new();
    for parameter in row.parameters() {
        let (own, after) = rest.split_at(parameter.len());
        rest = after;
        let own = if parameter.is_linear {
            turned(own, parameter.shape[0], parameter.shape[1])
        } else {
            own.to_vec()
        };
        by_name.insert(filed(&parameter.name), own);
    }
    let expected = golden("gradient");
    let (expected, _) = expected.as_chunks::<12>();
    assert_eq!(by_name.len(), expected.len());
    let squares = expected.iter().map(|[norm, ..]| f64::from(*norm).powi(2));
    let all = squares.sum::<f64>().sqrt();
    for ((name, found), expected) in by_name.iter().zip(expected) {
        let digest = digest(name, found);
        let allowed = f64::from(expected[0]) * TOLERANCE + all * TOLERANCE_OF_ALL;
        for (part, (found, expected)) in digest.into_iter().zip(expected).enumerate() {
            let error = (found - f64::from(*expected)).abs();
            assert!(
                error <= allowed,
                "{name}, {part}: {found} beside {expected}, of {expected:?}"
            );
        }
    }
}

/// A gradient's norm, its largest number, its products with two random ones, some numbers.
fn digest(name: &str, numbers: &[f32]) -> [f64; 12] {
    let numbers: Vec<f64> = numbers.iter().map(|number| f64::from(*number)).collect();
    let norm = numbers
        .iter()
        .map(|number| number * number)
        .sum::<f64>()
        .sqrt();
    let largest = numbers
        .iter()
        .map(|number| number.abs())
        .fold(0.0, f64::max);
    let probe = |probe: usize| {
        let other = formula(&format!("{name}.{probe}"), numbers.len());
        numbers
            .iter()
            .zip(other)
            .map(|(one, other)| one * other)
            .sum()
    };
    let some = |index: usize| numbers[index * numbers.len() / 8];
    let [a, b, c, d, e, f, g, h] = [0, 1, 2, 3, 4, 5, 6, 7].map(some);
    [norm, largest, probe(0), probe(1), a, b, c, d, e, f, g, h]
}

#[test]
fn places_find_the_boxes_that_those_of_ultralytics_find() {
    let trainer = trainer();
    let device = Device::flex();
    let network = Row::put(network().in_training(), &parameters(trainer.row()), &device);
    let batch = batch();
    let vocabulary = network.vocabulary(&texts());
    let predictions = network.forward(batch.pixels, &vocabulary);
    let numbers = |tensor: Tensor<3>| tensor.into_data().try_to_vec::<f32>().unwrap();
    let (boxes, scores) = (numbers(predictions.boxes), numbers(predictions.scores));
    let places: Vec<_> = places([SIDE, SIDE]).collect();
    let expected = golden("positives");
    let (mut rows, _) = expected.as_chunks::<8>();
    for (image, targets) in batch.boxes.iter().enumerate() {
        let boxes = boxes.chunks_exact(boxes.len() / IMAGES).nth(image).unwrap();
        let scores = scores
            .chunks_exact(scores.len() / IMAGES)
            .nth(image)
            .unwrap();
        let found = assign(boxes, scores, targets, &places);
        assert_eq!(targets.is_empty(), found.is_empty());
        let (own, after) = rows.split_at(found.len());
        rows = after;
        for (found, row) in found.iter().zip(own) {
            let [of, place, class, score, bounds @ ..] = *row;
            assert_eq!(
                [image, found.place, found.target.class],
                [of, place, class].map(|number| number as usize)
            );
            let apart = found.target.bounds.iter().zip(bounds);
            assert!(
                apart
                    .map(|(found, bound)| (found - bound).abs())
                    .all(|apart| apart == 0.0)
            );
            let error = (found.score - score).abs();
            assert!(error <= 1e-3 * score, "{found:?} beside {score}");
        }
    }
    assert!(rows.is_empty());
}

#[test]
fn statistics_are_means_over_batches() {
    let trainer = trainer();
    let numbers = parameters(trainer.row());
    let batches = ["pixels", "others"].map(|name| (pixels(name), SearchTexts::Features(texts())));
    let (finished, _) = trainer.finished(&numbers, batches);
    let row = Row::of(&finished);
    let all = Row::numbers(&finished);
    let mut rest = all.as_slice();
    let mut found = BTreeMap::new();
    for parameter in row.parameters() {
        let (own, after) = rest.split_at(parameter.len());
        rest = after;
        let name = written(&parameter.name);
        let Some((norm, statistic)) = name.rsplit_once(".running_") else {
            continue;
        };
        found.insert((norm.to_owned(), statistic.to_owned()), own);
    }
    let expected = golden("statistics");
    let mut rest = expected.as_slice();
    for ((norm, statistic), found) in &found {
        let (own, after) = rest.split_at(found.len());
        rest = after;
        let largest = own
            .iter()
            .fold(0.0_f32, |most, number| most.max(number.abs()));
        for (found, expected) in found.iter().zip(own) {
            let error = (found - expected).abs() / largest;
            assert!(
                error <= 1e-3,
                "{norm}, {statistic}: {found} beside {expected}"
            );
        }
    }
    assert!(rest.is_empty());
    // What it says is what a network says that was loaded with these statistics.
    let plain = network();
    assert_eq!(Row::of(&plain), row);
    let plain = Row::put(plain, &all, &Device::flex()).fold();
    let says = |network: &Network| {
        let vocabulary = network.vocabulary(&texts());
        network.forward(pixels("pixels"), &vocabulary).scores
    };
    let error = ccsr_nn::golden::error(&says(&plain), &says(&finished));
    assert!(error <= 1e-4, "{error}");
}
