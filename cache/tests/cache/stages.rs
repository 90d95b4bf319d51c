//! Whole stages, remembered by key and found by name.

use ccsr_cache::{Digest, StageKey, StageMemo, Value};

use crate::{Place, listing, run};

fn stage_key(number: i64) -> StageKey {
    StageKey::of(&Value::Int(number))
}

fn memo(number: i64) -> StageMemo {
    StageMemo {
        outputs: [("images".to_owned(), Digest::of(&number.to_le_bytes()))].into(),
        rows: [("images".to_owned(), 80)].into(),
        units: 80,
        seconds: 12.5,
        explanation: Value::Int(number),
        run: run().to_string(),
    }
}

#[test]
fn a_stage_is_found_by_its_key_and_by_its_name() {
    let place = Place::new();
    let store = place.open();
    assert_eq!(store.stage(&stage_key(1)).unwrap(), None);
    assert_eq!(store.latest_stage("elephant", "draw").unwrap(), None);
    store
        .record_stage(&stage_key(1), "elephant", "draw", &memo(1))
        .unwrap();
    store
        .record_stage(&stage_key(2), "elephant", "draw", &memo(2))
        .unwrap();
    store
        .record_stage(&stage_key(3), "elephant", "judge", &memo(3))
        .unwrap();
    drop(store);

    let store = place.open();
    assert_eq!(store.stage(&stage_key(1)).unwrap(), Some(memo(1)));
    let latest = |store: &ccsr_cache::Store| store.latest_stage("elephant", "draw").unwrap();
    assert_eq!(latest(&store), Some((stage_key(2), memo(2))));

    store
        .touch_stage(&stage_key(1), "elephant", "draw")
        .unwrap();
    assert_eq!(latest(&store), Some((stage_key(1), memo(1))));
    store.touch_stage(&stage_key(1), "other", "draw").unwrap();
    assert_eq!(
        store.latest_stage("other", "draw").unwrap(),
        Some((stage_key(1), memo(1)))
    );

    store.forget_stage(&stage_key(1)).unwrap();
    assert_eq!(store.stage(&stage_key(1)).unwrap(), None);
    assert_eq!(latest(&store), Some((stage_key(2), memo(2))));
    assert_eq!(store.latest_stage("other", "draw").unwrap(), None);
}

#[test]
fn recording_again_replaces() {
    let place = Place::new();
    let store = place.open();
    store
        .record_stage(&stage_key(1), "elephant", "draw", &memo(1))
        .unwrap();
    store
        .record_stage(&stage_key(1), "elephant", "draw", &memo(9))
        .unwrap();
    assert_eq!(store.stage(&stage_key(1)).unwrap(), Some(memo(9)));
}

#[test]
fn touching_what_is_newest_writes_nothing() {
    let place = Place::new();
    let store = place.open();
    store
        .record_stage(&stage_key(1), "elephant", "draw", &memo(1))
        .unwrap();
    drop(store);
    let store = place.open();
    store.stage(&stage_key(1)).unwrap();
    let before = listing(&place.root());
    store
        .touch_stage(&stage_key(1), "elephant", "draw")
        .unwrap();
    assert_eq!(before, listing(&place.root()));
}
