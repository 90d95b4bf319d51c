//! Training of tiny judges. That losses and gradients are right is shown in `ccsr-training`, beside `transformers`.

use std::sync::Arc;

use ccsr_stage::testing::{Lab, Ran, bind, check_kind, messages, node};
use ccsr_stage::{Roles, Table};
use ccsr_world::truth::Witness;
use ccsr_world::{About, Answer};
use serde_json::{Value as Json, json};

use super::*;
use crate::known_questions;
use crate::pretraining::{Train, listed};
use crate::samples::{check_goes_on, column, files, rows, run};
use crate::train_language::tests::laid_out;

/// Two questions, in words of their own.
fn set() -> Json {
    json!({"questions": [
        {"id": "flaw", "about": "abnormalities", "text": "Is anything wrong?"},
        {"id": "seen", "about": "class-visible", "text": "Is a {class} to be seen?"},
    ]})
}

fn with(training: &Json) -> Json {
    json!({"training": training, "questions": 4, "sets": [set()], "noise": 0})
}

/// A table's name, and the table.
type Tables = Vec<(&'static str, Arc<Table>)>;

/// Pictures with questions, and the models to begin with.
fn tables(lab: &Lab) -> Tables {
    let rendered = json!({
        "split": "train", "count": 8, "size": 32, "questions": 4, "defects": 0.5, "classes": ["elephant", "zebra"],
    });
    let rendered = run(lab, "world.render", &rendered, &[]).unwrap();
    let table = |name: &str| Arc::clone(rendered.table(name));
    let (scenes, questions) = (table("scenes"), table("questions"));
    let clip = json!({
        "training": {"steps": 1, "batch": 2}, "vocabulary": 530, "space": 8,
        "text": {"width": 16, "layers": 1, "heads": 2}, "vision": {"width": 32, "layers": 1, "heads": 2},
    });
    let clip = run(lab, "train.clip", &clip, &[("scenes", &scenes)]).unwrap();
    let language = json!({
        "training": {"steps": 1, "batch": 1}, "requests": [{"template": {"instruction": "{class}"}, "style": "plain"}],
        "classes": ["elephant"], "most": 1, "vocabulary": 400,
        "width": 32, "layers": 2, "heads": 2, "kv_heads": 1, "intermediate": 64,
    });
    let language = run(
        lab,
        "train.language",
        &language,
        &[("questions", &questions)],
    )
    .unwrap();
    vec![
        ("scenes", scenes),
        ("questions", questions),
        ("clip", Arc::clone(clip.table("model"))),
        ("language", Arc::clone(language.table("model"))),
    ]
}

fn bound(tables: &Tables) -> Vec<(&'static str, &Arc<Table>)> {
    tables.iter().map(|(name, table)| (*name, table)).collect()
}

/// What a stage makes of pictures with the judge that was trained.
fn put_to_work(lab: &Lab, trained: &Ran, kind: &str, with: &Json, pictures: &Arc<Table>) -> Ran {
    let folder = laid_out(lab, trained.table("model"));
    let weights = json!({"weights": folder.path()});
    let roles = bind(&crate::registry(), &[("judge", "llava", weights)]).unwrap();
    let build = crate::registry().kind(kind).unwrap().build;
    let stage = build(Some(&node(with)), &files(), &roles);
    let stage = stage.map_err(messages).unwrap();
    lab.run(stage.as_ref(), &[("images", pictures)]).unwrap()
}

#[test]
fn it_keeps_the_contract_of_a_stage() {
    let lab = Lab::new(1);
    let tables = tables(&lab);
    let training = json!({"steps": 3, "batch": 2, "checkpoint_every": 2, "warmup": 1, "ema": 0.9});
    let ran = check_kind::<Train<Params>>(
        &with(&training),
        &files(),
        &Roles::default(),
        &lab,
        &bound(&tables),
    );
    // What is prepared, steps 1 and 2, 3, the files.
    assert_eq!((ran.asked, ran.waves), (4, 4));
    assert_eq!(
        column(ran.table("model"), "file"),
        json!([
            "chat_template.json",
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "preprocessor_config.json",
            "processor_config.json",
            "tokenizer.json",
            "tokenizer_config.json"
        ])
    );
    check_goes_on("train.judge", &with(&training), &lab, &bound(&tables));
}

/// What was trained answers when `image.judge` asks it, in the words of a set.
#[test]
fn it_answers_as_it_was_taught() {
    let lab = Lab::new(1);
    let tables = tables(&lab);
    let mut with = with(&json!({
        "steps": 150, "batch": 8, "learning_rate": 0.004, "warmup": 10, "checkpoint_every": 150
    }));
    with["share"] = json!(1.0);
    with["descriptions"] = json!(false);
    let ran = run(&lab, "train.judge", &with, &bound(&tables)).unwrap();
    let losses = column(ran.table("metrics"), "loss");
    let loss = |step: usize| losses[step].as_f64().unwrap();
    assert!(
        loss(0) > 2.0 && loss(149) < 0.2,
        "{} to {}",
        loss(0),
        loss(149)
    );
    let judged = put_to_work(
        &lab,
        &ran,
        "image.judge",
        &json!({"questions": set()}),
        &tables[0].1,
    );
    let judged = rows(judged.table("answers"));
    let (mut right, mut all) = (0, 0);
    for (index, scene) in tables[0].1.rows().enumerate() {
        let found = Scene::from_text(scene.text("scene").unwrap()).unwrap();
        let class = crate::world::class(scene.text("class").unwrap()).unwrap();
        for (place, about) in [About::Abnormalities, About::ClassVisible]
            .into_iter()
            .enumerate()
        {
            let truth = Witness::of(&found).truth(&ccsr_world::Wish::default(), class, about);
            let said = &judged[2 * index + place]["answer"];
            all += 1;
            right += u32::from(*said == json!(truth.name()));
        }
    }
    assert!(
        right >= 14,
        "{right} of {all} answers are right: {judged:#?}"
    );
}

/// What was trained writes down what it was shown when `image.caption` tells it to.
#[test]
fn it_writes_down_what_it_sees() {
    let lab = Lab::new(1);
    let tables = tables(&lab);
    let mut with = with(&json!({
        "steps": 150, "batch": 8, "learning_rate": 0.004, "warmup": 10, "checkpoint_every": 150
    }));
    with["questions"] = json!(1);
    let ran = run(&lab, "train.judge", &with, &bound(&tables)).unwrap();
    let told = put_to_work(&lab, &ran, "image.caption", &json!({}), &tables[0].1);
    let told = rows(told.table("captions"));
    // How many there are, and what the nearest one is.
    let beginning = |text: &str| text.split(',').next().unwrap().to_owned();
    let found = tables[0].1.rows().zip(&told).filter(|(scene, told)| {
        let scene = Scene::from_text(scene.text("scene").unwrap()).unwrap();
        beginning(told["caption"].as_str().unwrap()) == beginning(&captions::inventory(&scene))
    });
    assert!(found.count() >= 6, "{told:#?}");
}

/// The numbers of a model's file, by the ends of their names.
fn weights(lab: &Lab, model: &Table) -> std::collections::BTreeMap<String, Vec<u8>> {
    let folder = laid_out(lab, model);
    let bytes = std::fs::read(folder.path().join("model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors().into_iter();
    tensors
        .map(|(name, tensor)| (name, tensor.data().to_vec()))
        .collect()
}

#[test]
fn what_is_frozen_stays_as_it_was() {
    let lab = Lab::new(1);
    let tables = tables(&lab);
    let clip = weights(&lab, &tables[2].1);
    let changed = |frozen: Json| {
        let training = json!({"steps": 2, "batch": 2, "warmup": 0, "weight_decay": 1.0});
        let mut with = with(&training);
        with["frozen"] = frozen;
        let ran = run(&lab, "train.judge", &with, &bound(&tables)).unwrap();
        let judge = weights(&lab, ran.table("model"));
        let own = clip
            .iter()
            .filter(|(name, _)| name.starts_with("vision_model.encoder."));
        let own: Vec<_> = own.collect();
        let differs = own.iter().filter(|(name, numbers)| {
            let same = judge
                .iter()
                .find(|(other, _)| other.ends_with(name.as_str()));
            same.unwrap_or_else(|| panic!("there is no {name}")).1 != *numbers
        });
        (differs.count(), own.len())
    };
    assert_eq!(changed(json!(["vision"])).0, 0);
    let (differ, all) = changed(json!(["language"]));
    assert!(differ > all / 2, "{differ} of {all} were trained");
}

/// A judge gets the eyes of another CLIP, and goes on in the words of its own.
#[test]
fn what_is_anew_begins_as_its_own_model_has_it() {
    let lab = Lab::new(1);
    let tables = tables(&lab);
    let training = json!({"steps": 2, "batch": 2, "warmup": 0});
    let first = run(&lab, "train.judge", &with(&training), &bound(&tables)).unwrap();
    let mut on = bound(&tables);
    on.push(("initial", first.table("model")));
    let mut still = with(&json!({"steps": 1, "batch": 1, "learning_rate": 0.0, "warmup": 0}));
    still["anew"] = json!(["vision"]);
    let on = run(&lab, "train.judge", &still, &on).unwrap();
    let (first, clip) = (
        weights(&lab, first.table("model")),
        weights(&lab, &tables[2].1),
    );
    let (mut eyes, mut rest) = (0, 0);
    for (name, numbers) in weights(&lab, on.table("model")) {
        if let Some((_, own)) = name.split_once("vision_tower.") {
            assert_eq!(numbers, clip[own], "{name}");
            eyes += usize::from(numbers != first[&name]);
        } else {
            assert_eq!(numbers, first[&name], "{name}");
            rest += 1;
        }
    }
    assert!(
        eyes > 10 && rest > 10,
        "{eyes} are other eyes, {rest} the rest"
    );
}

/// Claims alone are learnt, too, and only what follows each counts.
#[test]
fn it_says_which_claims_hold() {
    let lab = Lab::new(1);
    let tables = tables(&lab);
    let mut with = with(&json!({
        "steps": 60, "batch": 4, "learning_rate": 0.004, "warmup": 5, "checkpoint_every": 60
    }));
    with["questions"] = json!(1);
    with["descriptions"] = json!(false);
    with["claims"] = json!(24);
    let ran = run(&lab, "train.judge", &with, &bound(&tables)).unwrap();
    let losses = column(ran.table("metrics"), "loss");
    let [first, last] = [0, 59].map(|step| losses[step].as_f64().unwrap());
    // Of claims, a coin says as much as ln 2; words that cannot be foretold would cost far more.
    assert!(first > 4.0 && last < 0.75, "{first} to {last}");
}

#[test]
fn answers_are_true_and_as_many_are_yes_as_are_no() {
    let lab = Lab::new(1);
    let rendered =
        json!({"split": "train", "count": 300, "size": 16, "questions": 1, "defects": 0.5});
    let rendered = run(&lab, "world.render", &rendered, &[]).unwrap();
    let listed = |name, columns: &[&str]| listed(rendered.table(name), name, columns).unwrap();
    let shown = shown(
        &listed("scenes", &["class", "image", "scene"]),
        &listed("questions", &["image", "question", "answer"]),
    )
    .unwrap();
    assert!(shown.iter().all(|shown| shown.asked.len() == 1));
    let paper = std::fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../pipelines/questions/paper.yaml"),
    )
    .unwrap();
    let paper: QuestionSet = serde_json::from_value(crate::pipelines::yaml::read(&paper)).unwrap();
    assert!(known_questions::misfits(&paper).is_empty());
    // Yes, no and nan by question.
    let counts = |even| {
        let exam = Exam::new([&paper].into_iter(), 0, even, &shown);
        let mut counts: HashMap<String, [u32; 3]> = HashMap::new();
        for (number, shown) in (0..).zip(shown.iter().cycle().take(2000)) {
            let [question, answer] = exam.ask(shown, &mut source("test", 1, number));
            let of = paper.questions.iter().find(|of| {
                let begin = of.text.split(['{', '"']).next().unwrap();
                question.starts_with(begin) && begin.len() > 8
            });
            let answers = [Answer::Yes, Answer::No, Answer::Nan].map(Answer::name);
            let place = answers.iter().position(|name| *name == answer).unwrap();
            counts.entry(of.unwrap().id.clone()).or_default()[place] += 1;
            assert!(!question.contains('{'), "{question}");
        }
        assert_eq!(counts.len(), 10, "{counts:?}");
        counts
    };
    let share = |[yes, no, _]: [u32; 3]| f64::from(yes) / f64::from(yes + no);
    for (id, counts) in counts(true) {
        assert!((0.3..=0.7).contains(&share(counts)), "{id}: {counts:?}");
        let [yes, no, nan] = counts;
        assert!(nan * 2 < yes + no, "{id}: {nan} nan");
    }
    // As it falls, most of what is asked about is as it should be.
    let uneven = counts(false);
    let uneven = uneven.values().map(|counts| (share(*counts) - 0.5).abs());
    assert!(uneven.filter(|away| *away > 0.2).count() >= 4);
}

#[test]
fn what_does_not_fit_is_refused() {
    let said = |change: Json| {
        let mut with = with(&json!({}));
        let Json::Object(change) = change else {
            unreachable!("a map")
        };
        with.as_object_mut().unwrap().extend(change);
        let params: Params = ccsr_stage::params::read(&node(&with), &files()).unwrap();
        let stage = <Train<Params> as ccsr_stage::StageKind>::new(params, &Roles::default());
        stage.err().unwrap().to_string()
    };
    assert!(said(json!({"questions": 0})).contains("`questions: 0` is not from 1 to 64"));
    assert!(said(json!({"brief": 9})).contains("`brief: 9` is not from 0 to 8"));
    let all = json!({"frozen": ["vision", "projector", "language"]});
    assert!(said(all).contains("nothing is left"));
    let vague = json!({"sets": [{"questions": [{"id": "q1", "text": "Is it?"}]}]});
    assert!(said(vague).contains("`q1` does not say what it is `about`"));
    let strange =
        json!({"sets": [{"questions": [{"id": "q1", "about": "moon", "text": "Is it?"}]}]});
    assert!(said(strange).contains("`moon` is nothing a question can be about"));
}
