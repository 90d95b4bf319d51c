//! Checkpoints of PyTorch into folders that are loaded, and such as want to run a program.

use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use safetensors::SafeTensors;
use serde_json::Value as Json;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::project::Project;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/stages/pickle/tests/golden");

fn project() -> Project {
    let project = Project::new();
    for name in ["trained.pt", "state.pt", "legacy.pt"] {
        fs::copy(Path::new(GOLDEN).join(name), project.path(name)).unwrap();
    }
    project
}

/// A checkpoint that runs `touch evil` where nobody minds.
fn evil() -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    zip.start_file("evil/data.pkl", stored).unwrap();
    zip.write_all(b"\x80\x02cposix\nsystem\nX\x0a\x00\x00\x00touch evil\x85R.")
        .unwrap();
    zip.finish().unwrap().into_inner()
}

/// Holds weights against what PyTorch read in a checkpoint: the names, kinds and shapes of its tensors.
#[track_caller]
fn has_tensors_of(project: &Project, weights: &str, checkpoint: &str) {
    let expected = fs::read_to_string(Path::new(GOLDEN).join("expected.json")).unwrap();
    let expected: Json = serde_json::from_str(&expected).unwrap();
    let expected = expected[checkpoint].as_object().unwrap();
    let weights = fs::read(project.path(weights)).unwrap();
    let weights = SafeTensors::deserialize(&weights).unwrap();
    assert_eq!(weights.len(), expected.len());
    for (name, expected) in expected {
        let tensor = weights.tensor(name).unwrap();
        assert_eq!(
            serde_json::json!(tensor.shape()),
            expected["shape"],
            "{name}"
        );
        let bits = expected["kind"].as_str().unwrap();
        let bits = bits.trim_start_matches(|c: char| !c.is_ascii_digit());
        let bits = bits.parse().unwrap_or(8);
        assert_eq!(tensor.dtype().bitsize(), bits, "{name}");
    }
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
    has_tensors_of(&project, "trained/model.safetensors", "trained");
    let weights = fs::read(project.path("trained/model.safetensors")).unwrap();
    let weights = SafeTensors::deserialize(&weights).unwrap();
    let tensor = weights.tensor("model.0.conv.weight").unwrap();
    assert_eq!(tensor.dtype(), safetensors::Dtype::F16);
    // A model is for others, too.
    let mode = |path| {
        let metadata = project.path(path).metadata().unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode("trained/model.safetensors"), 0o644);

    let again = project.run(["models", "convert", "trained.pt"]);
    again.ends_with(2).says("`--force` replaces it");
    project
        .run(["models", "convert", "trained.pt", "--force"])
        .ends_with(0);
    let files: Vec<_> = project.files("trained").into_keys().collect();
    assert_eq!(
        files,
        [
            Path::new("trained/config.json"),
            Path::new("trained/model.safetensors")
        ]
    );
    let other = project.run(["models", "convert", "state.pt", "--to", "elsewhere/x"]);
    other.ends_with(0).says("of what network is not known");
    has_tensors_of(&project, "elsewhere/x/model.safetensors", "state");
    assert!(!project.path("elsewhere/x/config.json").exists());
}

/// Another network at the same place: our configuration of the one before goes, anybody else's stays.
#[test]
fn a_configuration_is_that_of_the_weights_beside_it() {
    let project = project();
    let convert = |file, force: &[&'static str]| {
        let args = ["models", "convert", file, "--to", "x"].into_iter();
        project.run(args.chain(force.iter().copied()))
    };
    convert("trained.pt", &[]).ends_with(0);
    convert("state.pt", &["--force"]).ends_with(0);
    has_tensors_of(&project, "x/model.safetensors", "state");
    assert!(!project.path("x/config.json").exists());

    let theirs = r#"{"model_type": "clip"}"#;
    project.write("x/config.json", theirs);
    convert("state.pt", &["--force"]).ends_with(0);
    assert_eq!(project.read("x/config.json"), theirs);
    fs::remove_file(project.path("x/model.safetensors")).unwrap();
    let refused = convert("trained.pt", &[]);
    refused
        .ends_with(2)
        .says("`x/config.json` is there already");
    assert_eq!(project.read("x/config.json"), theirs);
}

#[test]
fn what_cannot_be_read_leaves_nothing_behind() {
    let project = project();
    let mut damaged = fs::read(project.path("state.pt")).unwrap();
    // The first numbers: 0 to 9, as 64 bits.
    let place = damaged
        .windows(24)
        .position(|bytes| bytes == [[0; 8], 1_u64.to_le_bytes(), 2_u64.to_le_bytes()].concat());
    damaged[place.unwrap()] = 1;
    project
        .write("damaged.pt", damaged)
        .write("evil.pt", evil())
        .write("text.pt", "weights")
        .write("README", "weights");
    for (file, code, shown) in [
        ("legacy.pt", 1, "is no checkpoint of PyTorch 1.6 or later"),
        ("nothing.pt", 1, "cannot read"),
        ("text.pt", 1, "it is no zip archive"),
        ("evil.pt", 1, "asks for `posix.system` at byte 2"),
        ("damaged.pt", 1, "the tensor `whole`"),
        ("README", 2, "has no ending to leave out"),
    ] {
        let refused = project.run(["models", "convert", file]);
        refused.ends_with(code).says(shown);
        let folder = file.trim_end_matches(".pt");
        assert!(folder == file || !project.path(folder).exists(), "{file}");
    }
    let refused = project.run(["models", "convert", "state.pt", "--to", "text.pt"]);
    refused.ends_with(1).says("cannot write to `text.pt`");
    assert_eq!(project.read("text.pt"), "weights");
}
