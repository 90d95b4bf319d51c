//! A plan says what a run would do, and does nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ccsr_cache::{Access, Store};
use ccsr_engine::Shown;
use ccsr_engine::plan::{Plan, PlanState, plan};
use ccsr_engine::record::{RunOutcome, StageOutcome};

use crate::{Dice, Place, expect, stages};

const PIPELINE: &str = "
    words: {uses: test.rows, with: {words: [ox, ant]}}
    map: {uses: test.map, from: words}
    read: {uses: test.read, from: map}
    sum: {uses: test.sum, from: map}
";

fn told(plan: &Plan) -> String {
    let mut text = String::new();
    for stage in &plan.stages {
        let state = match &stage.state {
            PlanState::Unchanged { units } => format!("unchanged, {units} units"),
            PlanState::Collect { units } => format!("collect from {units} units"),
            PlanState::Execute { missing, reused } => format!("execute {missing}, reuse {reused}"),
            PlanState::Wait { upstream, at_most } => {
                format!("wait for {}, at most {at_most}", upstream.join(" and "))
            }
            PlanState::Fail { error } => format!("fail: {error}"),
        };
        let new = if stage.known { "" } else { " (new)" };
        let _ = writeln!(text, "{}: {state}{new}", stage.stage);
        for change in &stage.changes {
            let _ = writeln!(text, "  {change}");
        }
    }
    text
}

/// Plans with a cache that may only be read, and checks that nothing was written.
pub(crate) fn planned(place: &Place, text: &str) -> Plan {
    let pipeline = place.compile(text);
    let before = listing(place.root());
    let store = Store::open(&place.path(".ccsr"), Access::ReadOnly).unwrap();
    let plan = plan(&pipeline, &store).unwrap();
    drop(store);
    assert_eq!(listing(place.root()), before);
    plan
}

/// Everything below a folder: size, inode and modification time of each entry.
fn listing(folder: &Path) -> BTreeMap<PathBuf, (u64, u64, i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    let entries = walkdir::WalkDir::new(folder).into_iter();
    let look = |entry: walkdir::DirEntry| {
        let look = entry.metadata().unwrap();
        (
            entry.into_path(),
            (look.len(), look.ino(), look.mtime(), look.mtime_nsec()),
        )
    };
    entries.map(|entry| look(entry.unwrap())).collect()
}

#[test]
fn before_the_first_run_everything_is_to_be_done() {
    let place = Place::new();
    let plan = planned(&place, &stages(PIPELINE));
    expect(
        &told(&plan),
        "
        words: collect from 0 units (new)
        map: execute 2, reuse 0 (new)
        read: wait for map, at most 2 (new)
        sum: wait for map, at most 0 (new)
    ",
    );
    assert!(!plan.is_fresh());
    assert!(!place.path(".ccsr").exists());
}

#[test]
fn after_a_run_there_is_nothing_to_do() {
    let place = Place::new();
    place.run(&stages(PIPELINE));
    place.work();
    let plan = planned(&place, &stages(PIPELINE));
    expect(
        &told(&plan),
        "
        words: unchanged, 0 units
        map: unchanged, 2 units
        read: unchanged, 2 units
        sum: unchanged, 0 units
    ",
    );
    assert!(plan.is_fresh());
    assert_eq!(plan.missing(), (0, 0));
    assert_eq!(place.work(), "");
}

