//! Running a pipeline.
//!
//! [`run`] makes attempts until one comes to an end. An attempt ends early only when the cache
//! turns out to have lost blobs that somebody needs: then the outcomes that they come from no longer
//! count, the stages that may have made them are *reopened*, and the next attempt looks at those
//! unit by unit and executes again what is missing now. Outcomes whose blobs nobody reads are not
//! looked into: a checkpoint that was collected is not trained again. Whatever an attempt computed
//! is in the ledger, so the next one finds it there.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ccsr_cache::{ActionKey, Digest, RunId, StageKey, StageMemo, Store, StoreError, Value};
use ccsr_stage::Environment;

use crate::active::Written;
use crate::attempt::{Attempt, Ending, Lost};
use crate::event::{Event, Listener};
use crate::export;
use crate::graph::StageId;
use crate::key::Sources;
use crate::log::log;
use crate::pipeline::{Pipeline, StageNode};
use crate::provenance::{Provenance, files_of};
use crate::record::{
    self, DeviceRecord, RecordedFile, RunOutcome, RunRecord, StageOutcome, StageRecord,
    TableRecord, TrialRecord,
};
use crate::residency::Residency;
use crate::slots::Slots;
use crate::timeline::Recorder;
use crate::timings::Timings;

/// How to run.
pub struct RunOptions {
    /// Go on with what does not depend on a failure.
    pub keep_going: bool,
    /// Batches that may execute at a time.
    pub workers: usize,
    /// Batches that may keep the device busy at a time; `None` for no bound.
    pub device_slots: Option<u32>,
    /// Bytes that loaded resources may occupy together, and what batches say that they need; `None`
    /// for no bound.
    pub memory: Option<u64>,
    /// Stages whose units are executed even if their outcomes are known.
    pub force: Vec<StageId>,
    /// Device and threads.
    pub environment: Environment,
    /// Asked between batches: whether somebody wants the run to stop.
    pub stop: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Asked by stages that wait for somebody else: whether nobody waits for them any more.
    pub abandoned: Arc<dyn Fn() -> bool + Send + Sync>,
    /// What `--set` changed, for the record.
    pub set: Vec<String>,
    /// The program's version, for the record.
    pub version: String,
    /// What else is known about the run, for the record.
    pub provenance: Provenance,
}

impl Default for RunOptions {
    /// Two workers on the CPU, nobody who stops them.
    fn default() -> Self {
        Self {
            keep_going: false,
            workers: 2,
            device_slots: None,
            memory: None,
            force: Vec::new(),
            environment: Environment {
                device: "cpu".to_owned(),
                threads: 2,
            },
            stop: Arc::new(|| false),
            abandoned: Arc::new(|| false),
            set: Vec::new(),
            version: String::new(),
            provenance: Provenance::default(),
        }
    }
}

impl RunOptions {
    /// What there is of each kind of slot.
    pub(crate) fn slots(&self) -> Slots {
        Slots {
            cpu: u32::try_from(self.workers.max(1)).unwrap_or(u32::MAX),
            device: self.device_slots.unwrap_or(u32::MAX).max(1),
            memory: self.memory.unwrap_or(u64::MAX),
        }
    }
}

/// Runs a pipeline. Failing stages are in the record; an error is a cache that cannot be used.
pub fn run(
    pipeline: &Pipeline,
    store: &Store,
    options: &RunOptions,
    listener: Listener<'_>,
) -> Result<RunRecord, StoreError> {
    let residency = Arc::new(Residency::new(options.memory));
    run_among(pipeline, store, options, residency, None, listener)
}

/// The same for a trial, with the resources that are in memory for other trials.
pub(crate) fn run_among(
    pipeline: &Pipeline,
    store: &Store,
    options: &RunOptions,
    residency: Arc<Residency>,
    trial: Option<TrialRecord>,
    listener: Listener<'_>,
) -> Result<RunRecord, StoreError> {
    let started = Instant::now();
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let run_id = RunId::fresh();
    let span = tracing::info_span!(
        "run",
        otel.name = pipeline.name,
        run = %run_id,
        pipeline = pipeline.name,
        trial = trial.as_ref().map(|trial| trial.number),
    );
    let _within = span.enter();
    let mut listener = |event: Event| {
        log(&event);
        listener(event);
    };
    listener(Event::RunStarted {
        run: run_id.to_string(),
        pipeline: pipeline.name.clone(),
        stages: pipeline
            .graph
            .order()
            .iter()
            .map(|s| pipeline.stage(*s).name.clone())
            .collect(),
    });
    let mut run = Run {
        pipeline,
        store,
        options,
        id: run_id.clone(),
        started,
        residency,
        reopened: HashSet::new(),
        lost: HashSet::new(),
        progress: pipeline
            .stages
            .iter()
            .map(|_| StageProgress::default())
            .collect(),
        looked_at: HashMap::new(),
        latest: store.latest_stages(&pipeline.name, &pipeline.stage_names())?,
        executed: HashSet::new(),
    };
    let mut timings = Timings::new(started);
    let mut timeline = Recorder::new(started);
    let write = |record: &RunRecord| {
        let json =
            serde_json::to_vec_pretty(record).expect("a record holds nothing JSON has no word for");
        store.write_run(&run_id, &json)
    };
    let begun = since_epoch.as_secs();
    let mut record = run.record(RunOutcome::Running, begun, 0.0, Vec::new(), &timings);
    record.trial.clone_from(&trial);
    write(&record)?;
    let outcome = run.conclude(&mut |event| {
        timings.note(&event);
        timeline.note(&event);
        listener(event);
    })?;
    let files = files_of(pipeline, store, &mut run.looked_at)?;
    let seconds = started.elapsed().as_secs_f64();
    let mut record = run.record(outcome, begun, seconds, files, &timings);
    record.trial = trial;
    if let Some(timeline) = timeline.kept() {
        store.write_timeline(&run_id, &timeline)?;
    }
    write(&record)?;
    listener(Event::RunFinished {
        run: record.run.clone(),
        units_executed: record.units_executed,
        units_reused: record.units_reused,
        seconds: record.seconds,
    });
    Ok(record)
}

