//! Training with the small checkpoint of the examples. That losses, gradients and steps are right is shown in
//! `ccsr-training`, beside peft.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ccsr_nn::{Adapter, Component};
use ccsr_stage::testing::{Lab, Ran, bind, check_kind, misfits};
use ccsr_stage::{Blobs, Digest};
use image::RgbImage;
use serde_json::{Value as Json, json};

use super::*;
use crate::png;
use crate::samples::{self, column, files, table};

fn checkpoint() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/stable_diffusion/checkpoint")
}

/// The small drawer of the examples.
pub(crate) fn roles() -> Roles {
    let weights = json!({"weights": checkpoint()});
    bind(
        &crate::registry(),
        &[("drawer", "stable-diffusion", weights)],
    )
    .unwrap()
}

/// Pairs of images of these sizes.
fn pairs(lab: &Lab, sizes: &[[u32; 2]]) -> Arc<Table> {
    let columns = [("prompt", ColumnType::Text), ("image", ColumnType::Image)];
    let row = |(index, [width, height]): (usize, &[u32; 2])| {
        let image = RgbImage::from_fn(*width, *height, |x, y| {
            let level = |number: u32| ((number * 37 + index as u32 * 91) % 256) as u8;
            image::Rgb([level(x), level(y), level(x * y + 3)])
        });
        let image = lab.add_blob(png::encode(&image));
        json!({"prompt": format!("photo of elephant {}", index / 2), "image": {"$blob": image.to_string()}})
    };
    let rows: Vec<Json> = sizes.iter().enumerate().map(row).collect();
    table(&columns, &rows)
}

/// Parameters for quick training.
fn with(more: &Json) -> Json {
    let mut with = json!({
        "resolution": 16, "batch": 2, "epochs": 4, "checkpoint_every": 2, "rank": 2, "learning_rate": 0.01,
    });
    let map = with.as_object_mut().unwrap();
    map.extend(more.as_object().unwrap().clone());
    with
}

fn train(lab: &Lab, pairs: &Arc<Table>, more: &Json) -> Result<Ran, StageError> {
    let params =
        ccsr_stage::params::read(&ccsr_stage::testing::node(&with(more)), &files()).unwrap();
    let stage = TrainLora::new(params, &roles()).unwrap();
    lab.run(&stage, &[("pairs", pairs)])
}

fn adapter(lab: &Lab, ran: &Ran) -> (Digest, Adapter) {
    let digest = ran.table("adapter").row(0).blob("adapter").unwrap();
    let adapter = Adapter::from_bytes(Path::new("it"), &lab.read(&digest).unwrap()).unwrap();
    (digest, adapter)
}

const FIVE: [[u32; 2]; 5] = [[16; 2]; 5];

#[test]
fn it_keeps_the_contract_of_a_stage() {
    let lab = Lab::new(1);
    let pairs = pairs(&lab, &FIVE);
    let ran = check_kind::<TrainLora>(
        &with(&json!({})),
        &files(),
        &roles(),
        &lab,
        &[("pairs", &pairs)],
    );
    // Five images, in a mirror, too, and three prompts; then two segments of two epochs.
    assert_eq!((ran.asked, ran.waves), (5 * 2 + 3 + 2, 3));
    assert_eq!(column(ran.table("checkpoints"), "epoch"), json!([2, 4]));
    assert_eq!(column(ran.table("checkpoints"), "step"), json!([6, 12]));
    let metrics = ran.table("metrics");
    assert_eq!(column(metrics, "step"), json!((1..=12).collect::<Vec<_>>()));
    assert_eq!(
        column(metrics, "epoch"),
        json!([1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4])
    );
    for row in metrics.rows() {
        assert!(row.float("loss").unwrap() > 0.0 && row.float("gradient_norm").unwrap() > 0.0);
    }
}

#[test]
fn more_epochs_train_on_and_end_where_one_training_of_all_ends() {
    let lab = Lab::new(1);
    let pairs = pairs(&lab, &FIVE);
    for more in [
        json!({}),
        json!({"ema": 0.9, "caption_dropout": 0.3, "noise_offset": 0.1, "accumulate": 2}),
    ] {
        let with = |epochs: u32| {
            let mut with = more.clone();
            with["epochs"] = json!(epochs);
            with
        };
        train(&lab, &pairs, &with(2)).unwrap();
        let on = train(&lab, &pairs, &with(6)).unwrap();
        assert_eq!(on.executed.len(), 2, "epochs 3 and 4, 5 and 6");
        let whole = train(&lab.forgetful(), &pairs, &with(6)).unwrap();
        assert_eq!(
            on.table("adapter").digest(),
            whole.table("adapter").digest()
        );
        assert_eq!(
            on.table("metrics").digest(),
            whole.table("metrics").digest()
        );
        let all = train(&lab, &pairs, &with(6)).unwrap();
        assert!(all.executed.is_empty(), "nothing is trained twice");
    }
}

