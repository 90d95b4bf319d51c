//! Looking without touching, whatever state the store is in.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use ccsr_cache::{Access, Digest, RunId, Store, StoreError, Value};

use crate::{Place, action, commit, crashes, key, listing, outcome};

fn is_refused<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::NotWritable { .. }))
}

#[test]
fn a_store_that_is_not_there_is_an_empty_one() {
    let place = Place::new();
    let store = place.open_read_only();
    assert_eq!(outcome(&store, 1), None);
    assert_eq!(store.runs().unwrap(), []);
    assert!(!store.has(&Digest::of(b"")));
    assert!(store.exports(&place.path("images")).unwrap().is_empty());
    assert!(!place.root().exists());

    // It may come to be meanwhile.
    let writer = place.open();
    assert_eq!(outcome(&store, 1), None);
    commit(&writer, 1, &Value::Int(1));
    assert_eq!(outcome(&store, 1), Some(Value::Int(1)));
}

#[test]
fn whatever_would_change_something_is_refused() {
    let place = Place::new();
    let store = place.open();
    let digest = store.put(b"elephant").unwrap();
    commit(&store, 1, &Value::Null);
    drop(store);
    let before = listing(&place.root());

    let store = place.open_read_only();
    assert_eq!(outcome(&store, 1), Some(Value::Null));
    assert_eq!(store.read(&digest).unwrap(), b"elephant");
    assert_eq!(store.input_of(&key(1)).unwrap().unwrap().2, action(1).0);
    assert!(is_refused(&store.put(b"mouse")));
    assert!(is_refused(&store.claim(&[key(1)])));
    assert!(is_refused(&store.invalidate(&[key(1)])));
    assert!(is_refused(&store.commit(&RunId::fresh(), &[])));
    assert!(is_refused(&store.write_run(&RunId::fresh(), b"")));
    store.discard(&digest);
    let file = place.path("file");
    fs::write(&file, "x").unwrap();
    assert_eq!(store.digest_file(&file).unwrap(), Digest::of(b"x"));
    drop(store);
    assert_eq!(before, listing(&place.root()));
}

#[test]
fn a_reader_follows_writers_that_come_and_go() {
    let place = Place::new();
    commit(&place.open(), 0, &Value::Int(0));
    let reader = place.open_read_only();
    for number in 1..20 {
        let writer = place.open();
        assert_eq!(outcome(&reader, number), None);
        commit(&writer, number, &Value::Int(number));
        let before = listing(&place.root());
        assert_eq!(outcome(&reader, number), Some(Value::Int(number)));
        assert_eq!(before, listing(&place.root()));
        if number % 3 == 0 {
            commit(&writer, number + 100, &Value::Null);
        }
        drop(writer);
        assert_eq!(outcome(&reader, number), Some(Value::Int(number)));
        assert_eq!(outcome(&reader, number + 100).is_some(), number % 3 == 0);
    }
}

#[test]
fn a_reader_never_disturbs_a_writer_nor_sees_half() {
    let place = Place::new();
    drop(place.open());
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..15 {
                let writer = place.open();
                for number in 0..20 {
                    commit(&writer, round * 20 + number, &Value::Int(number));
                }
            }
            done.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        let reader = place.open_read_only();
        let mut last = 0;
        while !done.load(std::sync::atomic::Ordering::SeqCst) {
            let found = reader.lookup(&crate::keys(0..300)).unwrap();
            let count = found.iter().flatten().count();
            assert!(count >= last, "{count} after {last}");
            assert!(found[..count].iter().all(Option::is_some));
            last = count;
        }
        assert_eq!(
            reader.lookup(&[key(299)]).unwrap().iter().flatten().count(),
            1
        );
    });
}

/// Killed in the middle of writing it, a writer leaves an index that contradicts itself.
#[test]
fn a_log_whose_index_is_missing_or_half_written_is_recovered() {
    let index = |place: &Place| place.root().join("ledger.db-shm");
    let missing = crashes::killed_after_commit();
    fs::remove_file(index(&missing)).unwrap();
    let torn = crashes::killed_after_commit();
    let mut bytes = fs::read(index(&torn)).unwrap();
    bytes[16] ^= 1;
    fs::write(index(&torn), bytes).unwrap();
    for place in [missing, torn] {
        assert_eq!(
            outcome(&place.open_read_only(), 1),
            Some(Value::from("yes"))
        );
    }
}

#[test]
fn a_folder_that_cannot_be_written_to_can_be_read() {
    let place = Place::new();
    commit(&place.open(), 1, &Value::Int(1));
    let folder = place.root();
    let set_mode = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    set_mode(0o555);
    assert_eq!(outcome(&place.open_read_only(), 1), Some(Value::Int(1)));
    // The superuser may write all the same.
    if fs::write(folder.join("probe"), "").is_err() {
        assert!(is_refused(&Store::open(&folder, Access::ReadWrite)));
    }
    set_mode(0o755);
}

#[test]
fn a_strange_path_is_no_trouble() {
    let place = Place::new();
    let root = place.path("a %41?b#c&mode=rw/ü.ccsr");
    let store = Store::open(&root, Access::ReadWrite).unwrap();
    commit(&store, 1, &Value::Int(1));
    let live = Store::open(&root, Access::ReadOnly).unwrap();
    assert_eq!(outcome(&live, 1), Some(Value::Int(1)));
    drop((store, live));
    drop(Store::open(&root, Access::ReadWrite).unwrap());
    let still = Store::open(&root, Access::ReadOnly).unwrap();
    assert_eq!(outcome(&still, 1), Some(Value::Int(1)));
}
