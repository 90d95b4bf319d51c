//! Calling the program: for each unit, for many together, or for tables.

use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ccsr_stage::{Batch, Outcome, Unit};

use super::call::Call;
use super::failure::Failure;
use super::process::Watch;
use super::{Per, RunCommand};

/// Of a batch whose process failed, how many more may fail while it is found out for which rows.
const MOST_FAILURES: usize = 16;

/// What a batch gave, by unit.
pub(super) type Results = Vec<Result<Outcome, Failure>>;

/// Calls the program for the units of a batch.
pub(super) fn execute(stage: &RunCommand, batch: &Batch<'_>) -> Results {
    let folder = tempfile::Builder::new()
        .prefix("ccsr-command-")
        .tempdir_in(&stage.temporary);
    let folder = match folder {
        Ok(folder) => folder,
        Err(error) => {
            let failure = stage.unprepared(&stage.temporary, &error);
            return batch.units.iter().map(|_| Err(failure.clone())).collect();
        }
    };
    let timeout = stage.params.timeout.as_ref().map(|span| span.time);
    let work = Work {
        stage,
        batch,
        folder: folder.path(),
        watch: Watch::new(batch.limits, timeout),
        calls: AtomicUsize::new(0),
    };
    std::thread::scope(|scope| {
        scope.spawn(|| work.watch.keep());
        let _end = End(&work.watch);
        match stage.params.per {
            Per::Batch => work.together(),
            Per::Row | Per::Table => work.each(),
        }
    })
}

/// Lets the watch end when the work has, however that ends.
struct End<'a>(&'a Watch<'a>);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A batch at work.
pub(super) struct Work<'a> {
    pub(super) stage: &'a RunCommand,
    pub(super) batch: &'a Batch<'a>,
    /// Gone when the batch is done.
    pub(super) folder: &'a Path,
    pub(super) watch: Watch<'a>,
    calls: AtomicUsize,
}

impl Work<'_> {
    /// A process a unit, as many at a time as there are threads.
    fn each(&self) -> Results {
        let units = self.batch.units;
        let next = AtomicUsize::new(0);
        let done: Mutex<Vec<_>> = Mutex::new(units.iter().map(|_| None).collect());
        let work = || {
            let mut said = None;
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(unit) = units.get(at..=at) else {
                    return;
                };
                let outcome = self.call(unit, &mut said).map(|mut given| given.remove(0));
                done.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(outcome);
            }
        };
        let threads = self.batch.environment.threads.clamp(1, units.len().max(1));
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        let done = done.into_iter();
        done.map(|outcome| outcome.expect("every unit was worked on"))
            .collect()
    }

    /// One process for all units. If it fails, its rows are halved until it is known which are to
    /// blame, so that the others are not lost; unless all of them seem to be.
    fn together(&self) -> Results {
        let units = self.batch.units;
        let mut results: Results = Vec::with_capacity(units.len());
        let mut waiting = vec![units];
        let mut failures = 0;
        let mut said = None;
        while let Some(part) = waiting.pop() {
            match self.call(part, &mut said) {
                Ok(outcomes) => results.extend(outcomes.into_iter().map(Ok)),
                Err(failure) => {
                    failures += 1;
                    let halve = failure.may_be_one_rows() && failures <= MOST_FAILURES;
                    if halve && part.len() > 1 {
                        let (first, second) = part.split_at(part.len() / 2);
                        waiting.extend([second, first]);
                    } else {
                        results.extend(part.iter().map(|_| Err(failure.clone())));
                    }
                }
            }
        }
        results
    }

    /// One process for these units; an outcome each. `said` is an empty file to write messages to,
    /// kept from call to call.
    fn call(
        &self,
        units: &[Arc<Unit>],
        said: &mut Option<Arc<File>>,
    ) -> Result<Vec<Outcome>, Failure> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let call = Call {
            work: self,
            units,
            inside: self.folder.join(format!("{number}-in")),
            out: self.folder.join(number.to_string()),
        };
        let outcomes = call.run(said);
        // The whole folder goes when the batch is done; what is left until then costs only room.
        for folder in [&call.inside, &call.out] {
            let _ = fs::remove_dir_all(folder);
        }
        outcomes
    }
}

impl RunCommand {
    /// Why files cannot be put ready for the program.
    pub(super) fn unprepared(&self, folder: &Path, error: &std::io::Error) -> Failure {
        Failure::Prepare {
            program: self.called.clone(),
            folder: folder.display().to_string(),
            reason: error.to_string(),
        }
    }
}
