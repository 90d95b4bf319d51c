//! The worked example of CONTRIBUTING.md: it is the file that it says it is, and it works.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where it stopped"
)]

#[expect(unreachable_pub, reason = "in the catalog it is a public module")]
#[path = "../../examples/count_words/count_words.rs"]
mod count_words;

use std::path::Path;

use ccsr_cache::{Access, Store, Value};
use ccsr_engine::record::{RunOutcome, RunRecord};
use ccsr_engine::{CompileOptions, Pipeline, Project, RunOptions, Shown, compile, run, show};
use ccsr_stage::Registry;

const PIPELINE: &str = "
version: 1
stages:
  prompts:
    uses: table.import
    with: {path: prompts.txt}
  counted:
    uses: prompt.count-words
    from: prompts
    with: {at_least: 3}
";

fn registry() -> Registry {
    ccsr_stages::registry().with::<count_words::CountWords>()
}

fn compiled(folder: &Path, text: &str) -> Pipeline {
    std::fs::write(folder.join("pipeline.yaml"), text).unwrap();
    let folder = folder.canonicalize().unwrap();
    let (file, project) = (folder.join("pipeline.yaml"), Project::at(&folder));
    compile(&file, &project, &registry(), &CompileOptions::default())
        .unwrap()
        .0
}

fn ran(pipeline: &Pipeline, store: &Store) -> RunRecord {
    let record = run(pipeline, store, &RunOptions::default(), &mut |_| {}).unwrap();
    assert_eq!(record.outcome, RunOutcome::Done);
    record
}

fn words(pipeline: &Pipeline, store: &Store) -> Vec<i64> {
    let stage = pipeline.find("counted").unwrap();
    let Shown::Table(shown) = show(pipeline, store, stage, "prompts").unwrap() else {
        panic!("the stage has no table");
    };
    let words = shown.table.column("words").unwrap().cells();
    words.iter().filter_map(Value::as_int).collect()
}

#[test]
fn the_guide_shows_the_file_as_it_is() {
    let guide = include_str!("../../CONTRIBUTING.md");
    let file = include_str!("../../examples/count_words/count_words.rs");
    assert!(
        guide.contains(&format!("```rust\n{file}```")),
        "CONTRIBUTING.md no longer shows examples/count_words/count_words.rs as it is"
    );
}

#[test]
fn the_new_kind_is_cached_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join(".ccsr"), Access::ReadWrite).unwrap();
    std::fs::write(
        folder.path().join("prompts.txt"),
        "an elephant in mud\na giraffe\n",
    )
    .unwrap();
    let pipeline = compiled(folder.path(), PIPELINE);

    assert_eq!(ran(&pipeline, &store).units_executed, 2);
    assert_eq!(words(&pipeline, &store), [2, 1]);
    assert_eq!(ran(&pipeline, &store).units_executed, 0);

    // One prompt more costs one unit; a parameter of the stage costs them all.
    std::fs::write(
        folder.path().join("prompts.txt"),
        "an elephant in mud\na giraffe\na lion\n",
    )
    .unwrap();
    assert_eq!(ran(&pipeline, &store).units_executed, 1);
    let pipeline = compiled(
        folder.path(),
        &PIPELINE.replace("at_least: 3", "at_least: 1"),
    );
    assert_eq!(ran(&pipeline, &store).units_executed, 3);
    assert_eq!(words(&pipeline, &store), [4, 2, 2]);
}

#[test]
fn a_slip_in_its_parameters_is_shown_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pipeline.yaml");
    std::fs::write(folder.path().join("prompts.txt"), "a giraffe\n").unwrap();
    std::fs::write(&file, PIPELINE.replace("at_least: 3", "at_leest: 3")).unwrap();
    let project = Project::at(folder.path());
    let error = compile(&file, &project, &registry(), &CompileOptions::default())
        .err()
        .unwrap();
    let problem = &error.diagnostics[0];
    assert_eq!(problem.help.as_deref(), Some("did you mean `at_least`?"));
    assert_eq!(
        error.sources.place(problem.span.unwrap()),
        "pipeline.yaml:10:12"
    );
}
