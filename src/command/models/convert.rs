//! `ccsr-flow models convert`.

use bytesize::ByteSize;
use ccsr_pickle::TorchFile;
use serde_json::{Value as Json, json};

use crate::cli::ConvertArgs;
use crate::exit::{Exit, Failure};
use crate::ui::{Ui, counted};

const WEIGHTS: &str = "model.safetensors";
const CONFIG: &str = "config.json";

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
    if folder.join(WEIGHTS).exists() && !args.force {
        return Err(Failure::Usage(format!(
            "`{}` is there already; `--force` replaces it, `--to FOLDER` writes elsewhere",
            folder.join(WEIGHTS).display()
        )));
    }
    let missing = |error: &dyn std::error::Error| Failure::Missing(error.to_string());
    let mut file = TorchFile::open(&args.file).map_err(|error| missing(&error))?;
    let unwritten = |error: std::io::Error| {
        Failure::Missing(format!("cannot write to `{}`: {error}", folder.display()))
    };
    std::fs::create_dir_all(&folder).map_err(unwritten)?;
    // Written beside and renamed, so that a file of this name is whole.
    let beside = tempfile::tempdir_in(&folder).map_err(unwritten)?;
    let weights = beside.path().join(WEIGHTS);
    file.write_safetensors(&weights)
        .map_err(|error| missing(&error))?;
    let bytes = weights.metadata().map_err(unwritten)?.len();
    let config = config(&file);
    if let Some(config) = &config {
        let text = format!("{config:#}\n");
        std::fs::write(beside.path().join(CONFIG), text).map_err(unwritten)?;
        std::fs::rename(beside.path().join(CONFIG), folder.join(CONFIG)).map_err(unwritten)?;
    }
    std::fs::rename(&weights, folder.join(WEIGHTS)).map_err(unwritten)?;
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
        "model_type": "yolo-world-v2",
        "depth": depth,
        "width": width,
        "max_channels": max_channels,
        "classes_at_build": yaml["nc"],
    }))
}
