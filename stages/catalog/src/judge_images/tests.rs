mod with_a_model;

use serde_json::json;

use super::*;
use crate::samples::{self, check, column};
use ccsr_stage::Table;
use ccsr_stage::testing::{Lab, bind, node};

fn with(ask: &str) -> serde_json::Value {
    json!({"questions": samples::questions(), "ask": ask})
}

fn problem(question: &serde_json::Value) -> String {
    samples::build(
        "image.judge",
        &json!({"questions": {"questions": [question]}}),
    )
    .err()
    .unwrap()
}

/// The stage with a judge that never errs.
fn exact(with: &serde_json::Value) -> Box<dyn Stage> {
    let registry = crate::registry();
    let roles = bind(
        &registry,
        &[("judge", "world.judge", json!({"error_rate": 0.0}))],
    )
    .unwrap();
    let kind = registry.kind("image.judge").unwrap();
    (kind.build)(Some(&node(with)), &samples::files(), &roles).unwrap()
}

fn answers(table: &Table) -> serde_json::Value {
    column(table, "answer")
}

#[test]
fn every_question_is_asked_about_every_image() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let ran = check::<JudgeImages>(&with("all"), &lab, &[("images", &images)]);
    assert_eq!(
        (ran.table("answers").len(), ran.executed.len(), ran.waves),
        (9, 9, 1)
    );
    let ran = lab
        .run(exact(&with("all")).as_ref(), &[("images", &images)])
        .unwrap();
    assert_eq!(
        answers(ran.table("answers")),
        json!(["yes", "yes", "no", "yes", "no", "yes", "no", "nan", "no"])
    );
    assert_eq!(
        ran.table("answers").row(4).text("question").unwrap(),
        "anatomy"
    );
    assert_eq!(ran.table("answers").row(4).int("candidate").unwrap(), 1);
}

#[test]
fn gated_questions_wait_for_the_answers_that_they_require() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    check::<JudgeImages>(&with("gated"), &lab, &[("images", &images)]);
    let ran = lab
        .run(exact(&with("gated")).as_ref(), &[("images", &images)])
        .unwrap();
    assert_eq!(
        answers(ran.table("answers")),
        json!([
            "yes", "yes", "no", "yes", "no", "yes", "no", "skipped", "no"
        ])
    );
    assert_eq!((ran.executed.len(), ran.waves), (8, 2));
}

#[test]
fn asking_all_after_gated_asks_only_what_was_skipped() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    lab.run(exact(&with("gated")).as_ref(), &[("images", &images)])
        .unwrap();
    let ran = lab
        .run(exact(&with("all")).as_ref(), &[("images", &images)])
        .unwrap();
    assert_eq!(ran.executed.len(), 1);
}

#[test]
fn gates_may_follow_one_another() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let question = |id: &str, about: &str, requires: serde_json::Value| json!({"id": id, "about": about, "text": id, "requires": requires});
    let set = json!({"questions": [
        question("third", "anatomy", json!({"second": "no"})),
        question("second", "abnormalities", json!({"first": "yes"})),
        question("first", "class-visible", json!({})),
    ]});
    let ran = lab
        .run(
            exact(&json!({"questions": set, "ask": "gated"})).as_ref(),
            &[("images", &images)],
        )
        .unwrap();
    assert_eq!(
        answers(ran.table("answers")),
        json!([
            "yes", "no", "yes", "skipped", "yes", "yes", "skipped", "skipped", "no"
        ])
    );
    assert_eq!(ran.waves, 3);
}

