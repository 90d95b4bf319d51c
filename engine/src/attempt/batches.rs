//! Batches: claimed, sent to workers, committed when they come back.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use ccsr_cache::{ActionKey, Claim, Commit, Digest, StoreError, Value};
use ccsr_stage::{StageError, Unit};

use super::{Attempt, Ending};
use crate::active::guarded;
use crate::event::Event;
use crate::graph::StageId;
use crate::queue::{Queued, ResourceName};
use crate::slots::Slots;
use crate::worker::{Executed, Job, Times};

impl Attempt<'_, '_> {
    /// The next batch that may execute now.
    pub(super) fn next_job(&mut self) -> Result<Option<Job>, StoreError> {
        let mut next = self.active.first_key_value().map(|(id, _)| *id);
        while let Some(id) = next {
            if let Some(job) = self.next_job_of(id)? {
                return Ok(Some(job));
            }
            let later = (Bound::Excluded(id), Bound::Unbounded);
            next = self.active.range(later).next().map(|(id, _)| *id);
        }
        Ok(None)
    }

    fn next_job_of(&mut self, id: StageId) -> Result<Option<Job>, StoreError> {
        let node = self.run.pipeline.stage(id);
        if self.is_late(id) {
            self.time_out(id);
            return Ok(None);
        }
        while let Some((name, identity)) = self.next_resource(id) {
            let need = node.execution.need.of_batch(name.is_some());
            if !self.slots.fits(need) {
                break;
            }
            let Some(active) = self.active.get_mut(&id) else {
                break;
            };
            let limit = node.execution.batch.unwrap_or_else(|| node.stage.batch());
            let limit = active.limit.unwrap_or(limit);
            let batch = active.queue.take(&name, limit);
            let Some(mut job) = self.claim(id, batch, name.zip(identity))? else {
                continue;
            };
            self.slots.take(need);
            job.need = need;
            if let Some((name, identity)) = &job.resource {
                self.busy.insert(*identity);
                if !self.run.residency.holds(*identity) {
                    let (stage, resource) = (node.name.clone(), name.to_string());
                    self.story.tell(id, Event::Loading { stage, resource });
                }
            }
            return Ok(Some(job));
        }
        Ok(None)
    }

    /// What a stage's next batch should work with: of the resources that its units wait for and
    /// that no worker has, one that is in memory, or else the first. Where memory is bounded, what
    /// executes is not joined by another resource: nobody knows whether both fit.
    fn next_resource(&self, id: StageId) -> Option<(ResourceName, Option<Digest>)> {
        let node = self.run.pipeline.stage(id);
        let environment = node.execution.environment(&self.run.options.environment);
        // The same network on another device is another resource.
        let identified = |name: ResourceName| {
            let identity = name.as_ref().map(|name| {
                let device = Value::from(environment.device.as_str());
                Value::list([node.stage.resource_identity(name), device]).digest()
            });
            (name, identity)
        };
        let waiting = self.active.get(&id)?.queue.resources().map(identified);
        let is_free = |identity: &Digest| !self.busy.contains(identity);
        let free: Vec<_> = waiting
            .filter(|(_, identity)| identity.as_ref().is_none_or(is_free))
            .collect();
        let is_at_hand = |identity: &Digest| self.run.residency.holds(*identity);
        let at_hand = free
            .iter()
            .find(|(_, identity)| identity.as_ref().is_none_or(is_at_hand));
        let may_load = self.run.options.memory.is_none() || self.busy.is_empty();
        at_hand.or(free.first().filter(|_| may_load)).cloned()
    }

    /// Keeps of a batch what no other process has done or is doing.
    fn claim(
        &mut self,
        id: StageId,
        batch: Vec<Queued>,
        resource: Option<(Arc<str>, Digest)>,
    ) -> Result<Option<Job>, StoreError> {
        let keys: Vec<_> = batch.iter().map(|(key, _)| *key).collect();
        let claims = self.claims(id, &keys)?;
        let mut job = Job {
            stage: id,
            keys: Vec::new(),
            units: Vec::new(),
            resource,
            need: Slots::NONE,
            deadline: self.deadline(id),
            span: self.story.span(id),
        };
        let mut done = Vec::new();
        let active = self
            .active
            .get_mut(&id)
            .expect("only active stages have batches");
        for ((key, unit), claim) in batch.into_iter().zip(claims) {
            match claim {
                Claim::Ours => {
                    job.keys.push(key);
                    job.units.push(unit);
                }
                Claim::Held => active.held.push((key, unit)),
                Claim::Done => done.push((key, unit)),
            }
        }
        if !job.keys.is_empty() {
            active.batches_out += 1;
        }
        self.take_over(id, done)?;
        Ok((!job.keys.is_empty()).then_some(job))
    }

    /// Another process committed these since they were looked up.
    fn take_over(&mut self, id: StageId, done: Vec<Queued>) -> Result<(), StoreError> {
        if done.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = done.iter().map(|(key, _)| *key).collect();
        let found = self.run.store.lookup(&keys)?;
        let mut touched = BTreeSet::from([id]);
        for ((key, unit), stored) in done.into_iter().zip(found) {
            if let Some(stored) = stored {
                let progress = &mut self.run.progress[id.0];
                progress.reused += 1;
                progress.seconds_saved += stored.seconds;
                self.resolve(key, &stored.outcome, &mut touched);
            } else if let Some(active) = self.active.get_mut(&id) {
                active.enqueue(key, unit);
            }
        }
        touched
            .into_iter()
            .try_for_each(|stage| self.advance(stage))
    }

