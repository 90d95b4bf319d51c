//! No space left. A limit on the size of files stands in for a full disk: it needs no privilege.

use std::path::Path;

use ccsr_cache::{Access, Claim, Digest, Store, StoreError, Value};

use crate::{Place, action, child, commit, entries, key, outcome, run};

pub(crate) fn open_in_no_space(root: &Path) {
    let error = Store::open(root, Access::ReadWrite).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert!(error.to_string().contains("free some space"));
}

#[test]
fn opening_says_that_the_disk_is_full() {
    let place = Place::new();
    // A new store.
    child::spawn_limited("open in no space", &place.root(), 8).join();
    // One that is there, whose log has no room.
    drop(place.open());
    child::spawn_limited("open in no space", &place.root(), 8).join();
    assert_eq!(outcome(&place.open(), 1), None);
    assert!(entries(&place.root().join("tmp")).is_empty());
}

/// Fills objects and ledger until nothing fits any more.
pub(crate) fn fill(root: &Path) {
    let store = Store::open(root, Access::ReadWrite).unwrap();
    let error = store.put_all(&[vec![1; 10], vec![2; 1 << 20]]).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    let mut number = 1;
    let text = Value::from("long ".repeat(10_000));
    let error = loop {
        let (input, key) = action(number);
        store.claim(&[key]).unwrap();
        let commit = ccsr_cache::Commit {
            key,
            kind: "test.count",
            revision: 1,
            input: &input,
            outcome: &text,
            seconds: 0.0,
        };
        match store.commit(&run(), &[commit]) {
            Ok(_) => number += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert!(number > 2);
    assert_eq!(outcome(&store, number - 1), Some(text));
    assert_eq!(outcome(&store, number), None);
}

#[test]
fn a_full_disk_loses_nothing_that_was_committed() {
    let place = Place::new();
    commit(&place.open(), 0, &Value::from("before"));
    child::spawn_limited("fill", &place.root(), 600).join();
    let store = place.open();
    assert_eq!(outcome(&store, 0), Some(Value::from("before")));
    assert!(outcome(&store, 1).is_some());
    assert!(!store.has(&Digest::of(&vec![2; 1 << 20])));
    assert!(entries(&place.root().join("tmp")).is_empty());
    assert_eq!(store.claim(&[key(500)]).unwrap(), [Claim::Ours]);
}
