//! Training of tiny networks. That the loss and its gradient are right is shown in `ccsr-training`, beside PyTorch.

use std::sync::Arc;

use ccsr_stage::testing::{Folder, Lab, Ran, bind, check_kind, misfits, node};
use ccsr_stage::{Roles, StageKind, Table};
use serde_json::{Value as Json, json};

use super::*;
use crate::pretraining::{LaidOut, Train};
use crate::samples::{check_goes_on, column, files, rows, run, table};

fn scenes(lab: &Lab, count: u32) -> Arc<Table> {
    let with =
        json!({"split": "train", "count": count, "size": 32, "classes": ["elephant", "zebra"]});
    let ran = run(lab, "world.render", &with, &[]).unwrap();
    ran.table("scenes").clone()
}

fn with(training: &Json) -> Json {
    json!({"training": training, "size": 16, "channels": [8, 16], "layers": 1})
}

fn train(lab: &Lab, scenes: &Arc<Table>, with: &Json) -> Result<Ran, StageError> {
    let params: Params = ccsr_stage::params::read(&node(with), &files()).unwrap();
    let stage = <Train<Params> as StageKind>::new(params, &Roles::default()).unwrap();
    lab.run(&stage, &[("scenes", scenes)])
}

#[test]
fn it_keeps_the_contract_of_a_stage() {
    let lab = Lab::new(1);
    let scenes = scenes(&lab, 6);
    let training = json!({"steps": 3, "batch": 4, "checkpoint_every": 2, "warmup": 1, "ema": 0.9});
    let (with, roles) = (with(&training), Roles::default());
    let tables = [("scenes", &scenes)];
    let ran = check_kind::<Train<Params>>(&with, &files(), &roles, &lab, &tables);
    assert_eq!(column(ran.table("metrics"), "step"), json!([1, 2, 3]));
    assert_eq!(
        column(ran.table("model"), "file"),
        json!(["config.json", "model.safetensors"])
    );
    check_goes_on("train.witness", &with, &lab, &tables);
}

/// What was trained takes the role of the witness, and has learnt what it was shown.
#[test]
fn a_trained_witness_knows_its_scenes() {
    let lab = Lab::new(1);
    let scenes = scenes(&lab, 8);
    let training = json!({"steps": 150, "batch": 8, "learning_rate": 0.01, "warmup": 10});
    let mut with = with(&training);
    with["augmentation"] = json!(0.0);
    let ran = train(&lab, &scenes, &with).unwrap();
    let losses = column(ran.table("metrics"), "loss");
    let loss = |step: usize| losses[step].as_f64().unwrap();
    assert!(
        loss(0) > 4.0 && loss(149) < 0.5 * loss(0),
        "{} to {}",
        loss(0),
        loss(149)
    );
    let files = ran.table("model").rows();
    let model = Value::map(files.map(|row| {
        let content = Value::Blob(row.blob("content").unwrap());
        (row.text("file").unwrap().to_owned(), content)
    }));
    let folder = LaidOut::new(&model, &lab).unwrap();
    let weights = json!({"weights": folder.path()});
    let roles = bind(&crate::registry(), &[("witness", "witness", weights)]).unwrap();
    let kind = crate::registry().kind("eval.witness").unwrap().build;
    let stage = kind(Some(&node(&json!({}))), &Folder("".into()), &roles).unwrap();
    let ran = lab.run(stage.as_ref(), &[("scenes", &scenes)]).unwrap();
    let facts = rows(ran.table("facts"));
    for row in &facts {
        assert!(row["right"].as_i64().unwrap() >= 6, "{facts:?}");
    }
}

#[test]
fn what_is_drawn_by_chance_is_of_the_step_alone() {
    let lab = Lab::new(1);
    let scenes = scenes(&lab, 5);
    let with = |steps: u32, every: u32| {
        with(
            &json!({"steps": steps, "batch": 3, "checkpoint_every": every, "schedule": "constant"}),
        )
    };
    let whole = train(&lab, &scenes, &with(4, 4)).unwrap();
    let parts = train(&lab.forgetful(), &scenes, &with(4, 1)).unwrap();
    assert_eq!(whole.table("model").digest(), parts.table("model").digest());
}

#[test]
fn what_does_not_fit_is_refused() {
    let said = misfits::<Train<Params>>(
        &json!({"size": 20, "channels": [8, 12, 16], "layers": 99, "smoothing": 0.9, "augmentation": 3}),
        &files(),
        &Roles::default(),
    );
    let all = said.join("\n");
    for wanted in [
        "`size: 20` is no multiple of 8",
        "channels.1: `12` is no multiple of 8",
        "layers: `layers: 99`",
        "smoothing: `smoothing: 0.9`",
        "augmentation: `augmentation: 3`",
    ] {
        assert!(all.contains(wanted), "{wanted}: {all}");
    }
    let none = misfits::<Train<Params>>(&json!({"channels": []}), &files(), &Roles::default());
    assert_eq!(none, ["channels: there are 0 levels; expected from 1 to 8"]);
    let lab = Lab::new(1);
    let mut broken = rows(&scenes(&lab, 2));
    broken[1]["scene"] = json!("{}");
    let columns = [("image", ColumnType::Image), ("scene", ColumnType::Text)];
    let error = train(&lab, &table(&columns, &broken), &with(&json!({}))).unwrap_err();
    assert!(
        error.to_string().contains("a `scene` cannot be read"),
        "{error}"
    );
}
