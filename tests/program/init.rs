//! `init`: a project that runs at once, and never at the cost of what was there.

use std::fs;

use crate::project::Project;
use crate::transcript::Transcript;

#[test]
fn a_project_is_begun() {
    let project = Project::empty();
    let mut told = Transcript::new();
    told.about("here").run(&project, &["init"]);
    told.about("nothing is overwritten")
        .run(&project, &["init"]);
    told.about("in a folder of its own, the paper's pipeline")
        .run(
            &project,
            &["init", "papers/first", "--template", "selection"],
        );
    told.matches("init");
}

#[test]
fn it_runs_and_sweeps_at_once() {
    let project = Project::empty();
    project.run(["init"]).succeeded();
    project.run(["check", "pipeline.yaml"]).succeeded();
    let summary = project.summary(["pipeline.yaml"]);
    // 80 images, five questions about each, and a look for its class.
    assert_eq!(summary.executed(), 80 + 400 + 80);
    assert_eq!(project.summary(["pipeline.yaml"]).executed(), 0);
    assert!(project.path("out/pairs.csv").is_file());
    assert!(project.path("out/sheets").is_dir());
    project
        .run(["sweep", "run", "pipeline.yaml", "selection"])
        .succeeded();
    let table = project.run([
        "sweep",
        "table",
        "pipeline.yaml",
        "selection",
        "--format",
        "csv",
    ]);
    let table = &table.succeeded().stdout;
    assert_eq!(table.lines().count(), 7, "{table}");
    assert!(table.contains("truth.selected pairs.both"), "{table}");
}

#[test]
fn the_papers_pipeline_is_valid_where_it_is_put() {
    let project = Project::empty();
    project.run(["init", "--template", "selection"]).succeeded();
    project
        .run(["check", "pipelines/selection.yaml"])
        .succeeded();
    let variant = "stages.answers.with.questions=pipelines/questions/variant.yaml";
    project
        .run(["check", "pipelines/selection.yaml", "--set", variant])
        .succeeded();
    for file in [
        "selection.yaml",
        "questions/paper.yaml",
        "suites/world.yaml",
    ] {
        let ours = fs::read_to_string(format!("{}/{file}", crate::project::PIPELINES));
        assert_eq!(project.read(&format!("pipelines/{file}")), ours.unwrap());
    }
}

#[test]
fn what_is_there_stays() {
    let project = Project::empty();
    project.write(".gitignore", "target\n/out\n");
    let told = project.run(["init"]).succeeded().stderr.clone();
    assert!(
        told.contains(".gitignore is kept as it is; add to it: .ccsr/\n"),
        "{told}"
    );
    assert_eq!(project.read(".gitignore"), "target\n/out\n");

    let project = Project::empty();
    project.write("questions.yaml", "mine");
    let refused = project.run(["init"]).ends_with(2).stderr.clone();
    assert!(
        refused.contains("`questions.yaml` is there already"),
        "{refused}"
    );
    assert_eq!(project.read("questions.yaml"), "mine");
    assert!(!project.path("pipeline.yaml").exists() && !project.path(".gitignore").exists());

    project.write("file", "");
    let refused = project.run(["init", "file"]).ends_with(2).stderr.clone();
    assert!(refused.contains("`file` is not a folder"), "{refused}");
    project.run(["init", "--template", "maximal"]).ends_with(2);
}
