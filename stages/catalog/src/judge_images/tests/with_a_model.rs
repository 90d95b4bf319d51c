//! A judge that reads words: a fake one, which repeats what it is told or always says the same.

use ccsr_stage::testing::{Lab, Ran, check_kind, messages, misfits, node};
use serde_json::{Value as Json, json};

use super::super::*;
use crate::fakes;
use crate::samples::{self, column, files};

fn with(more: Json) -> Json {
    let mut with = json!({"questions": samples::questions()});
    let Json::Object(more) = more else {
        unreachable!("parameters are a map")
    };
    with.as_object_mut().unwrap().extend(more);
    with
}

fn build(with: &Json, manner: &str) -> Box<dyn Stage> {
    let kind = crate::registry().kind("image.judge").unwrap().build;
    let stage = kind(Some(&node(with)), &files(), &fakes::judge(manner));
    stage.map_err(messages).unwrap()
}

fn run(lab: &Lab, manner: &str, more: Json) -> Ran {
    let images = samples::images(lab);
    let stage = build(&with(more), manner);
    lab.run(stage.as_ref(), &[("images", &images)]).unwrap()
}

fn answers(ran: &Ran) -> Json {
    column(ran.table("answers"), "answer")
}

/// The names of what a unit reads.
fn reads(ran: &Ran) -> Vec<String> {
    let input = ran.executed[0].input.to_json();
    input.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn separate_questions_are_answered_by_probabilities() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let tables = [("images", &images)];
    let (files, judge) = (files(), fakes::judge(""));
    let ran = check_kind::<JudgeImages>(&with(json!({})), &files, &judge, &lab, &tables);
    assert_eq!(answers(&ran), json!(vec!["yes"; 9]));
    let margins: Vec<f64> = serde_json::from_value(column(ran.table("answers"), "margin")).unwrap();
    // "Is a elephant to be seen?" has 25 letters: yes has 24 parts of 25, no one.
    assert!((margins[0] - 23.0 / 25.0).abs() < 1e-12, "{margins:?}");
    assert_eq!(reads(&ran), ["image", "judge", "model", "question"]);
    assert_eq!(ran.executed.len(), 9);
    // All questions about an image are one group.
    let groups: Vec<u64> = ran.executed.iter().map(|unit| unit.group).collect();
    assert_eq!(groups, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
}

#[test]
fn separate_questions_may_be_answered_with_texts() {
    let lab = Lab::new(1);
    let text = |manner: &str, more: Json| run(&lab, manner, more);
    let ran = text("N/A, nothing is there.", json!({"answer": "text"}));
    assert_eq!(answers(&ran), json!(vec!["nan"; 9]));
    assert_eq!(column(ran.table("answers"), "margin"), json!(vec![(); 9]));
    assert_eq!(
        reads(&ran),
        ["image", "judge", "max_tokens", "model", "text"]
    );
    let ran = text("I would rather not say", json!({"answer": "text"}));
    assert_eq!(answers(&ran), json!(vec!["unparsed"; 9]));
    // Gates go by what was read: `anatomy` requires a yes to `seen`.
    let ran = text("No.", json!({"answer": "text", "ask": "gated"}));
    assert_eq!(
        answers(&ran),
        json!([
            "no", "skipped", "no", "no", "skipped", "no", "no", "skipped", "no"
        ])
    );
    assert_eq!(ran.asked, 6);
}

#[test]
fn joint_questions_are_one_message() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let joint = with(json!({"mode": "joint", "max_tokens": 99}));
    let said = "1. Yes, standing.\nIt looks at us.\n2. nan\n3. odd question";
    let (files, judge) = (files(), fakes::judge(said));
    let tables = [("images", &images)];
    let ran = check_kind::<JudgeImages>(&joint, &files, &judge, &lab, &tables);
    assert_eq!((ran.executed.len(), ran.table("answers").len()), (3, 9));
    let one = ["yes", "nan", "unparsed"];
    assert_eq!(answers(&ran), json!([one, one, one].concat()));
    assert_eq!(
        reads(&ran),
        ["image", "judge", "max_tokens", "model", "text"]
    );
    let text = ran.executed[0]
        .input
        .get("text")
        .and_then(Value::as_text)
        .unwrap();
    for line in [
        "1. Is a elephant to be seen?",
        "2. Is its body right?",
        "3. Is anything odd?",
    ] {
        assert!(text.lines().any(|found| found == line), "{text}");
    }
    assert!(
        text.contains("nan if the question does not apply"),
        "{text}"
    );
    assert_eq!(
        build(&joint, said).describe(&ran.executed[1]).unwrap(),
        "the questions about candidate 1 of \"Photo of an elephant standing, savanna\""
    );
}

/// What the fake repeats has numbers and no answers.
#[test]
fn what_cannot_be_read_is_unparsed() {
    let ran = run(&Lab::new(1), "", json!({"mode": "joint"}));
    assert_eq!(answers(&ran), json!(vec!["unparsed"; 9]));
}

#[test]
fn a_reworded_question_asks_one_answer_or_one_message_an_image() {
    let mut questions = samples::questions();
    questions["questions"][2]["text"] = json!("Is something odd?");
    for more in [
        json!({}),
        json!({"answer": "text"}),
        json!({"mode": "joint"}),
    ] {
        let lab = Lab::new(1);
        run(&lab, "Yes", more.clone());
        assert_eq!(run(&lab, "Yes", more.clone()).executed.len(), 0);
        let mut reworded = with(more.clone());
        reworded["questions"] = questions.clone();
        let images = samples::images(&lab);
        let ran = lab.run(build(&reworded, "Yes").as_ref(), &[("images", &images)]);
        assert_eq!(ran.unwrap().executed.len(), 3, "{more}");
    }
}

/// Whoever changes how long an answer may be asks nothing anew where answers are no texts.
#[test]
fn the_identity_holds_what_the_form_reads() {
    let identity = |more: Json| build(&with(more), "").identity();
    assert_eq!(
        identity(json!({})),
        identity(json!({"max_tokens": 5, "mode": "separate"}))
    );
    let text = json!({"answer": "text", "max_tokens": 5});
    assert_ne!(identity(json!({"answer": "text"})), identity(text));
    assert_ne!(
        identity(json!({"answer": "text"})),
        identity(json!({"mode": "joint"}))
    );
    // Joint answers are texts anyway.
    let joint = json!({"mode": "joint", "answer": "text"});
    assert_eq!(identity(joint), identity(json!({"mode": "joint"})));
}

#[test]
fn what_does_not_go_together_is_said() {
    let found = |more: Json| misfits::<JudgeImages>(&with(more), &files(), &fakes::judge(""));
    let gated = found(json!({"mode": "joint", "ask": "gated", "max_tokens": 0}));
    assert_eq!(
        gated[0],
        "max_tokens: `max_tokens: 0` is not from 1 to 65536"
    );
    assert!(gated[1].starts_with("ask: with `mode: joint` all questions stand in one message"));
    let world = |more: Json| samples::misfits::<JudgeImages>(&with(more));
    let refused = "the suite's judge reads no words and writes none; `llava` does";
    assert_eq!(
        world(json!({"mode": "joint"})),
        [format!("mode: {refused}")]
    );
    assert_eq!(
        world(json!({"answer": "text"})),
        [format!("answer: {refused}")]
    );
}
