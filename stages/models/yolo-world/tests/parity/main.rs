//! Our YOLO-World beside ultralytics': `make_golden.py` wrote what theirs computed.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where it stopped"
)]

mod formula;
mod numbers;
mod refused;
mod texts;

use burn::prelude::*;
use ccsr_nn::golden::{Golden, error};
use ccsr_nn::keys_of;
use ccsr_yolo_world::{Detection, Scale, Settings, YoloWorld, YoloWorldConfig, renamed, written};
use image::RgbImage;

use self::formula::{picture, texts, write_checkpoint};

/// The largest error of what the network says, relative to the largest number (binary32).
const TOLERANCE: f64 = 1e-4;
/// The largest error of an edge, in pixels.
const PIXELS: f32 = 1e-3;
/// The largest error of a confidence.
const CONFIDENCE: f32 = 1e-4;

const TINY: &str =
    r#"{"model_type": "yolo-world-v2", "depth": 0.33, "width": 0.25, "max_channels": 1024}"#;
const ODD: &str =
    r#"{"model_type": "yolo-world-v2", "depth": 0.67, "width": 0.375, "max_channels": 768}"#;
const SMALL: &str = r#"{"model_type": "yolo-world-v2", "scale": "s"}"#;

fn expected() -> Golden {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/golden");
    Golden::open(&format!("{folder}/expected.safetensors"))
}

/// A detector with weights by the formula.
fn detector(config: &str, half: bool) -> YoloWorld {
    let folder = tempfile::tempdir().unwrap();
    write_checkpoint(folder.path(), config, half);
    YoloWorld::load(folder.path(), &Device::flex()).unwrap()
}

fn settings(size: usize) -> Settings {
    Settings {
        floor: 0.01,
        size,
        ..Settings::default()
    }
}

fn detect(
    detector: &YoloWorld,
    classes: usize,
    images: &[&RgbImage],
    size: usize,
) -> Vec<Vec<Detection>> {
    let vocabulary = detector.vocabulary(&texts(classes)).unwrap();
    detector
        .detect(images, &vocabulary, &settings(size))
        .unwrap()
}

/// Holds detections to those of a golden, `[count, 6]`: bounds, confidence, class. Two of the same confidence may have
/// changed places.
#[track_caller]
fn assert_found(found: &[Detection], expected: &Golden, name: &str) {
    let (numbers, _) = expected.numbers(name);
    let (rows, _) = numbers.as_chunks::<6>();
    assert_eq!(found.len(), rows.len(), "{name}");
    assert!(rows.len() > 5, "{name} has only {} detections", rows.len());
    assert!(found.is_sorted_by(|one, other| one.confidence >= other.confidence));
    let mut left: Vec<&Detection> = found.iter().collect();
    for row in rows {
        let [bounds @ .., confidence, class] = *row;
        let near = |found: &&Detection| {
            let mut edges = found.bounds.iter().zip(bounds);
            found.class == class as usize
                && (found.confidence - confidence).abs() <= CONFIDENCE
                && edges.all(|(found, wanted)| (found - wanted).abs() <= PIXELS)
        };
        let at = left.iter().position(near);
        let at =
            at.unwrap_or_else(|| panic!("{name}: none is {row:?}, left are {:?}", left.first()));
        left.remove(at);
    }
}

#[test]
fn the_network_says_what_that_of_ultralytics_says() {
    let (device, expected) = (Device::flex(), expected());
    for (name, config, classes) in [("tiny", TINY, 1), ("tiny", TINY, 80), ("odd", ODD, 81)] {
        let detector = detector(config, false);
        let vocabulary = detector.vocabulary(&texts(classes)).unwrap();
        assert_eq!(vocabulary.classes(), classes);
        let found = detector.predict(&picture(64, 64), &vocabulary, 64).unwrap();
        for (part, found) in [("boxes", found.boxes), ("scores", found.scores)] {
            let wanted = expected.tensor(&format!("{name}.{classes}.{part}"), &device);
            let error = error(&found, &wanted);
            assert!(
                error <= TOLERANCE,
                "{name}.{classes}.{part} is off by {error}"
            );
        }
    }
}

#[test]
fn detections_are_those_of_ultralytics_for_every_vocabulary() {
    let (tiny, image, expected) = (detector(TINY, false), picture(300, 212), expected());
    for classes in [1, 2, 80, 81] {
        for size in [128, 320] {
            let found = detect(&tiny, classes, &[&image], size);
            assert_found(&found[0], &expected, &format!("tiny.{classes}.{size}"));
        }
    }
    let odd = detect(&detector(ODD, false), 80, &[&image], 320);
    assert_found(&odd[0], &expected, "odd.80.320");
}

