//! Sweeps: which trials there are, what is shared between them, what is known of them afterwards.

mod mistakes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ccsr_cache::{Access, Store};
use ccsr_engine::record::{RunOutcome, RunRecord};
use ccsr_engine::sweep::{
    self, Comparison, Sweep, SweepEvent, SweepOptions, TrialState, TrialSummary,
};
use ccsr_engine::{CompileOptions, Project};

use crate::language::rendered;
use crate::{Place, expect, kinds};

const PIPELINE: &str = "\
version: 1
name: test
vars: {suffix: '!', words: [ox, ant, bee]}
stages:
  words: {uses: test.rows, with: {words: '${vars.words}'}}
  map: {uses: test.map, from: words, batch: 2, with: {suffix: '${vars.suffix}'}}
  sum: {uses: test.sum, from: map}
";

fn with(sweeps: &str) -> String {
    format!("{PIPELINE}sweeps:\n{sweeps}")
}

fn set(sets: &[&str]) -> CompileOptions<'static> {
    CompileOptions {
        set: sets.iter().map(ToString::to_string).collect(),
        ..CompileOptions::default()
    }
}

/// Does something with a sweep of the text, or says what is wrong with it.
fn sweep<T>(
    place: &Place,
    text: &str,
    name: Option<&str>,
    options: &CompileOptions<'_>,
    act: impl FnOnce(&mut Sweep<'_>) -> T,
) -> Result<T, String> {
    place.write("pipeline.yaml", text);
    let (project, registry) = (Project::at(place.root()), kinds::registry());
    let path = place.path("pipeline.yaml");
    match Sweep::compile(&path, &project, &registry, options, name) {
        Ok(mut sweep) => Ok(act(&mut sweep)),
        Err(error) => Err(rendered(&error)),
    }
}

/// The trials, a line each.
fn trials(text: &str, name: Option<&str>, sets: &[&str]) -> String {
    let told = |sweep: &mut Sweep<'_>| {
        let told = |trial: &sweep::Trial| trial.set().collect::<Vec<_>>().join(" ");
        sweep
            .trials()
            .iter()
            .map(told)
            .collect::<Vec<_>>()
            .join("\n")
    };
    sweep(&Place::new(), text, name, &set(sets), told).unwrap_or_else(|problems| problems)
}

/// Runs a sweep.
fn run(place: &Place, text: &str, sets: &[&str], at_once: usize) -> Vec<TrialSummary> {
    run_until(place, text, sets, at_once, usize::MAX)
}

/// Runs a sweep, and stops it after so many batches.
fn run_until(
    place: &Place,
    text: &str,
    sets: &[&str],
    at_once: usize,
    batches: usize,
) -> Vec<TrialSummary> {
    let act = |sweep: &mut Sweep<'_>| {
        let done = Arc::new(AtomicUsize::new(0));
        let seen = done.clone();
        let mut options = SweepOptions {
            trials_at_once: at_once,
            run: crate::options(place.root()),
        };
        options.run.stop = Arc::new(move || seen.load(Ordering::Relaxed) >= batches);
        let open = || Store::open(&place.path(".ccsr"), Access::ReadWrite);
        let mut listener = |event| {
            if let SweepEvent::Trial { event, .. } = event
                && matches!(event, ccsr_engine::event::Event::BatchCommitted { .. })
            {
                done.fetch_add(1, Ordering::Relaxed);
            }
        };
        sweep::run(sweep, &open, &options, &mut listener).unwrap()
    };
    let mut ended =
        sweep(place, text, None, &set(sets), act).unwrap_or_else(|text| panic!("{text}"));
    ended.sort_by_key(|summary| summary.trial);
    ended
}

fn compare(place: &Place, text: &str, sets: &[&str], patterns: &[&str]) -> Comparison {
    let patterns: Vec<_> = patterns.iter().map(ToString::to_string).collect();
    let act = |sweep: &mut Sweep<'_>| sweep::compare(sweep, &place.store(), &patterns).unwrap();
    sweep(place, text, None, &set(sets), act).unwrap_or_else(|text| panic!("{text}"))
}

fn records(place: &Place) -> Vec<RunRecord> {
    let store = place.store();
    let record = |id| serde_json::from_slice(&store.run(&id).unwrap().unwrap()).unwrap();
    store.runs().unwrap().into_iter().map(record).collect()
}

