//! Training of tiny networks. That losses and gradients are right is shown in `ccsr-training`, beside diffusers.

use std::path::PathBuf;
use std::sync::Arc;

use ccsr_stage::testing::{Folder, Lab, bind, check_kind, misfits, node};
use ccsr_stage::{Roles, Table};
use serde_json::{Value as Json, json};

use super::*;
use crate::pretraining::Train;
use crate::samples::{
    self, COLOURS, captions, check_goes_on, colours, column, files, laid_out, on_cores, run,
};
use crate::{png, registry};

/// The small CLIP of the examples, which knows nothing.
fn clip(lab: &Lab) -> Arc<Table> {
    let folder = "../../examples/stable_diffusion/clip";
    samples::model(lab, &PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder))
}

/// A CLIP of colours.
fn trained_clip(lab: &Lab) -> Arc<Table> {
    let tower = json!({"width": 16, "layers": 1, "heads": 2});
    let with = json!({
        "training": {"steps": 120, "batch": 4, "learning_rate": 0.01, "warmup": 10},
        "vocabulary": 530, "space": 8, "text": tower, "vision": tower,
    });
    let ran = run(lab, "train.clip", &with, &[("scenes", &colours(lab))]).unwrap();
    ran.table("model").clone()
}

/// An autoencoder of colours.
fn autoencoder(lab: &Lab, steps: u32) -> Arc<Table> {
    let with = json!({
        "channels": [24, 24, 24],
        "training": {"steps": steps, "batch": 4, "learning_rate": 0.005, "warmup": 5},
    });
    let ran = run(
        lab,
        "train.autoencoder",
        &with,
        &[("scenes", &colours(lab))],
    )
    .unwrap();
    ran.table("model").clone()
}

