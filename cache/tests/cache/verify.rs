//! Verifying: every kind of damage is found, becomes a miss, and nothing else is lost.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use ccsr_cache::{
    Access, Digest, LedgerProblem, LedgerState, Repair, StageKey, StageMemo, Store, StoreError,
    Value, Verdict, verify,
};

use crate::{Place, commit, key, keys, listing, outcome};

fn look(place: &Place) -> Verdict {
    verify(&place.root(), Repair::No, &|_, _| ()).unwrap()
}

/// Repairs, and checks that a second look finds nothing.
#[track_caller]
fn repair(place: &Place) -> Verdict {
    let verdict = verify(&place.root(), Repair::Yes, &|_, _| ()).unwrap();
    let again = look(place);
    assert!(again.is_clean(), "{again:?}");
    verdict
}

fn blob(number: i64) -> Vec<u8> {
    format!("pixels {number} ").repeat(200).into_bytes()
}

fn stage() -> StageKey {
    StageKey::of(&Value::from("draw"))
}

/// A store with ten outcomes that name blobs, ten that do not, a stage.
fn filled() -> (Place, Vec<Digest>) {
    let place = Place::new();
    let store = place.open();
    let blobs: Vec<Vec<u8>> = (0..10).map(blob).collect();
    let digests = store.put_all(&blobs).unwrap();
    for (number, digest) in (0..).zip(&digests) {
        commit(&store, number, &Value::from(*digest));
        commit(
            &store,
            number + 10,
            &Value::from(format!("yes to question {number}")),
        );
    }
    let table = store.put(b"a table").unwrap();
    let memo = StageMemo {
        outputs: BTreeMap::from([("images".to_owned(), table)]),
        rows: BTreeMap::new(),
        units: 20,
        seconds: 10.0,
        explanation: Value::from("draw"),
        run: crate::run().to_string(),
    };
    store
        .record_stage(&stage(), "elephant", "draw", &memo)
        .unwrap();
    (place, digests)
}

fn object(place: &Place, digest: &Digest) -> PathBuf {
    place.open_read_only().object_path(digest)
}

fn spoil(place: &Place, digest: &Digest, change: impl FnOnce(&mut Vec<u8>)) {
    let path = object(place, digest);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::remove_file(&path).unwrap();
    fs::write(path, bytes).unwrap();
}

fn sql(place: &Place, statement: &str) {
    let ledger = rusqlite::Connection::open(place.root().join("ledger.db")).unwrap();
    assert_ne!(ledger.execute(statement, []).unwrap(), 0, "{statement}");
}

#[test]
fn a_sound_store_is_clean_and_is_not_touched() {
    let (place, _) = filled();
    // Opening for writing leaves files beside the ledger for a moment.
    drop(place.open());
    let (before, told) = (listing(&place.root()), AtomicU64::new(0));
    let tell = |done: ccsr_cache::Tally, all: ccsr_cache::Tally| {
        assert!(done.count <= all.count && done.bytes <= all.bytes);
        told.fetch_max(done.bytes, Ordering::Relaxed);
    };
    let verdict = verify(&place.root(), Repair::No, &tell).unwrap();
    assert!(verdict.is_clean());
    assert_eq!(
        (verdict.objects.count, verdict.outcomes, verdict.absent),
        (11, 20, 0)
    );
    assert_eq!(told.into_inner(), verdict.objects.bytes);
    assert_eq!(listing(&place.root()), before);
    assert!(repair(&place).is_clean());
    // No store at all is clean, too, and is not made by looking.
    let nowhere = Place::new();
    assert!(look(&nowhere).is_clean());
    assert!(!nowhere.root().exists());
}

#[test]
fn damaged_objects_become_misses_and_say_whom_it_concerns() {
    let (place, digests) = filled();
    let table = Digest::of(b"a table");
    spoil(&place, &digests[0], |bytes| bytes[1000] ^= 1);
    spoil(&place, &digests[1], |bytes| bytes.truncate(bytes.len() - 1));
    spoil(&place, &digests[2], Vec::clear);
    spoil(&place, &digests[3], |bytes| bytes.push(0));
    spoil(&place, &table, |bytes| bytes.fill(0));
    fs::remove_file(object(&place, &digests[4])).unwrap();

    let seen = look(&place);
    assert_eq!((seen.damaged.len(), seen.absent), (5, 1));
    assert!(object(&place, &digests[0]).exists(), "only looked at");
    let verdict = repair(&place);
    assert!(!verdict.is_clean());
    let bad = |digest: Digest| {
        verdict
            .damaged
            .iter()
            .find(|bad| bad.digest == digest)
            .unwrap()
    };
    assert_eq!(
        bad(digests[0]).units,
        BTreeMap::from([("test.count".to_owned(), 1)])
    );
    assert_eq!(bad(table).stages, ["elephant: draw"]);
    let store = place.open();
    for (number, digest) in (0..).zip(&digests) {
        assert_eq!(store.has(digest), number > 4);
        // What is only absent still counts: nobody may ever read it.
        assert_eq!(outcome(&store, number).is_some(), number >= 4);
        assert!(outcome(&store, number + 10).is_some());
    }
}

