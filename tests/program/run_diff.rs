//! `runs diff`, and what else `runs` tells.

use serde_json::Value as Json;

use crate::project::{Project, SELECTION, SMALL, TABLE1};
use crate::{transcript, warm};

/// The runs of a project, newest first.
fn ids(project: &Project, more: &[&str]) -> Vec<String> {
    let listed = project.run(["runs", "list"].into_iter().chain(more.iter().copied()));
    let listed = listed.succeeded().stdout.clone();
    listed.lines().map(|line| line[..22].to_owned()).collect()
}

#[track_caller]
fn diff(project: &Project, old: &str, new: &str) -> Json {
    let told = project.run(["runs", "diff", old, new, "--json"]);
    serde_json::from_str(&told.succeeded().stdout).unwrap()
}

fn stage<'a>(diff: &'a Json, name: &str) -> &'a Json {
    let stages = diff["stages"].as_array().unwrap();
    stages.iter().find(|stage| stage["stage"] == name).unwrap()
}

#[test]
fn parameters_roles_rows_and_images_are_told_apart() {
    let project = warm::small();
    let suite = project.read("pipelines/suites/world.yaml");
    assert!(suite.contains("judge"), "{suite}");
    let careless = "version: 1\nname: careless\nroles:\n  writer: {use: world.grammar}\n  drawer: {use: world.drawer}\n  judge: {use: world.judge, with: {error_rate: 0.4}}\n  detector: {use: world.detector}\n";
    project.write("pipelines/suites/careless.yaml", careless);
    let old = ids(&project, &[])[0].clone();
    let args = [
        SELECTION,
        "--suite",
        "careless",
        "--set",
        "stages.pairs.with.min_confidence=0.5",
    ];
    let new = project.summary(args.into_iter().chain(SMALL)).0["run"]
        .as_str()
        .unwrap()
        .to_owned();

    let told = diff(&project, &old, &new);
    let facts = told["facts"].as_array().unwrap();
    let suite = facts.iter().find(|fact| fact["field"] == "suite").unwrap();
    assert_eq!(
        (&suite["old"], &suite["new"]),
        (&"world".into(), &"careless".into())
    );
    let answers = stage(&told, "answers");
    let role = &answers["roles"][0];
    assert_eq!(role["field"], "roles.judge.with.error_rate");
    assert_eq!(role["new"], 0.4);
    let table = &answers["tables"]["answers"];
    assert_eq!(table["state"], "differs");
    assert_eq!(
        (&table["old_rows"], &table["new_rows"]),
        (&800.into(), &800.into())
    );
    assert_eq!((&table["added"], &table["removed"]), (&0.into(), &0.into()));
    let changed = table["columns"]["answer"]["rows"].as_u64().unwrap();
    assert!((100..500).contains(&changed), "{changed}");
    assert_eq!(
        stage(&told, "pairs")["parameters"][0]["field"],
        "with.min_confidence"
    );
    assert_eq!(
        stage(&told, "prompts")["tables"]["prompts"]["state"],
        "same"
    );
    // What it did to the numbers: the share of good choices, as a table tells it.
    let numbers = stage(&told, "truth")["tables"]["truth"]["numbers"]
        .as_array()
        .unwrap();
    let both = numbers
        .iter()
        .find(|number| number["name"] == "truth.selected pairs.both");
    let both = both.unwrap_or_else(|| panic!("{numbers:?}"));
    assert!(
        both["new"].as_f64().unwrap() < both["old"].as_f64().unwrap(),
        "{both}"
    );

    let text = project
        .run(["runs", "diff", &old, &new])
        .succeeded()
        .stdout
        .clone();
    assert!(
        text.contains("`roles.judge.with.error_rate` was 0.08, now 0.4"),
        "{text}"
    );
    assert!(text.contains("`min_confidence` was 0.6, now 0.5"), "{text}");
    assert!(
        !transcript::redacted(&text, project.root()).contains("[DIGEST]"),
        "{text}"
    );
}

#[test]
fn images_that_differ_are_counted() {
    let project = warm::small();
    let old = ids(&project, &[])[0].clone();
    let suite = "version: 1\nname: clumsy\nroles:\n  writer: {use: world.grammar}\n  drawer: {use: world.drawer, with: {defect_rate: 0.9}}\n  judge: {use: world.judge}\n  detector: {use: world.detector}\n";
    project.write("pipelines/suites/clumsy.yaml", suite);
    let args = ["run", SELECTION, "images", "--suite", "clumsy"];
    project.run(args.into_iter().chain(SMALL)).succeeded();
    let told = diff(&project, &old, "latest");
    let images = &stage(&told, "images")["tables"]["images"];
    let column = &images["columns"]["image"];
    assert_eq!(column["images"], true);
    assert!(column["rows"].as_u64().unwrap() > 20, "{column}");
    // The second run stopped after the images.
    assert_eq!(stage(&told, "pairs")["found"], "old");
    let text = project
        .run(["runs", "diff", &old, "latest"])
        .succeeded()
        .stdout
        .clone();
    assert!(text.contains("`image` differs in "), "{text}");
    assert!(text.contains("only the first run has it"), "{text}");
}

