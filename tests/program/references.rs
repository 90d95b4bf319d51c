//! Pipelines whose parts do not fit together: stages, ports, columns, paths, suites, `--set`.

use crate::project::{Project, SELECTION};
use crate::transcript::Transcript;

#[track_caller]
fn refused(transcript: &mut Transcript, about: &str, text: &str) {
    let project = Project::new();
    project.write("pipelines/a.yaml", text);
    transcript.about(about).file("pipelines/a.yaml", text);
    transcript
        .run(&project, &["run", "pipelines/a.yaml"])
        .ends_with(2);
    assert!(
        !project.path(".ccsr").exists(),
        "an invalid pipeline made a cache"
    );
}

const PROMPTS: &str =
    "version: 1\nsuite: world\nstages:\n  prompts: {uses: prompt.generate, with: {count: 2}}\n";

#[test]
fn stages_and_ports() {
    let mut transcript = Transcript::new();
    let mut case =
        |about, stages: &str| refused(&mut transcript, about, &format!("{PROMPTS}{stages}"));
    case(
        "a kind that is not there",
        "  images: {uses: image.genrate, from: prompts}\n",
    );
    case("no kind", "  images: {from: prompts}\n");
    case(
        "a stage that is not there",
        "  images: {uses: image.generate, from: promts}\n",
    );
    case(
        "a circle",
        "  a: {uses: image.generate, from: b}\n  b: {uses: image.generate, from: c}\n  c: {uses: image.generate, from: a}\n",
    );
    case(
        "a stage that reads itself",
        "  a: {uses: image.generate, from: a}\n",
    );
    case(
        "an input port that is not there",
        "  images: {uses: image.generate, from: {promtps: prompts}}\n",
    );
    case(
        "an output port that is not there",
        "  images: {uses: image.generate, from: prompts.prompt}\n",
    );
    case("nothing to read", "  images: {uses: image.generate}\n");
    case(
        "nothing is read",
        "  t: {uses: table.import, from: prompts, with: {path: data/table1.csv}}\n",
    );
    case(
        "two tables for one port",
        "  images: {uses: image.generate, from: {prompts: prompts, prompts: prompts}}\n",
    );
    case(
        "columns that are missing, or hold something else",
        "  scores: {uses: score.answers, from: prompts, with: {questions: questions/paper.yaml}}
  table: {uses: table.import, with: {path: data/table1.csv, columns: {answer: json}}}
  wrong: {uses: score.answers, from: table, with: {questions: questions/paper.yaml}}
",
    );
    transcript.matches("stages-and-ports");
}

#[test]
fn outputs() {
    let mut transcript = Transcript::new();
    let mut case = |about, more: &str| {
        let text = format!("version: 1\nsuite: world\nstages:\n{more}");
        refused(&mut transcript, about, &text);
    };
    case(
        "a table that is not there",
        "  p: {uses: prompt.generate, outputs: {promts: a.csv}}\n",
    );
    case(
        "two in one place, and one inside another",
        "  p: {uses: prompt.generate, outputs: out/p.csv}
  q: {uses: prompt.generate, outputs: ./out/p.csv}
  r: {uses: image.generate, from: p, outputs: out}
",
    );
    case(
        "a folder for a table without images",
        "  p: {uses: prompt.generate, outputs: out/prompts}\n",
    );
    case(
        "a place in the cache",
        "  p: {uses: prompt.generate, outputs: ../.ccsr/prompts.csv}\n",
    );
    transcript.matches("outputs");
}