#[test]
fn rows_that_decayed_go() {
    let changes = [
        (
            "UPDATE unit SET outcome = replace(outcome, 'question 1', 'question 9') WHERE instr(outcome, 'question 1')",
            11,
        ),
        ("UPDATE unit SET seal = x'0000000000000000' WHERE id = 3", 1),
        ("UPDATE unit SET input = '{\"number\":77}' WHERE id = 3", 1),
        ("UPDATE unit SET kind = 'test.other' WHERE id = 3", 1),
        ("UPDATE unit SET revision = 2 WHERE id = 3", 1),
        ("UPDATE unit SET outcome = '{' WHERE id = 3", 1),
        ("UPDATE unit SET key = zeroblob(32) WHERE id = 3", 1),
    ];
    for (change, lost) in changes {
        let (place, _) = filled();
        sql(&place, change);
        let verdict = repair(&place);
        assert_eq!(verdict.bad_outcomes.values().sum::<u64>(), 1, "{change}");
        assert_eq!(verdict.bad_links, 0, "{change}");
        let store = place.open();
        for number in 0..20 {
            assert_eq!(
                outcome(&store, number).is_some(),
                number != lost,
                "{change}: {number}"
            );
        }
        commit(&store, lost, &Value::Null);
        assert!(look(&place).is_clean());
    }
}

#[test]
fn stages_files_and_links_that_decayed_go() {
    for change in [
        "UPDATE stage SET outputs = replace(outputs, 'images', 'imager')",
        "UPDATE stage SET units = 21",
        "UPDATE stage SET key = zeroblob(32)",
        "UPDATE stage SET explanation = '\"drew\"'",
    ] {
        let (place, _) = filled();
        sql(&place, change);
        assert_eq!(repair(&place).bad_stages, 1, "{change}");
        assert_eq!(place.open().stage(&stage()).unwrap(), None);
    }
    let (place, digests) = filled();
    sql(
        &place,
        "INSERT INTO file VALUES (x'2f61', 1, 1, 1, 1, zeroblob(8), zeroblob(32))",
    );
    assert_eq!(repair(&place).bad_files, 1);

    sql(&place, "DELETE FROM produced WHERE unit = 1");
    sql(
        &place,
        "UPDATE produced SET blob = zeroblob(32) WHERE unit = 3",
    );
    sql(
        &place,
        "INSERT INTO produced (blob, unit) VALUES (zeroblob(3), 5)",
    );
    assert_eq!(repair(&place).bad_links, 4);
    let store = place.open();
    for (number, digest) in (0..).zip(&digests) {
        assert_eq!(store.producers(digest).unwrap(), [key(number)]);
    }
}

/// The outcomes that are found are what was committed.
#[track_caller]
fn nothing_is_wrong(store: &Store, digests: &[Digest]) -> usize {
    let found = store.lookup(&keys(0..20)).unwrap();
    for (number, stored) in found.iter().enumerate() {
        let expected = match digests.get(number) {
            Some(digest) => Value::from(*digest),
            None => Value::from(format!("yes to question {}", number - 10)),
        };
        assert!(
            stored
                .as_ref()
                .is_none_or(|stored| stored.outcome == expected)
        );
    }
    found.iter().flatten().count()
}

