//! The story as log records: `--log-format json`.

use std::fs;

use serde_json::Value as Json;

use crate::project::{Outcome, Project, SELECTION, SMALL, SMALL_UNITS};

/// The records on stderr; all of it must be such.
fn records(outcome: &Outcome) -> Vec<Json> {
    let record = |line: &str| {
        let record: Json =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for key in ["timestamp", "level", "message", "target"] {
            assert!(record[key].is_string(), "{line}");
        }
        record
    };
    outcome.stderr.lines().map(record).collect()
}

fn of<'a>(records: &'a [Json], event: &str) -> Vec<&'a Json> {
    let is = |record: &&Json| record["event"] == event;
    records.iter().filter(is).collect()
}

#[test]
fn a_run_is_told_stage_by_stage() {
    let project = Project::new();
    let run = |more: &[&'static str]| {
        let args = ["run", "--json", SELECTION].into_iter().chain(SMALL);
        project.run(args.chain(more.iter().copied()))
    };
    let outcome = run(&["--log-format", "json"]);
    let records = records(outcome.succeeded());
    assert_eq!(outcome.summary().executed(), SMALL_UNITS);
    let finished = of(&records, "stage_finished");
    let executed = |record: &&Json| record["executed"].as_u64().unwrap();
    assert_eq!(finished.len(), 9);
    assert_eq!(finished.iter().map(executed).sum::<u64>(), SMALL_UNITS);
    let [ended] = of(&records, "run_finished")[..] else {
        panic!("{records:#?}");
    };
    assert_eq!(ended["units_executed"], SMALL_UNITS);
    // Every record of a run says of which, and one of a stage of which kind.
    let images = finished.iter().find(|record| record["stage"] == "images");
    let spans = &images.unwrap()["spans"];
    assert_eq!(spans[0]["run"], ended["run"]);
    assert_eq!(spans[1]["kind"], "image.generate");
    assert_eq!(of(&records, "batch_committed").len(), 0);
    assert!(records.iter().all(|record| record["level"] == "INFO"));

    let again = run(&["--log-format", "json", "--log-level", "warn"]);
    assert_eq!(again.succeeded().stderr, "");
    let forced = run(&["--log-format=json", "--log-level=debug", "--force=images"]);
    let batches = self::records(forced.succeeded());
    let units = |record: &&Json| record["units"].as_u64().unwrap();
    let committed = of(&batches, "batch_committed");
    assert_eq!(committed.iter().map(units).sum::<u64>(), 80);
}

#[test]
fn failures_are_records_too() {
    let project = Project::empty();
    let pipeline = "version: 1
stages:
  rows: {uses: table.import, with: {path: rows.txt}}
  bad:
    uses: command
    from: rows
    with: {argv: [sh, -c, 'echo gone wrong >&2; exit 3', '{prompt}'], columns: {a: int}}
    retry: {times: 1, wait: 1ms}
  below: {uses: image.grid, from: bad, with: {}}
";
    project.write("p.yaml", pipeline).write("rows.txt", "one\n");
    let broken = project.run(["run", "p.yaml", "--log-format", "json"]);
    assert_eq!(broken.code, 2, "{broken:#?}");
    let wrong = records(&broken);
    let first = &wrong[0];
    assert_eq!(first["level"], "ERROR");
    assert_eq!(
        (&first["file"], &first["line"]),
        (&"p.yaml".into(), &9.into())
    );
    assert!(first["code"].is_string() && first["column"].is_u64());

    let (good, _) = pipeline.rsplit_once("  below").unwrap();
    project.write("p.yaml", good);
    let failed = project.run(["run", "p.yaml", "--log-format", "json"]);
    assert_eq!(failed.code, 1, "{failed:#?}");
    let records = records(&failed);
    let [retried] = of(&records, "unit_retried")[..] else {
        panic!("{records:#?}");
    };
    assert_eq!(
        (&retried["level"], &retried["failures"]),
        (&"WARN".into(), &1.into())
    );
    let [unit] = of(&records, "unit_failed")[..] else {
        panic!("{records:#?}");
    };
    assert!(
        unit["error"].as_str().unwrap().contains("gone wrong"),
        "{unit}"
    );
    assert_eq!(of(&records, "stage_failed").len(), 1);
    // What failed is shown at its line of YAML, as for people.
    let placed = records
        .iter()
        .find(|record| record["code"] == "run::failed");
    assert_eq!(placed.unwrap()["file"], "p.yaml");

    let missing = project.run(["runs", "show", "nothing", "--log-format", "json"]);
    let told = self::records(&missing);
    assert_eq!((missing.code, told.len()), (1, 1));
    assert!(
        told[0]["message"]
            .as_str()
            .unwrap()
            .contains("no run `nothing`")
    );
}

#[test]
fn a_sweep_tells_of_which_trial_a_record_is() {
    let project = Project::new();
    let args = [
        "sweep",
        "run",
        SELECTION,
        "--set",
        "stages.prompts.with.count=1,2",
        "--trials-at-once",
        "2",
    ];
    let command = || project.command(args.into_iter().chain(["--set", "vars.size=32"]));
    let outcome = Outcome::of(&command().env("CCSR_LOG_FORMAT", "json").output().unwrap());
    let records = records(outcome.succeeded());
    let mut trials: Vec<_> = of(&records, "run_finished")
        .iter()
        .map(|record| record["spans"][0]["trial"].as_u64().unwrap())
        .collect();
    trials.sort_unstable();
    assert_eq!(trials, [1, 2]);
}

#[test]
fn healing_is_a_warning() {
    let project = Project::new();
    let args = || [SELECTION].into_iter().chain(SMALL);
    project.summary(args());
    let mut objects = project
        .files(".ccsr/objects")
        .into_keys()
        .collect::<Vec<_>>();
    objects.sort();
    for object in objects {
        fs::remove_file(project.path(object.to_str().unwrap())).unwrap();
    }
    // Sheets are drawn again, and that takes images.
    fs::remove_dir_all(project.path("pipelines/out")).unwrap();
    let again = ["run", "--log-format", "json"].into_iter().chain(args());
    let outcome = project.run(again);
    let records = records(outcome.succeeded());
    assert!(
        of(&records, "healing")
            .iter()
            .all(|record| record["level"] == "WARN")
    );
    assert!(!of(&records, "healing").is_empty(), "{records:#?}");
}
