//! Workers: they execute batches and put the blobs of the outcomes on disk. They decide nothing,
//! and they do not touch the ledger.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ccsr_cache::{ActionKey, Digest, ReadError, Store, StoreError, Value};
use ccsr_stage::{Batch, Blobs, Environment, Limits, Resource, StageError, Unit};
use tracing::Span;

use crate::active::guarded;
use crate::event::BatchSpan;
use crate::graph::StageId;
use crate::pipeline::Pipeline;
use crate::residency::Residency;
use crate::slots::Slots;

/// The name of the threads that execute batches. A panic in one of them is reported as the error
/// of its batch, so a program's panic hook should keep quiet about it.
pub const WORKER_THREAD: &str = "ccsr-worker";

/// A batch to execute.
pub(crate) struct Job {
    pub(crate) stage: StageId,
    pub(crate) keys: Vec<ActionKey>,
    pub(crate) units: Vec<Arc<Unit>>,
    /// The resource that all units name, and its identity.
    pub(crate) resource: Option<(Arc<str>, Digest)>,
    /// What it occupies.
    pub(crate) need: Slots,
    /// When the stage's time is over.
    pub(crate) deadline: Option<Instant>,
    /// The stage's span.
    pub(crate) span: Span,
}

/// What became of a batch.
pub(crate) struct Executed {
    pub(crate) job: Job,
    /// One result a unit. The blobs of the good ones are on disk.
    pub(crate) results: Vec<Result<Value, StageError>>,
    /// Seconds for the whole batch, loading not counted.
    pub(crate) seconds: f64,
    /// What people should know about the good ones.
    pub(crate) notes: Vec<String>,
    /// The cache refused the blobs: nothing of the batch counts.
    pub(crate) refused: Option<StoreError>,
}

/// What workers say.
pub(crate) enum Report {
    /// A batch was executed, and when.
    Executed(Box<(Executed, Times)>),
    /// A batch of a stage is under way, and says how far it is.
    UnderWay { stage: StageId, words: String },
}

/// Who is told how far a batch is.
type Listener<'a> = dyn Fn(&str) + Sync + 'a;

/// Where and when a batch executed.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// The worker, from 1.
    pub(crate) worker: usize,
    pub(crate) began: Instant,
    /// When its resource was there.
    pub(crate) loaded: Instant,
    pub(crate) ended: Instant,
}

impl Times {
    /// The same, in seconds after the run began.
    pub(crate) fn span(self, run_began: Instant) -> BatchSpan {
        let after = |instant: Instant| {
            let since = instant.saturating_duration_since(run_began);
            since.as_secs_f64()
        };
        BatchSpan {
            worker: self.worker as u64,
            began: after(self.began),
            loaded: after(self.loaded),
            ended: after(self.ended),
        }
    }
}

