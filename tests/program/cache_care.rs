//! `cache`: what is in it, whether it is sound, what may go, what something is.

use std::fs;
use std::path::PathBuf;

use serde_json::Value as Json;

use crate::project::{MEDIUM, Outcome, Project, SELECTION, SMALL, SMALL_UNITS};
use crate::transcript::Transcript;
use crate::{ledger, warm};

fn small() -> impl Iterator<Item = &'static str> {
    [SELECTION].into_iter().chain(SMALL)
}

fn cache(project: &Project, args: &str) -> Outcome {
    project.run(["cache"].into_iter().chain(args.split_whitespace()))
}

#[track_caller]
fn json(outcome: &Outcome) -> Json {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome:#?}"))
}

#[track_caller]
fn stat(project: &Project) -> Json {
    json(cache(project, "stat --json").succeeded())
}

fn object(project: &Project, digest: &str) -> PathBuf {
    project.path(&format!(".ccsr/objects/{}/{}", &digest[..2], &digest[2..]))
}

/// Puts other bytes in an object's place. The object itself may be shared with other tests.
fn spoil(project: &Project, digest: &str) {
    let path = object(project, digest);
    let mut bytes = fs::read(&path).unwrap();
    bytes[0] ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_in_it() {
    let project = warm::small();
    project.write(".ccsr/tmp/1-0", [0; 10]);
    let told = stat(&project);
    assert_eq!(told["outcomes"]["count"], SMALL_UNITS);
    assert_eq!(told["objects"], told["reached"]);
    assert_eq!((&told["runs"], &told["pins"]), (&1.into(), &0.into()));
    assert_eq!(told["temporary"]["bytes"], 10);
    let kinds = told["kinds"].as_array().unwrap();
    let images = kinds
        .iter()
        .find(|kind| kind["kind"] == "image.generate")
        .unwrap();
    assert_eq!(
        (&images["units"], &images["objects"]["count"]),
        (&80.into(), &80.into())
    );
    let text = cache(&project, "stat");
    assert!(text.succeeded().stdout.contains("image.judge"), "{text:?}");
    // Looking changes nothing, and there is nothing to look at where nothing ran.
    let nothing = Project::new();
    cache(&nothing, "stat")
        .ends_with(1)
        .says("run a pipeline first");
    assert!(!nothing.path(".ccsr").exists());
}

#[test]
fn what_kept_runs_do_not_reach_goes_and_they_are_unchanged() {
    let project = warm::small();
    let other = ["--set", "seed=7"];
    project.summary(small().chain(other));
    let exports = project.files("pipelines/out");
    let before = stat(&project);
    let foreseen = json(cache(&project, "gc --keep-runs 1 --dry-run --json").succeeded());
    assert_eq!(stat(&project), before, "a dry run changes nothing");
    let done = json(cache(&project, "gc --keep-runs 1 --json").succeeded());
    assert_eq!(done["removed"], foreseen["removed"]);
    assert_eq!(done["removed"]["runs"], 1);
    assert!(
        done["removed"]["objects"]["count"].as_u64().unwrap() >= 80,
        "{done}"
    );
    let after = stat(&project);
    assert_eq!(after["unreached"]["count"], 0);
    cache(&project, "verify").succeeded();

    let again = project.summary(small().chain(other));
    assert!(again.all_unchanged() && again.executed() == 0);
    assert!(project.files("pipelines/out") == exports);
    let more = ["--set", "seed=7", "--set", "stages.sheets.outputs=again"];
    assert_eq!(
        project.summary(small().chain(more)).executed(),
        0,
        "its images are all there"
    );

    // The run that was forgotten: its answers are still known, its images are drawn when sheets show them.
    let old = project.summary(small().chain(warm::NO_EXPORTS));
    assert_eq!(old.executed(), 0);
    let old = project.summary(small());
    assert_eq!((old.executed(), old.of("images")), (80, 80));
    assert_eq!(ledger::units(&project).count, 2 * SMALL_UNITS);
}

#[test]
fn a_budget_keeps_the_dearest() {
    let project = warm::small();
    fs::remove_dir_all(project.path(".ccsr/runs")).unwrap();
    fs::create_dir(project.path(".ccsr/runs")).unwrap();
    let size =
        |told: &Json| told["objects"]["bytes"].as_u64().unwrap() + told["ledger"].as_u64().unwrap();
    let all = size(&stat(&project));
    let told = json(
        cache(
            &project,
            &format!("gc --keep-runs 0 --budget {all}B --json"),
        )
        .succeeded(),
    );
    assert_eq!(told["removed"]["objects"]["count"], 0, "all fits");
    let budget = all - 200_000;
    cache(&project, &format!("gc --keep-runs 0 --budget {budget}B")).succeeded();
    let left = stat(&project);
    assert!(size(&left) <= budget, "{left}");
    assert!(left["objects"]["count"].as_u64().unwrap() > 10);
    let none = cache(&project, "gc --keep-runs 0 --budget 1B");
    none.succeeded().says("more than the budget");
    assert_eq!(stat(&project)["outcomes"]["count"], 0);
    assert_eq!(project.summary(small()).executed(), SMALL_UNITS);
}

#[test]
fn a_cache_in_use_is_not_collected() {
    let project = Project::new();
    let mut run = project.start(MEDIUM);
    run.await_event("batch_committed", "images");
    let refused = cache(&project, "gc");
    refused.ends_with(3).says("in use");
    // Whoever waits gets it.
    let waited = cache(&project, "gc --wait");
    waited
        .succeeded()
        .says("waiting until nobody uses the cache");
    assert_eq!(run.end().0, 0);
    assert!(project.summary(MEDIUM).all_unchanged());
}

#[test]
fn pins_hold() {
    let project = warm::small();
    let images = ledger::blobs(&project, "image.generate");
    let mut transcript = Transcript::new();
    let mut typed = |args: &[&str]| transcript.run(&project, args);
    typed(&["cache", "pin", "latest", "--note", "figure 3"]).succeeded();
    typed(&["cache", "pins"]).succeeded();
    typed(&["cache", "pin", "nothing"]).ends_with(1);
    typed(&["cache", "pin", "2"]).succeeded();
    typed(&["cache", "unpin", "2"]).succeeded();
    typed(&["cache", "unpin", "2"]).ends_with(1);
    transcript.matches("pins");
    let image = &images[3];
    cache(&project, &format!("pin {}", &image[..10])).succeeded();
    cache(&project, "gc --keep-runs 0").succeeded();
    let left = stat(&project);
    assert_eq!(
        (&left["objects"]["count"], &left["pins"]),
        (&1.into(), &1.into())
    );
    assert!(object(&project, image).exists());
}

#[test]
fn damaged_objects_are_told_and_made_again() {
    let project = warm::small();
    let images = ledger::blobs(&project, "image.generate");
    cache(&project, "verify").succeeded();
    spoil(&project, &images[0]);
    spoil(&project, &images[1]);
    let mut transcript = Transcript::new();
    let dry = transcript.run(&project, &["cache", "verify", "--dry-run"]);
    dry.ends_with(1);
    assert!(object(&project, &images[0]).exists());
    transcript.run(&project, &["cache", "verify"]).ends_with(1);
    assert!(!object(&project, &images[0]).exists());
    transcript.run(&project, &["cache", "verify"]).succeeded();
    let told = json(cache(&project, "verify --json").succeeded());
    assert_eq!((&told["clean"], &told["absent"]), (&true.into(), &2.into()));
    transcript.matches("verify");
    let sheets = ["--set", "stages.sheets.outputs=sheets"];
    let ran = project.summary(small().chain(sheets));
    assert_eq!((ran.executed(), ran.of("images")), (2, 2));
}

#[test]
fn a_ledger_that_is_damaged_is_saved_as_far_as_it_goes() {
    let project = warm::small();
    let path = project.path(".ccsr/ledger.db");
    let good = fs::read(&path).unwrap();
    let tables =
        |project: &Project| ["scores", "pairs", "truth"].map(|stage| project.table(stage, small()));
    let expected = tables(&project);
    for length in [0, 4096, good.len() / 2] {
        fs::write(&path, &good[..length]).unwrap();
        let refused = project.run(["run"].into_iter().chain(small()));
        if refused.code != 0 {
            refused
                .ends_with(3)
                .says("`cache verify` saves what is good in it");
        }
        fs::write(&path, &good[..length]).unwrap();
        let _ = fs::remove_file(project.path(".ccsr/ledger.db-wal"));
        let _ = fs::remove_file(project.path(".ccsr/ledger.db-shm"));
        let told = json(cache(&project, "verify --json").ends_with(1));
        let saved = told["ledger"]["saved"].as_u64().unwrap();
        assert_eq!(saved > 0, length > 4096, "{length}: {told}");
        cache(&project, "verify").succeeded();
        let ran = project.summary(small());
        assert!(
            ran.executed() <= SMALL_UNITS - saved,
            "{length}: {saved} saved"
        );
        assert_eq!(tables(&project), expected);
    }
    // A project of its own, for the words.
    let project = warm::small();
    project.write(".ccsr/ledger.db", "");
    let mut transcript = Transcript::new();
    transcript.run(&project, &["cache", "stat"]).ends_with(3);
    transcript
        .run(&project, &["cache", "verify", "--dry-run"])
        .ends_with(1);
    transcript.run(&project, &["cache", "verify"]).ends_with(1);
    transcript.matches("verify-ledger");
}

#[test]
fn why_says_what_something_is() {
    let project = warm::small();
    let image = &ledger::blobs(&project, "image.generate")[0];
    let blob = json(cache(&project, &format!("why {} --json", &image[..12])).succeeded());
    assert_eq!(blob["digest"], image.as_str());
    let unit = blob["units"][0].as_str().unwrap();
    let text = cache(&project, &format!("why {}", &unit[..12].to_uppercase()));
    let text = &text.succeeded().stdout;
    for part in [
        unit,
        "image.generate, revision",
        "\"prompt\"",
        image,
        "a run that asks for it reuses",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    fs::remove_file(object(&project, image)).unwrap();
    let text = cache(&project, &format!("why {image}")).stdout;
    assert!(text.contains("it is not here"), "{text}");
    let run = json(&project.run(["runs", "show", "latest", "--json"]));
    let stage = &run["stages"].as_array().unwrap()[1];
    let table = stage["tables"]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap();
    let told = json(
        cache(
            &project,
            &format!("why {} --json", table["digest"].as_str().unwrap()),
        )
        .succeeded(),
    );
    assert_eq!(told["runs"][0], run["run"]);
    let key = told["stages"][0]["key"].as_str().unwrap();
    let told = json(cache(&project, &format!("why {key} --json")).succeeded());
    assert_eq!(told["names"][0]["stage"], stage["name"]);
    assert_eq!(told["memo"]["value"], stage["value"]);

    let mut transcript = Transcript::new();
    for bad in ["abc", "no-key", "000000000000"] {
        let outcome = transcript.run(&project, &["cache", "why", bad]);
        outcome.ends_with(if bad.starts_with('0') { 1 } else { 2 });
    }
    transcript.matches("why-not");
}