/// What is trained on: colours, and networks that know nothing of them.
fn tables(lab: &Lab) -> [(&'static str, Arc<Table>); 3] {
    [
        ("scenes", colours(lab)),
        ("autoencoder", autoencoder(lab, 1)),
        ("clip", clip(lab)),
    ]
}

fn with(training: &Json) -> Json {
    json!({
        "training": training,
        "unet": {"channels": [24, 24], "layers": 1, "head": 8, "middle": true},
    })
}

#[test]
fn it_keeps_the_contract_of_a_stage() {
    let lab = Lab::new(1);
    let tables = tables(&lab);
    let tables = tables.each_ref().map(|(port, table)| (*port, table));
    let training = json!({"steps": 3, "batch": 3, "checkpoint_every": 2, "warmup": 1, "ema": 0.9});
    let (with, roles) = (with(&training), Roles::default());
    let ran = check_kind::<Train<Params>>(&with, &files(), &roles, &lab, &tables);
    assert_eq!(column(ran.table("metrics"), "step"), json!([1, 2, 3]));
    assert_eq!(
        column(ran.table("model"), "file"),
        json!([
            "model_index.json",
            "scheduler/scheduler_config.json",
            "text_encoder/config.json",
            "text_encoder/model.safetensors",
            "tokenizer/merges.txt",
            "tokenizer/special_tokens_map.json",
            "tokenizer/vocab.json",
            "unet/config.json",
            "unet/diffusion_pytorch_model.safetensors",
            "vae/config.json",
            "vae/diffusion_pytorch_model.safetensors",
        ])
    );
    check_goes_on("train.diffusion", &with, &lab, &tables);
}

/// What was trained draws, in its role, what it was shown.
#[test]
fn prompts_become_the_pictures_that_they_name() {
    let lab = Lab::new(1);
    let scenes = colours(&lab);
    let tables = [
        ("scenes", &scenes),
        ("autoencoder", &autoencoder(&lab, 400)),
        ("clip", &trained_clip(&lab)),
    ];
    let training = json!({
        "steps": 300, "batch": 8, "learning_rate": 0.005, "warmup": 10, "ema": 0.95, "optimizer": "muon"
    });
    let ran = run(&lab, "train.diffusion", &with(&training), &tables).unwrap();
    let folder = laid_out(&lab, ran.table("model"));
    let weights = json!({"weights": folder.path()});
    let roles = bind(&registry(), &[("drawer", "stable-diffusion", weights)]).unwrap();
    let kind = registry().kind("image.generate").unwrap().build;
    let with = json!({"candidates": 2, "size": 16, "steps": 10, "guidance": 2.0});
    let stage = kind(Some(&node(&with)), &Folder("".into()), &roles).unwrap();
    let ran = lab
        .run(stage.as_ref(), &[("prompts", &captions())])
        .unwrap();
    let images = ran.table("images");
    for (index, row) in images.rows().enumerate() {
        let picture = png::read(&lab, &row.blob("image").unwrap()).unwrap();
        let mean = [0, 1, 2].map(|colour| {
            let levels = picture.as_raw()[colour..].iter().step_by(3);
            levels.map(|level| f64::from(*level)).sum::<f64>() / 256.0
        });
        let far = |(_, colour): &&(&str, [u8; 3])| {
            let pairs = mean.iter().zip(colour);
            pairs
                .map(|(found, level)| (found - f64::from(*level)).powi(2))
                .sum::<f64>()
        };
        let nearest = COLOURS
            .iter()
            .min_by(|one, other| far(one).total_cmp(&far(other)));
        let (nearest, _) = nearest.unwrap();
        assert_eq!(*nearest, COLOURS[index / 2].0, "{mean:?}");
    }
}

#[test]
fn more_steps_train_on() {
    let lab = Lab::new(1);
    let tables = tables(&lab);
    let tables = tables.each_ref().map(|(port, table)| (*port, table));
    let with = |steps: u32, every: u32| {
        with(
            &json!({"steps": steps, "batch": 3, "checkpoint_every": every, "schedule": "constant"}),
        )
    };
    run(&lab, "train.diffusion", &with(2, 2), &tables).unwrap();
    let on = run(&lab, "train.diffusion", &with(4, 2), &tables).unwrap();
    assert_eq!(on.executed.len(), 2, "steps 3 and 4, the files");
    let whole = run(&lab.forgetful(), "train.diffusion", &with(4, 4), &tables).unwrap();
    assert_eq!(on.table("model").digest(), whole.table("model").digest());
}

#[test]
fn what_is_learnt_is_the_same_on_any_number_of_cores() {
    let lab = Lab::new(1);
    let tables = tables(&lab);
    let tables = tables.each_ref().map(|(port, table)| (*port, table));
    let learnt = |cores: usize, optimizer: &str| {
        let with = with(&json!({"steps": 3, "batch": 5, "warmup": 1, "optimizer": optimizer}));
        let ran = on_cores(cores, || {
            run(&lab.forgetful(), "train.diffusion", &with, &tables)
        });
        ran.unwrap().table("model").digest()
    };
    for optimizer in ["adamw", "muon"] {
        let alone = learnt(1, optimizer);
        assert_eq!(learnt(2, optimizer), alone, "{optimizer}");
        assert_eq!(learnt(3, optimizer), alone, "{optimizer}");
    }
    assert_ne!(learnt(2, "adamw"), learnt(2, "muon"));
}

#[test]
fn what_does_not_fit_is_refused() {
    let said = misfits::<Train<Params>>(
        &json!({
            "unet": {"channels": [16, 24], "layers": 9, "head": 0, "middle": false},
            "snr_gamma": -1,
            "caption_dropout": 2,
        }),
        &files(),
        &Roles::default(),
    );
    let all = said.join("\n");
    for wanted in [
        "unet.layers: `layers: 9`",
        "unet.head: `head: 0`",
        "snr_gamma: `snr_gamma: -1`",
        "caption_dropout: `caption_dropout: 2`",
    ] {
        assert!(all.contains(wanted), "{wanted}: {all}");
    }
    let said = misfits::<Train<Params>>(
        &json!({"unet": {"channels": [16, 24], "layers": 1, "head": 16, "middle": false}}),
        &files(),
        &Roles::default(),
    );
    assert_eq!(said, ["unet.channels.1: `24` is no multiple of `head: 16`"]);
}
