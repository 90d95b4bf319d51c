//! One thing in the cache decays: any object, any cell of the ledger. What a run comes to is what it
//! would have come to, or the cache is refused; never another table.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ccsr_cache::{Digest, Repair, verify};
use ccsr_engine::record::RunOutcome;
use rusqlite::types::Value as Cell;
use rusqlite::{Connection, params_from_iter};

use crate::{Place, Ran, options, run, stages};

/// A map, a reader of its blobs, a chain, and exports. With another salt all blobs are read.
fn text(salt: &str) -> String {
    stages(&format!(
        "
        words: {{uses: test.rows, with: {{words: [ox, ant, bee]}}}}
        map: {{uses: test.map, from: words, outputs: out/map.csv}}
        read: {{uses: test.read, from: map, with: {{salt: '{salt}'}}}}
        train: {{uses: test.chain, with: {{length: {length}}}}}
        pictures: {{uses: test.files, with: {{files: {{a.png: ox, b.png: bee}}}}, outputs: out/pictures}}
        ",
        length = 3 + salt.len(),
    ))
}

/// A place whose cache is put back before every trial.
struct Trials {
    place: Place,
    spare: PathBuf,
    same: BTreeMap<String, Digest>,
    other: BTreeMap<String, Digest>,
    exports: BTreeMap<PathBuf, Vec<u8>>,
}

impl Trials {
    fn new() -> Self {
        let elsewhere = Place::new();
        let other = elsewhere.run(&text("x")).digests();
        let place = Place::new();
        // The digest of a file is remembered when it has been the same for a while.
        place.write("note.txt", "remembered");
        let same = place.run(&text("")).digests();
        std::thread::sleep(Duration::from_millis(2100));
        place.store().digest_file(&place.path("note.txt")).unwrap();
        let spare = place.path("spare");
        copy(&place.path(".ccsr"), &spare);
        let exports = files(&place.path("out"));
        assert_eq!(exports.len(), 3);
        Self {
            place,
            spare,
            same,
            other,
            exports,
        }
    }

    fn cache(&self) -> PathBuf {
        self.place.path(".ccsr")
    }

    fn restore(&self) {
        fs::remove_dir_all(self.cache()).unwrap();
        copy(&self.spare, &self.cache());
    }

    /// Both pipelines come to what they should. The cache is mended first, or not.
    fn hold(&self, what: &str, mended: bool, spoil: &dyn Fn(&Path)) {
        self.restore();
        spoil(&self.cache());
        if mended {
            verify(&self.cache(), Repair::Yes, &|_, _| ()).unwrap();
            let again = verify(&self.cache(), Repair::No, &|_, _| ()).unwrap();
            assert!(again.is_clean(), "{what}: {again:?}");
        }
        let what = format!("{what}, mended: {mended}");
        let digest = self.place.store().digest_file(&self.place.path("note.txt"));
        assert_eq!(digest.unwrap(), Digest::of(b"remembered"), "{what}");
        for (salt, expected) in [("", &self.same), ("x", &self.other)] {
            let ran = self.ran(salt);
            assert_eq!(ran.record.outcome, RunOutcome::Done, "{what}, {salt}");
            assert_eq!(ran.digests(), *expected, "{what}, {salt}");
        }
        assert_eq!(files(&self.place.path("out")), self.exports, "{what}");
    }

