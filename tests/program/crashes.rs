//! kill -9 at any moment: run again, and what comes out is what an uninterrupted run computes, with
//! no committed unit computed twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::ledger::{self, Units};
use crate::project::{Project, SELECTION, SMALL, SMALL_UNITS};

/// Kills that must have hit a run at work.
const KILLS: usize = 50;

/// What a finished run leaves: every stage's table, and every exported file.
struct Left {
    tables: BTreeMap<&'static str, String>,
    exports: BTreeMap<PathBuf, Vec<u8>>,
}

const TABLES: [&str; 10] = [
    "prompts",
    "images",
    "answers",
    "scores",
    "detections",
    "pairs",
    "pairs.rejected",
    "sheets",
    "dataset",
    "truth",
];

/// The stage after which only exports are left.
const LAST: &str = "truth";

/// A small pipeline in small batches, so that there are many moments to be killed at.
fn args() -> Vec<&'static str> {
    let batches = [
        "--set",
        "stages.images.batch=7",
        "--set",
        "stages.answers.batch=60",
        "--set",
        "stages.detections.batch=9",
    ];
    [SELECTION]
        .into_iter()
        .chain(SMALL)
        .chain(batches)
        .collect()
}

fn left(project: &Project) -> Left {
    let table = |stage| (stage, project.table(stage, args()));
    Left {
        tables: TABLES.into_iter().map(table).collect(),
        exports: project.files("pipelines/out"),
    }
}

impl Left {
    /// The tables and files in which two runs differ.
    fn differences(&self, other: &Self) -> Vec<String> {
        let tables = self
            .tables
            .iter()
            .filter(|(name, table)| other.tables[*name] != **table);
        let names: BTreeSet<&PathBuf> = self.exports.keys().chain(other.exports.keys()).collect();
        let files = names
            .into_iter()
            .filter(|name| self.exports.get(*name) != other.exports.get(*name));
        let files = files.map(|name| name.display().to_string());
        tables
            .map(|(name, _)| (*name).to_owned())
            .chain(files)
            .collect()
    }
}

/// Numbers that are the same in every run of the test (Knuth's linear congruence).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[test]
fn killed_at_fifty_moments_nothing_is_lost_and_nothing_is_done_twice() {
    let reference = Project::new();
    let mut running = reference.start(args());
    let mut events = 0;
    while running.event().is_some() {
        events += 1;
    }
    assert_eq!(running.end().0, 0);
    let expected = left(&reference);
    assert!(events > 30, "{events} moments are too few to choose from");

    let mut dice = Dice::new(2026);
    let (mut kills, mut projects) = (0, 0);
    while kills < KILLS {
        let project = Project::new();
        projects += 1;
        // An unlucky project is killed again and again before it gets anywhere.
        while kills < KILLS && !killed(&project, &mut dice, events, &mut kills) {}
        let resumed = project.summary(args());
        assert_eq!(resumed.executed() + resumed.reused(), SMALL_UNITS);
        let differences = left(&project).differences(&expected);
        assert!(
            differences.is_empty(),
            "project {projects}, after {kills} kills: {differences:?}"
        );
        let units = Units {
            count: SMALL_UNITS,
            most_commits: 1,
        };
        assert_eq!(ledger::units(&project), units, "project {projects}");
    }
    println!("{kills} kills hit a run at work, in {projects} projects");
    assert!(projects > 3, "the kills came too early to get anywhere");
}

/// Lets a run get as far as a random event and a little further, and kills it. The answer: whether
/// it came to its end before.
fn killed(project: &Project, dice: &mut Dice, events: u64, kills: &mut usize) -> bool {
    let mut running = project.start(args());
    // Exports take their time and tell little: one in five dies there.
    let exporting = dice.below(5) == 0;
    let (last, spread) = if exporting {
        (u64::MAX, 400_000)
    } else {
        (dice.below(events), 25_000)
    };
    for _ in 0..last {
        let Some(event) = running.event() else {
            assert_eq!(running.end().0, 0);
            return true;
        };
        if exporting
            && event["stage"] == LAST
            && (event["event"] == "stage_finished" || event["event"] == "stage_unchanged")
        {
            break;
        }
    }
    // Into a batch, a commit, a file that is being written: no event says when.
    let moment = Instant::now() + Duration::from_micros(dice.below(spread));
    while Instant::now() < moment {
        std::hint::spin_loop();
    }
    let hit = running.kill();
    *kills += usize::from(hit);
    !hit
}
