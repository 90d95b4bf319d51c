//! `ccsr-flow models convert`.

use std::fs;
use std::io;
use std::path::Path;

use bytesize::ByteSize;
use ccsr_pickle::TorchFile;
use serde_json::{Value as Json, json};

use crate::cli::ConvertArgs;
use crate::exit::{Exit, Failure};
use crate::ui::{Ui, counted};

const WEIGHTS: &str = "model.safetensors";
const CONFIG: &str = "config.json";
const YOLO_WORLD: &str = "yolo-world-v2";

pub(super) fn convert(args: &ConvertArgs, ui: &Ui) -> Result<Exit, Failure> {
    let folder = args
        .to
        .clone()
        .unwrap_or_else(|| args.file.with_extension(""));
    if folder == args.file {
        let file = args.file.display();
        return Err(Failure::Usage(format!(
            "`{file}` has no ending to leave out; say `--to FOLDER`"
        )));
    }
    let expect_free = |name: &str| {
        let path = folder.join(name);
        if args.force || path.symlink_metadata().is_err() {
            return Ok(());
        }
        Err(Failure::Usage(format!(
            "`{}` is there already; `--force` replaces it, `--to FOLDER` writes elsewhere",
            path.display()
        )))
    };
    expect_free(WEIGHTS)?;
    let mut file =
        TorchFile::open(&args.file).map_err(|error| Failure::Missing(error.to_string()))?;
    let config = config(&file);
    if config.is_some() {
        expect_free(CONFIG)?;
    }
    let is_new = !folder.exists();
    let written = write(&mut file, config.as_ref(), &folder);
    if written.is_err() && is_new {
        // It is empty, or was never made.
        drop(fs::remove_dir(&folder));
    }
    let bytes = written?;
    ui.data(folder.display())?;
    ui.say(format_args!(
        "{}, {}{}",
        counted(file.tensors().len() as u64, "tensor"),
        ByteSize(bytes),
        if config.is_some() {
            ", of YOLO-World v2"
        } else {
            "; of what network is not known"
        },
    ));
    Ok(Exit::Done)
}

/// Writes the files beside and renames them, so that each is there as a whole or not at all; how many bytes the weights are.
fn write(file: &mut TorchFile, config: Option<&Json>, folder: &Path) -> Result<u64, Failure> {
    let unwritten = |error: io::Error| {
        Failure::Missing(format!("cannot write to `{}`: {error}", folder.display()))
    };
    fs::create_dir_all(folder).map_err(unwritten)?;
    let beside = tempfile::tempdir_in(folder).map_err(unwritten)?;
    let weights = beside.path().join(WEIGHTS);
    file.write_safetensors(&weights)
        .map_err(|error| Failure::Missing(error.to_string()))?;
    let placed = || {
        let bytes = readable(&weights)?;
        place_config(config, beside.path(), folder)?;
        fs::rename(&weights, folder.join(WEIGHTS))?;
        Ok(bytes)
    };
    placed().map_err(unwritten)
}

/// A temporary file is its owner's only; a model is for others. The answer is how many bytes it has.
fn readable(path: &Path) -> io::Result<u64> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))?;
    Ok(path.metadata()?.len())
}

/// Puts the configuration into its place. That of another network, which was converted before, may not stay beside these
/// weights; one that we did not write does.
fn place_config(config: Option<&Json>, beside: &Path, folder: &Path) -> io::Result<()> {
    let place = folder.join(CONFIG);
    let Some(config) = config else {
        let there = fs::read(&place).unwrap_or_default();
        let there: Json = serde_json::from_slice(&there).unwrap_or_default();
        return if there["model_type"] == YOLO_WORLD {
            fs::remove_file(place)
        } else {
            Ok(())
        };
    };
    fs::write(beside.join(CONFIG), format!("{config:#}\n"))?;
    fs::rename(beside.join(CONFIG), place)
}

/// The configuration of a YOLO-World v2, as the file that it was built by says.
fn config(file: &TorchFile) -> Option<Json> {
    let yaml = file.attribute("yaml")?;
    let layers = yaml["head"].to_string();
    // Version 1 pools what it sees of the image for the texts.
    if !layers.contains("\"WorldDetect\"") || layers.contains("\"ImagePoolingAttn\"") {
        return None;
    }
    let scale = yaml["scale"].as_str()?;
    let [depth, width, max_channels] = yaml["scales"][scale].as_array()?.as_slice() else {
        return None;
    };
    Some(json!({
        "model_type": YOLO_WORLD,
        "depth": depth,
        "width": width,
        "max_channels": max_channels,
        "classes_at_build": yaml["nc"],
    }))
}
