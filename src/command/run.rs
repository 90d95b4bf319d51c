//! `ccsr-flow run`.

use ccsr_cache::Access;
use ccsr_engine::event::Event;
use ccsr_engine::record::RunOutcome;
use ccsr_engine::verify::{self, VerifyOptions};
use ccsr_engine::{Provenance, RunOptions};
use ccsr_stage::Environment;

use crate::cli::{Cli, EventFormat, ExecutionArgs, RunArgs};
use crate::exit::{Exit, Failure};
use crate::interrupts::Interrupts;
use crate::progress::Progress;
use crate::report;
use crate::session::Session;
use crate::ui::Ui;

pub(super) fn run(cli: &Cli, args: &RunArgs, ui: &Ui) -> Result<Exit, Failure> {
    let session = Session::new(cli, &args.pipeline)?.up_to(&args.stages)?;
    let store = session.store(Access::ReadWrite)?;
    let interrupts = Interrupts::listen(ui)?;
    let options = RunOptions {
        force: session.stages(&args.force)?,
        set: args.pipeline.set.clone(),
        ..options(&args.execution, &interrupts, None)
    };
    let mut progress = Progress::new(ui);
    let mut unheard = Ok(());
    let mut listener = |event: Event| {
        if args.events == Some(EventFormat::Json) {
            let line =
                serde_json::to_string(&event).expect("events hold nothing JSON has no word for");
            if unheard.is_ok() {
                unheard = ui.data(line);
            }
        } else {
            progress.tell(&event);
        }
    };
    let record = ccsr_engine::run(&session.pipeline, &store, &options, &mut listener)?;
    progress.finish();
    unheard?;
    if let Some(path) = &args.trace {
        super::trace::write_latest(path, &store, &record)?;
    }
    if args.events.is_none() {
        report::summary::story(&record, &session, ui);
    }
    if args.json {
        ui.data(report::summary::json(&record))?;
    }
    let exit = match record.outcome {
        RunOutcome::Done => Exit::Done,
        RunOutcome::Failed | RunOutcome::Running => Exit::Failed,
        RunOutcome::Interrupted => interrupts.exit(),
    };
    match args.verify {
        Some(units) if exit == Exit::Done => {
            let verify = VerifyOptions {
                units,
                seed: args.verify_seed.as_ref().unwrap_or(&record.run),
                environment: &options.environment,
            };
            let verification = verify::verify(&session.pipeline, &store, &verify)?;
            ui.say(report::agreement::verified(&verification).trim_end());
            Ok(if verification.differing.is_empty() {
                Exit::Done
            } else {
                Exit::Failed
            })
        }
        _ => Ok(exit),
    }
}

/// How to run, here and now; `reproduces` is the run that is repeated.
pub(super) fn options(
    args: &ExecutionArgs,
    interrupts: &Interrupts,
    reproduces: Option<&str>,
) -> RunOptions {
    RunOptions {
        keep_going: args.keep_going,
        workers: usize::from(args.jobs),
        device_slots: args.device_slots,
        memory: args.memory.map(|size| size.0),
        force: Vec::new(),
        environment: Environment {
            device: args.device.clone(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        },
        stop: interrupts.stop(),
        abandoned: interrupts.abandoned(),
        set: Vec::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        provenance: Provenance {
            host: crate::host::here(),
            reproduces: reproduces.map(str::to_owned),
        },
    }
}
