//! One attempt at a run: the dispatcher.
//!
//! It owns the schedule, the active stages and the ledger; workers only execute. It never waits for
//! anything but a worker's answer or another process, and it commits each batch as it comes in.

mod batches;
mod endings;
mod failures;
mod story;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use ccsr_cache::{ActionKey, Digest, StageKey, StageMemo, StoreError};
use ccsr_stage::{StageError, Table};
use smallvec::SmallVec;

use crate::active::{ActiveStage, Written};
use crate::diagnostic::with_causes;
use crate::event::{Event, Listener};
use crate::explain;
use crate::graph::StageId;
use crate::key::{look_at_sources, stage_key, stage_value};
use crate::record::StageOutcome;
use crate::run::{Run, StageProgress};
use crate::schedule::Schedule;
use crate::slots::SlotPool;
use crate::waves::{Slot, Wanted};
use crate::worker::{Job, Report, WORKER_THREAD, Workshop};

use failures::Delayed;
use story::Story;

/// How an attempt ended.
pub(crate) enum Ending {
    /// Every stage is done, failed or skipped, or the run stopped at its first failure.
    Over,
    /// Somebody stopped it.
    Interrupted,
    /// Stages need blobs that the cache lost.
    Lost(Lost),
}

/// Blobs that the cache lost, and a stage that needs each.
pub(crate) type Lost = BTreeMap<Digest, StageId>;

/// Units that are looked up in one go: a stage may want a million.
const AT_ONCE: usize = 8192;

fn chunk(wanted: &mut impl Iterator<Item = Wanted>) -> Option<Vec<Wanted>> {
    let some: Vec<_> = wanted.take(AT_ONCE).collect();
    (!some.is_empty()).then_some(some)
}

/// How long to wait for an answer before looking whether somebody wants to stop.
const TICK: Duration = Duration::from_millis(50);

pub(crate) struct Attempt<'a, 'r> {
    run: &'a mut Run<'r>,
    story: Story<'a>,
    schedule: Schedule<'r>,
    active: BTreeMap<StageId, ActiveStage>,
    /// Who waits for a unit that is queued, executing or held elsewhere.
    waiting: HashMap<ActionKey, SmallVec<[(StageId, Slot); 1]>>,
    /// Tables that somebody holds, by digest.
    tables: HashMap<Digest, Weak<Table>>,
    /// Tables of stages whose readers have not all begun.
    awaited: HashMap<StageId, Vec<Arc<Table>>>,
    batches_out: usize,
    slots: SlotPool,
    busy: BTreeSet<Digest>,
    /// Units that failed and wait for their next chance, the first to come first.
    delayed: BinaryHeap<Reverse<Delayed>>,
    /// How often units failed in this attempt.
    failures: HashMap<ActionKey, u32>,
    /// Blobs that the cache lost, and a stage that needs each.
    lost: Lost,
    /// Why nothing more is begun.
    stopping: Option<Ending>,
    refused: Option<StoreError>,
}

impl<'a, 'r> Attempt<'a, 'r> {
    pub(crate) fn new(run: &'a mut Run<'r>, listener: Listener<'a>) -> Self {
        let schedule = Schedule::new(&run.pipeline.graph);
        let slots = run.options.slots();
        run.progress.iter_mut().for_each(StageProgress::begin_again);
        Self {
            run,
            story: Story::new(listener),
            schedule,
            active: BTreeMap::new(),
            waiting: HashMap::new(),
            tables: HashMap::new(),
            awaited: HashMap::new(),
            batches_out: 0,
            slots: SlotPool::new(slots),
            busy: BTreeSet::new(),
            delayed: BinaryHeap::new(),
            failures: HashMap::new(),
            lost: Lost::new(),
            stopping: None,
            refused: None,
        }
    }

    pub(crate) fn conclude(mut self) -> Result<Ending, StoreError> {
        let (pipeline, store) = (self.run.pipeline, self.run.store);
        let (residency, options) = (self.run.residency.clone(), self.run.options);
        let workshop = Workshop {
            pipeline,
            store,
            residency: &residency,
            environment: &options.environment,
            abandoned: options.abandoned.clone(),
        };
        let (job_sender, job_receiver) = mpsc::channel();
        let (report_sender, reports) = mpsc::channel();
        let (workshop, jobs) = (&workshop, &Mutex::new(job_receiver));
        std::thread::scope(move |scope| {
            for worker in 1..=options.workers.max(1) {
                let sender = report_sender.clone();
                std::thread::Builder::new()
                    .name(WORKER_THREAD.to_owned())
                    .spawn_scoped(scope, move || workshop.work(worker, jobs, &sender))
                    .expect("the system lets a process start a few threads");
            }
            let ending = self.dispatch(&job_sender, &reports, options.workers.max(1));
            // Workers leave when there is nobody left to send them a job.
            drop(job_sender);
            ending
        })
    }

