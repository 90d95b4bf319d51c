//! What was exported, and what was recorded of runs.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use ccsr_cache::{Digest, Exported, RunId};

use crate::{Place, entries, listing};

fn exports(names: &[&str]) -> BTreeMap<String, Exported> {
    let exported = |name: &&str| Exported {
        identity: Digest::of(name.as_bytes()),
        size: name.len() as u64,
        mtime_ns: -5,
    };
    names
        .iter()
        .map(|name| ((*name).to_owned(), exported(name)))
        .collect()
}

#[test]
fn exports_are_remembered_by_target() {
    let place = Place::new();
    let store = place.open();
    let (images, report) = (place.path("images"), place.path("report.md"));
    assert!(store.exports(&images).unwrap().is_empty());
    store
        .set_exports(&images, &exports(&["a.png", "b/c.png"]))
        .unwrap();
    store.set_exports(&report, &exports(&[""])).unwrap();
    store
        .set_exports(&images, &exports(&["b/c.png", "d.png"]))
        .unwrap();
    assert_eq!(
        store.exports(&images).unwrap(),
        exports(&["b/c.png", "d.png"])
    );
    assert_eq!(store.exports(&report).unwrap(), exports(&[""]));

    let before = listing(&place.root());
    store.set_exports(&report, &exports(&[""])).unwrap();
    assert_eq!(before, listing(&place.root()));
    store.set_exports(&images, &BTreeMap::new()).unwrap();
    assert!(store.exports(&images).unwrap().is_empty());
}

#[test]
fn runs_are_listed_newest_first() {
    let place = Place::new();
    let store = place.open();
    let ids: Vec<RunId> = [30, 10, 20]
        .map(|seconds| RunId::new(UNIX_EPOCH + Duration::from_secs(seconds), seconds))
        .into();
    for id in &ids {
        store.write_run(id, id.as_str().as_bytes()).unwrap();
    }
    fs::write(place.root().join("runs/notes.txt"), "").unwrap();
    fs::write(place.root().join("runs/notes.json"), "").unwrap();
    assert_eq!(
        store.runs().unwrap(),
        [&ids[0], &ids[2], &ids[1]].map(Clone::clone)
    );
    store.write_run(&ids[0], b"{}").unwrap();
    assert_eq!(store.run(&ids[0]).unwrap().unwrap(), b"{}");
    assert_eq!(store.run(&RunId::new(UNIX_EPOCH, 0)).unwrap(), None);
    assert!(entries(&place.root().join("tmp")).is_empty());
}
