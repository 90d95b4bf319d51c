//! Checkpoints of PyTorch into folders that are loaded.

use std::path::Path;

use serde_json::Value as Json;

use crate::project::Project;

fn project() -> Project {
    let project = Project::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("stages/pickle/tests/golden");
    for name in ["trained.pt", "state.pt", "legacy.pt"] {
        std::fs::copy(golden.join(name), project.path(name)).unwrap();
    }
    project
}

#[test]
fn a_checkpoint_becomes_a_folder() {
    let project = project();
    let ran = project.run(["models", "convert", "trained.pt"]);
    ran.ends_with(0).says("of YOLO-World v2");
    let config: Json = serde_json::from_str(&project.read("trained/config.json")).unwrap();
    let wanted = serde_json::json!({"model_type": "yolo-world-v2", "depth": 0.33, "width": 0.015_625,
                                    "max_channels": 1024, "classes_at_build": 2});
    assert_eq!(config, wanted);
    let weights = std::fs::read(project.path("trained/model.safetensors")).unwrap();
    let length = u64::from_le_bytes(weights[..8].try_into().unwrap()) as usize;
    let header: Json = serde_json::from_slice(&weights[8..8 + length]).unwrap();
    assert_eq!(header["model.0.conv.weight"]["dtype"], "F16");
    assert_eq!(
        header["model.0.conv.weight"]["shape"],
        serde_json::json!([8, 3, 3, 3])
    );

    let again = project.run(["models", "convert", "trained.pt"]);
    again.ends_with(2).says("`--force` replaces it");
    project
        .run(["models", "convert", "trained.pt", "--force"])
        .ends_with(0);
    let other = project.run(["models", "convert", "state.pt", "--to", "elsewhere/x"]);
    other.ends_with(0).says("of what network is not known");
    assert!(project.path("elsewhere/x/model.safetensors").is_file());
    assert!(!project.path("elsewhere/x/config.json").exists());
}

#[test]
fn what_cannot_be_read_leaves_nothing_behind() {
    let project = project();
    let refused = project.run(["models", "convert", "legacy.pt"]);
    refused
        .ends_with(1)
        .says("is no checkpoint of PyTorch 1.6 or later");
    let missing = project.run(["models", "convert", "nothing.pt"]);
    missing.ends_with(1).says("cannot read");
    assert!(!project.path("legacy").exists() && !project.path("nothing").exists());
}
