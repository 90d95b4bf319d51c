//! `ccsr-flow trace`: what executed when in a run.

use std::collections::BTreeMap;
use std::path::Path;

use ccsr_cache::{Access, Store};
use ccsr_engine::record::RunRecord;
use ccsr_engine::timeline::{Timeline, chrome};

use super::runs::find;
use crate::cli::{Cli, TraceArgs};
use crate::exit::{Exit, Failure};
use crate::session::cache_here;
use crate::ui::{Ui, count, counted, duration};

pub(super) fn trace(cli: &Cli, args: &TraceArgs, ui: &Ui) -> Result<Exit, Failure> {
    let store = Store::open(&cache_here(cli)?, Access::ReadOnly)?;
    let record = find(&store, &args.run)?;
    let timeline = of(&store, &record)?;
    match &args.out {
        Some(path) => write(path, &record, &timeline)?,
        None if args.chrome => ui.data(chrome(&record, &timeline))?,
        None => ui.data(by_worker(&record, &timeline).join("\n"))?,
    }
    Ok(Exit::Done)
}

/// The timeline of a run. Where nothing executed there is none.
fn of(store: &Store, record: &RunRecord) -> Result<Timeline, Failure> {
    let damaged = || {
        Failure::Missing(format!(
            "the timeline of run `{}` cannot be read",
            record.run
        ))
    };
    let id = record.run.parse().map_err(|_| damaged())?;
    match store.timeline(&id)? {
        Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| damaged()),
        None if record.units_executed == 0 => Ok(Timeline::default()),
        None => Err(Failure::Missing(format!(
            "run `{}` kept no timeline: it was killed, or is under way",
            record.run
        ))),
    }
}

/// Writes the trace of a run that just ended.
pub(super) fn write_latest(path: &Path, store: &Store, record: &RunRecord) -> Result<(), Failure> {
    write(path, record, &of(store, record)?)
}

fn write(path: &Path, record: &RunRecord, timeline: &Timeline) -> Result<(), Failure> {
    let json = chrome(record, timeline).to_string();
    std::fs::write(path, json).map_err(|error| {
        Failure::Usage(format!(
            "cannot write the trace `{}`: {error}",
            path.display()
        ))
    })
}

/// How busy each worker was.
fn by_worker(record: &RunRecord, timeline: &Timeline) -> Vec<String> {
    let mut workers: BTreeMap<u64, (u64, u64, u64, u64)> = BTreeMap::new();
    for batch in &timeline.batches {
        let worker = workers.entry(batch.worker).or_default();
        worker.0 += 1;
        worker.1 += batch.units;
        worker.2 += batch.ended.saturating_sub(batch.began);
        worker.3 += batch.loaded.saturating_sub(batch.began);
    }
    let seconds = |micros: u64| micros as f64 / 1e6;
    let mut lines = vec![format!("{}  {}", record.run, duration(record.seconds))];
    for (worker, (batches, units, busy, loading)) in workers {
        let share = 100.0 * seconds(busy) / record.seconds.max(1e-6);
        lines.push(format!(
            "worker {worker}  busy {} ({share:.0} %), loading {}: {} in {} batches",
            duration(seconds(busy)),
            duration(seconds(loading)),
            counted(units, "unit"),
            count(batches),
        ));
    }
    if timeline.batches.is_empty() {
        lines.push("nothing executed".to_owned());
    }
    if timeline.left_out.0 > 0 {
        let (batches, units) = (
            count(timeline.left_out.0),
            counted(timeline.left_out.1, "unit"),
        );
        lines.push(format!("{batches} batches with {units} more were not kept"));
    }
    lines
}
