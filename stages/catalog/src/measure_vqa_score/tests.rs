use ccsr_stage::testing::{Lab, check_kind, messages, misfits, node};
use serde_json::{Value as Json, json};

use super::*;
use crate::fakes;
use crate::samples::{self, column, files};

fn build(with: &Json, manner: &str) -> Box<dyn Stage> {
    let kind = crate::registry().kind("eval.vqa-score").unwrap().build;
    let stage = kind(Some(&node(with)), &files(), &fakes::judge(manner));
    stage.map_err(messages).unwrap()
}

#[test]
fn the_score_is_the_probability_of_yes() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let tables = [("images", &images)];
    let (files, judge) = (files(), fakes::judge(""));
    let ran = check_kind::<MeasureVqaScore>(&json!({}), &files, &judge, &lab, &tables);
    let question = "Does this figure show \"Photo of an elephant standing, savanna\"? Please answer \
                    yes or no.";
    let asked = ran.executed[0]
        .input
        .get("question")
        .and_then(Value::as_text);
    assert_eq!(asked, Some(question));
    let scores: Vec<f64> =
        serde_json::from_value(column(ran.table("scores"), "vqa_score")).unwrap();
    // The fake says yes with this probability.
    let expected = 1.0 - 1.0 / question.len() as f64;
    assert_eq!(scores.len(), 3);
    assert!(
        scores.iter().all(|score| (score - expected).abs() < 1e-12),
        "{scores:?}"
    );
    assert_eq!(
        column(ran.table("scores"), "prompt"),
        column(&images, "prompt")
    );
}

#[test]
fn the_question_may_be_another() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let with = json!({"question": "Is it a {class}?"});
    let stage = build(&with, "");
    let ran = lab.run(stage.as_ref(), &[("images", &images)]).unwrap();
    let asked = ran.executed[2]
        .input
        .get("question")
        .and_then(Value::as_text);
    assert_eq!(asked, Some("Is it a elephant?"));
    assert_eq!(
        stage.describe(&ran.executed[2]).unwrap(),
        "candidate 2 of \"Photo of an elephant standing, savanna\""
    );
    let found =
        misfits::<MeasureVqaScore>(&json!({"question": "{promt}"}), &files(), &fakes::judge(""));
    assert!(
        found[0].starts_with("question: `{promt}` stands for nothing"),
        "{found:?}"
    );
}

#[test]
fn a_judge_without_words_and_a_broken_one_are_refused() {
    assert_eq!(
        samples::misfits::<MeasureVqaScore>(&json!({})),
        [": the suite's judge reads no words and writes none; `llava` does"]
    );
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let ran = lab.run(build(&json!({}), "broken").as_ref(), &[("images", &images)]);
    let error = ran.unwrap_err().to_string();
    assert!(
        error.starts_with("the model's log-probabilities of yes and no are NaN and -1"),
        "{error}"
    );
}
