//! Running the trials of a sweep.
//!
//! So many *lanes* as trials may run at a time take one trial after the other. Each has the store
//! open for itself, so what two trials need is computed by whoever claims it first, as if they were
//! two processes; loaded resources are shared. The calling thread hands out trials and listens.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use ccsr_cache::{RunId, Store, StoreError};

use super::Sweep;
use crate::diagnostic::Diagnostic;
use crate::event::Event;
use crate::pipeline::Pipeline;
use crate::record::{RunOutcome, RunRecord, StageOutcome, TrialRecord};
use crate::residency::Residency;
use crate::run::{RunOptions, run_among};

/// How to run a sweep.
pub struct SweepOptions {
    /// Trials that may run at a time.
    pub trials_at_once: usize,
    /// How to run each. Workers and device slots are divided among the trials at a time.
    pub run: RunOptions,
}

/// Something that happened. Trials are numbered from 1.
#[derive(Clone, Debug)]
pub enum SweepEvent {
    /// A trial begins.
    TrialStarted {
        /// The trial.
        trial: usize,
    },
    /// Something happened in a trial.
    Trial {
        /// The trial.
        trial: usize,
        /// What.
        event: Event,
    },
    /// A trial is over.
    TrialFinished {
        /// What became of it.
        summary: TrialSummary,
    },
}

/// What became of a trial.
#[derive(Clone, Debug)]
pub struct TrialSummary {
    /// The trial, from 1.
    pub trial: usize,
    /// Its run; `None` if it did not come to one.
    pub run: Option<String>,
    /// How it ended.
    pub outcome: RunOutcome,
    /// Whether every stage was recognised as a whole: nothing was looked at.
    pub unchanged: bool,
    /// Units that were computed.
    pub units_executed: u64,
    /// Units whose outcomes were found in the cache.
    pub units_reused: u64,
    /// How long it took.
    pub seconds: f64,
    /// The first error of each stage that failed, with the stage.
    pub errors: Vec<String>,
}

impl TrialSummary {
    fn new(trial: usize, record: &RunRecord) -> Self {
        let failed = record.stages.iter().filter_map(|stage| {
            let error = stage.errors.first()?;
            Some(format!("`{}` failed: {error}", stage.name))
        });
        let mut outcomes = record.stages.iter().map(|stage| stage.outcome);
        Self {
            trial,
            run: Some(record.run.clone()),
            outcome: record.outcome,
            unchanged: outcomes.all(|outcome| outcome == StageOutcome::Unchanged),
            units_executed: record.units_executed,
            units_reused: record.units_reused,
            seconds: record.seconds,
            errors: failed.collect(),
        }
    }
}

impl TrialSummary {
    /// A trial whose files are not what they were when all trials were compiled.
    fn broken(trial: usize, problems: &[Diagnostic]) -> Self {
        Self {
            trial,
            run: None,
            outcome: RunOutcome::Failed,
            unchanged: false,
            units_executed: 0,
            units_reused: 0,
            seconds: 0.0,
            errors: problems.iter().map(ToString::to_string).collect(),
        }
    }
}

/// A trial for a lane.
struct Job {
    trial: usize,
    pipeline: Pipeline,
    set: Vec<String>,
    record: TrialRecord,
}

/// What a lane tells.
enum Told {
    Event(usize, Event),
    Finished(Result<TrialSummary, StoreError>),
}

/// What lanes share.
struct Lanes<'a> {
    open: &'a (dyn Fn() -> Result<Store, StoreError> + Sync),
    options: &'a RunOptions,
    workers: usize,
    device_slots: Option<u32>,
    residency: Arc<Residency>,
}

