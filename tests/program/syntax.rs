//! Files that are not valid pipelines, and what is said about them: every mistake at its line, all
//! of them in one go, with exit code 2.

use std::fmt::Write as _;

use crate::project::{Project, SELECTION, SMALL};
use crate::transcript::Transcript;
use crate::warm;

/// Checks a text as a pipeline file; it must be refused.
#[track_caller]
fn refused(transcript: &mut Transcript, about: &str, text: &str) {
    let project = Project::new();
    project.write("pipelines/a.yaml", text);
    transcript.about(about).file("pipelines/a.yaml", text);
    transcript
        .run(&project, &["check", "pipelines/a.yaml"])
        .ends_with(2);
    assert!(!project.path(".ccsr").exists(), "checking wrote a cache");
    let run = project.run(["run", "pipelines/a.yaml"]);
    run.ends_with(2).says("in the pipeline");
    assert!(
        !project.path(".ccsr").exists(),
        "an invalid pipeline made a cache"
    );
}

#[test]
fn what_is_no_yaml() {
    let mut transcript = Transcript::new();
    let mut case = |about, text| refused(&mut transcript, about, text);
    case(
        "a tab",
        "version: 1\nstages:\n\tprompts:\n\t\tuses: prompt.generate\n",
    );
    case(
        "an unclosed quote",
        "version: 1\nname: \"first\nstages:\n  a: {uses: prompt.generate}\n",
    );
    case(
        "an unclosed bracket",
        "version: 1\nstages:\n  a: {uses: prompt.generate\n  b: 1\n",
    );
    case(
        "indented oddly",
        "version: 1\nstages:\n    a:\n      uses: prompt.generate\n   b:\n      uses: x\n",
    );
    case("a colon inside a word", "version: 1\nname: a: b\n");
    case("a percent sign", "version: 1\nname: %half\n");
    case(
        "a name twice",
        "version: 1\nsuite: world\nstages:\n  a:\n    uses: prompt.generate\n    with: {count: 1, count: 2}\n  a:\n    uses: image.grid\n",
    );
    case(
        "several documents",
        "version: 1\nstages: {}\n---\nversion: 1\n",
    );
    case("an alias of nothing", "version: 1\nstages: *all\n");
    case("a tag", "version: 1\nname: !ruby/object:Gem {}\n");
    case(
        "a merge key",
        "version: 1\nvars: &v {a: 1}\nstages:\n  <<: *v\n",
    );
    case("a list as a name", "version: 1\n? [a, b]\n: c\n");
    case("nothing at all", "");
    case("a list", "- version: 1\n");
    case("a word", "elephant\n");
    transcript.matches("no-yaml");
}

#[test]
fn bombs_are_defused() {
    let mut transcript = Transcript::new();
    let mut bomb = "version: 1\nvars:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(bomb, "  a{level}: &a{level} [{aliases}]").unwrap();
    }
    bomb.push_str("stages: {}\n");
    refused(&mut transcript, "aliases of aliases", &bomb);
    let deep = format!("version: 1\nvars: {}{}\n", "[".repeat(200), "]".repeat(200));
    refused(&mut transcript, "lists in lists", &deep);
    transcript.matches("bombs");
}

#[test]
fn a_file_that_is_not_utf_8() {
    let project = Project::new();
    project.write("pipelines/a.yaml", b"version: 1\nname: el\xe9phant\n");
    let mut transcript = Transcript::new();
    transcript.about("Latin-1, in a pipeline");
    transcript
        .run(&project, &["check", "pipelines/a.yaml"])
        .ends_with(2);
    project.write(
        "pipelines/questions/latin.yaml",
        b"questions:\n  - {id: q1, text: Is it an \xe9l\xe9phant?}\n",
    );
    transcript.about("Latin-1, in a question file");
    let set = "stages.answers.with.questions=pipelines/questions/latin.yaml";
    transcript
        .run(
            &project,
            &["check", "pipelines/selection.yaml", "--set", set],
        )
        .ends_with(2);
    transcript.matches("not-utf-8");
}

#[test]
fn keys_that_do_not_belong() {
    let mut transcript = Transcript::new();
    refused(
        &mut transcript,
        "a misspelt key at every level, all found in one go",
        "\
version: 1
nmae: first
suite: world
stages:
  prompts:
    uses: prompt.generate
    wiht: {count: 3}
    with:
      clases: [elephant]
  images:
    uses: image.generate
    from: prompts
    with:
      candidates: 2
      siez: 64
  more:
    uses: prompt.generate
    with:
      extra:
        - {class: elephant, promt: \"An elephant\"}
",
    );
    transcript.matches("unknown-keys");
}

#[test]
fn values_of_the_wrong_type() {
    let mut transcript = Transcript::new();
    refused(
        &mut transcript,
        "inside `with:`",
        "\
version: 1
suite: world
stages:
  prompts:
    uses: prompt.generate
    with:
      classes: elephant
      count: many
      style: baroque
  images:
    uses: image.generate
    from: prompts
    with: {candidates: 2.5, size: [64]}
  scores:
    uses: score.answers
    with: [questions/paper.yaml]
  pairs:
    uses: select.pairs
    with:
      shortlist: {top_k: -1}
      min_confidence: \"0.6\"
",
    );
    refused(
        &mut transcript,
        "everywhere else",
        "\
version: one
name: [a]
seed: -3
suite: [world]
vars: 5
stages:
  a: prompt.generate
  b: {uses: [prompt.generate]}
  c:
    uses: prompt.generate
    batch: 0
    from: [a]
    outputs: [x.csv]
  d e: {uses: prompt.generate}
",
    );
    refused(
        &mut transcript,
        "another version",
        "version: 2\nsuite: world\nstages:\n  a: {uses: prompt.generate}\n",
    );
    refused(
        &mut transcript,
        "no version",
        "suite: world\nstages:\n  a: {uses: prompt.generate}\n",
    );
    refused(&mut transcript, "no stages", "version: 1\n");
    refused(
        &mut transcript,
        "values that a stage refuses",
        "\
version: 1
suite: world
stages:
  prompts:
    uses: prompt.generate
    with:
      classes: [elephant, unicorn]
  pairs:
    uses: select.pairs
    with: {min_confidence: 60}
",
    );
    transcript.matches("wrong-types");
}

#[test]
fn variables() {
    let mut transcript = Transcript::new();
    refused(
        &mut transcript,
        "unknown, unclosed, in a circle",
        "\
version: 1
name: ${vars.nmae}
suite: world
vars:
  name: x
  a: ${vars.b}
  b: ${vars.a}
stages:
  prompts:
    uses: prompt.generate
    with:
      count: ${vars.name}
      max_tokens: ${vars.a}
      style: ${vars.name
",
    );
    transcript.matches("variables");
}

#[test]
fn a_mistake_costs_nothing_that_was_computed() {
    let project = warm::small();
    let good = project.read(SELECTION);
    let run = || project.run(["run", SELECTION].into_iter().chain(SMALL));
    for (old, new) in [
        ("stages:\n", "stages:\n\tx:\n"),
        ("    uses: image.judge\n", "    uses: image.jugde\n"),
        ("      columns: 5\n", "      columns: five\n"),
        ("    from: answers\n", "    from: scores\n"),
    ] {
        let before = project.files(".ccsr");
        project.edit(SELECTION, old, new);
        run().ends_with(2);
        project.write(SELECTION, &good);
        assert!(
            project.files(".ccsr") == before,
            "an invalid pipeline changed the cache"
        );
    }
    assert!(
        project
            .summary([SELECTION].into_iter().chain(SMALL))
            .all_unchanged()
    );
}