#[test]
fn no_path_leaves_the_project() {
    let mut transcript = Transcript::new();
    refused(
        &mut transcript,
        "what is read, what is written, what is included",
        "\
version: 1
suite: world
include: ../../elsewhere.yaml
stages:
  table: {uses: table.import, with: {path: ../../../etc/passwd}}
  folder: {uses: image.import, with: {path: /etc}}
  scores: {uses: score.answers, from: table, with: {questions: ../../questions.yaml}}
  prompts:
    uses: prompt.generate
    outputs: ../../prompts.csv
",
    );
    refused(
        &mut transcript,
        "a suite",
        "version: 1\nsuite: ../../world.yaml\nstages: {p: {uses: prompt.generate}}\n",
    );
    let project = Project::new();
    transcript.about("from the command line");
    for set in [
        "stages.pairs.outputs=../../../pairs.csv",
        "stages.answers.with.questions=/etc/hosts",
    ] {
        transcript
            .run(&project, &["run", SELECTION, "--set", set])
            .ends_with(2);
    }
    transcript
        .run(
            &project,
            &["run", SELECTION, "--suite", "../../../suite.yaml"],
        )
        .ends_with(2);
    transcript.about("the pipeline itself");
    let elsewhere = Project::new();
    let file = elsewhere.path(SELECTION);
    let outcome = project.run(["--project", ".", "check", file.to_str().unwrap()]);
    let outcome = crate::project::Outcome {
        stderr: outcome
            .stderr
            .replace(elsewhere.root().to_str().unwrap(), "[ELSEWHERE]"),
        ..outcome
    };
    outcome.ends_with(2);
    transcript.told(
        &project,
        "ccsr-flow --project . check [ELSEWHERE]/pipelines/selection.yaml",
        &outcome,
    );
    transcript.matches("out-of-the-project");
}

#[test]
fn includes() {
    let project = Project::new();
    project.write(
        "pipelines/a.yaml",
        "version: 1\ninclude: parts/b.yaml\nstages: {p: {uses: prompt.generate}}\n",
    );
    project.write(
        "pipelines/parts/b.yaml",
        "include: [../a.yaml, c.yaml, b.yaml]\nname: b\nstages:\n  p: {uses: prompt.generate}\n",
    );
    let mut transcript = Transcript::new();
    for name in ["pipelines/a.yaml", "pipelines/parts/b.yaml"] {
        transcript.file(name, &project.read(name));
    }
    transcript
        .run(&project, &["check", "pipelines/a.yaml"])
        .ends_with(2);
    transcript.matches("includes");
}

#[test]
fn suites() {
    let project = Project::new();
    let mut transcript = Transcript::new();
    transcript.about("that are not there");
    transcript
        .run(&project, &["run", SELECTION, "--suite", "wrld"])
        .ends_with(2);
    transcript
        .run(&project, &["run", SELECTION, "--suite", "paper"])
        .ends_with(2);
    transcript
        .run(
            &project,
            &["run", SELECTION, "--suite", "suites/paper.yaml"],
        )
        .ends_with(2);
    let text = "\
version: 1
roles:
  writer: {use: world.gramar}
  drawer: {use: world.drawer, with: {defect_rat: 0.1, misreading_rate: 1.5}}
  jugde: {use: world.judge}
  detector: {usse: world.detector}
vras: {size: 64}
";
    project.write("pipelines/suites/mine.yaml", text);
    transcript
        .about("with mistakes")
        .file("pipelines/suites/mine.yaml", text);
    transcript
        .run(&project, &["check", SELECTION, "--suite", "mine"])
        .ends_with(2);
    let text = "version: 1\nroles:\n  writer: {use: world.grammar}\n";
    project.write("pipelines/suites/mine.yaml", text);
    transcript
        .about("with too little")
        .file("pipelines/suites/mine.yaml", text);
    transcript
        .run(&project, &["check", SELECTION, "--suite", "mine"])
        .ends_with(2);
    project.write(
        "pipelines/a.yaml",
        "version: 1\nstages: {p: {uses: prompt.generate}}\n",
    );
    transcript.about("none at all");
    transcript
        .run(&project, &["check", "pipelines/a.yaml"])
        .ends_with(2);
    transcript.matches("suites");
}

#[test]
fn overrides() {
    let project = Project::new();
    let mut transcript = Transcript::new();
    for set in [
        "stages.pairs.with.min_confidence",
        "",
        "=1",
        "stages..with=1",
        "stages.pair.with.min_confidence=0.5",
        "stages.pairs.with.min_confidense=0.5",
        "stages.pairs.with.min_confidence=high",
        "stages.prompts.with.classes.7=lion",
        "stages.prompts.with.count.x=1",
        "vars.sise=128",
        "suite=world",
        "stages.prompts.with.classes=[elephant",
        "stage.prompts=1",
    ] {
        transcript
            .run(&project, &["check", SELECTION, "--set", set])
            .ends_with(2);
    }
    assert!(!project.path(".ccsr").exists());
    transcript.matches("overrides");
}
