//! The ledger: rows that say anything, sealed or not. A row is what was committed or a miss.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use ccsr_cache::{Access, ActionKey, Digest, StageKey, Store, Value};
use rusqlite::types::{ToSqlOutput, Value as Cell};
use rusqlite::{Connection, ToSql, params};
use tempfile::TempDir;

use crate::memory;

thread_local! {
    static PLACE: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// A store, and the back door to its ledger.
struct Place {
    store: Store,
    ledger: Connection,
    key: ActionKey,
    key_bytes: Digest,
    stage: StageKey,
    stage_bytes: Digest,
    /// A file of the user's.
    file: PathBuf,
    _folder: TempDir,
}

/// Puts a row into the ledger and reads it.
///
/// The first byte of the input names the table: `u`nit, `s`tage, `f`ile, `e`xport or `p`roduced. The
/// rest are the row's columns, a line each: the first byte of a line says of which type it is.
pub fn ledger(input: &[u8]) {
    let Some((table, rest)) = input.split_first() else {
        return;
    };
    let mut fields = rest.split(|byte| *byte == b'\n').map(Field);
    PLACE.with_borrow_mut(|place| {
        let place = place.get_or_insert_with(Place::new);
        match table {
            b's' => place.stage(&mut fields),
            b'f' => place.file(&mut fields),
            b'e' => place.export(&mut fields),
            b'p' => place.produced(&mut fields),
            _ => place.unit(&mut fields),
        }
    });
}

/// A cell as the input has it.
#[derive(Clone, Copy)]
struct Field<'a>(&'a [u8]);

impl Field<'_> {
    /// What of a text or blob is digested for a seal.
    fn bytes(&self) -> &[u8] {
        self.0.get(1..).unwrap_or_default()
    }

    fn number(&self) -> i64 {
        let text = String::from_utf8_lossy(self.bytes());
        text.parse().unwrap_or_default()
    }
}

impl ToSql for Field<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let text = || String::from_utf8_lossy(self.bytes()).into_owned();
        let cell = match self.0.first() {
            Some(b'b') => Cell::Blob(self.bytes().to_vec()),
            Some(b'i') => Cell::Integer(self.number()),
            Some(b'f') => Cell::Real(text().parse().unwrap_or(f64::NAN)),
            _ => Cell::Text(text()),
        };
        Ok(ToSqlOutput::Owned(cell))
    }
}

/// The next cells; texts that are empty where there are no more.
fn take<'a, const N: usize>(fields: &mut impl Iterator<Item = Field<'a>>) -> [Field<'a>; N] {
    std::array::from_fn(|_| fields.next().unwrap_or(Field(b"t")))
}

/// A seal as the cache's README.md has it, unless the input brings one along.
fn seal(given: Field<'_>, parts: &[&[u8]]) -> Vec<u8> {
    if given.0.first() == Some(&b'b') {
        return given.bytes().to_vec();
    }
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(*part);
    }
    blake3::hash(&bytes).as_bytes()[..8].to_vec()
}

impl Place {
    fn new() -> Self {
        let folder = memory::folder();
        let store = Store::open(&folder.path().join(".ccsr"), Access::ReadWrite);
        let store = store.expect("a new store");
        let ledger = Connection::open(store.root().join("ledger.db")).expect("its ledger");
        // Decay asks for no constraint.
        let careless = "PRAGMA synchronous = OFF; PRAGMA ignore_check_constraints = ON;";
        ledger.execute_batch(careless).expect("SQLite knows these");
        let file = folder.path().join("file");
        std::fs::write(&file, "content").expect("the folder takes files");
        let key = ActionKey::of("kind", 1, &Value::Null);
        let stage = StageKey::of(&Value::Null);
        Self {
            store,
            ledger,
            key,
            key_bytes: key.to_string().parse().expect("a key is a digest"),
            stage,
            stage_bytes: stage.to_string().parse().expect("a key is a digest"),
            file,
            _folder: folder,
        }
    }

    /// Executes a statement that may fail: some columns refuse some types.
    fn put(&self, statement: &str, cells: &[&dyn ToSql]) {
        let prepared = self.ledger.prepare_cached(statement);
        let _ = prepared.expect("the statement is right").execute(cells);
    }

