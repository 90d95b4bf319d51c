//! The store as its users meet it: what is promised, who may interrupt it, and what may be broken.

#![expect(
    clippy::unwrap_used,
    reason = "a test that fails may say so with a panic"
)]

mod child;
mod crashes;
mod decay;
mod exports_and_runs;
mod files;
mod fixture;
mod gc;
mod inspect;
mod leases;
mod objects;
mod opening;
mod outcomes;
mod pins;
mod read_only;
mod space;
mod stages;
mod transfer;
mod verify;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ccsr_cache::{Access, ActionKey, Commit, RunId, Store, Value};
use tempfile::TempDir;

/// A folder for one test, with the place of a store in it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn root(&self) -> PathBuf {
        self.path(".ccsr")
    }

    fn open(&self) -> Store {
        Store::open(&self.root(), Access::ReadWrite).unwrap()
    }

    fn open_read_only(&self) -> Store {
        Store::open(&self.root(), Access::ReadOnly).unwrap()
    }
}

/// The input of the `number`th action, and its key.
fn action(number: i64) -> (Value, ActionKey) {
    let input = Value::map([("number", Value::Int(number))]);
    let key = ActionKey::of("test.count", 1, &input);
    (input, key)
}

fn key(number: i64) -> ActionKey {
    action(number).1
}

fn keys(numbers: std::ops::Range<i64>) -> Vec<ActionKey> {
    numbers.map(key).collect()
}

fn run() -> RunId {
    "20261123-081512-4f2a9c".parse().unwrap()
}

/// Commits `outcome` for the `number`th action.
fn commit(store: &Store, number: i64, outcome: &Value) {
    let (input, key) = action(number);
    let commit = Commit {
        key,
        kind: "test.count",
        revision: 1,
        input: &input,
        outcome,
        seconds: 0.5,
    };
    store.commit(&run(), &[commit]).unwrap();
}

/// The outcome of the `number`th action.
fn outcome(store: &Store, number: i64) -> Option<Value> {
    let found = store.lookup(&[key(number)]).unwrap().remove(0);
    found.map(|stored| stored.outcome)
}

/// Everything below a folder: size, inode and modification time of each entry.
fn listing(folder: &Path) -> BTreeMap<PathBuf, (u64, u64, i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in std::iter::once(folder.clone()).chain(entries(&folder)) {
            let metadata = std::fs::symlink_metadata(&path).unwrap();
            let look = (
                metadata.len(),
                metadata.ino(),
                metadata.mtime(),
                metadata.mtime_nsec(),
            );
            let known = found.insert(path.clone(), look).is_some();
            if metadata.is_dir() && path != folder && !known {
                folders.push(path);
            }
        }
    }
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

/// The seal of a row, as README.md says it is made.
fn seal(parts: &[&[u8]]) -> [u8; 8] {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(*part);
    }
    let digest = ccsr_cache::Digest::of(&bytes);
    std::array::from_fn(|index| digest.as_bytes()[index])
}
