//! In what two runs differ: what their stages were told, who played the roles, what came out.

use std::collections::BTreeMap;

use ccsr_cache::{Digest, Store, Value};
use ccsr_stage::Table;
use serde::Serialize;

use crate::explain::{Change, changes};
use crate::metrics::{MAX_ROWS, means, metrics};
use crate::record::{RunRecord, StageRecord, TableRecord};
use crate::rows::{TableChanges, table_changes};
use crate::standing::read_table;

/// In what two runs differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunChanges {
    /// The one run.
    pub old: String,
    /// The other.
    pub new: String,
    /// Differences of the runs as such: pipeline, suite, seed, version, host, device.
    pub facts: Vec<Change>,
    /// Seconds that each took.
    pub seconds: (f64, f64),
    /// Their stages, in the order of their work.
    pub stages: Vec<StageChanges>,
}

/// In what a stage of two runs differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageChanges {
    /// The stage.
    pub stage: String,
    /// Which of the runs have it.
    pub found: Found,
    /// What it was told and which files it read.
    pub parameters: Vec<Change>,
    /// Who played its roles, and with which weights and settings.
    pub roles: Vec<Change>,
    /// Its tables, by port.
    pub tables: BTreeMap<String, TableComparison>,
    /// Seconds that its units took, whenever they were computed.
    pub seconds: (f64, f64),
}

/// Which of two runs have something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// Both.
    Both,
    /// The first only.
    Old,
    /// The second only.
    New,
}

/// How the tables of two runs compare.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TableComparison {
    /// They are the same.
    Same {
        /// Their rows.
        rows: u64,
    },
    /// They differ.
    Differs {
        /// In which rows.
        #[serde(flatten)]
        changes: TableChanges,
        /// The numbers of the two that differ.
        numbers: Vec<NumberChange>,
    },
    /// They differ, and the cache has lost one of them.
    Lost {
        /// Rows of the first.
        old_rows: u64,
        /// Rows of the second.
        new_rows: u64,
    },
    /// One of the runs has none.
    Missing {
        /// Which run has one.
        found: Found,
        /// Its rows.
        rows: u64,
    },
}

/// A number of a table that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NumberChange {
    /// Its name, as in [`metrics`](crate::metrics).
    pub name: String,
    /// What it was.
    pub old: Option<f64>,
    /// What it is.
    pub new: Option<f64>,
}

impl RunChanges {
    /// Whether every stage wrote the same tables.
    pub fn same_tables(&self) -> bool {
        let same = |table: &TableComparison| matches!(table, TableComparison::Same { .. });
        self.stages
            .iter()
            .all(|stage| stage.tables.values().all(same))
    }
}

/// Where tables are looked for, in turn: a run that was repeated elsewhere has its own cache.
pub type Stores<'a> = [&'a Store];

/// In what `new` differs from `old`.
pub fn compare_runs(old: &RunRecord, new: &RunRecord, stores: &Stores<'_>) -> RunChanges {
    let mut names: Vec<&str> = old.stages.iter().map(|stage| stage.name.as_str()).collect();
    for stage in &new.stages {
        if !names.contains(&stage.name.as_str()) {
            names.push(&stage.name);
        }
    }
    let stages = names
        .into_iter()
        .filter_map(|name| stage(find(old, name), find(new, name), stores));
    RunChanges {
        old: old.run.clone(),
        new: new.run.clone(),
        facts: changes(&facts(old), &facts(new)),
        seconds: (old.seconds, new.seconds),
        stages: stages.collect(),
    }
}

fn find<'a>(record: &'a RunRecord, name: &str) -> Option<&'a StageRecord> {
    record.stages.iter().find(|stage| stage.name == name)
}

/// What two runs may differ in apart from their stages.
fn facts(record: &RunRecord) -> Value {
    let text = |text: &str| Value::from(text);
    let set = record.set.iter().map(|set| text(set));
    Value::map([
        ("pipeline", text(&record.pipeline)),
        ("file", text(&record.file)),
        ("suite", Value::from(record.suite.as_deref())),
        ("seed", Value::from(record.seed.to_string())),
        ("set", Value::list(set)),
        ("version", text(&record.version)),
        ("host", text(&record.host.name)),
        ("device", text(&record.device.name)),
    ])
}

