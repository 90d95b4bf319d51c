//! What enters keys, pinned: the parameters' defaults, each stage's identity, and a unit.
//!
//! A snapshot that differs means that cached results would be taken for something else, or be
//! forgotten. The failing test says what to do.

use std::sync::Arc;

use ccsr_stage::testing::{self, Lab};
use ccsr_stage::{ColumnType, Roles, StageKind, Table, Value};
use serde_json::{Value as Json, json};

use crate::samples::{self, table};
use crate::*;

const WHAT_TO_DO: &str = "\
What enters keys has changed. If that was not meant, undo it. If it was:
- a unit's input or what is computed from it means something else now: bump REVISION of the kind (or of the role);
- only units() or collect() answer differently: bump TABLE_REVISION;
- a new parameter: leave it out of identity() and of inputs while it has its default, so that nothing is re-keyed.
Then accept the snapshot: INSTA_UPDATE=always cargo test -p ccsr-stages pinned";

/// Pins a kind with the roles of the world.
fn pin<K: StageKind>(with: &Json, lab: &Lab, tables: &[(&'static str, &Arc<Table>)]) {
    pin_with::<K>(K::NAME, &samples::world(), with, lab, tables);
}

/// Pins a kind. `with` holds the required parameters and nothing else; paths are left out.
fn pin_with<K: StageKind>(
    name: &str,
    roles: &Roles,
    with: &Json,
    lab: &Lab,
    tables: &[(&'static str, &Arc<Table>)],
) {
    let read = ccsr_stage::params::read::<K::Params>(&testing::node(with), &samples::files());
    let mut defaults = serde_json::to_value(read.unwrap()).unwrap();
    let mut units = Vec::new();
    for name in ["path", "base"] {
        if let Some(path) = defaults.get_mut(name) {
            *path = json!("…");
        }
    }
    let kind = registry().kind(K::NAME).unwrap().build;
    let stage = kind(Some(&testing::node(with)), &samples::files(), roles);
    let stage = stage.map_err(testing::messages).unwrap();
    let bound = |port: &str| tables.iter().any(|(name, _)| *name == port);
    if stage
        .inputs()
        .iter()
        .all(|port| port.optional || bound(port.name))
    {
        let ran = lab.run(stage.as_ref(), tables).unwrap();
        units.extend(ran.executed.first().map(|unit| unit.input.clone()));
    }
    let pinned = json!({
        "kind": K::NAME,
        "revision": K::REVISION,
        "table_revision": K::TABLE_REVISION,
        "roles": K::ROLES,
        "seeded": stage.seeded(),
        "defaults": defaults,
        "identity": stage.identity(),
        "unit": units.first(),
        "unit_digest": units.first().map(Value::digest),
    });
    let text = serde_json::to_string_pretty(&pinned).unwrap();
    insta::with_settings!({description => WHAT_TO_DO, omit_expression => true, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn pinned() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let with_questions = json!({"questions": samples::questions()});
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv");
    std::fs::write(&file, "a\n1\n").unwrap();
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    std::fs::write(
        pictures.join("a.png"),
        png::encode(&image::RgbImage::new(2, 2)),
    )
    .unwrap();
    let weights = folder.path().join("weights");
    std::fs::create_dir(&weights).unwrap();
    std::fs::write(weights.join("model.safetensors"), "none").unwrap();

    pin::<import_table::ImportTable>(&json!({"path": file}), &lab, &[]);
    pin::<import_images::ImportImages>(&json!({"path": pictures}), &lab, &[]);
    pin::<import_model::ImportModel>(&json!({"path": weights}), &lab, &[]);
    pin::<template_prompts::TemplatePrompts>(&json!({"template": "{class}"}), &lab, &[]);
    pin::<generate_prompts::GeneratePrompts>(&json!({}), &lab, &[]);
    pin::<judge_images::JudgeImages>(&with_questions, &lab, &[("images", &images)]);
    pin::<detect_objects::DetectObjects>(&json!({}), &lab, &[("images", &images)]);
    pin::<score_answers::ScoreAnswers>(&with_questions, &lab, &[]);
    pin::<select_pairs::SelectPairs>(&json!({}), &lab, &[]);
    let scores = samples::wins();
    let baselines = json!({"baselines": ["base"]});
    pin::<compare_wins::CompareWins>(&baselines, &lab, &[("scores", &scores)]);
    let argv = ["./src/run_command/tests/answer.sh"];
    let with = json!({"argv": argv, "columns": {"answer": "text", "margin": "float"}});
    pin::<run_command::RunCommand>(&with, &lab, &[("rows", &images)]);
    pin::<lay_out_sheets::LayOutSheets>(&json!({}), &lab, &[("images", &images)]);
    pin::<draw_boxes::DrawBoxes>(&json!({}), &lab, &[]);
    pin::<measure_detection::MeasureDetection>(&json!({}), &lab, &[]);
    pin::<export_dataset::ExportDataset>(&json!({}), &lab, &[("pairs", &images)]);
    let adapter = samples::adapter(&lab);
    let adapter = [("adapter", &adapter)];
    pin::<export_adapter::ExportAdapter>(&json!({}), &lab, &adapter);
    let base = json!({"base": samples::stable_diffusion()});
    pin::<merge_adapter::MergeAdapter>(&base, &lab, &adapter);
    pin::<measure_clip_score::MeasureClipScore>(&json!({}), &lab, &[("images", &images)]);
    let (writer, judge) = (fakes::writer("diverse"), fakes::judge(""));
    let images_port = [("images", &images)];
    pin_with::<generate_prompts::GeneratePrompts>(
        "prompt.generate-with-a-model",
        &writer,
        // The fake does not understand what it is told by default.
        &json!({"on_shortfall": "accept"}),
        &lab,
        &[],
    );
    for (name, with) in [
        ("image.judge-with-a-model", json!({})),
        ("image.judge-in-texts", json!({"answer": "text"})),
        ("image.judge-jointly", json!({"mode": "joint"})),
    ] {
        let mut asked = with_questions.clone();
        asked
            .as_object_mut()
            .unwrap()
            .extend(with.as_object().unwrap().clone());
        pin_with::<judge_images::JudgeImages>(name, &judge, &asked, &lab, &images_port);
    }
    pin_with::<describe_images::DescribeImages>(
        "image.caption",
        &judge,
        &json!({}),
        &lab,
        &images_port,
    );
    pin_with::<measure_vqa_score::MeasureVqaScore>(
        "eval.vqa-score",
        &judge,
        &json!({}),
        &lab,
        &images_port,
    );
    let asked = json!({"question": "Is it night?", "about": "time", "answer": "no",
                       "image": images.row(0).find("image").map(Value::to_json)});
    let columns = ["question", "about", "answer"].map(|name| (name, ColumnType::Text));
    let columns = [&columns[..], &[("image", ColumnType::Image)]].concat();
    let questions = [("questions", &table(&columns, &[asked]))];
    let name = "eval.judge";
    pin_with::<measure_judge::MeasureJudge>(name, &judge, &json!({}), &lab, &questions);
    let two = json!({"among": 2});
    pin::<measure_retrieval::MeasureRetrieval>(&two, &lab, &images_port);
    pin::<tell_truth::TellTruth>(&json!({}), &lab, &images_port);
    let scenes_port = [("scenes", &images)];
    pin::<measure_witness::MeasureWitness>(&json!({}), &lab, &scenes_port);
    let small = json!({"training": {"steps": 1, "batch": 1}, "size": 16, "channels": [8]});
    pin::<pretraining::Train<train_witness::Params>>(&small, &lab, &scenes_port);
    let scenes = json!({"split": "train", "count": 1});
    pin::<render_world::RenderWorld>(&scenes, &lab, &[]);
    pin::<measure_truth::MeasureTruth>(&json!({}), &lab, &[("images", &images)]);

    // The defaults draw images of 512 pixels, ten a prompt: one prompt of a class is enough.
    let columns = [("prompt", ccsr_stage::ColumnType::Text)];
    let prompts = table(&columns, &[json!({"prompt": "an empty meadow"})]);
    pin::<generate_images::GenerateImages>(&json!({}), &lab, &[("prompts", &prompts)]);
    pin::<generate_images::GenerateImages<true>>(&json!({}), &lab, &[("prompts", &prompts)]);
    let labels = json!({"labels": ["a", "b"]});
    let tables = [("first", &prompts), ("second", &prompts)];
    pin::<concat_tables::ConcatTables>(&labels, &lab, &tables);
    let one = json!({"columns": ["prompt"]});
    pin::<select_columns::SelectColumns>(&one, &lab, &[("rows", &prompts)]);
    let means = json!({"by": ["variant"]});
    pin::<measure_means::MeasureMeans>(&means, &lab, &[("rows", &scores)]);
    let small = json!({
        "training": {"steps": 1, "batch": 1}, "classes": ["elephant"], "vocabulary": 300,
        "requests": [{"template": {"instruction": "{class}"}, "style": "plain"}],
        "width": 4, "layers": 1, "heads": 1, "kv_heads": 1, "intermediate": 4,
    });
    pin::<pretraining::Train<train_language::Params>>(&small, &lab, &[]);
    pin::<pretraining::Train<train_judge::Params>>(&json!({}), &lab, &[]);
    pin::<pretraining::Train<train_clip::Params>>(&json!({}), &lab, &[]);
    pin::<pretraining::Train<train_autoencoder::Params>>(&json!({}), &lab, &[]);
    pin::<pretraining::Train<train_diffusion::Params>>(&json!({}), &lab, &[]);
    pin::<pretraining::Train<train_distillation::Params>>(&json!({}), &lab, &[]);
    pin::<pretraining::Train<train_detector::Params>>(&json!({}), &lab, &[]);
    pin::<measure_average_precision::MeasureAveragePrecision>(&json!({}), &lab, &[]);
    let drawer = train_lora::small_drawer();
    let small = json!({"resolution": 16, "epochs": 1, "batch": 2});
    pin_with::<train_lora::TrainLora>("train.lora", &drawer, &small, &lab, &[("pairs", &images)]);
}

/// What of each role enters keys.
#[test]
fn roles() {
    let roles = serde_json::to_string_pretty(&samples::world().identity()).unwrap();
    insta::with_settings!({description => WHAT_TO_DO, omit_expression => true, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("roles", roles);
    });
}

#[test]
fn every_kind_is_pinned() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/snapshots");
    for kind in registry().kinds() {
        let name = format!("{}.snap", kind.name);
        assert!(
            folder.join(&name).is_file(),
            "{} is not pinned: add it to the test above",
            kind.name
        );
    }
}
