//! Waves, partitions and resources, before any network needs them: the right result, nothing done
//! twice, and nothing lost to `kill -9`.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use ccsr_cache::{ActionKey, Digest};

use crate::{Dice, Logged, Place, Ran, child, expect, kinds, stages};

const RETRY: &str = "
    ask: {uses: test.retry, batch: 3, with: {count: 24, words: 30, pause_ms: PAUSE, note: 'NOTE'}}
";
const GATED: &str = "
    words: {uses: test.rows, with: {words: [a, be, sea, four, fifth, sixths, sevenths, octagons, ninefolds, tenderness,
        b, bo, bee, bean, beast, breast, bravest, broadest, brilliant, bimetallic]}}
    ask: {uses: test.gated, from: words, batch: 2, with: {pause_ms: PAUSE, note: 'NOTE'}}
";
const CHAIN: &str = "
    train: {uses: test.chain, with: {length: 30, pause_ms: PAUSE, note: 'NOTE'}}
    read: {uses: test.read, from: train}
";
const RESOURCES: &str = "
    words: {uses: test.rows, with: {words: [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t]}}
    look: {uses: test.resources, from: words, batch: 1, with: {pause_ms: PAUSE, note: 'NOTE'}}
";
const MAP: &str = "
    words: {uses: test.rows, with: {words: [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t]}}
    map: {uses: test.map, from: words, batch: 3, with: {pause_ms: PAUSE, note: 'NOTE'}}
    read: {uses: test.read, from: map, batch: 2}
    sum: {uses: test.sum, from: map}
";

fn text(template: &str, pause: u64, note: &str) -> String {
    stages(
        &template
            .replace("PAUSE", &pause.to_string())
            .replace("NOTE", note),
    )
}

/// Runs it three times: as it is, unchanged, and with another stage key over the same units. Only
/// the first run does anything.
fn thrice(place: &Place, template: &str) -> (Ran, String) {
    let first = place.run(&text(template, 0, "a"));
    assert_ne!(place.work(), "");
    let again = place.run(&text(template, 0, "a"));
    assert_eq!(place.work(), "");
    let noted = place.run(&text(template, 0, "b"));
    assert_eq!(place.work(), "");
    let stories = [&first, &again, &noted].map(Ran::story);
    for ran in [again, noted] {
        assert_eq!(ran.digests(), first.digests());
        assert_eq!(ran.record.units_executed, 0);
    }
    (first, stories.join("again\n"))
}

#[test]
fn a_retry_asks_until_there_are_enough_different_words() {
    let place = Place::new();
    let (ran, story) = thrice(&place, RETRY);
    expect(
        &story,
        r#"
        ask: executed 36, reused 0
        again
        ask: unchanged
        again
        ask: `note` was "a", now "b"
        ask: executed 0, reused 36
    "#,
    );
    // The same by hand, slot by slot in each round.
    let mut words: BTreeMap<i64, (String, i64)> = BTreeMap::new();
    for attempt in 0..100 {
        for slot in 0..24 {
            let word = kinds::picked(slot, attempt, 30);
            if !words.contains_key(&slot) && !words.values().any(|(known, _)| *known == word) {
                words.insert(slot, (word, attempt + 1));
            }
        }
    }
    let rows: Vec<_> = words
        .values()
        .map(|(word, attempts)| format!("{word} {attempts}"))
        .collect();
    assert_eq!(rows.len(), 24);
    assert_eq!(place.rows(&ran, "ask.rows"), rows);
    let attempts: i64 = words.values().map(|(_, attempts)| attempts).sum();
    assert_eq!(ran.record.units_executed, attempts as u64);
}

#[test]
fn a_gated_question_is_asked_where_the_first_was_answered_yes() {
    let place = Place::new();
    let (ran, story) = thrice(&place, GATED);
    expect(
        &story,
        r#"
        words: executed 0, reused 0
        ask: executed 31, reused 0
        again
        words: unchanged
        ask: unchanged
        again
        words: unchanged
        ask: `note` was "a", now "b"
        ask: executed 0, reused 31
    "#,
    );
    let rows = place.rows(&ran, "ask.rows");
    assert_eq!(
        &rows[..4],
        ["a false ", "be true 1", "sea false ", "four true 2"]
    );
    let short = "
        words: {uses: test.rows, with: {words: [be, a, it]}}
        ask: {uses: test.gated, from: words, batch: 1}
    ";
    let place = Place::new();
    place.run(&stages(short));
    assert_eq!(place.work(), "even be, even a, even it, half be, half it");
}

#[test]
fn a_chain_holds_the_outcome_before_each_and_grows_at_its_end() {
    let place = Place::new();
    let (ran, story) = thrice(&place, CHAIN);
    expect(
        &story,
        r#"
        train: executed 30, reused 0
        read: executed 1, reused 0
        again
        train: unchanged
        read: unchanged
        again
        train: `note` was "a", now "b"
        train: executed 0, reused 30
        read: unchanged
    "#,
    );
    let steps: Vec<_> = (1..=30).map(|step| format!("{step};")).collect();
    assert_eq!(place.rows(&ran, "read.rows"), [steps.concat()]);

    let place = Place::new();
    let chain = |length: u32| {
        stages(&format!(
            "train: {{uses: test.chain, with: {{length: {length}}}}}"
        ))
    };
    place.run(&chain(100));
    place.work();
    let longer = place.run(&chain(150));
    expect(
        &longer.story(),
        "
        train: `length` was 100, now 150
        train: executed 50, reused 100
    ",
    );
    let steps: Vec<_> = (101..=150).map(|step| format!("step {step}")).collect();
    assert_eq!(place.work(), steps.join(", "));
    // A shorter one is a beginning of it.
    place.run(&chain(50));
    assert_eq!(place.work(), "");
}

