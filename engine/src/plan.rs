//! What a run would do, and why. Nothing is loaded, executed or written.
//!
//! Stages are resolved against the ledger as a run would, in memory, as long as their inputs are
//! known. Below the first missing unit they are not, so only upper bounds are told there; early
//! cut-off may well make them nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use ccsr_cache::{ActionKey, Digest, ReadError, StageKey, StageMemo, Store, StoreError};
use ccsr_stage::{Bound, RowCounts, StageError, Table};
use serde::Serialize;

use crate::active::ActiveStage;
use crate::diagnostic::with_causes;
use crate::explain::{self, Change};
use crate::export;
use crate::graph::StageId;
use crate::key::{look_at_sources, stage_key, stage_value};
use crate::pipeline::{Pipeline, StageNode};

/// A plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The pipeline's name.
    pub pipeline: String,
    /// Its stages, in the order of their work.
    pub stages: Vec<StagePlan>,
}

/// What a run would do about a stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StagePlan {
    /// Its name.
    pub stage: String,
    /// Its kind.
    pub kind: String,
    /// What would be done.
    pub state: PlanState,
    /// What differs from the last time this stage was computed in this pipeline.
    pub changes: Vec<Change>,
    /// Whether it was computed in this pipeline before.
    pub known: bool,
    /// Seconds that computing the missing units would take one after the other, as far as the
    /// ledger remembers units of their kind; `None` if it remembers none, or nothing is known to be
    /// missing.
    pub seconds: Option<f64>,
    /// Exports of an unchanged stage that are not as they were left, and would be put right.
    pub exports: Vec<String>,
}

/// What a run would do about a stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PlanState {
    /// Nothing: it is recognised as a whole.
    Unchanged {
        /// Units that its result stands for.
        units: u64,
    },
    /// Its tables are collected again from outcomes that are all there.
    Collect {
        /// Units, all of them in the cache.
        units: u64,
    },
    /// Units are computed. A stage that asks in waves may ask for more after these.
    Execute {
        /// Units that are missing.
        missing: u64,
        /// Units that are in the cache.
        reused: u64,
    },
    /// It is looked at when what it reads is there.
    Wait {
        /// The stages it waits for.
        upstream: Vec<String>,
        /// At most this many units are computed.
        at_most: u64,
    },
    /// It would fail.
    Fail {
        /// Why.
        error: String,
    },
}

impl Plan {
    /// Whether a run would find everything unchanged and in its place.
    pub fn is_fresh(&self) -> bool {
        let fresh = |stage: &StagePlan| {
            matches!(stage.state, PlanState::Unchanged { .. }) && stage.exports.is_empty()
        };
        self.stages.iter().all(fresh)
    }

    /// Seconds of work that are known to be missing, and the most that may follow below; `None` where
    /// the ledger remembers nothing to go by.
    pub fn seconds(&self) -> (Option<f64>, Option<f64>) {
        let sum = |matching: fn(&PlanState) -> bool| {
            let stages = self.stages.iter().filter(|stage| matching(&stage.state));
            stages.map(|stage| stage.seconds).sum()
        };
        (
            sum(|state| matches!(state, PlanState::Execute { missing: 1.., .. })),
            sum(|state| matches!(state, PlanState::Wait { at_most: 1.., .. })),
        )
    }

    /// Units that are known to be missing, and the most that may follow below them.
    pub fn missing(&self) -> (u64, u64) {
        self.stages
            .iter()
            .fold((0, 0), |(known, more), stage| match stage.state {
                PlanState::Execute { missing, .. } => (known + missing, more),
                PlanState::Wait { at_most, .. } => (known, more.saturating_add(at_most)),
                _ => (known, more),
            })
    }
}

/// Bounds from here on stand for tables whose size nobody knows.
const UNKNOWN: u64 = u64::MAX / 1_000_000;

/// What a stage's tables will be: known, or at most so many rows.
#[derive(Clone)]
enum Foreseen {
    Known {
        tables: BTreeMap<String, Digest>,
        rows: BTreeMap<String, u64>,
    },
    AtMost(RowCounts),
}

