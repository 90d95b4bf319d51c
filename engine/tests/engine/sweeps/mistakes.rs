//! What is said about sweeps that are none: every problem at its place.

use ccsr_engine::CompileOptions;

use super::{PIPELINE, set, sweep, trials, with};
use crate::{Place, expect};

/// What is said about a `sweeps:` block by those who only check the pipeline.
fn said(sweeps: &str) -> String {
    crate::language::said_in(&Place::new(), &with(sweeps), &CompileOptions::default())
}

#[test]
fn every_mistake_in_a_block_has_its_place() {
    expect(
        &said("  a: {}\n  b: {matrix: {seed: [1]}, list: [{seed: 1}]}\n  c: 5\n  d: {matrx: {seed: [1]}}\n"),
        "
        pipeline.yaml:9:3: the sweep `a` says nothing to try
          help: write `matrix: {stages.pairs.with.min_confidence: [0.4, 0.6]}`
        pipeline.yaml:10:28: a sweep is one of `matrix`, `list` and `random`
          help: make two sweeps of it
        pipeline.yaml:11:6: expected a sweep, a map, found `5`
        pipeline.yaml:12:3: the sweep `d` says nothing to try
          help: write `matrix: {stages.pairs.with.min_confidence: [0.4, 0.6]}`
        pipeline.yaml:12:7: `matrx` does not belong in a sweep; there are `matrix`, `list`, `random`, `trials`, `seed`, `set`, `metrics`
          help: did you mean `matrix`?
    ",
    );
    expect(
        &said(
            "  a: {matrix: {}}\n  b: {matrix: {seed: []}}\n  c: {matrix: {seed: 5}}\n  d: {matrix: {seed: [1, 2, 1]}}\n  e: {matrix: {seed: [1]}, trials: 4}\n",
        ),
        "
        pipeline.yaml:9:7: `matrix` is empty: there is nothing to try
          help: write `matrix: {stages.pairs.with.min_confidence: [0.4, 0.6]}`
        pipeline.yaml:10:22: there are no values for `seed`
          help: write `matrix: {stages.pairs.with.min_confidence: [0.4, 0.6]}`
        pipeline.yaml:11:22: expected a list of values, found `5`
          help: what is the same in all trials stands under `set:`
        pipeline.yaml:12:29: `seed` gets the same value twice
          pipeline.yaml:12:23: it stands here first
        pipeline.yaml:13:28: `trials` belongs to a random sweep
          help: to try several seeds of the pipeline, write `matrix: {seed: [1, 2]}`
    ",
    );
    expect(
        &said("  a: {random: {seed: {int: [5, 1]}}, trials: 3}\n  b: {random: {seed: {normal: [0, 1]}}, trials: 3}\n  c: {random: {seed: [1, 2]}, trials: 3}\n  d: {random: {seed: {int: [1, 2]}}}\n  e: {random: {seed: {log_uniform: [0, 1]}}, trials: 10001}\n  f: {random: {seed: {choice: []}}, trials: many}\n"),
        "
        pipeline.yaml:9:28: expected two whole numbers, the smaller first, found [5, 1]
          help: write `{uniform: [0, 1]}`, `{log_uniform: [0.001, 1]}`, `{int: [1, 6]}` or `{choice: [a, b]}`
        pipeline.yaml:10:23: `normal` does not belong in a distribution; there are `uniform`, `log_uniform`, `int`, `choice`
        pipeline.yaml:11:22: expected a distribution, found a list
          help: write `{uniform: [0, 1]}`, `{log_uniform: [0.001, 1]}`, `{int: [1, 6]}` or `{choice: [a, b]}`
        pipeline.yaml:12:7: `trials` is missing: how many to draw
          help: write `trials: 20`
        pipeline.yaml:13:54: these are 10001 trials, and a sweep has at most 10000
          help: a random sweep samples what is too much to try
        pipeline.yaml:14:45: expected a number of trials, found the text `many`
          help: write `trials: 20`
    ",
    );
    expect(
        &said(
            "  a: {list: []}\n  b: {list: [{seed: 1}, {seed: 1}]}\n  c: {list: [5]}\n  d: {list: {seed: 1}}\n",
        ),
        "
        pipeline.yaml:9:7: `list` is empty: there is nothing to try
          help: write `matrix: {stages.pairs.with.min_confidence: [0.4, 0.6]}`
        pipeline.yaml:10:25: the same trial stands here twice
          pipeline.yaml:10:14: it stands here first
        pipeline.yaml:11:14: expected paths and their values, a map, found `5`
        pipeline.yaml:12:13: expected a list of trials, found a map
          help: write `list: [{seed: 1, vars.size: 64}, {seed: 2, vars.size: 32}]`
    ",
    );
    expect(
        &said(
            "  a: {matrix: {vars.sufix: [a]}}\n  b: {matrix: {stages.mop.with.suffix: [a]}}\n  c: {list: [{seed: 1}, {sed: 2}]}\n  d: {matrix: {seed: [1]}, metrics: [som.length, s*]}\n  e: {matrix: {seed: [1]}, set: {vars.x: 1}}\n",
        ),
        "
        pipeline.yaml:9:16: there is no variable `sufix`
          help: did you mean `suffix`?
        pipeline.yaml:10:16: there is no stage `mop`
          help: did you mean `map`?
        pipeline.yaml:11:26: there is no `sed` to set
          help: did you mean `seed`?
        pipeline.yaml:12:38: there is no stage `som` whose metrics could be shown
          help: did you mean `sum`?
        pipeline.yaml:13:34: there is no variable `x`
          help: there are `suffix`, `words`
    ",
    );
}

