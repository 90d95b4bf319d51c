//! Equal keys are computed once, whoever asks for them, and nobody waits for the dead.

use std::path::Path;
use std::time::Duration;

use ccsr_cache::{Access, Claim, Store, Value};

use crate::{Place, child, commit, entries, key, keys};

#[test]
fn a_claim_is_ours_until_it_is_done_or_released() {
    let place = Place::new();
    let (one, other) = (place.open(), place.open());
    assert_eq!(one.claim(&keys(0..2)).unwrap(), [Claim::Ours; 2]);
    assert_eq!(one.claim(&keys(0..2)).unwrap(), [Claim::Ours; 2]);
    assert_eq!(
        other.claim(&keys(0..3)).unwrap(),
        [Claim::Held, Claim::Held, Claim::Ours]
    );

    commit(&one, 0, &Value::Null);
    one.release(&[key(1)]).unwrap();
    other.release(&[key(1)]).unwrap();
    assert_eq!(
        other.claim(&keys(0..3)).unwrap(),
        [Claim::Done, Claim::Ours, Claim::Ours]
    );
    assert_eq!(one.claim(&[key(1)]).unwrap(), [Claim::Held]);

    other.invalidate(&[key(0)]).unwrap();
    assert_eq!(one.claim(&[key(0)]).unwrap(), [Claim::Ours]);
}

#[test]
fn nobody_releases_what_is_not_theirs() {
    let place = Place::new();
    let (one, other) = (place.open(), place.open());
    one.claim(&keys(0..1)).unwrap();
    other.claim(&keys(1..2)).unwrap();
    other.release(&keys(0..1)).unwrap();
    assert_eq!(other.claim(&keys(0..1)).unwrap(), [Claim::Held]);
}

#[test]
fn closing_a_store_gives_everything_up() {
    let place = Place::new();
    let (one, other) = (place.open(), place.open());
    one.claim(&keys(0..100)).unwrap();
    drop(one);
    assert_eq!(other.claim(&keys(0..100)).unwrap(), [Claim::Ours; 100]);
    drop(other);
    assert!(entries(&place.root().join("locks")).is_empty());
}

pub(crate) fn claim_and_wait(root: &Path) {
    let store = Store::open(root, Access::ReadWrite).unwrap();
    assert_eq!(store.claim(&keys(0..3)).unwrap(), [Claim::Ours; 3]);
    child::ready_and_wait(root);
}

#[test]
fn leases_die_with_their_process() {
    let place = Place::new();
    let store = place.open();
    let mut owner = child::spawn("claim and wait", &place.root());
    child::await_ready(&place.root());
    assert_eq!(
        store.claim(&keys(2..4)).unwrap(),
        [Claim::Held, Claim::Ours]
    );
    assert_eq!(entries(&place.root().join("locks")).len(), 2);
    owner.kill();
    assert_eq!(store.claim(&keys(0..4)).unwrap(), [Claim::Ours; 4]);
    assert_eq!(entries(&place.root().join("locks")).len(), 1);
}

/// How much work there is for [`work`].
const WORK: i64 = 150;

/// Does all work that nobody else does, until all is done.
pub(crate) fn work(root: &Path) {
    let store = Store::open(root, Access::ReadWrite).unwrap();
    let mut open: Vec<i64> = (0..WORK).collect();
    while !open.is_empty() {
        for batch in open.chunks(8) {
            let wanted: Vec<_> = batch.iter().map(|number| key(*number)).collect();
            let claims = store.claim(&wanted).unwrap();
            for (number, claim) in batch.iter().zip(claims) {
                if claim == Claim::Ours {
                    std::thread::sleep(Duration::from_micros(200));
                    commit(&store, *number, &Value::Int(*number));
                }
            }
        }
        open.retain(|number| store.lookup(&[key(*number)]).unwrap()[0].is_none());
    }
}

#[test]
fn processes_beside_each_other_do_nothing_twice() {
    let place = Place::new();
    let workers = [(); 4].map(|()| child::spawn("work", &place.root()));
    let mut killed = child::spawn("work", &place.root());
    std::thread::sleep(Duration::from_millis(30));
    killed.kill();
    workers.into_iter().for_each(child::Process::join);
    let store = place.open();
    for number in 0..WORK {
        assert_eq!(store.commits(&key(number)).unwrap(), 1);
    }
}
