//! Outcomes, against a model of what they should be.

use std::collections::BTreeMap;

use ccsr_cache::{Access, Digest, Store, Value};
use proptest::prelude::*;

use crate::{Place, action, commit, key, keys, outcome, run};

#[test]
fn an_outcome_is_found_with_all_that_belongs_to_it() {
    let place = Place::new();
    let blob = Digest::of(b"pixels");
    let value = Value::map([
        ("image", Value::from(blob)),
        ("score", Value::Float(f64::NAN)),
        ("again", Value::list([blob.into()])),
    ]);
    commit(&place.open(), 1, &value);

    let store = place.open();
    let found = store.lookup(&keys(0..2)).unwrap();
    assert_eq!(found[0], None);
    let stored = found[1].as_ref().unwrap();
    assert_eq!(stored.outcome, value);
    assert_eq!((stored.seconds, &*stored.run), (0.5, run().as_str()));
    let (input, key) = action(1);
    assert_eq!(
        store.input_of(&key).unwrap(),
        Some(("test.count".to_owned(), 1, input))
    );
    assert_eq!(store.input_of(&action(0).1).unwrap(), None);
    assert_eq!(store.producers(&blob).unwrap(), [key]);
    assert_eq!(store.producers(&Digest::of(b"noise")).unwrap(), []);
}

#[test]
fn values_may_nest_as_deep_as_the_format_says() {
    let place = Place::new();
    let store = place.open();
    let blob = Value::from(Digest::of(b"pixels"));
    let deep = (0..126).fold(blob, |value, _| Value::list([value]));
    commit(&store, 1, &deep);
    assert_eq!(outcome(&store, 1), Some(deep));
}

#[test]
fn a_cost_that_is_no_number_is_none() {
    let place = Place::new();
    let store = place.open();
    let (input, key) = action(1);
    let commit = ccsr_cache::Commit {
        key,
        kind: "test.count",
        revision: 1,
        input: &input,
        outcome: &Value::Null,
        seconds: f64::NAN,
    };
    store.commit(&run(), &[commit]).unwrap();
    let stored = store.lookup(&[key]).unwrap().remove(0).unwrap();
    assert_eq!(stored.seconds.to_bits(), 0);
}

#[test]
fn other_stores_see_a_commit_at_once() {
    let place = Place::new();
    let (one, other) = (place.open(), place.open());
    assert_eq!(outcome(&other, 1), None);
    commit(&one, 1, &Value::Int(1));
    assert_eq!(outcome(&other, 1), Some(Value::Int(1)));
}

#[test]
fn threads_share_a_store() {
    let place = Place::new();
    let store = place.open();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for number in thread * 10..thread * 10 + 10 {
                    commit(store, number, &Value::Int(number));
                    assert_eq!(outcome(store, number), Some(Value::Int(number)));
                }
            });
        }
    });
    assert!(
        store
            .lookup(&keys(0..40))
            .unwrap()
            .iter()
            .all(Option::is_some)
    );
}

#[derive(Debug, Clone)]
enum Step {
    Commit(i64, i64),
    Invalidate(i64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5_i64, 0..4_i64).prop_map(|(number, blob)| Step::Commit(number, blob)),
        2 => (0..5_i64).prop_map(Step::Invalidate),
        1 => Just(Step::Reopen),
    ]
}

/// What a unit should be: the blob of its outcome, whether that counts, how often it was committed.
type Model = BTreeMap<i64, (i64, bool, u64)>;

fn digest(blob: i64) -> Digest {
    Digest::of(&blob.to_le_bytes())
}

fn apply(place: &Place, store: &mut Store, model: &mut Model, step: &Step) {
    match *step {
        Step::Commit(number, blob) => {
            commit(store, number, &digest(blob).into());
            model
                .entry(number)
                .and_modify(|unit| match unit {
                    (_, true, commits) => *commits += 1,
                    (old, valid, _) => (*old, *valid) = (blob, true),
                })
                .or_insert((blob, true, 1));
        }
        Step::Invalidate(number) => {
            store.invalidate(&[key(number)]).unwrap();
            if let Some(unit) = model.get_mut(&number) {
                unit.1 = false;
            }
        }
        Step::Reopen => *store = Store::open(&place.root(), Access::ReadWrite).unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_first_outcome_stays_until_it_is_invalidated(steps in proptest::collection::vec(step(), 1..30)) {
        let place = Place::new();
        let mut store = place.open();
        let mut model = Model::new();
        for step in &steps {
            apply(&place, &mut store, &mut model, step);
        }
        for number in 0..5 {
            let counting = model.get(&number).filter(|unit| unit.1);
            let expected = counting.map(|unit| Value::from(digest(unit.0)));
            prop_assert_eq!(outcome(&store, number), expected);
            let commits = store.commits(&key(number)).unwrap();
            prop_assert_eq!(commits, counting.map_or(0, |unit| unit.2));
        }
        for blob in 0..4 {
            let mut producers = store.producers(&digest(blob)).unwrap();
            producers.sort_unstable();
            let mut expected: Vec<_> = model
                .iter()
                .filter(|(_, unit)| unit.0 == blob)
                .map(|(number, _)| key(*number))
                .collect();
            expected.sort_unstable();
            prop_assert_eq!(producers, expected);
        }
    }
}
