//! What is said of texts that nobody meant as a pipeline: noise, bombs, folders.

use std::fmt::Write as _;

use ccsr_engine::{CompileOptions, Project};
use proptest::prelude::*;

use super::{GOOD, changed, rendered, said, said_in};
use crate::{Place, expect, kinds};

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
        for options in [CompileOptions::default(), super::set(&[&set]), super::set(&[&format!("stages.{set}")])] {
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
