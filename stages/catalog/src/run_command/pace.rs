//! How many units make a good batch, learnt from how long they take: a second's work, so that
//! little is lost or waited for when a run is stopped, and commits cost little beside the work.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ccsr_stage::Batch;

/// What a batch should take.
const GOAL: Duration = Duration::from_secs(1);
/// The first batch, of which nothing is known.
const FIRST: usize = 32;
/// The most units of a batch.
const MOST: usize = 1024;

/// The pace at which a stage's units went so far. No result depends on it.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Of the latest batch; 0: there was none.
    nanoseconds_a_unit: AtomicU64,
    /// Processes that run at a time.
    threads: AtomicUsize,
}

impl Pace {
    /// How many units the next batch should have: at least one for each that runs at a time.
    pub(super) fn units(&self) -> usize {
        let each = self.nanoseconds_a_unit.load(Ordering::Relaxed);
        if each == 0 {
            return FIRST;
        }
        let fit = GOAL.as_nanos() as u64 / each;
        let least = self.threads.load(Ordering::Relaxed).clamp(1, MOST);
        (fit as usize).clamp(least, MOST)
    }

    /// Measures how long a batch takes.
    pub(super) fn measure<T>(&self, batch: &Batch<'_>, execute: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let results = execute();
        let each = started.elapsed().as_nanos() as u64 / batch.units.len().max(1) as u64;
        self.nanoseconds_a_unit
            .store(each.max(1), Ordering::Relaxed);
        self.threads
            .store(batch.environment.threads, Ordering::Relaxed);
        results
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_take_about_a_second() {
        let pace = Pace::default();
        assert_eq!(pace.units(), FIRST);
        pace.threads.store(8, Ordering::Relaxed);
        for (milliseconds, units) in [(10, 100), (250, 8), (60_000, 8)] {
            let each = milliseconds * 1_000_000;
            pace.nanoseconds_a_unit.store(each, Ordering::Relaxed);
            assert_eq!(pace.units(), units);
        }
        pace.nanoseconds_a_unit.store(10, Ordering::Relaxed);
        assert_eq!(pace.units(), MOST);
    }
}