/// What workers share.
pub(crate) struct Workshop<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) store: &'a Store,
    pub(crate) residency: &'a Residency,
    pub(crate) environment: &'a Environment,
    /// Asked by stages that wait for somebody else.
    pub(crate) abandoned: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Workshop<'_> {
    /// Executes jobs until there are no more.
    pub(crate) fn work(
        &self,
        worker: usize,
        jobs: &Mutex<Receiver<Job>>,
        reports: &Sender<Report>,
    ) {
        loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else { return };
            let began = Instant::now();
            let (stage, units) = (&*self.pipeline.stage(job.stage).name, job.units.len());
            let span = tracing::info_span!(parent: &job.span, "batch", stage, units, worker);
            let id = job.stage;
            let told = |words: &str| {
                let (stage, words) = (id, words.to_owned());
                // Nobody listens any more when the run ends.
                let _ = reports.send(Report::UnderWay { stage, words });
            };
            let (executed, loaded) = span.in_scope(|| self.execute(job, &told));
            let times = Times {
                worker,
                began,
                loaded,
                ended: Instant::now(),
            };
            if reports
                .send(Report::Executed(Box::new((executed, times))))
                .is_err()
            {
                return;
            }
        }
    }

    /// What became of the job, and when its resource was there.
    fn execute(&self, job: Job, told: &Listener<'_>) -> (Executed, Instant) {
        let resource = self.resource(&job);
        let loaded = Instant::now();
        let executed = match resource {
            Ok(resource) => self.execute_with(resource.as_deref(), job, told),
            Err(error) => all_failed(job, &error),
        };
        (executed, loaded)
    }

    fn execute_with(
        &self,
        resource: Option<&dyn Resource>,
        job: Job,
        told: &Listener<'_>,
    ) -> Executed {
        let node = self.pipeline.stage(job.stage);
        let (stage, environment) = (&node.stage, node.execution.environment(self.environment));
        let blobs = StoreBlobs(self.store);
        let limits = Limits::none()
            .with_deadline(job.deadline)
            .with_abandoned(self.abandoned.clone());
        let batch = Batch {
            units: &job.units,
            resource,
            blobs: &blobs,
            environment: &environment,
            limits: &limits,
            listener: told,
        };
        let started = Instant::now();
        let outcomes = match catch_unwind(AssertUnwindSafe(|| stage.execute(&batch))) {
            Ok(outcomes) if outcomes.len() == job.units.len() => outcomes,
            Ok(outcomes) => {
                let text = format!("{} results for {} units", outcomes.len(), job.units.len());
                return all_failed(job, &StageError::Panicked(text));
            }
            Err(panic) => {
                return all_failed(job, &StageError::of_panic(panic.as_ref()));
            }
        };
        let (mut bytes, mut notes) = (Vec::new(), Vec::new());
        let mut results = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            results.push(outcome.and_then(|mut outcome| {
                notes.extend(outcome.take_note());
                let (value, blobs) = outcome.into_parts();
                check_blobs(&value, &blobs, self.store)?;
                bytes.extend(blobs.into_iter().map(|(_, bytes)| bytes));
                Ok(value)
            }));
        }
        let seconds = started.elapsed().as_secs_f64();
        let refused = self.store.put_all(&bytes).err();
        Executed {
            job,
            results,
            seconds,
            notes,
            refused,
        }
    }

    fn resource(&self, job: &Job) -> Result<Option<Arc<dyn Resource>>, StageError> {
        let Some((name, identity)) = &job.resource else {
            return Ok(None);
        };
        let node = self.pipeline.stage(job.stage);
        let (stage, environment) = (&node.stage, node.execution.environment(self.environment));
        self.residency
            .get(*identity, || {
                let _loading = tracing::info_span!("load", resource = %name).entered();
                guarded(|| stage.load(name, &environment))
            })
            .map(Some)
    }
}

/// An outcome may name its own blobs and such as the cache holds, nothing else.
fn check_blobs(
    value: &Value,
    blobs: &[(Digest, Vec<u8>)],
    store: &Store,
) -> Result<(), StageError> {
    let own: HashSet<Digest> = blobs.iter().map(|(digest, _)| *digest).collect();
    match value
        .blobs()
        .into_iter()
        .find(|digest| !own.contains(digest) && !store.has(digest))
    {
        Some(digest) => Err(StageError::Panicked(format!(
            "the outcome names a blob it did not give, {digest}"
        ))),
        None => Ok(()),
    }
}

fn all_failed(job: Job, error: &StageError) -> Executed {
    let results = job.units.iter().map(|_| Err(error.again())).collect();
    Executed {
        job,
        results,
        seconds: 0.0,
        notes: Vec::new(),
        refused: None,
    }
}

/// The store as stages see it.
pub(crate) struct StoreBlobs<'a>(pub(crate) &'a Store);

impl Blobs for StoreBlobs<'_> {
    fn read(&self, digest: &Digest) -> Result<Vec<u8>, StageError> {
        self.0.read(digest).map_err(|error| match error {
            ReadError::Lost { digest, .. } => StageError::Lost(digest),
            error @ ReadError::Io { .. } => StageError::Cache(error.to_string()),
        })
    }
}
