//! Ctrl-C and its kin: the batches in flight are finished and kept, or, asked twice, dropped.

use std::time::Duration;

use crate::ledger;
use crate::project::{MEDIUM, MEDIUM_UNITS, Project, SELECTION};

/// What a stopped run says.
fn stopped_by(signal: &str, code: i32) {
    let project = Project::new();
    let mut running = project.start(MEDIUM);
    running.await_event("batch_committed", "images");
    running.signal(signal);
    let (ended, rest) = running.end();
    assert_eq!(ended, code);
    let summary = rest.last().unwrap();
    assert_eq!(summary["outcome"], "interrupted");
    assert_eq!(summary["stages"]["truth"]["outcome"], "not_reached");

    let committed = ledger::units(&project).count;
    assert!((5..MEDIUM_UNITS).contains(&committed), "{committed}");
    assert_eq!(summary["units_executed"], committed);
    let listed = project.run(["runs", "list"]);
    assert!(listed.succeeded().stdout.contains("interrupted"));

    let resumed = project.summary(MEDIUM);
    assert_eq!(resumed.executed(), MEDIUM_UNITS - committed);
    assert_eq!(ledger::units(&project).most_commits, 1);
}

#[test]
fn an_interrupted_run_keeps_what_it_committed() {
    stopped_by("INT", 130);
}

#[test]
fn a_terminated_run_keeps_what_it_committed() {
    stopped_by("TERM", 143);
}

#[test]
fn the_story_of_an_interrupted_run_says_how_to_go_on() {
    let project = Project::new();
    let mut child = project
        .command(["run", SELECTION])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The first thing that is told is that a stage is done; there are others to come.
    let mut story = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    std::io::BufRead::read_line(&mut story, &mut text).unwrap();
    let line = format!("kill -INT {}", child.id());
    std::process::Command::new("sh")
        .args(["-c", &line])
        .status()
        .unwrap();
    std::io::Read::read_to_string(&mut story, &mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{text}");
    assert!(
        text.contains("interrupted; run it again to go on: "),
        "{text}"
    );
}

#[test]
fn asked_twice_a_run_ends_at_once() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let project = Project::new();
        let args = || [SELECTION, "--set", "stages.images.batch=2000"];
        let mut running = project.start(
            args()
                .into_iter()
                .chain(["--set", "stages.prompts.with.count=50"]),
        );
        // All images are one batch now, which takes a while.
        running.await_event("wave", "images");
        while running.child.try_wait().unwrap().is_none() {
            running.signal(signal);
            std::thread::sleep(Duration::from_millis(5));
        }
        let (ended, rest) = running.end();
        assert_eq!(ended, code);
        assert!(
            rest.iter().all(|event| event["event"] != "run_finished"),
            "{rest:?}"
        );
        assert_eq!(
            ledger::units(&project).count,
            0,
            "the batch in flight is lost, as was said"
        );
        let resumed = project.summary(MEDIUM);
        assert_eq!(resumed.executed(), MEDIUM_UNITS);
    }
}
