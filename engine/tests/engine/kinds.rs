//! Stages for the tests. What they execute and load they note in a log, whose path is the name of
//! the device: the one thing that an execution sees and no key holds.

use std::any::Any;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ccsr_cache::ActionKey;
use ccsr_stage::{
    Batch, Bound, Digest, Environment, Inputs, Outcome, Partition, PartitionOutcomes, Registry,
    Resolved, Resource, Schemas, Source, Stage, StageError, StageKind, Table, Unit, Value,
};
use ccsr_stage::{ColumnType, InputPort, Misfits, OutputPort, RowCounts, Schema};

mod ask;
mod chain;
mod files;
mod gated;
mod join;
mod map;
mod read;
mod resources;
mod retry;
mod rows;
mod sum;
mod versioned;
mod weary;

pub(crate) use retry::picked;
pub(crate) use versioned::Versioned;
pub(crate) use weary::peak;

/// All of them.
pub(crate) fn registry() -> Registry {
    Registry::new()
        .with::<ask::Ask>()
        .with::<chain::Chain>()
        .with::<files::Files>()
        .with::<gated::Gated>()
        .with::<join::Join>()
        .with::<map::Map>()
        .with::<read::Read>()
        .with::<resources::Resources>()
        .with::<retry::Retry>()
        .with::<rows::Rows>()
        .with::<sum::Sum>()
        .with::<weary::Weary>()
        .with_role::<ask::Plain>()
        .with_role::<ask::Moody>()
}

type Tables = Result<BTreeMap<&'static str, Table>, StageError>;

/// Notes each unit, takes its time and computes it.
fn each<K: StageKind>(
    batch: &Batch<'_>,
    pause_ms: u64,
    label: impl Fn(&Unit) -> String,
    compute: impl Fn(&Unit) -> Result<Outcome, StageError>,
) -> Vec<Result<Outcome, StageError>> {
    let one = |unit: &Arc<Unit>| {
        let key = ActionKey::of(K::NAME, K::REVISION, &unit.input);
        wait_at_limit(batch.environment);
        note(batch.environment, &format!("{}\t{key}\n", label(unit)));
        std::thread::sleep(Duration::from_millis(pause_ms));
        compute(unit)
    };
    batch.units.iter().map(one).collect()
}

fn note(environment: &Environment, line: &str) {
    let path = Path::new(&environment.device);
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.unwrap().write_all(line.as_bytes()).unwrap();
}

/// Waits to be killed once so many units were executed as the file beside the log allows.
fn wait_at_limit(environment: &Environment) {
    let limit = std::fs::read_to_string(format!("{}.limit", environment.device));
    let Some(limit) = limit.ok().and_then(|text| text.parse::<usize>().ok()) else {
        return;
    };
    let log = std::fs::read_to_string(&environment.device).unwrap_or_default();
    // A load has no key behind its tabulator.
    if log.lines().filter(|line| !line.ends_with('\t')).count() >= limit {
        std::thread::sleep(Duration::from_mins(2));
    }
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).unwrap().as_text().unwrap().to_owned()
}

/// The table on the one port `rows`.
fn one_table(schema: Schema, rows: impl IntoIterator<Item = Vec<Value>>) -> Tables {
    let mut table = Table::builder(schema);
    for row in rows {
        table.push(row)?;
    }
    Ok(BTreeMap::from([("rows", table.finish())]))
}

/// As many rows as came in, and as many units.
fn one_each(rows: &RowCounts) -> Bound {
    Bound::new(rows["rows"], "rows", rows["rows"])
}
