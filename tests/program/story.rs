//! The story of the README: a researcher changes one thing after the other, and what had been computed is kept.

use crate::project::{Project, SELECTION, SMALL, SMALL_UNITS, Summary};
use crate::small_models::{self, LOOP, SUITE};

const QUESTIONS: &str = "pipelines/questions/paper.yaml";

/// The selection, simulated: 20 prompts, 80 images, 800 answers, 80 looks for detections.
fn select(project: &Project, set: &[&str]) -> [u64; 3] {
    let set = set.iter().flat_map(|set| ["--set", set]);
    let summary = project.summary([SELECTION].into_iter().chain(SMALL).chain(set));
    ["images", "answers", "detections"].map(|stage| summary.of(stage))
}

#[test]
fn a_question_a_threshold_and_a_prompt() {
    let project = Project::new();
    assert_eq!(select(&project, &[]), [80, 800, 80]);
    assert_eq!(80 + 800 + 80, SMALL_UNITS);
    assert_eq!(select(&project, &[]), [0, 0, 0]);

    // Another set, in which three of the ten ask in other words.
    let variant = "stages.answers.with.questions=pipelines/questions/variant.yaml";
    let counted = "stages.scores.with.questions=pipelines/questions/variant.yaml";
    assert_eq!(select(&project, &[variant, counted]), [0, 240, 0]);
    // Its own profile counts the same answers otherwise.
    let profile = "stages.scores.with.profile=body-and-prompt";
    assert_eq!(select(&project, &[variant, counted, profile]), [0, 0, 0]);

    // One question in other words: once an image.
    let reworded = "Could this image be a photo?";
    project.edit(QUESTIONS, "Could this image be a photograph?", reworded);
    assert_eq!(select(&project, &[]), [0, 80, 0]);

    // The threshold: no model.
    assert_eq!(
        select(&project, &["stages.pairs.with.min_confidence=0.9"]),
        [0, 0, 0]
    );

    // A prompt more, with its four candidates.
    let extra = "stages.prompts.with.extra=[{class: elephant, prompt: \"Photo of an elephant bathing, river, rainy\"}]";
    assert_eq!(select(&project, &[extra]), [4, 40, 4]);
}

/// The whole loop, with networks.
fn learn(project: &Project, set: &[&str]) -> Summary {
    let set = set.iter().flat_map(|set| ["--set", set]);
    project.summary([LOOP, "--suite", SUITE].into_iter().chain(set))
}

fn executed(summary: &Summary) -> [u64; 6] {
    [
        "prompts",
        "images",
        "answers",
        "detections",
        "sdxs",
        "sdxs_clip",
    ]
    .map(|stage| summary.of(stage))
}

#[test]
fn what_was_learnt_is_learnt_again_only_from_other_pairs() {
    let project = small_models::project();
    let first = learn(&project, &[]);
    assert_eq!(executed(&first)[1..], [12, 120, 12, 8, 8]);
    assert_eq!([first.of("drawn"), first.of("clip")], [16, 16]);

    // One question in other words: a tenth of the answers. The base is as it was, whatever was chosen.
    let reworded = "Could this image be a photo?";
    project.edit(QUESTIONS, "Could this image be a photograph?", reworded);
    let second = learn(&project, &[]);
    assert_eq!(executed(&second), [0, 0, 12, 0, 0, 0]);
    assert!(
        [0, 8].contains(&second.of("drawn")),
        "the adapter's images, if the pairs are others"
    );

    // A threshold that every winner reaches: nothing at all.
    let lower = learn(&project, &["vars.min_confidence=0.04"]);
    assert_eq!(lower.executed(), 0);

    // A prompt more: its candidates, then training and what is drawn with the adapter.
    let extra = "stages.prompts.with.extra=[{class: elephant, prompt: \"Photo of an elephant bathing, river\"}]";
    let more = learn(&project, &[extra]);
    assert_eq!(executed(&more)[1..4], [3, 30, 3]);
    assert_eq!(executed(&more)[4..], [0, 0]);
    assert_eq!(more.of("drawn"), 8, "the base's images are kept");
}

#[test]
fn ranks_are_swept_and_compared() {
    let project = small_models::project();
    learn(&project, &[]);
    let sweep = ["sweep", "run", LOOP, "rank", "--suite", SUITE, "--json"];
    let swept = project.run(sweep);
    let line = swept.succeeded().stdout.lines().next_back().unwrap();
    let swept: serde_json::Value = serde_json::from_str(line).unwrap();
    let trials = swept["trials"].as_array().unwrap();
    let executed = |trial: usize| trials[trial]["units_executed"].as_u64().unwrap();
    // Rank 2 was there. The others: two segments of training, a scale of eight images, their scores, intervals.
    assert_eq!(executed(0), 0);
    for trial in [1, 2] {
        assert!(
            (2 + 8 + 8..2 + 8 + 8 + 4).contains(&executed(trial)),
            "{}",
            executed(trial)
        );
    }
    let table = [
        "sweep", "table", LOOP, "rank", "--suite", SUITE, "--all", "--format", "csv",
    ];
    let table = project.run(table);
    let table = &table.succeeded().stdout;
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(
        table.contains("win_rate") && table.contains("mean_difference"),
        "{table}"
    );

    // Two runs side by side, as a page.
    learn(&project, &["vars.rank=8"]);
    project
        .run(["report", "latest", "--compare", "latest~1"])
        .succeeded();
    project
        .run(["runs", "diff", "latest~1", "latest"])
        .succeeded();
}
