use std::sync::Arc;

mod selectors;

use serde_json::json;

use super::*;
use crate::samples::{self, check, column};
use ccsr_stage::testing::{Lab, Ran};

const SCORES: [(&str, ColumnType); 5] = [
    ("class", ColumnType::Text),
    ("prompt", ColumnType::Text),
    ("candidate", ColumnType::Int),
    ("score", ColumnType::Int),
    ("note", ColumnType::Text),
];

/// Scores of the candidates of prompts.
fn scores(prompts: &[&[i64]]) -> Arc<Table> {
    let rows: Vec<_> = (0..)
        .zip(prompts)
        .flat_map(|(prompt, scores)| {
            (0..).zip(*scores).map(move |(candidate, score)| {
                json!({"class": "lion", "prompt": format!("lion {prompt}"), "candidate": candidate,
                       "score": score, "note": format!("{prompt}-{candidate}")})
            })
        })
        .collect();
    samples::table(&SCORES, &rows)
}

/// Detections: prompt, candidate, label, confidence.
fn detections(found: &[(i64, i64, &str, f64)]) -> Arc<Table> {
    let mut columns = SCORES[..3].to_vec();
    columns.push(("label", ColumnType::Text));
    columns.extend(Found::NUMBERS.map(|name| (name, ColumnType::Float)));
    let rows: Vec<_> = found
        .iter()
        .map(|(prompt, candidate, label, confidence)| {
            json!({"class": "lion", "prompt": format!("lion {prompt}"), "candidate": candidate,
                   "label": label, "confidence": confidence,
                   "x0": 1.0, "y0": 2.0, "x1": 3.0, "y1": 4.0})
        })
        .collect();
    samples::table(&columns, &rows)
}

fn select(with: &serde_json::Value, scores: &Arc<Table>, detections: Option<&Arc<Table>>) -> Ran {
    let mut tables = vec![("scores", scores)];
    tables.extend(detections.map(|table| ("detections", table)));
    check::<SelectPairs>(with, &Lab::new(1), &tables)
}

/// `candidate`s of the pairs, by prompt.
fn chosen(ran: &Ran) -> serde_json::Value {
    column(ran.table("pairs"), "candidate")
}

fn reasons(ran: &Ran) -> serde_json::Value {
    column(ran.table("rejected"), "reason")
}

#[test]
fn among_the_best_scored_the_surest_wins() {
    let scores = scores(&[&[7, 8, 8, 8]]);
    let found = detections(&[
        (0, 0, "lion", 0.99),
        (0, 1, "lion", 0.7),
        (0, 2, "lion", 0.1),
        (0, 2, "lion", 0.8),
        (0, 3, "bear", 0.9),
    ]);
    let ran = select(&json!({}), &scores, Some(&found));
    assert_eq!(
        samples::rows(ran.table("pairs")),
        [
            json!({"class": "lion", "prompt": "lion 0", "candidate": 2, "line": 1, "score": 8,
                "shortlisted": 3, "confidence": 0.8, "x0": 1.0, "y0": 2.0, "x1": 3.0, "y1": 4.0,
                "note": "0-2"})
        ]
    );
    let rejected = ran.table("rejected");
    assert_eq!(reasons(&ran), json!(["score", "confidence", "confidence"]));
    assert_eq!(column(rejected, "shortlisted"), json!([false, true, true]));
    assert_eq!(column(rejected, "rank"), json!([4, 2, 3]));
    assert_eq!(column(rejected, "confidence"), json!([0.99, 0.7, null]));
}