/// Runs every trial of a sweep. The answer: those that came to an end, in the order in which they
/// did; fewer than there are if somebody stopped it. An error is a cache that cannot be used.
pub fn run(
    sweep: &mut Sweep<'_>,
    open: &(dyn Fn() -> Result<Store, StoreError> + Sync),
    options: &SweepOptions,
    listener: &mut dyn FnMut(SweepEvent),
) -> Result<Vec<TrialSummary>, StoreError> {
    let at_once = options.trials_at_once.clamp(1, sweep.trials.len().max(1));
    let share = |all: usize| (all / at_once).max(1);
    let lanes = Lanes {
        open,
        options: &options.run,
        workers: share(options.run.workers),
        device_slots: options
            .run
            .device_slots
            .map(|all| share(all as usize) as u32),
        residency: Arc::new(Residency::new(options.run.memory)),
    };
    let (job_sender, job_receiver) = mpsc::channel();
    let (told_sender, told_receiver) = mpsc::channel();
    let (lanes, jobs) = (&lanes, &Mutex::new(job_receiver));
    std::thread::scope(move |scope| {
        for _ in 0..at_once {
            let told = told_sender.clone();
            scope.spawn(move || lanes.work(jobs, &told));
        }
        drop(told_sender);
        let ended = hand_out(
            sweep,
            at_once,
            &options.run,
            &job_sender,
            &told_receiver,
            listener,
        );
        // Lanes leave when there is nobody left to send them a trial.
        drop(job_sender);
        ended
    })
}

fn hand_out(
    sweep: &mut Sweep<'_>,
    at_once: usize,
    options: &RunOptions,
    jobs: &Sender<Job>,
    told: &Receiver<Told>,
    listener: &mut dyn FnMut(SweepEvent),
) -> Result<Vec<TrialSummary>, StoreError> {
    let id = RunId::fresh().to_string();
    let count = sweep.trials.len();
    let (mut next, mut under_way) = (0, 0);
    let mut ended = Vec::with_capacity(count);
    let mut refused = None;
    loop {
        while refused.is_none() && next < count && under_way < at_once && !(options.stop)() {
            next += 1;
            let pipeline = match sweep.pipeline(next - 1) {
                Ok(pipeline) => pipeline,
                Err(problems) => {
                    let summary = TrialSummary::broken(next, &problems);
                    ended.push(summary.clone());
                    listener(SweepEvent::TrialFinished { summary });
                    continue;
                }
            };
            let record = TrialRecord {
                sweep: id.clone(),
                name: sweep.name.clone(),
                number: next as u64,
                of: count as u64,
            };
            let job = Job {
                trial: next,
                pipeline,
                set: sweep.set_of(&sweep.trials[next - 1]),
                record,
            };
            under_way += 1;
            listener(SweepEvent::TrialStarted { trial: next });
            jobs.send(job).expect("lanes live as long as jobs are sent");
        }
        if under_way == 0 {
            return refused.map_or(Ok(ended), Err);
        }
        match told.recv().expect("a lane at work tells its end") {
            Told::Event(trial, event) => listener(SweepEvent::Trial { trial, event }),
            Told::Finished(result) => {
                under_way -= 1;
                match result {
                    Ok(summary) => {
                        listener(SweepEvent::TrialFinished {
                            summary: summary.clone(),
                        });
                        ended.push(summary);
                    }
                    Err(error) => refused = refused.or(Some(error)),
                }
            }
        }
    }
}

impl Lanes<'_> {
    /// Runs trials until there are no more.
    fn work(&self, jobs: &Mutex<Receiver<Job>>, told: &Sender<Told>) {
        let mut store = None;
        loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else { return };
            let opened = store.take().map_or_else(self.open, Ok);
            let result = opened.and_then(|opened| {
                let summary = self.run(job, store.insert(opened), told)?;
                Ok(summary)
            });
            if told.send(Told::Finished(result)).is_err() {
                return;
            }
        }
    }

    fn run(
        &self,
        job: Job,
        store: &Store,
        told: &Sender<Told>,
    ) -> Result<TrialSummary, StoreError> {
        let options = RunOptions {
            keep_going: self.options.keep_going,
            workers: self.workers,
            device_slots: self.device_slots,
            memory: self.options.memory,
            force: self.options.force.clone(),
            environment: self.options.environment.clone(),
            stop: self.options.stop.clone(),
            abandoned: self.options.abandoned.clone(),
            set: job.set,
            version: self.options.version.clone(),
            provenance: self.options.provenance.clone(),
        };
        let mut listener = |event| {
            // The sweep listens as long as a trial is under way.
            let _ = told.send(Told::Event(job.trial, event));
        };
        let record = run_among(
            &job.pipeline,
            store,
            &options,
            self.residency.clone(),
            Some(job.record),
            &mut listener,
        )?;
        Ok(TrialSummary::new(job.trial, &record))
    }
}