#[test]
fn units_get_the_resource_that_they_name() {
    let place = Place::new();
    let (ran, story) = thrice(&place, RESOURCES);
    expect(
        &story,
        r#"
        words: executed 0, reused 0
        look: executed 20, reused 0
        again
        words: unchanged
        look: unchanged
        again
        words: unchanged
        look: `note` was "a", now "b"
        look: executed 0, reused 20
    "#,
    );
    assert_eq!(
        &place.rows(&ran, "look.rows")[..3],
        ["a left", "b right", "c left"]
    );
}

#[test]
fn resources_leave_when_there_is_no_room_and_stay_when_there_is() {
    let text = text(RESOURCES, 0, "");
    let loads = |memory: Option<u64>| {
        let place = Place::new();
        place.run_with(&text, |options| options.memory = memory);
        place.work().matches("load").count()
    };
    assert_eq!(loads(None), 2);
    assert_eq!(loads(Some(20)), 2);
    // Room for one: it stays until the units that need it are done, then the other comes.
    assert_eq!(loads(Some(10)), 2);
}

#[test]
fn several_workers_come_to_the_same() {
    for template in [RETRY, GATED, CHAIN, RESOURCES, MAP] {
        let (one, four) = (Place::new(), Place::new());
        let alone = one.run(&text(template, 0, ""));
        let together = four.run_with(&text(template, 1, ""), |options| options.workers = 4);
        assert_eq!(together.digests(), alone.digests());
        assert_eq!(together.record.units_executed, alone.record.units_executed);
    }
}

#[test]
fn a_retry_survives_being_killed() {
    killed_and_resumed(RETRY, 1);
}

#[test]
fn a_gated_question_survives_being_killed() {
    killed_and_resumed(GATED, 2);
}

#[test]
fn a_chain_survives_being_killed() {
    killed_and_resumed(CHAIN, 3);
}

#[test]
fn resources_survive_being_killed() {
    killed_and_resumed(RESOURCES, 4);
}

#[test]
fn stages_above_each_other_survive_being_killed() {
    killed_and_resumed(MAP, 5);
}

const KILLS: usize = 4;

/// Kills a run after a random piece of progress, again and again, then lets it come to its end.
fn killed_and_resumed(template: &str, seed: u64) {
    let calm = Place::new();
    let expected = calm.run(&text(template, 0, "")).digests();
    let units = executed(&calm).len();

    let place = Place::new();
    let text = text(template, 3, "");
    place.write("pipeline.yaml", &text);
    place.write("go", "");
    let mut dice = Dice(seed);
    for kill in 1..=KILLS {
        let (before, committed) = (executed(&place).len(), committed(&place));
        // However slow this process is, the other one waits for it here.
        let limit = units * kill / (KILLS + 1);
        place.write("work.log.limit", limit.to_string());
        let target = before + 1 + dice.below((limit - before) as u64) as usize;
        let mut process = child::spawn(&place, "pipeline.yaml");
        child::wait_until(|| executed(&place).len() >= target);
        std::thread::sleep(Duration::from_micros(dice.below(6000)));
        process.kill();
        assert_new(&executed(&place)[before..], &committed);
    }
    std::fs::remove_file(place.path("work.log.limit")).unwrap();
    let (before, committed) = (executed(&place).len(), committed(&place));
    assert!(!committed.is_empty() && committed.len() < units);
    child::spawn(&place, "pipeline.yaml").join();
    assert_new(&executed(&place)[before..], &committed);

    place.work();
    let again = place.run(&text);
    assert_eq!(again.digests(), expected);
    assert_eq!(
        (again.record.units_executed, place.work().as_str()),
        (0, "")
    );
}

/// What of the log is not about loading.
fn executed(place: &Place) -> Vec<Logged> {
    let log = place.log().into_iter();
    log.filter(|line| line.key.is_some()).collect()
}

/// The units whose outcomes are in the ledger, each committed once. Whatever they name can be read.
fn committed(place: &Place) -> HashSet<ActionKey> {
    let store = place.store();
    let keys: Vec<_> = place.log().iter().filter_map(|line| line.key).collect();
    let found = store.lookup(&keys).unwrap();
    let done = keys
        .into_iter()
        .zip(found)
        .filter_map(|(key, stored)| Some((key, stored?)));
    let checked = done.map(|(key, stored)| {
        assert_eq!(store.commits(&key).unwrap(), 1);
        for blob in stored.outcome.blobs() {
            store.read(&blob).unwrap();
        }
        key
    });
    checked.collect()
}

/// Nothing was executed that was committed before.
fn assert_new(log: &[Logged], committed: &HashSet<ActionKey>) {
    let again = log
        .iter()
        .filter(|line| line.key.is_some_and(|key| committed.contains(&key)));
    let again: Vec<_> = again.map(|line| line.what.as_str()).collect();
    assert!(
        again.is_empty(),
        "executed though they were committed: {again:?}"
    );
}

#[test]
fn a_blob_is_not_made_twice_by_chance() {
    // The digests above mean something only if different chains differ.
    let chain = |length: u32| -> Digest {
        let place = Place::new();
        let text = format!("train: {{uses: test.chain, with: {{length: {length}}}}}");
        place.run(&stages(&text)).digests()["train.rows"]
    };
    assert_ne!(chain(3), chain(4));
}
