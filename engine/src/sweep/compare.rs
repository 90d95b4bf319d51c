//! What is known of a sweep's trials: their metrics, and what became of them. Nothing is computed.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use ccsr_cache::{Digest, ReadError, StageMemo, Store, StoreError};
use ccsr_stage::Table;
use serde::Serialize;

use super::Sweep;
use crate::graph::StageId;
use crate::metrics::{self, MAX_ROWS, Metric, is_meant};
use crate::pipeline::Pipeline;
use crate::record::{RunOutcome, RunRecord};
use crate::show;

/// What is known of a sweep.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The paths that its trials set, in their order.
    pub parameters: Vec<String>,
    /// The names of metrics that a trial has, in the order of their tables.
    pub metrics: Vec<String>,
    /// Its trials, in order.
    pub trials: Vec<Compared>,
    /// What its trials were held against, if they were: parameters by their places, and their values.
    pub against: Vec<(usize, String)>,
}

/// What is known of a trial.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The trial, from 1.
    pub trial: usize,
    /// Its value for each parameter, as it would be typed.
    pub values: Vec<Option<String>>,
    /// What became of it.
    pub state: TrialState,
    /// Units that its runs computed.
    pub units_executed: u64,
    /// How long its runs took together.
    pub seconds: f64,
    /// Its number for each metric.
    pub metrics: Vec<Option<f64>>,
}

/// What became of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialState {
    /// All its tables are known.
    Done,
    /// A stage failed when it ran last.
    Failed,
    /// Somebody stopped it.
    Interrupted,
    /// It was done, but the pipeline changed since.
    Changed,
    /// It was not run.
    NotRun,
}

/// Looks at every trial. `patterns` say which metrics are wanted; without any, those of the tables
/// that no other stage reads.
pub fn compare(
    sweep: &mut Sweep<'_>,
    store: &Store,
    patterns: &[String],
) -> Result<Comparison, StoreError> {
    let history = History::read(store)?;
    let mut parameters: Vec<String> = Vec::new();
    let mut trials = Vec::with_capacity(sweep.trials.len());
    let mut known = Vec::with_capacity(sweep.trials.len());
    for index in 0..sweep.trials.len() {
        let pipeline = sweep.pipeline(index).ok();
        let trial = &sweep.trials[index];
        let (mut memos, mut past, mut is_complete) = (BTreeMap::new(), Past::default(), false);
        if let Some(pipeline) = &pipeline {
            memos = show::known(pipeline, store)?;
            past = history.of(pipeline, sweep.set_of(trial));
            is_complete = memos.len() == pipeline.stages.len();
        }
        for (path, _) in trial.values() {
            if !parameters.contains(path) {
                parameters.push(path.clone());
            }
        }
        trials.push(Compared {
            trial: index + 1,
            values: Vec::new(),
            state: match past.last {
                _ if is_complete => TrialState::Done,
                None => TrialState::NotRun,
                Some(RunOutcome::Done) => TrialState::Changed,
                Some(RunOutcome::Failed) => TrialState::Failed,
                Some(RunOutcome::Interrupted | RunOutcome::Running) => TrialState::Interrupted,
            },
            units_executed: past.units_executed,
            seconds: past.seconds,
            metrics: Vec::new(),
        });
        let found = pipeline.map(|pipeline| tables(&pipeline, &memos, patterns.is_empty()));
        known.push(found.unwrap_or_default());
    }
    for (compared, trial) in trials.iter_mut().zip(&sweep.trials) {
        let value = |path: &String| {
            let mut values = trial.values().iter().rev();
            values
                .find(|(known, _)| known == path)
                .map(|(_, value)| value.clone())
        };
        compared.values = parameters.iter().map(value).collect();
    }
    let (names, cells) = numbers(store, &known, patterns)?;
    for (compared, cells) in trials.iter_mut().zip(cells) {
        let cell = |name: &String| cells.get(name).copied();
        compared.metrics = names.iter().map(cell).collect();
    }
    Ok(Comparison {
        parameters,
        metrics: names,
        trials,
        against: Vec::new(),
    })
}

/// A table of a trial.
struct Known {
    stage: String,
    /// Its port, unless it is the stage's first.
    port: Option<&'static str>,
    digest: Digest,
    rows: u64,
}

