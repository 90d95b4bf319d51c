use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::samples::{self, check, column};
use ccsr_stage::testing::Lab;

const COLUMNS: [(&str, ColumnType); 3] = [
    ("candidate", ColumnType::Int),
    ("question", ColumnType::Text),
    ("answer", ColumnType::Text),
];

/// Answers to `seen`, `anatomy` and `odd`, an image a row.
fn answers(images: &[[&str; 3]]) -> Arc<Table> {
    let ids = ["seen", "anatomy", "odd"];
    let rows: Vec<_> = (0..)
        .zip(images)
        .flat_map(|(image, answers)| {
            let row =
                move |(id, answer)| json!({"candidate": image, "question": id, "answer": answer});
            ids.iter().zip(answers).map(row)
        })
        .collect();
    samples::table(&COLUMNS, &rows)
}

fn with(extra: &serde_json::Value) -> serde_json::Value {
    let mut with = json!({"questions": samples::questions()});
    with.as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    with
}

fn scores(extra: &serde_json::Value, images: &[[&str; 3]]) -> serde_json::Value {
    let answers = answers(images);
    let ran = check::<ScoreAnswers>(&with(extra), &Lab::new(1), &[("answers", &answers)]);
    column(ran.table("scores"), "score")
}

fn problem(extra: &serde_json::Value) -> String {
    samples::build("score.answers", &with(extra)).err().unwrap()
}

fn fails(rows: &[serde_json::Value]) -> String {
    let table = samples::table(&COLUMNS, rows);
    samples::run(
        &Lab::new(1),
        "score.answers",
        &with(&json!({})),
        &[("answers", &table)],
    )
    .unwrap_err()
}

#[test]
fn equation_1_counts_by_polarity() {
    let images = [
        ["yes", "yes", "no"],
        ["yes", "no", "yes"],
        ["yes", "nan", "nan"],
        ["yes", "unparsed", "unparsed"],
        ["no", "yes", "no"],
        ["no", "skipped", "no"],
    ];
    assert_eq!(scores(&json!({}), &images), json!([3, 0, 1, 1, 1, 1]));
    assert_eq!(
        scores(&json!({"gates": false}), &images),
        json!([3, 0, 1, 1, 2, 1])
    );
}

#[test]
fn answers_are_counted_and_points_are_shown() {
    let ran = check::<ScoreAnswers>(
        &with(&json!({})),
        &Lab::new(1),
        &[("answers", &answers(&[["no", "skipped", "unparsed"]]))],
    );
    assert_eq!(
        samples::rows(ran.table("scores")),
        [json!({
            "candidate": 0, "score": 0, "yes": 0, "no": 1, "nan": 0, "unparsed": 1, "skipped": 1,
            "points": {"seen": 0, "anatomy": 0, "odd": 0}
        })]
    );
}

#[test]
fn weights_replace_what_they_name() {
    let images = [["yes", "yes", "yes"], ["yes", "unparsed", "no"]];
    assert_eq!(
        scores(&json!({"weights": {"odd": {"yes": -3}}}), &images),
        json!([-1, 2])
    );
    let halves = json!({"weights": {"anatomy": {"unparsed": 0.5}}});
    assert_eq!(scores(&halves, &images), json!([1.0, 2.5]));
    let columns = |extra| {
        let schemas = Schemas::from([("answers", answers(&[]).schema().into())]);
        let stage = samples::build("score.answers", &with(extra)).unwrap();
        stage.outputs(&schemas).unwrap()[0]
            .schema
            .get("score")
            .unwrap()
    };
    assert_eq!(columns(&halves), ColumnType::Float);
    assert_eq!(columns(&json!({})), ColumnType::Int);
}

#[test]
fn a_profile_is_a_table_of_weights_with_gates_of_its_own() {
    let mut questions = samples::questions();
    let weights = json!({"seen": {"nan": 5}, "anatomy": {"yes": 1}, "odd": {"no": 2}});
    questions["profiles"] = json!({"mine": {"gates": false, "weights": weights}});
    let run = |extra: serde_json::Value| {
        let mut with = json!({"questions": questions, "profile": "mine"});
        with.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let answers = answers(&[["nan", "yes", "no"]]);
        let ran = check::<ScoreAnswers>(&with, &Lab::new(1), &[("answers", &answers)]);
        column(ran.table("scores"), "score")
    };
    assert_eq!(run(json!({})), json!([8]));
    assert_eq!(run(json!({"gates": true})), json!([7]));
}