    fn dispatch(
        &mut self,
        jobs: &Sender<Job>,
        reports: &Receiver<Report>,
        workers: usize,
    ) -> Result<Ending, StoreError> {
        loop {
            if self.stopping.is_none() && (self.run.options.stop)() {
                self.stopping = Some(Ending::Interrupted);
            }
            while self.stopping.is_none()
                && let Some(stage) = self.schedule.start()
            {
                self.begin(stage)?;
                self.let_go(stage);
            }
            self.try_again();
            while self.stopping.is_none()
                && self.batches_out < workers
                && let Some(job) = self.next_job()?
            {
                self.batches_out += 1;
                jobs.send(job)
                    .expect("workers live as long as the dispatcher");
            }
            if self.batches_out == 0 {
                if let Some(error) = self.refused.take() {
                    return Err(error);
                }
                if let Some(ending) = self.stopping.take() {
                    let failed = self.active.iter().filter(|(_, active)| active.failed);
                    let failed: Vec<_> = failed.map(|(id, _)| *id).collect();
                    for id in failed {
                        self.give_up(id);
                    }
                    if !self.lost.is_empty() {
                        return Ok(Ending::Lost(std::mem::take(&mut self.lost)));
                    }
                    return Ok(ending);
                }
                if self.active.is_empty() && self.schedule.is_over() {
                    return Ok(Ending::Over);
                }
            }
            match reports.recv_timeout(self.patience()) {
                Ok(Report::Executed(executed)) => {
                    let (executed, times) = *executed;
                    self.batches_out -= 1;
                    self.commit(executed, times)?;
                }
                Ok(Report::UnderWay { stage, words }) => {
                    let name = self.run.pipeline.stage(stage).name.clone();
                    self.story
                        .tell(stage, Event::UnderWay { stage: name, words });
                }
                Err(RecvTimeoutError::Timeout) => self.look_elsewhere(),
                Err(RecvTimeoutError::Disconnected) => {
                    unreachable!("the dispatcher holds a sender")
                }
            }
        }
    }

    /// Looks at a stage: recognises it as a whole, or starts on its units.
    fn begin(&mut self, id: StageId) -> Result<(), StoreError> {
        let (pipeline, store) = (self.run.pipeline, self.run.store);
        let node = pipeline.stage(id);
        let sources = match look_at_sources(store, &node.stage.sources()) {
            Ok(sources) => sources,
            Err(ccsr_cache::FileError::Store(error)) => return Err(error),
            Err(error) => {
                self.fail(id, &with_causes(&error));
                return Ok(());
            }
        };
        let digest = |stage: StageId, port: &str| {
            let written = self.run.progress[stage.0].written.as_ref();
            written.expect("what a ready stage reads is done").tables[port]
        };
        let bound = node
            .bindings
            .iter()
            .map(|(port, from)| (*port, digest(from.stage, from.port)));
        let bound: BTreeMap<_, _> = bound.collect();
        let value = stage_value(pipeline, node, &bound, &sources);
        let key = stage_key(&value);
        let progress = &mut self.run.progress[id.0];
        (progress.reused, progress.seconds_saved) = (0, 0.0);
        progress.value = value.clone();

        let as_a_whole = !self.run.reopened.contains(&id) && !self.run.is_forced(id);
        if as_a_whole && let Some(memo) = self.known(id, &key)? {
            self.recognise(id, memo);
            self.run.looked_at.insert(id, sources);
            return Ok(());
        }
        let latest = self.run.latest[id.0].as_ref();
        let because = latest.map(|(_, memo)| explain::changes(&memo.explanation, &value));
        let because: Vec<_> = because.iter().flatten().map(ToString::to_string).collect();
        self.run.progress[id.0].because.clone_from(&because);
        self.story.open(id, node);
        let stage = node.name.clone();
        self.story.tell(id, Event::StageStarted { stage, because });

        let mut tables = BTreeMap::new();
        for (port, digest) in bound {
            match self.table(digest) {
                Ok(table) => tables.insert(port, table),
                Err(error) => {
                    self.stage_error(id, &error);
                    return Ok(());
                }
            };
        }
        match ActiveStage::new(node, key, value, tables, sources.files, pipeline.seed) {
            Ok(active) => {
                self.active.insert(id, active);
                self.advance(id)
            }
            Err(error) => {
                self.stage_error(id, &error);
                Ok(())
            }
        }
    }