/// How often each unit was executed.
fn counts(place: &Place) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in place.log() {
        *counts.entry(line.what).or_default() += 1;
    }
    counts
}

#[test]
fn a_matrix_is_every_combination_and_its_last_key_is_the_fastest() {
    let text = with(
        "  both:\n    set: {stages.sum.with.note: fixed}\n    matrix: {vars.suffix: ['?', a], seed: [1, 2, 3]}\n",
    );
    expect(
        &trials(&text, Some("both"), &[]),
        r#"
        stages.sum.with.note=fixed vars.suffix="?" seed=1
        stages.sum.with.note=fixed vars.suffix="?" seed=2
        stages.sum.with.note=fixed vars.suffix="?" seed=3
        stages.sum.with.note=fixed vars.suffix=a seed=1
        stages.sum.with.note=fixed vars.suffix=a seed=2
        stages.sum.with.note=fixed vars.suffix=a seed=3
    "#,
    );
}

#[test]
fn a_list_is_trial_by_trial() {
    let text = with(
        "  some:\n    list:\n      - {seed: 1}\n      - {vars.words: [a, 'b c'], stages.map.batch: 1}\n",
    );
    expect(
        &trials(&text, Some("some"), &[]),
        r#"
        seed=1
        vars.words=[a, "b c"] stages.map.batch=1
    "#,
    );
}

