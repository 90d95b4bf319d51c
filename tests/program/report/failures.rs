//! Reports of runs that failed, of caches that lost something, and of what is not there.

use std::fs;

use serde_json::Value as Json;

use super::reported;
use crate::page::Page;
use crate::project::{MEDIUM, Project, walk};
use crate::warm;

#[test]
fn what_the_cache_lost_is_said_and_no_failure() {
    let project = warm::small();
    let record = project.run(["runs", "show", "latest", "--json"]);
    let record: Json = serde_json::from_str(&record.succeeded().stdout).unwrap();
    let stage = |name: &str| {
        record["stages"]
            .as_array()
            .unwrap()
            .iter()
            .find(|stage| stage["name"] == name)
            .unwrap()
            .clone()
    };
    let digest = |name: &str| {
        stage(name)["tables"][name]["digest"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let gone = [digest("scores"), digest("detections")];
    walk(&project.path(".ccsr"), &mut |path| {
        let name = path.to_string_lossy().replace('/', "");
        if gone
            .iter()
            .any(|digest| name.ends_with(digest) || name.contains(&digest[2..]))
        {
            fs::remove_file(path).unwrap();
        }
    });
    let outcome = project.run(["report", "--to", "r.html"]);
    outcome
        .succeeded()
        .says("the cache lost the table of `scores`");
    let page = Page::parse(&project.read("r.html"));
    assert!(
        page.id("lost").text.contains("scores, detections"),
        "{}",
        page.id("lost").text
    );
    assert_eq!(page.all("details", "prompt").len(), 20);
    // What was answered is still there, what it counted is not.
    let tables = page.all("table", "points");
    assert_eq!(tables.len(), 20);
    for table in tables {
        for row in &page.rows(table)[1..] {
            assert!(
                row[1..11]
                    .iter()
                    .all(|cell| matches!(cell.as_str(), "yes" | "no" | "nan"))
            );
            assert_eq!(row[11], "");
        }
    }
}

#[test]
fn a_failed_run_has_a_report_too() {
    let project = Project::new();
    project.write(
        "fail.yaml",
        "version: 1\nname: fails\nseed: 1\nstages:\n  rows:\n    uses: table.import\n    with: {path: rows.csv, columns: {score: float}}\n  compared:\n    uses: eval.winrate\n    from: rows\n    with: {baselines: [nobody]}\n  after:\n    uses: eval.winrate\n    from: rows\n    with: {baselines: [a]}\n",
    );
    project.write(
        "rows.csv",
        "prompt,seed,variant,score\np,1,a,0.1\np,1,b,0.5\n",
    );
    project.run(["run", "fail.yaml"]).ends_with(1);
    let (_, page) = reported(&project, []);
    assert_eq!(page.all("span", "bad")[0].text, "failed");
    assert_eq!(page.parts()[..2], ["stages", "when"]);
    let failed = page.all("details", "failed");
    assert_eq!(failed.len(), 1);
    assert!(failed[0].attributes.contains_key("open"));
    assert!(
        page.within(failed[0], "ul", "errors")[0]
            .text
            .contains("nobody")
    );
}

#[test]
fn a_killed_run_has_a_report_of_what_there_was() {
    let project = Project::new();
    let mut running = project.start(MEDIUM);
    running.await_event("batch_committed", "answers");
    assert!(running.kill());
    let (_, page) = reported(&project, []);
    assert_eq!(page.all("span", "bad")[0].text, "died");
    assert_eq!(page.all("a", "node").len(), 9);
    assert!(page.id("again").text.contains("stages.images.batch=5"));
}

#[test]
fn what_cannot_be_done_is_said() {
    let project = warm::small();
    project
        .run(["report", "2019"])
        .ends_with(1)
        .says("there is no run `2019`; `ccsr-flow runs list` lists them");
    project
        .run(["report", "--compare", "2019"])
        .ends_with(1)
        .says("there is no run `2019`");
    project
        .run(["report", "--to", "pipelines"])
        .ends_with(2)
        .says("cannot write the report `pipelines`: it is a folder");
    project
        .run(["report", "--to", "nowhere/r.html"])
        .ends_with(2)
        .says("cannot write the report `nowhere/r.html`");
    assert!(!project.path("r.html").exists());
    Project::empty()
        .run(["report"])
        .ends_with(1)
        .says("run a pipeline first");
}