#[test]
fn texts_are_no_part_of_the_identity_and_weights_are() {
    let identity = |questions: &serde_json::Value, gates: bool| {
        samples::build(
            "score.answers",
            &json!({"questions": questions, "gates": gates}),
        )
        .unwrap()
        .identity()
    };
    let questions = samples::questions();
    let mut other = questions.clone();
    other["questions"][0]["text"] = json!("Other words?");
    other["questions"][0]["about"] = json!("realism");
    assert_eq!(identity(&questions, true), identity(&other, true));
    other["questions"][0]["polarity"] = json!("negative");
    assert_ne!(identity(&questions, true), identity(&other, true));
    let mut ungated = questions.clone();
    ungated["questions"][1]["requires"] = json!({});
    assert_ne!(identity(&questions, true), identity(&ungated, true));
    assert_eq!(identity(&questions, false), identity(&ungated, false));
}

#[test]
fn what_is_wrong_with_answers_names_image_and_question() {
    let row = |question: &str, answer: &str| json!({"candidate": 4, "question": question, "answer": answer});
    assert_eq!(
        fails(&[row("anatomi", "yes")]),
        "candidate 4: an answer to `anatomi`, but there is no such question; there are seen, \
         anatomy, odd; did you mean `anatomy`?"
    );
    assert_eq!(
        fails(&[row("seen", "Yes")]),
        "candidate 4: the answer to `seen` is `Yes`; expected yes, no, nan, unparsed or skipped"
    );
    assert_eq!(
        fails(&[row("seen", "yes"), row("odd", "no")]),
        "candidate 4: there is no answer to `anatomy`; set `missing: nan` to count it as nan"
    );
    assert_eq!(
        fails(&[row("seen", "yes"), row("seen", "no")]),
        "candidate 4: `seen` has two different answers"
    );
    let table = samples::table(&COLUMNS, &[row("seen", "yes"), row("seen", "yes")]);
    let nan = with(&json!({"missing": "nan"}));
    let ran = samples::run(&Lab::new(1), "score.answers", &nan, &[("answers", &table)]).unwrap();
    assert_eq!(column(ran.table("scores"), "nan"), json!([2]));
}

#[test]
fn what_is_wrong_with_parameters_is_said() {
    assert_eq!(
        problem(&json!({"profile": "eq2"})),
        "there is no profile `eq2`; there are `eq1`; did you mean `eq1`?"
    );
    assert!(
        problem(&json!({"weights": {"od": {}}}))
            .starts_with("`weights` names `od`, but there is no such question")
    );
    let mut params: Params = serde_json::from_value(with(&json!({}))).unwrap();
    let infinite = Change {
        yes: Some(f64::INFINITY),
        ..Change::default()
    };
    params.weights.insert("odd".to_owned(), infinite);
    assert_eq!(
        ScoreAnswers::new(params, &Roles::default()).err().unwrap(),
        Misfit::new(
            ["weights", "odd", "yes"],
            "`yes: inf` is not a finite number"
        )
        .into()
    );
    let misfits = |with| samples::misfits::<ScoreAnswers>(&with);
    let mut broken = samples::questions();
    broken["questions"][1]["requires"] = json!({"sen": "yes"});
    let wrong = json!({"questions": broken, "weights": {"od": {}}});
    let found = misfits(wrong);
    assert!(
        found[0].starts_with("questions.questions.1.requires.sen: question `anatomy` requires")
    );
    assert!(found[1].starts_with("weights.od: `weights` names `od`"));
    assert!(misfits(with(&json!({"profile": "eq2"})))[0].starts_with("profile: there is no"));
    let mut questions = samples::questions();
    questions["profiles"] = json!({"mine": {"weights": {"odd": {"no": 2}}}});
    assert_eq!(
        problem(&json!({"questions": questions, "profile": "mine"})),
        "the profile `mine` has no weights for the question `seen`"
    );
    let stage = samples::build("score.answers", &with(&json!({}))).unwrap();
    let schemas = Schemas::from([(
        "answers",
        Schema::new(COLUMNS).without(&["candidate"]).into(),
    )]);
    assert!(
        stage
            .outputs(&schemas)
            .unwrap_err()
            .to_string()
            .starts_with("the answers do not say what they are about")
    );
}
