//! Pipelines that include pipelines: what is theirs, and what they take over.

use ccsr_engine::CompileOptions;

use crate::language::{said_in, set};
use crate::{Place, expect, kinds};

const BASE: &str = "\
version: 1
name: base
suite: brought
seed: 5
vars: {words: [ox]}
stages:
  words: {uses: test.rows, with: {words: '${vars.words}'}}
sweeps:
  many: {matrix: {seed: [1, 2]}}
";

fn options(set: CompileOptions<'static>) -> CompileOptions<'static> {
    const SUITES: &[(&str, &str)] = &[("brought", "version: 1\n"), ("other", "version: 1\n")];
    CompileOptions {
        suites: SUITES,
        ..set
    }
}

#[test]
fn suite_and_seed_are_taken_over_and_may_be_said_anew() {
    let place = Place::new();
    place.write("base.yaml", BASE);
    let compiled = |text: &str, set: CompileOptions<'static>| {
        let pipeline = place.compile_as(text, &kinds::registry(), &options(set));
        pipeline.unwrap_or_else(|error| panic!("{}", crate::language::rendered(&error)))
    };
    let more = "version: 1\ninclude: base.yaml\nstages: {map: {uses: test.map, from: words}}\n";
    let pipeline = compiled(more, CompileOptions::default());
    assert_eq!(pipeline.name, "pipeline", "names are not taken over");
    assert_eq!(
        (pipeline.seed, pipeline.suite.as_deref()),
        (5, Some("brought"))
    );
    assert_eq!(pipeline.stages.len(), 2);
    assert_eq!(compiled(more, set(&["seed=8"])).seed, 8);

    let own = format!("{more}seed: 7\nsuite: other\nvars: {{words: [ant, bee]}}\n");
    let pipeline = compiled(&own, CompileOptions::default());
    assert_eq!(
        (pipeline.seed, pipeline.suite.as_deref()),
        (7, Some("other"))
    );
}

#[test]
fn what_is_wrong_with_the_included_one_is_said_there() {
    let place = Place::new();
    let said = |base: &str| {
        place.write("base.yaml", base);
        let text = "version: 1\ninclude: base.yaml\n";
        said_in(&place, text, &options(CompileOptions::default()))
    };
    expect(&said(BASE), "nothing is wrong");
    expect(
        &said(&BASE.replace("version: 1", "version: 2")),
        "
        base.yaml:1:10: expected version 1, found `2`
          help: another version of ccsr-flow may read it
    ",
    );
    expect(
        &said(&BASE.replace("seed: 5", "sede: 5")),
        "
        base.yaml:4:1: `sede` does not belong in a pipeline; there are `version`, `name`, `suite`, `seed`, `vars`, `include`, `stages`, `sweeps`
          help: did you mean `seed`?
    ",
    );
    expect(
        &said(&BASE.replace("version: 1\n", "")),
        "
        base.yaml:1:1: `name` does not belong in an included file; there are `include`, `vars`, `stages`
        base.yaml:2:1: `suite` does not belong in an included file; there are `include`, `vars`, `stages`
        base.yaml:3:1: `seed` does not belong in an included file; there are `include`, `vars`, `stages`
        base.yaml:7:1: `sweeps` does not belong in an included file; there are `include`, `vars`, `stages`
    ",
    );
}
