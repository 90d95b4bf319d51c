//! The diffusion model behind `image.generate`: what is drawn again, and what is kept.

use std::fs;
use std::path::Path;

use crate::project::{Project, copy};

const FILE: &str = "stable_diffusion/pipeline.yaml";

/// The project of `examples/stable_diffusion`.
fn project() -> Project {
    let project = Project::empty();
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/stable_diffusion");
    copy(Path::new(examples), &project.path("stable_diffusion"));
    project
}

/// Images that a run drew.
#[track_caller]
fn drawn(project: &Project, set: &[&str]) -> u64 {
    executed(project, set).0
}

/// Images that a run drew, and scored.
#[track_caller]
fn executed(project: &Project, set: &[&str]) -> (u64, u64) {
    let mut arguments = vec![FILE];
    for set in set {
        arguments.extend(["--set", set]);
    }
    let summary = project.summary(arguments);
    (summary.of("images"), summary.of("scores"))
}

/// Changes a number of the last tensor.
fn change_a_weight(weights: &Path) {
    let mut bytes = fs::read(weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(weights, bytes).unwrap();
}

#[test]
fn only_what_an_image_depends_on_draws_it_again() {
    let project = project();
    assert_eq!(drawn(&project, &[]), 12);
    assert!(project.summary([FILE]).all_unchanged());
    // Two candidates more, for each of four prompts.
    assert_eq!(drawn(&project, &["stages.images.with.candidates=5"]), 8);
    // What was drawn with is in the key, one setting at a time.
    for set in [
        "stages.images.with.steps=4",
        "stages.images.with.guidance=2.0",
        "stages.images.with.negative_prompt=snow",
        "stages.images.with.sampler=euler",
        "stages.images.with.size=16",
    ] {
        assert_eq!(drawn(&project, &[set]), 12, "{set}");
    }
    // The checkpoint's own sampler, said aloud, is the same sampler.
    assert_eq!(drawn(&project, &["stages.images.with.sampler=pndm"]), 0);
    // Without guidance nobody reads the negative prompt.
    let unguided = "stages.images.with.guidance=0.0";
    assert_eq!(drawn(&project, &[unguided]), 12);
    let other = "stages.images.with.negative_prompt=fog";
    assert_eq!(drawn(&project, &[unguided, other]), 0);
    assert_eq!(drawn(&project, &[]), 0);
}

#[test]
fn the_weights_are_in_the_key_and_where_they_lie_is_not() {
    let project = project();
    assert_eq!(drawn(&project, &[]), 12);
    let folder = project.path("stable_diffusion");
    fs::rename(folder.join("checkpoint"), folder.join("elsewhere")).unwrap();
    let suite = "stable_diffusion/suite.yaml";
    project.edit(suite, "weights: checkpoint", "weights: elsewhere");
    assert_eq!(drawn(&project, &[]), 0);
    change_a_weight(&folder.join("elsewhere/unet/diffusion_pytorch_model.safetensors"));
    assert_eq!(drawn(&project, &[]), 12);
}

#[test]
fn scores_are_computed_for_what_was_not_scored() {
    let project = project();
    assert_eq!(executed(&project, &[]), (12, 12));
    let more = "stages.images.with.candidates=4";
    assert_eq!(executed(&project, &[more]), (4, 4));
    // A definition is arithmetic; other words are other questions.
    let scores = |with: &str| executed(&project, &[more, &format!("stages.scores.with.{with}")]);
    assert_eq!(scores("measure=torchmetrics"), (0, 0));
    assert_eq!(scores("text=a photo of {class}"), (0, 16));
    assert_eq!(scores("measure=clip-s"), (0, 16));
    // What the folder holds beside the model is not looked at; the model is.
    project.write("stable_diffusion/clip/README.md", "# CLIP");
    assert_eq!(executed(&project, &[more]), (0, 0));
    change_a_weight(&project.path("stable_diffusion/clip/model.safetensors"));
    assert_eq!(executed(&project, &[more]), (0, 16));
    let table = project.read("stable_diffusion/out/clip-scores.csv");
    let scores: Vec<f64> = table
        .lines()
        .skip(1)
        .map(|line| line.rsplit(',').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(scores.len(), 16);
    assert!(
        scores
            .iter()
            .all(|score| score.abs() <= 1.0 && *score != 0.0)
    );
}

#[test]
fn an_adapter_is_in_the_key_with_its_scale() {
    let project = project();
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/stages/catalog/golden/adapter");
    copy(
        Path::new(golden),
        &project.path("stable_diffusion/elephant-lora"),
    );
    assert_eq!(drawn(&project, &[]), 12);
    project.edit(
        FILE,
        "      candidates: 3\n",
        "      candidates: 3\n      adapter: elephant-lora\n",
    );
    assert_eq!(drawn(&project, &[]), 12);
    assert_eq!(
        drawn(&project, &["stages.images.with.adapter_scale=0.5"]),
        12
    );
    // Nothing of it is the model as it was.
    assert_eq!(
        drawn(&project, &["stages.images.with.adapter_scale=0.0"]),
        0
    );
    let folder = project.path("stable_diffusion");
    fs::rename(folder.join("elephant-lora"), folder.join("lora")).unwrap();
    project.edit(FILE, "adapter: elephant-lora", "adapter: lora");
    assert_eq!(drawn(&project, &[]), 0);
    change_a_weight(&folder.join("lora/pytorch_lora_weights.safetensors"));
    assert_eq!(drawn(&project, &[]), 12);
    project.edit(FILE, "adapter: lora", "adapter: checkpoint");
    project
        .run(["check", FILE])
        .ends_with(2)
        .says("`stable_diffusion/checkpoint` holds no LoRA adapter; expected `pytorch_lora_weights.safetensors`")
        .says("stable_diffusion/pipeline.yaml:");
}

#[test]
fn exported_images_say_how_they_were_drawn() {
    let project = project();
    project.edit(
        FILE,
        "      negative_prompt: rain\n",
        "      negative_prompt: rain\n    outputs: drawn\n",
    );
    project.run(["run", FILE]).succeeded();
    let files = project.files("stable_diffusion/drawn");
    assert_eq!(files.len(), 12);
    let (name, bytes) = files.last_key_value().unwrap();
    assert!(name.ends_with("4_giraffe-2.png"), "{name:?}");
    let decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    let text = &reader.info().uncompressed_latin1_text[0];
    assert_eq!(text.keyword, "parameters");
    let (prompt, settings) = text.text.split_once('\n').unwrap();
    assert!(prompt.contains("giraffe"), "{prompt}");
    assert!(
        settings.starts_with(
            "Negative prompt: rain\nSteps: 6, Sampler: PLMS, CFG scale: 7.5, Model: checkpoint, Seed: 2, \
             Size: 32x32, Version: ccsr-flow "
        ),
        "{settings}"
    );
}

#[test]
fn what_a_model_does_not_see_of_a_prompt_is_told() {
    let project = project();
    let long = format!("an elephant {}in the rain", "and a giraffe ".repeat(40));
    project.write(
        "stable_diffusion/prompts.csv",
        format!("prompt\nan elephant\n{long}\n"),
    );
    let pipeline = "version: 1
name: long
suite: suite.yaml
stages:
  prompts: {uses: table.import, with: {path: prompts.csv}}
  images: {uses: image.generate, from: prompts, with: {candidates: 3, size: 16, steps: 1}}
";
    project.write("stable_diffusion/long.yaml", pipeline);
    let run = || project.run(["run", "stable_diffusion/long.yaml"]);
    let note = "is longer than the 77 tokens that the model reads; it does not see";
    let first = run();
    first.succeeded().says(note);
    // Once, for three candidates, and nothing about the prompt that fits.
    assert_eq!(first.stderr.matches(note).count(), 1, "{}", first.stderr);
    let shown = project.run(["runs", "show", "latest"]);
    assert!(shown.succeeded().stdout.contains(note), "{}", shown.stdout);
    assert!(!run().succeeded().stderr.contains(note));
}

#[test]
fn weights_that_cannot_be_read_are_named() {
    let project = project();
    let weights =
        project.path("stable_diffusion/checkpoint/vae/diffusion_pytorch_model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, &bytes[..bytes.len() - 8]).unwrap();
    project
        .run(["run", FILE])
        .ends_with(1)
        .says("diffusion_pytorch_model.safetensors");
    // A size that no latent cell has is said before anything runs.
    project
        .run(["check", FILE, "--set", "stages.images.with.size=33"])
        .ends_with(2)
        .says("no multiple of");
}
