use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::*;
use crate::samples::{self, build, check, column, rows};
use ccsr_stage::testing::{Lab, Ran};

const COLUMNS: [(&str, ColumnType); 4] = [
    ("prompt", ColumnType::Text),
    ("seed", ColumnType::Int),
    ("variant", ColumnType::Text),
    ("score", ColumnType::Float),
];

/// Scores: prompt, seed, variant, score.
fn scores(cells: &[(&str, i64, &str, f64)]) -> Arc<Table> {
    let row = |(prompt, seed, variant, score): &(&str, i64, &str, f64)| json!({"prompt": prompt, "seed": seed, "variant": variant, "score": score});
    samples::table(&COLUMNS, &cells.iter().map(row).collect::<Vec<_>>())
}

fn base(more: &Json) -> Json {
    let mut with = json!({"baselines": ["base"]});
    let more = more.as_object().unwrap().clone();
    with.as_object_mut().unwrap().extend(more);
    with
}

fn ran(with: &Json, table: &Arc<Table>) -> Ran {
    check::<CompareWins>(with, &Lab::new(1), &[("scores", table)])
}

fn fails(with: &Json, table: &Arc<Table>) -> String {
    samples::run(&Lab::new(1), "eval.winrate", with, &[("scores", table)]).unwrap_err()
}

#[test]
fn pairs_are_won_lost_and_tied() {
    let ran = ran(&base(&json!({})), &samples::wins());
    let results = column(ran.table("differences"), "result");
    // 0.32 beats 0.31 by no more than 0.01, whatever binary makes of it.
    assert_eq!(results, json!(["win", "tie", "loss", "tie"]));
    for (name, expected) in [
        ("is_win", [true, false, false, false]),
        ("is_tie", [false, true, false, true]),
        ("is_loss", [false, false, true, false]),
    ] {
        assert_eq!(column(ran.table("differences"), name), json!(expected));
    }
    let row = rows(ran.table("winrate")).remove(0);
    let counts = ["pairs", "clusters", "unpaired", "win", "tie", "loss"];
    assert_eq!(
        counts.map(|name| row[name].as_i64().unwrap()),
        [4, 2, 0, 1, 2, 1]
    );
    let shares = [
        "win_rate",
        "win_or_tie_rate",
        "win_of_decided",
        "net_win",
        "sign_p",
    ];
    for (name, expected) in shares.into_iter().zip([0.25, 0.75, 0.5, 0.0, 1.0]) {
        let found = row[name].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-12, "{name}: {found}");
    }
    let mean = row["mean_difference"].as_f64().unwrap();
    assert!((mean - 0.0).abs() < 1e-12, "{mean}");
    assert_eq!(
        (&row["variant"], &row["baseline"]),
        (&json!("lora"), &json!("base"))
    );
    let first = rows(ran.table("differences")).remove(0);
    assert_eq!(first["prompt"], "a lion");
    assert_eq!(
        (&first["score"], &first["baseline_score"]),
        (&json!(0.35), &json!(0.31))
    );
}

#[test]
fn shares_are_compared_as_scores_are() {
    let mut columns = COLUMNS;
    columns[3].1 = ColumnType::Bool;
    let cell = |prompt: &str, variant: &str, score: bool| json!({"prompt": prompt, "seed": 1, "variant": variant, "score": score});
    let table = [
        cell("a lion", "base", false),
        cell("a cat", "base", true),
        cell("a lion", "lora", true),
        cell("a cat", "lora", true),
    ];
    let ran = ran(&base(&json!({})), &samples::table(&columns, &table));
    let results = column(ran.table("differences"), "result");
    assert_eq!(results, json!(["win", "tie"]));
    let mean = column(ran.table("winrate"), "mean_difference");
    assert_eq!(mean, json!([0.5]));
    // Several at a time.
    let with = json!({"baselines": ["base"], "scores": ["score", "seed"], "pair_by": ["prompt"]});
    let both = check::<CompareWins>(
        &with,
        &Lab::new(1),
        &[("scores", &samples::table(&columns, &table))],
    );
    let winrate = both.table("winrate");
    assert_eq!(column(winrate, "value"), json!(["score", "seed"]));
    assert_eq!(column(winrate, "mean_difference"), json!([0.5, 0.0]));
    columns[3].1 = ColumnType::Text;
    let texts = samples::table(
        &columns,
        &[json!({"prompt": "a", "seed": 1, "variant": "base", "score": "good"})],
    );
    assert_eq!(
        fails(&base(&json!({})), &texts),
        "`score` holds text; expected numbers, or true or false"
    );
}

#[test]
fn another_tie_band_resamples_nothing() {
    let (lab, table) = (Lab::new(1), samples::wins());
    let run = |more: &Json| {
        samples::run(&lab, "eval.winrate", &base(more), &[("scores", &table)]).unwrap()
    };
    assert_eq!(run(&json!({})).executed.len(), 1);
    let wide = run(&json!({"tie_band": 0.5}));
    assert!(wide.executed.is_empty());
    assert_eq!(column(wide.table("winrate"), "tie"), json!([4]));
    assert_eq!(run(&json!({"confidence": 0.9})).executed.len(), 1);
    assert_eq!(run(&json!({"seed": 1})).executed.len(), 1);
}

