//! Before a failure counts: units are tried again, batches are halved, time-outs and slots are kept.
//! And what a user may ask for: to run up to a stage, to execute again what is known.

use std::time::{Duration, Instant};

use ccsr_engine::record::{RunOutcome, StageOutcome};

use crate::kinds::peak;
use crate::plan::planned;
use crate::{Place, expect, stages};

fn weary(stage: &str, with: &str) -> String {
    stages(&format!(
        "
        words: {{uses: test.rows, with: {{words: [ox, ant, bee, cat]}}}}
        weary: {{uses: test.weary, from: words, {stage}, with: {{{with}}}}}
        "
    ))
}

#[test]
fn a_unit_that_failed_is_tried_again_as_often_as_the_stage_says() {
    let place = Place::new();
    let ran = place.run(&weary("batch: 2, retry: {times: 2, wait: 1ms}", "flaky: 2"));
    expect(
        &ran.story(),
        "
        words: executed 0, reused 0
        weary: failed 1 times: not now
        weary: failed 1 times: not now
        weary: failed 1 times: not now
        weary: failed 1 times: not now
        weary: failed 2 times: not now
        weary: failed 2 times: not now
        weary: failed 2 times: not now
        weary: failed 2 times: not now
        weary: executed 4, reused 0
    ",
    );
    assert_eq!(place.rows(&ran, "weary.rows"), ["ox", "ant", "bee", "cat"]);

    let ran = Place::new().run_with(
        &weary("retry: {times: 1, wait: 1ms}", "flaky: 2"),
        |options| {
            options.keep_going = true;
        },
    );
    assert_eq!(ran.record.outcome, RunOutcome::Failed);
    assert_eq!(ran.record.stages[1].errors.len(), 4);
}

#[test]
fn an_input_that_cannot_be_is_not_tried_again() {
    let ran = Place::new().run(&weary("retry: 3", "flaky: 1, stubborn: true"));
    assert_eq!(ran.record.outcome, RunOutcome::Failed);
    assert_eq!(
        ran.record.stages[1].errors[0],
        "the word `ox`: it cannot be"
    );
}

#[test]
fn the_wait_doubles() {
    let started = Instant::now();
    let ran = Place::new().run(&weary("retry: {times: 3, wait: 40ms}", "flaky: 3"));
    assert_eq!(ran.record.outcome, RunOutcome::Done);
    // 40 + 80 + 160.
    assert!(started.elapsed() >= Duration::from_millis(280));
}

#[test]
fn a_batch_that_does_not_fit_into_memory_is_halved_until_it_does() {
    let place = Place::new();
    let ran = place.run(&weary("batch: 4", "fits: 1"));
    expect(
        &ran.story(),
        "
        words: executed 0, reused 0
        weary: out of memory, 2 units a batch
        weary: out of memory, 1 units a batch
        weary: executed 4, reused 0
    ",
    );
    let mut work: Vec<_> = place.log().into_iter().map(|line| line.what).collect();
    work.sort();
    assert_eq!(work, ["ant", "bee", "cat", "ox"]);

    let ran = Place::new().run(&weary("batch: 4", "fits: 0"));
    let error = &ran.record.stages[1].errors[0];
    assert!(
        error.ends_with(": out of memory: 1 are too many"),
        "{error}"
    );
}

#[test]
fn a_stage_ends_when_its_time_is_over_and_keeps_what_it_has() {
    let place = Place::new();
    let text = |timeout: &str| weary(&format!("batch: 1, timeout: {timeout}"), "pause_ms: 150");
    let ran = place.run(&text("0.2"));
    assert_eq!(ran.record.outcome, RunOutcome::Failed);
    let weary = &ran.record.stages[1];
    assert_eq!(weary.outcome, StageOutcome::Failed);
    assert_eq!(
        weary.errors,
        [
            "its time is over: it has a `timeout` of 200ms; what it computed is kept, and the next run goes on from there"
        ]
    );
    assert!((1..4).contains(&weary.executed), "{}", weary.executed);
    let again = place.run(&text("1m"));
    assert_eq!(again.record.outcome, RunOutcome::Done);
    assert_eq!(again.record.units_executed, 4 - weary.executed);
}

