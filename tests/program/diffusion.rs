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
    let mut arguments = vec![FILE];
    for set in set {
        arguments.extend(["--set", set]);
    }
    project.summary(arguments).of("images")
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
    // A number of the last tensor.
    let weights = folder.join("elsewhere/unet/diffusion_pytorch_model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    assert_eq!(drawn(&project, &[]), 12);
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
