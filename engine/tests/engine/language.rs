//! What is said about pipelines that are none: every problem, its place and what to do.

mod composed;
mod hostile;

use std::fmt::Write as _;

use ccsr_engine::{CompileError, CompileOptions};

use crate::{Place, expect, kinds, stages};

/// The diagnostics, as `place: message`, with what is related and what to do below.
pub(crate) fn rendered(error: &CompileError) -> String {
    let mut text = String::new();
    for diagnostic in &error.diagnostics {
        let place = diagnostic.span.map(|span| error.sources.place(span));
        let _ = writeln!(
            text,
            "{}: {}",
            place.as_deref().unwrap_or("nowhere"),
            diagnostic.message
        );
        for (span, what) in &diagnostic.related {
            let _ = writeln!(text, "  {}: {what}", error.sources.place(*span));
        }
        if let Some(help) = &diagnostic.help {
            let _ = writeln!(text, "  help: {help}");
        }
    }
    text
}

/// What is said about a text, in a project that has a few files.
fn said(text: &str) -> String {
    said_with(text, &CompileOptions::default())
}

fn said_with(text: &str, options: &CompileOptions<'_>) -> String {
    said_in(&Place::new(), text, options)
}

pub(crate) fn said_in(place: &Place, text: &str, options: &CompileOptions<'_>) -> String {
    match place.compile_as(text, &kinds::registry(), options) {
        Ok(_) => "nothing is wrong".to_owned(),
        Err(error) => rendered(&error).replace(&place.root().display().to_string(), "ROOT"),
    }
}

pub(crate) fn set(sets: &[&str]) -> CompileOptions<'static> {
    CompileOptions {
        set: sets.iter().map(ToString::to_string).collect(),
        ..CompileOptions::default()
    }
}

const GOOD: &str = "\
version: 1
name: good
seed: 3
vars: {first: ox, list: [ox, ant]}
stages:
  words: {uses: test.rows, with: {words: '${vars.list}'}}
  map: {uses: test.map, from: words, with: {suffix: '${vars.first}'}, outputs: out/map}
  sum: {uses: test.sum, from: {rows: map.rows}, outputs: {rows: out/sum.csv}}
";

/// What is said about `GOOD` with another text in place of one of its own.
#[track_caller]
fn changed(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "nothing is changed");
    said(&GOOD.replace(from, to))
}

#[test]
fn a_good_pipeline_is_good() {
    expect(&said(GOOD), "nothing is wrong");
}

#[test]
fn unknown_stage_kinds_and_stages_and_ports() {
    expect(
        &changed("test.map", "test.mpa"),
        "
        pipeline.yaml:7:15: there is no stage kind `test.mpa`
          help: did you mean `test.map`?
    ",
    );
    expect(
        &changed("test.map", "image.generate"),
        "
        pipeline.yaml:7:15: there is no stage kind `image.generate`
          help: `ccsr-flow stages` lists the kinds there are
    ",
    );
    expect(
        &changed("uses: test.map", "uses: 5"),
        "
        pipeline.yaml:7:15: expected the name of a stage kind, found `5`
          help: `ccsr-flow stages` lists the kinds there are
    ",
    );
    expect(
        &changed("uses: test.map, ", ""),
        "
        pipeline.yaml:7:3: the stage `map` does not say what it `uses`
          help: `ccsr-flow stages` lists the kinds there are
    ",
    );
    expect(
        &changed("from: words", "from: wrods"),
        "
        pipeline.yaml:7:31: there is no stage `wrods`
          help: did you mean `words`?
    ",
    );
    expect(
        &changed("map.rows", "map.row"),
        "
        pipeline.yaml:8:38: `map` writes no table `row`
          help: did you mean `rows`?
    ",
    );
    expect(
        &changed("{rows: map.rows}", "{tables: map}"),
        "
        pipeline.yaml:8:32: `sum` has no port `tables`
          help: there are `rows`, `more`
    ",
    );
    expect(
        &changed("from: words", "from: [words]"),
        "
        pipeline.yaml:7:31: expected `stage`, `stage.port` or a map of ports, found a list
    ",
    );
    expect(
        &changed("from: words", "from: {rows: 5}"),
        "
        pipeline.yaml:7:38: expected `stage` or `stage.port`, found `5`
    ",
    );
    expect(
        &changed("from: words, ", ""),
        "
        pipeline.yaml:7:3: `map` reads nothing on its port `rows`
          help: say where it comes from: `from: {rows: STAGE}`
    ",
    );
    expect(
        &changed("test.rows", "test.rows, from: map"),
        "
        pipeline.yaml:6:34: the stages read each other in a circle: words → map → words
          pipeline.yaml:7:31: `map` reads the one before it
    ",
    );
}