#[test]
fn scales_are_compared_with_scale_0() {
    let columns = [
        ("prompt", ColumnType::Text),
        ("seed", ColumnType::Int),
        ("scale", ColumnType::Float),
        ("cosine", ColumnType::Float),
    ];
    let cell = |seed: i64, scale: f64, cosine: f64| json!({"prompt": "a lion", "seed": seed, "scale": scale, "cosine": cosine});
    let table = [cell(1, 0.0, 0.3), cell(1, 0.4, 0.2), cell(1, 0.2, 0.5)];
    let with = json!({"baselines": [0], "variant": "scale", "score": "cosine"});
    let ran = ran(&with, &samples::table(&columns, &table));
    let winrate = ran.table("winrate");
    assert_eq!(column(winrate, "variant"), json!([0.4, 0.2]));
    assert_eq!(column(winrate, "baseline"), json!([0.0, 0.0]));
    assert_eq!(column(winrate, "win"), json!([0, 1]));
    // Of one prompt there is nothing to resample.
    assert_eq!(column(winrate, "low"), json!([null, null]));
    assert!(ran.executed.is_empty());
}

#[test]
fn every_variant_meets_every_baseline() {
    let cell = |variant, score| ("a lion", 1, variant, score);
    let table = [
        cell("a", 0.1),
        cell("sdxs", 0.2),
        cell("b", 0.3),
        cell("base", 0.2),
    ];
    let ran = ran(&json!({"baselines": ["base", "sdxs"]}), &scores(&table));
    let winrate = ran.table("winrate");
    assert_eq!(column(winrate, "variant"), json!(["a", "b", "a", "b"]));
    assert_eq!(
        column(winrate, "baseline"),
        json!(["base", "base", "sdxs", "sdxs"])
    );
    assert_eq!(column(winrate, "win"), json!([0, 1, 0, 1]));
}

#[test]
fn a_score_without_a_counterpart_fails_or_is_counted() {
    let table = scores(&[
        ("a lion", 1, "base", 0.1),
        ("a lion", 1, "lora", 0.2),
        ("a lion", 2, "lora", 0.9),
        ("a lion", 3, "base", 0.9),
    ]);
    assert_eq!(
        fails(&base(&json!({})), &table),
        "prompt \"a lion\", seed 2: `lora` has a score and `base` has none; set `missing: drop` to \
         leave out what has no counterpart"
    );
    let ran = ran(&base(&json!({"missing": "drop"})), &table);
    let row = rows(ran.table("winrate")).remove(0);
    assert_eq!((&row["pairs"], &row["unpaired"]), (&json!(1), &json!(2)));
    let nothing = scores(&[("a", 1, "base", 0.1), ("b", 1, "lora", 0.2)]);
    let ran = self::ran(&base(&json!({"missing": "drop"})), &nothing);
    let row = rows(ran.table("winrate")).remove(0);
    assert_eq!(
        (&row["pairs"], &row["win_rate"], &row["low"]),
        (&json!(0), &json!(null), &json!(null))
    );
}

#[test]
fn what_is_wrong_with_scores_is_said() {
    let one = ("a lion", 1, "base", 0.1);
    let two = ("a lion", 1, "lora", 0.1);
    let cases = [
        (
            json!({}),
            scores(&[one, one]),
            "prompt \"a lion\", seed 1: `base` has two scores; name in `pair_by` what tells them apart",
        ),
        (
            json!({}),
            scores(&[one]),
            "every row is of a baseline: the column `variant` names no other, so there is nothing to compare",
        ),
        (
            json!({"baselines": ["bas"]}),
            scores(&[one, two]),
            "no row is of the baseline `bas`: the column `variant` has `base`, `lora`",
        ),
        (
            json!({"pair_by": ["prompt", "sed"]}),
            scores(&[one, two]),
            "the scores have no column `sed`, which `pair_by` names; they have prompt, seed, variant, score; did you mean `seed`?",
        ),
        (
            json!({"variant": "model"}),
            scores(&[one, two]),
            "the scores have no column `model`, which `variant` names; they have prompt, seed, variant, score",
        ),
    ];
    for (more, table, expected) in cases {
        assert_eq!(fails(&base(&more), &table), expected);
    }
    let gap = samples::table(
        &COLUMNS,
        &[json!({"prompt": null, "seed": 1, "variant": "base", "score": 1.0})],
    );
    assert_eq!(
        fails(&base(&json!({})), &gap),
        "row 1: there is no value in the column `prompt`"
    );
    let mut table = Table::builder(Schema::new(COLUMNS));
    let row = [
        "a lion".into(),
        Value::Int(1),
        "base".into(),
        Value::Float(f64::NAN),
    ];
    table.push(row).unwrap();
    assert_eq!(
        fails(&base(&json!({})), &Arc::new(table.finish())),
        "prompt \"a lion\", seed 1: the score of `base` is not a number"
    );
    // Nothing is no mistake: upstream may have dropped every prompt.
    let empty = ran(&base(&json!({})), &scores(&[]));
    assert!(empty.table("winrate").is_empty());
}

#[test]
fn what_is_wrong_with_parameters_is_said_where_it_stands() {
    let found = samples::misfits::<CompareWins>(&json!({
        "baselines": [], "tie_band": -1, "confidence": 95, "resamples": 10,
        "pair_by": ["prompt", "prompt", "score", "result"], "cluster_by": ["class"],
    }));
    let paths: Vec<_> = found
        .iter()
        .map(|text| text.split(':').next().unwrap())
        .collect();
    let expected = [
        "confidence",
        "resamples",
        "tie_band",
        "baselines",
        "pair_by.1",
        "pair_by.2",
        "pair_by.3",
        "cluster_by.0",
    ];
    assert_eq!(paths, expected);
    assert_eq!(
        found[7],
        "cluster_by.0: `class` is not one of `pair_by`, which are prompt, prompt, score, result"
    );
    let refused = build("eval.winrate", &json!({"baselines": [true]}))
        .err()
        .unwrap();
    assert!(refused.contains("text or a number"), "{refused}");
}