#[test]
fn what_waits_for_somebody_else_is_told_when_its_time_is_over() {
    let ran = Place::new().run(&weary("timeout: 50ms, retry: 5", "waits: true"));
    assert_eq!(ran.record.outcome, RunOutcome::Failed);
    assert_eq!(
        ran.record.stages[1].errors[0],
        "the word `ox`: it was ended"
    );
}

#[test]
fn batches_wait_for_slots() {
    let text = |slots: &str| weary(&format!("batch: 1, slots: {{{slots}}}"), "pause_ms: 20");
    let at_most = |slots: &str, memory: Option<u64>| {
        let place = Place::new();
        place.run_with(&text(slots), |options| {
            options.workers = 4;
            options.device_slots = Some(1);
            options.memory = memory;
        });
        peak(&crate::log_of(place.root()))
    };
    assert!(at_most("cpu: 1", None) > 1);
    assert_eq!(at_most("cpu: 4", None), 1);
    assert_eq!(at_most("cpu: 9", None), 1, "more than there are: alone");
    assert!(at_most("cpu: 2", None) <= 2);
    assert_eq!(at_most("device: 1", None), 1);
    assert_eq!(at_most("memory: 6MB", Some(10_000_000)), 1);
}

const THREE: &str = "
    words: {uses: test.rows, with: {words: [ox, ant]}}
    map: {uses: test.map, from: words}
    sum: {uses: test.sum, from: map}
    beside: {uses: test.map, from: words, with: {suffix: '?'}}
    ";

#[test]
fn a_run_up_to_a_stage_leaves_the_others_alone() {
    let place = Place::new();
    let pipeline = place.compile(&stages(THREE));
    let map = pipeline.find("map").unwrap();
    let pipeline = pipeline.up_to(&[map]);
    let ran = crate::run(&pipeline, &place.store(), &crate::options(place.root())).unwrap();
    expect(
        &ran.story(),
        "
        words: executed 0, reused 0
        map: executed 2, reused 0
    ",
    );
    // The same keys: the rest finds them.
    expect(
        &place.run(&stages(THREE)).story(),
        "
        words: unchanged
        map: unchanged
        sum: executed 0, reused 0
        beside: executed 2, reused 0
    ",
    );
}

#[test]
fn a_forced_stage_executes_what_is_known_and_the_same_outcome_changes_nothing_below() {
    let place = Place::new();
    place.run(&stages(THREE));
    place.work();
    let pipeline = place.compile(&stages(THREE));
    let mut options = crate::options(place.root());
    options.force = vec![pipeline.find("map").unwrap()];
    let ran = crate::run(&pipeline, &place.store(), &options).unwrap();
    expect(
        &ran.story(),
        "
        words: unchanged
        beside: unchanged
        map: executed 2, reused 0
        sum: unchanged
    ",
    );
    assert_eq!(place.work(), "ox!, ant!");
    expect(
        &place.run(&stages(THREE)).story(),
        "
        words: unchanged
        map: unchanged
        sum: unchanged
        beside: unchanged
    ",
    );
}

/// A unit that one stage delays is another's, too, when the first stage's time is over.
#[test]
fn a_delayed_unit_is_handed_over() {
    let place = Place::new();
    let text = stages(
        "
        words: {uses: test.rows, with: {words: [ox]}}
        first: {uses: test.weary, from: words, retry: {times: 1, wait: 300ms}, timeout: 100ms, with: {flaky: 1}}
        second: {uses: test.weary, from: words}
        ",
    );
    let ran = place.run_with(&text, |options| options.keep_going = true);
    let outcomes: Vec<_> = ran
        .record
        .stages
        .iter()
        .map(|stage| stage.outcome)
        .collect();
    assert_eq!(
        outcomes,
        [
            StageOutcome::Resolved,
            StageOutcome::Failed,
            StageOutcome::Resolved
        ]
    );
}

#[test]
fn what_a_unit_costs_is_remembered_for_the_plan() {
    let place = Place::new();
    place.run(&weary("batch: 1", "pause_ms: 20"));
    let more = weary("batch: 1", "").replace("cat]", "cat, dog, elk]");
    let plan = planned(&place, &more);
    let (known, below) = plan.seconds();
    let known = known.unwrap();
    assert!((0.04..0.4).contains(&known), "{known}");
    assert_eq!(below, Some(0.0));
    let unknown = planned(&Place::new(), &more);
    assert_eq!(unknown.seconds(), (None, Some(0.0)));
}