#[test]
fn columns_that_are_missing_or_of_another_type() {
    expect(
        &changed("map.rows", "words"),
        "
        pipeline.yaml:8:38: `sum` needs a column `length`; `words.rows` has none
          help: there are `word`
    ",
    );
    let text = stages(
        "
        map: {uses: test.map, from: train}
        read: {uses: test.read, from: join.pairs}
        join: {uses: test.join, from: {left: words, right: words}}
        words: {uses: test.rows}
        train: {uses: test.chain, with: {length: 1}}
        ",
    );
    expect(&said(&text), "
        pipeline.yaml:4:31: `map` needs text in the column `word`; `train.rows` has whole numbers there
        pipeline.yaml:5:33: `read` needs a column `image`; `join.pairs` has none
          help: there are `count`
    ");
}

#[test]
fn circles() {
    let text = stages(
        "
        a: {uses: test.map, from: c}
        b: {uses: test.map, from: a}
        c: {uses: test.map, from: b}
        ",
    );
    expect(
        &said(&text),
        "
        pipeline.yaml:4:29: the stages read each other in a circle: a → b → c → a
          pipeline.yaml:5:29: `b` reads the one before it
          pipeline.yaml:6:29: `c` reads the one before it
    ",
    );
    expect(
        &said(&stages("a: {uses: test.map, from: a}")),
        "
        pipeline.yaml:4:29: the stages read each other in a circle: a → a
    ",
    );
}

#[test]
fn keys_that_do_not_belong() {
    expect(&changed("seed:", "sede:"), "
        pipeline.yaml:3:1: `sede` does not belong in a pipeline; there are `version`, `name`, `suite`, `seed`, `vars`, `include`, `stages`, `sweeps`
          help: did you mean `seed`?
    ");
    expect(
        &changed("from: words", "form: words, from: words"),
        "
        pipeline.yaml:7:25: `form` does not belong in a stage; there are `uses`, `when`, `from`, `with`, `outputs`, `batch`, `retry`, `timeout`, `device`, `slots`
          help: did you mean `from`?
    ",
    );
    expect(&changed("suffix:", "sufix:"), "
        pipeline.yaml:7:45: `sufix` is not expected here; there are `suffix`, `note`, `seeded`, `fail`, `defect`, `pause_ms`, `stuck`, `more`
          help: did you mean `suffix`?
    ");
}

#[test]
fn versions_names_and_seeds() {
    expect(
        &changed("version: 1", "version: 2"),
        "
        pipeline.yaml:1:10: expected version 1, found `2`
          help: another version of ccsr-flow may read it
    ",
    );
    expect(
        &changed("version: 1\n", ""),
        "
        pipeline.yaml:1:1: `version` is missing
          help: write `version: 1` in the first line
    ",
    );
    expect(
        &changed("version: 1", "version: '1'"),
        "
        pipeline.yaml:1:10: expected version 1, found the text `1`
          help: another version of ccsr-flow may read it
    ",
    );
    expect(
        &changed("seed: 3", "seed: -3"),
        "
        pipeline.yaml:3:7: expected a whole number from 0, found `-3`
    ",
    );
    expect(
        &changed("name: good", "name: ' '"),
        "
        pipeline.yaml:2:7: expected a name, found the text ` `
    ",
    );
    expect(
        &said(&GOOD.replace("  map:", "  m/p:").replace("map.rows", "m/p")),
        "
        pipeline.yaml:7:3: `m/p` cannot name a stage
          help: use letters, digits, `_` and `-`
    ",
    );
    expect(
        &changed("from: words", "batch: 0, from: words"),
        "
        pipeline.yaml:7:32: expected a whole number from 1, found `0`
    ",
    );
}

#[test]
fn everything_is_said_at_once_and_in_order() {
    let text = "\
version: 3
sede: 4
vars: {a: '${vars.b}'}
stages:
  words: {uses: test.rows, with: {words: 5, nots: x}}
  map: {uses: test.mop, from: wards}
  read: {uses: test.read, from: wards, outputs: ../out}
  sum: {uses: test.sum, with: {note: [1]}, batch: x}
";
    expect(&said(text), "
        pipeline.yaml:1:10: expected version 1, found `3`
          help: another version of ccsr-flow may read it
        pipeline.yaml:2:1: `sede` does not belong in a pipeline; there are `version`, `name`, `suite`, `seed`, `vars`, `include`, `stages`, `sweeps`
          help: did you mean `seed`?
        pipeline.yaml:3:11: there is no variable `b`
          help: did you mean `a`?
        pipeline.yaml:5:42: expected a list, found `5`
        pipeline.yaml:5:45: `nots` is not expected here; there are `words`, `file`, `note`
          help: did you mean `note`?
        pipeline.yaml:6:15: there is no stage kind `test.mop`
          help: did you mean `test.map`?
        pipeline.yaml:7:33: there is no stage `wards`
          help: did you mean `words`?
        pipeline.yaml:8:38: expected text, found a list
        pipeline.yaml:8:51: expected a whole number from 1, found the text `x`
    ");
}

#[test]
fn parameters() {
    expect(
        &changed("'${vars.first}'", "5"),
        "
        pipeline.yaml:7:53: expected text, found `5`
          help: put it in quotes if text is what you mean
    ",
    );
    expect(
        &changed("'${vars.first}'", "a/b"),
        "
        pipeline.yaml:7:44: a suffix has no `/`
    ",
    );
    expect(
        &changed("suffix: '${vars.first}'", "defect: hungry"),
        "
        pipeline.yaml:7:53: `hungry` is not one of `none`, `panic_in_partitions`, `panic_in_units`, `panic_in_wave`, `panic_in_execute`, `panic_in_collect`, `panic_in_export`, `panic_in_describe`, `too_few_results`, `no_table`, `missing_column`, `unknown_blob`, `lost_blob`
    ",
    );
    expect(
        &changed("with: {suffix: '${vars.first}'}", "with: [1]"),
        "
        pipeline.yaml:7:44: expected a map, found a list
    ",
    );
    expect(
        &changed("words: '${vars.list}'", "file: words.txt"),
        "
        pipeline.yaml:6:41: there is no file `words.txt`
          help: paths are relative to the file that names them
    ",
    );
    expect(
        &changed("words: '${vars.list}'", "file: ../words.txt"),
        "
        pipeline.yaml:6:41: the path `../words.txt` leaves the project
          help: the project is `ROOT`; copy or link what you need into it
    ",
    );
    expect(
        &changed("words: '${vars.list}'", "file: ."),
        "
        pipeline.yaml:6:41: `.` is a folder, expected a file
          help: paths are relative to the file that names them
    ",
    );
}

#[test]
fn outputs() {
    expect(
        &changed("out/map", "../out"),
        "
        pipeline.yaml:7:80: the path `../out` leaves the project
          help: the project is `ROOT`; copy or link what you need into it
    ",
    );
    expect(
        &changed("out/map", "/etc/out"),
        "
        pipeline.yaml:7:80: the path `/etc/out` leaves the project
          help: the project is `ROOT`; copy or link what you need into it
    ",
    );
    expect(
        &changed("out/map", "''"),
        "
        pipeline.yaml:7:80: expected a path, found nothing
    ",
    );
    expect(
        &changed("out/map", "[out]"),
        "
        pipeline.yaml:7:80: expected a path, or a map of ports and paths, found a list
    ",
    );
    expect(
        &changed("out/map", "{row: out}"),
        "
        pipeline.yaml:7:81: there is no table `row`
          help: did you mean `rows`?
    ",
    );
    expect(
        &changed("out/map", "out/sum.csv"),
        "
        pipeline.yaml:8:3: `sum` writes to `out/sum.csv`, where `map` writes to `out/sum.csv`
          help: give each a path of its own
    ",
    );
    expect(
        &changed("out/map", "out"),
        "
        pipeline.yaml:8:3: `sum` writes to `out/sum.csv`, where `map` writes to `out`
          help: give each a path of its own
    ",
    );
    expect(
        &changed("out/map", "."),
        "
        pipeline.yaml:7:80: `.` and the cache would get in each other's way
          help: the cache keeps what it needs itself; name a folder of yours
    ",
    );
    expect(
        &changed("out/map", ".ccsr/objects"),
        "
        pipeline.yaml:7:80: `.ccsr/objects` and the cache would get in each other's way
          help: the cache keeps what it needs itself; name a folder of yours
    ",
    );
}

#[test]
fn how_a_stage_executes_is_checked() {
    let changed = |options: &str| changed("uses: test.sum", &format!("uses: test.sum, {options}"));
    let said = [
        "retry: often",
        "retry: {times: 2, wait: soon}",
        "retry: {time: 2}",
        "timeout: -3",
        "timeout: 5 parsecs",
        "device: cuda",
        "slots: 4",
        "slots: {cpu: -1, memory: much, gpu: 1}",
    ];
    let said: Vec<_> = said.iter().map(|options| changed(options)).collect();
    expect(
        &said.concat(),
        "
        pipeline.yaml:8:32: expected a whole number from 0, found the text `often`
        pipeline.yaml:8:49: expected a length of time, found the text `soon`
          help: write `90s`, `5m`, `1h 30m`, or a number of seconds
        pipeline.yaml:8:33: `time` does not belong in `retry`; there are `times`, `wait`
          help: did you mean `times`?
        pipeline.yaml:8:34: expected a length of time, found `-3`
          help: write `90s`, `5m`, `1h 30m`, or a number of seconds
        pipeline.yaml:8:34: expected a length of time, found the text `5 parsecs`
          help: write `90s`, `5m`, `1h 30m`, or a number of seconds
        pipeline.yaml:8:33: this program has no device `cuda`
          help: there are none
        pipeline.yaml:8:32: expected a map of slots, found `4`
        pipeline.yaml:8:38: expected a whole number from 0, found `-1`
        pipeline.yaml:8:50: expected an amount of memory, found the text `much`
          help: write `8GB`, `8GiB`, or a number of bytes
        pipeline.yaml:8:56: `gpu` does not belong in `slots`; there are `cpu`, `device`, `memory`
          help: did you mean `cpu`?
        ",
    );
    for fine in [
        "retry: 3",
        "retry: {times: 2, wait: 500ms}",
        "timeout: 90",
        "timeout: 1h 30m",
        "slots: {cpu: 2, device: 0, memory: 8GiB}",
        "retry:",
    ] {
        expect(&changed(fine), "nothing is wrong");
    }
}
