//! Every command, the way it is typed.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::project::{PIPELINES, Project, SELECTION, SMALL, TABLE1};
use crate::transcript::Transcript;

#[test]
fn usage() {
    let project = Project::new();
    let mut transcript = Transcript::new();
    transcript.about("nothing");
    transcript.run(&project, &[]).ends_with(2);
    transcript.about("what is not there");
    transcript.run(&project, &["rnu", SELECTION]).ends_with(2);
    transcript.run(&project, &["run"]).ends_with(2);
    transcript
        .run(&project, &["run", "--kep-going", SELECTION])
        .ends_with(2);
    transcript
        .run(&project, &["run", "pipelines/lion.yaml"])
        .ends_with(2);
    transcript.run(&project, &["run", "pipelines"]).ends_with(2);
    transcript
        .run(&project, &["run", SELECTION, "--jobs", "0"])
        .ends_with(2);
    transcript
        .run(&project, &["--project", "nowhere", "check", SELECTION])
        .ends_with(2);
    transcript
        .run(&project, &["stages", "image.genrate"])
        .ends_with(2);
    transcript
        .run(&project, &["show", TABLE1, "eq1", "--format", "xml"])
        .ends_with(2);
    assert!(
        !project.path(".ccsr").exists(),
        "nothing was asked for, and a cache was made"
    );
    transcript.matches("usage");
}

#[test]
fn help() {
    let project = Project::empty();
    let mut transcript = Transcript::new();
    let commands: [&[&str]; 14] = [
        &[],
        &["run"],
        &["plan"],
        &["check"],
        &["show"],
        &["graph"],
        &["stages"],
        &["sweep"],
        &["sweep", "run"],
        &["sweep", "table"],
        &["runs"],
        &["runs", "list"],
        &["runs", "show"],
        &["help"],
    ];
    for command in commands {
        if command == ["help"] {
            continue;
        }
        let args: Vec<_> = command.iter().copied().chain(["--help"]).collect();
        let outcome = transcript.run(&project, &args);
        outcome.succeeded();
        assert!(outcome.stdout.contains("Usage: ccsr-flow"), "{command:?}");
        assert_eq!(outcome.stderr, "");
    }
    let version = project.run(["--version"]);
    assert_eq!(
        version.succeeded().stdout,
        format!("ccsr-flow {}\n", env!("CARGO_PKG_VERSION"))
    );
    transcript.matches("help");
}

#[test]
fn check() {
    let project = Project::new();
    let mut transcript = Transcript::new();
    transcript.run(&project, &["check", SELECTION]).succeeded();
    transcript.run(&project, &["check", TABLE1]).succeeded();
    transcript
        .run(&project, &["check", SELECTION, "--suite", "world"])
        .succeeded();
    assert!(!project.path(".ccsr").exists());
    transcript.matches("check");
}

#[test]
fn every_pipeline_that_comes_along_is_valid() {
    let project = Project::new();
    let mut checked = 0;
    for file in std::fs::read_dir(PIPELINES).unwrap() {
        let file = file.unwrap().path();
        if file
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let name = file.file_name().unwrap().to_str().unwrap();
            project
                .run(["check", &format!("pipelines/{name}")])
                .succeeded();
            checked += 1;
        }
    }
    assert!(checked >= 2);
}

