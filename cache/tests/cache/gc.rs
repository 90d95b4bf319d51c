//! Garbage collection: what stays, what goes, and that nobody is harmed by it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::time::Duration;

use ccsr_cache::{
    Access, Collection, Commit, Digest, Keep, RunId, StageKey, StageMemo, Store, StoreError, Tally,
    Value,
};

use crate::{Place, action, child, key, keys};

fn run(number: u64) -> RunId {
    format!("202611{:02}-081512-4f2a9c", number + 1)
        .parse()
        .unwrap()
}

/// A blob of this many bytes, unlike any other.
fn bytes(number: i64, size: usize) -> Vec<u8> {
    let mut bytes = number.to_string().into_bytes();
    bytes.resize(size, b' ');
    bytes
}

/// Commits the `number`th action: it made `made` from `from`, and took so long.
fn make(store: &Store, by: u64, number: i64, from: Option<Digest>, made: &[Digest], seconds: f64) {
    let (_, count) = action(number);
    let from = from.map_or(Value::Null, Value::from);
    let input = Value::map([("number", Value::Int(number)), ("from", from)]);
    let key = ccsr_cache::ActionKey::of("test.make", 1, &input);
    assert_ne!(key, count);
    let outcome = Value::list(made.iter().copied().map(Value::from));
    let commit = Commit {
        key,
        kind: "test.make",
        revision: 1,
        input: &input,
        outcome: &outcome,
        seconds,
    };
    store.commit(&run(by), &[commit]).unwrap();
}

fn units(store: &Store) -> u64 {
    store.stat(&Keep::default()).unwrap().outcomes.count
}

/// Other tests of this process start children, which hold its locks, too, until they have become their programs.
fn alone(place: &Place) -> Store {
    for _ in 0..1000 {
        match Store::open(&place.root(), Access::Alone) {
            Err(StoreError::InUse { .. }) => std::thread::sleep(Duration::from_millis(10)),
            opened => return opened.unwrap(),
        }
    }
    panic!("the store is in use for ten seconds");
}

#[track_caller]
fn collect(place: &Place, keep: &Keep, budget: Option<u64>) -> Collection {
    let store = alone(place);
    let decided = store.collection(keep, budget).unwrap();
    let before = store.stat(keep).unwrap();
    let freed = store.collect(&decided).unwrap();
    assert_eq!(freed.objects, decided.objects);
    let after = store.stat(keep).unwrap();
    assert_eq!(
        before.objects.count - freed.objects.count,
        after.objects.count
    );
    assert_eq!(
        before.objects.bytes - freed.objects.bytes,
        after.objects.bytes
    );
    assert_eq!(after.reached, before.reached, "what is kept stays");
    decided
}

fn roots(blobs: &[Digest]) -> Keep {
    Keep {
        roots: blobs.iter().copied().collect(),
        ..Keep::default()
    }
}

#[test]
fn what_is_kept_leads_to_what_it_was_made_from() {
    let place = Place::new();
    let store = place.open();
    let put = |number| store.put(&bytes(number, 100)).unwrap();
    // A chain of checkpoints, each made from the one before, by an earlier run.
    let chain: Vec<Digest> = (0..4).map(put).collect();
    make(&store, 0, 0, None, &[chain[0]], 1.0);
    for number in 1..4 {
        make(
            &store,
            0,
            number as i64,
            Some(chain[number - 1]),
            &[chain[number]],
            1.0,
        );
    }
    // An image of the last one and what was made together with it; and something else.
    let (image, twin, other, orphan) = (put(10), put(11), put(12), put(13));
    make(&store, 1, 10, Some(chain[3]), &[image, twin], 1.0);
    make(&store, 0, 12, None, &[other], 1.0);
    drop(store);

    let decided = collect(&place, &roots(&[image]), None);
    assert_eq!(
        decided.reached,
        Tally {
            count: 6,
            bytes: 600
        }
    );
    assert_eq!(
        decided.objects,
        Tally {
            count: 2,
            bytes: 200
        }
    );
    assert_eq!((decided.seconds, decided.outcomes.count), (1.0, 0));
    let store = place.open();
    assert!(
        chain
            .iter()
            .chain([&image, &twin])
            .all(|blob| store.has(blob))
    );
    assert!(!store.has(&other) && !store.has(&orphan));
    // Outcomes outlive their blobs.
    assert_eq!(units(&store), 6);
}