/// The tables of a trial that may have metrics.
fn tables(
    pipeline: &Pipeline,
    memos: &BTreeMap<StageId, StageMemo>,
    only_last: bool,
) -> Vec<Known> {
    let bindings = pipeline
        .stages
        .iter()
        .flat_map(|node| node.bindings.values());
    let read: BTreeSet<(StageId, &str)> = bindings.map(|from| (from.stage, from.port)).collect();
    let mut found = Vec::new();
    for id in pipeline.graph.order() {
        let Some(memo) = memos.get(id) else { continue };
        let node = pipeline.stage(*id);
        for (position, port) in node.outputs.iter().enumerate() {
            let is_wanted = !only_last || !read.contains(&(*id, port.name));
            if let Some(digest) = memo.outputs.get(port.name).filter(|_| is_wanted) {
                found.push(Known {
                    stage: node.name.clone(),
                    port: (position > 0).then_some(port.name),
                    digest: *digest,
                    rows: memo.rows.get(port.name).copied().unwrap_or_default(),
                });
            }
        }
    }
    found
}

/// The names of all metrics, and each trial's numbers.
type Numbers = (Vec<String>, Vec<HashMap<String, f64>>);

fn numbers(
    store: &Store,
    trials: &[Vec<Known>],
    patterns: &[String],
) -> Result<Numbers, StoreError> {
    // A table that is large in one trial is told by its means in all: others would not compare.
    let large: BTreeSet<_> = trials
        .iter()
        .flatten()
        .filter(|table| table.rows > MAX_ROWS as u64)
        .map(|table| (&table.stage, table.port))
        .collect();
    let is_wanted = |metric: &Metric| {
        patterns.is_empty()
            || patterns
                .iter()
                .any(|pattern| is_meant(pattern, &metric.name))
    };
    let mut names: Vec<String> = Vec::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut told: HashMap<(&String, Option<&str>, Digest), Vec<Metric>> = HashMap::new();
    let mut cells = Vec::with_capacity(trials.len());
    for tables in trials {
        let mut of_trial = HashMap::new();
        for table in tables {
            let place = (&table.stage, table.port, table.digest);
            let found = match told.entry(place) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let is_large = large.contains(&(&table.stage, table.port));
                    let mut found = table.metrics(store, is_large)?;
                    found.retain(is_wanted);
                    unknown.insert(found)
                }
            };
            for metric in &*found {
                if seen.insert(metric.name.clone()) {
                    names.push(metric.name.clone());
                }
                of_trial.insert(metric.name.clone(), metric.value);
            }
        }
        cells.push(of_trial);
    }
    Ok((names, cells))
}

impl Known {
    /// Its metrics; none if the cache lost it.
    fn metrics(&self, store: &Store, by_means: bool) -> Result<Vec<Metric>, StoreError> {
        let table = read(store, &self.digest)?;
        Ok(match table {
            None => Vec::new(),
            Some(table) if by_means => metrics::means(&self.stage, self.port, &table),
            Some(table) => metrics::metrics(&self.stage, self.port, &table),
        })
    }
}

/// A table; `None` if the cache lost it.
fn read(store: &Store, digest: &Digest) -> Result<Option<Table>, StoreError> {
    match store.read(digest) {
        Ok(bytes) => Ok(Table::decode(&bytes).ok()),
        Err(ReadError::Lost { .. }) => Ok(None),
        Err(ReadError::Io { path, source }) => Err(StoreError::Io {
            path,
            operation: "read",
            source,
        }),
    }
}

/// What past runs did, by what distinguishes trials.
struct History(HashMap<RunOf, Past>);

/// A pipeline's file, its suite, and what was set, in alphabetical order.
type RunOf = (String, Option<String>, Vec<String>);

/// What the runs of one trial did.
#[derive(Clone, Copy, Default)]
struct Past {
    /// How the last one ended.
    last: Option<RunOutcome>,
    units_executed: u64,
    seconds: f64,
}

impl History {
    fn read(store: &Store) -> Result<Self, StoreError> {
        let mut runs: HashMap<RunOf, Past> = HashMap::new();
        for id in store.runs()? {
            let Some(bytes) = store.run(&id)? else {
                continue;
            };
            let Ok(record) = serde_json::from_slice::<RunRecord>(&bytes) else {
                continue;
            };
            let past = runs
                .entry(run_of(record.file, record.suite, record.set))
                .or_default();
            // They come newest first.
            past.last = past.last.or(Some(record.outcome));
            past.units_executed += record.units_executed;
            past.seconds += record.seconds;
        }
        Ok(Self(runs))
    }

    fn of(&self, pipeline: &Pipeline, set: Vec<String>) -> Past {
        let run = run_of(pipeline.file.clone(), pipeline.suite.clone(), set);
        self.0.get(&run).copied().unwrap_or_default()
    }
}

fn run_of(file: String, suite: Option<String>, mut set: Vec<String>) -> RunOf {
    set.sort();
    (file, suite, set)
}