#[test]
fn too_many_combinations_are_counted_not_made() {
    let values = (0..40)
        .map(|n| n.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    let axes = [
        "seed",
        "vars.suffix",
        "stages.map.batch",
        "stages.sum.with.note",
    ];
    let axes = axes.map(|path| format!("{path}: [{values}]")).join(", ");
    expect(
        &said(&format!("  big: {{matrix: {{{axes}}}}}\n")),
        "
        pipeline.yaml:9:9: these are 2560000 trials, and a sweep has at most 10000
          help: a random sweep samples what is too much to try
    ",
    );
    let sets: Vec<_> = axes
        .split(", seed")
        .map(|_| format!("seed={values}"))
        .collect();
    let more = [
        format!("vars.suffix={values}"),
        format!("stages.sum.with.note={values}"),
    ];
    let sets: Vec<&str> = sets.iter().chain(&more).map(String::as_str).collect();
    assert!(trials(PIPELINE, None, &sets).contains("these are 64000 trials"));
}

#[test]
fn a_value_that_does_not_compile_is_shown_where_it_stands() {
    let text = with("  s:\n    matrix:\n      stages.map.batch: [1, two, 3]\n      seed: [1, 2]\n");
    let said = |text: &str, name, sets: &[&str]| {
        let found = sweep(&Place::new(), text, name, &set(sets), |_| ());
        found.err().unwrap_or_else(|| "nothing is wrong".to_owned())
    };
    expect(
        &said(&text, Some("s"), &[]),
        "
        pipeline.yaml:11:29: expected a whole number from 1, found the text `two`
    ",
    );
    // A mistake of the pipeline's own is told once; one that a value leads to, with that value.
    let text = with("  s: {matrix: {vars.suffix: [a, [b]]}}\n")
        .replace("uses: test.sum", "uses: test.smu");
    expect(
        &said(&text, Some("s"), &[]),
        "
        pipeline.yaml:7:15: there is no stage kind `test.smu`
          help: did you mean `test.sum`?
        pipeline.yaml:9:33: expected text, found a list
    ",
    );
    let text = with("  s: {matrix: {stages.map.from: [words, sum]}}\n");
    expect(
        &said(&text, Some("s"), &[]),
        "
        pipeline.yaml:9:41: the stages read each other in a circle: map → sum → map
          pipeline.yaml:7:31: `sum` reads the one before it
    ",
    );
    expect(
        &said(PIPELINE, Some("s"), &[]),
        "
        nowhere: there is no sweep `s`
          help: the file has none; write one under `sweeps:`, or `--set path=value,value`
    ",
    );
    expect(
        &said(&text, None, &[]),
        "
        nowhere: there is nothing to try: name a sweep, or give a value several times
          help: the file has `s`; `--set stages.pairs.with.min_confidence=0.4,0.6` tries two values
    ",
    );
    expect(
        &said(
            &with("  s: {matrix: {seed: [1, 2]}}\n"),
            Some("s"),
            &["seed=5"],
        ),
        "
        --set:1:1: the sweep sets `seed`, and so does `--set`
          pipeline.yaml:9:16: the sweep sets it here
    ",
    );
    expect(
        &said(PIPELINE, None, &["seed=1,2", "seed=3,4"]),
        "
        --set:1:1: `seed` is set twice
          --set:1:1: it is set here first
    ",
    );
}
