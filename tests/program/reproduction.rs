//! Running a recorded run again, and executing units again to see whether the same comes out.

use serde_json::Value as Json;

use crate::project::{Project, SELECTION, SMALL, SMALL_UNITS, TABLE1};
use crate::{ledger, warm};

#[track_caller]
fn agreement(project: &Project, args: &[&str], code: i32) -> Json {
    let args = ["runs", "reproduce", "--json"]
        .into_iter()
        .chain(args.iter().copied());
    let told = project.run(args);
    serde_json::from_str(&told.ends_with(code).stdout).unwrap()
}

fn latest(project: &Project) -> String {
    let shown = project.run(["runs", "show", "latest", "--json"]);
    let record: Json = serde_json::from_str(&shown.succeeded().stdout).unwrap();
    record["run"].as_str().unwrap().to_owned()
}

#[test]
fn a_run_is_reproduced_when_its_files_have_changed_or_are_gone() {
    let project = warm::small();
    let run = latest(&project);
    let told = agreement(&project, &[&run], 0);
    assert_eq!(
        (&told["tables"], &told["units_executed"]),
        (&11.into(), &0.into())
    );

    std::fs::remove_dir_all(project.path("pipelines/questions")).unwrap();
    project.write(SELECTION, "version: 1\nstages: {}\n");
    let told = agreement(&project, &[&run], 0);
    assert_eq!(
        (&told["tables"], &told["units_executed"]),
        (&11.into(), &0.into())
    );

    // From nothing: everything is computed again, elsewhere, and comes out the same.
    let before = ledger::units(&project).count;
    let told = agreement(&project, &[&run, "--from-scratch"], 0);
    assert_eq!(
        (&told["tables"], &told["units_executed"]),
        (&11.into(), &SMALL_UNITS.into())
    );
    assert_eq!(told["differing"], serde_json::json!([]));
    assert_eq!(ledger::units(&project).count, before);
    // What was repeated is a run of its own, which says what it repeats.
    let shown = project.run(["runs", "show", "latest", "--json"]);
    let record: Json = serde_json::from_str(&shown.succeeded().stdout).unwrap();
    assert_eq!(record["reproduces"], run.as_str());
    // The exports are not what is reproduced.
    assert!(!project.path("pipelines/questions").exists());
}

#[test]
fn a_run_up_to_a_stage_is_reproduced_up_to_it() {
    let project = Project::new();
    project
        .run(["run", SELECTION, "images"].into_iter().chain(SMALL))
        .succeeded();
    let told = agreement(&project, &["latest", "--from-scratch"], 0);
    assert_eq!(
        (&told["tables"], &told["units_executed"]),
        (&2.into(), &80.into())
    );
}

#[test]
fn the_record_says_what_was_read_where_and_with_what() {
    let project = Project::new();
    let args = [SELECTION, "--suite", "world"].into_iter().chain(SMALL);
    project.summary(args.chain(["--set", "vars.size=64"]));
    let shown = project.run(["runs", "show", "latest", "--json"]);
    let record: Json = serde_json::from_str(&shown.succeeded().stdout).unwrap();
    let files: Vec<_> = record["files"].as_array().unwrap().iter().collect();
    let named = |role: &str| -> Vec<&str> {
        let files = files.iter().filter(|file| file["role"] == role);
        files.map(|file| file["path"].as_str().unwrap()).collect()
    };
    assert_eq!(named("pipeline"), [SELECTION]);
    assert_eq!(
        named("text"),
        [
            "pipelines/questions/paper.yaml",
            "pipelines/suites/world.yaml"
        ]
    );
    assert!(files.iter().all(|file| file["kept"] == true));
    assert_eq!(record["resolved"]["stages"]["images"]["with"]["size"], 64);
    assert_eq!(
        record["resolved"]["suite"]["roles"]["drawer"]["use"],
        "world.drawer"
    );
    assert_eq!(record["suite_named"], "world");
    assert_eq!(record["device"]["name"], "cpu");
    assert!(record["host"]["cores"].as_u64().unwrap() >= 1);
    let images = record["stages"]
        .as_array()
        .unwrap()
        .iter()
        .find(|stage| stage["name"] == "images")
        .unwrap();
    let (began, ended) = (
        images["span"][0].as_f64().unwrap(),
        images["span"][1].as_f64().unwrap(),
    );
    assert!(0.0 <= began && began <= ended && ended <= record["seconds"].as_f64().unwrap());
}

