use std::fs;
use std::path::Path;

use burn::prelude::Device;
use ccsr_nn::Adapter;
use ccsr_nn::golden::error;
use ccsr_stable_diffusion::{adapt_unet, load_unet};
use ccsr_stage::testing::Lab;
use ccsr_stage::{Blobs, ColumnType};
use serde_json::json;

use super::*;
use crate::samples::{self, check};

fn adapter() -> Adapter {
    Adapter::open(&samples::adapter_folder()).unwrap()
}

/// The files of a run, by their paths.
fn files(lab: &Lab, table: &Table) -> BTreeMap<String, Vec<u8>> {
    let rows = table.rows();
    rows.map(|row| {
        let bytes = lab.read(&row.blob("blob").unwrap()).unwrap();
        (row.text("file").unwrap().to_owned(), bytes)
    })
    .collect()
}

/// A run that keeps what every kind must.
fn merged(
    lab: &Lab,
    with: &serde_json::Value,
    tables: &[(&'static str, &Arc<Table>)],
) -> Arc<Table> {
    check::<MergeAdapter>(with, lab, tables);
    let ran = samples::run(lab, "adapter.merge", with, tables).unwrap();
    Arc::clone(ran.table("model"))
}

/// A copy of the small model.
fn copied() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (part, _) in PARTS {
        let Ok(entries) = fs::read_dir(samples::stable_diffusion().join(part)) else {
            continue;
        };
        fs::create_dir(folder.path().join(part)).unwrap();
        for entry in entries {
            let entry = entry.unwrap();
            let to = folder.path().join(part).join(entry.file_name());
            fs::copy(entry.path(), to).unwrap();
        }
    }
    folder
}

#[test]
fn the_weights_that_are_adapted_change_and_nothing_else() {
    let lab = Lab::new(1);
    let with = json!({"base": samples::stable_diffusion(), "scale": 0.7});
    let trained = samples::adapter(&lab);
    let table = merged(&lab, &with, &[("adapter", &trained)]);
    let files = files(&lab, &table);
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "scheduler/scheduler_config.json",
            "text_encoder/config.json",
            "text_encoder/model.safetensors",
            "tokenizer/merges.txt",
            "tokenizer/special_tokens_map.json",
            "tokenizer/vocab.json",
            "unet/config.json",
            "unet/diffusion_pytorch_model.safetensors",
            "vae/config.json",
            "vae/diffusion_pytorch_model.safetensors",
        ]
    );
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in &files {
        let base = fs::read(samples::stable_diffusion().join(name)).unwrap();
        let is_unet = name == "unet/diffusion_pytorch_model.safetensors";
        assert_eq!(*bytes == base, !is_unet, "{name}");
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let device = Device::flex();
    let (base, _) = load_unet(&samples::stable_diffusion().join("unet"), &device).unwrap();
    let beside = adapt_unet(base, &adapter(), 0.7).unwrap();
    let (within, _) = load_unet(&folder.path().join("unet"), &device).unwrap();
    let text = burn::tensor::Tensor::ones([1, 5, 12], &device);
    let sample = burn::tensor::Tensor::ones([1, 4, 8, 8], &device);
    let predict = |unet: &ccsr_stable_diffusion::UNet| {
        unet.forward(sample.clone(), 500.0, &unet.condition(&text))
    };
    // As near as halves are, which the base's weights are kept in.
    assert!(error(&predict(&within), &predict(&beside)) < 2e-3);

    // From a folder it is the same model.
    let with = json!({"base": samples::stable_diffusion(), "scale": 0.7, "adapter": samples::adapter_folder()});
    assert_eq!(merged(&lab, &with, &[]), table);
    // Another scale executes the networks again, and takes the other files as they are known.
    let with = json!({"base": samples::stable_diffusion(), "scale": 0.5});
    let again = samples::run(&lab, "adapter.merge", &with, &[("adapter", &trained)]).unwrap();
    assert_eq!(again.executed.len(), 2);
}