/// Plans a run.
pub fn plan(pipeline: &Pipeline, store: &Store) -> Result<Plan, StoreError> {
    let mut planner = Planner {
        pipeline,
        store,
        foreseen: HashMap::new(),
        tables: HashMap::new(),
        planned: HashSet::new(),
        latest: store.latest_stages(&pipeline.name, &pipeline.stage_names())?,
    };
    let mut stages = Vec::new();
    for id in pipeline.graph.order() {
        let node = pipeline.stage(*id);
        let (state, foreseen, changes, known) = planner.stage(*id, node)?;
        let exports = match (&state, &foreseen) {
            (PlanState::Unchanged { .. }, Foreseen::Known { tables, .. }) => {
                stale_exports(store, node, tables)?
            }
            _ => Vec::new(),
        };
        planner.foreseen.insert(id.0, foreseen);
        let seconds = planner.seconds(node, &state)?;
        let (stage, kind) = (node.name.clone(), node.kind.to_owned());
        stages.push(StagePlan {
            stage,
            kind,
            state,
            changes,
            known,
            seconds,
            exports,
        });
    }
    Ok(Plan {
        pipeline: pipeline.name.clone(),
        stages,
    })
}

/// The exports of a stage that a run would write to.
fn stale_exports(
    store: &Store,
    node: &StageNode,
    tables: &BTreeMap<String, Digest>,
) -> Result<Vec<String>, StoreError> {
    let mut stale = Vec::new();
    for target in &node.exports {
        let known = store.exports(&target.path.path)?;
        if !export::is_current(node, target, tables[target.port], &known) {
            stale.push(target.path.display.clone());
        }
    }
    Ok(stale)
}

struct Planner<'a> {
    pipeline: &'a Pipeline,
    store: &'a Store,
    foreseen: HashMap<usize, Foreseen>,
    tables: HashMap<Digest, Arc<Table>>,
    /// What each stage came to when it was last done in this pipeline.
    latest: Vec<Option<(StageKey, StageMemo)>>,
    /// Units that are missing; a later stage that wants one of them, too, finds it computed.
    planned: HashSet<ActionKey>,
}

type Planned = (PlanState, Foreseen, Vec<Change>, bool);

