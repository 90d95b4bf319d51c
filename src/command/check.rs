//! `ccsr-flow check`.

use crate::cli::{Cli, PipelineArgs};
use crate::exit::{Exit, Failure};
use crate::session::Session;
use crate::ui::{Ui, counted};

pub(super) fn check(cli: &Cli, args: &PipelineArgs, ui: &Ui) -> Result<Exit, Failure> {
    let session = Session::new(cli, args)?;
    let pipeline = &session.pipeline;
    let suite = pipeline
        .suite
        .as_deref()
        .map(|suite| format!(", suite `{suite}`"))
        .unwrap_or_default();
    let left_out = match pipeline.left_out.as_slice() {
        [] => String::new(),
        names => format!(" (without {})", names.join(", ")),
    };
    ui.data(format_args!(
        "{}: `{}` is valid: {}{left_out}{suite}",
        args.file.display(),
        pipeline.name,
        counted(pipeline.stages.len() as u64, "stage")
    ))?;
    Ok(Exit::Done)
}