#[test]
fn equal_confidence_is_decided_by_order() {
    let found = detections(&[
        (0, 0, "lion", 0.7),
        (0, 1, "lion", 0.7),
        (0, 2, "lion", 0.7),
    ]);
    let ran = select(&json!({}), &scores(&[&[5, 5, 5]]), Some(&found));
    assert_eq!(
        (chosen(&ran), reasons(&ran)),
        (json!([0]), json!(["not_first", "not_first"]))
    );
    let with = json!({"shortlist": {"threshold": 3}, "ties": "highest_score"});
    assert_eq!(
        chosen(&select(&with, &scores(&[&[3, 5, 5]]), Some(&found))),
        json!([1])
    );
    let with = json!({"shortlist": {"threshold": 3}});
    assert_eq!(
        chosen(&select(&with, &scores(&[&[3, 5, 5]]), Some(&found))),
        json!([0])
    );
}

#[test]
fn a_prompt_that_nobody_is_sure_about_is_dropped_and_keeps_its_number() {
    let scores = scores(&[&[8, 7], &[1, 1]]);
    let found = detections(&[
        (0, 0, "lion", 0.59),
        (0, 1, "lion", 0.9),
        (1, 1, "lion", 0.6),
    ]);
    let ran = select(&json!({}), &scores, Some(&found));
    assert_eq!(chosen(&ran), json!([1]));
    assert_eq!(column(ran.table("pairs"), "line"), json!([2]));
    assert_eq!(reasons(&ran), json!(["confidence", "score", "confidence"]));
    let next = json!({"on_none": "next_score_tier"});
    let ran = select(&next, &scores, Some(&found));
    assert_eq!(chosen(&ran), json!([1, 1]));
    assert_eq!(column(ran.table("pairs"), "shortlisted"), json!([1, 2]));
    let lower = json!({"min_confidence": 0.5});
    assert_eq!(
        chosen(&select(&lower, &scores, Some(&found))),
        json!([0, 1])
    );
    let never = json!({"min_confidence": 1.0, "on_none": "next_score_tier"});
    assert_eq!(chosen(&select(&never, &scores, Some(&found))), json!([]));
}

#[test]
fn the_threshold_cannot_change_who_wins() {
    let scores = scores(&[&[8, 8, 8]]);
    let found = detections(&[
        (0, 0, "lion", 0.3),
        (0, 1, "lion", 0.8),
        (0, 2, "lion", 0.7),
    ]);
    for least in [0.0, 0.5, 0.8] {
        let ran = select(&json!({"min_confidence": least}), &scores, Some(&found));
        assert_eq!(chosen(&ran), json!([1]));
    }
}

#[test]
fn shortlists_by_number_and_by_score() {
    let scores = scores(&[&[3, 9, 5, 9, 5]]);
    let listed = |with: serde_json::Value| {
        let ran = select(&with, &scores, None);
        let mut listed = vec![chosen(&ran)[0].as_i64().unwrap()];
        let rejected = ran.table("rejected");
        listed.extend(rejected.rows().filter_map(|row| {
            let marked = row.value("shortlisted").unwrap().as_bool().unwrap();
            marked.then(|| row.int("candidate").unwrap())
        }));
        listed
    };
    assert_eq!(listed(json!({})), [1, 3]);
    assert_eq!(listed(json!({"shortlist": {"top_k": 3}})), [1, 2, 3]);
    assert_eq!(listed(json!({"shortlist": {"top_k": 9}})), [0, 1, 2, 3, 4]);
    assert_eq!(listed(json!({"shortlist": {"threshold": 5}})), [1, 2, 3, 4]);
    let none = json!({"shortlist": {"threshold": 10}});
    assert_eq!(chosen(&select(&none, &scores, None)), json!([]));
    let rest = json!({"shortlist": {"threshold": 10}, "on_none": "next_score_tier"});
    assert_eq!(chosen(&select(&rest, &scores, None)), json!([1]));
}

/// The same detections with a mark each, as `image.detect` makes them.
fn with_marks(detections: &Table, marks: &[Option<bool>]) -> Arc<Table> {
    let mut rows = samples::rows(detections);
    for (row, mark) in rows.iter_mut().zip(marks) {
        row["target"] = json!(mark);
    }
    let schema = detections.schema().with("target", ColumnType::Bool);
    let columns: Vec<_> = schema.columns().collect();
    samples::table(&columns, &rows)
}

