//! `ccsr-flow`: the command line. The composition root: here the stage kinds meet the engine, and
//! only here something is printed or the environment is read.

mod cli;
mod command;
mod exit;
mod host;
mod hub;
mod interrupts;
mod log;
#[cfg(feature = "otel")]
mod otel;
mod progress;
mod report;
mod session;
mod ui;

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    quiet_workers();
    let cli = cli::Cli::parse();
    let ui = ui::Ui::new(cli.log.format);
    let carried_out = log::begin(&cli).and_then(|log| {
        let carried_out = command::dispatch(&cli, &ui);
        log.end(&ui);
        carried_out
    });
    match carried_out {
        Ok(exit) => exit.into(),
        // Whoever reads stdout has read enough: `| head` is no error.
        Err(exit::Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => {
            exit::Exit::Done.into()
        }
        Err(failure) => {
            ui.failure(&failure);
            failure.exit().into()
        }
    }
}

/// A panic on a worker is caught and reported as the error of its stage; a trace of it on the
/// terminal would only be in the way.
fn quiet_workers() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() != Some(ccsr_engine::WORKER_THREAD) {
            default(panic);
        }
    }));
}
