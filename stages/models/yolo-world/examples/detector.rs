//! Times the detector on files of images: `benches/detector.py` calls this beside ultralytics.
//!
//! `detector FOLDER FEATURES.safetensors OUTPUT ROUNDS IMAGE…` loads, searches the images once to warm up and then ROUNDS
//! times, from files to boxes; writes what was found last as rows of image, bounds, confidence, class, binary32, and prints
//! one JSON object with seconds.

#![expect(clippy::print_stdout, reason = "the answer is what this is for")]
#![expect(clippy::unwrap_used, reason = "nobody depends on it")]

use std::path::Path;
use std::time::Instant;

use burn::prelude::*;
use ccsr_nn::golden::Golden;
use ccsr_yolo_world::{Detection, Settings, YoloWorld};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, features, output, rounds, images @ ..] = arguments.as_slice() else {
        panic!("expected FOLDER FEATURES.safetensors OUTPUT ROUNDS IMAGE…, found {arguments:?}");
    };
    let device = Device::flex();
    let began = Instant::now();
    let detector = YoloWorld::load(Path::new(folder), &device).unwrap();
    let features = Golden::open(features).tensor("features", &device);
    let vocabulary = detector.vocabulary(&features).unwrap();
    let loading = began.elapsed().as_secs_f64();
    let settings = Settings {
        floor: 0.01,
        ..Settings::default()
    };
    let search = || {
        let open = |file: &String| image::open(file).unwrap().into_rgb8();
        let images: Vec<_> = images.iter().map(open).collect();
        let images: Vec<_> = images.iter().collect();
        detector.detect(&images, &vocabulary, &settings).unwrap()
    };
    let mut found = search();
    let seconds: Vec<f64> = (0..rounds.parse().unwrap())
        .map(|_| {
            let began = Instant::now();
            found = search();
            began.elapsed().as_secs_f64()
        })
        .collect();
    let rows = (0..).zip(&found).flat_map(|(image, found)| {
        found.iter().flat_map(move |detection: &Detection| {
            let [left, top, right, bottom] = detection.bounds;
            let class = detection.class as f32;
            [
                image as f32,
                left,
                top,
                right,
                bottom,
                detection.confidence,
                class,
            ]
        })
    });
    let bytes: Vec<u8> = rows.flat_map(f32::to_le_bytes).collect();
    std::fs::write(output, bytes).unwrap();
    println!(
        "{}",
        serde_json::json!({"loading": loading, "seconds": seconds})
    );
}