    /// Whether other processes have finished what is held for them, or died over it.
    pub(super) fn look_elsewhere(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        let stages: Vec<_> = self.active.keys().copied().collect();
        for id in stages {
            if let Some(active) = self.active.get_mut(&id) {
                active.ask_about_held();
            }
        }
    }

    /// Publishes a batch: its blobs are on disk already.
    pub(super) fn commit(&mut self, executed: Executed, times: Times) -> Result<(), StoreError> {
        let Executed {
            job,
            results,
            seconds,
            notes,
            refused,
        } = executed;
        let id = job.stage;
        let node = self.run.pipeline.stage(id);
        self.slots.give(job.need);
        if let Some((_, identity)) = &job.resource {
            self.busy.remove(identity);
        }
        if let Some(active) = self.active.get_mut(&id) {
            active.batches_out -= 1;
        }
        if let Some(error) = refused {
            self.refused.get_or_insert(error);
            self.stopping.get_or_insert(Ending::Over);
            return self.run.store.release(&job.keys);
        }
        let each = seconds / job.units.len() as f64;
        let good = job.keys.iter().zip(&job.units).zip(&results);
        let commits: Vec<_> = good
            .filter_map(|((key, unit), result)| {
                let outcome = result.as_ref().ok()?;
                let (kind, revision) = (node.kind, node.revision);
                Some(Commit {
                    key: *key,
                    kind,
                    revision,
                    input: &unit.input,
                    outcome,
                    seconds: each,
                })
            })
            .collect();
        let mut standing = self.run.store.commit(&self.run.id, &commits)?.into_iter();
        let committed = commits.len() as u64;
        let progress = &mut self.run.progress[id.0];
        progress.executed += committed;
        progress.seconds += seconds;
        let committed = Event::BatchCommitted {
            stage: node.name.clone(),
            units: committed,
            seconds,
            span: times.span(self.run.started),
        };
        self.story.tell(id, committed);
        for note in notes {
            // Candidates of one prompt have the same to say.
            if self.run.progress[id.0].notes.insert(note.clone()) {
                let stage = node.name.clone();
                self.story.tell(id, Event::Noted { stage, note });
            }
        }

        let mut touched = BTreeSet::from([id]);
        let mut failed = Vec::new();
        let together = job.units.len();
        for ((key, unit), result) in job.keys.into_iter().zip(job.units).zip(results) {
            match result {
                Ok(outcome) => {
                    self.run.executed.insert(key);
                    // Should another process have been first, a replay would find its outcome.
                    let outcome = standing.next().flatten().unwrap_or(outcome);
                    self.resolve(key, &outcome, &mut touched);
                }
                Err(error) => {
                    failed.push(key);
                    if !self.give_another_chance(id, key, &unit, &error, together) {
                        self.unit_failed(key, &unit, &error, &mut touched);
                    }
                }
            }
        }
        self.run.store.release(&failed)?;
        if self.stopping.is_some() {
            return Ok(());
        }
        touched
            .into_iter()
            .try_for_each(|stage| self.advance(stage))
    }

    fn resolve(&mut self, key: ActionKey, outcome: &Value, touched: &mut BTreeSet<StageId>) {
        for (stage, slot) in self.waiting.remove(&key).unwrap_or_default() {
            if let Some(active) = self.active.get_mut(&stage) {
                active.resolve(slot, outcome.clone());
                touched.insert(stage);
            }
        }
    }

    fn unit_failed(
        &mut self,
        key: ActionKey,
        unit: &Unit,
        error: &StageError,
        touched: &mut BTreeSet<StageId>,
    ) {
        for (stage, slot) in self.waiting.remove(&key).unwrap_or_default() {
            if let StageError::Lost(blob) = *error {
                self.lose(stage, blob);
                return;
            }
            let node = self.run.pipeline.stage(stage);
            // Units of one key may be called by other names: the same bytes under two paths.
            let asked = self
                .active
                .get(&stage)
                .map(|active| active.waves.unit(slot));
            let unit = asked.as_deref().unwrap_or(unit);
            let described = guarded(|| Ok(node.stage.describe(unit)));
            let shown = described.ok().flatten();
            let shown = shown.unwrap_or_else(|| shortened(unit));
            let text = error.to_string();
            let progress = &mut self.run.progress[stage.0];
            progress.errors.push(format!("{shown}: {text}"));
            let failed = Event::UnitFailed {
                stage: node.name.clone(),
                unit: shown,
                error: text,
            };
            self.story.tell(stage, failed);
            if let Some(active) = self.active.get_mut(&stage) {
                active.failed = true;
                touched.insert(stage);
            }
            if !self.run.options.keep_going {
                self.stopping.get_or_insert(Ending::Over);
            }
        }
    }
}

fn shortened(unit: &Unit) -> String {
    let text = unit.input.to_text();
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