impl Planner<'_> {
    fn stage(&mut self, id: StageId, node: &StageNode) -> Result<Planned, StoreError> {
        let latest = self.latest[id.0].take();
        let known = latest.is_some();
        let sources = match look_at_sources(self.store, &node.stage.sources()) {
            Ok(sources) => sources,
            Err(ccsr_cache::FileError::Store(error)) => return Err(error),
            Err(error) => {
                let (state, foreseen) = failed(node, with_causes(&error));
                return Ok((state, foreseen, Vec::new(), known));
            }
        };
        let mut digests = BTreeMap::new();
        for (port, binding) in &node.bindings {
            match &self.foreseen[&binding.stage.0] {
                Foreseen::Known { tables, .. } => drop(digests.insert(*port, tables[binding.port])),
                Foreseen::AtMost(_) => {
                    let mut changes = Vec::new();
                    if let Some((_, memo)) = &latest {
                        // What it reads is not known yet; the rest can be compared all the same.
                        let value = stage_value(self.pipeline, node, &BTreeMap::new(), &sources);
                        changes = explain::changes(&memo.explanation, &value);
                        changes.retain(|change| !change.field.starts_with("tables"));
                    }
                    let (state, foreseen) = self.wait(node);
                    return Ok((state, foreseen, changes, known));
                }
            }
        }
        let value = stage_value(self.pipeline, node, &digests, &sources);
        let key = stage_key(&value);
        let memo = match &latest {
            Some((latest, memo)) if *latest == key => Some(memo.clone()),
            _ => self.store.stage(&key)?,
        };
        if let Some(memo) = memo
            && memo.outputs.values().all(|table| self.store.has(table))
        {
            let state = PlanState::Unchanged { units: memo.units };
            let foreseen = Foreseen::Known {
                tables: memo.outputs,
                rows: memo.rows,
            };
            return Ok((state, foreseen, Vec::new(), known));
        }
        let changes = latest.map(|(_, memo)| explain::changes(&memo.explanation, &value));
        let mut tables = BTreeMap::new();
        for (port, digest) in digests {
            match self.table(digest) {
                Ok(table) => drop(tables.insert(port, table)),
                Err(_) => {
                    let (state, foreseen) = self.wait(node);
                    return Ok((state, foreseen, changes.unwrap_or_default(), known));
                }
            }
        }
        let rows: RowCounts = tables
            .iter()
            .map(|(port, table)| (*port, table.len() as u64))
            .collect();
        let active = ActiveStage::new(node, key, value, tables, sources.files, self.pipeline.seed);
        let (state, foreseen) = match active {
            Ok(active) => self.resolve(node, active, &rows)?,
            Err(error) => failed(node, error.to_string()),
        };
        Ok((state, foreseen, changes.unwrap_or_default(), known))
    }

    /// Follows the waves through the ledger.
    fn resolve(
        &mut self,
        node: &StageNode,
        mut active: ActiveStage,
        rows: &RowCounts,
    ) -> Result<(PlanState, Foreseen), StoreError> {
        let (mut reused, mut missing) = (0, 0);
        loop {
            let wanted = match active.ask(node.stage.as_ref()) {
                Ok(wanted) => wanted,
                Err(error) => return Ok(failed(node, error.to_string())),
            };
            if wanted.is_empty() {
                break;
            }
            let keys: Vec<_> = wanted.iter().map(|unit| unit.key).collect();
            for (unit, stored) in wanted.into_iter().zip(self.store.lookup(&keys)?) {
                if let Some(stored) = stored {
                    reused += 1;
                    active.resolve(unit.slot, stored.outcome);
                } else if self.planned.insert(unit.key) {
                    missing += 1;
                } else {
                    reused += 1;
                }
            }
        }
        if !active.waves.is_complete() {
            let state = PlanState::Execute { missing, reused };
            return Ok((state, Foreseen::AtMost(node.stage.bound(rows).rows)));
        }
        let units = active.waves.units();
        Ok(match active.collect(node) {
            Err(error) => failed(node, error.to_string()),
            Ok(tables) => {
                let (mut digests, mut rows) = (BTreeMap::new(), BTreeMap::new());
                for (port, table) in tables {
                    let digest = table.digest();
                    rows.insert(port.to_owned(), table.len() as u64);
                    digests.insert(port.to_owned(), digest);
                    self.tables.insert(digest, Arc::new(table));
                }
                let foreseen = Foreseen::Known {
                    tables: digests,
                    rows,
                };
                (PlanState::Collect { units }, foreseen)
            }
        })
    }

    /// What the units that are known to be missing will cost.
    fn seconds(&self, node: &StageNode, state: &PlanState) -> Result<Option<f64>, StoreError> {
        let units = match state {
            PlanState::Execute { missing, .. } => *missing,
            PlanState::Wait { at_most, .. } if *at_most < UNKNOWN => *at_most,
            _ => return Ok(None),
        };
        let each = self.store.seconds_a_unit(node.kind)?;
        Ok(each.map(|each| each * units as f64))
    }

    fn wait(&self, node: &StageNode) -> (PlanState, Foreseen) {
        let mut upstream = Vec::new();
        let (mut rows, mut known) = (RowCounts::new(), true);
        for (port, binding) in &node.bindings {
            let source = self.pipeline.stage(binding.stage);
            let count = match &self.foreseen[&binding.stage.0] {
                Foreseen::Known { rows, .. } => rows.get(binding.port).copied(),
                Foreseen::AtMost(rows) => {
                    if !upstream.contains(&source.name) {
                        upstream.push(source.name.clone());
                    }
                    rows.get(binding.port).copied()
                }
            };
            known &= count.is_some();
            rows.insert(*port, count.unwrap_or(u64::MAX));
        }
        // A stage need not know how to reckon with a table that nobody knows the size of.
        let bound = if known {
            node.stage.bound(&rows)
        } else {
            Bound {
                units: u64::MAX,
                rows: RowCounts::new(),
            }
        };
        (
            PlanState::Wait {
                upstream,
                at_most: bound.units,
            },
            Foreseen::AtMost(bound.rows),
        )
    }

    fn table(&mut self, digest: Digest) -> Result<Arc<Table>, StageError> {
        if let Some(table) = self.tables.get(&digest) {
            return Ok(table.clone());
        }
        let bytes = self.store.read(&digest).map_err(|error| match error {
            ReadError::Lost { digest, .. } => StageError::Lost(digest),
            error @ ReadError::Io { .. } => StageError::Cache(error.to_string()),
        })?;
        let table = Arc::new(Table::decode(&bytes)?);
        self.tables.insert(digest, table.clone());
        Ok(table)
    }
}

/// A stage that would fail writes nothing, so nothing is computed below it.
fn failed(node: &StageNode, error: String) -> (PlanState, Foreseen) {
    let rows = node.outputs.iter().map(|port| (port.name, 0)).collect();
    (PlanState::Fail { error }, Foreseen::AtMost(rows))
}
