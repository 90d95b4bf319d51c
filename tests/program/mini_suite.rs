//! The models of `pipelines/suites/mini`, which come along: they are small, and they do what they are for.
//!
//! The bounds are well below what docs/mini-suite.md has, which is measured on many more images: these are to notice a model
//! that has come apart, not a point more or less.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;

use crate::project::{PIPELINES, Project, walk};
use crate::small_models::LOOP;

const QUESTIONS: &str = "pipelines/questions/paper.yaml";
const MEASURE: &str = "pipelines/measure-mini.yaml";
/// What `outputs:` of pretrain-mini.yaml writes a second time, and git leaves out.
const TWICE: [&str; 2] = ["baseline/text_encoder", "baseline/vae"];

/// The rows of a stage's table.
fn rows(project: &Project, stage: &str, args: &[&str]) -> Vec<Json> {
    let table = project.table(stage, args.iter().copied());
    let rows = table.lines().map(|row| serde_json::from_str(row).unwrap());
    rows.collect()
}

/// The numbers of a column, by another's names; a row without a name, which sums up the others, is left out.
fn by(rows: &[Json], name: &str, number: &str) -> BTreeMap<String, f64> {
    let cell = |row: &Json| {
        let named = row[name].as_str()?.to_owned();
        Some((named, row[number].as_f64()?))
    };
    rows.iter().filter_map(cell).collect()
}

fn is_about_its_class(row: &Json) -> bool {
    let class = row["class"].as_str().unwrap();
    row["prompt"].as_str().unwrap().contains(class)
}

/// A pipeline, and arguments that set values in it.
fn with<'a>(pipeline: &'a str, values: &[&'a str]) -> Vec<&'a str> {
    let set = values.iter().flat_map(|value| ["--set", value]);
    std::iter::once(pipeline).chain(set).collect()
}

#[test]
fn the_weights_are_no_more_than_thirty_megabytes() {
    let folder = Path::new(PIPELINES).join("suites/mini");
    let (mut bytes, mut weights) = (0, 0);
    walk(&folder, &mut |path| {
        if !TWICE
            .iter()
            .any(|twice| path.starts_with(folder.join(twice)))
        {
            bytes += path.metadata().unwrap().len();
            weights += usize::from(path.extension().is_some_and(|it| it == "safetensors"));
        }
    });
    // CLIP; UNet, autoencoder and text encoder; the baseline's UNet, writer, judge, detector and its text encoder, witness.
    assert_eq!(weights, 10);
    assert!(bytes <= 30_000_000, "{bytes} bytes");
}

#[test]
fn each_model_does_what_it_is_for() {
    let project = Project::new();
    let args = with(
        MEASURE,
        &[
            "stages.held_out.with.count=200",
            "stages.held_out.with.questions=2",
            "stages.examined.with.count=40",
            "stages.rendered.with.count=12",
            "stages.writer.with.count=10",
            "stages.plain_writer.with.count=10",
        ],
    );
    project.summary(args.iter().copied());
    let table = |stage: &str| rows(&project, stage, &args);

    let judged = by(&table("judge"), "about", "accuracy");
    assert!(judged["all"] > 0.86, "{judged:?}");
    assert!(judged["prompt-respected"] > 0.8, "{judged:?}");
    let found = by(&table("retrieval"), "found", "accuracy");
    assert!(found.values().all(|share| *share > 0.5), "{found:?}");
    let precision = by(&table("precision"), "label", "average_precision");
    assert!(precision.values().all(|it| *it > 0.6), "{precision:?}");
    let witnessed = by(&table("witness"), "fact", "accuracy");
    assert!(witnessed["class"] > 0.8, "{witnessed:?}");
    let mut drawn = table("drawn_shares");
    drawn.retain(|row| row["value"] == "class_right");
    let drawn = by(&drawn, "class", "mean");
    assert_eq!(drawn.len(), 6);
    assert!(drawn.values().sum::<f64>() / 6.0 > 0.6, "{drawn:?}");
    for writer in ["writer", "plain_writer"] {
        let prompts = table(writer);
        assert!(prompts.len() > 15, "{} of 20 prompts", prompts.len());
        assert!(prompts.iter().all(is_about_its_class), "{prompts:?}");
    }
}

#[test]
fn the_main_job_runs_with_them() {
    let project = Project::new();
    let args = with(
        LOOP,
        &[
            "vars.prompts=3",
            "vars.candidates=4",
            "vars.steps=10",
            "vars.epochs=4",
            "vars.checkpoint_every=2",
            "vars.validation_prompts=2",
            "vars.seeds=[0]",
            "vars.scales=[0,0.5]",
        ],
    );
    let summary = project.summary(args.iter().copied());
    // Two classes of three prompts, and of two to measure by.
    let of = ["images", "answers", "detections", "drawn", "sdxs"].map(|stage| summary.of(stage));
    assert_eq!(of, [24, 240, 24, 8, 4]);
    assert!(project.summary(args.iter().copied()).all_unchanged());

    let table = |stage: &str| rows(&project, stage, &args);
    assert!(table("prompts").iter().all(is_about_its_class));
    // Most of what is drawn is what was asked for, the witness says, which the judge does not know.
    let mut shares = table("chosen_shares");
    shares.retain(|row| row["variant"] == "all candidates");
    let candidates = by(&shares, "value", "mean");
    assert!(candidates["class_right"] > 0.5, "{candidates:?}");
    assert!(!table("pairs").is_empty());
    project.run(["report"]).succeeded();

    // One question in other words: once an image, and nothing is drawn but what other pairs lead to.
    let reworded = "Could this image be a photo?";
    project.edit(QUESTIONS, "Could this image be a photograph?", reworded);
    let again = project.summary(args.iter().copied());
    let of = ["prompts", "images", "answers", "detections", "sdxs"].map(|stage| again.of(stage));
    assert_eq!(of, [0, 0, 24, 0, 0]);
}
