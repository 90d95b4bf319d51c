//! Learning rates: how large a step is at which step.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// How the learning rate changes after its warm-up, by the names that diffusers' scripts have for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateSchedule {
    /// Not at all.
    #[default]
    Constant,
    /// In a straight line, to 0 at the end.
    Linear,
    /// Along half a wave of a cosine, to 0 at the end.
    Cosine,
}

impl RateSchedule {
    /// Whether it depends on how many steps there will be in all.
    pub const fn reads_end(self) -> bool {
        !matches!(self, Self::Constant)
    }
}

/// The learning rate of every step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearningRate {
    /// The largest.
    pub peak: f64,
    /// Steps of warm-up, along a straight line from 0.
    pub warmup: u64,
    /// What comes after.
    pub schedule: RateSchedule,
    /// Steps in all. A schedule that does not read it gives the same whatever it is.
    pub steps: u64,
}

impl LearningRate {
    /// That of a step, counted from 0.
    pub fn at(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.peak * step as f64 / self.warmup as f64;
        }
        let after = self.steps.saturating_sub(self.warmup).max(1) as f64;
        let done = (step - self.warmup) as f64 / after;
        let share = match self.schedule {
            RateSchedule::Constant => 1.0,
            RateSchedule::Linear => (1.0 - done).max(0.0),
            RateSchedule::Cosine => (0.5 * (1.0 + (PI * done).cos())).max(0.0),
        };
        self.peak * share
    }
}
