//! `ccsr-flow completions`.

use clap::CommandFactory;

use crate::cli::{Cli, CompletionsArgs};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

pub(super) fn completions(args: &CompletionsArgs, ui: &Ui) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "ccsr-flow", &mut script);
    ui.raw(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
