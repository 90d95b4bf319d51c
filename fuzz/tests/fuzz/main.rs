//! Every target takes its corpus, and thousands of random changes to it: what `run.sh` does with
//! millions, small enough for every test run.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where it stopped"
)]

mod mutation;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use ccsr_fuzz::{TARGETS, Target};
use mutation::Mutator;

/// Changed inputs that each target is given.
const CHANGES: usize = 3_000;

/// The inputs that are kept for a target, by name.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|_| panic!("{} is missing", folder.display()));
    let mut inputs: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    inputs.sort();
    assert!(inputs.len() >= 5, "{target} has next to no corpus");
    inputs
}

/// Gives a target an input; one that makes it panic is kept, and named.
fn give(name: &str, target: Target, input: &[u8], origin: &str) {
    if catch_unwind(|| target(input)).is_err() {
        let kept = std::env::temp_dir().join(format!("ccsr-fuzz-{name}.input"));
        fs::write(&kept, input).unwrap();
        panic!("{name} panics at {origin}; the input is {}", kept.display());
    }
}

fn survives(wanted: &str) {
    let (name, target) = TARGETS
        .into_iter()
        .find(|(name, _)| *name == wanted)
        .unwrap();
    let corpus = corpus(name);
    for (path, input) in &corpus {
        give(name, target, input, &path.display().to_string());
    }
    let inputs: Vec<&[u8]> = corpus.iter().map(|(_, input)| input.as_slice()).collect();
    let mut mutator = Mutator::new(2026);
    for number in 0..CHANGES {
        let input = mutator.changed(&inputs);
        give(name, target, &input, &format!("change {number}"));
    }
}

#[test]
fn the_front_end_takes_anything() {
    survives("front_end");
}

#[test]
fn sweeps_take_anything() {
    survives("sweeps");
}

#[test]
fn table_readers_take_anything() {
    survives("tables");
}

#[test]
fn record_readers_take_anything() {
    survives("records");
}

#[test]
fn checkpoint_readers_take_anything() {
    survives("checkpoints");
}

#[test]
fn the_ledger_takes_rows_that_say_anything() {
    survives("ledger");
}
