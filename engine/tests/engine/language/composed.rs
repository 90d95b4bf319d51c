//! What is said where a pipeline has several sources: includes, variables, `--set`, suites.

use ccsr_engine::CompileOptions;

use super::{GOOD, changed, rendered, said_in, said_with, set};
use crate::{Place, expect, kinds, stages};

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