    fn unit<'a>(&self, fields: &mut impl Iterator<Item = Field<'a>>) {
        let [
            outcome,
            sealed,
            seconds,
            run,
            input,
            kind,
            revision,
            valid,
            commits,
        ] = take(fields);
        let sealed = seal(sealed, &[self.key_bytes.as_bytes(), outcome.bytes()]);
        self.put(
            "INSERT OR REPLACE INTO unit
             (key, outcome, seal, seconds, run, input, kind, revision, valid, commits)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                self.key_bytes.as_bytes(),
                outcome,
                sealed,
                seconds,
                run,
                input,
                kind,
                revision,
                valid,
                commits
            ],
        );
        let found = self.store.lookup(&[self.key]).expect("a hit or a miss");
        let commits = self.store.commits(&self.key).expect("a number");
        if let [Some(stored)] = &found[..] {
            assert!(stored.seconds.is_finite());
            let value = Value::from_canonical(&stored.outcome.canonical());
            assert_eq!(value.ok().as_ref(), Some(&stored.outcome));
        } else {
            assert_eq!(commits, 0, "an outcome that is no outcome was committed");
        }
        if let Ok(Some((kind, revision, input))) = self.store.input_of(&self.key) {
            assert_eq!(ActionKey::of(&kind, revision, &input), self.key);
        }
        let _ = self.store.seconds_a_unit("kind");
    }

    fn stage<'a>(&self, fields: &mut impl Iterator<Item = Field<'a>>) {
        let [outputs, rows, explanation, units, sealed, seconds, run] = take(fields);
        let count = (units.number() as u64).to_le_bytes();
        let parts = [
            self.stage_bytes.as_bytes(),
            outputs.bytes(),
            rows.bytes(),
            &count,
            explanation.bytes(),
        ];
        let sealed = seal(sealed, &parts);
        self.put(
            "INSERT OR REPLACE INTO stage
             (key, outputs, rows, explanation, units, seal, seconds, run)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                self.stage_bytes.as_bytes(),
                outputs,
                rows,
                explanation,
                units,
                sealed,
                seconds,
                run
            ],
        );
        let touched = self.store.touch_stage(&self.stage, "pipeline", "stage");
        touched.expect("a name for the stage");
        let memo = self.store.stage(&self.stage).expect("a memo or none");
        let latest = self.store.latest_stage("pipeline", "stage");
        let latest = latest.expect("a memo or none");
        let together = self.store.latest_stages("pipeline", &["stage"]);
        let together = together.expect("memos or none");
        assert_eq!(together, std::slice::from_ref(&latest));
        assert_eq!(latest.map(|(_, memo)| memo), memo);
    }

    fn file<'a>(&self, fields: &mut impl Iterator<Item = Field<'a>>) {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::MetadataExt;

        let [digest, sealed] = take(fields);
        let look = std::fs::metadata(&self.file).expect("the file is there");
        let path = self.file.as_os_str().as_bytes();
        let since = |seconds: i64, rest: i64| seconds * 1_000_000_000 + rest;
        let mtime = since(look.mtime(), look.mtime_nsec());
        let ctime = since(look.ctime(), look.ctime_nsec());
        let parts: [&[u8]; 6] = [
            path,
            &look.size().to_le_bytes(),
            &mtime.to_le_bytes(),
            &ctime.to_le_bytes(),
            &look.ino().to_le_bytes(),
            digest.bytes(),
        ];
        let sealed = seal(sealed, &parts);
        // A row that cannot be put must not leave an earlier one, which may be a good one.
        self.put("DELETE FROM file", &[]);
        self.put(
            "INSERT OR REPLACE INTO file (path, size, mtime_ns, ctime_ns, inode, digest, seal)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                path,
                look.size() as i64,
                mtime,
                ctime,
                look.ino() as i64,
                digest,
                sealed
            ],
        );
        let found = self.store.digest_file(&self.file);
        let found = found.expect("the file can be read");
        let remembered = digest.bytes() == found.as_bytes();
        assert!(remembered || found == Digest::of(b"content"), "{found}");
    }

    fn export<'a>(&self, fields: &mut impl Iterator<Item = Field<'a>>) {
        let target = Path::new("/nowhere/out");
        let [path, identity, size, mtime] = take(fields);
        self.put("DELETE FROM export", &[]);
        self.put(
            "INSERT INTO export (target, path, identity, size, mtime_ns)
             VALUES (CAST('/nowhere/out' AS BLOB), ?1, ?2, ?3, ?4)",
            params![path, identity, size, mtime],
        );
        // Rows without a seal that cannot be read are an error, which says what to do.
        let _ = self.store.exports(target);
    }

    fn produced<'a>(&self, fields: &mut impl Iterator<Item = Field<'a>>) {
        let [blob, unit] = take(fields);
        let digest = Digest::of(blob.bytes());
        self.put("DELETE FROM produced", &[]);
        self.put(
            "INSERT OR REPLACE INTO produced (blob, unit) VALUES (?1, ?2)",
            params![digest.as_bytes(), unit],
        );
        let _ = self.store.producers(&digest);
    }
}
