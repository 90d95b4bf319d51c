//! What is done about failures before they count: a batch that did not fit into memory is halved, a
//! unit whose stage says so is tried again later, a stage that takes too long is ended.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ccsr_cache::{ActionKey, Claim, StoreError};
use ccsr_stage::{StageError, Unit};

use super::{Attempt, TICK};
use crate::active::ActiveStage;
use crate::event::Event;
use crate::graph::StageId;

/// A unit that is queued again when its time has come.
pub(super) struct Delayed {
    due: Instant,
    stage: StageId,
    key: ActionKey,
    unit: Arc<Unit>,
}

impl Attempt<'_, '_> {
    /// Whether a unit that failed goes back into its queue, now or later.
    pub(super) fn give_another_chance(
        &mut self,
        id: StageId,
        key: ActionKey,
        unit: &Arc<Unit>,
        error: &StageError,
        together: usize,
    ) -> bool {
        if self.stopping.is_some() || self.is_late(id) {
            return false;
        }
        let node = self.run.pipeline.stage(id);
        let Some(active) = self.active.get_mut(&id) else {
            return false;
        };
        let unit = || Arc::clone(unit);
        if matches!(error, StageError::OutOfMemory(_)) && together > 1 {
            let half = together / 2;
            if active.limit.is_none_or(|limit| half < limit) {
                active.limit = Some(half);
                let (stage, units) = (node.name.clone(), half as u64);
                self.story.tell(id, Event::BatchHalved { stage, units });
            }
            active.enqueue(key, unit());
            return true;
        }
        if !may_pass(error) {
            return false;
        }
        let failures = self.failures.entry(key).or_default();
        *failures += 1;
        let Some(wait) = node.execution.retry.after(*failures) else {
            return false;
        };
        active.delayed += 1;
        let retried = Event::UnitRetried {
            stage: node.name.clone(),
            failures: *failures,
            error: error.to_string(),
            seconds: wait.as_secs_f64(),
        };
        self.story.tell(id, retried);
        self.delayed.push(std::cmp::Reverse(Delayed {
            due: Instant::now() + wait,
            stage: id,
            key,
            unit: unit(),
        }));
        true
    }

    /// Queues the units whose next chance has come.
    pub(super) fn try_again(&mut self) {
        let now = Instant::now();
        while let Some(delayed) = self.delayed.peek()
            && delayed.0.due <= now
        {
            let Some(std::cmp::Reverse(delayed)) = self.delayed.pop() else {
                return;
            };
            if let Some(active) = self.active.get_mut(&delayed.stage) {
                active.delayed -= 1;
                active.enqueue(delayed.key, delayed.unit);
            } else {
                self.hand_over(delayed.key, delayed.unit);
            }
        }
    }

    /// How long to wait for an answer before looking around.
    pub(super) fn patience(&self) -> Duration {
        let due = self.delayed.peek().map(|delayed| delayed.0.due);
        due.map_or(TICK, |due| {
            TICK.min(due.saturating_duration_since(Instant::now()))
        })
    }

    /// When the stage's time is over. The clock starts with its first batch.
    pub(super) fn deadline(&mut self, id: StageId) -> Option<Instant> {
        let timeout = self.run.pipeline.stage(id).execution.timeout?;
        let active = self.active.get_mut(&id)?;
        Some(
            *active
                .deadline
                .get_or_insert_with(|| Instant::now() + timeout),
        )
    }

    /// Whether the stage's time is over.
    pub(super) fn is_late(&self, id: StageId) -> bool {
        let deadline = self.active.get(&id).and_then(|active| active.deadline);
        deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Ends a stage whose time is over, when the last of its batches has come back.
    pub(super) fn time_out(&mut self, id: StageId) {
        let busy = |active: &ActiveStage| active.batches_out > 0;
        if self.active.get(&id).is_none_or(busy) {
            return;
        }
        let timeout = self.run.pipeline.stage(id).execution.timeout;
        let timeout = humantime::format_duration(timeout.unwrap_or_default());
        self.retire(id);
        self.fail(
            id,
            &format!(
                "its time is over: it has a `timeout` of {timeout}; what it computed is kept, and \
                 the next run goes on from there"
            ),
        );
    }

    /// Claims units. What is forced is claimed as if nothing were known of it.
    pub(super) fn claims(
        &mut self,
        id: StageId,
        keys: &[ActionKey],
    ) -> Result<Vec<Claim>, StoreError> {
        let store = self.run.store;
        if self.run.is_forced(id) {
            let stale = keys.iter().filter(|key| !self.run.executed.contains(key));
            store.invalidate(&stale.copied().collect::<Vec<_>>())?;
        }
        store.claim(keys)
    }
}

/// Whether the same unit may well succeed another time.
const fn may_pass(error: &StageError) -> bool {
    matches!(
        error,
        StageError::Failed(_) | StageError::TimedOut(_) | StageError::OutOfMemory(_)
    )
}

impl Ord for Delayed {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.stage, self.key).cmp(&(other.due, other.stage, other.key))
    }
}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Delayed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Delayed {}
