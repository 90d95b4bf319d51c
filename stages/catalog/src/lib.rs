//! The stage kinds, and the list that registers them.
//!
//! A stage kind is a file, named for what it does: its parameters, its answers to the questions of
//! [`Stage`](ccsr_stage::Stage), its tests. Read [`score_answers`] first: it is pure and short.
//! [`generate_images`] shows a stage with units, [`judge_images`] one with waves. What runs models
//! or simulations stands behind [`roles`], whose implementations [`world`] holds.
//!
//! To add a kind, write its file and its line in [`registry`].

mod adapter_input;
mod added_column;
mod answer_text;
mod canvas;
pub mod clip_scorer;
pub mod compare_wins;
pub mod concat_tables;
mod cores;
pub mod describe_images;
pub mod detect_objects;
mod device;
pub mod draw_boxes;
pub mod export_adapter;
pub mod export_dataset;
pub mod facts;
#[cfg(test)]
mod fakes;
mod file_name;
pub mod generate_images;
pub mod generate_prompts;
pub mod import_images;
pub mod import_model;
pub mod import_table;
pub mod judge_images;
mod known_questions;
mod latent_model;
pub mod lay_out_sheets;
pub mod llava_judge;
pub mod measure_average_precision;
pub mod measure_clip_score;
pub mod measure_detection;
pub mod measure_judge;
pub mod measure_means;
pub mod measure_retrieval;
pub mod measure_truth;
pub mod measure_vqa_score;
pub mod measure_witness;
pub mod merge_adapter;
pub mod mistral_writer;
mod model_folder;
mod named_column;
mod number_label;
#[cfg(test)]
mod pinned;
#[cfg(test)]
mod pipelines;
pub mod png;
mod pretraining;
mod prompt_length;
mod prompt_rules;
pub mod questions;
mod range;
pub mod render_world;
pub mod roles;
mod row_id;
pub mod run_command;
#[cfg(test)]
mod samples;
pub mod score_answers;
pub mod select_columns;
pub mod select_pairs;
mod source_folder;
pub mod stable_diffusion;
mod statistics;
pub mod tell_truth;
mod template;
pub mod template_prompts;
mod together;
pub mod train_autoencoder;
pub mod train_clip;
pub mod train_detector;
pub mod train_diffusion;
pub mod train_distillation;
pub mod train_judge;
pub mod train_language;
pub mod train_lora;
pub mod train_witness;
pub mod trained_witness;
mod words;
pub mod world;
pub mod yolo_world;

pub use device::{DEVICES, device};

use ccsr_stage::{Registry, StageError, Value};
use serde::Serialize;

