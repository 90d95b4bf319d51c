//! Training of tiny networks. That losses and gradients are right is shown in `ccsr-training`, beside `transformers`.

use std::sync::Arc;

use ccsr_clip::load_clip;
use ccsr_stage::testing::{Lab, Ran, check_kind};
use ccsr_stage::{Roles, Table};
use image::RgbImage;
use serde_json::{Value as Json, json};

use super::*;
use crate::png;
use crate::pretraining::Train;
use crate::samples::{column, files, laid_out, on_cores, run, table};

const COLOURS: [(&str, [u8; 3]); 4] = [
    ("red", [200, 30, 30]),
    ("green", [30, 200, 30]),
    ("blue", [30, 30, 200]),
    ("grey", [120, 120, 120]),
];

/// Pictures of one colour each, which their captions name; those of the last two show an elephant with a leg too many.
fn scenes(lab: &Lab) -> Arc<Table> {
    scenes_named(lab, "thing")
}

fn scenes_named(lab: &Lab, thing: &str) -> Arc<Table> {
    let columns = [
        ("prompt", ColumnType::Text),
        ("image", ColumnType::Image),
        ("scene", ColumnType::Text),
    ];
    let row = |(index, (name, colour)): (usize, &(&str, [u8; 3]))| {
        let picture = RgbImage::from_pixel(16, 16, image::Rgb(*colour));
        let image = lab.add_blob(png::encode(&picture));
        let defects = if index < 2 {
            json!([])
        } else {
            json!(["extra-leg"])
        };
        let scene = truth::samples::elephant(&defects).to_string();
        json!({"prompt": format!("a {name} {thing}"), "image": {"$blob": image.to_string()}, "scene": scene})
    };
    let rows: Vec<Json> = COLOURS.iter().enumerate().map(row).collect();
    table(&columns, &rows)
}

fn with(training: &Json) -> Json {
    json!({
        "training": training,
        "vocabulary": 530,
        "space": 8,
        "text": {"width": 16, "layers": 1, "heads": 2},
        "vision": {"width": 16, "layers": 1, "heads": 2},
    })
}

fn train(lab: &Lab, scenes: &Arc<Table>, training: &Json) -> Ran {
    train_with(lab, scenes, &with(training))
}

fn train_with(lab: &Lab, scenes: &Arc<Table>, with: &Json) -> Ran {
    run(lab, "train.clip", with, &[("scenes", scenes)]).unwrap()
}

#[test]
fn it_keeps_the_contract_of_a_stage() {
    let lab = Lab::new(1);
    let scenes = scenes(&lab);
    let training = json!({"steps": 5, "batch": 3, "checkpoint_every": 2, "warmup": 1, "ema": 0.9});
    let ran = check_kind::<Train<Params>>(
        &with(&training),
        &files(),
        &Roles::default(),
        &lab,
        &[("scenes", &scenes)],
    );
    // What is prepared, steps 1 and 2, 3 and 4, 5, the files.
    assert_eq!((ran.asked, ran.waves), (5, 5));
    assert_eq!(column(ran.table("metrics"), "step"), json!([1, 2, 3, 4, 5]));
    assert_eq!(
        column(ran.table("model"), "file"),
        json!([
            "config.json",
            "merges.txt",
            "model.safetensors",
            "preprocessor_config.json",
            "special_tokens_map.json",
            "tokenizer_config.json",
            "vocab.json"
        ])
    );
}

#[test]
fn more_steps_train_on_and_end_where_one_training_of_all_ends() {
    let lab = Lab::new(1);
    let scenes = scenes(&lab);
    let with = |steps: u32| json!({"steps": steps, "batch": 3, "checkpoint_every": 2, "schedule": "constant", "ema": 0.9});
    train(&lab, &scenes, &with(2));
    let on = train(&lab, &scenes, &with(5));
    assert_eq!(on.executed.len(), 3, "steps 3 and 4, 5, the files");
    let whole = train(&lab.forgetful(), &scenes, &with(5));
    assert_eq!(on.table("model").digest(), whole.table("model").digest());
    // Other segments lead to the same numbers.
    let mut other = with(5);
    other["checkpoint_every"] = json!(5);
    let other = train(&lab.forgetful(), &scenes, &other);
    assert_eq!(other.table("model").digest(), whole.table("model").digest());
    let cosine = json!({"steps": 5, "batch": 3, "checkpoint_every": 2, "ema": 0.9, "warmup": 0});
    assert_eq!(
        train(&lab, &scenes, &cosine).executed.len(),
        4,
        "all but what is prepared"
    );
}

