//! The user's files are read once, and again whenever they may have changed.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use ccsr_cache::{Digest, FileError};

use crate::{Place, seal};

/// Makes the memo lie, with seals that hold: whoever still gets the truth has read the file.
fn falsify(place: &Place) -> usize {
    type Look = (Vec<u8>, u64, i64, i64, i64);
    let ledger = rusqlite::Connection::open(place.root().join("ledger.db")).unwrap();
    let lie = Digest::of(b"a lie");
    let mut select = ledger
        .prepare("SELECT path, size, mtime_ns, ctime_ns, inode FROM file")
        .unwrap();
    let look = |row: &rusqlite::Row<'_>| {
        Ok((
            row.get(0)?,
            row.get(1)?,
            row.get(2)?,
            row.get(3)?,
            row.get(4)?,
        ))
    };
    let files: Vec<Look> = select
        .query_map([], look)
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for (path, size, mtime, ctime, inode) in &files {
        let seal = seal(&[
            path,
            &size.to_le_bytes(),
            &mtime.to_le_bytes(),
            &ctime.to_le_bytes(),
            &inode.to_le_bytes(),
            lie.as_bytes(),
        ]);
        ledger
            .execute(
                "UPDATE file SET digest = ?1, seal = ?2 WHERE path = ?3",
                rusqlite::params![lie.as_bytes(), seal, path],
            )
            .unwrap();
    }
    files.len()
}

/// Replaces a file's bytes and sets its modification time back.
fn rewrite(path: &Path, bytes: &[u8]) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    fs::write(path, bytes).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(modified).unwrap();
}

#[test]
fn a_digest_is_that_of_the_bytes_whatever_their_number() {
    let place = Place::new();
    let store = place.open();
    let path = place.path("file");
    for size in [
        0,
        1,
        300_000,
        (4 << 20) - 1,
        4 << 20,
        (4 << 20) + 1,
        9_000_000,
    ] {
        let bytes: Vec<u8> = (0..size).map(|number: u32| (number % 253) as u8).collect();
        fs::write(&path, &bytes).unwrap();
        assert_eq!(
            store.digest_file(&path).unwrap(),
            Digest::of(&bytes),
            "{size}"
        );
    }
}

#[test]
fn a_file_that_just_changed_is_not_remembered() {
    let place = Place::new();
    let store = place.open();
    let path = place.path("file");
    for text in [b"one", b"two", b"six"] {
        if path.exists() {
            rewrite(&path, text);
        } else {
            fs::write(&path, text).unwrap();
        }
        assert_eq!(store.digest_file(&path).unwrap(), Digest::of(text));
    }
    drop(store);
    assert_eq!(falsify(&place), 0);
}

#[test]
fn a_settled_file_is_remembered_until_it_looks_different() {
    let place = Place::new();
    let store = place.open();
    let paths = ["a", "b", "c"].map(|name| place.path(name));
    for path in &paths {
        fs::write(path, "one").unwrap();
    }
    let link = place.path("link");
    std::os::unix::fs::symlink(&paths[0], &link).unwrap();
    std::thread::sleep(Duration::from_millis(2100));

    let reader = place.open_read_only();
    assert_eq!(
        reader.digest_files(&paths).unwrap(),
        [Digest::of(b"one"); 3]
    );
    assert_eq!(falsify(&place), 0);

    assert_eq!(store.digest_files(&paths).unwrap(), [Digest::of(b"one"); 3]);
    assert_eq!(store.digest_file(&link).unwrap(), Digest::of(b"one"));
    assert_eq!(falsify(&place), 4);
    assert_eq!(
        store.digest_files(&paths).unwrap(),
        [Digest::of(b"a lie"); 3]
    );
    assert_eq!(reader.digest_file(&paths[1]).unwrap(), Digest::of(b"a lie"));

    // Same size, same modification time, same inode: the change time tells.
    rewrite(&paths[1], b"two");
    let found = store.digest_files(&paths).unwrap();
    assert_eq!(
        found,
        [
            Digest::of(b"a lie"),
            Digest::of(b"two"),
            Digest::of(b"a lie")
        ]
    );
}

#[test]
fn a_memo_that_decayed_is_passed_over() {
    let place = Place::new();
    let path = place.path("file");
    fs::write(&path, "one").unwrap();
    std::thread::sleep(Duration::from_millis(2100));
    place.open().digest_file(&path).unwrap();
    let ledger = rusqlite::Connection::open(place.root().join("ledger.db")).unwrap();
    let lie = Digest::of(b"a lie");
    let changed = ledger
        .execute("UPDATE file SET digest = ?1", [lie.as_bytes()])
        .unwrap();
    assert_eq!(changed, 1);
    assert_eq!(place.open().digest_file(&path).unwrap(), Digest::of(b"one"));
}

#[test]
fn what_is_no_file_is_named() {
    let place = Place::new();
    let store = place.open();
    let there = place.path("there");
    fs::write(&there, "x").unwrap();
    let missing = place.path("missing");
    let error = store.digest_files(&[there, missing.clone()]).unwrap_err();
    assert!(matches!(error, FileError::NotFound { path } if path == missing));
    let error = store.digest_file(place.folder.path()).unwrap_err();
    assert!(matches!(error, FileError::NotAFile { .. }));
    let error = store.digest_file(&place.path("there/below")).unwrap_err();
    assert!(matches!(
        error,
        FileError::NotFound { .. } | FileError::Io { .. }
    ));
}
