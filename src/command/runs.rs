//! `ccsr-flow runs`.

use ccsr_cache::{Access, RunId, Store};
use ccsr_engine::record::{RunOutcome, RunRecord};

use crate::cli::Cli;
use crate::exit::{Exit, Failure};
use crate::report;
use crate::session::cache_here;
use crate::ui::{Ui, count, duration};

pub(super) fn list(cli: &Cli, json: bool, ui: &Ui) -> Result<Exit, Failure> {
    let store = Store::open(&cache_here(cli)?, Access::ReadOnly)?;
    for id in store.runs()? {
        let Some(record) = read(&store, &id)? else {
            continue;
        };
        if json {
            ui.data(report::summary::json(&record))?;
            continue;
        }
        let outcome = match record.outcome {
            RunOutcome::Done => "done",
            RunOutcome::Failed => "failed",
            RunOutcome::Interrupted => "interrupted",
        };
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

pub(super) fn show(cli: &Cli, wanted: &str, json: bool, ui: &Ui) -> Result<Exit, Failure> {
    let store = Store::open(&cache_here(cli)?, Access::ReadOnly)?;
    let runs = store.runs()?;
    let found: Vec<_> = match wanted {
        "latest" => runs.first().into_iter().collect(),
        "" => Vec::new(),
        prefix => runs
            .iter()
            .filter(|id| id.as_str().starts_with(prefix))
            .collect(),
    };
    let id = match found.as_slice() {
        [id] => *id,
        [] => {
            return Err(Failure::Missing(format!(
                "there is no run `{wanted}`; `ccsr-flow runs list` lists them"
            )));
        }
        several => {
            let ids = several
                .iter()
                .take(3)
                .map(|id| id.as_str())
                .collect::<Vec<_>>()
                .join(", ");
            let more = if several.len() > 3 { ", …" } else { "" };
            return Err(Failure::Usage(format!(
                "`{wanted}` could be any of {ids}{more}"
            )));
        }
    };
    let missing = || Failure::Missing(format!("the record of run `{id}` cannot be read"));
    let record = read(&store, id)?.ok_or_else(missing)?;
    if json {
        ui.data(serde_json::to_string(&record).expect("it was read from JSON"))?;
    } else {
        ui.raw(&report::summary::record(&record))?;
    }
    Ok(Exit::Done)
}

/// A record; `None` if it is damaged, which loses nothing but the record itself.
fn read(store: &Store, id: &RunId) -> Result<Option<RunRecord>, Failure> {
    Ok(store
        .run(id)?
        .and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}