#[test]
fn a_lost_table_is_said_to_be_lost() {
    let project = Project::new();
    project.summary([TABLE1]);
    project.summary([TABLE1, "--set", "stages.eq1.with.profile=srt2i"]);
    let runs = ids(&project, &[]);
    let shown = project.run(["runs", "show", &runs[1], "--json"]);
    let record: Json = serde_json::from_str(&shown.succeeded().stdout).unwrap();
    let stages = record["stages"].as_array().unwrap();
    let eq1 = stages.iter().find(|stage| stage["name"] == "eq1").unwrap();
    let digest = eq1["tables"]["scores"]["digest"].as_str().unwrap();
    std::fs::remove_file(project.path(&format!(".ccsr/objects/{}/{}", &digest[..2], &digest[2..])))
        .unwrap();
    let told = diff(&project, &runs[1], &runs[0]);
    assert_eq!(stage(&told, "eq1")["tables"]["scores"]["state"], "lost");
    let text = project.run(["runs", "diff", &runs[1], &runs[0]]);
    assert!(
        text.succeeded()
            .stdout
            .contains("the cache has lost one of the two")
    );
}

#[test]
fn equal_runs_are_equal() {
    let project = Project::new();
    project.summary([TABLE1]);
    project.summary([TABLE1]);
    let runs = ids(&project, &[]);
    let text = project
        .run(["runs", "diff", &runs[1], &runs[0]])
        .succeeded()
        .stdout
        .clone();
    assert!(text.ends_with("every stage is the same\n"), "{text}");
    project
        .run(["runs", "diff", &runs[0], "nonsense"])
        .ends_with(1);
}

#[test]
fn runs_are_listed_by_pipeline_outcome_and_number() {
    let project = Project::new();
    project.summary([TABLE1]);
    let other = project.read(TABLE1).replace("name: table1", "name: other");
    project.write(
        "pipelines/other.yaml",
        other.replace("out/table1", "out/other"),
    );
    project.summary(["pipelines/other.yaml"]);
    project.write(
        "pipelines/data/table1.csv",
        "image,question,answer\n1,q1,perhaps\n",
    );
    project.run(["run", TABLE1]).ends_with(1);
    assert_eq!(ids(&project, &[]).len(), 3);
    assert_eq!(ids(&project, &["--limit", "2"]).len(), 2);
    assert_eq!(ids(&project, &["--pipeline", "other"]).len(), 1);
    assert_eq!(ids(&project, &["--pipeline", TABLE1]).len(), 2);
    assert_eq!(ids(&project, &["--failed"]).len(), 1);
    assert_eq!(ids(&project, &["--failed", "--pipeline", "other"]).len(), 0);
}

#[test]
fn a_run_that_was_killed_is_listed_as_such() {
    let project = Project::new();
    let mut running = project.start(crate::project::MEDIUM);
    running.await_event("batch_committed", "images");
    let listed = project.run(["runs", "list"]).succeeded().stdout.clone();
    assert!(listed.contains("  running "), "{listed}");
    assert!(running.kill());
    let listed = project.run(["runs", "list"]).succeeded().stdout.clone();
    assert!(listed.contains("  died "), "{listed}");
    assert_eq!(ids(&project, &["--failed"]).len(), 1);
}

#[test]
fn old_records_are_read() {
    let project = Project::new();
    project.summary([TABLE1]);
    let id = ids(&project, &[])[0].clone();
    let path = format!(".ccsr/runs/{id}.json");
    let mut record: Json = serde_json::from_str(&project.read(&path)).unwrap();
    let fields = record.as_object_mut().unwrap();
    for added in [
        "format",
        "suite_named",
        "reproduces",
        "host",
        "device",
        "resolved",
        "files",
    ] {
        fields.remove(added).unwrap();
    }
    for stage in fields["stages"].as_array_mut().unwrap() {
        stage.as_object_mut().unwrap().remove("span").unwrap();
    }
    project.write(&path, record.to_string());
    project.run(["runs", "show", &id]).succeeded();
    project.run(["runs", "diff", &id, &id]).succeeded();
    let cannot = project.run(["runs", "reproduce", &id]);
    cannot
        .ends_with(1)
        .says("the record does not hold the pipeline");
}
