//! Networks in all roles: what is written, drawn and asked again, and what is kept.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value as Json;

use crate::project::{Project, Summary, copy};

const FILE: &str = "examples/self_reward/pipeline.yaml";
const PAPER: &str = "pipelines/questions/paper.yaml";

/// A project with the repository's pipelines and what `examples/self_reward` needs.
fn project() -> Project {
    let project = Project::new();
    for example in ["examples/self_reward", "examples/stable_diffusion"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(example);
        copy(&from, &project.path(example));
    }
    project
}

/// Completions that a run had written, images that it drew, and answers that it asked for.
fn executed(summary: &Summary) -> [u64; 3] {
    ["prompts", "images", "answers"].map(|stage| summary.of(stage))
}

/// The rows of a stage's table.
#[track_caller]
fn rows(project: &Project, stage: &str, set: &[&str]) -> Vec<Json> {
    let set = set.iter().flat_map(|set| ["--set", set]);
    let table = project.table(stage, [FILE].into_iter().chain(set));
    let rows = table.lines().map(|row| serde_json::from_str(row).unwrap());
    rows.collect()
}

#[test]
fn a_reworded_question_is_asked_once_an_image() {
    let project = project();
    assert_eq!(executed(&project.summary([FILE])), [2, 8, 80]);
    assert!(project.summary([FILE]).all_unchanged());

    let reworded = "Could this image be a photo?";
    project.edit(PAPER, "Could this image be a photograph?", reworded);
    let summary = project.summary([FILE]);
    assert_eq!(executed(&summary), [0, 0, 8]);
    // A polarity is arithmetic.
    project.edit(
        PAPER,
        "about: realism\n",
        "about: realism\n    polarity: negative\n",
    );
    assert_eq!(executed(&project.summary([FILE])), [0, 0, 0]);

    let answers = rows(&project, "answers", &[]);
    assert_eq!(answers.len(), 80);
    let given: BTreeSet<_> = answers
        .iter()
        .map(|row| row["answer"].as_str().unwrap())
        .collect();
    assert_eq!(given, BTreeSet::from(["no", "yes"]));
    assert_eq!(rows(&project, "scores", &[]).len(), 8);
}

#[test]
fn the_surest_detection_among_the_best_makes_a_pair_to_train_on() {
    let project = project();
    assert_eq!(project.summary([FILE]).of("detections"), 8);
    let pairs = rows(&project, "pairs", &[]);
    assert_eq!(pairs.len(), 4, "a pair a prompt");
    let metadata = project.read("examples/self_reward/out/dataset/metadata.jsonl");
    assert_eq!(metadata.lines().count(), 4);
    for row in metadata.lines() {
        let row: Json = serde_json::from_str(row).unwrap();
        let file = row["file_name"].as_str().unwrap();
        let image = project.path(&format!("examples/self_reward/out/dataset/{file}"));
        assert!(image.is_file(), "{file}");
    }
    let boxes = project.path("examples/self_reward/out/boxes");
    assert_eq!(std::fs::read_dir(boxes).unwrap().count(), 8);

    // The threshold looks at no image again; another word beside the class does.
    let surer = "stages.pairs.with.min_confidence=0.99";
    let surer = project.summary([FILE, "dataset", "boxes", "--set", surer]);
    assert_eq!((surer.of("detections"), executed(&surer)), (0, [0, 0, 0]));
    let words = "stages.detections.with.vocabulary=[\"{class}\", tree]";
    assert_eq!(project.summary([FILE, "--set", words]).of("detections"), 8);
}

#[test]
fn prompts_are_about_their_class_and_none_is_there_twice() {
    let project = project();
    let about = "stages.prompts.with.classes=[elephant, zebra, penguin]";
    let set = [about, "stages.prompts.with.count=6"];
    let more = [about, "stages.prompts.with.count=8"];
    let run = |set: [&str; 2]| {
        let [classes, count] = set;
        project.summary(["--set", classes, "--set", count, FILE, "prompts"])
    };
    // Three chunks of two prompts a class, none of which came out short; then a chunk more.
    assert_eq!(run(set).of("prompts"), 9);
    let few = rows(&project, "prompts", &set);
    assert_eq!(run(more).of("prompts"), 3);
    let many = rows(&project, "prompts", &more);
    assert_eq!((few.len(), many.len()), (18, 24));
    let mut seen = BTreeSet::new();
    for row in &many {
        let [class, prompt] = ["class", "prompt"].map(|name| row[name].as_str().unwrap());
        assert!(prompt.contains(class), "{prompt}");
        assert!(prompt.ends_with(", 50mm, f/2.8, RAW photo"), "{prompt}");
        assert!(seen.insert(prompt), "{prompt}");
    }
    assert!(few.iter().all(|row| many.contains(row)));
}

#[test]
fn what_the_judge_says_in_words_is_read_when_tables_are_made() {
    let project = project();
    assert_eq!(executed(&project.summary([FILE])), [2, 8, 80]);
    let joint = [
        "stages.answers.with.mode=joint",
        "stages.answers.with.max_tokens=12",
    ];
    let [mode, tokens] = joint;
    let summary = project.summary([FILE, "--set", mode, "--set", tokens]);
    assert_eq!(executed(&summary), [0, 0, 8]);
    let answers = rows(&project, "answers", &joint);
    assert_eq!(answers.len(), 80);
    // Random weights number no lines.
    assert!(answers.iter().all(|row| row["answer"] == "unparsed"));

    let told = "
  captions: {uses: image.caption, from: images, with: {max_tokens: 8}}
  fits: {uses: eval.vqa-score, from: images}
";
    project.write(FILE, project.read(FILE) + told);
    let summary = project.summary([FILE]);
    assert_eq!((summary.of("captions"), summary.of("fits")), (8, 8));
    assert_eq!(executed(&summary), [0, 0, 0]);
    let captions = rows(&project, "captions", &[]);
    let caption = |row: &Json| row["caption"].as_str().unwrap().to_owned();
    assert!(
        captions
            .iter()
            .map(caption)
            .all(|caption| !caption.is_empty())
    );
    let sure = |row: &Json| row["vqa_score"].as_f64().unwrap();
    let fits = rows(&project, "fits", &[]);
    assert!(
        fits.iter()
            .map(sure)
            .all(|score| score > 0.0 && score < 1.0)
    );
}

#[test]
fn models_are_in_keys_and_where_they_lie_is_not() {
    let project = project();
    assert_eq!(executed(&project.summary([FILE])), [2, 8, 80]);
    let (example, suite) = ("examples/self_reward", "examples/self_reward/suite.yaml");
    for (role, elsewhere) in [("writer", "words"), ("judge", "eyes")] {
        let from = project.path(&format!("{example}/{role}"));
        std::fs::rename(from, project.path(&format!("{example}/{elsewhere}"))).unwrap();
        project.edit(
            suite,
            &format!("{{weights: {role}}}"),
            &format!("{{weights: {elsewhere}}}"),
        );
    }
    assert_eq!(executed(&project.summary([FILE])), [0, 0, 0]);
    // Another way to write conversations down is another judge.
    project.edit(
        &format!("{example}/eyes/chat_template.json"),
        "[INST] ",
        "[INST]",
    );
    assert_eq!(executed(&project.summary([FILE])), [0, 0, 80]);
    // What no template writes is said by name.
    project.edit(
        suite,
        "{weights: eyes}",
        "{weights: eyes, chat_template: \"Look!\"}",
    );
    project
        .run(["run", FILE])
        .ends_with(1)
        .says("the chat template writes no image token (number 637) for an image");
}
