//! What fails is named, stops what depends on it and is not cached.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ccsr_cache::StoreError;
use ccsr_engine::record::{RunOutcome, StageOutcome};

use crate::{Place, expect, stages};

/// Two branches; the words in `fail` fail in the first.
fn text(fail: &str) -> String {
    stages(&format!(
        "
        words: {{uses: test.rows, with: {{words: [ox, ant, bee, cat]}}}}
        bad: {{uses: test.map, from: words, batch: 1, with: {{suffix: '?', fail: [{fail}]}}}}
        below: {{uses: test.sum, from: bad}}
        good: {{uses: test.map, from: words}}
        beside: {{uses: test.sum, from: good}}
        "
    ))
}

#[test]
fn a_failing_unit_is_named_and_stops_the_run() {
    let place = Place::new();
    let ran = place.run(&text("ant, cat"));
    expect(
        &ran.story(),
        "
        words: executed 0, reused 0
        bad: the word `ant`: it does not please
        bad: failed: one unit failed
        below: skipped
    ",
    );
    assert_eq!(place.work(), "ox?, ant?");
    assert_eq!(ran.record.outcome, RunOutcome::Failed);
    let outcomes: Vec<_> = ran
        .record
        .stages
        .iter()
        .map(|stage| (stage.name.as_str(), stage.outcome))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("words", StageOutcome::Resolved),
            ("bad", StageOutcome::Failed),
            ("below", StageOutcome::Skipped),
            ("good", StageOutcome::NotReached),
            ("beside", StageOutcome::NotReached),
        ]
    );
    assert_eq!(
        ran.record.stages[1].errors,
        ["the word `ant`: it does not please"]
    );
}

#[test]
fn with_keep_going_the_rest_goes_on_and_only_what_failed_is_left() {
    let place = Place::new();
    let ran = place.run_with(&text("ant, cat"), |options| options.keep_going = true);
    expect(
        &ran.story(),
        "
        words: executed 0, reused 0
        bad: the word `ant`: it does not please
        bad: the word `cat`: it does not please
        bad: failed: 2 units failed
        below: skipped
        good: executed 4, reused 0
        beside: executed 0, reused 0
    ",
    );
    assert_eq!(place.work(), "ox?, ant?, bee?, cat?, ox!, ant!, bee!, cat!");
    assert_eq!(ran.record.outcome, RunOutcome::Failed);

    // Nothing was cached of the failure: it fails again, and nothing else is done.
    let again = place.run_with(&text("ant, cat"), |options| options.keep_going = true);
    expect(
        &again.story(),
        "
        words: unchanged
        good: unchanged
        beside: unchanged
        bad: the word `ant`: it does not please
        bad: the word `cat`: it does not please
        bad: failed: 2 units failed
        below: skipped
    ",
    );
    assert_eq!(place.work(), "ant?, cat?");

    let mended = place.run(&text(""));
    expect(
        &mended.story(),
        "
        words: unchanged
        good: unchanged
        beside: unchanged
        bad: executed 2, reused 2
        below: executed 0, reused 0
    ",
    );
    assert_eq!(place.work(), "ant?, cat?");
    assert_eq!(mended.record.outcome, RunOutcome::Done);
    assert_eq!(mended.digests(), Place::new().run(&text("")).digests());
}

#[test]
fn a_unit_without_a_description_is_shown() {
    let place = Place::new();
    let text = stages(
        "
        words: {uses: test.rows, with: {words: ['?x']}}
        map: {uses: test.map, from: words, with: {fail: ['?x']}}
        ",
    );
    expect(
        &place.run(&text).story(),
        r#"
        words: executed 0, reused 0
        map: {"suffix":"!","word":"?x"}: it does not please
        map: failed: one unit failed
    "#,
    );
}

#[test]
fn a_failing_unit_fails_every_stage_that_asked_for_it() {
    let place = Place::new();
    let text = stages(
        "
        words: {uses: test.rows, with: {words: [ox, ant]}}
        one: {uses: test.map, from: words, with: {fail: [ant]}}
        two: {uses: test.map, from: words, with: {note: other, fail: [ant]}}
        ",
    );
    let ran = place.run_with(&text, |options| options.keep_going = true);
    expect(
        &ran.story(),
        "
        words: executed 0, reused 0
        one: the word `ant`: it does not please
        two: the word `ant`: it does not please
        one: failed: one unit failed
        two: failed: one unit failed
    ",
    );
    assert_eq!(place.work(), "ox!, ant!");
}