/// Detectors that know words look for `a photo of a {class}`.
#[test]
fn a_mark_says_what_is_of_the_class_whatever_its_label() {
    let found = [
        (0, 0, "lions", 0.7),
        (0, 1, "lions", 0.8),
        (0, 0, "lion", 0.9),
    ];
    let found = with_marks(&detections(&found), &[Some(true), Some(true), Some(false)]);
    let ran = select(&json!({}), &scores(&[&[5, 5]]), Some(&found));
    assert_eq!(chosen(&ran), json!([1]));
}

#[test]
fn detections_that_are_of_no_class_are_an_error() {
    let scores = scores(&[&[5, 5]]);
    let says = |found: &Arc<Table>| {
        let tables = [("scores", &scores), ("detections", found)];
        samples::run(&Lab::new(1), "select.pairs", &json!({}), &tables)
    };
    let plural = detections(&[(0, 0, "lions", 0.7), (0, 1, "bear", 0.8)]);
    assert_eq!(
        says(&plural).unwrap_err(),
        "none of the 2 detections is of its image's class: they are of `bear`, `lions`, the \
         classes are `lion`; look for `{class}` in the `vocabulary` of the detections, or leave \
         `detections` out"
    );
    assert!(says(&with_marks(&plural, &[None, None])).is_err());
    // The class was looked for and not seen, or nothing was seen: nobody is sure.
    let unseen = with_marks(&plural, &[Some(false), Some(false)]);
    for found in [unseen, detections(&[])] {
        assert!(says(&found).unwrap().table("pairs").is_empty());
    }
}

#[test]
fn without_prompts_all_rows_are_one_group() {
    let columns = [("image", ColumnType::Int), ("score", ColumnType::Float)];
    let rows = [
        json!({"image": 1, "score": 2.0}),
        json!({"image": 2, "score": 2.5}),
    ];
    let ran = select(&json!({}), &samples::table(&columns, &rows), None);
    assert_eq!(column(ran.table("pairs"), "image"), json!([2]));
    assert_eq!(column(ran.table("pairs"), "score"), json!([2.5]));
    let empty = select(&json!({}), &samples::table(&columns, &[]), None);
    assert!(empty.table("pairs").is_empty() && empty.table("rejected").is_empty());
}

#[test]
fn what_is_wrong_is_said() {
    let problem = |with: serde_json::Value| samples::build("select.pairs", &with).err().unwrap();
    assert_eq!(
        problem(json!({"min_confidence": 60})),
        "`min_confidence: 60` is not from 0 to 1"
    );
    assert_eq!(
        problem(json!({"shortlist": {"top_k": 0}})),
        "`shortlist: {top_k: 0}` leaves no candidate"
    );
    assert_eq!(
        samples::misfits::<SelectPairs>(&json!({"min_confidence": -1, "shortlist": {"top_k": 0}})),
        [
            "min_confidence: `min_confidence: -1` is not from 0 to 1",
            "shortlist.top_k: `shortlist: {top_k: 0}` leaves no candidate"
        ]
    );
    assert!(problem(json!({"shortlist": "all_mx"})).contains("did you mean `all_max`?"));
    let stage = samples::build("select.pairs", &json!({})).unwrap();
    let nothing = Schema::new([("label", ColumnType::Text)]);
    let schemas = Schemas::from([
        ("scores", scores(&[]).schema().into()),
        ("detections", nothing.into()),
    ]);
    assert!(
        stage
            .outputs(&schemas)
            .unwrap_err()
            .to_string()
            .starts_with("`scores` and `detections` share none")
    );
    let columns = [("image", ColumnType::Int), ("score", ColumnType::Float)];
    let table = samples::table(&columns, &[json!({"image": 3, "score": {"$float": "NaN"}})]);
    assert_eq!(
        samples::run(
            &Lab::new(1),
            "select.pairs",
            &json!({}),
            &[("scores", &table)]
        )
        .unwrap_err(),
        "image 3: its score is not a number"
    );
}
