//! A ledger whose bytes decay: what it says is the truth, or nothing.

use std::fs;

use ccsr_cache::{Access, Claim, Store, StoreError, Value};

use crate::{Place, action, commit, key, keys, outcome};

fn said(number: i64) -> Value {
    Value::map([
        (
            "answer",
            Value::from(format!("yes to question {number}, and no doubt about it")),
        ),
        ("margin", Value::Float(number as f64 / 7.0)),
    ])
}

fn sql(place: &Place, statement: &str) -> usize {
    let ledger = rusqlite::Connection::open(place.root().join("ledger.db")).unwrap();
    ledger.execute(statement, []).unwrap()
}

#[test]
fn an_outcome_that_decayed_is_a_miss_and_can_be_committed_again() {
    let place = Place::new();
    commit(&place.open(), 1, &said(1));
    commit(&place.open(), 2, &said(2));
    let changed = sql(
        &place,
        "UPDATE unit SET outcome = replace(outcome, 'question 1', 'question 9')
         WHERE instr(outcome, 'question 1')",
    );
    assert_eq!(changed, 1);

    let store = place.open();
    assert_eq!(store.lookup(&keys(1..2)).unwrap(), [None]);
    assert_eq!(outcome(&store, 2), Some(said(2)));
    // What is not found can be had.
    assert_eq!(
        store.claim(&keys(1..3)).unwrap(),
        [Claim::Ours, Claim::Done]
    );
    commit(&store, 1, &said(1));
    assert_eq!(outcome(&store, 1), Some(said(1)));
    assert_eq!(store.commits(&key(1)).unwrap(), 1);
}

#[test]
fn an_outcome_that_is_no_json_any_more_is_a_miss() {
    let place = Place::new();
    commit(&place.open(), 1, &said(1));
    assert_eq!(
        sql(
            &place,
            "UPDATE unit SET outcome = '{', kind = x'ff', seconds = 'long'"
        ),
        1
    );
    let store = place.open();
    assert_eq!(store.lookup(&keys(1..2)).unwrap(), [None]);
    assert_eq!(store.input_of(&key(1)).unwrap(), None);
}

#[test]
fn the_first_of_two_outcomes_stands_and_is_told() {
    let place = Place::new();
    let store = place.open();
    let (input, key) = action(1);
    let (first, second) = (said(1), said(2));
    let commit = |outcome| {
        let commit = ccsr_cache::Commit {
            key,
            kind: "test.count",
            revision: 1,
            input: &input,
            outcome,
            seconds: 0.5,
        };
        store.commit(&crate::run(), &[commit]).unwrap()
    };
    assert_eq!(commit(&first), [None]);
    assert_eq!(commit(&first), [None]);
    assert_eq!(commit(&second), [Some(first.clone())]);
    assert_eq!(outcome(&store, 1), Some(first));
}

/// Bytes are flipped anywhere in the file; a lookup gives what was committed, or nothing, or says
/// that the ledger cannot be used.
#[test]
fn flipped_bytes_never_make_another_outcome() {
    const UNITS: i64 = 40;
    let place = Place::new();
    for number in 0..UNITS {
        commit(&place.open(), number, &said(number));
    }
    let good = fs::read(place.root().join("ledger.db")).unwrap();
    let (mut true_ones, mut misses, mut refused) = (0, 0, 0);
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..300 {
        let mut bytes = good.clone();
        for _ in 0..24 {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let at = (dice >> 20) as usize % bytes.len();
            bytes[at] ^= 1 << (dice >> 60 & 7);
        }
        let other = Place::new();
        drop(other.open());
        fs::write(other.root().join("ledger.db"), &bytes).unwrap();
        let found = Store::open(&other.root(), Access::ReadOnly)
            .and_then(|store| store.lookup(&keys(0..UNITS)));
        match found {
            Ok(found) => {
                for (number, stored) in (0..UNITS).zip(found) {
                    match stored {
                        Some(stored) => {
                            assert_eq!(stored.outcome, said(number));
                            true_ones += 1;
                        }
                        None => misses += 1,
                    }
                }
            }
            Err(StoreError::Ledger { .. } | StoreError::Version { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(
        true_ones > 0 && misses > 0 && refused > 0,
        "{true_ones} {misses} {refused}"
    );
}
