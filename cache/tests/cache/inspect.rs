//! Looking things up by the beginnings of their names.

use std::collections::BTreeMap;

use ccsr_cache::{Digest, Found, StageKey, StageMemo, Value};

use crate::{Place, commit, key};

#[test]
fn beginnings_find_units_stages_and_blobs() {
    let place = Place::new();
    let store = place.open();
    let blob = store.put(b"pixels").unwrap();
    for number in 0..50 {
        commit(&store, number, &Value::from(blob));
    }
    let lone = store.put(b"nobody names it").unwrap();
    let stage = StageKey::of(&Value::from("draw"));
    let memo = StageMemo {
        outputs: BTreeMap::from([("images".to_owned(), lone)]),
        rows: BTreeMap::new(),
        units: 50,
        seconds: 25.0,
        explanation: Value::from("draw"),
        run: crate::run().to_string(),
    };
    store
        .record_stage(&stage, "elephant", "images", &memo)
        .unwrap();

    for number in 0..50 {
        let text = key(number).to_string();
        for length in [6, 12, 63, 64] {
            assert_eq!(
                store.find(&text[..length]).unwrap(),
                [Found::Unit(key(number))]
            );
        }
    }
    let by = |digest: &Digest| store.find(&digest.to_string()[..8]).unwrap();
    assert_eq!(by(&blob), [Found::Blob(blob)]);
    assert_eq!(by(&lone), [Found::Blob(lone)]);
    assert_eq!(by(&stage.digest()), [Found::Stage(stage)]);
    for bad in ["", "abcde", "ABCDEF", "xyzxyz", "äöüäöü", &"a".repeat(65)] {
        assert_eq!(store.find(bad).unwrap(), [], "{bad}");
    }

    let unit = store.known_unit(&key(7)).unwrap().unwrap();
    assert_eq!(
        (unit.kind.as_str(), unit.revision, unit.seconds),
        ("test.count", 1, 0.5)
    );
    assert_eq!(unit.input, Some(Value::map([("number", Value::Int(7))])));
    assert!(unit.counts && unit.commits == 1 && unit.run == crate::run().as_str());
    store.invalidate(&[key(7)]).unwrap();
    let unit = store.known_unit(&key(7)).unwrap().unwrap();
    assert!(!unit.counts);
    assert_eq!(unit.outcome, Some(Value::from(blob)));
    assert!(store.known_unit(&key(99)).unwrap().is_none());

    let known = store.known_blob(&blob).unwrap();
    assert_eq!(
        (known.bytes, known.units.len(), known.stages.len()),
        (Some(6), 50, 0)
    );
    store.discard(&lone);
    let known = store.known_blob(&lone).unwrap();
    assert_eq!(
        (known.bytes, known.stages),
        (None, vec![(stage, "images".to_owned())])
    );
    let known = store.known_stage(&stage).unwrap();
    assert_eq!(known.memo, Some(memo));
    assert_eq!(
        (known.names[0].0.as_str(), known.names[0].1.as_str()),
        ("elephant", "images")
    );
}

#[test]
fn several_that_begin_alike_are_all_found() {
    let place = Place::new();
    let store = place.open();
    // Two whose first six digits agree: a birthday among 24 bits is soon found.
    let mut seen = BTreeMap::new();
    let (a, b) = (0..)
        .find_map(|number| {
            let head = key(number).to_string()[..6].to_owned();
            seen.insert(head, number).map(|other| (other, number))
        })
        .unwrap();
    commit(&store, a, &Value::Null);
    commit(&store, b, &Value::Null);
    let found = store.find(&key(a).to_string()[..6]).unwrap();
    assert_eq!(found.len(), 2);
    assert!(found.contains(&Found::Unit(key(a))) && found.contains(&Found::Unit(key(b))));
}
