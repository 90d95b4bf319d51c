//! What is said about pipelines that are none: every problem, its place and what to do.

use std::fmt::Write as _;

use ccsr_engine::{CompileError, CompileOptions, Project};
use proptest::prelude::*;

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
fn includes() {
    let place = Place::new();
    place.write(
        "parts/words.yaml",
        "stages:\n  words: {uses: test.rows, with: {words: '${vars.words}'}}\nvars: {words: [bee]}\n",
    );
    place.write("a.yaml", "include: b.yaml\n");
    place.write("b.yaml", "include: [a.yaml]\nseed: 5\n");
    place.write("left.yaml", "include: parts/words.yaml\n");
    place.write("right.yaml", "include: parts/words.yaml\n");
    place.write("broken.yaml", "stages: [\n");
    place.write("list.yaml", "[1]\n");
    let without = "version: 1\nstages:\n  map: {uses: test.map, from: words}\n";
    let with = format!("{without}  words: {{uses: test.rows}}\n");
    let said = |text: &str, files: &str| {
        let text = format!("{text}include: {files}\n");
        said_in(&place, &text, &CompileOptions::default())
    };
    expect(&said(without, "parts/words.yaml"), "nothing is wrong");
    // The same file by two ways is one file.
    expect(
        &said(without, "[left.yaml, right.yaml]"),
        "nothing is wrong",
    );
    expect(
        &said(&with, "[parts/words.yaml]"),
        "
        pipeline.yaml:4:3: the stage `words` is defined twice
          parts/words.yaml:2:3: it was defined here first
    ",
    );
    expect(
        &said(&with, "parts/wrods.yaml"),
        "
        pipeline.yaml:5:10: there is no file `parts/wrods.yaml`
          help: paths are relative to the file that names them
    ",
    );
    expect(
        &said(&with, "5"),
        "
        pipeline.yaml:5:10: expected the path of a file, found `5`
    ",
    );
    expect(
        &said(&with, "../elsewhere.yaml"),
        "
        pipeline.yaml:5:10: the path `../elsewhere.yaml` leaves the project
          help: the project is `ROOT`; copy or link what you need into it
    ",
    );
    expect(&said(&with, "[a.yaml]"), "
        b.yaml:1:11: `a.yaml` includes itself, by way of `b.yaml`
        b.yaml:2:1: `seed` does not belong in an included file; there are `include`, `vars`, `stages`
    ");
    expect(
        &said(&with, "[pipeline.yaml]"),
        "
        pipeline.yaml:5:11: `pipeline.yaml` includes itself, by way of `pipeline.yaml`
    ",
    );
    expect(
        &said(&with, "broken.yaml"),
        "
        broken.yaml:1:9: this bracket is never closed
    ",
    );
    expect(
        &said(&with, "list.yaml"),
        "
        list.yaml:1:1: expected a file of variables and stages, a map of names, found a list
    ",
    );
}

#[test]
fn variables() {
    expect(
        &changed("${vars.first}", "${vars.frist}"),
        "
        pipeline.yaml:7:53: there is no variable `frist`
          help: did you mean `first`?
    ",
    );
    expect(
        &changed("${vars.list}", "${vars.lits}"),
        "
        pipeline.yaml:6:42: there is no variable `lits`
          help: did you mean `list`?
    ",
    );
    expect(
        &changed(
            "first: ox",
            "first: '${vars.other}', other: '${vars.first}'",
        ),
        "
        pipeline.yaml:4:39: the variable refers to itself: first → other → first
    ",
    );
    expect(
        &changed("${vars.first}", "${first}"),
        "
        pipeline.yaml:7:53: `${first}` is not a variable
          help: write `${vars.first}`, or `$${` for the characters `${`
    ",
    );
    expect(
        &changed("${vars.first}", "${vars.first"),
        "
        pipeline.yaml:7:53: `${` without a `}`
          help: write `$${` for the characters `${`
    ",
    );
    expect(
        &changed("${vars.first}", "x${vars.list}"),
        "
        pipeline.yaml:7:53: `list` is a list and cannot stand inside a text
          help: let the reference be the whole value
    ",
    );
    // A wrong value is shown where it was written.
    expect(
        &changed("first: ox", "first: [ox]"),
        "
        pipeline.yaml:4:15: expected text, found a list
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
fn overrides_that_cannot_be() {
    let sets: [&[&str]; 18] = [
        &["stages.mpa.with.suffix=x"],
        &["stages.nothing=x"],
        &["vars.frist=x"],
        &["vars.list.2=x"],
        &["vars.list.first=x"],
        &["vars.first.deeper=x"],
        &["stages.map.with.suffix=[1"],
        &["stages.map.with.suffix=[1]"],
        &["stages.map.with.sufix=x"],
        &["stages.map.wiht.suffix=x"],
        &["stages.map.with.suffix"],
        &["stages..with=x"],
        &["suite=world"],
        &["version=2"],
        &["vars=5"],
        &["stages=[a]"],
        &["seed=-1"],
        &["vars.frist=x", "seed=y", "stages.mpa.with.suffix=x"],
    ];
    let said = sets.map(|sets| said_with(GOOD, &set(sets)));
    expect(&said.concat(), "
        --set:1:1: there is no stage `mpa`
          help: did you mean `map`?
        --set:1:1: there is no stage `nothing`
          help: there are `words`, `map`, `sum`
        --set:1:1: there is no variable `frist`
          help: did you mean `first`?
        --set:1:1: `vars.list` is a list of 2; `2` is not in it
        --set:1:1: `vars.list` is a list of 2; `first` is not in it
        --set:1:1: `vars.first` is the text `ox`, nothing is below it
        --set:1:24: this bracket is never closed
        --set:1:24: expected text, found a list
        --set:1:23: `sufix` is not expected here; there are `suffix`, `note`, `seeded`, `fail`, `defect`, `pause_ms`, `stuck`, `more`
          help: did you mean `suffix`?
        --set:1:1: `wiht` does not belong in a stage; there are `uses`, `when`, `from`, `with`, `outputs`, `batch`, `retry`, `timeout`, `device`, `slots`
          help: did you mean `with`?
        --set:1:1: expected `path=value`, found `stages.map.with.suffix`
        --set:1:1: `stages..with` is not a path; write names with dots between
        --set:1:1: `suite` is not set this way
          help: use `--suite NAME`
        --set:1:1: there is no `version` to set
          help: there are `name`, `seed`, `vars`, `stages`
        --set:1:1: `vars` is a map of names, not `5`
        --set:1:1: `stages` is a map of names, not a list
        --set:1:6: expected a whole number from 0, found `-1`
        --set:1:1: there is no variable `frist`
          help: did you mean `first`?
        --set:1:6: expected a whole number from 0, found the text `y`
        --set:1:1: there is no stage `mpa`
          help: did you mean `map`?
    ");
}

/// The identity of the stage `map`: its parameters as they were read.
fn suffix(place: &Place, text: &str, options: &CompileOptions<'_>) -> String {
    let pipeline = place.compile_as(text, &kinds::registry(), options);
    let pipeline = pipeline.unwrap_or_else(|error| panic!("{}", rendered(&error)));
    let map = pipeline.find("map").unwrap();
    let identity = pipeline.stage(map).stage.identity();
    identity
        .get("suffix")
        .unwrap()
        .as_text()
        .unwrap()
        .to_owned()
}

#[test]
fn an_override_wins_over_the_suite_and_the_suite_over_the_pipeline() {
    let place = Place::new();
    let none = CompileOptions::default();
    place.write(
        "suites/small.yaml",
        "version: 1\nvars: {first: from-suite}\n",
    );
    let suited = format!("{GOOD}suite: small\n");
    assert_eq!(suffix(&place, GOOD, &none), "ox");
    assert_eq!(suffix(&place, &suited, &none), "from-suite");
    assert_eq!(
        suffix(&place, &suited, &set(&["vars.first=from-set"])),
        "from-set"
    );
    assert_eq!(
        suffix(&place, &suited, &set(&["stages.map.with.suffix=direct"])),
        "direct"
    );
    let reference = ["stages.map.with.suffix=${vars.first}-er", "vars.first=big"];
    assert_eq!(suffix(&place, &suited, &set(&reference)), "big-er");
    assert_eq!(
        suffix(&place, &suited, &set(&["vars.first=a", "vars.first=b"])),
        "b"
    );
    assert_eq!(suffix(&place, GOOD, &set(&["stages.map.with.suffix="])), "");

    // A suite that is named outside the file wins over the file's, a file over one brought along.
    let brought = [
        ("tiny", "version: 1\nvars: {first: from-tiny}\n"),
        ("small", "version: 1\n"),
    ];
    let options = |suite: Option<&str>| CompileOptions {
        suite: suite.map(str::to_owned),
        suites: &brought,
        ..CompileOptions::default()
    };
    assert_eq!(suffix(&place, &suited, &options(None)), "from-suite");
    assert_eq!(suffix(&place, &suited, &options(Some("tiny"))), "from-tiny");
    assert_eq!(
        suffix(&place, GOOD, &options(Some("suites/small.yaml"))),
        "from-suite"
    );

    // An included file's variables are defaults.
    place.write("more.yaml", "vars: {first: from-include, second: two}\n");
    let including = GOOD.replace("seed: 3", "include: more.yaml");
    assert_eq!(suffix(&place, &including, &none), "ox");
    assert_eq!(
        suffix(
            &place,
            &including.replace("${vars.first}", "${vars.second}"),
            &none
        ),
        "two"
    );
}

#[test]
fn suites() {
    let place = Place::new();
    let ask = |suite: &str| {
        stages(
            "
            words: {uses: test.rows, with: {words: [ox]}}
            ask: {uses: test.ask, from: words}
            ",
        ) + suite
    };
    let brought = [("world", "version: 1\nroles: {judge: {use: plain}}\n")];
    let options = CompileOptions {
        suites: &brought,
        ..CompileOptions::default()
    };
    let said = |suite: &str| said_in(&place, &ask(suite), &options);
    let file = |text: &str| {
        place.write("suites/mine.yaml", text);
        said_in(&place, &ask("suite: mine\n"), &options)
    };
    expect(&said("suite: world\n"), "nothing is wrong");
    expect(
        &said(""),
        "
        pipeline.yaml:5:15: `test.ask` needs a suite that fills the role `judge`
          help: name a suite: `suite: world` in the file, or `--suite world`
    ",
    );
    expect(
        &said("suite: wrold\n"),
        "
        pipeline.yaml:6:8: there is no suite `wrold`
          help: did you mean `world`?
    ",
    );
    expect(
        &said("suite: paper\n"),
        "
        pipeline.yaml:6:8: there is no suite `paper`
          help: it would be the file `suites/paper.yaml` beside the pipeline, or one of these: world
    ",
    );
    expect(
        &said("suite: [world]\n"),
        "
        pipeline.yaml:6:8: expected the name of a suite, found a list
    ",
    );
    expect(
        &said("suite: ../world.yaml\n"),
        "
        pipeline.yaml:6:8: the path `../world.yaml` leaves the project
          help: the project is `ROOT`; copy or link what you need into it
    ",
    );
    expect(
        &file("version: 1\nroles: {judge: {use: moody, with: {mood: grim}}}\n"),
        "nothing is wrong",
    );
    expect(
        &file("version: 1\nroles: {}\n"),
        "
        pipeline.yaml:5:15: `test.ask` needs a `judge`, which the suite `mine` does not fill
          help: it fills no role
    ",
    );
    expect(
        &file("version: 1\nroles: {juge: {use: plain}}\n"),
        "
        pipeline.yaml:5:15: `test.ask` needs a `judge`, which the suite `mine` does not fill
          help: it fills juge
        suites/mine.yaml:2:9: there is no role `juge`
          help: did you mean `judge`?
    ",
    );
    expect(
        &file("version: 1\nroles: {judge: {use: plian}}\n"),
        "
        suites/mine.yaml:2:22: the text `plian` does not fill the role `judge`
          help: did you mean `plain`?
    ",
    );
    expect(
        &file("version: 1\nroles: {judge: {with: {}}}\n"),
        "
        suites/mine.yaml:2:16: `use` is missing: which implementation?
    ",
    );
    expect(
        &file("version: 1\nroles: {judge: plain}\n"),
        "
        suites/mine.yaml:2:16: `use` is missing: which implementation?
    ",
    );
    expect(
        &file("version: 1\nroles: {judge: {use: moody, wiht: {}}}\n"),
        "
        suites/mine.yaml:2:9: `mood` is missing
        suites/mine.yaml:2:29: `wiht` does not belong in a role; there are `use`, `with`
          help: did you mean `with`?
    ",
    );
    expect(
        &file("version: 1\nroles: {judge: {use: moody, with: {mood: 5, levle: 1}}}\n"),
        "
        suites/mine.yaml:2:42: expected text, found `5`
          help: put it in quotes if text is what you mean
        suites/mine.yaml:2:45: `levle` is not expected here; there are `mood`, `level`
          help: did you mean `level`?
    ",
    );
    expect(
        &file("version: 1\nroles: {judge: {use: moody, with: {mood: grim, level: 300}}}\n"),
        "
        suites/mine.yaml:2:55: expected a whole number from 0 to 255, found `300`
    ",
    );
    expect(
        &file("roles: {judge: {use: plain}}\n"),
        "
        suites/mine.yaml:1:1: `version` is missing
          help: write `version: 1` in the first line
    ",
    );
    expect(&file("version: 1\nstages: {}\n"), "
        pipeline.yaml:5:15: `test.ask` needs a `judge`, which the suite `mine` does not fill
          help: it fills no role
        suites/mine.yaml:2:1: `stages` does not belong in a suite; there are `version`, `name`, `roles`, `vars`
    ");
    let named = CompileOptions {
        suite: Some("wrold".to_owned()),
        ..options.clone()
    };
    expect(
        &said_in(&place, &ask(""), &named),
        "
        nowhere: there is no suite `wrold`
          help: did you mean `world`?
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
fn texts_that_are_no_pipelines() {
    expect(
        &said(""),
        "
        pipeline.yaml:1:1: expected a pipeline, a map of names, found nothing
    ",
    );
    expect(
        &said("- 1\n"),
        "
        pipeline.yaml:1:1: expected a pipeline, a map of names, found a list
    ",
    );
    expect(
        &said("version: 1\n"),
        "
        pipeline.yaml:1:1: there are no stages
          help: add some under `stages:`; `ccsr-flow stages` lists the kinds there are
    ",
    );
    expect(
        &said("version: 1\nstages: {}\n"),
        "
        pipeline.yaml:1:1: there are no stages
          help: add some under `stages:`; `ccsr-flow stages` lists the kinds there are
    ",
    );
    expect(
        &said("version: 1\nstages: [a]\n"),
        "
        pipeline.yaml:1:1: there are no stages
          help: add some under `stages:`; `ccsr-flow stages` lists the kinds there are
        pipeline.yaml:2:9: expected `stages`, a map of names, found a list
    ",
    );
    expect(
        &said("version: 1\nstages:\n  a: 5\n"),
        "
        pipeline.yaml:3:6: expected a stage, a map with `uses`, found `5`
    ",
    );
    expect(
        &said("version: 1\nstages: {\n"),
        "
        pipeline.yaml:2:9: this bracket is never closed
    ",
    );
    expect(
        &changed("seed: 3", "seed: 3\nseed: 4"),
        "
        pipeline.yaml:4:1: `seed` stands here twice
          pipeline.yaml:3:1: first here
    ",
    );
    expect(
        &said(&(GOOD.to_owned() + "  map: {uses: test.map, from: words}\n")),
        "
        pipeline.yaml:9:3: `map` stands here twice
          pipeline.yaml:7:3: first here
    ",
    );
}

#[test]
fn a_bomb_of_aliases_does_not_go_off() {
    let mut text = "version: 1\nvars:\n  v0: &v0 [a, a, a, a, a, a, a, a, a, a]\n".to_owned();
    for n in 1..12 {
        let below = vec![format!("*v{}", n - 1); 10].join(", ");
        let _ = writeln!(text, "  v{n}: &v{n} [{below}]");
    }
    text.push_str("stages:\n  words: {uses: test.rows, with: {words: '${vars.v11}'}}\n");
    let said = said(&text);
    assert!(said.contains("stand for more than"), "{said}");
}

#[test]
fn a_bomb_of_includes_does_not_go_off() {
    let place = Place::new();
    for n in 0..40 {
        let next = n + 1;
        let text = format!("include: [{next}.yaml, ./{next}.yaml]\n");
        place.write(&format!("{n}.yaml"), text);
    }
    place.write("40.yaml", "stages: {words: {uses: test.rows}}\n");
    let text = "version: 1\ninclude: 0.yaml\n";
    let said = said_in(&place, text, &CompileOptions::default());
    expect(&said, "nothing is wrong");
}

#[test]
fn a_file_that_is_not_there_or_not_text() {
    let place = Place::new();
    let compile = |name: &str| {
        let project = Project::at(place.root());
        let options = CompileOptions::default();
        let compiled =
            ccsr_engine::compile(&place.path(name), &project, &kinds::registry(), &options);
        rendered(&compiled.err().unwrap())
    };
    place.write("latin.yaml", b"name: \xe9\n");
    place.write("folder/file", "");
    expect(
        &compile("nothing.yaml"),
        "
        nowhere: there is no file `nothing.yaml`
    ",
    );
    expect(
        &compile("latin.yaml"),
        "
        nowhere: `latin.yaml` is not UTF-8 text: line 1 has bytes that mean nothing
          help: save it as UTF-8
    ",
    );
    expect(
        &compile("folder"),
        "
        nowhere: cannot read `folder`: it is not a file
    ",
    );
}

/// Pieces that a mutation puts into a pipeline.
const PIECES: &[&str] = &[
    "\n",
    " ",
    "  ",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "'",
    "\"",
    "${vars.first}",
    "${",
    "}",
    "&a ",
    "*a",
    "|",
    ">",
    "#",
    "!!int ",
    "0",
    "-1",
    "1e400",
    "null",
    "map",
    "words",
    "from: sum",
    "stages:",
    "include: pipeline.yaml",
    "..",
    "/",
    "é",
    "\u{feff}",
    "\t",
    "\0",
    "<<: ",
    "? ",
    "---\n",
    "vars.",
    "test.join",
    "uses",
    "suite: x",
    "version: 1\n",
];

fn mutated() -> impl Strategy<Value = String> {
    let edit = (0..GOOD.len(), 0..12_usize, 0..PIECES.len());
    prop::collection::vec(edit, 1..6).prop_map(|edits| {
        edits
            .into_iter()
            .fold(GOOD.to_owned(), |text, (at, cut, piece)| {
                let start = text.floor_char_boundary(at);
                let end = text.floor_char_boundary(start + cut);
                format!("{}{}{}", &text[..start], PIECES[piece], &text[end..])
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(7),
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_is_written_is_compiled_or_refused_at_a_place(text in mutated(), set in "[a-z.0-9=${}\\[ ]{0,24}") {
        let place = Place::new();
        for options in [CompileOptions::default(), crate::language::set(&[&set]), crate::language::set(&[&format!("stages.{set}")])] {
            match place.compile_as(&text, &kinds::registry(), &options) {
                Ok(pipeline) => prop_assert!(!pipeline.stages.is_empty()),
                Err(error) => {
                    prop_assert!(!error.diagnostics.is_empty());
                    for diagnostic in &error.diagnostics {
                        // Every place lies in its text.
                        for span in diagnostic.span.iter().chain(diagnostic.related.iter().map(|(span, _)| span)) {
                            let length = error.sources.get(span.source).text.len();
                            prop_assert!(span.start <= span.end && span.end as usize <= length, "{diagnostic:?}");
                        }
                    }
                    let _ = rendered(&error);
                }
            }
        }
    }
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
