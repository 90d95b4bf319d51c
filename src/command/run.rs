//! `ccsr-flow run`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use ccsr_cache::Access;
use ccsr_engine::RunOptions;
use ccsr_engine::event::Event;
use ccsr_engine::record::RunOutcome;
use ccsr_stage::Environment;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::{Cli, EventFormat, RunArgs};
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::report;
use crate::session::Session;
use crate::ui::Ui;

pub(super) fn run(cli: &Cli, args: &RunArgs, ui: &Ui) -> Result<Exit, Failure> {
    let session = Session::new(cli, &args.pipeline)?;
    let store = session.store(Access::ReadWrite)?;
    let interrupts = Interrupts::listen(ui)?;
    let options = RunOptions {
        keep_going: args.keep_going,
        workers: usize::from(args.jobs),
        memory: None,
        environment: Environment {
            device: "cpu".to_owned(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        },
        stop: interrupts.stop(),
        set: args.pipeline.set.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
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
        RunOutcome::Failed => Exit::Failed,
        RunOutcome::Interrupted => interrupts.exit(),
    })
}

/// The first Ctrl-C (or SIGTERM) lets the batches in flight finish and be committed; the second ends
/// the program at once, which loses those batches and nothing else.
struct Interrupts(Arc<AtomicI32>);

impl Interrupts {
    fn listen(ui: &Ui) -> Result<Self, Failure> {
        let first = Arc::new(AtomicI32::new(0));
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let (seen, ui) = (first.clone(), ui.clone());
        std::thread::spawn(move || {
            for signal in signals.forever() {
                if seen.swap(signal, Ordering::Relaxed) != 0 {
                    std::process::exit(128 + signal);
                }
                ui.say("stopping when what is under way is done; once more to stop at once");
            }
        });
        Ok(Self(first))
    }

    fn stop(&self) -> Arc<dyn Fn() -> bool + Send + Sync> {
        let first = self.0.clone();
        Arc::new(move || first.load(Ordering::Relaxed) != 0)
    }

    fn exit(&self) -> Exit {
        match self.0.load(Ordering::Relaxed) {
            SIGTERM => Exit::Terminated,
            _ => Exit::Interrupted,
        }
    }
}
