use ccsr_nn::{Adapter, Component};
use ccsr_stage::testing::Lab;
use ccsr_stage::{Blobs, ColumnType};
use serde_json::json;

use super::*;
use crate::samples::{self, check};

/// The files of a run, as a folder.
fn laid_out(lab: &Lab, table: &Table) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for row in table.rows() {
        let path = folder.path().join(row.text("file").unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, lab.read(&row.blob("blob").unwrap()).unwrap()).unwrap();
    }
    folder
}

#[test]
fn every_format_holds_the_same_layers() {
    let lab = Lab::new(1);
    let trained = samples::adapter(&lab);
    let original = Adapter::open(&samples::adapter_folder()).unwrap();
    for (format, files) in [
        ("diffusers", json!(["pytorch_lora_weights.safetensors"])),
        (
            "peft",
            json!(["adapter_config.json", "adapter_model.safetensors"]),
        ),
        ("kohya", json!(["lora.safetensors"])),
    ] {
        let with = json!({"format": format});
        let tables = [("adapter", &trained)];
        check::<ExportAdapter>(&with, &lab, &tables);
        let ran = samples::run(&lab, "adapter.export", &with, &tables).unwrap();
        assert_eq!(samples::column(ran.table("files"), "file"), files);
        let written = Adapter::open(laid_out(&lab, ran.table("files")).path()).unwrap();
        let (ours, theirs) = (written.layers(), original.layers());
        assert_eq!(ours.count(), original.layers().count());
        for ((component, name, layer), (_, of, original)) in written.layers().zip(theirs) {
            assert_eq!(component, Component::UNet);
            assert_eq!(layer, original);
            let is_flat = format == "kohya";
            assert_eq!(
                name,
                if is_flat {
                    of.replace('.', "_")
                } else {
                    of.to_owned()
                }
            );
        }
        // A folder is read like a table.
        let with = json!({"format": format, "adapter": samples::adapter_folder()});
        let from_folder = check::<ExportAdapter>(&with, &lab, &[]);
        let blobs = |ran: &ccsr_stage::testing::Ran| samples::column(ran.table("files"), "blob");
        assert_eq!(blobs(&from_folder), blobs(&ran));
    }
}

#[test]
fn several_adapters_get_a_folder_each() {
    let lab = Lab::new(1);
    let one = samples::rows(&samples::adapter(&lab)).remove(0);
    let mut other = one.clone();
    other["epoch"] = json!(10);
    let columns = [("adapter", ColumnType::Blob), ("epoch", ColumnType::Int)];
    let table = samples::table(&columns, &[one, other]);
    let ran = check::<ExportAdapter>(&json!({}), &lab, &[("adapter", &table)]);
    assert_eq!(
        samples::column(ran.table("files"), "file"),
        json!([
            "epoch-0003/pytorch_lora_weights.safetensors",
            "epoch-0010/pytorch_lora_weights.safetensors"
        ])
    );
}

#[test]
fn an_adapter_is_needed_and_one_place_to_take_it_from() {
    let lab = Lab::new(1);
    let run = |with, tables: &[(&'static str, &Arc<Table>)]| {
        samples::run(&lab, "adapter.export", &with, tables).unwrap_err()
    };
    let missing = run(json!({}), &[]);
    assert!(
        missing.contains("there is no adapter; name its folder"),
        "{missing}"
    );
    let folder = json!({"adapter": samples::adapter_folder()});
    let twice = run(folder, &[("adapter", &samples::adapter(&lab))]);
    assert!(twice.contains("there are two adapters"), "{twice}");
    let empty = tempfile::tempdir().unwrap();
    let none = run(json!({"adapter": empty.path()}), &[]);
    assert!(
        none.contains("holds no LoRA adapter; expected `pytorch_lora_weights.safetensors`"),
        "{none}"
    );
    let columns = [("adapter", ColumnType::Blob)];
    let blob = Value::Blob(lab.add_blob(b"no adapter".to_vec())).to_json();
    let broken = samples::table(&columns, &[json!({"adapter": blob})]);
    let broken = run(json!({}), &[("adapter", &broken)]);
    assert!(
        broken.contains("`the table's adapter` is damaged"),
        "{broken}"
    );
}