fn defective(defect: &str) -> String {
    stages(&format!(
        "
        words: {{uses: test.rows, with: {{words: [ox, ant]}}}}
        map: {{uses: test.map, from: words, batch: 1, outputs: out, with: {{defect: {defect}, fail: [{}]}}}}
        sum: {{uses: test.sum, from: map}}
        ",
        if defect == "panic_in_describe" { "ox" } else { "" }
    ))
}

/// A stage's defect is the stage's error: the run ends in good order, and once the stage is mended
/// the result is what it would have been.
#[track_caller]
fn a_defect_is_an_error(defect: &str, story: &str) {
    let place = Place::new();
    let ran = place.run(&defective(defect));
    expect(&ran.story(), story);
    assert_eq!(ran.record.outcome, RunOutcome::Failed);
    let mended = place.run(&defective("none"));
    assert_eq!(mended.record.outcome, RunOutcome::Done);
    assert_eq!(
        mended.digests(),
        Place::new().run(&defective("none")).digests()
    );
}

#[test]
fn a_panic_in_partitions_is_an_error() {
    a_defect_is_an_error(
        "panic_in_partitions",
        "
        words: executed 0, reused 0
        map: failed: the stage panicked: in partitions
        sum: skipped
    ",
    );
}

#[test]
fn a_panic_in_units_is_an_error() {
    a_defect_is_an_error(
        "panic_in_units",
        "
        words: executed 0, reused 0
        map: failed: the stage panicked: in units
        sum: skipped
    ",
    );
}

#[test]
fn a_panic_in_a_later_wave_is_an_error() {
    a_defect_is_an_error(
        "panic_in_wave",
        "
        words: executed 0, reused 0
        map: failed: the stage panicked: in a wave
        sum: skipped
    ",
    );
}

#[test]
fn a_panic_in_execute_is_an_error() {
    a_defect_is_an_error(
        "panic_in_execute",
        "
        words: executed 0, reused 0
        map: the word `ox`: the stage panicked: in execute
        map: failed: one unit failed
        sum: skipped
    ",
    );
}

#[test]
fn a_panic_in_collect_is_an_error() {
    a_defect_is_an_error(
        "panic_in_collect",
        "
        words: executed 0, reused 0
        map: failed: the stage panicked: in collect
        sum: skipped
    ",
    );
}

#[test]
fn a_panic_in_export_is_an_error() {
    a_defect_is_an_error(
        "panic_in_export",
        "
        words: executed 0, reused 0
        map: executed 2, reused 0
        sum: executed 0, reused 0
        map: failed: the stage panicked: in export
    ",
    );
}

#[test]
fn a_panic_in_describe_is_an_error() {
    a_defect_is_an_error(
        "panic_in_describe",
        r#"
        words: executed 0, reused 0
        map: {"suffix":"!","word":"ox"}: it does not please
        map: failed: one unit failed
        sum: skipped
    "#,
    );
}

#[test]
fn too_few_results_are_an_error() {
    a_defect_is_an_error(
        "too_few_results",
        "
        words: executed 0, reused 0
        map: the word `ox`: the stage panicked: 0 results for 1 units
        map: failed: one unit failed
        sum: skipped
    ",
    );
}

#[test]
fn a_missing_table_is_an_error() {
    a_defect_is_an_error(
        "no_table",
        "
        words: executed 0, reused 0
        map: failed: the stage panicked: it wrote no table on its port `rows`
        sum: skipped
    ",
    );
}