#[test]
fn rewording_a_question_asks_it_again_and_a_weight_asks_nothing() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let run = |questions: &serde_json::Value| {
        let with = json!({"questions": questions});
        samples::run(&lab, "image.judge", &with, &[("images", &images)]).unwrap()
    };
    let mut questions = samples::questions();
    let first = run(&questions);
    questions["questions"][2]["text"] = json!("Is something odd?");
    let reworded = run(&questions);
    assert_eq!(reworded.executed.len(), 3);
    // This judge looks at what a question is about, not at its words.
    assert_eq!(
        answers(first.table("answers")),
        answers(reworded.table("answers"))
    );

    let identity = |questions: &serde_json::Value, ask: &str| {
        samples::build("image.judge", &json!({"questions": questions, "ask": ask}))
            .unwrap()
            .identity()
    };
    let mut counted = questions.clone();
    counted["questions"][2]["polarity"] = json!("positive");
    counted["profiles"] = json!({"mine": {"weights": {"odd": {"yes": 3}}}});
    assert_eq!(identity(&questions, "all"), identity(&counted, "all"));
    assert!(run(&counted).executed.is_empty());
    let mut gated = questions.clone();
    gated["questions"][1]["requires"] = json!({});
    assert_eq!(identity(&questions, "all"), identity(&gated, "all"));
    assert_ne!(identity(&questions, "gated"), identity(&gated, "gated"));
}

#[test]
fn placeholders_are_the_images_own_columns() {
    let question =
        json!({"id": "q", "about": "prompt-respected", "text": "Is \"{prompt}\" a {class}?"});
    let stage = exact(&json!({"questions": {"questions": [question]}}));
    let lab = Lab::new(1);
    let ran = lab
        .run(stage.as_ref(), &[("images", &samples::images(&lab))])
        .unwrap();
    assert_eq!(
        ran.executed[0]
            .input
            .get("question")
            .unwrap()
            .as_text()
            .unwrap(),
        "Is \"Photo of an elephant standing, savanna\" a elephant?"
    );
    assert_eq!(
        stage.describe(&ran.executed[0]).unwrap(),
        "question q about candidate 0 of \"Photo of an elephant standing, savanna\""
    );
    let columns: Vec<String> = stage.inputs()[0]
        .columns
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    assert_eq!(columns, ["image", "prompt", "class", "scene"]);
}

#[test]
fn what_is_wrong_with_questions_is_said_when_the_pipeline_is_checked() {
    assert_eq!(
        problem(&json!({"id": "q", "text": "Is it right?"})),
        "question `q` does not say what it is about, and this suite's judge does not read its \
         words; add `about:` with one of realism, odd-patterns, class-visible, looks-normal, \
         natural-behaviour, confusable-objects, anatomy, colours-match, abnormalities, \
         prompt-respected"
    );
    assert!(
        problem(&json!({"id": "q", "text": "?", "about": "anatomi"}))
            .starts_with("question `q`: `anatomi` is nothing a question can be about")
    );
    assert_eq!(
        problem(&json!({"id": "q", "text": "{clas}", "about": "anatomy"})),
        "question `q`: `{clas}` stands for nothing; there are `{class}`, `{prompt}`; did you mean \
         `{class}`?"
    );
    assert_eq!(
        samples::build("image.judge", &json!({})).err().unwrap(),
        "`questions` is missing"
    );
    let problem = problem(&json!({"id": "q", "text": "?", "polarty": "negative"}));
    assert!(problem.ends_with("(did you mean `polarity`?)"), "{problem}");
}

#[test]
fn classes_that_the_world_does_not_know_are_named_with_their_image() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let mut rows = samples::rows(&images);
    rows[1]["class"] = json!("unicorn");
    let columns: Vec<_> = images
        .columns()
        .iter()
        .map(|c| (c.name(), c.kind()))
        .collect();
    let images = samples::table(&columns, &rows);
    let error =
        samples::run(&lab, "image.judge", &with("all"), &[("images", &images)]).unwrap_err();
    assert!(
        error.starts_with(
            "candidate 1 of \"Photo of an elephant standing, savanna\": the world knows no class \
             `unicorn`"
        ),
        "{error}"
    );
}

#[test]
fn what_does_not_fit_is_said_where_it_stands() {
    let mut questions = samples::questions();
    questions["questions"][0]["text"] = json!("Is it a {clas}?");
    questions["questions"][2]["about"] = json!("weather");
    let found = samples::misfits::<JudgeImages>(&json!({ "questions": questions }));
    let paths = found.iter().filter_map(|text| text.split(':').next());
    assert_eq!(
        paths.collect::<Vec<_>>(),
        ["questions.questions.0.text", "questions.questions.2.about"]
    );
}
