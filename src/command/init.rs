//! `ccsr-flow init`: the files of a project that runs at once.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crate::cli::{InitArgs, Template};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// A file of a template: where it goes and what is in it.
type File = (&'static str, &'static str);

const GITIGNORE: File = (".gitignore", include_str!("init/minimal/gitignore"));

const MINIMAL: &[File] = &[
    GITIGNORE,
    ("pipeline.yaml", include_str!("init/minimal/pipeline.yaml")),
    (
        "questions.yaml",
        include_str!("init/minimal/questions.yaml"),
    ),
];

/// The repository's own pipeline, where its comments expect it.
const SELECTION: &[File] = &[
    GITIGNORE,
    (
        "pipelines/selection.yaml",
        include_str!("../../pipelines/selection.yaml"),
    ),
    (
        "pipelines/questions/paper.yaml",
        include_str!("../../pipelines/questions/paper.yaml"),
    ),
    (
        "pipelines/questions/variant.yaml",
        include_str!("../../pipelines/questions/variant.yaml"),
    ),
    (
        "pipelines/suites/world.yaml",
        include_str!("../../pipelines/suites/world.yaml"),
    ),
];

pub(super) fn init(args: &InitArgs, ui: &Ui) -> Result<Exit, Failure> {
    let (files, pipeline) = match args.template {
        Template::Minimal => (MINIMAL, "pipeline.yaml"),
        Template::Selection => (SELECTION, "pipelines/selection.yaml"),
    };
    let folder = &args.folder;
    // A repository that is there already has one, and lines of its own in it.
    let kept = fs::read_to_string(folder.join(GITIGNORE.0)).ok();
    let written = files
        .iter()
        .filter(|(path, _)| kept.is_none() || *path != GITIGNORE.0);
    let taken: Vec<_> = written
        .clone()
        .filter(|(path, _)| folder.join(path).symlink_metadata().is_ok())
        .map(|(path, _)| format!("`{}`", shown(&folder.join(path))))
        .collect();
    if !taken.is_empty() {
        return Err(Failure::Usage(format!(
            "{} {} there already, and nothing is overwritten; choose another folder: `ccsr-flow init \
             DIR`",
            taken.join(" and "),
            if taken.len() == 1 { "is" } else { "are" }
        )));
    }
    for (path, text) in written {
        let path = folder.join(path);
        write(&path, text).map_err(|error| {
            Failure::Usage(format!("cannot write `{}`: {error}", path.display()))
        })?;
        ui.say(format_args!("wrote {}", shown(&path)));
    }
    if let Some(kept) = kept {
        let lines = GITIGNORE.1.lines().filter(|line| !line.starts_with('#'));
        let lacking: Vec<_> = lines.filter(|line| !ignores(&kept, line)).collect();
        if !lacking.is_empty() {
            ui.say(format_args!(
                "{} is kept as it is; add to it: {}",
                shown(&folder.join(GITIGNORE.0)),
                lacking.join(" ")
            ));
        }
    }
    tell_next(folder, pipeline, ui);
    Ok(Exit::Done)
}

/// Writes a file that is not there yet.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists | ErrorKind::NotADirectory => io::Error::new(
                error.kind(),
                format!("`{}` is not a folder", folder.display()),
            ),
            _ => error,
        })?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())
}

/// Whether an ignore file has this line, with or without slashes round it.
fn ignores(text: &str, line: &str) -> bool {
    text.lines()
        .any(|kept| kept.trim().trim_matches('/') == line.trim_matches('/'))
}

/// The path without a leading `./`.
fn shown(path: &Path) -> String {
    let path = path.strip_prefix(".").unwrap_or(path);
    path.display().to_string()
}

fn tell_next(folder: &Path, pipeline: &str, ui: &Ui) {
    ui.say("next:");
    if !shown(folder).is_empty() {
        ui.say(format_args!("  cd {}", shown(folder)));
    }
    for line in [
        format!("ccsr-flow run {pipeline}  # and again: nothing is computed twice"),
        format!("ccsr-flow show {pipeline} truth"),
        format!("ccsr-flow sweep run {pipeline} selection"),
        format!("ccsr-flow sweep table {pipeline} selection"),
    ] {
        ui.say(format_args!("  {line}"));
    }
}
