//! Texts that stand in no file, such as what an editor has not saved.

use std::path::Path;

use ccsr_engine::{CompileOptions, Project, Sources, compile};

use crate::{kinds, language::rendered};

/// What is said about a pipeline of these texts, in a project that has no folder.
fn said(texts: &[(&str, &str)]) -> String {
    let root = Path::new("/nowhere/project");
    let mut sources = Sources::new();
    for (name, text) in texts {
        sources.add(*name, root.join(name), *text);
    }
    let options = CompileOptions {
        texts: sources,
        ..CompileOptions::default()
    };
    let file = root.join("pipeline.yaml");
    match compile(&file, &Project::at(root), &kinds::registry(), &options) {
        Ok((pipeline, _)) => format!(
            "{} stages, suite {:?}",
            pipeline.stages.len(),
            pipeline.suite
        ),
        Err(error) => rendered(&error),
    }
}

const PIPELINE: &str = "\
version: 1
suite: calm
include: words.yaml
stages:
  map: {uses: test.map, from: words}
";
const WORDS: &str = "stages: {words: {uses: test.rows, with: {words: [ox]}}}\n";
const SUITE: &str = "version: 1\nroles: {}\n";

#[test]
fn a_pipeline_its_includes_and_its_suite_need_not_be_on_the_disk() {
    let texts = [
        ("pipeline.yaml", PIPELINE),
        ("words.yaml", WORDS),
        ("suites/calm.yaml", SUITE),
    ];
    assert_eq!(said(&texts), "2 stages, suite Some(\"calm\")");
    let missing = said(&texts[..1]);
    assert!(
        missing.contains("there is no file `words.yaml`"),
        "{missing}"
    );
    assert!(missing.contains("there is no suite `calm`"), "{missing}");
    let nothing = said(&[]);
    assert!(nothing.contains("there is no file"), "{nothing}");
}
