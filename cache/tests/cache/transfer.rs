//! Files into the store and out of it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use ccsr_cache::{Digest, FileError, Loss, ReadError};

use crate::{Place, entries};

/// More than a chunk, and no whole number of them.
fn large() -> Vec<u8> {
    (0..9_000_001_u32)
        .flat_map(u32::to_le_bytes)
        .take(9_000_001)
        .collect()
}

#[test]
fn files_go_in_and_come_out_as_they_were() {
    let place = Place::new();
    let store = place.open();
    for bytes in [Vec::new(), b"small".to_vec(), large()] {
        let (file, copy) = (place.path("in"), place.path("out"));
        fs::write(&file, &bytes).unwrap();
        let digest = store.put_file(&file).unwrap();
        assert_eq!(digest, Digest::of(&bytes));
        assert_eq!(store.put_file(&file).unwrap(), digest);
        assert_eq!(store.read(&digest).unwrap(), bytes);
        let mode = fs::metadata(store.object_path(&digest))
            .unwrap()
            .permissions();
        assert!(mode.readonly());
        store.copy_out(&digest, &copy).unwrap();
        assert_eq!(fs::read(&copy).unwrap(), bytes);
        // Whoever has it may write to it, and the object is not changed by it.
        assert_eq!(
            fs::metadata(&copy).unwrap().permissions().mode() & 0o200,
            0o200
        );
        fs::write(&copy, "other").unwrap();
        fs::write(&file, "other").unwrap();
        assert_eq!(store.read(&digest).unwrap(), bytes);
        assert!(
            store.copy_out(&digest, &copy).is_err(),
            "nothing is overwritten"
        );
        fs::remove_file(&copy).unwrap();
    }
    assert!(entries(&place.root().join("tmp")).is_empty());
    let missing = store.put_file(&place.path("nowhere"));
    assert!(matches!(missing, Err(FileError::NotFound { .. })));
    assert!(matches!(
        store.put_file(&place.root()),
        Err(FileError::NotAFile { .. })
    ));
    assert!(place.open_read_only().put_file(&place.path("in")).is_err());
}

/// A way out of the store.
type Way = fn(&ccsr_cache::Store, &Digest, &std::path::Path) -> Result<(), ReadError>;

#[test]
fn what_is_damaged_does_not_come_out() {
    let place = Place::new();
    let store = place.open();
    let to = place.path("out");
    let ways: [Way; 2] = [ccsr_cache::Store::copy_out, ccsr_cache::Store::link_out];
    for out in ways {
        let digest = store.put(&large()).unwrap();
        let path = store.object_path(&digest);
        fs::remove_file(&path).unwrap();
        let mut bytes = large();
        bytes[8_999_999] ^= 1;
        fs::write(&path, bytes).unwrap();
        for how in [Loss::Damaged, Loss::Missing] {
            let lost = out(&store, &digest, &to).unwrap_err();
            assert!(
                matches!(lost, ReadError::Lost { how: found, .. } if found == how),
                "{lost}"
            );
            assert!(!to.exists());
        }
    }
}

#[test]
fn a_link_is_the_object() {
    let place = Place::new();
    let store = place.open();
    let digest = store.put(b"an elephant").unwrap();
    let to = place.path("out");
    store.link_out(&digest, &to).unwrap();
    let inode = |path| fs::metadata(path).unwrap().ino();
    assert_eq!(inode(to), inode(store.object_path(&digest)));
}
