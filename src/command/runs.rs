//! `ccsr-flow runs`.

mod bundle;
mod diff;
mod list;
mod reproduce;
mod show;

use ccsr_cache::{RunId, Store};
use ccsr_engine::record::RunRecord;

use crate::cli::{Cli, RunsCommand};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

pub(super) fn runs(cli: &Cli, command: &RunsCommand, ui: &Ui) -> Result<Exit, Failure> {
    match command {
        RunsCommand::List {
            pipeline,
            failed,
            limit,
            json,
        } => {
            let filter = list::Filter {
                pipeline: pipeline.as_deref(),
                failed: *failed,
                limit: limit.unwrap_or(usize::MAX),
            };
            list::list(cli, &filter, *json, ui)
        }
        RunsCommand::Show { run, json } => show::show(cli, run, *json, ui),
        RunsCommand::Diff { old, new, json } => diff::diff(cli, old, new, *json, ui),
        RunsCommand::Reproduce(args) => reproduce::reproduce(cli, args, ui),
        RunsCommand::Bundle(args) => bundle::bundle(cli, args, ui),
        RunsCommand::Unbundle { file, folder } => bundle::unbundle(file, folder, ui),
    }
}

/// The record that was named: by its id, the beginning of it, `latest`, or `latest~2` for the one two
/// before that.
pub(super) fn find(store: &Store, wanted: &str) -> Result<RunRecord, Failure> {
    let runs = store.runs()?;
    let found: Vec<_> = match wanted {
        "" => Vec::new(),
        latest if latest.starts_with(LATEST) => before(latest)
            .and_then(|back| runs.get(back))
            .into_iter()
            .collect(),
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
    read(store, id)?.ok_or_else(missing)
}

/// Names the run that began last.
const LATEST: &str = "latest";

/// How many runs before the latest is meant: none by `latest`, two by `latest~2`.
fn before(name: &str) -> Option<usize> {
    match name.strip_prefix(LATEST)? {
        "" => Some(0),
        back => back.strip_prefix('~')?.parse().ok(),
    }
}

/// A record; `None` if it is damaged, which loses nothing but the record itself.
fn read(store: &Store, id: &RunId) -> Result<Option<RunRecord>, Failure> {
    Ok(store
        .run(id)?
        .and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}
