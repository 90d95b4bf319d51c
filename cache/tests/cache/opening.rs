//! Opening: what is created, what is refused, and what opening costs nothing for.

use std::fs;
use std::time::{Duration, SystemTime};

use ccsr_cache::{Access, LedgerProblem, Store, StoreError, Value};

use crate::{Place, child, commit, entries, key, listing, outcome};

fn refused(place: &Place) -> StoreError {
    let error = Store::open(&place.root(), Access::ReadWrite).unwrap_err();
    let same = Store::open(&place.root(), Access::ReadOnly).unwrap_err();
    assert_eq!(error.to_string(), same.to_string());
    error
}

#[test]
fn a_new_store_is_complete() {
    let place = Place::new();
    drop(place.open());
    let mut names: Vec<_> = entries(&place.root())
        .into_iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort_unstable();
    let expected = [
        ".gitignore",
        "VERSION",
        "in-use.lock",
        "ledger.db",
        "ledger.lock",
        "locks",
        "objects",
        "runs",
        "tmp",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        fs::read_to_string(place.root().join("VERSION")).unwrap(),
        "1\n"
    );
    assert_eq!(
        fs::read_to_string(place.root().join(".gitignore")).unwrap(),
        "*\n"
    );
}

#[test]
fn opening_changes_nothing_in_a_complete_store() {
    let place = Place::new();
    commit(&place.open(), 1, &Value::Null);
    let mut before = listing(&place.root());
    let store = place.open();
    outcome(&store, 1);
    store.digest_file(&place.root().join("VERSION")).unwrap();
    drop(store);
    let mut after = listing(&place.root());
    // Files beside the ledger came and went.
    before.remove(&place.root());
    after.remove(&place.root());
    assert_eq!(before, after);
}

#[test]
fn many_may_create_a_store_at_once() {
    let place = Place::new();
    let processes = [(); 4].map(|()| child::spawn("open", &place.root()));
    std::thread::scope(|scope| {
        for number in 0..8 {
            let place = &place;
            scope.spawn(move || commit(&place.open(), number, &Value::Int(number)));
        }
    });
    processes.into_iter().for_each(child::Process::join);
    let store = place.open();
    assert!((0..8).all(|number| outcome(&store, number) == Some(Value::Int(number))));
    assert!(entries(&place.root().join("tmp")).is_empty());
}

#[test]
fn another_format_is_refused_and_not_touched() {
    for version in ["2\n", "", "one", "1.0"] {
        let place = Place::new();
        drop(place.open());
        fs::write(place.root().join("VERSION"), version).unwrap();
        let before = listing(&place.root());
        let error = refused(&place);
        assert!(error.to_string().contains("another cache folder"));
        assert!(
            matches!(error, StoreError::Version { found, supported: 1, .. } if found == version.trim())
        );
        assert_eq!(before, listing(&place.root()));
    }
}

#[test]
fn another_format_of_the_ledger_is_refused() {
    let place = Place::new();
    drop(place.open());
    let ledger = rusqlite::Connection::open(place.root().join("ledger.db")).unwrap();
    ledger.pragma_update(None, "user_version", 2).unwrap();
    drop(ledger);
    assert!(matches!(refused(&place), StoreError::Version { found, .. } if found == "2"));
}

#[test]
fn a_ledger_of_somebody_else_is_refused() {
    let place = Place::new();
    drop(place.open());
    let path = place.root().join("ledger.db");
    fs::remove_file(&path).unwrap();
    let ledger = rusqlite::Connection::open(&path).unwrap();
    ledger
        .execute_batch("CREATE TABLE recipes (name TEXT)")
        .unwrap();
    drop(ledger);
    let error = refused(&place);
    let StoreError::Ledger { problem, .. } = error else {
        panic!("{error}");
    };
    assert!(matches!(
        problem,
        LedgerProblem::Foreign { application_id: 0 }
    ));
}

#[test]
fn a_ledger_that_is_none_is_refused() {
    let place = Place::new();
    drop(place.open());
    let path = place.root().join("ledger.db");
    let whole = fs::read(&path).unwrap();
    for broken in [
        &b"elephants never forget".repeat(500)[..],
        &whole[..whole.len() / 2],
        &whole[..5000],
        &whole[..50],
        b"",
    ] {
        fs::write(&path, broken).unwrap();
        let error = refused(&place);
        assert!(matches!(error, StoreError::Ledger { .. }), "{error}");
        assert!(error.to_string().contains("cache verify"), "{error}");
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(refused(&place), StoreError::Ledger { .. }));
}

#[test]
fn damage_inside_the_ledger_is_found_when_it_is_met() {
    let place = Place::new();
    let store = place.open();
    (0..200).for_each(|number| commit(&store, number, &Value::Int(number)));
    drop(store);
    let path = place.root().join("ledger.db");
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096..].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let store = Store::open(&place.root(), Access::ReadWrite).unwrap();
    let error = store.lookup(&[key(1)]).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Ledger {
                problem: LedgerProblem::Damaged,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn without_its_ledger_a_store_keeps_its_objects() {
    let place = Place::new();
    let store = place.open();
    let digest = store.put(b"pixels").unwrap();
    commit(&store, 1, &digest.into());
    drop(store);
    fs::remove_file(place.root().join("ledger.db")).unwrap();
    fs::write(place.root().join("ledger.db-wal"), "an old log").unwrap();
    let store = place.open();
    assert_eq!(outcome(&store, 1), None);
    assert_eq!(store.read(&digest).unwrap(), b"pixels");
    commit(&store, 1, &digest.into());
    assert_eq!(outcome(&store, 1), Some(digest.into()));
}

#[test]
fn folders_that_were_deleted_come_back() {
    let place = Place::new();
    drop(place.open());
    for name in ["objects", "tmp", "locks", "runs"] {
        fs::remove_dir(place.root().join(name)).unwrap();
    }
    let store = place.open();
    store.put(b"elephant").unwrap();
    store.claim(&[key(1)]).unwrap();
    assert_eq!(store.runs().unwrap(), []);
}

#[test]
fn a_file_in_the_place_of_the_folder_is_not_writable() {
    let place = Place::new();
    fs::write(place.root(), "").unwrap();
    assert!(matches!(
        refused_writing(&place),
        StoreError::NotWritable { .. }
    ));
    let below = Store::open(&place.root().join("deeper"), Access::ReadWrite).unwrap_err();
    assert!(matches!(below, StoreError::NotWritable { .. }));
}

fn refused_writing(place: &Place) -> StoreError {
    Store::open(&place.root(), Access::ReadWrite).unwrap_err()
}

#[test]
fn old_leftovers_are_cleared_and_young_ones_kept() {
    let place = Place::new();
    let store = place.open();
    store.claim(&[key(1)]).unwrap();
    let alive = entries(&place.root().join("locks")).remove(0);
    let (young, old) = (place.root().join("tmp/young"), place.root().join("tmp/old"));
    let dead = place.root().join("locks/dead.lock");
    for path in [&young, &old, &dead] {
        fs::write(path, "").unwrap();
    }
    let long_ago = SystemTime::now() - Duration::from_hours(25);
    for path in [&old, &dead, &alive] {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    drop(place.open());
    assert!(young.exists() && alive.exists());
    assert!(!old.exists() && !dead.exists());
}