#[test]
fn what_is_learnt_is_the_same_on_any_number_of_cores() {
    let lab = Lab::new(1);
    let scenes = scenes(&lab);
    let mut with = with(&json!({"steps": 3, "batch": 5, "warmup": 1}));
    with["truth"] = json!(1);
    let learnt = |cores: usize, with: &Json| {
        let ran = on_cores(cores, || train_with(&lab.forgetful(), &scenes, with));
        ran.table("model").digest()
    };
    let alone = learnt(1, &with);
    assert_eq!(learnt(2, &with), alone);
    assert_eq!(learnt(3, &with), alone);
    with["training"]["steps"] = json!(4);
    assert_ne!(learnt(2, &with), alone);
}

#[test]
fn the_model_is_made_of_the_average() {
    let (lab, digest) = (Lab::new(1), |ran: &Ran| ran.table("model").digest());
    let scenes = scenes(&lab);
    let trained = |ema: Json| {
        let training = json!({"steps": 6, "batch": 3, "warmup": 0, "ema": ema});
        digest(&train(&lab, &scenes, &training))
    };
    let last = trained(Json::Null);
    assert_ne!(trained(json!(0.9)), last);
    // One that forgets all is the last numbers.
    assert_eq!(trained(json!(0.0)), last);
}

#[test]
fn a_row_without_a_picture_is_named() {
    let lab = Lab::new(1);
    let columns = [("prompt", ColumnType::Text), ("image", ColumnType::Image)];
    let rows = [json!({"prompt": "a thing", "image": null})];
    let kind = crate::registry().kind("train.clip").unwrap().build;
    let with = ccsr_stage::testing::node(&with(&json!({"steps": 1})));
    let stage = kind(Some(&with), &files(), &Roles::default());
    let stage = stage.map_err(ccsr_stage::testing::messages).unwrap();
    let error = lab.run(stage.as_ref(), &[("scenes", &table(&columns, &rows))]);
    let error = error.err().unwrap().to_string();
    assert!(
        error.contains("row 1 of `scenes` has nothing in `image`"),
        "{error}"
    );
}

/// Of what is true, two readings are learnt: which pictures have a leg too many, and which have not.
#[test]
fn eyes_are_taught_what_is_true() {
    let lab = Lab::new(1);
    let scenes = scenes(&lab);
    let mut with =
        with(&json!({"steps": 120, "batch": 4, "learning_rate": 0.01, "warmup": 10, "ema": 0.0}));
    let captions = train_with(&lab, &scenes, &with);
    with["truth"] = json!(10);
    let both = train_with(&lab, &scenes, &with);
    let loss = |ran: &Ran, step: usize| {
        let losses = column(ran.table("metrics"), "loss");
        losses[step].as_f64().unwrap()
    };
    let (first, last) = (loss(&both, 0), loss(&both, 119));
    assert!(
        first > loss(&captions, 0) + 5.0 && last < 0.2,
        "{first} to {last}"
    );
    // The same files; the readout is in none of them.
    let size = |ran: &Ran| {
        let rows = ran.table("model").rows();
        let mut weights = rows.filter(|row| row.text("file").unwrap() == "model.safetensors");
        let blob = weights.next().unwrap().blob("content").unwrap();
        lab.read(&blob).unwrap().len()
    };
    assert_eq!(size(&both), size(&captions));
    assert_ne!(
        both.table("model").digest(),
        captions.table("model").digest()
    );
    // Of patches, too, and without the other.
    let mut traced = with.clone();
    traced["truth"] = json!(0);
    traced["traces"] = json!(10);
    let traced = train_with(&lab, &scenes, &traced);
    let (first, last) = (loss(&traced, 0), loss(&traced, 119));
    assert!(
        first > loss(&captions, 0) + 5.0 && last < 0.3 * first,
        "{first} to {last}"
    );
    assert_eq!(size(&traced), size(&captions));
    let digest = |ran: &Ran| ran.table("model").digest();
    assert!(digest(&traced) != digest(&both) && digest(&traced) != digest(&captions));
    // And of parts.
    with["traces"] = json!(10);
    with["parts"] = json!(true);
    with["training"] = json!({"steps": 1, "batch": 4, "warmup": 0});
    let parts = train_with(&lab, &scenes, &with);
    assert_eq!(size(&parts), size(&captions));
    with["parts"] = json!(false);
    assert_ne!(digest(&parts), digest(&train_with(&lab, &scenes, &with)));
}

