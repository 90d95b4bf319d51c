//! `ccsr-flow runs list`.

use ccsr_cache::{Access, Store};
use ccsr_engine::record::{RunOutcome, RunRecord};

use super::read;
use crate::cli::Cli;
use crate::exit::{Exit, Failure};
use crate::report;
use crate::session::cache_here;
use crate::ui::{Ui, count, duration};

/// Which runs to list.
pub(super) struct Filter<'a> {
    /// Those of this pipeline, by its name or its file.
    pub(super) pipeline: Option<&'a str>,
    /// Those that did not end well.
    pub(super) failed: bool,
    /// At most so many.
    pub(super) limit: usize,
}

impl Filter<'_> {
    fn admits(&self, record: &RunRecord) -> bool {
        let named = |name| record.pipeline == name || record.file == name;
        let failed = match record.outcome {
            RunOutcome::Done => false,
            RunOutcome::Failed | RunOutcome::Interrupted => true,
            RunOutcome::Running => crate::host::has_died(record),
        };
        self.pipeline.is_none_or(named) && (failed || !self.failed)
    }
}

pub(super) fn list(cli: &Cli, filter: &Filter<'_>, json: bool, ui: &Ui) -> Result<Exit, Failure> {
    let store = Store::open(&cache_here(cli)?, Access::ReadOnly)?;
    let mut listed = 0;
    for id in store.runs()? {
        if listed == filter.limit {
            break;
        }
        let Some(record) = read(&store, &id)?.filter(|record| filter.admits(record)) else {
            continue;
        };
        listed += 1;
        if json {
            ui.data(report::summary::json(&record))?;
            continue;
        }
        let outcome = report::summary::outcome(&record);
        let trial = record.trial.as_ref();
        let trial = trial.map_or(String::new(), |trial| format!(", {trial}"));
        ui.data(format_args!(
            "{}  {outcome:11}  {:>9} computed  {:>9} reused  {:>10}  {}{trial}",
            record.run,
            count(record.units_executed),
            count(record.units_reused),
            duration(record.seconds),
            record.file
        ))?;
    }
    Ok(Exit::Done)
}
