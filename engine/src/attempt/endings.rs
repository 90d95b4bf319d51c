//! How a stage ends: its tables are written, or it failed.

use std::collections::BTreeMap;
use std::sync::Arc;

use ccsr_cache::{ActionKey, Digest, StageMemo, StoreError};
use ccsr_stage::{StageError, Unit};

use super::{Attempt, Ending};
use crate::active::Written;
use crate::event::Event;
use crate::graph::StageId;
use crate::record::StageOutcome;

impl Attempt<'_, '_> {
    /// All of a stage's units are resolved: collects and writes its tables.
    pub(super) fn finish(&mut self, id: StageId) -> Result<(), StoreError> {
        let (pipeline, store) = (self.run.pipeline, self.run.store);
        let node = pipeline.stage(id);
        let active = self.active.remove(&id).expect("only active stages finish");
        let (key, value, units) = (active.key, active.value.clone(), active.waves.units());
        let tables = match active.collect(node) {
            Ok(tables) => tables,
            Err(error) => {
                self.stage_error(id, &error);
                return Ok(());
            }
        };
        let mut written = Written {
            tables: BTreeMap::new(),
            rows: BTreeMap::new(),
        };
        let (mut bytes, mut kept) = (Vec::new(), Vec::new());
        for (port, table) in tables {
            let encoded = table.encode();
            let digest = Digest::of(&encoded);
            if self.run.reopened.contains(&id) {
                // Reading removes a damaged one, which would be taken for the good one otherwise.
                let _ = store.read(&digest);
            }
            written.rows.insert(port.to_owned(), table.len() as u64);
            written.tables.insert(port.to_owned(), digest);
            bytes.push(encoded);
            let table = Arc::new(table);
            self.tables.insert(digest, Arc::downgrade(&table));
            kept.push(table);
        }
        // A table is collected again if a power cut takes it.
        store.put_all_unsynced(&bytes)?;
        let progress = &mut self.run.progress[id.0];
        progress.outcome = Some(StageOutcome::Resolved);
        progress.written = Some(written.clone());
        let memo = StageMemo {
            outputs: written.tables,
            rows: written.rows.clone(),
            units,
            seconds: progress.seconds + progress.seconds_saved,
            explanation: value,
            run: self.run.id.to_string(),
        };
        let finished = Event::StageFinished {
            stage: node.name.clone(),
            executed: progress.executed,
            reused: progress.reused,
            rows: written.rows,
        };
        self.story.tell(id, finished);
        self.story.close(id);
        store.record_stage(&key, &pipeline.name, &node.name, &memo)?;
        self.schedule.complete(id);
        if self.schedule.awaits(id) {
            self.awaited.insert(id, kept);
        }
        Ok(())
    }

    /// What a stage said instead of answering.
    pub(super) fn stage_error(&mut self, id: StageId, error: &StageError) {
        self.retire(id);
        match error {
            StageError::Lost(blob) => self.lose(id, *blob),
            error => self.fail(id, &error.to_string()),
        }
    }

    /// Takes a stage that will not finish out of the race. Units that it was to execute and that
    /// others wait for, too, become theirs.
    pub(super) fn retire(&mut self, id: StageId) {
        let Some(active) = self.active.remove(&id) else {
            return;
        };
        for (key, unit) in active.into_queued() {
            self.hand_over(key, unit);
        }
    }

    /// A unit whose stage was retired becomes another's, if another waits for it.
    pub(super) fn hand_over(&mut self, key: ActionKey, unit: Arc<Unit>) {
        let Some(waiting) = self.waiting.get_mut(&key) else {
            return;
        };
        // Stages that were retired before wait for nothing any more.
        waiting.retain(|(stage, _)| self.active.contains_key(stage));
        let heir = waiting.first().map(|(stage, _)| *stage);
        if let Some((heir, active)) =
            heir.and_then(|heir| Some((heir, self.active.get_mut(&heir)?)))
        {
            active.enqueue(key, unit);
            let progress = &mut self.run.progress[heir.0];
            progress.reused = progress.reused.saturating_sub(1);
        } else {
            self.waiting.remove(&key);
        }
    }

    pub(super) fn give_up(&mut self, id: StageId) {
        self.retire(id);
        let count = self.run.progress[id.0].errors.len();
        let units = if count == 1 {
            "one unit failed".to_owned()
        } else {
            format!("{count} units failed")
        };
        self.set_failed(id, &units);
    }

    pub(super) fn fail(&mut self, id: StageId, error: &str) {
        self.run.progress[id.0].errors.push(error.to_owned());
        self.set_failed(id, error);
    }

    fn set_failed(&mut self, id: StageId, error: &str) {
        let pipeline = self.run.pipeline;
        self.run.progress[id.0].outcome = Some(StageOutcome::Failed);
        let failed = Event::StageFailed {
            stage: pipeline.stage(id).name.clone(),
            error: error.to_owned(),
        };
        self.story.tell(id, failed);
        self.story.close(id);
        for skipped in self.schedule.fail(id) {
            self.run.progress[skipped.0].outcome = Some(StageOutcome::Skipped);
            let stage = pipeline.stage(skipped).name.clone();
            self.story.tell(skipped, Event::StageSkipped { stage });
        }
        if !self.run.options.keep_going {
            self.stopping.get_or_insert(Ending::Over);
        }
    }
}