#[test]
fn training_goes_on_from_a_model() {
    let lab = Lab::new(1);
    let scenes = scenes(&lab);
    let first = train(
        &lab,
        &scenes,
        &json!({"steps": 60, "batch": 4, "learning_rate": 0.01, "warmup": 0}),
    );
    let model = first.table("model").clone();
    // A readout, which is in no file, begins from nothing; all else goes on.
    let go_on = |with: &Json, scenes: &Arc<Table>| {
        let tables = [("scenes", scenes), ("initial", &model)];
        run(&lab, "train.clip", with, &tables)
    };
    let loss = |ran: &Ran, step: usize| {
        let losses = column(ran.table("metrics"), "loss");
        losses[step].as_f64().unwrap()
    };
    let mut with = with(&json!({"steps": 2, "batch": 4, "warmup": 0}));
    let on = go_on(&with, &scenes).unwrap();
    let from_nothing = train_with(&lab, &scenes, &with);
    let last = loss(&first, 59);
    assert!(
        (loss(&on, 0) - last).abs() < 0.1,
        "{last}, {}",
        loss(&on, 0)
    );
    assert!(loss(&from_nothing, 0) > last + 0.5);
    with["truth"] = json!(1);
    let taught = go_on(&with, &scenes).unwrap();
    assert!(loss(&taught, 0) > loss(&on, 0) + 0.5);

    // Other captions, in the same words.
    let others = scenes_named(&lab, "painting, framed and hung");
    let vocabulary = |ran: &Ran| {
        let mut rows = ran.table("model").rows();
        let vocabulary = rows.find(|row| row.text("file").unwrap() == "vocab.json");
        vocabulary.unwrap().blob("content").unwrap()
    };
    assert_eq!(
        vocabulary(&go_on(&with, &others).unwrap()),
        vocabulary(&first)
    );
    assert_ne!(
        vocabulary(&train_with(&lab, &others, &with)),
        vocabulary(&first)
    );

    let mut other = with;
    other["vision"] = json!({"width": 8, "layers": 1, "heads": 2});
    let error = go_on(&other, &scenes).err().unwrap();
    assert!(
        error.contains("the model to begin with is of another make: its `clip.vision_model."),
        "{error}"
    );
    assert!(error.contains("[8] is trained"), "{error}");

    // The tower of another size begins from nothing, and the other one goes on.
    other["anew"] = json!(["vision"]);
    other["training"]["steps"] = json!(1);
    other["training"]["learning_rate"] = json!(1.0e-9);
    let ran = go_on(&other, &scenes).unwrap();
    let text = |ran: &Ran| {
        let folder = laid_out(&lab, ran.table("model"));
        let (clip, _) = load_clip(folder.path(), &Device::flex()).unwrap();
        let (row, numbers) = (Row::of(&clip), Row::numbers(&clip));
        let range = row.range("text_projection.weight").unwrap();
        (
            row.range("vision_model.post_layernorm.weight")
                .unwrap()
                .len(),
            numbers[range].to_vec(),
        )
    };
    let ((width, own), (whole, before)) = (text(&ran), text(&first));
    assert_eq!((width, whole), (8, 16));
    let apart = own.iter().zip(&before).map(|(a, b)| (a - b).abs());
    assert!(apart.fold(0.0, f32::max) < 1e-3);
}

#[test]
fn a_frozen_tower_stays_as_it_is() {
    let lab = Lab::new(1);
    let scenes = scenes(&lab);
    let weights = |frozen: Json| {
        let mut with = with(&json!({"steps": 3, "batch": 3, "warmup": 0}));
        with["frozen"] = frozen;
        let ran = train_with(&lab, &scenes, &with);
        let folder = laid_out(&lab, ran.table("model"));
        let (clip, _) = load_clip(folder.path(), &Device::flex()).unwrap();
        let (row, numbers) = (Row::of(&clip), Row::numbers(&clip));
        ["text_model.", "vision_model.", "text_projection"].map(|part| {
            let parameters = row.parameters().iter();
            let own = parameters.filter(|it| it.name.starts_with(part));
            let own = own.flat_map(|it| numbers[row.range(&it.name).unwrap()].to_vec());
            own.collect::<Vec<f32>>()
        })
    };
    let [text, vision, projection] = weights(json!(["text"]));
    let [other_text, other_vision, other_projection] = weights(json!(["vision"]));
    let none = weights(json!(["text", "vision"]));
    assert_eq!((&none[0], &none[1]), (&text, &other_vision));
    assert_ne!(text, other_text);
    assert_ne!(vision, other_vision);
    assert!(projection != none[2] && other_projection != projection);
}

