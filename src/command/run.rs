//! `ccsr-flow run`.

use ccsr_cache::Access;
use ccsr_engine::event::Event;
use ccsr_engine::record::RunOutcome;
use ccsr_engine::{Provenance, RunOptions};
use ccsr_stage::Environment;

use crate::cli::{Cli, EventFormat, RunArgs};
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
        keep_going: args.execution.keep_going,
        workers: usize::from(args.execution.jobs),
        device_slots: args.execution.device_slots,
        memory: args.execution.memory.map(|size| size.0),
        force: session.stages(&args.force)?,
        environment: Environment {
            device: "cpu".to_owned(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        },
        stop: interrupts.stop(),
        abandoned: interrupts.abandoned(),
        set: args.pipeline.set.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        provenance: Provenance {
            host: crate::host::here(),
            reproduces: None,
        },
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
    if args.events.is_none() {
        report::summary::story(&record, &session, ui);
    }
    if args.json {
        ui.data(report::summary::json(&record))?;
    }
    Ok(match record.outcome {
        RunOutcome::Done => Exit::Done,
        RunOutcome::Failed | RunOutcome::Running => Exit::Failed,
        RunOutcome::Interrupted => interrupts.exit(),
    })
}