#[test]
fn a_schedule_that_ends_with_the_training_starts_again_for_more_epochs() {
    let lab = Lab::new(1);
    let pairs = pairs(&lab, &FIVE);
    let with = |epochs: u32| json!({"epochs": epochs, "schedule": "cosine", "warmup": 2});
    let four = train(&lab, &pairs, &with(4)).unwrap();
    let rates = column(four.table("metrics"), "learning_rate");
    let rate = |step: usize| rates[step].as_f64().unwrap();
    assert_eq!((rate(0), rate(2)), (0.0, 0.01));
    assert!(rate(11) < rate(6) && rate(6) < rate(3));
    let six = train(&lab, &pairs, &with(6)).unwrap();
    assert_eq!(six.executed.len(), 3, "all segments, and no encoding");
}

#[test]
fn the_adapter_is_of_the_layers_that_are_named() {
    let lab = Lab::new(1);
    let pairs = pairs(&lab, &FIVE);
    let layers = |more: Json| -> BTreeSet<String> {
        let (_, adapter) = adapter(&lab, &train(&lab, &pairs, &more).unwrap());
        let layers = adapter.layers();
        layers
            .map(|(component, name, layer)| {
                assert_eq!((layer.rank(), layer.scaling()), (2, 1.5));
                let end = name
                    .rsplit('.')
                    .find(|part| part.parse::<u32>().is_err())
                    .unwrap();
                format!("{} {end}", component.name())
            })
            .collect()
    };
    let named = |names: &[&str]| {
        names
            .iter()
            .map(ToString::to_string)
            .collect::<BTreeSet<_>>()
    };
    let attention = ["unet to_k", "unet to_out", "unet to_q", "unet to_v"];
    assert_eq!(layers(json!({"alpha": 3})), named(&attention));
    let more =
        json!({"alpha": 3, "targets": ["conv1", "proj_in"], "text_encoder_targets": ["q_proj"]});
    assert_eq!(
        layers(more),
        named(&["text_encoder q_proj", "unet conv1", "unet proj_in"])
    );
}

#[test]
fn what_is_learnt_makes_the_loss_smaller() {
    let lab = Lab::new(1);
    let pairs = pairs(&lab, &FIVE[..2]);
    let ran = train(
        &lab,
        &pairs,
        &json!({"epochs": 60, "checkpoint_every": 60, "rank": 4, "flip": false}),
    )
    .unwrap();
    let losses = column(ran.table("metrics"), "loss");
    let losses: Vec<f64> = losses
        .as_array()
        .unwrap()
        .iter()
        .map(|loss| loss.as_f64().unwrap())
        .collect();
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (first, last) = (mean(&losses[..15]), mean(&losses[45..]));
    assert!(last < 0.9 * first, "{first} to {last}");
    let (_, adapter) = adapter(&lab, &ran);
    assert!(adapter.has(Component::UNet));
}

#[test]
fn where_chance_cuts_images_they_are_encoded_while_training() {
    let lab = Lab::new(1);
    let wide = pairs(&lab, &[[24, 16], [16, 40], [16, 16]]);
    let ran = train(&lab, &wide, &json!({"epochs": 2})).unwrap();
    let resources: BTreeSet<_> = ran
        .executed
        .iter()
        .map(|unit| unit.resource.as_deref().unwrap())
        .collect();
    assert!(resources.contains(UNET_AND_AUTOENCODER) && !resources.contains(UNET));
    let centred = train(&lab, &wide, &json!({"epochs": 2, "crop": "center"})).unwrap();
    assert_eq!(
        centred.executed.last().unwrap().resource.as_deref(),
        Some(UNET)
    );
    assert_ne!(
        ran.table("adapter").digest(),
        centred.table("adapter").digest()
    );
}

#[test]
fn every_setting_that_training_reads_is_in_its_key() {
    let lab = Lab::new(1);
    let pairs = pairs(&lab, &FIVE);
    let mut seen = BTreeSet::new();
    for more in [
        json!({}),
        json!({"rank": 3}),
        json!({"alpha": 1}),
        json!({"rslora": true}),
        json!({"targets": ["to_q"]}),
        json!({"text_encoder_targets": ["fc1"]}),
        json!({"flip": false}),
        json!({"batch": 3}),
        json!({"accumulate": 2}),
        json!({"learning_rate": 0.02}),
        json!({"schedule": "linear"}),
        json!({"warmup": 3}),
        json!({"betas": [0.8, 0.99]}),
        json!({"epsilon": 0.1}),
        json!({"weight_decay": 0.5}),
        json!({"max_grad_norm": 0.01}),
        json!({"snr_gamma": 5}),
        json!({"prediction": "v_prediction"}),
        json!({"noise_offset": 0.1}),
        json!({"caption_dropout": 0.5}),
        json!({"ema": 0.9}),
        json!({"precision": "bf16"}),
        json!({"seed": 43}),
    ] {
        let ran = train(&lab, &pairs, &more).unwrap();
        let (digest, _) = adapter(&lab, &ran);
        assert!(seen.insert(digest), "{more} trains the same");
    }
}

