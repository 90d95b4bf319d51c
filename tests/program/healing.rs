//! Objects that were damaged or deleted: whoever needs one makes it again, and only that.

use std::fs;
use std::path::PathBuf;

use crate::project::{Project, SELECTION, SMALL, SMALL_UNITS};
use crate::{ledger, warm};

fn args() -> impl Iterator<Item = &'static str> {
    [SELECTION].into_iter().chain(SMALL).chain(warm::NO_EXPORTS)
}

fn object(project: &Project, digest: &str) -> PathBuf {
    project.path(&format!(".ccsr/objects/{}/{}", &digest[..2], &digest[2..]))
}

/// Puts other bytes in an object's place. The object itself may be shared with other tests.
fn damage(project: &Project, digest: &str) {
    let path = object(project, digest);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(path, bytes).unwrap();
}

fn delete(project: &Project, digest: &str) {
    fs::remove_file(object(project, digest)).unwrap();
}

const SHEETS: [&str; 2] = ["--set", "stages.sheets.outputs=sheets"];

/// The contact sheets read every image.
fn heals(spoil: fn(&Project, &str), lost: usize) {
    let whole = warm::small();
    whole.summary(args().chain(SHEETS));
    let expected = whole.files("sheets");
    assert_eq!(expected.len(), 20);

    let project = warm::small();
    let images = ledger::blobs(&project, "image.generate");
    assert_eq!(images.len(), 80);
    for digest in images.iter().take(lost) {
        spoil(&project, digest);
    }
    // Nobody reads them, nobody misses them.
    assert!(project.summary(args()).all_unchanged());

    let outcome = project.run(["run", "--json"].into_iter().chain(args()).chain(SHEETS));
    outcome.succeeded().says("the cache lost ");
    assert_eq!(
        outcome.summary().executed(),
        lost as u64,
        "what was lost, and nothing else"
    );
    assert!(
        project.files("sheets") == expected,
        "the sheets are not what they should be"
    );
    assert!(
        images
            .iter()
            .all(|digest| object(&project, digest).exists())
    );
    assert_eq!(ledger::units(&project).count, SMALL_UNITS);
    assert!(project.summary(args().chain(SHEETS)).all_unchanged());
}

#[test]
fn a_damaged_object_is_made_again() {
    heals(damage, 1);
}

#[test]
fn a_deleted_object_is_made_again() {
    heals(delete, 1);
}

#[test]
fn many_lost_objects_are_made_again_in_one_go() {
    heals(delete, 30);
}

#[test]
fn many_damaged_objects_are_made_again() {
    heals(damage, 12);
}

#[test]
fn a_later_change_reads_what_was_lost() {
    let project = warm::small();
    let images = ledger::blobs(&project, "image.generate");
    for digest in &images[..3] {
        delete(&project, digest);
    }
    damage(&project, &images[3]);
    project.edit(
        "pipelines/questions/paper.yaml",
        "Look at light, shadows and reflections.",
        "Look at the light and at what throws shadows.",
    );
    let whole = warm::small();
    whole.write(
        "pipelines/questions/paper.yaml",
        project.read("pipelines/questions/paper.yaml"),
    );
    whole.summary(args());
    let summary = project.summary(args());
    // The simulated judge may not look at pixels; what is computed is the question and what it needs.
    assert_eq!(summary.of("answers"), 80);
    assert!(summary.of("images") <= 4);
    for stage in ["answers", "scores", "pairs", "truth"] {
        assert_eq!(
            project.table(stage, args()),
            whole.table(stage, args()),
            "{stage}"
        );
    }
}

#[test]
fn lost_tables_are_collected_again() {
    let project = warm::small();
    let before: Vec<_> = ["scores", "pairs"]
        .map(|stage| project.table(stage, args()))
        .into();
    // Every object that no unit made is a table.
    let mut tables = 0;
    let made: Vec<_> = ["image.generate", "image.judge", "image.detect"]
        .iter()
        .flat_map(|kind| ledger::blobs(&project, kind))
        .collect();
    for name in project.files(".ccsr/objects").keys() {
        let digest: String = name
            .iter()
            .rev()
            .take(2)
            .collect::<PathBuf>()
            .iter()
            .rev()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        if !made.contains(&digest) {
            delete(&project, &digest);
            tables += 1;
        }
    }
    assert!(tables >= 9, "{tables}");
    let summary = project.summary(args().chain(["--set", "stages.pairs.with.min_confidence=0.5"]));
    assert_eq!(summary.executed(), 0, "units are all there");
    let after: Vec<_> = ["scores", "pairs"]
        .map(|stage| project.table(stage, args()))
        .into();
    assert_eq!(after[0], before[0]);
    assert!(project.summary(args()).executed() == 0);
    assert_eq!(project.table("pairs", args()), before[1]);
}
