//! Sweeps as they are typed: shared work, kills, failures, tables.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use serde_json::Value as Json;

use crate::ledger::{self, Units};
use crate::project::{Project, SELECTION};
use crate::transcript::Transcript;

/// The paper's pipeline, tiny, over two parameters: six trials.
pub(crate) const SWEEP: [&str; 9] = [
    SELECTION,
    "--set",
    "stages.prompts.with.count=3",
    "--set",
    "vars.size=32",
    "--set",
    "stages.images.with.candidates=2,4",
    "--set",
    "stages.pairs.with.min_confidence=0.3,0.6,0.9",
];
/// What is the same in all trials.
pub(crate) const FIXED: [&str; 5] = [SWEEP[0], SWEEP[1], SWEEP[2], SWEEP[3], SWEEP[4]];
/// Units of all trials together: six prompts with four candidates, ten questions and a look each.
const UNITS: u64 = 24 + 240 + 24;

/// Small batches: many moments to be killed at, much to be shared.
pub(crate) const BATCHES: [&str; 6] = [
    "--set",
    "stages.images.batch=3",
    "--set",
    "stages.answers.batch=7",
    "--set",
    "stages.detections.batch=2",
];

fn sweep_run<'a>(more: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    let args = ["sweep", "run"].into_iter().chain(SWEEP).chain(BATCHES);
    args.chain(more.iter().copied())
}

/// What `sweep run --json` ends with.
#[track_caller]
pub(crate) fn summary(project: &Project, more: &[&str]) -> Json {
    let outcome = project.run(sweep_run(more).chain(["--json"]));
    outcome.succeeded().summary().0
}

fn executed(summary: &Json) -> u64 {
    summary["units_executed"].as_u64().unwrap()
}

/// The rows of `sweep table --format csv`, without how long it took.
fn table(project: &Project) -> Vec<String> {
    let args = ["sweep", "table"].into_iter().chain(SWEEP).chain(BATCHES);
    let outcome = project.run(args.chain(["--format", "csv", "--all"]));
    let rows = outcome.succeeded().stdout.lines();
    // The last two columns say what this cache's runs did.
    let told = |row: &str| row.rsplitn(3, ',').last().unwrap().to_owned();
    rows.map(told).collect()
}

#[test]
fn what_trials_share_is_computed_once_however_many_run_at_a_time() {
    let mut tables = Vec::new();
    for at_once in ["1", "4"] {
        let project = Project::new();
        let first = summary(&project, &["--trials-at-once", at_once]);
        assert_eq!(executed(&first), UNITS, "{at_once} at once");
        assert_eq!(first["trials"].as_array().unwrap().len(), 6);
        let units = Units {
            count: UNITS,
            most_commits: 1,
        };
        assert_eq!(ledger::units(&project), units);
        let again = summary(&project, &["--trials-at-once", at_once]);
        assert_eq!(executed(&again), 0);
        tables.push(table(&project));

        // A trial is a run: its `--set` finds everything computed, and writes what a sweep does not.
        assert!(project.files("pipelines/out").is_empty());
        let trial = &first["trials"][4];
        let set = trial["set"].as_array().unwrap().iter();
        let set = set.flat_map(|set| ["--set", set.as_str().unwrap()]);
        let run = project.summary([SELECTION].into_iter().chain(set));
        assert_eq!(run.executed(), 0);
        assert!(run.all_unchanged());
        assert!(!project.files("pipelines/out").is_empty());
    }
    assert_eq!(tables[0], tables[1]);
    assert_eq!(tables[0].len(), 7);
}

#[test]
fn a_killed_sweep_goes_on_where_it_was() {
    let calm = Project::new();
    summary(&calm, &[]);
    let project = Project::new();
    let mut hit = 0;
    for after in 0..8 {
        let mut child = project
            .command(sweep_run(&["--trials-at-once", "2", "--jobs", "2"]))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Kills at various moments: in the first trial, between trials, later in each attempt.
        let trials = after / 3;
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        for _ in 0..trials {
            lines.next();
        }
        std::thread::sleep(std::time::Duration::from_millis(20 + 45 * after));
        child.kill().unwrap();
        hit += u32::from(child.wait().unwrap().code().is_none());
    }
    assert!(hit >= 3, "most kills came too late: {hit}");
    let resumed = summary(&project, &[]);
    assert!(executed(&resumed) < UNITS, "nothing was kept");
    let units = Units {
        count: UNITS,
        most_commits: 1,
    };
    assert_eq!(ledger::units(&project), units);
    assert_eq!(table(&project), table(&calm));
}