/// A run under way: what outlives an attempt.
pub(crate) struct Run<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) store: &'a Store,
    pub(crate) options: &'a RunOptions,
    pub(crate) id: RunId,
    pub(crate) started: Instant,
    pub(crate) residency: Arc<Residency>,
    /// Stages that are looked at unit by unit, because something of theirs was lost.
    pub(crate) reopened: HashSet<StageId>,
    /// What was lost before. A cache that loses it again is not to be trusted with it.
    lost: HashSet<Digest>,
    pub(crate) progress: Vec<StageProgress>,
    /// The files of sources as they were when their stages began.
    pub(crate) looked_at: HashMap<StageId, Sources>,
    /// What each stage came to when it was last done in this pipeline, before this run.
    pub(crate) latest: Vec<Option<(StageKey, StageMemo)>>,
    /// What this run computed: found again by a later attempt, it was not reused.
    pub(crate) executed: HashSet<ActionKey>,
}

/// What a run did about a stage so far.
#[derive(Default)]
pub(crate) struct StageProgress {
    pub(crate) outcome: Option<StageOutcome>,
    pub(crate) value: Value,
    pub(crate) because: Vec<String>,
    pub(crate) executed: u64,
    pub(crate) reused: u64,
    pub(crate) seconds: f64,
    pub(crate) seconds_saved: f64,
    pub(crate) written: Option<Written>,
    pub(crate) exports: Vec<String>,
    pub(crate) errors: Vec<String>,
    pub(crate) notes: BTreeSet<String>,
}

impl StageProgress {
    /// Before another attempt: what was computed stays, what became of the stage does not.
    pub(crate) fn begin_again(&mut self) {
        *self = Self {
            value: std::mem::take(&mut self.value),
            because: std::mem::take(&mut self.because),
            executed: self.executed,
            seconds: self.seconds,
            notes: std::mem::take(&mut self.notes),
            ..Self::default()
        };
    }
}

