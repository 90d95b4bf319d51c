//! `doctor`: what it finds in good and in bad places.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use crate::project::{Outcome, Project, TABLE1};

/// The findings by what was looked at.
#[track_caller]
fn findings(outcome: &Outcome) -> BTreeMap<String, Json> {
    let found: Vec<Json> = serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|error| panic!("{error}: {outcome:#?}"));
    let problem = found.iter().any(|finding| finding["standing"] == "problem");
    assert_eq!(outcome.code, i32::from(problem), "{outcome:#?}");
    for finding in &found {
        let is_bad = finding["standing"] == "warning";
        assert!(!is_bad || finding["advice"].is_string(), "{finding}");
    }
    let named = |finding: Json| (finding["check"].as_str().unwrap().to_owned(), finding);
    found.into_iter().map(named).collect()
}

#[track_caller]
fn examined(project: &Project) -> BTreeMap<String, Json> {
    findings(&project.run(["doctor", "--json"]))
}

#[test]
fn a_project_at_work_is_well() {
    let project = Project::new();
    let before = examined(&project);
    assert_eq!(before["cache"]["standing"], "ok");
    assert!(
        before["cache"]["found"]
            .as_str()
            .unwrap()
            .contains("not there yet")
    );
    assert!(
        !project.path(".ccsr").exists(),
        "a cache was made by looking"
    );

    project.run(["run", TABLE1]).succeeded();
    let files = project.files(".");
    let found = examined(&project);
    for check in [
        "program",
        "machine",
        "project",
        "cache",
        "ledger",
        "runs",
        "temporary",
    ] {
        assert_eq!(found[check]["standing"], "ok", "{check}: {found:#?}");
    }
    assert!(found.contains_key("disk"));
    assert_eq!(project.files("."), files, "looking changed something");
    let told = project.run(["doctor"]);
    assert!(told.succeeded().stdout.lines().count() >= found.len());
}

#[test]
fn what_is_broken_is_found_with_advice() {
    let project = Project::new();
    project.run(["run", TABLE1]).succeeded();
    let ledger = project.path(".ccsr/ledger.db");
    let good = fs::read(&ledger).unwrap();
    let half = good.len() / 2 / 4096 * 4096;
    fs::write(
        &ledger,
        [&good[..half], &vec![0xab; good.len() - half][..]].concat(),
    )
    .unwrap();
    let damaged = examined(&project);
    let ledgers: Vec<_> = damaged
        .values()
        .filter(|f| f["standing"] == "problem")
        .collect();
    assert!(
        !ledgers.is_empty()
            && ledgers
                .iter()
                .all(|f| f.to_string().contains("cache verify")),
        "{damaged:#?}"
    );

    fs::write(project.path(".ccsr/VERSION"), "9\n").unwrap();
    let version = examined(&project);
    assert!(
        version["cache"]["found"].as_str().unwrap().contains("`9`"),
        "{version:#?}"
    );

    let project = Project::empty();
    project.write(".ccsr", "no folder");
    assert_eq!(examined(&project)["cache"]["standing"], "problem");

    let project = Project::empty();
    let mut command = project.command(["doctor", "--json"]);
    let found = findings(&Outcome::of(
        &command.env("TMPDIR", "/nowhere").output().unwrap(),
    ));
    assert_eq!(found["temporary"]["standing"], "problem");
    assert!(
        found["temporary"]["advice"]
            .as_str()
            .unwrap()
            .contains("TMPDIR")
    );
}

#[test]
fn runs_that_died_and_clocks_that_went_back_are_noticed() {
    let project = Project::new();
    project.run(["run", TABLE1]).succeeded();
    let runs = project.path(".ccsr/runs");
    let path = fs::read_dir(&runs).unwrap().next().unwrap().unwrap().path();
    let record: Json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();

    let mut died = record.clone();
    died["outcome"] = "running".into();
    // No process has had this number and began at that moment.
    died["host"]["process"] = serde_json::json!([4_000_000, 1]);
    fs::write(&path, died.to_string()).unwrap();
    let found = examined(&project);
    assert_eq!(found["runs"]["standing"], "note", "{found:#?}");

    let mut late = record;
    late["started"] = (late["started"].as_u64().unwrap() + 86_400).into();
    fs::write(&path, late.to_string()).unwrap();
    let found = examined(&project);
    assert_eq!(found["runs"]["standing"], "ok");
    assert_eq!(found["clock"]["standing"], "warning", "{found:#?}");
}

#[test]
fn memory_is_no_disk() {
    let memory = Path::new("/dev/shm");
    if !memory.is_dir() {
        println!("there is no /dev/shm here, so nothing was tried");
        return;
    }
    let cache = tempfile::tempdir_in(memory).unwrap();
    let cache = cache.path().join("cache");
    let project = Project::empty();
    let found = findings(&project.run(["doctor", "--json", "--cache", cache.to_str().unwrap()]));
    assert_eq!(found["disk"]["standing"], "warning");
    assert!(found["disk"]["found"].as_str().unwrap().contains("tmpfs"));
    assert!(
        found["disk"]["advice"]
            .as_str()
            .unwrap()
            .contains("CCSR_CACHE")
    );
}

#[test]
fn a_collector_without_the_feature_is_noticed() {
    let project = Project::empty();
    let mut command = project.command(["doctor", "--json"]);
    let command = command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
    let found = findings(&Outcome::of(&command.output().unwrap()));
    let expected = if cfg!(feature = "otel") {
        "ok"
    } else {
        "warning"
    };
    assert_eq!(found["program"]["standing"], expected);
}
