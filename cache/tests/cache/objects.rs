//! Bytes go in, the same bytes come out, or it is said how they were lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use ccsr_cache::{Digest, Loss, ReadError, StoreError};
use proptest::prelude::*;

use crate::{Place, entries, listing};

fn loss(error: ReadError) -> Loss {
    match error {
        ReadError::Lost { how, .. } => how,
        ReadError::Io { path, source } => panic!("{}: {source}", path.display()),
    }
}

/// Replaces an object's file, which is read-only.
fn overwrite(path: &std::path::Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn what_is_put_is_read(blobs: Vec<Vec<u8>>) {
        let place = Place::new();
        let store = place.open();
        let digests = store.put_all(&blobs).unwrap();
        prop_assert_eq!(digests.len(), blobs.len());
        for (digest, blob) in digests.iter().zip(&blobs) {
            prop_assert_eq!(*digest, Digest::of(blob));
            prop_assert!(store.has(digest));
            prop_assert_eq!(&store.read(digest).unwrap(), blob);
        }
        prop_assert!(entries(&place.root().join("tmp")).is_empty());
    }
}

#[test]
fn an_object_lies_under_its_digest_and_is_read_only() {
    let place = Place::new();
    let store = place.open();
    let digest = store.put(b"elephant").unwrap();
    let name = digest.to_string();
    let path = place
        .root()
        .join("objects")
        .join(&name[..2])
        .join(&name[2..]);
    assert_eq!(store.object_path(&digest), path);
    assert_eq!(fs::read(&path).unwrap(), b"elephant");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o222, 0);
}

#[test]
fn an_object_that_is_there_is_left_alone() {
    let place = Place::new();
    let store = place.open();
    let digest = store.put(b"elephant").unwrap();
    let before = listing(&place.root().join("objects"));
    assert_eq!(
        store.put_all(&[b"elephant", b"elephant"]).unwrap(),
        [digest; 2]
    );
    assert_eq!(before, listing(&place.root().join("objects")));
}

#[test]
fn large_objects_round_trip() {
    let place = Place::new();
    let store = place.open();
    let blob: Vec<u8> = (0..5_000_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    let digest = store.put(&blob).unwrap();
    assert_eq!(digest, Digest::of(&blob));
    assert_eq!(store.read(&digest).unwrap(), blob);
}

#[test]
fn threads_may_put_the_same_blob() {
    let place = Place::new();
    let stores = [place.open(), place.open()];
    let blobs: Vec<Vec<u8>> = (0..40).map(|number| vec![number; 3000]).collect();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (store, blobs) = (&stores[thread % 2], &blobs);
            scope.spawn(move || store.put_all(blobs).unwrap());
        }
    });
    for blob in &blobs {
        assert_eq!(&stores[0].read(&Digest::of(blob)).unwrap(), blob);
    }
    assert!(entries(&place.root().join("tmp")).is_empty());
}

#[test]
fn a_missing_object_is_lost() {
    let place = Place::new();
    let store = place.open();
    let digest = store.put(b"elephant").unwrap();
    store.discard(&digest);
    store.discard(&digest);
    assert!(!store.has(&digest));
    assert_eq!(loss(store.read(&digest).unwrap_err()), Loss::Missing);
}

#[test]
fn a_damaged_object_is_lost_and_removed() {
    let place = Place::new();
    let store = place.open();
    let digest = store.put(b"elephant").unwrap();
    for damage in [&b"elephanT"[..], b"eleph", b""] {
        overwrite(&store.object_path(&digest), damage);
        assert_eq!(loss(store.read(&digest).unwrap_err()), Loss::Damaged);
        assert_eq!(loss(store.read(&digest).unwrap_err()), Loss::Missing);
        store.put(b"elephant").unwrap();
        assert_eq!(store.read(&digest).unwrap(), b"elephant");
    }
}

#[test]
fn a_reader_leaves_a_damaged_object_in_place() {
    let place = Place::new();
    let digest = place.open().put(b"elephant").unwrap();
    let reader = place.open_read_only();
    overwrite(&reader.object_path(&digest), b"mouse");
    assert_eq!(loss(reader.read(&digest).unwrap_err()), Loss::Damaged);
    assert_eq!(loss(reader.read(&digest).unwrap_err()), Loss::Damaged);
}

#[test]
fn putting_replaces_an_object_of_the_wrong_size() {
    let place = Place::new();
    let store = place.open();
    let digest = store.put(b"elephant").unwrap();
    overwrite(&store.object_path(&digest), b"eleph");
    store.put(b"elephant").unwrap();
    assert_eq!(store.read(&digest).unwrap(), b"elephant");
}

#[test]
fn what_cannot_be_written_leaves_nothing_behind() {
    let place = Place::new();
    let store = place.open();
    let digest = Digest::of(b"elephant");
    let folder = store.object_path(&digest).parent().unwrap().to_owned();
    fs::write(&folder, "in the way").unwrap();
    let error = store.put(b"elephant").unwrap_err();
    assert!(matches!(error, StoreError::NotWritable { .. }), "{error}");
    assert!(entries(&place.root().join("tmp")).is_empty());
    assert_eq!(loss(store.read(&digest).unwrap_err()), Loss::Missing);
}
