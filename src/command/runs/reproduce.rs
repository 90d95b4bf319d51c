//! `ccsr-flow runs reproduce`.

use std::path::Path;

use ccsr_cache::{Access, Store};
use ccsr_engine::event::Event;
use ccsr_engine::record::{RunOutcome, RunRecord};
use ccsr_engine::reproduce::{Files, ReproduceError, agreement};
use ccsr_engine::{Pipeline, Project, RunOptions};

use super::find;
use crate::cli::{Cli, ReproduceArgs};
use crate::command::run::options;
use crate::exit::{Exit, Failure};
use crate::hub;
use crate::interrupts::Interrupts;
use crate::progress::Progress;
use crate::report;
use crate::session::{DEVICES, cache_here, project_here};
use crate::ui::Ui;

pub(super) fn reproduce(cli: &Cli, args: &ReproduceArgs, ui: &Ui) -> Result<Exit, Failure> {
    let store = Store::open(&cache_here(cli)?, Access::ReadWrite)?;
    let record = find(&store, &args.run)?;
    let scratch = tempfile::Builder::new().prefix("ccsr-flow-").tempdir();
    let scratch = scratch
        .map_err(|error| Failure::Missing(format!("cannot create a folder to work in: {error}")))?;
    let pipeline = compile(&record, &store, &project_here(cli)?, scratch.path())
        .map_err(|error| failure(&record, error))?;
    let interrupts = Interrupts::listen(ui)?;
    let options = RunOptions {
        set: record.set.clone(),
        ..options(&args.execution, &interrupts, Some(&record.run))
    };
    let mut progress = Progress::new(ui);
    let mut listener = |event: Event| progress.tell(&event);
    let fresh = if args.from_scratch {
        let cache = scratch.path().join(ccsr_engine::CACHE);
        Some(Store::open(&cache, Access::ReadWrite)?)
    } else {
        None
    };
    let used = fresh.as_ref().unwrap_or(&store);
    let again = ccsr_engine::run(&pipeline, used, &options, &mut listener)?;
    progress.finish();
    if again.outcome == RunOutcome::Interrupted {
        return Ok(interrupts.exit());
    }
    let agreement = agreement(&record, &again, &[&store, used]);
    if args.json {
        ui.data(serde_json::to_string(&agreement).expect("it holds nothing JSON has no word for"))?;
    } else {
        ui.raw(&report::agreement::reproduced(&agreement))?;
    }
    Ok(if agreement.differing.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// The recorded pipeline, from a folder with the files that it read. Nothing is exported: what is
/// compared is what the cache holds.
fn compile(
    record: &RunRecord,
    store: &Store,
    project: &Path,
    scratch: &Path,
) -> Result<Pipeline, ReproduceError> {
    let files = Files::gather(record, store, Some(project))?;
    files.put_into(scratch)?;
    let registry = ccsr_stages::registry();
    let project = hub::surrounded(Project::at(scratch));
    let mut pipeline = files.compile(record, &project, &registry, DEVICES)?;
    for stage in &mut pipeline.stages {
        stage.exports.clear();
    }
    Ok(pipeline)
}

/// Why a run cannot be reproduced, as the command line tells it.
fn failure(record: &RunRecord, error: ReproduceError) -> Failure {
    match error {
        ReproduceError::Compile(error) => Failure::Pipeline(error),
        ReproduceError::Store(error) => Failure::Cache(error),
        other => Failure::Missing(format!(
            "run `{}` cannot be reproduced: {}",
            record.run,
            ccsr_engine::diagnostic::with_causes(&other)
        )),
    }
}