    fn ran(&self, salt: &str) -> Ran {
        let pipeline = self.place.compile(&text(salt));
        run(&pipeline, &self.place.store(), &options(self.place.root())).unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    for (name, bytes) in files(from) {
        let target = to.join(name);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    let named = files.map(|entry| {
        let name = entry.path().strip_prefix(folder).unwrap().to_owned();
        (name, fs::read(entry.path()).unwrap())
    });
    named.collect()
}

#[test]
fn any_object_may_decay() {
    let trials = Trials::new();
    let objects = files(&trials.spare.join("objects"));
    assert!(objects.len() >= 10, "{}", objects.len());
    for (name, bytes) in &objects {
        let spoil = |bytes: Option<Vec<u8>>| {
            move |cache: &Path| {
                let path = cache.join("objects").join(name);
                fs::remove_file(&path).unwrap();
                if let Some(bytes) = &bytes {
                    fs::write(&path, bytes).unwrap();
                }
            }
        };
        let mut flipped = bytes.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        let what = |how: &str| format!("{} {how}", name.display());
        trials.hold(&what("deleted"), false, &spoil(None));
        let flipped = spoil(Some(flipped));
        trials.hold(&what("flipped"), false, &flipped);
        trials.hold(&what("flipped"), true, &flipped);
        trials.hold(&what("cut"), false, &spoil(Some(bytes[..middle].to_vec())));
    }
}

#[test]
fn any_cell_of_the_ledger_may_decay() {
    let trials = Trials::new();
    let ledger = Connection::open(trials.spare.join("ledger.db")).unwrap();
    let names = |query: &str, column| -> Vec<String> {
        let mut select = ledger.prepare(query).unwrap();
        let rows = select.query_map([], |row| row.get(column)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let (mut tables, mut cells) = (0, 0);
    for table in names(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
        0,
    ) {
        let columns = names(&format!("PRAGMA table_info({table})"), 1);
        let rows = rows(&ledger, &table, columns.len());
        // The first, one in the middle and the last.
        let mut picked = vec![0, rows.len() / 2, rows.len().saturating_sub(1)];
        picked.dedup();
        tables += usize::from(!rows.is_empty());
        for row in picked.into_iter().filter_map(|index| rows.get(index)) {
            for (index, column) in columns.iter().enumerate() {
                let Some(decayed) = flipped(&row[index]) else {
                    continue;
                };
                cells += 1;
                let known = columns.iter().map(|name| format!("{name} IS ?"));
                let known = known.collect::<Vec<_>>().join(" AND ");
                let statement = format!("UPDATE OR IGNORE {table} SET {column} = ? WHERE {known}");
                let values: Vec<Cell> = std::iter::once(decayed)
                    .chain(row.iter().cloned())
                    .collect();
                // Every other one is mended first; the next column's turn is the other way round.
                let mended = cells % 2 == 0;
                trials.hold(&format!("{column} of {table}"), mended, &|cache| {
                    let ledger = Connection::open(cache.join("ledger.db")).unwrap();
                    ledger
                        .pragma_update(None, "ignore_check_constraints", true)
                        .unwrap();
                    ledger
                        .execute(&statement, params_from_iter(&values))
                        .unwrap();
                });
            }
        }
    }
    assert!(
        tables >= 6 && cells >= 80,
        "{cells} cells of {tables} tables"
    );
}

fn rows(ledger: &Connection, table: &str, columns: usize) -> Vec<Vec<Cell>> {
    let mut select = ledger.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let rows = select.query_map([], |row| (0..columns).map(|index| row.get(index)).collect());
    rows.unwrap().map(Result::unwrap).collect()
}

/// The cell with one bit changed; nothing, if it has none.
fn flipped(cell: &Cell) -> Option<Cell> {
    match cell {
        Cell::Null => None,
        Cell::Integer(number) => Some(Cell::Integer(number ^ 1)),
        Cell::Real(number) => Some(Cell::Real(f64::from_bits(number.to_bits() ^ 1 << 52))),
        Cell::Text(text) => {
            let mut bytes = text.clone().into_bytes();
            let middle = bytes.len() / 2;
            *bytes.get_mut(middle)? ^= 1;
            Some(Cell::Text(String::from_utf8(bytes).ok()?))
        }
        Cell::Blob(bytes) => {
            let mut bytes = bytes.clone();
            let middle = bytes.len() / 2;
            *bytes.get_mut(middle)? ^= 1;
            Some(Cell::Blob(bytes))
        }
    }
}