#[test]
fn plan_says_what_and_why_and_writes_nothing() {
    let project = Project::new();
    let mut transcript = Transcript::new();
    let tree = |project: &Project| {
        let mut files = project.files(".");
        // A reader may look at the ledger's lock files; it leaves none of its own.
        files.retain(|name, _| !name.to_string_lossy().ends_with("ledger.db-shm"));
        files
    };
    let before = tree(&project);
    transcript.about("before any run");
    transcript.run(&project, &["plan", SELECTION]).ends_with(4);
    assert!(tree(&project) == before, "planning wrote something");

    project
        .run(["run", SELECTION].into_iter().chain(SMALL))
        .succeeded();
    let after = tree(&project);
    transcript.about("after a run");
    let small = |more: &[&'static str]| -> Vec<&'static str> {
        ["plan", SELECTION]
            .into_iter()
            .chain(SMALL)
            .chain(more.iter().copied())
            .collect()
    };
    transcript.run(&project, &small(&[])).succeeded();
    transcript.about("after a change of a parameter");
    transcript
        .run(
            &project,
            &small(&["--set", "stages.pairs.with.min_confidence=0.5"]),
        )
        .ends_with(4);
    transcript
        .run(
            &project,
            &small(&["--set", "stages.images.with.candidates=5"]),
        )
        .ends_with(4);
    transcript
        .run(&project, &small(&["--set", "seed=7"]))
        .ends_with(4);
    assert!(tree(&project) == after, "planning wrote something");
    transcript.about("after a change of a file");
    project.edit(
        "pipelines/questions/paper.yaml",
        "Could this image be a photograph?",
        "Is this a photograph?",
    );
    let edited = tree(&project);
    transcript.run(&project, &small(&[])).ends_with(4);
    let json = project.run(small(&["--json"]));
    assert_eq!(json.ends_with(4).stdout.lines().count(), 1);
    assert!(tree(&project) == edited, "planning wrote something");
    let plan: Json = serde_json::from_str(&json.stdout).unwrap();
    let answers = plan["stages"]
        .as_array()
        .unwrap()
        .iter()
        .find(|stage| stage["stage"] == "answers")
        .unwrap();
    assert_eq!(answers["state"]["missing"], 80);
    assert!(
        answers["changes"][0]["new"]
            .as_str()
            .unwrap()
            .contains("Is this a photograph?")
    );
    transcript.matches("plan");
}

#[test]
fn what_a_run_tells() {
    let project = Project::new();
    let mut transcript = Transcript::new();
    let small: Vec<_> = ["run", SELECTION, "--jobs", "1"]
        .into_iter()
        .chain(SMALL)
        .collect();
    transcript.about("the first time");
    transcript.run(&project, &["run", TABLE1]).succeeded();
    transcript.about("again");
    transcript.run(&project, &["run", TABLE1]).succeeded();
    transcript.about("with another threshold");
    project.run(small.iter().copied()).succeeded();
    let more: Vec<_> = small
        .iter()
        .copied()
        .chain(["--set", "stages.pairs.with.min_confidence=0.5"])
        .collect();
    transcript.run(&project, &more).succeeded();
    transcript.matches("run");
}

#[test]
fn show_tells_the_same_in_every_format() {
    let project = Project::new();
    project.run(["run", TABLE1]).succeeded();
    let mut transcript = Transcript::new();
    for format in ["terminal", "md", "csv", "jsonl"] {
        transcript
            .run(
                &project,
                &["show", TABLE1, "eq1_shortlist", "--format", format],
            )
            .succeeded();
    }
    transcript.about("another table of the same stage, shortened");
    transcript
        .run(
            &project,
            &["show", TABLE1, "eq1_shortlist.rejected", "--limit", "2"],
        )
        .succeeded();
    transcript.matches("show");

    for stage in ["answers", "eq1", "eq1_shortlist.rejected"] {
        let csv = project.run(["show", TABLE1, stage, "--format", "csv"]);
        let jsonl = project.table(stage, [TABLE1]);
        let objects: Vec<BTreeMap<String, Json>> = jsonl
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let mut reader = csv::Reader::from_reader(csv.succeeded().stdout.as_bytes());
        let rows: Vec<BTreeMap<String, String>> =
            reader.deserialize().collect::<Result<_, _>>().unwrap();
        assert_eq!(rows.len(), objects.len());
        for (row, object) in rows.iter().zip(&objects) {
            assert_eq!(
                row.keys().collect::<Vec<_>>(),
                object.keys().collect::<Vec<_>>()
            );
            for (name, cell) in row {
                let same = match &object[name] {
                    Json::String(text) => text == cell,
                    Json::Null => cell.is_empty(),
                    Json::Number(number) => cell.parse::<f64>().ok() == number.as_f64(),
                    other => &other.to_string() == cell,
                };
                assert!(same, "{stage}.{name}: {cell} and {}", object[name]);
            }
        }
        let markdown = project.run(["show", TABLE1, stage, "--format", "md"]);
        assert_eq!(markdown.succeeded().stdout.lines().count(), rows.len() + 2);
    }
}

#[test]
fn show_when_there_is_nothing_to_show() {
    let project = Project::new();
    let mut transcript = Transcript::new();
    transcript.about("before any run");
    transcript
        .run(&project, &["show", TABLE1, "eq1"])
        .ends_with(1);
    assert!(!project.path(".ccsr").exists(), "looking made a cache");
    transcript.about("names that are not there");
    transcript
        .run(&project, &["show", TABLE1, "eq2"])
        .ends_with(2);
    transcript
        .run(&project, &["show", TABLE1, "eq1_shortlist.rejcted"])
        .ends_with(2);
    transcript.about("a table of before the last change");
    project.run(["run", TABLE1]).succeeded();
    let changed = [
        "show",
        TABLE1,
        "eq1_shortlist",
        "--set",
        "stages.eq1_shortlist.with.shortlist={top_k: 1}",
        "--format",
        "csv",
    ];
    transcript.run(&project, &changed).succeeded();
    transcript.matches("show-nothing");
}

#[test]
fn graph() {
    let project = Project::new();
    let mut transcript = Transcript::new();
    for format in ["terminal", "dot", "mermaid"] {
        transcript
            .run(&project, &["graph", SELECTION, "--format", format])
            .succeeded();
    }
    transcript.matches("graph");
}

#[test]
fn stages() {
    let project = Project::empty();
    let listed = project.run(["stages"]);
    let mut kinds: Vec<&str> = Vec::new();
    for line in listed.succeeded().stdout.lines() {
        let (kind, summary) = line.split_once(' ').unwrap();
        assert!(summary.trim().ends_with('.'), "{line}");
        kinds.push(kind);
    }
    assert!(kinds.is_sorted());
    assert!(kinds.len() >= 11, "{kinds:?}");
    let mut transcript = Transcript::new();
    transcript.run(&project, &["stages"]);
    for kind in &kinds {
        transcript.run(&project, &["stages", kind]).succeeded();
    }
    transcript.matches("stages");
}

#[test]
fn runs() {
    let project = Project::new();
    let mut transcript = Transcript::new();
    transcript.about("before any run");
    transcript.run(&project, &["runs", "list"]).ends_with(1);
    transcript
        .run(&project, &["runs", "show", "latest"])
        .ends_with(1);
    let ids: Vec<String> = (0..2)
        .map(|_| {
            project.summary([TABLE1]).0["run"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    transcript.about("after two");
    transcript.run(&project, &["runs", "list"]).succeeded();
    transcript
        .run(&project, &["runs", "show", "latest"])
        .succeeded();
    transcript.about("runs that are not there");
    transcript
        .run(&project, &["runs", "show", "19990101-000000-abcdef"])
        .ends_with(1);
    transcript
        .run(&project, &["runs", "show", "nonsense"])
        .ends_with(1);

    let listed = project.run(["runs", "list", "--json"]);
    let mut seen: Vec<String> = listed
        .succeeded()
        .stdout
        .lines()
        .map(|line| {
            serde_json::from_str::<Json>(line).unwrap()["run"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let mut expected = ids.clone();
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected);
    let shown = project.run(["runs", "show", &ids[0], "--json"]);
    let record: Json = serde_json::from_str(&shown.succeeded().stdout).unwrap();
    assert_eq!(
        (record["run"].as_str(), record["outcome"].as_str()),
        (Some(ids[0].as_str()), Some("done"))
    );
    // Both began in this century.
    let several = project.run(["runs", "show", "20"]);
    several.ends_with(2).says(&ids[0]).says(&ids[1]);
    // A record that is damaged loses nothing but itself.
    project.write(&format!(".ccsr/runs/{}.json", ids[1]), "{");
    assert_eq!(
        project
            .run(["runs", "list"])
            .succeeded()
            .stdout
            .lines()
            .count(),
        1
    );
    let damaged = project.run(["runs", "show", &ids[1]]);
    damaged.ends_with(1).says("cannot be read");
    transcript.matches("runs");
}

#[test]
fn from_a_folder_inside_the_project() {
    let project = Project::new();
    let inside = |args: &[&str]| {
        let output = project
            .command(args.iter().copied())
            .current_dir(project.path("pipelines"))
            .output();
        crate::project::Outcome::of(&output.unwrap())
    };
    inside(&["run", "table1.yaml"]).succeeded();
    assert!(project.path(".ccsr").is_dir(), "the cache is the project's");
    assert!(project.path("pipelines/out/table1/eq1.csv").exists());
    assert_eq!(
        inside(&["runs", "list"]).succeeded().stdout.lines().count(),
        1
    );
    assert!(project.summary([TABLE1]).all_unchanged());
}
