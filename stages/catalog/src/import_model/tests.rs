use ccsr_stage::testing::Lab;
use serde_json::json;

use super::*;
use crate::samples::{self, check};

#[test]
fn every_file_of_the_folder_is_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    write("unet/model.safetensors", "numbers");
    write("config.json", "{}");
    write("copy.json", "{}");
    let lab = Lab::new(1);
    let with = json!({"path": folder.path()});
    check::<ImportModel>(&with, &lab, &[]);
    let ran = samples::run(&lab, "model.import", &with, &[]).unwrap();
    let table = ran.table("model");
    assert_eq!(
        samples::column(table, "file"),
        json!(["config.json", "copy.json", "unet/model.safetensors"])
    );
    let content = |row: usize| {
        let blob = table.row(row).blob("content").unwrap();
        String::from_utf8(ccsr_stage::Blobs::read(&lab, &blob).unwrap()).unwrap()
    };
    assert_eq!([0, 1, 2].map(content), ["{}", "{}", "numbers"]);
}

#[test]
fn a_folder_without_weights_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &std::path::Path| {
        let said = samples::build("model.import", &json!({"path": path}));
        said.err().unwrap()
    };
    let error = refused(folder.path());
    assert!(
        error.contains("there are no weights (`.safetensors`) below"),
        "{error}"
    );
    let error = refused(&folder.path().join("elsewhere"));
    assert!(error.contains("elsewhere"), "{error}");
}
