//! `trace`: what executed when, told by what a run keeps.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::project::{Project, SELECTION, SMALL, SMALL_UNITS, TABLE1};

/// The events of a trace of this category.
fn of<'a>(trace: &'a Json, category: &str) -> Vec<&'a Json> {
    let events = trace["traceEvents"].as_array().unwrap();
    events
        .iter()
        .filter(|event| event["cat"] == category)
        .collect()
}

fn number(event: &Json, key: &str) -> u64 {
    event[key]
        .as_u64()
        .unwrap_or_else(|| panic!("no {key} in {event}"))
}

#[test]
fn a_trace_accounts_for_every_unit_and_workers_do_one_thing_at_a_time() {
    let project = Project::new();
    let args = [&["--jobs", "3", "--trace", "t.json", SELECTION][..], &SMALL].concat();
    let seconds = project.summary(args).0["seconds"].as_f64().unwrap();
    let trace: Json = serde_json::from_str(&project.read("t.json")).unwrap();
    let told = project.run(["trace", "latest", "--chrome"]);
    let told: Json = serde_json::from_str(&told.succeeded().stdout).unwrap();
    assert_eq!(trace, told, "what the run wrote and what it kept");

    let batches = of(&trace, "batch");
    let units: u64 = batches
        .iter()
        .map(|batch| number(&batch["args"], "units"))
        .sum();
    assert_eq!(units, SMALL_UNITS);
    let committed: u64 = of(&trace, "commit")
        .iter()
        .map(|c| number(&c["args"], "units"))
        .sum();
    assert_eq!(committed, SMALL_UNITS);
    let mut workers: BTreeMap<u64, u64> = BTreeMap::new();
    for batch in &batches {
        let free = workers.entry(number(batch, "tid")).or_default();
        assert!(*free <= number(batch, "ts"), "{batch}");
        *free = number(batch, "ts") + number(batch, "dur");
        assert!(*free as f64 <= seconds * 1e6, "{batch}");
    }
    assert!(
        workers.keys().all(|worker| (1..=3).contains(worker)),
        "{workers:?}"
    );

    let stages = of(&trace, "stage");
    assert_eq!(stages.len(), 9);
    for (kind, of_stage) in [("commit", "images"), ("wave", "answers")] {
        let stage = stages
            .iter()
            .find(|stage| stage["name"] == of_stage)
            .unwrap();
        let (from, to) = (
            number(stage, "ts"),
            number(stage, "ts") + number(stage, "dur"),
        );
        let inside = of(&trace, kind)
            .into_iter()
            .filter(|e| e["tid"] == stage["tid"]);
        let times: Vec<_> = inside.map(|event| number(event, "ts")).collect();
        assert!(
            !times.is_empty() && times.iter().all(|t| (from..=to + 1000).contains(t)),
            "{times:?}"
        );
    }
    let times: Vec<_> = trace["traceEvents"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|e| e["ts"].as_u64())
        .collect();
    assert!(times.is_sorted());
}

#[test]
fn a_run_in_which_nothing_executes_keeps_no_timeline() {
    let project = Project::new();
    project.summary([TABLE1]);
    let files = project.files(".ccsr/runs");
    let ends = |ending: &str| {
        files
            .keys()
            .filter(|f| f.extension().is_some_and(|e| e == ending))
            .count()
    };
    assert_eq!((ends("json"), ends("timeline")), (1, 0));
    let outcome = project.run(["trace", "latest"]);
    assert!(outcome.succeeded().stdout.contains("nothing executed"));
    let trace = project.run(["trace", "latest", "--chrome", "-o", "t.json"]);
    trace.succeeded();
    let trace: Json = serde_json::from_str(&project.read("t.json")).unwrap();
    assert!(of(&trace, "batch").is_empty() && !of(&trace, "stage").is_empty());
}

#[test]
fn workers_are_told_for_people_and_missing_runs_are_said() {
    let project = Project::new();
    project.summary([&[SELECTION][..], &SMALL].concat());
    let outcome = project.run(["trace", "latest"]);
    assert!(
        outcome.succeeded().stdout.contains("worker 1  busy "),
        "{}",
        outcome.stdout
    );
    project
        .run(["trace", "20200101-000000-000000"])
        .ends_with(1)
        .says("there is no run");
    let timeline = project
        .files(".ccsr/runs")
        .into_keys()
        .find(|f| f.extension().is_some_and(|e| e == "timeline"));
    project.write(timeline.unwrap().to_str().unwrap(), "{");
    project
        .run(["trace", "latest"])
        .ends_with(1)
        .says("cannot be read");
    project
        .run(["trace", "latest", "-o", "t.json"])
        .ends_with(2);
}