impl Run<'_> {
    fn conclude(&mut self, listener: Listener<'_>) -> Result<RunOutcome, StoreError> {
        loop {
            let lost = match Attempt::new(self, listener).conclude()? {
                Ending::Interrupted => return Ok(RunOutcome::Interrupted),
                Ending::Lost(lost) => lost,
                Ending::Over => self.export(listener)?,
            };
            if lost.is_empty() {
                break;
            }
            self.heal(&lost, listener)?;
        }
        let good = |p: &StageProgress| {
            matches!(
                p.outcome,
                Some(StageOutcome::Unchanged | StageOutcome::Resolved)
            )
        };
        let failed = |p: &StageProgress| !good(p) || !p.errors.is_empty();
        let failed = self.progress.iter().any(failed);
        Ok(if failed {
            RunOutcome::Failed
        } else {
            RunOutcome::Done
        })
    }

    /// Makes the outcomes that lost blobs come from count no longer, and reopens their stages.
    fn heal(&mut self, lost: &Lost, listener: Listener<'_>) -> Result<(), StoreError> {
        for stage in lost.values().collect::<BTreeSet<_>>() {
            let blobs = lost.values().filter(|needs| *needs == stage).count() as u64;
            let stage_name = self.node(*stage).name.clone();
            listener(Event::Healing {
                stage: stage_name,
                blobs,
            });
            self.reopened
                .extend(self.pipeline.graph.with_ancestors(*stage));
        }
        for blob in lost.keys() {
            if !self.lost.insert(*blob) {
                return Err(StoreError::Io {
                    path: self.store.object_path(blob),
                    operation: "keep",
                    source: std::io::Error::other(
                        "objects get lost again as soon as they are written; check the disk",
                    ),
                });
            }
            self.store.discard(blob);
            let producers = self.store.producers(blob)?;
            for outcome in self.store.lookup(&producers)?.into_iter().flatten() {
                for named in outcome.outcome.blobs() {
                    // Reading removes what is damaged and would be taken for its own heir.
                    let _ = self.store.read(&named);
                }
            }
            self.store.invalidate(&producers)?;
        }
        Ok(())
    }

    /// Materialises the tables of the stages that are done. The answer is what was lost.
    fn export(&mut self, listener: Listener<'_>) -> Result<Lost, StoreError> {
        let mut lost = Lost::new();
        for &id in self.pipeline.graph.order() {
            let node = self.pipeline.stage(id);
            self.progress[id.0].exports.clear();
            for target in &node.exports {
                let Some(written) = &self.progress[id.0].written else {
                    continue;
                };
                match export::materialise(self.store, node, target, written.tables[target.port]) {
                    Ok(exported) => {
                        self.progress[id.0]
                            .exports
                            .push(target.path.display.clone());
                        listener(Event::Exported {
                            stage: node.name.clone(),
                            path: target.path.display.clone(),
                            files: exported.files,
                            written: exported.written,
                        });
                    }
                    Err(export::ExportError::Lost(blobs)) => {
                        lost.extend(blobs.into_iter().map(|blob| (blob, id)));
                    }
                    Err(export::ExportError::Store(error)) => return Err(error),
                    Err(error) => {
                        let error = error.to_string();
                        self.progress[id.0].errors.push(error.clone());
                        listener(Event::StageFailed {
                            stage: node.name.clone(),
                            error,
                        });
                    }
                }
            }
        }
        Ok(lost)
    }

    /// Whether the stage's units are executed even if their outcomes are known.
    pub(crate) fn is_forced(&self, id: StageId) -> bool {
        self.options.force.contains(&id)
    }

    pub(crate) fn node(&self, id: StageId) -> &StageNode {
        self.pipeline.stage(id)
    }

    fn record(
        &self,
        outcome: RunOutcome,
        started: u64,
        seconds: f64,
        files: Vec<RecordedFile>,
        timings: &Timings,
    ) -> RunRecord {
        let stages: Vec<_> = self
            .pipeline
            .graph
            .order()
            .iter()
            .map(|id| self.stage_record(*id, timings))
            .collect();
        let asks_model = |id: &&StageId| self.node(**id).uses_model;
        let executed = |id: &StageId| self.progress[id.0].executed;
        RunRecord {
            run: self.id.to_string(),
            format: record::FORMAT,
            outcome,
            pipeline: self.pipeline.name.clone(),
            file: self.pipeline.file.clone(),
            suite: self.pipeline.suite.clone(),
            seed: self.pipeline.seed,
            set: self.options.set.clone(),
            started,
            seconds,
            seconds_saved: stages.iter().map(|stage| stage.seconds_saved).sum(),
            units_executed: stages.iter().map(|stage| stage.executed).sum(),
            model_units_executed: self
                .pipeline
                .graph
                .order()
                .iter()
                .filter(asks_model)
                .map(executed)
                .sum(),
            units_reused: stages.iter().map(|stage| stage.reused).sum(),
            version: self.options.version.clone(),
            trial: None,
            suite_named: self.pipeline.origin.suite.clone(),
            reproduces: self.options.provenance.reproduces.clone(),
            host: self.options.provenance.host.clone(),
            device: DeviceRecord {
                name: self.options.environment.device.clone(),
                threads: self.options.environment.threads as u64,
                workers: self.options.workers as u64,
            },
            resolved: self.pipeline.origin.resolved.clone(),
            files,
            stages,
        }
    }

    fn stage_record(&self, id: StageId, timings: &Timings) -> StageRecord {
        let (node, progress) = (self.node(id), &self.progress[id.0]);
        let tables = progress.written.iter().flat_map(|written| {
            let rows = |port: &str| written.rows.get(port).copied().unwrap_or_default();
            let record = |(port, digest): (&String, &Digest)| {
                (
                    port.clone(),
                    TableRecord {
                        digest: *digest,
                        rows: rows(port),
                    },
                )
            };
            written
                .tables
                .iter()
                .map(record)
                .collect::<BTreeMap<_, _>>()
        });
        StageRecord {
            name: node.name.clone(),
            kind: node.kind.to_owned(),
            outcome: progress.outcome.unwrap_or(StageOutcome::NotReached),
            because: progress.because.clone(),
            executed: progress.executed,
            reused: progress.reused,
            seconds: progress.seconds,
            span: timings.of(&node.name),
            seconds_saved: progress.seconds_saved,
            tables: tables.collect(),
            exports: progress.exports.clone(),
            value: progress.value.clone(),
            errors: progress.errors.clone(),
            notes: progress.notes.iter().cloned().collect(),
        }
    }
}
