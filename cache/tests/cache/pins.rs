//! Pins: files that outlive the ledger.

use std::fs;

use ccsr_cache::{Digest, PinTarget};

use crate::{Place, run};

#[test]
fn pins_are_kept_replaced_and_removed() {
    let place = Place::new();
    let store = place.open();
    assert_eq!(store.pins().unwrap(), []);
    let (of_run, of_blob) = (
        PinTarget::Run(run()),
        PinTarget::Blob(Digest::of(b"an elephant")),
    );
    store.pin(&of_run, Some("the one in the paper")).unwrap();
    store.pin(&of_blob, None).unwrap();
    store.pin(&of_blob, Some("figure 3")).unwrap();
    // Anything else in the folder is none.
    fs::write(place.root().join("pins/notes.txt"), "mine").unwrap();
    drop(store);
    fs::remove_file(place.root().join("ledger.db")).unwrap();

    let store = place.open_read_only();
    let pins = store.pins().unwrap();
    let found: Vec<_> = pins
        .iter()
        .map(|pin| (pin.target.clone(), pin.note.as_deref().unwrap_or("")))
        .collect();
    assert_eq!(found.len(), 2);
    assert!(found.contains(&(of_run.clone(), "the one in the paper")));
    assert!(found.contains(&(of_blob.clone(), "figure 3")));
    assert!(pins.iter().all(|pin| pin.at > 1_700_000_000));
    assert!(store.unpin(&of_run).is_err(), "opened for reading");

    let store = place.open();
    assert!(store.unpin(&of_run).unwrap());
    assert!(!store.unpin(&of_run).unwrap());
    assert_eq!(store.pins().unwrap().len(), 1);
}

#[test]
fn a_pin_that_decayed_still_holds() {
    let place = Place::new();
    let store = place.open();
    let target = PinTarget::Blob(Digest::of(b"x"));
    store.pin(&target, Some("a note")).unwrap();
    let file = place.root().join(format!("pins/{target}.json"));
    fs::write(file, "\u{0}\u{1}").unwrap();
    let pins = store.pins().unwrap();
    assert_eq!((&pins[0].target, &pins[0].note), (&target, &None));
}
