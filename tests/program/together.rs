//! Several runs at once on one cache: together they compute everything once.

use std::process::Stdio;

use crate::ledger::{self, Units};
use crate::project::{MEDIUM, MEDIUM_UNITS, Outcome, Project, SELECTION, SMALL, SMALL_UNITS};

fn together(number: usize) {
    let args = || {
        [SELECTION]
            .into_iter()
            .chain(SMALL)
            .chain(["--set", "stages.images.batch=8"])
    };
    let alone = Project::new();
    alone.run(["run"].into_iter().chain(args())).succeeded();

    let project = Project::new();
    let start = || {
        let mut command = project.command(["run", "--json"].into_iter().chain(args()));
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..number).map(|_| start()).collect();
    let outcomes: Vec<_> = children
        .into_iter()
        .map(|child| Outcome::of(&child.wait_with_output().unwrap()))
        .collect();
    let mut executed = 0;
    for outcome in &outcomes {
        let summary = outcome.succeeded().summary();
        assert_eq!(summary.executed() + summary.reused(), SMALL_UNITS);
        executed += summary.executed();
    }
    assert_eq!(executed, SMALL_UNITS);
    let units = Units {
        count: SMALL_UNITS,
        most_commits: 1,
    };
    assert_eq!(ledger::units(&project), units);
    for stage in [
        "prompts", "images", "answers", "scores", "pairs", "dataset", "truth",
    ] {
        assert_eq!(
            project.table(stage, args()),
            alone.table(stage, args()),
            "{stage}"
        );
    }
    assert!(
        project.files("pipelines/out") == alone.files("pipelines/out"),
        "exports differ"
    );
    assert_eq!(
        project
            .run(["runs", "list"])
            .succeeded()
            .stdout
            .lines()
            .count(),
        number
    );
}

#[test]
fn two_runs_share_the_work() {
    together(2);
}

#[test]
fn three_runs_share_the_work() {
    together(3);
}

#[test]
fn a_run_goes_on_with_what_a_dead_one_had_taken() {
    let project = Project::new();
    let mut dying = project.start(MEDIUM);
    dying.await_event("batch_committed", "images");
    let mut living = project.start(MEDIUM);
    living.await_event("stage_started", "images");
    assert!(dying.kill());
    let (code, rest) = living.end();
    assert_eq!(code, 0);
    assert_eq!(rest.last().unwrap()["outcome"], "done");
    let units = ledger::units(&project);
    assert_eq!((units.count, units.most_commits), (MEDIUM_UNITS, 1));
}