/// A ledger that lost its end, its beginning, or all: refused or read, never wrong; mended, it works.
#[test]
fn a_ledger_in_any_state_is_replaced_by_what_is_good_of_it() {
    let (place, digests) = filled();
    let path = place.root().join("ledger.db");
    let good = fs::read(&path).unwrap();
    let mut states: Vec<(String, Vec<u8>)> = Vec::new();
    for at in [
        0,
        1,
        15,
        16,
        99,
        100,
        4095,
        4096,
        4097,
        8192,
        12_000,
        20_480,
        good.len() - 4096,
        good.len() - 1,
    ] {
        states.push((format!("cut at {at}"), good[..at].to_vec()));
    }
    for page in 0..good.len() / 4096 {
        let mut bytes = good.clone();
        bytes[page * 4096..(page + 1) * 4096].fill(0x5a);
        states.push((format!("page {page} is garbage"), bytes));
    }
    states.push(("text".to_owned(), b"This is no database. ".repeat(500)));
    let (mut saved_some, mut replaced) = (0, 0);
    for (what, bytes) in states {
        fs::write(&path, &bytes).unwrap();
        match Store::open(&place.root(), Access::ReadOnly)
            .and_then(|store| store.lookup(&keys(0..20)))
        {
            Ok(_) => drop(nothing_is_wrong(&place.open_read_only(), &digests)),
            Err(StoreError::Ledger { .. }) => {}
            Err(error) => panic!("{what}: {error}"),
        }
        let seen = look(&place);
        let verdict = repair(&place);
        assert_eq!(seen.is_clean(), verdict.is_clean(), "{what}");
        assert_eq!(verdict.damaged.len(), 0, "{what}");
        let found = nothing_is_wrong(&place.open(), &digests);
        match verdict.ledger {
            LedgerState::Replaced { saved, aside } => {
                assert!(matches!(seen.ledger, LedgerState::Damaged(_)), "{what}");
                assert_eq!(saved, found as u64, "{what}");
                assert_eq!(fs::read(&aside).unwrap().len(), bytes.len(), "{what}");
                fs::remove_file(aside).unwrap();
                saved_some += usize::from(saved > 0);
                replaced += 1;
            }
            state => assert_eq!((state, found), (LedgerState::Sound, 20), "{what}"),
        }
        // It works, and objects are found in place.
        let store = place.open();
        for (number, digest) in (0..).zip(&digests) {
            assert!(store.has(digest));
            commit(&store, number, &Value::from(*digest));
            assert_eq!(
                outcome(&store, number),
                Some(Value::from(*digest)),
                "{what}"
            );
        }
    }
    assert!(
        saved_some >= 5 && replaced > saved_some,
        "{saved_some} of {replaced}"
    );
}

#[test]
fn a_ledger_is_not_replaced_under_those_who_use_it() {
    let (place, _) = filled();
    let user = place.open();
    fs::write(place.root().join("ledger.db"), "no database").unwrap();
    let error = verify(&place.root(), Repair::Yes, &|_, _| ()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error:?}");
    drop(user);
}

#[test]
fn what_is_not_ours_is_refused() {
    let (place, _) = filled();
    let other = place.root().join("ledger.db");
    fs::remove_file(&other).unwrap();
    let connection = rusqlite::Connection::open(&other).unwrap();
    connection
        .execute_batch("CREATE TABLE song (title TEXT); PRAGMA application_id = 7")
        .unwrap();
    drop(connection);
    let before = fs::read(&other).unwrap();
    for how in [Repair::No, Repair::Yes] {
        let error = verify(&place.root(), how, &|_, _| ()).unwrap_err();
        let foreign = LedgerProblem::Foreign { application_id: 7 };
        assert!(
            matches!(error, StoreError::Ledger { problem, .. } if problem == foreign),
            "{error:?}"
        );
    }
    assert_eq!(fs::read(&other).unwrap(), before);
}

/// A log that lost its end loses the last commits, whole ones; nothing else.
#[test]
fn a_log_that_was_cut_loses_the_last_commits() {
    let (place, digests) = filled();
    let store = place.open();
    for number in 20..60 {
        commit(&store, number, &Value::Int(number));
    }
    // The log as a crash would leave it.
    let (ledger, log) = (
        place.root().join("ledger.db"),
        place.root().join("ledger.db-wal"),
    );
    let (ledger, log) = (fs::read(ledger).unwrap(), fs::read(log).unwrap());
    assert!(log.len() > 40_000);
    drop(store);
    let mut counts = Vec::new();
    for part in (0..=20).rev() {
        let copy = Place::new();
        drop(copy.open());
        fs::write(copy.root().join("ledger.db"), &ledger).unwrap();
        fs::write(
            copy.root().join("ledger.db-wal"),
            &log[..log.len() * part / 20],
        )
        .unwrap();
        let store = copy.open();
        nothing_is_wrong(&store, &digests);
        let later = store.lookup(&keys(20..60)).unwrap();
        let count = later.iter().take_while(|found| found.is_some()).count();
        assert!(
            later[count..].iter().all(Option::is_none),
            "a later commit without an earlier one"
        );
        counts.push(count);
        drop(store);
        assert!(repair(&copy).ledger == LedgerState::Sound);
    }
    assert!(
        counts.is_sorted_by(|a, b| a >= b) && counts[0] == 40,
        "{counts:?}"
    );
    assert!(
        counts.iter().any(|count| (1..40).contains(count)),
        "{counts:?}"
    );
}