#[test]
fn an_interrupted_sweep_says_so_and_goes_on() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let project = Project::new();
        let mut child = project
            .command(sweep_run(&["--json"]))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut story = BufReader::new(child.stderr.take().unwrap());
        let mut text = String::new();
        story.read_line(&mut text).unwrap();
        let line = format!("kill -{signal} {}", child.id());
        Command::new("sh").args(["-c", &line]).status().unwrap();
        story.read_to_string(&mut text).unwrap();
        let mut said = String::new();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{text}");
        assert!(text.contains("run it again to go on"), "{text}");
        let said: Json = serde_json::from_str(said.trim()).unwrap();
        assert_eq!(said["outcome"], "interrupted");
        let rest = summary(&project, &[]);
        assert_eq!(executed(&said) + executed(&rest), UNITS);
    }
}

#[test]
fn a_failing_trial_stops_no_other() {
    let project = Project::empty();
    project.write(
        "a.yaml",
        "\
version: 1
stages:
  table: {uses: table.import, with: {path: words.csv}}
  images: {uses: image.import, with: {path: good}}
  sheets: {uses: image.grid, from: images}
sweeps:
  folders:
    matrix: {stages.images.with.path: [good, bad, more]}
",
    );
    project
        .write("words.csv", "word\nox\n")
        .write("bad/a.png", "no image");
    let drawn = crate::imports::png(&Project::new());
    project
        .write("good/a.png", &drawn)
        .write("more/b.png", &drawn);
    let mut transcript = Transcript::new();
    transcript
        .run(&project, &["sweep", "run", "a.yaml", "folders"])
        .ends_with(1);
    transcript
        .run(&project, &["sweep", "table", "a.yaml", "folders"])
        .succeeded();
    transcript.about("the bad one was put right");
    project.write(
        "bad/a.png",
        project.files("good").into_values().next().unwrap(),
    );
    transcript.run(&project, &["sweep", "run", "a.yaml", "folders"]);
    transcript.run(&project, &["sweep", "table", "a.yaml", "folders", "--all"]);
    transcript.matches("sweep-failing");
}

