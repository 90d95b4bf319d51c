//! `ccsr-flow models …`: what can be typed.

use std::path::PathBuf;

use ccsr_hub::{ModelId, Pattern};
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// Download what our loaders read of a model. Goes on where an earlier download broke off.
    Pull(PullArgs),
    /// List the models in the cache of downloads.
    List {
        /// Write one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Read every file of a model and compare it with its digest; exit code 1 if one is damaged, missing
    /// or incomplete. Asks no hub.
    Verify {
        /// `owner/name`, or `owner/name@revision`.
        #[arg(value_name = "ID")]
        id: ModelId,
        /// Write one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Read the tensors out of a PyTorch checkpoint (`.pt`) and write them as safetensors. Nothing in the checkpoint is
    /// executed.
    Convert(ConvertArgs),
    /// Print the folder with a model's files. Asks no hub.
    Path {
        /// `owner/name`, or `owner/name@revision`.
        #[arg(value_name = "ID")]
        id: ModelId,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// `owner/name`, or `owner/name@revision`: a branch, a tag or a commit.
    #[arg(value_name = "ID")]
    pub(crate) id: ModelId,

    /// Take this variant of weights where there is one: `fp16`. The plain one by default.
    #[arg(long, value_name = "NAME")]
    pub(crate) variant: Option<String>,

    /// Take exactly the files that match: `*.json`, `unet/*`. May be repeated.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) include: Vec<Pattern>,

    /// Leave out the files that match. May be repeated.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) exclude: Vec<Pattern>,

    /// Also read what is here already, and download again what is damaged.
    #[arg(long)]
    pub(crate) verify: bool,

    /// End with one JSON object on stdout instead of the folder.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// The checkpoint, such as `yolov8x-worldv2.pt`.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// The folder to write `model.safetensors` and `config.json` to. By default one beside the checkpoint, named as it is
    /// without its ending.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: Option<PathBuf>,

    /// Replace what was written there before.
    #[arg(long)]
    pub(crate) force: bool,
}
