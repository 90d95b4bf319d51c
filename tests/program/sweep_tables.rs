//! Tables of sweeps for programs: they have all numbers, in full.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::project::Project;
use crate::sweeps::{BATCHES, FIXED, SWEEP, summary};

/// What `sweep table --format json` says of the sweep that was run.
fn told(project: &Project, more: &[&str]) -> Json {
    let args = ["sweep", "table"].into_iter().chain(SWEEP).chain(BATCHES);
    let outcome = project.run(args.chain(["--format", "json"]).chain(more.iter().copied()));
    serde_json::from_str(&outcome.succeeded().stdout).unwrap()
}

#[test]
fn tables_for_programs_are_complete_and_in_full() {
    let project = Project::new();
    summary(&project, &[]);
    let args = ["sweep", "table"].into_iter().chain(SWEEP).chain(BATCHES);
    let told = told(&project, &[]);
    let csv = project.run(args.chain(["--format", "csv", "--all"]));
    let mut reader = csv::Reader::from_reader(csv.succeeded().stdout.as_bytes());
    let rows: Vec<BTreeMap<String, String>> =
        reader.deserialize().collect::<Result<_, _>>().unwrap();
    let trials = told["trials"].as_array().unwrap();
    assert_eq!(trials.len(), rows.len());
    for (trial, row) in trials.iter().zip(&rows) {
        let mut known = 0;
        for (name, value) in trial["metrics"].as_object().unwrap() {
            assert_eq!(json!(row[name].parse::<f64>().unwrap()), *value);
            known += 1;
        }
        assert!(known > 10, "{known} metrics");
        for (path, value) in trial["values"].as_object().unwrap() {
            assert_eq!(row[path], value.as_str().unwrap());
        }
        let set = trial["values"]["stages.images.with.candidates"]
            .as_str()
            .unwrap();
        // What the table says is what the trial's own run shows.
        let shown = project.table(
            "truth",
            FIXED.into_iter().chain([
                "--set",
                &format!("stages.images.with.candidates={set}"),
                "--set",
                &format!(
                    "stages.pairs.with.min_confidence={}",
                    row["stages.pairs.with.min_confidence"]
                ),
            ]),
        );
        let chosen = shown
            .lines()
            .map(|line| serde_json::from_str::<Json>(line).unwrap());
        let mut chosen = chosen.filter(|line| line["selector"] == "selected pairs");
        let chosen = chosen.next().unwrap();
        let both = row["truth.selected pairs.both"].parse::<f64>().unwrap();
        assert_eq!(json!(chosen["both"].as_f64()), json!(both));
    }
}

#[test]
fn averages_are_those_of_the_trials() {
    let project = Project::new();
    summary(&project, &[]);
    let trials = told(&project, &[]);
    let averages = told(&project, &["--over", "min_confidence"]);
    assert_eq!(
        averages["over"],
        json!(["stages.pairs.with.min_confidence"])
    );
    let groups = averages["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2);
    for group in groups {
        assert_eq!(group["done"], 3);
        let of_group = group["trials"].as_array().unwrap().iter();
        let of_group: Vec<_> = of_group
            .map(|trial| &trials["trials"][trial.as_u64().unwrap() as usize - 1])
            .collect();
        assert_eq!(of_group.len(), 3);
        for trial in &of_group {
            let candidates = "stages.images.with.candidates";
            assert_eq!(trial["values"][candidates], group["values"][candidates]);
        }
        let metrics = group["metrics"].as_object().unwrap();
        assert!(metrics.len() > 10, "{} metrics", metrics.len());
        for (name, mean) in metrics {
            let numbers = of_group.iter().map(|trial| trial["metrics"][name].as_f64());
            let numbers: Vec<_> = numbers.flatten().collect();
            assert_eq!(mean["of"], numbers.len(), "{name}");
            let found = mean["mean"].as_f64().unwrap();
            let expected = numbers.iter().sum::<f64>() / numbers.len() as f64;
            assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{name}");
        }
    }
}

#[test]
fn differences_are_those_of_pairs_of_trials() {
    let project = Project::new();
    summary(&project, &[]);
    let [candidates, confidence] = [
        "stages.images.with.candidates",
        "stages.pairs.with.min_confidence",
    ];
    let trials = told(&project, &[]);
    assert_eq!(trials["against"], json!({}));
    let trials = trials["trials"].as_array().unwrap();
    let differences = told(&project, &["--against", "candidates=2"]);
    assert_eq!(differences["against"], json!({candidates: "2"}));
    let differences = differences["trials"].as_array().unwrap();
    let numbers = |of: &Json| of["metrics"].as_object().unwrap().clone();
    let (mut pairs, mut differing) = (0, 0);
    for found in differences {
        assert_eq!(found["values"][candidates], "4");
        let with = |count: &str| {
            let is_meant = |trial: &&Json| {
                let values = &trial["values"];
                values[candidates] == count && values[confidence] == found["values"][confidence]
            };
            numbers(trials.iter().find(is_meant).unwrap())
        };
        let (own, other, found) = (with("4"), with("2"), numbers(found));
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            own.keys()
                .filter(|name| other.contains_key(*name))
                .collect::<Vec<_>>()
        );
        for (name, difference) in &found {
            let [own, other] = [&own, &other].map(|of| of[name].as_f64().unwrap());
            let difference = difference.as_f64().unwrap();
            assert!((difference - (own - other)).abs() < 1e-12, "{name}");
            differing += usize::from(difference.abs() > 0.0);
        }
        pairs += 1;
    }
    assert_eq!(pairs, 3);
    assert!(differing > 3, "{differing} numbers differ");
    // Their means are means of the differences.
    let means = told(
        &project,
        &["--against", "candidates=2", "--over", "min_confidence"],
    );
    assert_eq!(means["against"], json!({candidates: "2"}));
    let [group] = &means["groups"].as_array().unwrap()[..] else {
        panic!("{means}");
    };
    let metrics = group["metrics"].as_object().unwrap();
    assert!(metrics.len() >= numbers(&differences[0]).len());
    for (name, mean) in metrics {
        let all = differences
            .iter()
            .filter_map(|trial| trial["metrics"][name].as_f64());
        let all: Vec<_> = all.collect();
        let expected = all.iter().sum::<f64>() / all.len() as f64;
        assert!(
            (mean["mean"].as_f64().unwrap() - expected).abs() < 1e-9,
            "{name}"
        );
        assert_eq!(mean["of"], all.len(), "{name}");
    }
}
