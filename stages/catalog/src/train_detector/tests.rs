//! Training of a tiny detector. That losses and gradients are right is shown in `ccsr-training`, beside `ultralytics`.

use std::sync::Arc;

use ccsr_stage::testing::{Lab, Ran, check_kind, node};
use ccsr_stage::{Roles, StageKind, Table};
use ccsr_yolo_world::{Settings, YoloWorld};
use serde_json::{Value as Json, json};

use super::*;
use crate::png;
use crate::pretraining::Train;
use crate::samples::{column, files, table};
use crate::train_clip;

/// A colour on grey, and where it is: left, top, right, bottom.
type Patch = (&'static str, [u8; 3], [u32; 4]);

const PICTURES: [&[Patch]; 4] = [
    &[("red", [200, 30, 30], [4, 8, 28, 40])],
    &[("blue", [30, 30, 200], [30, 6, 58, 34])],
    &[
        ("red", [200, 30, 30], [36, 30, 60, 60]),
        ("blue", [30, 30, 200], [2, 4, 26, 24]),
    ],
    &[("green", [30, 200, 30], [16, 16, 48, 48])],
];

/// The tables of pictures and boxes.
fn scenes(lab: &Lab) -> [Arc<Table>; 2] {
    let (mut scenes, mut boxes) = (Vec::new(), Vec::new());
    for things in PICTURES {
        let mut picture = image::RgbImage::from_pixel(64, 64, image::Rgb([120; 3]));
        for (_, colour, [left, top, right, bottom]) in things {
            for y in *top..*bottom {
                for x in *left..*right {
                    picture.put_pixel(x, y, image::Rgb(*colour));
                }
            }
        }
        let image = json!({"$blob": lab.add_blob(png::encode(&picture)).to_string()});
        let names: Vec<_> = things.iter().map(|(name, ..)| *name).collect();
        scenes.push(json!({"prompt": names.join(" and "), "image": image}));
        for (name, _, [x0, y0, x1, y1]) in things {
            boxes.push(json!({
                "image": image, "label": name,
                "x0": f64::from(*x0), "y0": f64::from(*y0), "x1": f64::from(*x1), "y1": f64::from(*y1),
            }));
        }
    }
    let boxed = [
        ("image", ColumnType::Image),
        ("label", ColumnType::Text),
        ("x0", ColumnType::Float),
        ("y0", ColumnType::Float),
        ("x1", ColumnType::Float),
        ("y1", ColumnType::Float),
    ];
    let columns = [("prompt", ColumnType::Text), ("image", ColumnType::Image)];
    [table(&columns, &scenes), table(&boxed, &boxes)]
}

fn stage<R: Recipe>(with: &Json) -> Result<Train<R>, Misfits> {
    let params: R = ccsr_stage::params::read(&node(with), &files()).unwrap();
    Train::new(params, &Roles::default())
}

/// A small CLIP of so many steps.
fn clip(lab: &Lab, scenes: &Arc<Table>, steps: u32) -> Arc<Table> {
    let with = json!({
        "training": {"steps": steps, "batch": 4, "learning_rate": 0.01, "warmup": 0},
        "vocabulary": 530,
        "space": 16,
        "text": {"width": 16, "layers": 1, "heads": 2},
        "vision": {"width": 16, "layers": 1, "heads": 2},
    });
    let ran = lab.run(
        &stage::<train_clip::Params>(&with).unwrap(),
        &[("scenes", scenes)],
    );
    ran.unwrap().table("model").clone()
}

fn with(training: &Json) -> Json {
    json!({"training": training, "width": 0.0625, "max_channels": 512})
}

/// The folder that the table of a model is.
fn folder(lab: &Lab, model: &Table) -> LaidOut {
    let rows = model.rows().map(|row| {
        let content = Value::Blob(row.blob("content").unwrap());
        (row.text("file").unwrap().to_owned(), content)
    });
    LaidOut::new(&Value::map(rows), lab).unwrap()
}

fn train(lab: &Lab, tables: &[Arc<Table>; 2], clip: &Arc<Table>, training: &Json) -> Ran {
    let inputs = [
        ("scenes", &tables[0]),
        ("boxes", &tables[1]),
        ("clip", clip),
    ];
    lab.run(&stage::<Params>(&with(training)).unwrap(), &inputs)
        .unwrap()
}

#[test]
fn it_keeps_the_contract_of_a_stage() {
    let lab = Lab::new(1);
    let tables = scenes(&lab);
    let clip = clip(&lab, &tables[0], 1);
    let training = json!({"steps": 3, "batch": 2, "checkpoint_every": 2, "warmup": 1});
    let ran = check_kind::<Train<Params>>(
        &with(&training),
        &files(),
        &Roles::default(),
        &lab,
        &[
            ("scenes", &tables[0]),
            ("boxes", &tables[1]),
            ("clip", &clip),
        ],
    );
    let model = ran.table("model");
    assert_eq!(
        column(model, "file"),
        json!([
            "config.json",
            "model.safetensors",
            "text_encoder/config.json",
            "text_encoder/merges.txt",
            "text_encoder/model.safetensors",
            "text_encoder/special_tokens_map.json",
            "text_encoder/tokenizer_config.json",
            "text_encoder/vocab.json"
        ])
    );
    assert_eq!(column(ran.table("metrics"), "step"), json!([1, 2, 3]));
}

/// A few pictures are learnt by heart, and what is found is what was said, whatever else is searched for.
#[test]
fn a_few_pictures_are_learnt() {
    let lab = Lab::new(1);
    let tables = scenes(&lab);
    let clip = clip(&lab, &tables[0], 1);
    let training = json!({"steps": 500, "batch": 4, "learning_rate": 0.003, "warmup": 10, "max_grad_norm": 10.0});
    let ran = train(&lab, &tables, &clip, &training);
    let losses = column(ran.table("metrics"), "loss");
    let mean = |steps: std::ops::Range<usize>| {
        let count = steps.len() as f64;
        steps
            .map(|step| losses[step].as_f64().unwrap())
            .sum::<f64>()
            / count
    };
    let (first, last) = (mean(0..10), mean(490..500));
    assert!(last < first / 2.0, "{first} to {last}");
    let device = Device::flex();
    let detector = folder(&lab, ran.table("model"));
    let network = YoloWorld::load(detector.path(), &device).unwrap();
    assert_eq!(network.size(), 64);
    let encoder = TextEncoder::load(&detector.path().join("text_encoder"), &device).unwrap();
    let pictures: Vec<_> = tables[0]
        .rows()
        .map(|row| row.blob("image").unwrap())
        .collect();
    for words in [
        &["red", "green", "blue", " "][..],
        &["blue", "red"],
        &["red"],
        &["green"],
    ] {
        let vocabulary = network
            .vocabulary(&encoder.features(words).unwrap())
            .unwrap();
        for (picture, things) in pictures.iter().zip(PICTURES) {
            let picture = png::read(&lab, picture).unwrap();
            let settings = Settings {
                size: 64,
                floor: 0.05,
                ..Settings::default()
            };
            let found = network.detect(&[&picture], &vocabulary, &settings).unwrap();
            for (class, word) in words.iter().enumerate() {
                let best = found[0].iter().find(|found| found.class == class);
                let Some((.., bounds)) = things.iter().find(|(name, ..)| name == word) else {
                    let is_unsure = best.is_none_or(|best| best.confidence < 0.5);
                    assert!(is_unsure, "{words:?}: {best:?} is no {word}");
                    continue;
                };
                let best = best.unwrap_or_else(|| panic!("{words:?}: no {word}"));
                let mut edges = best.bounds.iter().zip(bounds);
                let is_it = edges.all(|(found, edge)| (found - *edge as f32).abs() < 6.0);
                assert!(is_it && best.confidence > 0.3, "{words:?}: {best:?}");
            }
        }
    }
}

#[test]
fn more_steps_train_on() {
    let lab = Lab::new(1);
    let tables = scenes(&lab);
    let clip = clip(&lab, &tables[0], 1);
    let with = |steps: u32| json!({"steps": steps, "batch": 2, "checkpoint_every": 2, "schedule": "constant"});
    train(&lab, &tables, &clip, &with(2));
    let on = train(&lab, &tables, &clip, &with(4));
    assert_eq!(on.executed.len(), 2, "steps 3 and 4, the files");
    let whole = train(&lab.forgetful(), &tables, &clip, &with(4));
    assert_eq!(on.table("model").digest(), whole.table("model").digest());
}

#[test]
fn what_does_not_fit_is_refused() {
    let says = |with: Json| stage::<Params>(&with).err().unwrap().to_string();
    let size = says(json!({"side": 100}));
    assert!(size.contains("`side: 100` is no multiple of 32"), "{size}");
    let width = says(json!({"width": 0.45, "training": {"steps": 0}}));
    assert!(
        width.contains("heads") && width.contains("steps"),
        "{width}"
    );
}
