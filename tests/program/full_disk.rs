//! A full disk: said plainly, exit code 3, and what was committed stays.

use std::path::Path;
use std::process::Command;

use crate::ledger;
use crate::project::{Outcome, PROGRAM, Project, SELECTION, SMALL, SMALL_UNITS};
use crate::transcript::Transcript;

const FULL: &str = "nothing committed was lost; free some space and run again";

/// Runs the small pipeline while no file may grow beyond so many KiB, which to a program that
/// writes is a full disk.
fn limited(project: &Project, kib: u32) -> Outcome {
    let args = SMALL.join(" ");
    let blocks = kib * 2;
    project.shell(&format!(
        "trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" run {SELECTION} {args} --set stages.answers.batch=50"
    ))
}

#[test]
fn at_whatever_size_the_disk_is_full() {
    let alone = Project::new();
    alone
        .run(["run", SELECTION].into_iter().chain(SMALL))
        .succeeded();
    let mut kept = Vec::new();
    // From no room for a version number to room for most of the work.
    for kib in [
        0, 1, 4, 16, 40, 50, 64, 80, 100, 150, 250, 400, 600, 900, 1_300,
    ] {
        let project = Project::new();
        let outcome = limited(&project, kib);
        assert_eq!(outcome.code, 3, "{kib} KiB: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains("no space left for"),
            "{kib} KiB: {}",
            outcome.stderr
        );
        assert!(
            outcome.stderr.contains(FULL),
            "{kib} KiB: {}",
            outcome.stderr
        );
        let ledger = project.path(".ccsr/ledger.db");
        let committed = ledger.exists().then(|| ledger::units(&project).count);
        let committed = committed.unwrap_or(0);
        kept.push(committed);
        if kib % 100 == 50 {
            let resumed = project.summary([SELECTION].into_iter().chain(SMALL));
            assert_eq!(resumed.executed(), SMALL_UNITS - committed, "{kib} KiB");
            assert_eq!(ledger::units(&project).most_commits, 1);
            assert!(
                project.files("pipelines/out") == alone.files("pipelines/out"),
                "{kib} KiB"
            );
        }
    }
    println!("units committed before the disk was full: {kept:?}");
    assert!(kept.first() == Some(&0), "{kept:?}");
    assert!(
        kept.iter().any(|units| (1..SMALL_UNITS).contains(units)),
        "{kept:?}"
    );
}

#[test]
fn what_is_said() {
    let project = Project::new();
    let mut transcript = Transcript::new();
    let outcome = limited(&project, 16);
    transcript.told(
        &project,
        "ulimit -f 32; ccsr-flow run pipelines/selection.yaml",
        &outcome,
    );
    transcript.matches("full-disk");
}

/// A file system of its own, unmounted when it is dropped.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    /// `None` where mounting is not permitted.
    fn new(place: &'a Path, kib: u32) -> Option<Self> {
        std::fs::create_dir_all(place).unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs"])
            .arg(place);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(Self(place))
    }

    fn grow(&self, kib: u32) {
        let size = format!("remount,size={kib}k");
        let status = Command::new("mount")
            .args(["-o", &size])
            .arg(self.0)
            .status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn a_file_system_without_room() {
    let project = Project::new();
    let place = project.path("small-disk");
    let Some(disk) = Mounted::new(&place, 1_100) else {
        println!("left out: mounting is not permitted here");
        return;
    };
    let run = || {
        let mut command = Command::new(PROGRAM);
        command
            .args(["--cache", "small-disk/cache", "run", "--json", SELECTION])
            .args(SMALL);
        Outcome::of(&command.current_dir(project.root()).output().unwrap())
    };
    let full = run();
    full.ends_with(3).says("no space left for").says(FULL);
    // Still full: still nothing lost, nothing gained.
    run().ends_with(3).says(FULL);
    disk.grow(64 * 1024);
    let summary = run().succeeded().summary();
    assert_eq!(summary.executed() + summary.reused(), SMALL_UNITS);
    assert!(summary.reused() > 0, "what was committed is used");
}
