//! Projects in which the paper's pipeline has run already, to be copied by tests.
//!
//! The runs take a while, so each is done once a build of the program and kept in cargo's folder for
//! such things. A copy has other absolute paths: its exports are written again when asked for.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::project::{Outcome, PIPELINES, PROGRAM, Project, SELECTION, SMALL, Summary, copy, walk};

/// Exports are not what a test is about: they are left out.
pub(crate) const NO_EXPORTS: [&str; 8] = [
    "--set",
    "stages.pairs.outputs=null",
    "--set",
    "stages.sheets.outputs=null",
    "--set",
    "stages.dataset.outputs=null",
    "--set",
    "stages.truth.outputs=null",
];

/// A copy of the project in which the pipeline has run at the paper's size.
pub(crate) fn project() -> Project {
    copied(&kept("paper", &[]))
}

/// A copy of the project in which the [`SMALL`] pipeline has run.
pub(crate) fn small() -> Project {
    copied(&kept("small", &SMALL))
}

/// What the first run at the paper's size, from nothing, ended with.
pub(crate) fn first_run() -> Summary {
    let stdout = fs::read_to_string(kept("paper", &[]).join("first/stdout")).unwrap();
    let (stderr, code) = (String::new(), 0);
    Outcome {
        stdout,
        stderr,
        code,
    }
    .summary()
}

fn copied(kept: &Path) -> Project {
    let project = Project::copy_of(kept);
    let _ = fs::remove_dir_all(project.path("first"));
    project
}

fn kept(name: &str, args: &[&'static str]) -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("warm");
    let build = home.join(format!("{:016x}", identity()));
    let place = build.join(name);
    fs::create_dir_all(&home).unwrap();
    // Tests beside this one, in this process or another, wait for each other.
    let lock = File::create(home.join("lock")).unwrap();
    lock.lock().unwrap();
    if !build.is_dir() {
        for old in fs::read_dir(&home).unwrap() {
            let _ = fs::remove_dir_all(old.unwrap().path());
        }
    }
    if !place.is_dir() {
        make(&place, args);
    }
    place
}

fn make(place: &Path, args: &[&'static str]) {
    let project = Project::new();
    let args = ["run", SELECTION, "--json"]
        .into_iter()
        .chain(args.iter().copied());
    let outcome = project.run(args);
    outcome.succeeded();
    project.write("first/stdout", &outcome.stdout);
    // Under its name it is complete.
    let unfinished = place.with_extension("part");
    let _ = fs::remove_dir_all(&unfinished);
    copy(project.root(), &unfinished);
    fs::rename(unfinished, place).unwrap();
}

/// The program and the pipelines that the kept projects come from.
fn identity() -> u64 {
    let mut hasher = DefaultHasher::new();
    let program = fs::metadata(PROGRAM).unwrap();
    (program.len(), program.modified().unwrap()).hash(&mut hasher);
    walk(Path::new(PIPELINES), &mut |path| {
        if !path.starts_with(Path::new(PIPELINES).join("out")) {
            (path, fs::read(path).unwrap()).hash(&mut hasher);
        }
    });
    hasher.finish()
}