#[test]
fn what_is_drawn_depends_on_seed_name_path_and_trial_alone() {
    let block = |name: &str, trials: u32, seed: u32, more: &str| {
        let random = format!("{more}seed: {{int: [0, 99999]}}, vars.suffix: {{choice: [a, b, c]}}");
        with(&format!(
            "  {name}: {{random: {{{random}}}, trials: {trials}, seed: {seed}}}\n"
        ))
    };
    let drawn = |text: String, name: &str| {
        let all = trials(&text, Some(name), &[]);
        all.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let few = drawn(block("r", 5, 7, ""), "r");
    assert_eq!(few.len(), 5);
    assert_eq!(few, drawn(block("r", 5, 7, ""), "r"));
    assert_eq!(few, drawn(block("r", 50, 7, ""), "r")[..5]);
    assert_ne!(few, drawn(block("r", 5, 8, ""), "r"));
    assert_ne!(few, drawn(block("s", 5, 7, ""), "s"));
    let more = drawn(block("r", 5, 7, "stages.map.batch: {int: [1, 9]}, "), "r");
    for (trial, few) in more.iter().zip(&few) {
        assert!(trial.ends_with(few), "{trial} / {few}");
    }
}

#[test]
fn several_values_that_were_typed_are_a_sweep() {
    expect(
        &trials(
            PIPELINE,
            None,
            &["seed=1,2", "vars.suffix=x", "vars.words=[a, b],[c]"],
        ),
        "
        seed=1 vars.words=[a, b]
        seed=1 vars.words=[c]
        seed=2 vars.words=[a, b]
        seed=2 vars.words=[c]
    ",
    );
    let text = with("  s: {matrix: {vars.suffix: [a, b]}}\n");
    expect(
        &trials(&text, Some("s"), &["seed=1,2"]),
        "
        vars.suffix=a seed=1
        vars.suffix=a seed=2
        vars.suffix=b seed=1
        vars.suffix=b seed=2
    ",
    );
    let said = |sets: &[&str]| crate::language::said_in(&Place::new(), PIPELINE, &set(sets));
    expect(
        &said(&["vars.suffix= x, y", "seed=[1]"]),
        r#"
        --set:1:14: `vars.suffix` gets 2 values, and a run has one
          help: `ccsr-flow sweep run FILE --set vars.suffix= x, y` runs a trial with each; a text with commas stands in quotes: --set 'vars.suffix="x, y"'
        --set:1:6: expected a whole number from 0, found a list
    "#,
    );
    expect(&said(&["vars.suffix=\"x, y\""]), "nothing is wrong");
    expect(
        &said(&["vars.suffix=x,"]),
        r#"
        --set:1:15: there is no value between the commas
          help: a text with commas stands in quotes: --set 'vars.suffix="x,"'
    "#,
    );
}

#[test]
fn what_trials_share_is_computed_once() {
    let sets = [
        "vars.suffix=a,b",
        "stages.sum.with.note=x,y,z",
        "stages.map.with.pause_ms=3",
    ];
    for at_once in [1, 4, 6] {
        let place = Place::new();
        let ended = run(&place, PIPELINE, &sets, at_once);
        assert_eq!(ended.len(), 6);
        assert!(ended.iter().all(|trial| trial.outcome == RunOutcome::Done));
        let executed: u64 = ended.iter().map(|trial| trial.units_executed).sum();
        assert_eq!(
            executed, 6,
            "three words with two suffixes, {at_once} at once"
        );
        assert_eq!(counts(&place).values().sum::<usize>(), 6);
        for key in place.log().iter().filter_map(|line| line.key) {
            assert_eq!(place.store().commits(&key).unwrap(), 1);
        }
        // Again: everything is recognised.
        let again = run(&place, PIPELINE, &sets, at_once);
        assert!(
            again
                .iter()
                .all(|trial| trial.unchanged && trial.units_executed == 0)
        );
    }
}

#[test]
fn trials_that_mean_the_same_are_computed_once() {
    // Different texts, and the same pipeline.
    let sets = ["vars.suffix=a", "stages.map.batch=1,2,3,4"];
    let place = Place::new();
    let ended = run(&place, PIPELINE, &sets, 4);
    let executed: u64 = ended.iter().map(|trial| trial.units_executed).sum();
    assert_eq!((ended.len(), executed), (4, 3));
}

#[test]
fn a_trial_is_a_run_like_any_other() {
    let place = Place::new();
    run(&place, PIPELINE, &["vars.suffix=a,b", "seed=1,2"], 2);
    let options = set(&["vars.suffix=b", "seed=2"]);
    let pipeline = place.compile_as(PIPELINE, &kinds::registry(), &options);
    let ran = crate::run(
        &pipeline.map_err(|error| rendered(&error)).unwrap(),
        &place.store(),
        &crate::options(place.root()),
    );
    let record = ran.unwrap().record;
    assert_eq!((record.units_executed, record.units_reused), (0, 3));
    let mut trials: Vec<_> = records(&place)
        .into_iter()
        .filter_map(|r| Some((r.trial?, r.set)))
        .collect();
    trials.sort_by_key(|(trial, _)| trial.number);
    let (last, said) = trials.last().unwrap();
    assert_eq!((last.number, last.of, &last.name), (4, 4, &None));
    assert_eq!(said.join(" "), "vars.suffix=b seed=2");
}

#[test]
fn the_block_enters_no_key() {
    let place = Place::new();
    place.run(PIPELINE);
    let ran = place.run(&with("  s: {matrix: {seed: [1, 2]}}\n"));
    assert_eq!((ran.record.units_executed, ran.record.units_reused), (0, 3));
    let outcomes = ran.record.stages.iter().map(|stage| stage.outcome);
    assert!(
        outcomes
            .clone()
            .all(|o| o == ccsr_engine::record::StageOutcome::Unchanged)
    );
}

#[test]
fn a_failing_trial_stops_no_other() {
    for at_once in [1, 3] {
        let place = Place::new();
        let sets = [
            "vars.suffix=a,b,c",
            "stages.map.with.fail=[],[ant],[nobody]",
        ];
        let ended = run(&place, PIPELINE, &sets, at_once);
        let failed = ended
            .iter()
            .filter(|trial| trial.outcome == RunOutcome::Failed);
        assert_eq!(ended.len(), 9);
        // Where another trial was first, the outcome is known, and nothing fails.
        for trial in failed {
            assert!(
                trial.errors[0].starts_with("`map` failed: "),
                "{:?}",
                trial.errors
            );
            assert!([2, 5, 8].contains(&trial.trial));
        }
    }
    let place = Place::new();
    let ended = run(
        &place,
        PIPELINE,
        &["vars.suffix=a,b", "stages.map.with.fail=[ant]"],
        1,
    );
    assert!(
        ended
            .iter()
            .all(|trial| trial.outcome == RunOutcome::Failed)
    );
    let found = compare(
        &place,
        PIPELINE,
        &["vars.suffix=a,b,c", "stages.map.with.fail=[ant]"],
        &[],
    );
    let states: Vec<_> = found.trials.iter().map(|trial| trial.state).collect();
    assert_eq!(
        states,
        [TrialState::Failed, TrialState::Failed, TrialState::NotRun]
    );
}

#[test]
fn a_stopped_sweep_goes_on_where_it_was() {
    let sets = ["vars.suffix=a,b,c,d", "stages.map.with.pause_ms=2"];
    let place = Place::new();
    let ended = run_until(&place, PIPELINE, &sets, 1, 3);
    assert!(ended.len() < 4, "{ended:?}");
    assert_eq!(ended.last().unwrap().outcome, RunOutcome::Interrupted);
    let before: u64 = ended.iter().map(|trial| trial.units_executed).sum();
    let rest = run(&place, PIPELINE, &sets, 1);
    let after: u64 = rest.iter().map(|trial| trial.units_executed).sum();
    assert_eq!((rest.len(), before + after), (4, 12));
    assert!(counts(&place).values().all(|count| *count == 1));
}

#[test]
fn a_resource_is_loaded_once_for_all_trials() {
    let text = "\
version: 1
stages:
  words: {uses: test.rows, with: {words: [a, b, c, d]}}
  seen: {uses: test.resources, from: words, batch: 1, with: {note: x, pause_ms: 2}}
";
    for at_once in [1, 3] {
        let place = Place::new();
        run(
            &place,
            text,
            &["stages.words.with.words=[a, b],[c, d],[e, f]"],
            at_once,
        );
        let loads: Vec<_> = place
            .log()
            .into_iter()
            .filter(|line| line.key.is_none())
            .collect();
        assert_eq!(
            loads.len(),
            2,
            "{:?}",
            loads.iter().map(|l| &l.what).collect::<Vec<_>>()
        );
    }
}

#[test]
fn only_what_no_other_trial_writes_is_written() {
    let text = "\
version: 1
vars: {name: x}
stages:
  words: {uses: test.rows, with: {words: [a, b]}, outputs: out/words.csv}
  map: {uses: test.map, from: words, outputs: 'out/${vars.name}.csv'}
";
    let place = Place::new();
    run(&place, text, &["vars.name=one,two"], 2);
    assert!(place.path("out/one.csv").exists() && place.path("out/two.csv").exists());
    assert!(!place.path("out/words.csv").exists());
    let contested =
        |sweep: &mut Sweep<'_>| sweep.contested().map(str::to_owned).collect::<Vec<_>>();
    let options = set(&["vars.name=one,two"]);
    assert_eq!(
        sweep(&place, text, None, &options, contested).unwrap(),
        ["out/words.csv"]
    );
}

#[test]
fn the_numbers_of_trials_are_compared() {
    let place = Place::new();
    let sets = ["vars.suffix='','!','!!'", "seed=1"];
    run(&place, PIPELINE, &["vars.suffix='','!'", "seed=1"], 1);
    let told = |found: &Comparison| {
        let row = |trial: &sweep::Compared| {
            let values: Vec<_> = trial.values.iter().flatten().cloned().collect();
            let metrics: Vec<_> = trial
                .metrics
                .iter()
                .map(|m| m.map_or("-".to_owned(), |m| m.to_string()))
                .collect();
            format!(
                "{} {} {:?} {} | {}",
                trial.trial,
                values.join(" "),
                trial.state,
                trial.units_executed,
                metrics.join(" ")
            )
        };
        let rows: Vec<_> = found.trials.iter().map(row).collect();
        format!(
            "{} | {}\n{}",
            found.parameters.join(" "),
            found.metrics.join(" "),
            rows.join("\n")
        )
    };
    expect(
        &told(&compare(&place, PIPELINE, &sets, &[])),
        r#"
        vars.suffix | sum.length
        1 "" Done 3 | 8
        2 "!" Done 3 | 11
        3 "!!" NotRun 0 | -
    "#,
    );
    expect(
        &told(&compare(&place, PIPELINE, &sets, &["map.*.length"])),
        r#"
        vars.suffix | map.ox.length map.ant.length map.bee.length
        1 "" Done 3 | 2 3 3
        2 "!" Done 3 | 3 4 4
        3 "!!" NotRun 0 | - - -
    "#,
    );
    // What was done is looked for under the pipeline as it is now.
    let changed = PIPELINE.replace("bee", "wasp");
    let states = compare(&place, &changed, &sets, &[]).trials;
    let states: Vec<_> = states
        .iter()
        .map(|trial| format!("{:?}", trial.state))
        .collect();
    assert_eq!(states, ["Changed", "Changed", "NotRun"]);
}
