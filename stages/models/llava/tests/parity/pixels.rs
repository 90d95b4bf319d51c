//! Pixels beside those of the PIL image processors.

use burn::prelude::*;
use ccsr_llava::{LlavaConfig, Prepared, Preprocessor, read_picture};
use ccsr_nn::golden::Golden;
use image::{Rgb, RgbImage};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{PICTURES, copied, expected, open, path, prepare};

/// The levels of 255 that pixels are made of, by the golden numbers that levels become; exactly.
fn levels(prepared: &Prepared, expected: &Golden) -> Vec<u8> {
    let (normalised, _) = expected.numbers("normalised");
    let [tiles, _, height, width] = prepared.pixels().dims();
    let pixels = prepared.pixels().clone().into_data();
    let pixels: Vec<f32> = pixels.try_to_vec().unwrap();
    let planes = pixels.chunks_exact(height * width);
    assert_eq!(planes.len(), tiles * 3);
    let level = |channel: usize, pixel: f32| {
        let numbers = &normalised[channel * 256..][..256];
        let index = numbers.partition_point(|number| *number < pixel);
        assert_eq!(numbers.get(index), Some(&pixel), "no level");
        index as u8
    };
    let levels = planes
        .enumerate()
        .flat_map(|(plane, pixels)| pixels.iter().map(move |pixel| level(plane % 3, *pixel)));
    levels.collect()
}

fn golden_levels(expected: &Golden, name: &str) -> Vec<u8> {
    let (numbers, _) = expected.numbers(name);
    numbers.into_iter().map(|number| number as u8).collect()
}

/// A folder whose preprocessor and tower are changed by these fields.
fn changed(folder: &str, processor: &Json, tower: &Json) -> TempDir {
    let copy = copied(folder);
    let change = |file: &str, inner: Option<&str>, fields: &Json| {
        let file = copy.path().join(file);
        let mut json: Json = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let target = match inner {
            Some(name) => &mut json[name],
            None => &mut json,
        };
        for (name, value) in fields.as_object().unwrap() {
            target[name] = value.clone();
        }
        std::fs::write(&file, json.to_string()).unwrap();
    };
    change("preprocessor_config.json", None, processor);
    change("config.json", Some("vision_config"), tower);
    copy
}

#[test]
fn pixels_of_files_are_those_of_transformers() {
    let expected = expected();
    let (_, _, tiled) = open("llava-next");
    let (_, plain, cut) = open("llava");
    let pads = json!({"do_pad": true, "image_processor_type": "LlavaImageProcessorFast"});
    let pads = changed("llava", &pads, &json!({}));
    let padded = Preprocessor::open(pads.path(), &plain).unwrap();
    for (name, file) in PICTURES {
        let cases = [
            (&tiled, format!("next.{name}.levels")),
            (&cut, format!("plain.{name}.levels")),
            (&padded, format!("plain.{name}.padded")),
        ];
        for (preprocessor, key) in cases {
            let found = levels(&prepare(preprocessor, file), &expected);
            let wanted = golden_levels(&expected, &key);
            assert_eq!(found.len(), wanted.len(), "{key}");
            let pairs = found.iter().zip(&wanted);
            let worst = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert_eq!(worst, 0, "{key} is {worst} levels of 255 off");
        }
    }
}

#[test]
fn photographs_are_decoded_nearly_as_pillow_decodes_them() {
    let photo = read_picture(&path("pictures/photo.jpg")).unwrap();
    let (wanted, shape) = expected().numbers("photo");
    assert_eq!(shape, [photo.height() as usize, photo.width() as usize, 3]);
    let pairs = photo.as_raw().iter().zip(wanted);
    let worst = pairs.map(|(a, b)| a.abs_diff(b as u8)).max().unwrap();
    assert!(worst <= 3, "{worst} levels of 255 off");
}

/// The picture that `make_golden.py` draws, too.
fn full_picture(height: u32, width: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (u64::from(x), u64::from(y));
        let noise = (x * 7919 + y * 104_729) % 31;
        Rgb([0, 1, 2].map(|channel| {
            let wave = x * x * (channel + 1) + y * y * 3 + x * y * 5 + channel * 71;
            (wave / 64 + noise) as u8
        }))
    })
}

#[test]
fn pixels_of_full_size_are_those_of_transformers() {
    let expected = expected();
    let tower = json!({"image_size": 336, "patch_size": 14});
    let real = json!({"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}});
    let mut pads = real.clone();
    pads["do_pad"] = json!(true);
    pads["image_processor_type"] = json!("LlavaImageProcessor");
    let preprocessor = |folder: TempDir| {
        let config = folder.path().join("config.json");
        let mut json: Json = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
        json["image_grid_pinpoints"] = Json::Null;
        std::fs::write(&config, json.to_string()).unwrap();
        let config = LlavaConfig::open(folder.path()).unwrap();
        Preprocessor::open(folder.path(), &config).unwrap()
    };
    let mut of_next = real.clone();
    of_next["image_grid_pinpoints"] = Json::Null;
    let tiled = preprocessor(changed("llava-next", &of_next, &tower));
    let cut = preprocessor(changed("llava", &real, &tower));
    let padded = preprocessor(changed("llava", &pads, &tower));

    let table: Vec<[u32; 4]> =
        serde_json::from_slice(&std::fs::read(path("tokens.json")).unwrap()).unwrap();
    for [height, width, tiles, _] in &table[..5] {
        let picture = full_picture(*height, *width);
        let mut kinds = vec![("next", &tiled)];
        if [(333, 500), (1000, 300)].contains(&(*height, *width)) {
            kinds.extend([("cut", &cut), ("padded", &padded)]);
        }
        for (kind, preprocessor) in kinds {
            let key = format!("{kind}.{height}x{width}");
            let prepared = preprocessor.prepare(&picture, &Device::flex()).unwrap();
            let found = levels(&prepared, &expected);
            let squares: Vec<_> = found.chunks_exact(3 * 336 * 336).collect();
            if kind == "next" {
                assert_eq!(squares.len(), *tiles as usize);
            }
            let samples = squares
                .iter()
                .flat_map(|levels| levels.iter().step_by(1999));
            let samples: Vec<u8> = samples.copied().collect();
            assert_eq!(
                samples,
                golden_levels(&expected, &format!("{key}.samples")),
                "{key}"
            );
            let weighted = (1..=251).cycle();
            let sum = |levels: &&[u8]| {
                let products = levels.iter().zip(weighted.clone());
                let sum: u64 = products
                    .map(|(level, weight)| u64::from(*level) * weight)
                    .sum();
                (sum % 16_777_213) as f32
            };
            let sums: Vec<f32> = squares.iter().map(sum).collect();
            assert_eq!(sums, expected.numbers(&format!("{key}.sums")).0, "{key}");
        }
    }
}