#[test]
fn what_a_kept_run_computed_stays_without_a_table_of_it() {
    let place = Place::new();
    let store = place.open();
    let blobs: Vec<Digest> = (0..4)
        .map(|number| store.put(&bytes(number, 10)).unwrap())
        .collect();
    for (by, blob) in blobs.iter().enumerate() {
        make(&store, by as u64, by as i64, None, &[*blob], 1.0);
    }
    drop(store);
    // Run 1 has a record, runs 2 and 3 were killed, run 0 is long gone.
    let keep = Keep {
        runs: BTreeSet::from([run(1)]),
        unrecorded_since: Some(run(2)),
        forget: BTreeSet::from([run(3)]),
        ..Keep::default()
    };
    assert!(!keep.keeps("") && !keep.keeps("no run"));
    collect(&place, &keep, None);
    let store = place.open();
    let has: Vec<bool> = blobs.iter().map(|blob| store.has(blob)).collect();
    assert_eq!(has, [false, true, true, false]);
}

#[test]
fn a_budget_keeps_what_is_dearest_a_byte() {
    let place = Place::new();
    let store = place.open();
    let put = |number, size| store.put(&bytes(number, size)).unwrap();
    // Cheap, dear, large and dear, cheap but named by many.
    let cheap = put(0, 10_000);
    let dear = put(1, 10_000);
    let large = put(2, 100_000);
    let shared = put(3, 10_000);
    let orphan = put(4, 10_000);
    make(&store, 0, 0, None, &[cheap], 1.0);
    make(&store, 0, 1, None, &[dear], 50.0);
    make(&store, 0, 2, None, &[large], 60.0);
    for number in 10..20 {
        make(&store, 0, number, None, &[shared], 1.0);
    }
    drop(store);
    let ledger = {
        let store = alone(&place);
        store.stat(&Keep::default()).unwrap().ledger
    };
    let left = |budget: u64| {
        let copy = Place::new();
        copy_store(&place, &copy);
        let decided = collect(&copy, &Keep::default(), Some(ledger + budget));
        assert_eq!(decided.over, 0);
        let store = copy.open();
        assert_eq!(units(&store), 13, "rows are dearer than blobs");
        [dear, shared, large, cheap, orphan].map(|blob| store.has(&blob))
    };
    assert_eq!(left(150_000), [true; 5]);
    assert_eq!(left(139_000), [true, true, true, true, false]);
    assert_eq!(left(119_000), [true, true, false, true, true]);
    assert_eq!(left(35_000), [true, true, false, true, false]);
    assert_eq!(left(25_000), [true, true, false, false, false]);
    assert_eq!(left(15_000), [true, false, false, false, false]);
    assert_eq!(left(1000), [false; 5]);
    // Below the ledger's size outcomes go, too, and the ledger shrinks.
    let decided = collect(&place, &Keep::default(), Some(0));
    assert_eq!(decided.outcomes.count, 13);
    assert!(decided.over > 0);
    let store = place.open();
    assert_eq!(units(&store), 0);
    assert_eq!(store.producers(&shared).unwrap(), []);
}

fn copy_store(from: &Place, to: &Place) {
    crate::fixture::copy(&from.root(), &to.root());
}

