//! A recorded run, and what the cache still has of it: its tables, its timeline, who read whom.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ccsr_cache::{Digest, Store, StoreError, Value};
use ccsr_engine::record::{RunRecord, StageRecord};
use ccsr_engine::timeline::Timeline;
use ccsr_stage::Table;

/// A run to report on.
pub(crate) struct Recorded<'a> {
    /// What it was and did.
    pub(crate) record: &'a RunRecord,
    /// Where its tables and images are.
    pub(crate) store: &'a Store,
    /// What executed when, if that was kept.
    pub(crate) timeline: Option<Timeline>,
    /// For each stage, the positions of those whose tables it reads.
    pub(crate) reads: Vec<BTreeSet<usize>>,
    /// The tables that came out, by stage and port; `None` if the cache lost one.
    tables: BTreeMap<(usize, String), Option<Arc<Table>>>,
}

impl<'a> Recorded<'a> {
    /// Looks at a run. Tables that the cache lost are noted, and no error.
    pub(crate) fn new(record: &'a RunRecord, store: &'a Store) -> Result<Self, StoreError> {
        let timeline = match record.run.parse() {
            Ok(id) => store.timeline(&id)?,
            Err(_) => None,
        };
        let mut read: BTreeMap<Digest, Option<Arc<Table>>> = BTreeMap::new();
        let mut tables = BTreeMap::new();
        for (position, stage) in record.stages.iter().enumerate() {
            for (port, table) in &stage.tables {
                let found = read
                    .entry(table.digest)
                    .or_insert_with(|| load(store, &table.digest));
                tables.insert((position, port.clone()), found.clone());
            }
        }
        Ok(Self {
            record,
            store,
            timeline: timeline.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
            reads: reads(record),
            tables,
        })
    }

    /// The stages with their positions, in the order of their work.
    pub(crate) fn stages(&self) -> impl DoubleEndedIterator<Item = (usize, &'a StageRecord)> {
        self.record.stages.iter().enumerate()
    }

    /// The tables of a stage that the cache has, by port.
    pub(crate) fn tables(&self, stage: usize) -> impl Iterator<Item = (&str, &Arc<Table>)> {
        self.tables
            .range((stage, String::new())..(stage + 1, String::new()))
            .filter_map(|((_, port), table)| Some((port.as_str(), table.as_ref()?)))
    }

    /// A table of a stage, if there is one and the cache has it.
    pub(crate) fn table(&self, stage: usize, port: &str) -> Option<&Arc<Table>> {
        self.tables.get(&(stage, port.to_owned()))?.as_ref()
    }

    /// The first table of a stage with these columns.
    pub(crate) fn table_with(&self, stage: usize, columns: &[&str]) -> Option<&Arc<Table>> {
        let has_all = |table: &&Arc<Table>| columns.iter().all(|name| table.find(name).is_some());
        self.tables(stage).map(|(_, table)| table).find(has_all)
    }

    /// The tables that the cache lost, as `stage` or `stage.port`.
    pub(crate) fn lost(&self) -> Vec<String> {
        let lost = self.tables.iter().filter(|(_, table)| table.is_none());
        lost.map(|((stage, port), _)| {
            let stage = &self.record.stages[*stage];
            match stage.tables.len() {
                1 => stage.name.clone(),
                _ => format!("{}.{port}", stage.name),
            }
        })
        .collect()
    }
}

fn load(store: &Store, digest: &Digest) -> Option<Arc<Table>> {
    let bytes = store.read(digest).ok()?;
    Table::decode(&bytes).ok().map(Arc::new)
}

/// Who reads whom: as the pipeline says, or, in records that do not hold it, by the tables that a
/// stage depended on.
fn reads(record: &RunRecord) -> Vec<BTreeSet<usize>> {
    let position = |name: &str| record.stages.iter().position(|stage| stage.name == name);
    let stage_of = |from: &str| position(from.split('.').next().unwrap_or(from));
    let of_stage = |stage: &StageRecord| -> BTreeSet<usize> {
        let told = record.resolved.get("stages");
        match told.and_then(|stages| stages.get(&stage.name)) {
            Some(said) => match said.get("from") {
                Some(Value::Text(from)) => stage_of(from).into_iter().collect(),
                Some(Value::Map(ports)) => ports
                    .values()
                    .filter_map(|from| stage_of(from.as_text()?))
                    .collect(),
                _ => BTreeSet::new(),
            },
            None => by_digest(record, stage),
        }
    };
    record.stages.iter().map(of_stage).collect()
}

fn by_digest(record: &RunRecord, stage: &StageRecord) -> BTreeSet<usize> {
    let Some(Value::Map(tables)) = stage.value.get("tables") else {
        return BTreeSet::new();
    };
    let writer = |digest: Digest| {
        let wrote = |stage: &StageRecord| stage.tables.values().any(|table| table.digest == digest);
        record.stages.iter().position(wrote)
    };
    tables
        .values()
        .filter_map(|table| writer(table.as_blob()?))
        .collect()
}