    /// What the stage of this key came to, if that is known and its tables are there.
    fn known(&self, id: StageId, key: &StageKey) -> Result<Option<StageMemo>, StoreError> {
        let (pipeline, store) = (self.run.pipeline, self.run.store);
        let is_whole = |memo: &StageMemo| memo.outputs.values().all(|table| store.has(table));
        match &self.run.latest[id.0] {
            Some((latest, memo)) if latest == key => Ok(is_whole(memo).then(|| memo.clone())),
            _ => {
                let memo = store.stage(key)?.filter(is_whole);
                if memo.is_some() {
                    let name = &self.run.node(id).name;
                    store.touch_stage(key, &pipeline.name, name)?;
                }
                Ok(memo)
            }
        }
    }

    fn recognise(&mut self, id: StageId, memo: StageMemo) {
        let progress = &mut self.run.progress[id.0];
        progress.outcome = Some(StageOutcome::Unchanged);
        progress.reused = memo.units.saturating_sub(progress.executed);
        progress.seconds_saved = memo.seconds;
        progress.written = Some(Written {
            tables: memo.outputs,
            rows: memo.rows,
        });
        let unchanged = Event::StageUnchanged {
            stage: self.run.node(id).name.clone(),
            units: memo.units,
            seconds_saved: memo.seconds,
        };
        self.story.tell(id, unchanged);
        self.schedule.complete(id);
    }

    /// Asks for waves until a unit is missing or there is nothing more.
    fn advance(&mut self, id: StageId) -> Result<(), StoreError> {
        let node = self.run.pipeline.stage(id);
        loop {
            let Some(active) = self.active.get_mut(&id) else {
                return Ok(());
            };
            let wanted = match active.ask(node.stage.as_ref()) {
                Ok(wanted) => wanted,
                Err(error) => {
                    self.stage_error(id, &error);
                    return Ok(());
                }
            };
            if wanted.is_empty() {
                if active.failed {
                    // Partitions without a failure went on to their ends.
                    if active.is_quiet() {
                        self.give_up(id);
                    }
                    return Ok(());
                }
                let complete = active.waves.is_complete();
                return if complete { self.finish(id) } else { Ok(()) };
            }
            let mut wanted = wanted.into_iter();
            while let Some(some) = chunk(&mut wanted) {
                self.look_up(id, some)?;
            }
            let active = self.active.get(&id).expect("it was there above");
            let wave = Event::Wave {
                stage: node.name.clone(),
                units: active.waves.units(),
                reused: self.run.progress[id.0].reused,
            };
            self.story.tell(id, wave);
        }
    }

    /// Resolves the units whose outcomes are known, and queues the others.
    fn look_up(&mut self, id: StageId, wanted: Vec<Wanted>) -> Result<(), StoreError> {
        let keys: Vec<_> = wanted.iter().map(|unit| unit.key).collect();
        let found = self.run.store.lookup(&keys)?;
        let active = self.active.get_mut(&id).expect("only active stages ask");
        let forced = self.run.is_forced(id);
        let progress = &mut self.run.progress[id.0];
        for (unit, stored) in wanted.into_iter().zip(found) {
            let ours = self.run.executed.contains(&unit.key);
            if let Some(stored) = stored.filter(|_| ours || !forced) {
                if !ours {
                    progress.reused += 1;
                    progress.seconds_saved += stored.seconds;
                }
                active.resolve(unit.slot, stored.outcome);
            } else {
                let waiting = self.waiting.entry(unit.key).or_default();
                if waiting.is_empty() {
                    active.enqueue(unit.key, unit.unit);
                } else {
                    progress.reused += 1;
                }
                waiting.push((id, unit.slot));
            }
        }
        Ok(())
    }

    /// A stage needs a blob that is lost. What else the units of its queue will miss is looked for
    /// once, so that all of it is made again in one go.
    fn lose(&mut self, stage: StageId, blob: Digest) {
        if !self.lost.values().any(|known| *known == stage)
            && let Some(active) = self.active.get(&stage)
        {
            let store = self.run.store;
            let queued: BTreeSet<_> = active.queued_blobs().collect();
            let missing = queued.into_iter().filter(|blob| !store.has(blob));
            self.lost.extend(missing.map(|blob| (blob, stage)));
        }
        self.lost.insert(blob, stage);
        self.stopping = Some(Ending::Over);
    }

    fn table(&mut self, digest: Digest) -> Result<Arc<Table>, StageError> {
        if let Some(table) = self.tables.get(&digest).and_then(Weak::upgrade) {
            return Ok(table);
        }
        let bytes = ccsr_stage::Blobs::read(&crate::worker::StoreBlobs(self.run.store), &digest)?;
        let table = Arc::new(Table::decode(&bytes)?);
        self.tables.insert(digest, Arc::downgrade(&table));
        Ok(table)
    }

    /// A stage has begun: tables that it was the last to wait for need not be kept at hand.
    fn let_go(&mut self, begun: StageId) {
        for upstream in self.run.pipeline.graph.upstream(begun) {
            if self.schedule.awaits(upstream) {
                continue;
            }
            self.awaited.remove(&upstream);
        }
    }
}