#[test]
fn a_missing_column_is_an_error() {
    a_defect_is_an_error("missing_column", "
        words: executed 0, reused 0
        map: failed: the stage panicked: it promised a column `length` of whole numbers on its port `rows` and did not write it
        sum: skipped
    ");
}

#[test]
fn a_blob_that_nobody_gave_is_an_error() {
    a_defect_is_an_error("unknown_blob", "
        words: executed 0, reused 0
        map: the word `ox`: the stage panicked: the outcome names a blob it did not give, 82aa5ab8be2d053a266cd9a930c6cb70128d5712483da983c31a6c6fe787071f
        map: failed: one unit failed
        sum: skipped
    ");
}

#[test]
fn a_resource_that_does_not_load_fails_its_units_alone() {
    let place = Place::new();
    let text = |broken: &str| {
        stages(&format!(
            "
            words: {{uses: test.rows, with: {{words: [a, b, c, d]}}}}
            look: {{uses: test.resources, from: words, with: {{broken: {broken}}}}}
            "
        ))
    };
    let ran = place.run_with(&text("right"), |options| options.keep_going = true);
    expect(
        &ran.story(),
        r#"
        words: executed 0, reused 0
        look: {"eye":"right","word":"b"}: `right` is broken
        look: {"eye":"right","word":"d"}: `right` is broken
        look: failed: 2 units failed
    "#,
    );
    place.work();
    place.run(&text("nothing"));
    assert_eq!(place.work(), "load right, b, d");
}

/// A stage that breaks while another waits for a unit in its queue hands the unit over.
#[test]
fn a_stage_that_breaks_takes_no_unit_of_others_with_it() {
    let place = Place::new();
    let text = stages(
        "
        words: {uses: test.rows, with: {words: [ox, ant, bee]}}
        bad: {uses: test.map, from: words, batch: 1, with: {defect: panic_in_wave}}
        good: {uses: test.map, from: words, batch: 1, with: {note: other}}
        ",
    );
    // Should it hang, it is stopped and the assertion below fails.
    let asked = Arc::new(AtomicUsize::new(0));
    let ran = place.run_with(&text, |options| {
        options.keep_going = true;
        options.stop = Arc::new(move || asked.fetch_add(1, Ordering::Relaxed) > 200);
    });
    expect(
        &ran.story(),
        "
        words: executed 0, reused 0
        bad: failed: the stage panicked: in a wave
        good: executed 2, reused 1
    ",
    );
    assert_eq!(place.work(), "ox!, ant!, bee!");
}

#[test]
fn a_run_that_is_stopped_keeps_what_it_has() {
    let place = Place::new();
    let text = stages(
        "
        words: {uses: test.rows, with: {words: [a, b, c, d, e, f]}}
        map: {uses: test.map, from: words, batch: 2}
        sum: {uses: test.sum, from: map}
        ",
    );
    let log = crate::log_of(place.root());
    let ran = place.run_with(&text, |options| {
        options.stop = Arc::new(move || {
            let done = std::fs::read_to_string(&log).unwrap_or_default();
            done.lines().count() >= 2
        });
    });
    assert_eq!(ran.record.outcome, RunOutcome::Interrupted);
    let map = &ran.record.stages[1];
    assert_eq!(
        (map.outcome, map.errors.len()),
        (StageOutcome::NotReached, 0)
    );
    let before = place.work();
    let again = place.run(&text);
    assert_eq!(again.record.outcome, RunOutcome::Done);
    // Between the two each unit was executed once.
    let all = format!("{before}, {}", place.work());
    assert_eq!(all, "a!, b!, c!, d!, e!, f!");
    let record = place.store().runs().unwrap();
    assert_eq!(record.len(), 2);
}

#[test]
fn a_source_that_goes_away_fails_its_stage() {
    let place = Place::new();
    place.write("words.txt", "ox\n");
    let text = stages(
        "words: {uses: test.rows, with: {file: words.txt}}\nmap: {uses: test.map, from: words}",
    );
    let pipeline = place.compile(&text);
    std::fs::remove_file(place.path("words.txt")).unwrap();
    let ran = crate::run(&pipeline, &place.store(), &crate::options(place.root())).unwrap();
    expect(
        &ran.story()
            .replace(&place.root().display().to_string(), "ROOT"),
        "
        words: failed: there is no file `ROOT/words.txt`
        map: skipped
    ",
    );
}

#[test]
fn a_cache_that_takes_nothing_ends_the_run_and_nothing_is_lost() {
    let place = Place::new();
    let text = text("");
    place.run(&stages(
        "words: {uses: test.rows, with: {words: [ox, ant, bee, cat]}}",
    ));
    // No object can be put where there is no folder and none can be made.
    let (objects, aside) = (place.path(".ccsr/objects"), place.path("aside"));
    let store = place.store();
    std::fs::rename(&objects, &aside).unwrap();
    std::fs::write(&objects, "").unwrap();
    let pipeline = place.compile(&text);
    let error = crate::run(&pipeline, &store, &crate::options(place.root()));
    let error = error.err().unwrap();
    assert!(matches!(error, StoreError::NotWritable { .. }), "{error:?}");
    std::fs::remove_file(&objects).unwrap();
    std::fs::rename(&aside, &objects).unwrap();
    let ran = place.run(&text);
    assert_eq!(ran.record.outcome, RunOutcome::Done);
    assert_eq!(ran.digests(), Place::new().run(&text).digests());
}
