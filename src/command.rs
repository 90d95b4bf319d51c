//! The commands, one file each.

mod cache;
mod check;
mod completions;
mod doctor;
mod graph;
mod init;
mod man;
mod models;
mod plan;
mod report;
mod run;
mod runs;
mod schema;
mod show;
mod stages;
mod sweep;
mod trace;
mod why;

use crate::cli::{Cli, Command, SweepCommand};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// Carries out what was typed.
pub(crate) fn dispatch(cli: &Cli, ui: &Ui) -> Result<Exit, Failure> {
    match &cli.command {
        Command::Init(args) => init::init(args, ui),
        Command::Run(args) => run::run(cli, args, ui),
        Command::Plan(args) => plan::plan(cli, args, ui),
        Command::Check(args) => check::check(cli, args, ui),
        Command::Show(args) => show::show(cli, args, ui),
        Command::Why(args) => why::why(cli, args, ui),
        Command::Graph(args) => graph::graph(cli, args, ui),
        Command::Stages(args) => stages::stages(args, ui),
        Command::Completions(args) => completions::completions(args, ui),
        Command::Doctor(args) => doctor::doctor(cli, args, ui),
        Command::Man(args) => man::man(args, ui),
        Command::Trace(args) => trace::trace(cli, args, ui),
        Command::Report(args) => report::run(cli, args, ui),
        Command::Schema(args) => schema::schema(args, ui),
        Command::Cache(command) => cache::cache(cli, command, ui),
        Command::Models(command) => models::models(command, ui),
        Command::Sweep(SweepCommand::Run(args)) => sweep::run(cli, args, ui),
        Command::Sweep(SweepCommand::Table(args)) => sweep::table(cli, args, ui),
        Command::Runs(command) => runs::runs(cli, command, ui),
    }
}
