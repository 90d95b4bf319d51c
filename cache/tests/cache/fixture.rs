//! A store that was written by version 1, as it lies in `tests/fixtures/v1`: today's code reads it.

use std::fs;
use std::path::{Path, PathBuf};

use ccsr_cache::{Access, ActionKey, Digest, StageKey, Store, Value};

use crate::Place;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1")
}

/// Unpacks the fixture; its ledger is kept as text.
fn unpack() -> Place {
    let place = Place::new();
    copy(&fixture(), &place.root());
    let text = place.root().join("ledger.sql");
    let ledger = rusqlite::Connection::open(place.root().join("ledger.db")).unwrap();
    ledger
        .execute_batch(&fs::read_to_string(&text).unwrap())
        .unwrap();
    ledger.pragma_update(None, "journal_mode", "WAL").unwrap();
    drop(ledger);
    fs::remove_file(text).unwrap();
    place
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in crate::entries(from) {
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn check(store: &Store) {
    let pixels: Digest = Digest::of(b"the pixels of an elephant\n");
    let input = Value::map([
        ("prompt", Value::from("an elephant")),
        ("seed", Value::Int(7)),
    ]);
    let key = ActionKey::of("image.generate", 3, &input);
    let stored = store.lookup(&[key]).unwrap().remove(0).unwrap();
    assert_eq!(
        stored.outcome,
        Value::map([
            ("image", Value::from(pixels)),
            ("nsfw", Value::Float(f64::NAN))
        ])
    );
    assert_eq!(
        (stored.seconds, &*stored.run),
        (1.25, "20261123-081512-4f2a9c")
    );
    assert_eq!(store.read(&pixels).unwrap(), b"the pixels of an elephant\n");
    assert_eq!(store.producers(&pixels).unwrap(), [key]);
    assert_eq!(
        store.input_of(&key).unwrap(),
        Some(("image.generate".to_owned(), 3, input))
    );
    assert_eq!(store.commits(&key).unwrap(), 2);

    let lost = ActionKey::of("image.generate", 3, &Value::Null);
    assert_eq!(store.lookup(&[lost]).unwrap(), [None]);

    let (stage, memo) = store.latest_stage("elephant", "draw").unwrap().unwrap();
    assert_eq!(stage, StageKey::of(&Value::from("draw")));
    assert_eq!(memo.outputs["images"], Digest::of(b"a table\n"));
    assert_eq!((memo.rows["images"], memo.units, memo.seconds), (2, 2, 2.5));
    assert_eq!(memo.explanation, Value::from("draw"));

    let exports = store.exports(Path::new("/somewhere/images")).unwrap();
    assert_eq!(exports["0001.png"].identity, pixels);
    assert_eq!(
        (exports["0001.png"].size, exports["0001.png"].mtime_ns),
        (26, 1_795_421_712_000_000_000)
    );

    let runs = store.runs().unwrap();
    assert_eq!(
        store.run(&runs[0]).unwrap().unwrap(),
        b"{\"pipeline\":\"elephant\"}\n"
    );
}

#[test]
fn a_store_of_version_1_is_read() {
    let place = unpack();
    check(&place.open_read_only());
    let store = place.open();
    check(&store);
    // Its last owner is long dead.
    let key = ActionKey::of("image.generate", 3, &Value::Null);
    assert_eq!(store.claim(&[key]).unwrap(), [ccsr_cache::Claim::Ours]);
}

/// A table that changes without a new version would be found out only by those who have old stores.
#[test]
fn the_tables_are_those_of_version_1() {
    let (old, new) = (unpack(), Place::new());
    drop(Store::open(&new.root(), Access::ReadWrite).unwrap());
    let tables = |place: &Place| -> Vec<(String, String)> {
        let ledger = rusqlite::Connection::open(place.root().join("ledger.db")).unwrap();
        let mut select = ledger
            .prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name")
            .unwrap();
        let rows = select
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        rows.map(Result::unwrap)
            .map(|(name, sql): (String, String)| (name, sql.split_whitespace().collect()))
            .collect()
    };
    assert_eq!(tables(&old), tables(&new));
}
