//! When each stage of a run was looked at and when it was over, noted from what is told.

use std::collections::HashMap;
use std::time::Instant;

use crate::event::Event;

/// The times of one run.
pub(crate) struct Timings {
    started: Instant,
    stages: HashMap<String, (f64, f64)>,
}

impl Timings {
    pub(crate) fn new(started: Instant) -> Self {
        Self {
            started,
            stages: HashMap::new(),
        }
    }

    /// Notes the time of an event.
    pub(crate) fn note(&mut self, event: &Event) {
        let now = self.started.elapsed().as_secs_f64();
        match event {
            // A stage that an attempt lost may be looked at again: its first look counts.
            Event::StageStarted { stage, .. } => {
                self.stages.entry(stage.clone()).or_insert((now, now));
            }
            Event::StageUnchanged { stage, .. }
            | Event::StageFinished { stage, .. }
            | Event::StageFailed { stage, .. }
            | Event::BatchCommitted { stage, .. } => {
                self.stages.entry(stage.clone()).or_insert((now, now)).1 = now;
            }
            _ => {}
        }
    }

    /// When a stage was looked at and when it was over, in seconds after the run began.
    pub(crate) fn of(&self, stage: &str) -> Option<(f64, f64)> {
        self.stages.get(stage).copied()
    }
}
