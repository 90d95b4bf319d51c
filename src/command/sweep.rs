//! `ccsr-flow sweep`.

use ccsr_cache::{Access, Store};
use ccsr_engine::record::RunOutcome;
use ccsr_engine::sweep::{self, Sweep, SweepOptions};
use ccsr_engine::{Provenance, RunOptions};
use ccsr_stage::Environment;

use crate::cli::{Cli, SweepFormat, SweepRunArgs, SweepTableArgs};
use crate::exit::{Exit, Failure};
use crate::interrupts::Interrupts;
use crate::progress::trials::TrialProgress;
use crate::report::sweep as report;
use crate::report::trials::{self, Detail};
use crate::session::{self, store_to_look_at};
use crate::ui::{Ui, counted};

pub(super) fn run(cli: &Cli, args: &SweepRunArgs, ui: &Ui) -> Result<Exit, Failure> {
    if args.execution.memory.is_some() && args.trials_at_once > 1 {
        return Err(Failure::Usage(
            "with `--memory`, one trial runs at a time: nobody knows whether what two of them load \
             fits together; leave out `--trials-at-once`"
                .to_owned(),
        ));
    }
    let (file, project) = session::located(cli, &args.sweep.pipeline)?;
    let options = session::options(&args.sweep.pipeline);
    let registry = ccsr_stages::registry();
    let name = args.sweep.name.as_deref();
    let mut sweep = Sweep::compile(&file, &project, &registry, &options, name)
        .map_err(|error| Failure::Pipeline(Box::new(error)))?;

    let interrupts = Interrupts::listen(ui)?;
    let options = SweepOptions {
        trials_at_once: usize::from(args.trials_at_once),
        run: RunOptions {
            keep_going: args.execution.keep_going,
            workers: usize::from(args.execution.jobs),
            device_slots: args.execution.device_slots,
            memory: args.execution.memory.map(|size| size.0),
            environment: Environment {
                device: "cpu".to_owned(),
                threads: std::thread::available_parallelism().map_or(1, usize::from),
            },
            stop: interrupts.stop(),
            abandoned: interrupts.abandoned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            provenance: Provenance {
                host: crate::host::here(),
                reproduces: None,
            },
            ..RunOptions::default()
        },
    };
    let started = std::time::Instant::now();
    let mut progress = TrialProgress::new(ui, &report::names(sweep.trials()));
    let open = || Store::open(project.cache(), Access::ReadWrite);
    let ended = sweep::run(&mut sweep, &open, &options, &mut |event| {
        progress.tell(&event);
    });
    progress.finish();
    let summary = report::Summary {
        sweep: &sweep,
        trials: &ended?,
        seconds: started.elapsed().as_secs_f64(),
    };
    summary.tell(&args.sweep, ui);
    if args.json {
        ui.data(summary.json())?;
    }
    Ok(match summary.outcome() {
        RunOutcome::Done => Exit::Done,
        RunOutcome::Failed => Exit::Failed,
        RunOutcome::Interrupted | RunOutcome::Running => interrupts.exit(),
    })
}

pub(super) fn table(cli: &Cli, args: &SweepTableArgs, ui: &Ui) -> Result<Exit, Failure> {
    let (file, project) = session::located(cli, &args.sweep.pipeline)?;
    let options = session::options(&args.sweep.pipeline);
    let registry = ccsr_stages::registry();
    let name = args.sweep.name.as_deref();
    let mut sweep = Sweep::compile(&file, &project, &registry, &options, name)
        .map_err(|error| Failure::Pipeline(Box::new(error)))?;
    let patterns = if args.metric.is_empty() {
        sweep.metrics().to_vec()
    } else {
        args.metric.clone()
    };
    let store = store_to_look_at(project.cache())?;
    let mut found = sweep::compare(&mut sweep, &store, &patterns)?;
    if !args.against.is_empty() {
        found = trials::against(&args.against, &found)?;
    }
    let detail = match args.format {
        SweepFormat::Terminal => Detail::Screen,
        SweepFormat::Md => Detail::Rounded,
        SweepFormat::Csv | SweepFormat::Json => Detail::Full,
    };
    let sorted = args.sort.as_deref();
    let is_json = args.format == SweepFormat::Json;
    let table = if args.over.is_empty() {
        if let Some(by) = sorted {
            trials::sort(&mut found, by, args.ascending)?;
        }
        if is_json {
            ui.data(trials::json(&sweep, &found))?;
            return Ok(Exit::Done);
        }
        trials::Shown::new(&found, args.all).table(detail)
    } else {
        let mut shown = trials::Averaged::over(&args.over, &found, args.all)?;
        if let Some(by) = sorted {
            shown.sort(by, args.ascending)?;
        }
        if is_json {
            ui.data(shown.json(&sweep))?;
            return Ok(Exit::Done);
        }
        shown.table(detail)
    };
    match args.format {
        SweepFormat::Csv => ui.raw(&table.csv())?,
        SweepFormat::Md => ui.raw(&table.markdown())?,
        SweepFormat::Terminal | SweepFormat::Json => {
            ui.data(table.terminal())?;
            if table.left_out > 0 {
                ui.say(format_args!(
                    "… {} more; `--metric PATTERN` chooses, `--format csv` has all",
                    counted(table.left_out as u64, "metric")
                ));
            }
        }
    }
    if let Some(told) = trials::told(&found) {
        ui.say(told);
    }
    Ok(Exit::Done)
}