#[test]
fn a_change_is_told_with_what_was_and_what_is() {
    let place = Place::new();
    place.run(&stages(PIPELINE));
    let plan = planned(
        &place,
        &stages(&PIPELINE.replace("[ox, ant]", "[ox, bee, cat]")),
    );
    expect(
        &told(&plan),
        r#"
        words: collect from 0 units
          `words.1` was "ant", now "bee"
          `words.2` is new: "cat"
        map: execute 2, reuse 1
          the table `rows` has other rows
        read: wait for map, at most 3
        sum: wait for map, at most 0
    "#,
    );
    assert_eq!(plan.missing(), (2, 3));

    let suffix = PIPELINE.replace("from: words}", "from: words, with: {suffix: '?', note: x}}");
    let plan = planned(&place, &stages(&suffix));
    expect(
        &told(&plan),
        r#"
        words: unchanged, 0 units
        map: execute 2, reuse 0
          `note` was "", now "x"
          `suffix` was "!", now "?"
        read: wait for map, at most 2
        sum: wait for map, at most 0
    "#,
    );

    let note = PIPELINE.replace("from: words}", "from: words, with: {note: x}}");
    let plan = planned(&place, &stages(&note));
    expect(
        &told(&plan),
        r#"
        words: unchanged, 0 units
        map: collect from 2 units
          `note` was "", now "x"
        read: unchanged, 2 units
        sum: unchanged, 0 units
    "#,
    );
}

#[test]
fn what_is_known_bounds_what_is_not() {
    let place = Place::new();
    let text = |words: &str| {
        stages(&format!(
            "
            left: {{uses: test.rows, with: {{words: [a, b]}}}}
            words: {{uses: test.rows, with: {{words: [{words}]}}}}
            map: {{uses: test.map, from: words}}
            join: {{uses: test.join, from: {{left: left, right: map}}}}
            sum: {{uses: test.sum, from: join}}
            "
        ))
    };
    expect(
        &told(&planned(&place, &text("x, y, z"))),
        "
        left: collect from 0 units (new)
        words: collect from 0 units (new)
        map: execute 3, reuse 0 (new)
        join: wait for map, at most 6 (new)
        sum: wait for join, at most 0 (new)
    ",
    );
    place.run(&text("x, y, z"));
    // `left` is recognised without being read, but how many rows it has is known.
    expect(
        &told(&planned(&place, &text("x, y, z, v"))),
        r#"
        left: unchanged, 0 units
        words: collect from 0 units
          `words.3` is new: "v"
        map: execute 1, reuse 3
          the table `rows` has other rows
        join: wait for map, at most 8
        sum: wait for join, at most 0
    "#,
    );
}

#[test]
fn below_what_would_fail_nothing_is_computed() {
    let place = Place::new();
    let text = stages(
        "
        words: {uses: test.rows, with: {words: [x]}}
        bad: {uses: test.map, from: words, with: {defect: panic_in_units}}
        join: {uses: test.join, from: {left: bad, right: bad}}
        sum: {uses: test.sum, from: join}
        ",
    );
    expect(
        &told(&planned(&place, &text)),
        "
        words: collect from 0 units (new)
        bad: fail: the stage panicked: in units (new)
        join: wait for bad, at most 0 (new)
        sum: wait for join, at most 0 (new)
    ",
    );
}

#[test]
fn equal_units_are_planned_once() {
    let place = Place::new();
    let text = stages(
        "
        few: {uses: test.rows, with: {words: [ox, ant, ox]}}
        first: {uses: test.map, from: few}
        second: {uses: test.map, from: few, with: {note: other}}
        ",
    );
    let plan = planned(&place, &text);
    expect(
        &told(&plan),
        "
        few: collect from 0 units (new)
        first: execute 2, reuse 1 (new)
        second: execute 0, reuse 3 (new)
    ",
    );
    assert_eq!(plan.missing().0, 2);
    assert_eq!(place.run(&text).record.units_executed, 2);
}

