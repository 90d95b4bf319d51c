//! Runs that are killed, asked to end, or do both to each other on one cache: a little of what
//! `tests/reliability/kill.py` does a thousand times.

use std::process::Child;
use std::time::Duration;

use crate::crashes::Dice;
use crate::ledger::{self, Units};
use crate::project::{Project, Summary};

/// Moments at which something is done to a run.
const MOMENTS: usize = 12;

/// External programs between the simulated ones, in batches small enough to be hit.
const COMMANDS: &str = r#"
version: 1
suite: world
stages:
  prompts: {uses: prompt.generate, with: {classes: [zebra], count: 5}}
  images: {uses: image.generate, from: prompts, with: {candidates: 2, size: 32}, batch: 2}
  copies:
    uses: command
    from: images
    with: {argv: [cp, "{image}", "{out.copy}"], files: {copy: {type: image}}}
    batch: 2
  lines:
    uses: command
    from: copies
    with:
      argv: [sh, -c, 'while read -r line; do printf "\173\"length\": 3\175\n"; done']
      per: batch
      reads: [prompt, candidate]
      columns: {length: int}
    batch: 3
    outputs: out/lines.csv
"#;

/// Units of [`COMMANDS`].
const UNITS: u64 = 10 + 10 + 10;
const FILE: &str = "commands.yaml";

fn project() -> Project {
    let project = Project::empty();
    project.write(FILE, COMMANDS);
    project
}

/// What a finished run leaves.
fn left(project: &Project) -> (String, String, Vec<String>) {
    (
        project.table("lines", [FILE]),
        project.read("out/lines.csv"),
        ledger::blobs(project, "command"),
    )
}

/// Starts a run that nobody listens to.
fn start(project: &Project) -> Child {
    let mut command = project.command(["run", FILE]);
    let quiet = std::process::Stdio::null;
    command.stdout(quiet()).stderr(quiet()).spawn().unwrap()
}

/// Sends a signal; that the process has ended in the meantime is not an error.
fn signal(child: &Child, name: &str) {
    let line = format!("kill -{name} {} 2>/dev/null || true", child.id());
    let sent = std::process::Command::new("sh")
        .args(["-c", &line])
        .status();
    assert!(sent.unwrap().success());
}

/// Runs a project again and again, doing something at a random moment to the first of `runs` at a
/// time, until a run comes to its end; and compares with one that nobody disturbed.
fn disturbed(name: &str, runs: usize) {
    let reference = project();
    let began = std::time::Instant::now();
    reference.summary([FILE]);
    let longest = began.elapsed().as_micros() as u64;
    let expected = left(&reference);

    let mut dice = Dice::new(7);
    let mut moments = 0;
    while moments < MOMENTS {
        let project = project();
        while moments < MOMENTS {
            let mut children: Vec<Child> = (0..runs).map(|_| start(&project)).collect();
            std::thread::sleep(Duration::from_micros(dice.below(longest)));
            signal(&children[0], name);
            let codes: Vec<_> = children
                .iter_mut()
                .map(|child| child.wait().unwrap().code())
                .collect();
            let undisturbed = &codes[1..];
            assert!(undisturbed.iter().all(|code| *code == Some(0)), "{codes:?}");
            assert!(matches!(codes[0], Some(0 | 143) | None), "{codes:?}");
            moments += 1;
            if codes.contains(&Some(0)) {
                break;
            }
        }
        let resumed: Summary = project.summary([FILE]);
        assert_eq!(resumed.executed() + resumed.reused(), UNITS);
        assert_eq!(left(&project), expected);
        let once = Units {
            count: UNITS,
            most_commits: 1,
        };
        assert_eq!(ledger::units(&project), once);
    }
}

#[test]
fn commands_that_are_killed_go_on_where_they_were() {
    disturbed("KILL", 1);
}

#[test]
fn commands_that_are_asked_to_end_go_on_where_they_were() {
    disturbed("TERM", 1);
}

#[test]
fn a_run_inherits_what_the_killed_one_beside_it_was_at() {
    disturbed("KILL", 2);
}
