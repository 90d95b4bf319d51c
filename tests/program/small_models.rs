//! A suite of tiny models for `pipelines/elephant.yaml`, and sizes for a few seconds: the networks are real, and what they
//! do means nothing.

use std::path::Path;

use crate::project::{Project, copy};

pub(crate) const LOOP: &str = "pipelines/elephant.yaml";
pub(crate) const SUITE: &str = "pipelines/suites/tiny.yaml";

const ROLES: &str = "\
version: 1
name: tiny
roles:
  writer: {use: mistral, with: {weights: ../../examples/self_reward/writer}}
  drawer: {use: stable-diffusion, with: {weights: ../../examples/stable_diffusion/checkpoint}}
  judge: {use: llava, with: {weights: ../../examples/self_reward/judge}}
  detector:
    use: yolo-world
    with:
      weights: ../../examples/self_reward/detector
      text_encoder: ../../examples/self_reward/text_encoder
      size: 64
  scorer: {use: clip, with: {weights: ../../examples/stable_diffusion/clip}}
  baseline: {use: stable-diffusion, with: {weights: ../../examples/stable_diffusion/checkpoint}}
";

const SIZES: &str = "\
vars:
  prompts: 2
  chunk: 2
  prompt_template: ../../examples/self_reward/template.yaml
  validation_template: ../../examples/self_reward/template.yaml
  candidates: 3
  size: 32
  steps: 2
  min_confidence: 0.01
  rank: 2
  epochs: 4
  checkpoint_every: 2
  batch: 2
  learning_rate: 0.002
  precision: f32
  validation_prompts: 2
  measured_prompts: 2
  seeds: [0, 1]
  scales: [0, 0.5]
";

/// How a witness comes to be that has learnt nothing.
const WITNESS: &str = "\
version: 1
stages:
  scenes: {uses: world.render, with: {split: train, count: 4}}
  witness:
    uses: train.witness
    from: scenes.scenes
    with: {size: 16, channels: [8], training: {steps: 1, batch: 2, checkpoint_every: 1}}
    outputs: {model: suites/tiny-witness}
";

/// The repository's pipelines and examples, and the suite without a witness.
pub(crate) fn project() -> Project {
    let project = Project::new();
    for example in ["examples/self_reward", "examples/stable_diffusion"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(example);
        copy(&from, &project.path(example));
    }
    project.write(SUITE, format!("{ROLES}{SIZES}"));
    project
}

/// The same models, which set no sizes: those of the pipeline are the paper's.
pub(crate) fn of_the_papers_size(project: &Project) {
    project.write(SUITE, ROLES);
}

/// The same with a witness.
pub(crate) fn with_a_witness() -> Project {
    let project = project();
    project.write("pipelines/witness.yaml", WITNESS);
    project.summary(["pipelines/witness.yaml"]);
    let role = "  witness: {use: witness, with: {weights: tiny-witness}}\n";
    project.write(SUITE, format!("{ROLES}{role}{SIZES}  truth: true\n"));
    project
}
