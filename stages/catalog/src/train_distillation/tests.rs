//! Training of tiny networks. That losses and gradients are right is shown in `ccsr-training`, beside PyTorch.

use ccsr_stage::Roles;
use ccsr_stage::testing::{Folder, Lab, bind, check_kind, misfits, node};
use serde_json::{Value as Json, json};

use super::*;
use crate::pretraining::Train;
use crate::registry;
use crate::samples::{
    captions, check_goes_on, column, files, laid_out, model, run, stable_diffusion,
};

fn with(training: &Json) -> Json {
    json!({
        "training": training,
        "unet": {"channels": [16, 16], "layers": 1, "head": 8, "middle": false},
        "pictures": 6,
        "teacher_steps": 4,
        "steps": 2,
    })
}

#[test]
fn it_keeps_the_contract_of_a_stage() {
    let lab = Lab::new(1);
    let (prompts, teacher) = (captions(), model(&lab, &stable_diffusion()));
    let training = json!({"steps": 3, "batch": 3, "checkpoint_every": 2, "warmup": 1, "ema": 0.9});
    let (with, roles) = (with(&training), Roles::default());
    let tables = [("prompts", &prompts), ("teacher", &teacher)];
    let ran = check_kind::<Train<Params>>(&with, &files(), &roles, &lab, &tables);
    assert_eq!(column(ran.table("metrics"), "step"), json!([1, 2, 3]));
    let names = column(ran.table("model"), "file").to_string();
    for name in [
        "model_index.json",
        "tokenizer/vocab.json",
        "unet/config.json",
        "vae/config.json",
    ] {
        assert!(names.contains(name), "{names}");
    }
    check_goes_on("train.distillation", &with, &lab, &tables);
}

/// What was trained has learnt the teacher's pictures, and draws in the baseline's role in one step and in two.
#[test]
fn a_student_draws_in_one_step() {
    let lab = Lab::new(1);
    let (prompts, teacher) = (captions(), model(&lab, &stable_diffusion()));
    let training = json!({"steps": 150, "batch": 6, "learning_rate": 0.01, "warmup": 10});
    let tables = [("prompts", &prompts), ("teacher", &teacher)];
    let ran = run(&lab, "train.distillation", &with(&training), &tables).unwrap();
    let losses = column(ran.table("metrics"), "loss");
    let loss = |step: usize| losses[step].as_f64().unwrap();
    assert!(loss(149) < 0.5 * loss(0), "{} to {}", loss(0), loss(149));
    let folder = laid_out(&lab, ran.table("model"));
    let weights = json!({"weights": folder.path()});
    let roles = bind(&registry(), &[("baseline", "stable-diffusion", weights)]).unwrap();
    let kind = registry().kind("image.generate-baseline").unwrap().build;
    for steps in [1, 2] {
        let with = json!({"candidates": 1, "size": 32, "steps": steps, "guidance": 0.0});
        let stage = kind(Some(&node(&with)), &Folder("".into()), &roles).unwrap();
        let ran = lab.run(stage.as_ref(), &[("prompts", &prompts)]).unwrap();
        assert_eq!(ran.table("images").rows().count(), 4);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let said = misfits::<Train<Params>>(
        &json!({"pictures": 0, "teacher_steps": 7, "steps": 3, "guidance": -1}),
        &files(),
        &Roles::default(),
    );
    let all = said.join("\n");
    for wanted in [
        "pictures: `pictures: 0`",
        "teacher_steps: `teacher_steps: 7` is no divisor of 1000",
        "steps: `steps: 3` is no divisor of 7",
        "guidance: `guidance: -1`",
    ] {
        assert!(all.contains(wanted), "{wanted}: {all}");
    }
}