#[test]
fn a_large_file_is_looked_for_where_it_was() {
    let project = Project::new();
    let mut table = project.read("pipelines/data/table1.csv");
    // A column nobody reads makes it too large to be kept.
    let filler = "x".repeat(12_000);
    table = table
        .lines()
        .enumerate()
        .map(|(n, line)| {
            if n == 0 {
                format!("{line},note\n")
            } else {
                format!("{line},{filler}\n")
            }
        })
        .collect();
    project.write("pipelines/data/table1.csv", &table);
    project.summary([TABLE1]);
    let run = latest(&project);
    agreement(&project, &[&run], 0);
    agreement(&project, &[&run, "--from-scratch"], 0);
    project.write("pipelines/data/table1.csv", table.replacen("yes", "no", 1));
    let cannot = project.run(["runs", "reproduce", &run]);
    cannot
        .ends_with(1)
        .says("files changed or are gone")
        .says("`pipelines/data/table1.csv`");
}

/// A pipeline with a stage that throws dice.
const DICE: &str = "version: 1
name: dice
stages:
  rows:
    uses: table.import
    with: {path: rows.csv}
  thrown:
    uses: command
    from: rows
    with:
      argv: [sh, throw.sh]
      per: row
      columns: {number: int}
";

fn dice() -> Project {
    let project = Project::empty();
    project
        .write("dice.yaml", DICE)
        .write("rows.csv", "name\na\nb\nc\n");
    project.write(
        "throw.sh",
        "n=$(od -An -N4 -tu4 /dev/urandom)\nprintf '{\"number\": %d}\\n' \"$n\"\n",
    );
    project.run(["run", "dice.yaml"]).succeeded();
    project
}

#[test]
fn what_is_not_deterministic_is_named() {
    let project = dice();
    let before = ledger::units(&project);
    let told = project.run(["run", "dice.yaml", "--verify", "10"]);
    told.ends_with(1)
        .says("verified: 3 units of 3, of which 3 came out differently");
    told.says("not deterministic: command");
    assert_eq!(ledger::units(&project).count, before.count);
    // Nothing in the cache changed: the rows are those of the first run.
    assert_eq!(project.summary(["dice.yaml"]).executed(), 0);
}

#[test]
fn a_reproduction_that_differs_says_where_and_by_how_much() {
    let project = dice();
    agreement(&project, &["latest"], 0);
    let told = agreement(&project, &["latest", "--from-scratch"], 1);
    let differing = told["differing"].as_array().unwrap();
    assert_eq!(differing.len(), 1, "{told}");
    assert_eq!(differing[0]["stage"], "thrown");
    let table = differing[0]["tables"]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap();
    assert_eq!(table["changed"], 3);
    assert!(table["columns"]["number"]["largest"].as_f64().unwrap() > 0.0);
    let text = project.run(["runs", "reproduce", "latest", "--from-scratch"]);
    let text = &text.ends_with(1).stdout;
    assert!(
        text.contains("is not reproduced: 1 table (3 rows) agree"),
        "{text}"
    );
    assert!(
        text.contains("`number` differs in 3 rows, at most by "),
        "{text}"
    );
}

#[test]
fn what_is_deterministic_is_verified() {
    let project = warm::small();
    let args = ["run", SELECTION, "--verify", "40", "--verify-seed", "7"];
    let told = project.run(args.into_iter().chain(SMALL).chain(warm::NO_EXPORTS));
    told.succeeded()
        .says("verified: 40 units of 960 came out again, bit for bit");
    let none = project.run(["run", TABLE1, "--verify", "5"]);
    none.succeeded().says("verified: 0 units of 0");
}
