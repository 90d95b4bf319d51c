//! Runs and garbage collection: what kept runs reach stays, the rest is made again when it is asked
//! for.

use ccsr_cache::{Access, Digest, Freed, PinTarget, Store};
use ccsr_engine::{RunOptions, retain};

use crate::{Place, expect, stages};

fn text(words: &str, length: usize) -> String {
    stages(&format!(
        "
        words: {{uses: test.rows, with: {{words: [{words}]}}}}
        map: {{uses: test.map, from: words}}
        read: {{uses: test.read, from: map}}
        train: {{uses: test.chain, with: {{length: {length}}}}}
        "
    ))
}

fn collect(place: &Place, newest: Option<usize>) -> Freed {
    let store = Store::open(&place.path(".ccsr"), Access::Alone).unwrap();
    let keep = retain::kept(&store, newest).unwrap();
    let collection = store.collection(&keep, None).unwrap();
    store.collect(&collection).unwrap()
}

fn has(place: &Place, content: &str) -> bool {
    place.store().has(&Digest::of(content.as_bytes()))
}

#[test]
fn a_kept_run_is_unchanged_after_the_others_are_gone() {
    let place = Place::new();
    let (old, new) = (text("ox, ant", 3), text("ant, bee", 5));
    let first = place.run(&old);
    let second = place.run(&new);
    place.work();
    let freed = collect(&place, Some(1));
    assert!(freed.objects.count >= 3, "{freed:?}");
    assert_eq!(place.store().runs().unwrap().len(), 1);
    assert!(!has(&place, "ox!") && has(&place, "ant!") && has(&place, "bee!"));

    let again = place.run(&new);
    expect(
        &again.story(),
        "words: unchanged\nmap: unchanged\nread: unchanged\ntrain: unchanged",
    );
    assert_eq!(
        (place.work().as_str(), again.digests()),
        ("", second.digests())
    );
    // What was forgotten is collected from the outcomes that stayed; the blob that is gone is made
    // when it is read.
    let back = place.run(&old);
    assert_eq!(
        (place.work().as_str(), back.digests()),
        ("", first.digests())
    );
    let salted = old.replace("from: map}", "from: map, with: {salt: y}}");
    place.run(&salted);
    assert_eq!(place.work().matches("ox!").count(), 1);
}

#[test]
fn a_longer_chain_goes_on_from_what_is_kept() {
    let place = Place::new();
    place.run(&text("ox", 3));
    place.run(&text("bee", 5));
    collect(&place, Some(1));
    place.work();
    let ran = place.run(&text("bee", 6));
    assert_eq!(ran.record.units_executed, 1, "{}", place.work());
}

#[test]
fn pins_outlive_their_runs() {
    let place = Place::new();
    let first = place.run(&text("ox, ant", 3));
    place.run(&text("bee", 3));
    // A run that began in the second of the oldest kept one, and has no record, would be kept.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    place.run(&text("cat", 3));
    let run: ccsr_cache::RunId = first.record.run.parse().unwrap();
    let table = Digest::of(b"bee!");
    place
        .store()
        .pin(&PinTarget::Run(run.clone()), None)
        .unwrap();
    place.store().pin(&PinTarget::Blob(table), None).unwrap();
    collect(&place, Some(1));
    assert!(has(&place, "ox!") && has(&place, "bee!") && has(&place, "cat!"));
    assert!(place.store().runs().unwrap().contains(&run));
    place.store().unpin(&PinTarget::Run(run)).unwrap();
    place.store().unpin(&PinTarget::Blob(table)).unwrap();
    collect(&place, Some(1));
    assert!(!has(&place, "ox!") && !has(&place, "bee!") && has(&place, "cat!"));
}

#[test]
fn what_a_killed_run_computed_is_kept() {
    let place = Place::new();
    let ran = place.run(&text("ox, ant", 3));
    // Killed at its very end, a run leaves everything but its record.
    std::fs::remove_dir_all(place.path(".ccsr/runs")).unwrap();
    // The text of the pipeline goes: nothing but the record knew of it.
    assert_eq!(collect(&place, None).objects.count, 1);
    place.work();
    assert_eq!(place.run(&text("ox, ant", 3)).digests(), ran.digests());
    assert_eq!(place.work(), "");
    // Nothing is kept if that is said.
    assert!(collect(&place, Some(0)).objects.count >= 8);
    let store = place.store();
    assert_eq!(
        store
            .stat(&retain::kept(&store, None).unwrap())
            .unwrap()
            .objects
            .count,
        0
    );
}

#[test]
fn an_interrupted_run_keeps_what_it_had() {
    let place = Place::new();
    place.run(&text("cat", 1));
    let counted = std::sync::atomic::AtomicUsize::new(0);
    let ran = place.run_with(&text("ox, ant, bee", 9), |options: &mut RunOptions| {
        options.stop = std::sync::Arc::new(move || {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 6
        });
    });
    let executed = ran.record.units_executed;
    assert!(executed > 0 && executed < 15, "{executed}");
    collect(&place, Some(1));
    place.work();
    let whole = place.run(&text("ox, ant, bee", 9));
    assert_eq!(
        whole.record.units_executed + executed,
        place_units(),
        "none twice"
    );
}

/// Units of three words and a chain of nine, without what the first run had of the chain.
const fn place_units() -> u64 {
    3 + 3 + 9 - 1
}