/// In what a stage differs; `None` if neither has it.
fn stage(
    old: Option<&StageRecord>,
    new: Option<&StageRecord>,
    stores: &Stores<'_>,
) -> Option<StageChanges> {
    let found = match (old, new) {
        (Some(_), Some(_)) => Found::Both,
        (Some(_), None) => Found::Old,
        (None, Some(_)) => Found::New,
        (None, None) => return None,
    };
    let value =
        |stage: Option<&StageRecord>| stage.map(|stage| stage.value.clone()).unwrap_or_default();
    let cost = |stage: Option<&StageRecord>| {
        stage.map_or(0.0, |stage| stage.seconds + stage.seconds_saved)
    };
    let mut all = match found {
        // A stage that was not reached says nothing.
        Found::Both if !value(old).is_null() && !value(new).is_null() => {
            changes(&value(old), &value(new))
        }
        _ => Vec::new(),
    };
    all.retain(|change| !change.field.starts_with("tables."));
    let (roles, parameters) = all
        .into_iter()
        .partition(|change: &Change| change.field.starts_with("roles."));
    let none = BTreeMap::new();
    let (old_tables, new_tables) = (
        old.map_or(&none, |stage| &stage.tables),
        new.map_or(&none, |stage| &stage.tables),
    );
    let ports: std::collections::BTreeSet<&String> =
        old_tables.keys().chain(new_tables.keys()).collect();
    let name = new.or(old)?.name.as_str();
    let tables = ports.into_iter().filter_map(|port| {
        let compared = table(
            name,
            port,
            old_tables.get(port),
            new_tables.get(port),
            stores,
        )?;
        Some((port.clone(), compared))
    });
    Some(StageChanges {
        stage: name.to_owned(),
        found,
        parameters,
        roles,
        tables: tables.collect(),
        seconds: (cost(old), cost(new)),
    })
}

/// How two tables that `stage` wrote on `port` compare; `None` if there is neither.
pub(crate) fn table(
    stage: &str,
    port: &str,
    old: Option<&TableRecord>,
    new: Option<&TableRecord>,
    stores: &Stores<'_>,
) -> Option<TableComparison> {
    let read = |digest: &Digest| {
        stores
            .iter()
            .find_map(|store| read_table(store, digest).ok())
    };
    Some(match (old, new) {
        (None, None) => return None,
        (Some(old), Some(new)) if old.digest == new.digest => {
            TableComparison::Same { rows: new.rows }
        }
        (Some(old), Some(new)) => match (read(&old.digest), read(&new.digest)) {
            (Some(old), Some(new)) => TableComparison::Differs {
                changes: table_changes(&old, &new),
                numbers: numbers(stage, port, &old, &new),
            },
            _ => TableComparison::Lost {
                old_rows: old.rows,
                new_rows: new.rows,
            },
        },
        (Some(old), None) => TableComparison::Missing {
            found: Found::Old,
            rows: old.rows,
        },
        (None, Some(new)) => TableComparison::Missing {
            found: Found::New,
            rows: new.rows,
        },
    })
}

/// The numbers in which two tables differ: cells of small ones, means of large ones.
fn numbers(stage: &str, port: &str, old: &Table, new: &Table) -> Vec<NumberChange> {
    let port = (port != stage).then_some(port);
    let large = old.len().max(new.len()) > MAX_ROWS;
    // Rows about prompts are told one by one already; their numbers say more together.
    let many = large || old.find("prompt").is_some() || new.find("prompt").is_some();
    let of = |table| {
        if many {
            means(stage, port, table)
        } else {
            metrics(stage, port, table)
        }
    };
    let mut found: BTreeMap<String, (Option<f64>, Option<f64>)> = BTreeMap::new();
    for metric in of(old) {
        found.entry(metric.name).or_default().0 = Some(metric.value);
    }
    for metric in of(new) {
        found.entry(metric.name).or_default().1 = Some(metric.value);
    }
    let differs =
        |(old, new): &(Option<f64>, Option<f64>)| old.map(f64::to_bits) != new.map(f64::to_bits);
    found
        .into_iter()
        .filter(|(_, both)| differs(both))
        .map(|(name, (old, new))| NumberChange { name, old, new })
        .collect()
}