#[test]
fn a_training_that_diverges_stops_and_keeps_its_checkpoints() {
    let lab = Lab::new(1);
    let pairs = pairs(&lab, &FIVE);
    let wild = json!({"learning_rate": 10, "max_grad_norm": 0, "epochs": 40, "weight_decay": 100});
    let error = train(&lab, &pairs, &wild).unwrap_err().to_string();
    for part in [
        "training diverged in epoch",
        "step",
        "try a smaller `learning_rate`",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn nothing_to_train_on_is_an_error() {
    let lab = Lab::new(1);
    let error = train(&lab, &pairs(&lab, &[]), &json!({}))
        .unwrap_err()
        .to_string();
    assert!(error.contains("there are no pairs to train on"), "{error}");
}

#[test]
fn what_cannot_be_trained_is_said_before() {
    let said = |more: Json| misfits::<TrainLora>(&with(&more), &files(), &roles());
    let no_layer = "no layer of the unet is called `to_z`; there are";
    for (more, expected) in [
        (json!({"rank": 0}), "`rank: 0` is not from 1 to"),
        (
            json!({"rank": 900}),
            "rank 900 is above that of `down_blocks",
        ),
        (json!({"targets": ["to_z"]}), no_layer),
        (
            json!({"text_encoder_targets": ["to_q"]}),
            "no layer of the text_encoder is called `to_q`",
        ),
        (json!({"targets": []}), "`targets` names no layer"),
        (
            json!({"resolution": 17}),
            "`resolution: 17` is no multiple of",
        ),
        (json!({"epochs": 0}), "`epochs: 0` is not from 1"),
        (json!({"betas": [0.9, 1.0]}), "`1` is not from 0 to below 1"),
        (
            json!({"learning_rate": -1}),
            "`learning_rate: -1` is not from 0 to 10",
        ),
        (
            json!({"caption_dropout": 1.5}),
            "`caption_dropout: 1.5` is not from 0 to 1",
        ),
    ] {
        let said = said(more.clone()).join("\n");
        assert!(said.contains(expected), "{more}: {said}");
    }
    let params = Params::default();
    let error = TrainLora::new(params, &samples::world())
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("the suite's drawer has no network to train"),
        "{error}"
    );
}

#[test]
fn what_was_left_out_came_later_or_is_not_read() {
    let lab = Lab::new(1);
    let ran = train(&lab, &pairs(&lab, &FIVE), &json!({})).unwrap();
    let of = |unit: &Unit| match &unit.input {
        Value::Map(fields) => fields.keys().map(ToString::to_string).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(of(&ran.executed[0]), ["autoencoder", "framing", "image"]);
    assert_eq!(of(&ran.executed[10]), ["text", "text_encoder"]);
    let first = [
        "accumulate",
        "batch",
        "betas",
        "caption_dropout",
        "end_epoch",
        "epsilon",
        "factor",
        "first_epoch",
        "flip",
        "learning_rate",
        "max_grad_norm",
        "model",
        "noise_offset",
        "rank",
        "samples",
        "schedule",
        "seed",
        "targets",
        "warmup",
        "weight_decay",
    ];
    assert_eq!(of(&ran.executed[13]), first);
    let mut second: Vec<_> = first
        .iter()
        .map(ToString::to_string)
        .chain(["before".to_owned()])
        .collect();
    second.sort();
    assert_eq!(of(&ran.executed[14]), second);
}

#[test]
fn candidates_are_drawn_with_the_adapter_at_every_scale() {
    use crate::generate_images::GenerateImages;

    let lab = Lab::new(1);
    let trained = train(&lab, &pairs(&lab, &FIVE), &json!({})).unwrap();
    let adapters = trained.table("adapter");
    let prompts = table(
        &[("prompt", ColumnType::Text)],
        &[
            json!({"prompt": "an elephant"}),
            json!({"prompt": "a giraffe"}),
        ],
    );
    let draw = |lab: &Lab, with: Json, adapters: Option<&Arc<Table>>| {
        let mut with = with;
        with.as_object_mut().unwrap().extend(
            json!({"size": 32, "steps": 2, "seeds": [0, 1]})
                .as_object()
                .unwrap()
                .clone(),
        );
        let params = ccsr_stage::params::read(&ccsr_stage::testing::node(&with), &files()).unwrap();
        let stage = GenerateImages::<false>::new(params, &roles()).unwrap();
        let bound = adapters.map(|adapters| ("adapters", adapters));
        let tables: Vec<_> = [("prompts", &prompts)].into_iter().chain(bound).collect();
        lab.run(&stage, &tables)
    };
    let base = draw(&lab, json!({}), None).unwrap();
    let scaled = draw(&lab, json!({"scales": [0, 0.5, 1]}), Some(adapters)).unwrap();
    let images = scaled.table("images");
    assert_eq!(
        column(images, "scale"),
        json!([0.0, 0.0, 0.5, 0.5, 1.0, 1.0, 0.0, 0.0, 0.5, 0.5, 1.0, 1.0])
    );
    assert_eq!(
        column(images, "candidate"),
        json!([0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1])
    );
    assert_eq!(column(images, "epoch"), json!(vec![4; 12]));
    // What is drawn with none of it is what the model draws, and was drawn already.
    assert_eq!((base.executed.len(), scaled.executed.len()), (4, 8));
    let image = |table: &Table, row: usize| table.row(row).blob("image").unwrap();
    assert_eq!(image(images, 0), image(base.table("images"), 0));
    let different: BTreeSet<_> = [0, 2, 4].map(|row| image(images, row)).into();
    assert_eq!(different.len(), 3);
    // All scales start from one noise.
    let noises = |ran: &Ran| {
        let noise = |unit: &Unit| {
            unit.input
                .get("noise")
                .unwrap()
                .as_text()
                .unwrap()
                .to_owned()
        };
        ran.executed.iter().map(noise).collect::<BTreeSet<_>>()
    };
    assert_eq!(noises(&scaled), noises(&base));
    let again = draw(&lab.forgetful(), json!({"scales": [0.5]}), Some(adapters)).unwrap();
    assert_eq!(
        image(again.table("images"), 0),
        image(images, 2),
        "whatever was drawn before"
    );

    let said = |with: Json, adapters: Option<&Arc<Table>>| {
        draw(&lab, with, adapters).err().unwrap().to_string()
    };
    assert!(said(json!({"scales": [1]}), None).contains("bind the port `adapters`"));
    let none = table(&[("adapter", ColumnType::Blob)], &[]);
    assert!(said(json!({}), Some(&none)).contains("the table of adapters is empty"));
    let twice = ccsr_stage::testing::misfits::<GenerateImages>(
        &json!({"scales": [1, 1]}),
        &files(),
        &roles(),
    );
    assert!(
        twice.join(" ").contains("`scales` names 1 twice"),
        "{twice:?}"
    );
    // An adapter of other layers is named.
    let other = lab.add_blob(b"no adapter".to_vec());
    let other = table(
        &[("adapter", ColumnType::Blob)],
        &[json!({"adapter": {"$blob": other.to_string()}})],
    );
    let error = said(json!({}), Some(&other));
    assert!(error.contains("adapter"), "{error}");
}

#[test]
fn adapters_and_numbers_become_files() {
    let lab = Lab::new(1);
    let ran = train(&lab, &pairs(&lab, &FIVE), &json!({})).unwrap();
    let stage = TrainLora::new(Params::default(), &roles()).unwrap();
    let names = |port: &str| {
        let files = stage.export(port, ran.table(port)).unwrap().unwrap();
        files.into_iter().map(|file| file.path).collect::<Vec<_>>()
    };
    assert_eq!(names("adapter"), ["pytorch_lora_weights.safetensors"]);
    let folders =
        ["0002", "0004"].map(|epoch| format!("epoch-{epoch}/pytorch_lora_weights.safetensors"));
    assert_eq!(names("checkpoints"), folders);
    assert_eq!(
        names("metrics"),
        ["events.out.tfevents.0.ccsr-flow", "metrics.jsonl"]
    );
}

#[test]
fn how_many_devices_share_a_step_changes_nothing() {
    for (batch, checkpointing) in [(1, false), (1, true), (3, false)] {
        let lab = Lab::new(1);
        let pairs = pairs(&lab, &FIVE);
        let with = |devices: u32| json!({"batch": batch, "accumulate": 3, "devices": devices, "gradient_checkpointing": checkpointing});
        let one = train(&lab, &pairs, &with(1)).unwrap();
        let two = train(&lab.forgetful(), &pairs, &with(2)).unwrap();
        assert_eq!(one.table("adapter").digest(), two.table("adapter").digest());
        let known = train(&lab, &pairs, &with(2)).unwrap();
        assert!(known.executed.is_empty(), "it is in no key");
    }
}