/// Every stage kind, and every implementation of a role.
pub fn registry() -> Registry {
    Registry::new()
        // Bringing in what exists.
        .with::<import_table::ImportTable>()
        .with::<import_images::ImportImages>()
        .with::<import_model::ImportModel>()
        .with::<concat_tables::ConcatTables>()
        .with::<select_columns::SelectColumns>()
        // Prompts.
        .with::<template_prompts::TemplatePrompts>()
        .with::<generate_prompts::GeneratePrompts>()
        // Images, and what is to be seen on them.
        .with::<generate_images::GenerateImages>()
        .with::<generate_images::GenerateImages<true>>()
        .with::<judge_images::JudgeImages>()
        .with::<describe_images::DescribeImages>()
        .with::<detect_objects::DetectObjects>()
        // The self-reward.
        .with::<score_answers::ScoreAnswers>()
        .with::<select_pairs::SelectPairs>()
        // Training on it.
        .with::<train_lora::TrainLora>()
        // Training from nothing.
        .with::<pretraining::Train<train_clip::Params>>()
        .with::<pretraining::Train<train_autoencoder::Params>>()
        .with::<pretraining::Train<train_diffusion::Params>>()
        .with::<pretraining::Train<train_distillation::Params>>()
        .with::<pretraining::Train<train_language::Params>>()
        .with::<pretraining::Train<train_judge::Params>>()
        .with::<pretraining::Train<train_detector::Params>>()
        .with::<pretraining::Train<train_witness::Params>>()
        // How good a trained model is.
        .with::<measure_clip_score::MeasureClipScore>()
        .with::<measure_vqa_score::MeasureVqaScore>()
        .with::<compare_wins::CompareWins>()
        .with::<measure_means::MeasureMeans>()
        .with::<measure_detection::MeasureDetection>()
        // How good models are that were trained on scenes whose truth is known, and whether images are as they should.
        .with::<measure_average_precision::MeasureAveragePrecision>()
        .with::<measure_judge::MeasureJudge>()
        .with::<measure_retrieval::MeasureRetrieval>()
        .with::<measure_witness::MeasureWitness>()
        .with::<tell_truth::TellTruth>()
        // Programs in other languages.
        .with::<run_command::RunCommand>()
        // To look at, and to train on.
        .with::<lay_out_sheets::LayOutSheets>()
        .with::<draw_boxes::DrawBoxes>()
        .with::<export_dataset::ExportDataset>()
        // What was trained, for other programs.
        .with::<export_adapter::ExportAdapter>()
        .with::<merge_adapter::MergeAdapter>()
        // A world whose truth is known: its pictures, its roles, and how good the choices were.
        .with::<render_world::RenderWorld>()
        .with_role::<world::WorldGrammar>()
        .with_role::<world::WorldDrawer>()
        .with_role::<roles::Baseline<world::WorldDrawer>>()
        .with_role::<world::WorldJudge>()
        .with_role::<world::WorldDetector>()
        .with::<measure_truth::MeasureTruth>()
        // Networks in the roles.
        .with_role::<stable_diffusion::StableDiffusion>()
        .with_role::<roles::Baseline<stable_diffusion::StableDiffusion>>()
        .with_role::<mistral_writer::MistralWriter>()
        .with_role::<llava_judge::LlavaJudge>()
        .with_role::<yolo_world::YoloWorldDetector>()
        .with_role::<clip_scorer::ClipScorer>()
        .with_role::<trained_witness::TrainedWitness>()
}

/// What a model, or a file of it, says of itself, as the failure of a unit.
fn failed(error: impl std::error::Error) -> StageError {
    StageError::failed(error.to_string())
}

/// Plain parameters, as they enter a stage's identity.
fn identity_of<T: Serialize>(parameters: &T) -> Value {
    Value::of(parameters).expect("parameters are numbers, texts, lists and maps of these")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The comments of parameters are their users' documentation.
    #[test]
    fn every_kind_and_parameter_is_documented() {
        for kind in registry().kinds() {
            assert!(kind.summary.ends_with('.'), "{}", kind.name);
            let schema = (kind.schema)();
            assert_eq!(
                schema.get("additionalProperties"),
                Some(&false.into()),
                "{}",
                kind.name
            );
            let properties = schema
                .get("properties")
                .and_then(|p| p.as_object().cloned());
            for (name, property) in properties.into_iter().flatten() {
                let text = property.get("description").and_then(|text| text.as_str());
                assert!(
                    text.is_some_and(|text| text.ends_with('.')),
                    "{}: {name}",
                    kind.name
                );
            }
        }
    }

    #[test]
    fn the_registry_offers_what_pipelines_and_suites_name() {
        let registry = registry();
        let kinds: Vec<&str> = registry.kinds().map(|kind| kind.name).collect();
        assert_eq!(
            kinds,
            [
                "adapter.export",
                "adapter.merge",
                "command",
                "dataset.export",
                "eval.average-precision",
                "eval.clip-score",
                "eval.detect",
                "eval.judge",
                "eval.mean",
                "eval.retrieval",
                "eval.vqa-score",
                "eval.winrate",
                "eval.witness",
                "image.caption",
                "image.detect",
                "image.draw-boxes",
                "image.generate",
                "image.generate-baseline",
                "image.grid",
                "image.import",
                "image.judge",
                "image.truth",
                "model.import",
                "prompt.generate",
                "prompt.template",
                "score.answers",
                "select.pairs",
                "table.concat",
                "table.import",
                "table.select",
                "train.autoencoder",
                "train.clip",
                "train.detector",
                "train.diffusion",
                "train.distillation",
                "train.judge",
                "train.language",
                "train.lora",
                "train.witness",
                "world.render",
                "world.truth",
            ]
        );
        assert_eq!(
            registry.role_names(),
            [
                "baseline", "detector", "drawer", "judge", "scorer", "witness", "writer"
            ]
        );
    }
}
