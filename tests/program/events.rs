//! What a run says to programs: `--events json` and `--json`, data on stdout, the story on stderr.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::project::{Project, SELECTION, SMALL, SMALL_UNITS, TABLE1};

#[test]
fn the_last_line_of_json_is_the_summary() {
    let project = Project::new();
    let outcome = project.run(["run", "--json", SELECTION].into_iter().chain(SMALL));
    assert_eq!(outcome.succeeded().stdout.lines().count(), 1);
    let summary = outcome.summary();
    assert_eq!((summary.executed(), summary.reused()), (SMALL_UNITS, 0));
    assert!(summary.0["seconds"].as_f64().unwrap() > 0.0);
    let id = summary.0["run"].as_str().unwrap();
    assert!(project.path(&format!(".ccsr/runs/{id}.json")).exists());
    let again = project.summary([SELECTION].into_iter().chain(SMALL));
    assert!(again.0["seconds_saved"].as_f64().unwrap() > 0.0);
    assert_ne!(again.0["run"], id);
}

#[test]
fn every_event_is_a_line_of_json() {
    let project = Project::new();
    let args = ["run", "--events", "json", "--json", SELECTION];
    let outcome = project.run(args.into_iter().chain(SMALL));
    let lines: Vec<Json> = outcome
        .succeeded()
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (summary, events) = lines.split_last().unwrap();
    assert_eq!(summary["units_executed"], SMALL_UNITS);
    assert!(events.iter().all(|event| event["event"].is_string()));
    assert_eq!(events[0]["event"], "run_started");
    assert_eq!(events.last().unwrap()["event"], "run_finished");
    assert_eq!(events.last().unwrap()["run"], summary["run"]);
    let committed: u64 = events
        .iter()
        .filter(|event| event["event"] == "batch_committed")
        .map(|event| event["units"].as_u64().unwrap())
        .sum();
    assert_eq!(committed, SMALL_UNITS);
    let finished: BTreeSet<_> = events
        .iter()
        .filter(|event| event["event"] == "stage_finished")
        .map(|event| event["stage"].as_str().unwrap())
        .collect();
    assert_eq!(finished.len(), 9);
    assert_eq!(
        outcome.stderr, "",
        "what is told as events is not told again"
    );

    let without = project.run(
        ["run", "--events", "json", SELECTION]
            .into_iter()
            .chain(SMALL),
    );
    let last = without
        .succeeded()
        .stdout
        .lines()
        .next_back()
        .unwrap()
        .to_owned();
    assert_eq!(
        serde_json::from_str::<Json>(&last).unwrap()["event"],
        "run_finished"
    );
}

#[test]
fn without_a_terminal_there_are_no_escape_codes() {
    let project = Project::new();
    let commands: [&[&str]; 8] = [
        &["run", TABLE1],
        &["run", "--json", TABLE1],
        &["plan", TABLE1],
        &["show", TABLE1, "eq1"],
        &["graph", TABLE1],
        &["check", "pipelines/nothing.yaml"],
        &["check", TABLE1, "--set", "x"],
        &["--help"],
    ];
    for args in commands {
        for environment in [None, Some("NO_COLOR"), Some("TERM")] {
            let mut command = project.command(args.iter().copied());
            if let Some(variable) = environment {
                command.env(
                    variable,
                    if variable == "TERM" {
                        "xterm-256color"
                    } else {
                        "1"
                    },
                );
            }
            let output = command.output().unwrap();
            for text in [output.stdout, output.stderr] {
                assert!(!text.contains(&0x1b), "{args:?} with {environment:?}");
            }
        }
    }
}

/// `script` gives the program a terminal, if it is there.
#[test]
fn on_a_terminal_colours_can_be_refused() {
    let project = Project::new();
    let run = |environment: &str| {
        project.shell(&format!(
            "command -v script >/dev/null && TERM=xterm {environment} script -qec \"'$0' check {TABLE1} --set x\" /dev/null"
        ))
    };
    let coloured = run("");
    if coloured.stdout.is_empty() {
        println!("left out: there is no `script` that makes a terminal");
        return;
    }
    assert!(coloured.stdout.contains('\u{1b}'), "{coloured:?}");
    assert!(!run("NO_COLOR=1").stdout.contains('\u{1b}'));
}

#[test]
fn data_goes_to_stdout_and_the_story_to_stderr() {
    let project = Project::new();
    let run = project.run(["run", TABLE1]);
    assert_eq!(run.succeeded().stdout, "");
    run.says("done: ");
    let quiet: [&[&str]; 6] = [
        &["show", TABLE1, "eq1", "--format", "csv"],
        &["graph", TABLE1],
        &["check", TABLE1],
        &["stages"],
        &["runs", "list"],
        &["runs", "show", "latest"],
    ];
    for args in quiet {
        let outcome = project.run(args.iter().copied());
        assert_eq!(outcome.succeeded().stderr, "", "{args:?}");
        assert_ne!(outcome.stdout, "", "{args:?}");
    }
}

#[test]
fn whoever_stops_reading_is_not_shouted_at() {
    let project = Project::new();
    project
        .run(["run", SELECTION].into_iter().chain(SMALL))
        .succeeded();
    let quiet = |story: &str| {
        assert!(
            !story.contains("error") && !story.contains("panic"),
            "{story}"
        );
    };
    let elephant = format!("{SELECTION} {}", SMALL.join(" "));
    for line in [
        format!("show {elephant} answers --format jsonl"),
        format!("show {elephant} answers --limit 0"),
        format!("run {elephant} --events json"),
        format!("plan {elephant}"),
        format!("graph {elephant} --format dot"),
        "stages".to_owned(),
        "runs show latest --json".to_owned(),
    ] {
        // The reader is gone before the first byte is written.
        let outcome = project.shell(&format!("\"$0\" {line} 2>story | true"));
        assert_eq!(outcome.stderr, "", "{line}");
        quiet(&project.read("story"));
        let outcome = project.shell(&format!("\"$0\" {line} 2>story | head -1"));
        quiet(&project.read("story"));
        assert_eq!(outcome.stdout.lines().count(), 1, "{line}");
    }
}
