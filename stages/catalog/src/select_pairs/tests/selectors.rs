//! Who chooses: both, one of the two, chance, the truth.

use serde_json::{Value as Json, json};

use super::*;

/// Truths of the candidates of one prompt.
fn truth(truths: &[f64]) -> Arc<Table> {
    let mut columns = SCORES[..3].to_vec();
    columns.push(("truth", ColumnType::Float));
    let row = |(candidate, truth): (usize, &f64)| {
        let truth = if truth.is_nan() {
            json!({"$float": "NaN"})
        } else {
            json!(truth)
        };
        json!({"class": "lion", "prompt": "lion 0", "candidate": candidate, "truth": truth})
    };
    let rows: Vec<_> = truths.iter().enumerate().map(row).collect();
    samples::table(&columns, &rows)
}

/// Best scored are 1 and 2, surest of all is 0, of the best scored 2, best in truth is 3.
fn four() -> (Arc<Table>, Arc<Table>, Arc<Table>) {
    let found = detections(&[
        (0, 0, "lion", 0.9),
        (0, 1, "lion", 0.3),
        (0, 2, "lion", 0.7),
    ]);
    (
        scores(&[&[5, 8, 8, 2]]),
        found,
        truth(&[0.2, 0.1, 0.6, 0.8]),
    )
}

fn by(by: &str) -> Ran {
    let (scores, detections, truth) = four();
    let tables = [
        ("scores", &scores),
        ("detections", &detections),
        ("truth", &truth),
    ];
    check::<SelectPairs>(&json!({"by": by}), &Lab::new(1), &tables)
}

#[test]
fn each_chooses_by_what_it_knows() {
    assert_eq!(chosen(&by("both")), json!([2]));
    let judge = by("judge");
    assert_eq!(chosen(&judge), json!([1]), "the threshold is not looked at");
    assert_eq!(reasons(&judge), json!(["score", "not_first", "score"]));
    let detector = by("detector");
    assert_eq!(chosen(&detector), json!([0]), "scores are not looked at");
    assert_eq!(column(detector.table("pairs"), "shortlisted"), json!([4]));
    assert_eq!(
        reasons(&detector),
        json!(["confidence", "confidence", "confidence"])
    );
    let truth = by("truth");
    assert_eq!(chosen(&truth), json!([3]), "nobody has to be sure");
    assert_eq!(reasons(&truth), json!(["truth", "truth", "truth"]));
    // What a witness says of pairs is asked anew: it is no column of theirs.
    assert!(truth.table("pairs").find("truth").is_none());
}

#[test]
fn the_detector_alone_drops_a_prompt_that_it_is_not_sure_about() {
    let (scores, detections, _) = four();
    let with = json!({"by": "detector", "min_confidence": 0.95});
    assert_eq!(
        chosen(&select(&with, &scores, Some(&detections))),
        json!([])
    );
}

/// Scores of so many prompts with so many candidates each.
fn many(prompts: usize, candidates: i64) -> (Arc<Table>, Vec<Json>) {
    let scores = vec![0; candidates as usize];
    let table = super::scores(&vec![scores.as_slice(); prompts]);
    let rows = samples::rows(&table);
    (table, rows)
}

/// The chosen candidate of each prompt.
fn lots(scores: &Arc<Table>, seed: u64) -> BTreeMap<String, i64> {
    let tables = [("scores", scores)];
    let ran = check::<SelectPairs>(&json!({"by": "random"}), &Lab::new(seed), &tables);
    let pair = |row: Row<'_>| {
        let prompt = row.text("prompt").unwrap().to_owned();
        (prompt, row.int("candidate").unwrap())
    };
    ran.table("pairs").rows().map(pair).collect()
}

#[test]
fn lots_are_drawn_by_seed_and_prompt_and_not_by_order() {
    let (table, mut rows) = many(200, 4);
    let drawn = lots(&table, 1);
    assert_eq!(drawn.len(), 200, "every prompt has a pair");
    for candidate in 0..4 {
        let times = drawn.values().filter(|drawn| **drawn == candidate).count();
        assert!((30..=70).contains(&times), "{candidate}: {times} of 200");
    }
    rows.reverse();
    assert_eq!(lots(&samples::table(&SCORES, &rows), 1), drawn);
    let other = lots(&table, 2);
    let same = drawn.iter().filter(|(prompt, lot)| other[*prompt] == **lot);
    assert!((20..=80).contains(&same.count()));
    // A prompt more leaves the others as they are, and so does a better score.
    let (more, _) = many(201, 4);
    let mut more = lots(&more, 1);
    more.remove("lion 200");
    assert_eq!(more, drawn);
    rows[0]["score"] = json!(9);
    assert_eq!(lots(&samples::table(&SCORES, &rows), 1), drawn);
    // With a candidate more, it wins or those before it stay.
    let (wider, _) = many(200, 5);
    for (prompt, lot) in lots(&wider, 1) {
        assert!(lot == 4 || lot == drawn[&prompt]);
    }
}

#[test]
fn only_chance_looks_at_the_seed() {
    let seeded = |by: &str| {
        let stage = samples::build("select.pairs", &json!({"by": by})).unwrap();
        stage.seeded()
    };
    assert_eq!(
        ["both", "judge", "detector", "random", "truth"].map(seeded),
        [false, false, false, true, false]
    );
}

#[test]
fn who_has_nothing_to_choose_by_says_so() {
    let (scores, _, _) = four();
    let says = |by: &str, truth: Option<&Arc<Table>>| {
        let mut tables = vec![("scores", &scores)];
        tables.extend(truth.map(|truth| ("truth", truth)));
        let ran = samples::run(&Lab::new(1), "select.pairs", &json!({"by": by}), &tables);
        ran.err().unwrap()
    };
    assert_eq!(
        says("detector", None),
        "`by: detector` chooses by what is read on the port `detections`, and nothing is; say where it comes from: \
         `from: {scores: …, detections: STAGE}`"
    );
    assert!(
        says("truth", None).starts_with("`by: truth` chooses by what is read on the port `truth`")
    );
    let few = truth(&[0.5, 0.5]);
    let missing = "candidate 2 of \"lion 0\": it has no truth";
    assert_eq!(says("truth", Some(&few)), missing);
    let none = truth(&[0.5, f64::NAN, 0.5, 0.5]);
    let nan = "candidate 1 of \"lion 0\": its truth is not a number";
    assert_eq!(says("truth", Some(&none)), nan);
}
