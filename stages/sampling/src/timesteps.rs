//! Where a sampler evaluates the network: timesteps and noise levels of its steps.

use crate::SamplingError;
use crate::config::{FinalSigma, SchedulerConfig, Spacing};
use crate::schedule::{NoiseSchedule, linspace};

/// Exponent of the noise levels of Karras et al. (2022), equation 5.
const RHO: f64 = 7.0;

/// Refuses numbers of steps that cannot be spaced.
pub(crate) fn check(steps: usize, schedule: &NoiseSchedule) -> Result<(), SamplingError> {
    if (1..=schedule.len()).contains(&steps) {
        Ok(())
    } else {
        Err(SamplingError::Steps {
            steps,
            most: schedule.len(),
        })
    }
}

/// Whole timesteps, the largest first, as PNDM and DDIM space them.
pub(crate) fn whole(
    config: &SchedulerConfig,
    schedule: &NoiseSchedule,
    steps: usize,
    spacing: Spacing,
) -> Vec<i64> {
    let spaced: Vec<f64> = match config.timestep_spacing.unwrap_or(spacing) {
        Spacing::Linspace => {
            let mut ascending = linspace(0.0, (schedule.len() - 1) as f64, steps);
            ascending.reverse();
            ascending
        }
        Spacing::Leading => leading(config, schedule.len() / steps, steps),
        Spacing::Trailing => trailing(schedule, steps),
    };
    spaced
        .into_iter()
        .map(|timestep| timestep.round_ties_even() as i64)
        .collect()
}

/// Timesteps of DPM-Solver and UniPC: the first `steps` of `steps + 1`, the last of which is where
/// the image is. `last` is the number of timesteps that may be used.
pub(crate) fn solver(
    config: &SchedulerConfig,
    schedule: &NoiseSchedule,
    steps: usize,
    last: usize,
) -> Vec<f64> {
    let spaced: Vec<f64> = match config.timestep_spacing.unwrap_or(Spacing::Linspace) {
        Spacing::Linspace => {
            let mut ascending = linspace(0.0, (last - 1) as f64, steps + 1);
            ascending.reverse();
            ascending.truncate(steps);
            ascending
        }
        Spacing::Leading => {
            let mut spaced = leading(config, last / (steps + 1), steps + 1);
            spaced.truncate(steps);
            spaced
        }
        Spacing::Trailing => {
            let ratio = schedule.len() as f64 / steps as f64;
            descending(last as f64, ratio)
        }
    };
    spaced.into_iter().map(f64::round_ties_even).collect()
}

/// Timesteps of Euler's samplers, which need not be whole.
pub(crate) fn euler(config: &SchedulerConfig, schedule: &NoiseSchedule, steps: usize) -> Vec<f64> {
    match config.timestep_spacing.unwrap_or(Spacing::Linspace) {
        Spacing::Linspace => {
            let mut ascending = linspace(0.0, (schedule.len() - 1) as f64, steps);
            ascending.reverse();
            ascending
        }
        Spacing::Leading => leading(config, schedule.len() / steps, steps),
        Spacing::Trailing => trailing(schedule, steps),
    }
}

fn leading(config: &SchedulerConfig, ratio: usize, count: usize) -> Vec<f64> {
    let offset = config.steps_offset.unwrap_or(0) as f64;
    (0..count)
        .rev()
        .map(|index| (index * ratio) as f64 + offset)
        .collect()
}

fn trailing(schedule: &NoiseSchedule, steps: usize) -> Vec<f64> {
    let ratio = schedule.len() as f64 / steps as f64;
    descending(schedule.len() as f64, ratio)
}

/// From `first` down to above 0, each rounded and one less.
fn descending(first: f64, ratio: f64) -> Vec<f64> {
    let count = (first / ratio).ceil() as usize;
    (0..count)
        .map(|index| (first - ratio * index as f64).round_ties_even() - 1.0)
        .collect()
}

/// Noise levels by Karras et al. between the largest and the smallest.
pub(crate) fn karras(largest: f64, smallest: f64, steps: usize) -> Vec<f64> {
    let (from, to) = (largest.powf(RHO.recip()), smallest.powf(RHO.recip()));
    // One step is the largest.
    let share = |index: usize| {
        if steps > 1 {
            index as f64 / (steps - 1) as f64
        } else {
            0.0
        }
    };
    (0..steps)
        .map(|index| (from + share(index) * (to - from)).powf(RHO))
        .collect()
}

/// The noise level after the last step.
pub(crate) fn final_sigma(config: &SchedulerConfig, schedule: &NoiseSchedule) -> f64 {
    match config.final_sigmas_type.unwrap_or(FinalSigma::Zero) {
        FinalSigma::Zero => 0.0,
        FinalSigma::SigmaMin => schedule.sigma(0),
    }
}