#[test]
fn networks_are_written_in_the_precision_that_is_asked_for() {
    use ccsr_nn::merge;
    let lab = Lab::new(1);
    let unet = "unet/diffusion_pytorch_model.safetensors";
    let with = |precision: &str| {
        let with = json!({"base": samples::stable_diffusion(), "adapter": samples::adapter_folder(),
            "precision": precision});
        files(&lab, &merged(&lab, &with, &[])).remove(unet).unwrap()
    };
    let base = fs::read(samples::stable_diffusion().join(unet)).unwrap();
    let convert = |bytes: &[u8], precision: Precision| {
        converted(Path::new(unet), bytes, precision.dtype()).unwrap()
    };
    // The sum in single precision, rounded once.
    let mut wide = [(PathBuf::from(unet), convert(&base, Precision::F32))];
    merge(&mut wide, Component::UNet, &[(&adapter(), 1.0)]).unwrap();
    assert_eq!(with("f32"), wide[0].1);
    assert_eq!(with("f16"), convert(&wide[0].1, Precision::F16));
    assert_ne!(with("bf16"), with("f16"));
}

#[test]
fn variants_and_pickles_are_left_behind_and_shards_are_weights() {
    let lab = Lab::new(1);
    let base = copied();
    let path = |name: &str| base.path().join(name);
    fs::write(path("model_index.json"), "{}").unwrap();
    fs::create_dir(path("feature_extractor")).unwrap();
    fs::write(path("feature_extractor/preprocessor_config.json"), "{}").unwrap();
    for variant in [
        "diffusion_pytorch_model.fp16.safetensors",
        "diffusion_pytorch_model.bin",
    ] {
        fs::write(path("unet").join(variant), "of another kind").unwrap();
    }
    fs::rename(
        path("text_encoder/model.safetensors"),
        path("text_encoder/model-00001-of-00001.safetensors"),
    )
    .unwrap();
    fs::write(path("text_encoder/model.safetensors.index.json"), "{}").unwrap();
    let with = json!({"base": base.path(), "adapter": samples::adapter_folder()});
    let merged = files(&lab, &merged(&lab, &with, &[]));
    assert!(merged.contains_key("model_index.json"));
    assert!(merged.contains_key("feature_extractor/preprocessor_config.json"));
    assert!(merged.contains_key("text_encoder/model-00001-of-00001.safetensors"));
    assert!(merged.contains_key("text_encoder/model.safetensors.index.json"));
    assert!(!merged.keys().any(
        |name| name.contains("fp16") || Path::new(name).extension().is_some_and(|e| e == "bin")
    ));
}

#[test]
fn what_cannot_be_merged_is_said() {
    let lab = Lab::new(1);
    let run = |base: &Path, tables: &[(&'static str, &Arc<Table>)]| {
        samples::run(&lab, "adapter.merge", &json!({"base": base}), tables).unwrap_err()
    };
    let base = samples::stable_diffusion();
    let missing = run(&base, &[]);
    assert!(missing.contains("there is no adapter"), "{missing}");
    let one = samples::rows(&samples::adapter(&lab)).remove(0);
    let columns = [("adapter", ColumnType::Blob)];
    let two = samples::table(&columns, &[one.clone(), one]);
    let two = run(&base, &[("adapter", &two)]);
    assert!(
        two.contains("one adapter was expected, and the table has 2 rows"),
        "{two}"
    );
    let none = samples::table(&columns, &[]);
    let none = run(&base, &[("adapter", &none)]);
    assert!(
        none.contains("one adapter was expected, and the table has 0 rows"),
        "{none}"
    );
    let empty = tempfile::tempdir().unwrap();
    let no_model = run(empty.path(), &[]);
    assert!(no_model.contains("has no folder `scheduler`"), "{no_model}");
    // An adapter for another model.
    let mut wide = Adapter::new(Path::new("wide"));
    let factor = |shape: [usize; 2]| ccsr_nn::Factor {
        shape: shape.to_vec(),
        numbers: vec![0.5; shape[0] * shape[1]],
    };
    let layer = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k";
    wide.insert(
        Component::UNet,
        layer,
        factor([2, 1024]),
        factor([8, 2]),
        2.0,
    )
    .unwrap();
    let file = wide
        .files(ccsr_nn::AdapterFormat::Diffusers)
        .unwrap()
        .remove(0)
        .1;
    let blob = Value::Blob(lab.add_blob(file)).to_json();
    let wide = samples::table(&columns, &[json!({"adapter": blob})]);
    let wide = run(&base, &[("adapter", &wide)]);
    assert!(
        wide.contains("is an adapter for another base: its layer `unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k`"),
        "{wide}"
    );
    assert!(
        wide.contains("is for a weight of [8, 1024], and here the weight is [8, 12]"),
        "{wide}"
    );
}