#[test]
fn outcomes_go_when_the_budget_asks_for_it_and_the_ledger_shrinks() {
    let place = Place::new();
    let store = place.open();
    let outcome = Value::from("x".repeat(400));
    let actions: Vec<_> = (0..3000).map(action).collect();
    let commits = actions.iter().map(|(input, key)| Commit {
        key: *key,
        kind: "test.count",
        revision: 1,
        input,
        outcome: &outcome,
        seconds: 1.0,
    });
    store.commit(&run(0), &commits.collect::<Vec<_>>()).unwrap();
    drop(store);
    let store = alone(&place);
    let before = store.stat(&Keep::default()).unwrap().ledger;
    let decided = store
        .collection(&Keep::default(), Some(before / 3))
        .unwrap();
    assert!(
        decided.outcomes.count > 1500 && decided.outcomes.count < 2900,
        "{decided:?}"
    );
    let freed = store.collect(&decided).unwrap();
    assert!(freed.ledger > before / 2, "{freed:?} of {before}");
    assert_eq!(units(&store), 3000 - decided.outcomes.count);
    // The same again finds nothing to do.
    let again = store
        .collection(&Keep::default(), Some(before / 3))
        .unwrap();
    assert!(again.outcomes.count < 300, "{again:?}");
}

#[test]
fn memos_go_with_their_tables_unless_a_name_means_them() {
    let place = Place::new();
    let store = place.open();
    let tables: Vec<Digest> = (0..3)
        .map(|number| store.put(&bytes(number, 10)).unwrap())
        .collect();
    let stage = |number: usize| StageKey::of(&Value::Int(number as i64));
    for (number, table) in tables.iter().enumerate() {
        let memo = StageMemo {
            outputs: BTreeMap::from([("rows".to_owned(), *table)]),
            rows: BTreeMap::new(),
            units: 1,
            seconds: 1.0,
            explanation: Value::Int(number as i64),
            run: run(0).to_string(),
        };
        store
            .record_stage(&stage(number), "elephant", "images", &memo)
            .unwrap();
    }
    drop(store);
    let decided = collect(&place, &roots(&[tables[1]]), None);
    assert_eq!(decided.stages, 1);
    let store = place.open();
    assert!(store.stage(&stage(0)).unwrap().is_none());
    assert!(store.stage(&stage(1)).unwrap().is_some());
    let (latest, _) = store.latest_stage("elephant", "images").unwrap().unwrap();
    assert_eq!(latest, stage(2), "changes are explained by it");
}

#[test]
fn records_leftovers_and_dead_leases_go() {
    let place = Place::new();
    let store = place.open();
    for number in 0..3 {
        store.write_run(&run(number), b"{}").unwrap();
    }
    std::fs::write(store.temporary(), [0; 1000]).unwrap();
    child::spawn("claim and wait", &place.root()).kill();
    drop(store);
    let keep = Keep {
        forget: BTreeSet::from([run(0), run(1)]),
        ..Keep::default()
    };
    let store = alone(&place);
    assert_eq!(
        store.stat(&keep).unwrap().temporary,
        Tally {
            count: 1,
            bytes: 1000
        }
    );
    let decided = store.collection(&keep, None).unwrap();
    let freed = store.collect(&decided).unwrap();
    assert_eq!(
        freed.temporary,
        Tally {
            count: 1,
            bytes: 1000
        }
    );
    assert_eq!(store.runs().unwrap(), [run(2)]);
    assert!(crate::entries(&place.root().join("tmp")).is_empty());
}

#[test]
fn nobody_else_may_use_the_store_meanwhile() {
    let place = Place::new();
    let (one, two) = (place.open(), place.open());
    let refused = || Store::open(&place.root(), Access::Alone).unwrap_err();
    assert!(matches!(refused(), StoreError::InUse { .. }));
    drop(one);
    assert!(matches!(refused(), StoreError::InUse { .. }));
    let decided = two.collection(&Keep::default(), None).unwrap();
    assert!(matches!(
        two.collect(&decided),
        Err(StoreError::InUse { .. })
    ));
    drop(two);
    let alone = alone(&place);
    // Whoever only looks is not kept from it; whoever writes waits.
    place.open_read_only().stat(&Keep::default()).unwrap();
    let root = place.root();
    let writer = std::thread::spawn(move || drop(Store::open(&root, Access::ReadWrite).unwrap()));
    std::thread::sleep(Duration::from_millis(100));
    assert!(!writer.is_finished());
    drop(alone);
    writer.join().unwrap();
}