/// Whatever is edited: what a plan says of a stage is what the run then does.
#[test]
fn a_run_does_what_was_planned() {
    let place = Place::new();
    let mut dice = Dice(11);
    let mut edits = [1, 0, 0, 0, 0, 0, 3];
    for round in 0..16 {
        let field = dice.below(edits.len() as u64) as usize;
        edits[field] = dice.below(4);
        let words: Vec<_> = (0..=edits[0]).map(|number| format!("w{number}")).collect();
        let text = stages(&format!(
            "
            words: {{uses: test.rows, with: {{words: [{}], note: '{}'}}}}
            map: {{uses: test.map, from: words, with: {{suffix: '!{}', note: '{}'}}}}
            read: {{uses: test.read, from: map, with: {{salt: '{}'}}}}
            sum: {{uses: test.sum, from: map, with: {{note: '{}'}}}}
            train: {{uses: test.chain, with: {{length: {}}}}}
            ask: {{uses: test.gated, from: words}}
            ",
            words.join(", "),
            edits[1],
            edits[2],
            edits[3],
            edits[4],
            edits[5],
            edits[6],
        ));
        let plan = planned(&place, &text);
        let ran = place.run(&text);
        assert_eq!(ran.record.outcome, RunOutcome::Done);
        for (planned, done) in plan.stages.iter().zip(&ran.record.stages) {
            assert_eq!(planned.stage, done.name);
            // These ask in waves: what is planned is what is missing of the next one.
            let waves = matches!(planned.kind.as_str(), "test.chain" | "test.gated");
            let kept = match &planned.state {
                PlanState::Unchanged { .. } => done.outcome == StageOutcome::Unchanged,
                PlanState::Collect { .. } => {
                    done.outcome == StageOutcome::Resolved && done.executed == 0
                }
                PlanState::Execute { missing, reused } => {
                    let (executed, found) = (done.executed, done.reused);
                    *reused == found && (executed == *missing || waves && executed > *missing)
                }
                PlanState::Wait { at_most, .. } => done.executed <= *at_most,
                PlanState::Fail { .. } => false,
            };
            assert!(kept, "round {round}: {planned:?} but {done:?}");
        }
        assert!(crate::plan::planned(&place, &text).is_fresh());
    }
}

#[test]
fn a_plan_looks_at_files_and_remembers_nothing_of_them() {
    let place = Place::new();
    place.write("words.txt", "ox\n");
    let text = stages(
        "
        words: {uses: test.rows, with: {file: words.txt}}
        map: {uses: test.map, from: words}
        ",
    );
    place.run(&text);
    assert!(planned(&place, &text).is_fresh());
    place.write("words.txt", "ox\nant\n");
    expect(
        &told(&planned(&place, &text)),
        "
        words: collect from 0 units
          the content of `file.0` changed
        map: execute 1, reuse 1
          the table `rows` has other rows
        ",
    );
    std::fs::remove_file(place.path("words.txt")).unwrap();
    // The stage itself was read while the file was there.
    place.write("words.txt", "");
    let pipeline = place.compile(&text);
    std::fs::remove_file(place.path("words.txt")).unwrap();
    let plan = plan(&pipeline, &place.store()).unwrap();
    assert!(
        matches!(&plan.stages[0].state, PlanState::Fail { error } if error.contains("words.txt"))
    );
    assert_eq!(plan.missing(), (0, 0));
}

#[test]
fn a_table_is_shown_as_it_is_or_as_it_was() {
    let place = Place::new();
    let look = |words: &str| {
        let pipeline = place.compile(&stages(&PIPELINE.replace("[ox, ant]", words)));
        let stage = pipeline.find("sum").unwrap();
        match ccsr_engine::show(&pipeline, &place.store(), stage, "rows").unwrap() {
            Shown::Table(shown) => {
                let length = shown.table.row(0).int("length").unwrap();
                format!("{length}, current: {}", shown.current)
            }
            Shown::Never => "never".to_owned(),
            Shown::Lost => "lost".to_owned(),
        }
    };
    assert_eq!(look("[ox, ant]"), "never");
    place.run(&stages(PIPELINE));
    assert_eq!(look("[ox, ant]"), "7, current: true");
    assert_eq!(look("[ox, elephant]"), "7, current: false");
    place.run(&stages(&PIPELINE.replace("[ox, ant]", "[ox, elephant]")));
    assert_eq!(look("[ox, elephant]"), "12, current: true");
    assert_eq!(look("[ox, ant]"), "7, current: true");
    std::fs::remove_dir_all(place.path(".ccsr/objects")).unwrap();
    assert_eq!(look("[ox, ant]"), "lost");
}