#[test]
fn the_story_and_the_tables_of_a_sweep() {
    let project = Project::new();
    let mut transcript = Transcript::new();
    let name = |more: &[&'static str]| {
        let args = ["sweep", more[0], SELECTION, "selection"];
        args.into_iter()
            .chain(more[1..].iter().copied())
            .collect::<Vec<_>>()
    };
    transcript.about("before it ran");
    transcript.run(&project, &name(&["table"])).succeeded();
    assert!(!project.path(".ccsr").exists(), "looking made a cache");
    transcript.about("run");
    transcript.run(&project, &name(&["run"])).succeeded();
    transcript
        .run(&project, &name(&["run", "--json"]))
        .succeeded();
    transcript.about("compared");
    transcript.run(&project, &name(&["table"])).succeeded();
    let best = [
        "table",
        "--sort",
        "truth.selected pairs.both",
        "--format",
        "md",
    ];
    transcript.run(&project, &name(&best)).succeeded();
    let few = [
        "table",
        "--metric",
        "truth.*.both",
        "--sort",
        "candidates",
        "--ascending",
    ];
    transcript.run(&project, &name(&few)).succeeded();
    transcript.about("over a parameter");
    for more in [
        &["--sort", "both"][..],
        &["--format", "md"],
        &["--metric", "truth.*.both", "--format", "csv"],
    ] {
        let over = [&["table", "--over", "candidates"], more].concat();
        transcript.run(&project, &name(&over)).succeeded();
    }
    for wrong in [
        &["candidate"][..],
        &["size"],
        &["candidates", "--sort", "candidates"],
    ] {
        let over = [&["table", "--over"], wrong].concat();
        transcript.run(&project, &name(&over)).ends_with(2);
    }
    transcript.about("held against a trial");
    for more in [
        &["candidates=2", "--metric", "truth.*.both"][..],
        &["candidates=2", "--over", "min_confidence", "--format", "md"],
        &[
            "candidates=2",
            "--metric",
            "truth.selected*.both",
            "--sort",
            "both",
            "--format",
            "csv",
        ],
    ] {
        let against = [&["table", "--against"], more].concat();
        transcript.run(&project, &name(&against)).succeeded();
    }
    for wrong in [
        &["candidates"][..],
        &["candidate=2"],
        &["candidates=3"],
        &["candidates=2", "--against", "candidates=4"],
        &["candidates=2", "--over", "candidates"],
        &["size=64"],
    ] {
        let against = [&["table", "--against"], wrong].concat();
        transcript.run(&project, &name(&against)).ends_with(2);
    }
    transcript.about("what was run");
    transcript.run(&project, &["runs", "list"]).succeeded();
    transcript
        .run(&project, &["runs", "show", "latest"])
        .succeeded();
    transcript.about("what is not there");
    transcript
        .run(&project, &name(&["table", "--sort", "bth"]))
        .ends_with(2);
    transcript
        .run(&project, &["sweep", "run", SELECTION, "selektion"])
        .ends_with(2);
    transcript
        .run(&project, &["sweep", "run", SELECTION])
        .ends_with(2);
    let memory = name(&["run", "--memory", "8GB", "--trials-at-once", "2"]);
    transcript.run(&project, &memory).ends_with(2);
    transcript.about("the pipeline changed since");
    project.edit(SELECTION, "columns: 5", "columns: 6");
    transcript.run(&project, &name(&["table"])).succeeded();
    transcript.matches("sweep");
}

#[test]
fn mistakes_in_sweeps_are_shown_where_they_stand() {
    let mut transcript = Transcript::new();
    let mut case = |about: &str, block: &str, args: &[&str]| {
        let project = Project::new();
        let text = project.read(SELECTION);
        let text = format!("{}{block}", &text[..text.find("sweeps:").unwrap()]);
        project.write(SELECTION, text);
        transcript
            .about(about)
            .file("pipelines/selection.yaml, its end", block);
        transcript.run(&project, args).ends_with(2);
        assert!(
            !project.path(".ccsr").exists(),
            "an invalid sweep made a cache"
        );
    };
    case(
        "found when the file is checked",
        "sweeps:\n  a:\n    matrix:\n      stages.pears.with.min_confidence: [0.3, 0.6]\n      vars.size: 32\n    metrics: [truht.*]\n",
        &["check", SELECTION],
    );
    case(
        "a value that fits in no trial, and one that fits in some",
        "sweeps:\n  a:\n    matrix:\n      vars.size: [64, 65]\n      stages.pairs.with.min_confidence: [0.5, 1.5, high]\n",
        &["sweep", "run", SELECTION, "a"],
    );
    case(
        "a suite that is not there, and columns that are missing in one trial",
        "sweeps:\n  a:\n    list:\n      - {suite: wrold}\n      - {stages.scores.from: prompts}\n",
        &["sweep", "run", SELECTION, "a"],
    );
    case(
        "no two trials are the same but for what they are held against",
        "sweeps:\n  a:\n    list:\n      - {vars.size: 32, seed: 1}\n      - {vars.size: 64, seed: 2}\n",
        &["sweep", "table", SELECTION, "a", "--against", "size=32"],
    );
    case(
        "several values for one run",
        "",
        &[
            "run",
            SELECTION,
            "--set",
            "seed=1,2",
            "--set",
            "stages.pairs.with.min_confidence=0.5",
        ],
    );
    case(
        "one of several values is wrong",
        "",
        &[
            "sweep",
            "run",
            SELECTION,
            "--set",
            "stages.images.with.candidates=2,few,4",
        ],
    );
    transcript.matches("sweep-mistakes");
}