/// How many rounds of work the killed collector finds.
const ROUNDS: i64 = 400;

/// Collects with one budget after the other, until it is killed.
pub(crate) fn collect_for_ever(root: &Path) {
    for round in 0.. {
        let store = loop {
            match Store::open(root, Access::Alone) {
                Ok(store) => break store,
                Err(StoreError::InUse { .. }) => std::thread::sleep(Duration::from_millis(1)),
                Err(error) => panic!("{error}"),
            }
        };
        let keep = Keep::default();
        let now = store.stat(&keep).unwrap();
        let budget = (now.ledger + now.objects.bytes) * (9 - round % 3) / 10;
        let decided = store.collection(&keep, Some(budget)).unwrap();
        store.collect(&decided).unwrap();
        if units(&store) == 0 {
            child::ready_and_wait(root);
        }
    }
}

#[test]
fn a_killed_collection_leaves_a_sound_store() {
    let place = Place::new();
    let store = place.open();
    let blobs: Vec<Vec<u8>> = (0..ROUNDS).map(|number| bytes(number, 3000)).collect();
    let digests = store.put_all(&blobs).unwrap();
    for (number, digest) in (0..).zip(&digests) {
        make(&store, 0, number, None, &[*digest], 1.0 + number as f64);
    }
    drop(store);
    let mut dice = 7_u64;
    for _ in 0..12 {
        let mut process = child::spawn("collect for ever", &place.root());
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_millis(20 + (dice >> 33) % 60));
        process.kill();
        let verdict =
            ccsr_cache::verify(&place.root(), ccsr_cache::Repair::No, &|_, _| ()).unwrap();
        assert!(verdict.is_clean(), "{verdict:?}");
        // What was killed does not keep others out.
        let store = alone(&place);
        let named: HashSet<Digest> = digests
            .iter()
            .copied()
            .filter(|blob| !store.producers(blob).unwrap().is_empty())
            .collect();
        assert_eq!(named.len() as u64, units(&store));
    }
}

#[test]
fn statistics_say_what_there_is() {
    let place = Place::new();
    assert_eq!(
        place
            .open_read_only()
            .stat(&Keep::default())
            .unwrap()
            .objects,
        Tally::default()
    );
    let store = place.open();
    let (a, b) = (
        store.put(&bytes(0, 100)).unwrap(),
        store.put(&bytes(1, 50)).unwrap(),
    );
    make(&store, 0, 0, None, &[a], 3.0);
    make(&store, 0, 1, None, &[a], 2.0);
    crate::commit(&store, 5, &Value::Null);
    crate::commit(&store, 6, &Value::Null);
    store.invalidate(&[key(6)]).unwrap();
    std::fs::write(place.root().join("objects/README"), "no object").unwrap();
    let stat = place.open_read_only().stat(&roots(&[b])).unwrap();
    assert_eq!(
        stat.objects,
        Tally {
            count: 2,
            bytes: 150
        }
    );
    assert_eq!((stat.reached.bytes, stat.unreached.bytes), (50, 100));
    assert_eq!(
        (stat.outcomes.count, stat.invalidated, stat.seconds),
        (3, 1, 5.5)
    );
    let kinds: Vec<_> = stat
        .kinds
        .iter()
        .map(|k| (k.kind.as_str(), k.units, k.seconds, k.objects.bytes))
        .collect();
    assert_eq!(
        kinds,
        [("test.make", 2, 5.0, 100), ("test.count", 1, 0.5, 0)]
    );
    assert_eq!(store.lookup(&keys(5..6)).unwrap().len(), 1);
}
