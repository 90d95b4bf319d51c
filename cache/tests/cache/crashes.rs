//! `kill -9` at any instant: what was committed stays, with its blobs.

use std::path::Path;
use std::time::Duration;

use ccsr_cache::{Access, Commit, Store, Value};
use proptest::prelude::*;

use crate::{Place, action, child, commit, key, keys, outcome, run};

/// How many actions a child finishes at most.
const MANY: i64 = 20_000;
/// How many actions a child commits together.
const BATCH: i64 = 4;

fn blob(number: i64) -> Vec<u8> {
    number.to_string().repeat(1000).into_bytes()
}

/// Puts and commits batch after batch, beginning where the last one was killed.
pub(crate) fn commit_for_ever(root: &Path) {
    let store = Store::open(root, Access::ReadWrite).unwrap();
    let done = store.lookup(&keys(0..MANY)).unwrap();
    let first = done.iter().take_while(|found| found.is_some()).count() as i64;
    for start in (first..MANY).step_by(BATCH as usize) {
        let numbers = start..start + BATCH;
        let blobs: Vec<Vec<u8>> = numbers.clone().map(blob).collect();
        store.claim(&keys(numbers.clone())).unwrap();
        let digests = store.put_all(&blobs).unwrap();
        let outcomes: Vec<Value> = digests.into_iter().map(Value::from).collect();
        let actions: Vec<_> = numbers.map(action).collect();
        let commits: Vec<Commit<'_>> = actions
            .iter()
            .zip(&outcomes)
            .map(|((input, key), outcome)| Commit {
                key: *key,
                kind: "test.count",
                revision: 1,
                input,
                outcome,
                seconds: 0.1,
            })
            .collect();
        store.commit(&run(), &commits).unwrap();
    }
}

/// Checks all that was committed and returns how much it was.
fn verify(store: &Store) -> i64 {
    let found = store.lookup(&keys(0..MANY)).unwrap();
    let count = found.iter().flatten().count() as i64;
    assert_eq!(count % BATCH, 0, "half a batch was committed");
    for (number, stored) in found.iter().flatten().enumerate() {
        let digest = stored.outcome.as_blob().unwrap();
        assert_eq!(store.read(&digest).unwrap(), blob(number as i64));
        let key = key(number as i64);
        assert_eq!(store.commits(&key).unwrap(), 1);
        assert_eq!(store.producers(&digest).unwrap(), [key]);
    }
    assert_eq!(
        store.claim(&keys(MANY..MANY + 1)).unwrap(),
        [ccsr_cache::Claim::Ours]
    );
    count
}

#[test]
fn a_killed_writer_loses_the_batch_in_flight_at_most() {
    let place = Place::new();
    let mut total = 0;
    for round in 0..12_u64 {
        let mut writer = child::spawn("commit for ever", &place.root());
        // Moments that have nothing to do with each other: early ones meet the opening itself.
        let pause = Duration::from_micros(1000 + 7919 * round * round % 150_000);
        std::thread::sleep(pause);
        writer.kill();
        let count = verify(&place.open());
        assert!(count >= total, "what was committed is gone");
        total = count;
    }
    let mut writer = child::spawn("commit for ever", &place.root());
    let store = place.open();
    while store.lookup(&[key(total + 100)]).unwrap()[0].is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    writer.kill();
    assert!(verify(&store) >= total + 100);
}

/// Leaves the ledger's log behind.
pub(crate) fn commit_and_wait(root: &Path) {
    let store = Store::open(root, Access::ReadWrite).unwrap();
    commit(&store, 1, &Value::from("yes"));
    child::ready_and_wait(root);
}

/// A store whose only writer was killed after it had committed action 1.
pub(crate) fn killed_after_commit() -> Place {
    let place = Place::new();
    let mut writer = child::spawn("commit and wait", &place.root());
    child::await_ready(&place.root());
    writer.kill();
    place
}

#[test]
fn the_log_of_a_killed_writer_counts() {
    let place = killed_after_commit();
    assert!(place.root().join("ledger.db-wal").exists());
    let reader = place.open_read_only();
    assert_eq!(outcome(&reader, 1), Some(Value::from("yes")));
    assert!(
        !place.root().join("ledger.db-wal").exists(),
        "whoever comes next folds it in"
    );
    drop(reader);
    assert_eq!(outcome(&place.open(), 1), Some(Value::from("yes")));
    assert_eq!(
        outcome(&place.open_read_only(), 1),
        Some(Value::from("yes"))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// A power cut may leave any part of what was never synced; a log that ends anywhere is read up to
    /// its last whole transaction.
    #[test]
    fn a_log_that_ends_anywhere_is_no_damage(keep in 0.0..1.0_f64) {
        let place = Place::new();
        let (copy, log) = (Place::new(), "ledger.db-wal");
        let store = place.open();
        (0..5).for_each(|number| commit(&store, number, &Value::Int(number)));
        std::fs::create_dir(copy.root()).unwrap();
        std::fs::copy(place.root().join("ledger.db"), copy.root().join("ledger.db")).unwrap();
        let bytes = std::fs::read(place.root().join(log)).unwrap();
        let kept = (bytes.len() as f64 * keep) as usize;
        std::fs::write(copy.root().join(log), &bytes[..kept]).unwrap();
        let found = copy.open().lookup(&keys(0..5)).unwrap();
        let whole = found.iter().take_while(|found| found.is_some()).count();
        prop_assert!(found[whole..].iter().all(Option::is_none));
    }
}