#[test]
fn images_of_all_shapes_are_put_into_the_same_letter_box() {
    let (tiny, expected) = (detector(TINY, false), expected());
    let shapes = [
        ("square", 512, 512),
        ("exact", 640, 640),
        ("tall", 300, 512),
        ("flat", 1200, 33),
        ("halved", 1280, 1280),
        ("quirk", 999, 150),
    ];
    let images = shapes.map(|(_, width, height)| picture(width, height));
    let found = detect(&tiny, 80, &images.each_ref(), 640);
    for ((name, ..), found) in shapes.iter().zip(&found) {
        assert_found(found, &expected, &format!("tiny.80.640.{name}"));
    }
}

#[test]
fn the_published_small_size_is_that_of_ultralytics() {
    let found = detect(&detector(SMALL, false), 80, &[&picture(512, 512)], 640);
    assert_found(&found[0], &expected(), "s.80.640");
}

#[test]
fn weights_may_be_of_half_precision() {
    let found = detect(&detector(TINY, true), 80, &[&picture(300, 212)], 320);
    assert_found(&found[0], &expected(), "half.80.320");
}

#[test]
fn a_batch_is_its_images() {
    let tiny = detector(TINY, false);
    let sides = [(300, 212), (150, 106), (212, 300), (600, 424), (301, 212)];
    let mut images: Vec<_> = sides.map(|(width, height)| picture(width, height)).to_vec();
    // More of one shape than go through the network at once.
    images.extend((0..9).map(|turn| {
        let mut image = picture(300, 212);
        image.rotate_left_by(turn * 997);
        image
    }));
    let images: Vec<_> = images.iter().collect();
    let together = detect(&tiny, 80, &images, 128);
    for (image, together) in images.iter().zip(&together) {
        assert!(!together.is_empty());
        assert_eq!(&detect(&tiny, 80, &[image], 128)[0], together);
    }
    assert_ne!(together[0], together[5]);
}

/// Moves all bytes of an image.
trait Rotate {
    fn rotate_left_by(&mut self, bytes: usize);
}

impl Rotate for RgbImage {
    fn rotate_left_by(&mut self, bytes: usize) {
        let length = self.len();
        self.rotate_left((bytes + 1) % length);
    }
}

/// Attention looks at the class that fits best, so another class changes what all score.
#[test]
fn what_a_class_scores_depends_on_the_others() {
    let (tiny, image) = (detector(TINY, false), picture(64, 64));
    let first = |classes| {
        let vocabulary = tiny.vocabulary(&texts(classes)).unwrap();
        let scores = tiny.predict(&image, &vocabulary, 64).unwrap().scores;
        scores.narrow(1, 0, 1)
    };
    assert!(error(&first(80), &first(1)) > 1e-3);
}

#[test]
fn a_floor_and_a_most_are_kept() {
    let (tiny, image) = (detector(TINY, false), picture(300, 212));
    let vocabulary = tiny.vocabulary(&texts(80)).unwrap();
    let all = tiny.detect(&[&image], &vocabulary, &settings(128)).unwrap();
    let middle = all[0][all[0].len() / 2].confidence;
    let floored = Settings {
        floor: middle,
        ..settings(128)
    };
    let above = tiny.detect(&[&image], &vocabulary, &floored).unwrap();
    assert!(!above[0].is_empty());
    assert!(above[0].iter().all(|found| found.confidence > middle));
    let few = Settings {
        most: 3,
        ..settings(128)
    };
    let few = tiny.detect(&[&image], &vocabulary, &few).unwrap();
    assert_eq!(few[0], all[0][..3]);
    assert!(
        tiny.detect(&[], &vocabulary, &settings(128))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn the_published_checkpoint_maps_completely() {
    let network = keys_of(&YoloWorldConfig::of(Scale::X).init(&Device::flex()));
    let mut used = 0;
    for line in include_str!("keys/yw_x.keys").lines() {
        let (name, shape) = line.split_once(" (").unwrap();
        let numbers = shape.trim_end_matches(')').split(',').map(str::trim);
        let mut shape: Vec<usize> = numbers.filter_map(|number| number.parse().ok()).collect();
        if shape.is_empty() {
            // A parameter has one dimension at least.
            shape.push(1);
        }
        let Some(ours) = renamed(name) else {
            assert!(
                name.contains("num_batches_tracked") || name.contains("dfl"),
                "{name}"
            );
            continue;
        };
        assert_eq!(network.get(&ours), Some(&shape), "{name}");
        assert_eq!(written(&ours), name);
        used += 1;
    }
    assert_eq!(used, network.len());
}