/// What is said of one picture of so many pixels a side, and of its scene, from which what is `taught` is to be learnt.
fn refused(side: u32, scene: &str, taught: &str) -> String {
    let lab = Lab::new(1);
    let image = lab.add_blob(png::encode(&RgbImage::new(side, side)));
    let rows =
        [json!({"prompt": "a thing", "image": {"$blob": image.to_string()}, "scene": scene})];
    let columns = [
        ("prompt", ColumnType::Text),
        ("image", ColumnType::Image),
        ("scene", ColumnType::Text),
    ];
    let mut with = with(&json!({"steps": 1}));
    with[taught] = json!(1);
    let tables = [("scenes", &table(&columns, &rows))];
    run(&lab, "train.clip", &with, &tables).err().unwrap()
}

#[test]
fn a_scene_that_cannot_be_read_is_reported() {
    let error = refused(16, "{}", "truth");
    assert!(error.contains("a `scene` cannot be read"), "{error}");
}

#[test]
fn pictures_too_small_for_a_scene_have_no_traces() {
    let scene = truth::samples::elephant(&json!([])).to_string();
    let error = refused(8, &scene, "traces");
    assert!(
        error.contains("`traces` needs pictures of 16 to 4096 pixels a side"),
        "{error}"
    );
}

/// What was trained tells colours apart, as its loader reads it.
#[test]
fn captions_find_their_pictures() {
    let lab = Lab::new(1);
    let scenes = scenes(&lab);
    let ran = train(
        &lab,
        &scenes,
        &json!({"steps": 120, "batch": 4, "learning_rate": 0.01, "warmup": 10}),
    );
    let losses = column(ran.table("metrics"), "loss");
    let loss = |step: usize| losses[step].as_f64().unwrap();
    assert!(
        loss(0) > 1.0 && loss(119) < 0.1,
        "{} to {}",
        loss(0),
        loss(119)
    );
    let folder = laid_out(&lab, ran.table("model"));
    let device = Device::flex();
    let (clip, _) = load_clip(folder.path(), &device).unwrap();
    let tokenizer = Tokenizer::open(folder.path(), TOKENS).unwrap();
    let preprocessor = Preprocessor::open(folder.path()).unwrap();
    let pictures = COLOURS.map(|(_, colour)| RgbImage::from_pixel(16, 16, image::Rgb(colour)));
    let images = clip.image_features(preprocessor.pixels(pictures.iter(), &device));
    for (index, (name, _)) in COLOURS.iter().enumerate() {
        let ids = tokenizer
            .tokenise(&format!("a {name} thing"), Padding::Checkpoint)
            .unwrap()
            .ids;
        let ids = Tensor::from_data(TensorData::new(ids, [1, TOKENS]), &device);
        let fits = images.clone().matmul(clip.text_features(ids).transpose());
        let best: i64 = fits.argmax(0).into_data().iter::<i64>().next().unwrap();
        assert_eq!(best, index as i64, "{name}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let lab = Lab::new(1);
    let empty = table(
        &[("prompt", ColumnType::Text), ("image", ColumnType::Image)],
        &[],
    );
    let stage = |with: &Json| {
        let node = ccsr_stage::testing::node(with);
        let params: Params = ccsr_stage::params::read(&node, &files()).unwrap();
        <Train<Params> as ccsr_stage::StageKind>::new(params, &Roles::default())
    };
    let error = lab
        .run(&stage(&with(&json!({}))).unwrap(), &[("scenes", &empty)])
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("nothing to learn from"), "{error}");
    let mut odd = with(&json!({}));
    odd["patch"] = json!(7);
    let error = lab
        .run(&stage(&odd).unwrap(), &[("scenes", &scenes(&lab))])
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("16 x 16 pixels are no squares of patches of 7 x 7"),
        "{error}"
    );
    let mut wrong = with(&json!({"steps": 0}));
    wrong["text"]["heads"] = json!(3);
    wrong["parts"] = json!(true);
    let said = stage(&wrong).err().unwrap().to_string();
    for what in [
        "steps",
        "no multiple of the 3 heads",
        "`traces` counts more than 0",
    ] {
        assert!(said.contains(what), "{said}");
    }
}
