//! Stages that `when:` leaves out: what is there then, who may read them, and what is said.

use ccsr_engine::CompileOptions;

use crate::language::{said_in, set};
use crate::{Place, expect, kinds, stages};

/// Lengths of two lists of words, the second if wanted, and their sum.
fn summed(when: &str) -> String {
    let text = "
        words: {uses: test.rows, with: {words: [ox, ant]}}
        map: {uses: test.map, from: words}
        others: {uses: test.rows, with: {words: [camel]}, when: WHEN}
        more: {uses: test.map, from: others, when: WHEN}
        sum: {uses: test.sum, from: {rows: map, more: more}}
    ";
    stages(&text.replace("WHEN", when)) + "vars: {wanted: true}\n"
}

#[test]
fn who_reads_one_by_an_optional_port_reads_nothing_there() {
    let place = Place::new();
    let ran = place.run(&summed("'${vars.wanted}'"));
    assert_eq!(place.rows(&ran, "sum.rows"), ["13"]);
    place.work();
    let ran = place.run(&summed("false"));
    assert_eq!(place.rows(&ran, "sum.rows"), ["7"]);
    assert_eq!(place.work(), "", "nothing is computed that was known");
    let names: Vec<_> = ran.record.stages.iter().map(|stage| &stage.name).collect();
    assert_eq!(names, ["words", "map", "sum"]);

    let without = set(&["vars.wanted=false"]);
    let pipeline = place.compile_as(&summed("'${vars.wanted}'"), &kinds::registry(), &without);
    let pipeline = pipeline.unwrap_or_else(|_| panic!("it is a pipeline"));
    assert_eq!(pipeline.left_out, ["more", "others"]);
    assert_eq!(pipeline.find("more"), None);
    assert_eq!(pipeline.graph.len(), 3);
}

#[test]
fn the_condition_enters_no_key() {
    let place = Place::new();
    place.run(&summed("true"));
    for same in ["'${vars.wanted}'", "null"] {
        let ran = place.run(&summed(same));
        let outcomes = ran.record.stages.iter().map(|stage| stage.outcome);
        let unchanged = ccsr_engine::record::StageOutcome::Unchanged;
        assert!(
            outcomes.into_iter().all(|outcome| outcome == unchanged),
            "{same}"
        );
    }
}

#[test]
fn who_cannot_do_without_it_says_so() {
    let place = Place::new();
    let said = |text: &str| said_in(&place, &stages(text), &CompileOptions::default());
    let text = "
        words: {uses: test.rows, with: {words: [ox]}, when: false}
        map: {uses: test.map, from: words}
        sum: {uses: test.sum, from: {rows: map, more: words}}
    ";
    // Of `map`, which is not there, `sum` says nothing.
    expect(
        &said(text),
        "
        pipeline.yaml:5:31: `map` reads `words`, which is left out
          pipeline.yaml:4:55: `when` of `words` is false
          help: leave `map` out by the same condition: `when: …`
    ",
    );
    let text = "
        words: {uses: test.rows, with: {words: [ox]}, when: no}
        map: {uses: test.map, from: words}
    ";
    expect(
        &said(text),
        "
        pipeline.yaml:4:55: expected `true` or `false`, found the text `no`
          help: write `when: ${vars.NAME}`, and `vars: {NAME: true}` in a suite or here
    ",
    );
    let text = "
        words: {uses: test.rows, when: false}
        map: {uses: test.map, from: words, when: false}
    ";
    expect(
        &said(text),
        "
        pipeline.yaml:4:3: every stage is left out
          help: `when` is false at all of them
    ",
    );
}

/// The suite may have no such role; what can be checked without it is.
#[test]
fn of_one_that_is_left_out_kind_and_keys_are_checked() {
    let place = Place::new();
    let said = |text: &str| said_in(&place, &stages(text), &CompileOptions::default());
    let text = "
        words: {uses: test.rows, with: {words: [ox]}}
        ask: {uses: test.ask, from: words, with: {anything: 1}, when: false}
    ";
    expect(&said(text), "nothing is wrong");
    expect(
        &said(&text.replace("test.ask", "test.aks")),
        "
        pipeline.yaml:5:15: there is no stage kind `test.aks`
          help: did you mean `test.ask`?
    ",
    );
    expect(
        &said(&text.replace("with: {anything: 1}", "bacth: 3")),
        "
        pipeline.yaml:5:38: `bacth` does not belong in a stage; there are `uses`, `when`, `from`, `with`, `outputs`, `batch`, `retry`, `timeout`, `device`, `slots`
          help: did you mean `batch`?
    ",
    );
}
