//! Noise schedules: how much of an image is left at each timestep of training.

use std::f64::consts::FRAC_PI_2;

use crate::config::{BetaSchedule, SchedulerConfig};
use crate::{Prediction, SamplingError};

/// ᾱ of every timestep of training: the share of the image in the sample's variance.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseSchedule {
    alphas_cumprod: Vec<f64>,
    prediction: Prediction,
}

/// ᾱ of the last step where it is scaled to zero: the least number of binary16, so that its noise
/// level is not infinite.
const ALMOST_ZERO: f64 = 1.0 / (1 << 24) as f64;
/// The largest β of cosine schedules.
const LARGEST_BETA: f64 = 0.999;

impl NoiseSchedule {
    /// The schedule of a configuration. What it leaves out: 1,000 steps, β from 0.0001 to 0.02 in a
    /// straight line, noise as the prediction, as DDPM was published.
    pub fn new(config: &SchedulerConfig) -> Result<Self, SamplingError> {
        Self::between(config, (0.0001, 0.02), BetaSchedule::Linear)
    }

    /// The same with other defaults for β.
    pub(crate) fn between(
        config: &SchedulerConfig,
        (start, end): (f64, f64),
        schedule: BetaSchedule,
    ) -> Result<Self, SamplingError> {
        config.check()?;
        let steps = config.num_train_timesteps.unwrap_or(1000);
        let start = config.beta_start.unwrap_or(start);
        let end = config.beta_end.unwrap_or(end);
        let mut betas = match &config.trained_betas {
            Some(betas) => betas.clone(),
            None => match config.beta_schedule.unwrap_or(schedule) {
                BetaSchedule::Linear => linspace(start, end, steps),
                BetaSchedule::ScaledLinear => linspace(start.sqrt(), end.sqrt(), steps)
                    .into_iter()
                    .map(|root| root * root)
                    .collect(),
                BetaSchedule::SquaredCosine => squared_cosine(steps),
            },
        };
        if betas.is_empty() || betas.iter().any(|beta| !(0.0..1.0).contains(beta)) {
            let message = "every β must lie between 0 and 1, and there must be some".to_owned();
            return Err(SamplingError::Config(message));
        }
        let rescaled = config.rescale_betas_zero_snr == Some(true);
        if rescaled {
            betas = without_signal_at_the_end(&betas);
        }
        let mut alphas_cumprod = cumulated(&betas);
        if let Some(last) = alphas_cumprod.last_mut().filter(|_| rescaled) {
            *last = ALMOST_ZERO;
        }
        Ok(Self {
            alphas_cumprod,
            prediction: config.prediction_type.unwrap_or(Prediction::Epsilon),
        })
    }

    /// Timesteps of training.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a schedule has at least one step"
    )]
    pub fn len(&self) -> usize {
        self.alphas_cumprod.len()
    }

    /// What the network's output is.
    pub const fn prediction(&self) -> Prediction {
        self.prediction
    }

    /// ᾱ of a timestep; of one past the end, that of the last.
    pub fn alpha_cumprod(&self, timestep: usize) -> f64 {
        self.alphas_cumprod[timestep.min(self.len() - 1)]
    }

    /// The noise level of a timestep, √((1−ᾱ)/ᾱ), as samplers of Karras et al. count it.
    pub fn sigma(&self, timestep: usize) -> f64 {
        let alpha = self.alpha_cumprod(timestep);
        ((1.0 - alpha) / alpha).sqrt()
    }

    /// The same between timesteps, in a straight line.
    pub fn sigma_at(&self, timestep: f64) -> f64 {
        let timestep = timestep.clamp(0.0, (self.len() - 1) as f64);
        let below = timestep.floor();
        let (low, high) = (self.sigma(below as usize), self.sigma(below as usize + 1));
        low + (high - low) * (timestep - below)
    }

    /// The timestep that has a noise level, found between the logarithms of those of training.
    pub fn timestep_of(&self, sigma: f64) -> f64 {
        let wanted = sigma.max(1e-10).ln();
        let log_sigma = |timestep: usize| self.sigma(timestep).ln();
        let (mut low, mut above) = (0, self.len());
        // The last timestep whose noise level is not above the wanted one.
        while above - low > 1 {
            let middle = usize::midpoint(low, above);
            if log_sigma(middle) <= wanted {
                low = middle;
            } else {
                above = middle;
            }
        }
        let low = low.min(self.len().saturating_sub(2));
        let (at_low, at_high) = (log_sigma(low), log_sigma(low + 1));
        let share = if at_high > at_low {
            (wanted - at_low) / (at_high - at_low)
        } else {
            0.0
        };
        low as f64 + share.clamp(0.0, 1.0)
    }

    /// The signal-to-noise ratio of a timestep: ᾱ/(1−ᾱ).
    pub fn snr(&self, timestep: usize) -> f64 {
        let alpha = self.alpha_cumprod(timestep);
        alpha / (1.0 - alpha)
    }

    /// The weight of a timestep's loss by Hang et al. (2023), "min-SNR": with γ = 5 as a rule.
    pub fn min_snr_weight(&self, timestep: usize, gamma: f64) -> f64 {
        let snr = self.snr(timestep);
        match self.prediction {
            Prediction::Epsilon => snr.min(gamma) / snr,
            Prediction::Velocity => snr.min(gamma) / (snr + 1.0),
            Prediction::Sample => snr.min(gamma),
        }
    }
}

/// So many numbers from the first to the last.
pub(crate) fn linspace(first: f64, last: f64, count: usize) -> Vec<f64> {
    let step = (last - first) / (count.max(2) - 1) as f64;
    (0..count)
        .map(|index| first + step * index as f64)
        .collect()
}

fn squared_cosine(steps: usize) -> Vec<f64> {
    let alpha_bar = |time: f64| ((time + 0.008) / 1.008 * FRAC_PI_2).cos().powi(2);
    let time = |step: usize| step as f64 / steps as f64;
    (0..steps)
        .map(|step| (1.0 - alpha_bar(time(step + 1)) / alpha_bar(time(step))).min(LARGEST_BETA))
        .collect()
}

fn cumulated(betas: &[f64]) -> Vec<f64> {
    betas
        .iter()
        .scan(1.0, |alpha, beta| {
            *alpha *= 1.0 - beta;
            Some(*alpha)
        })
        .collect()
}

/// Algorithm 1 of Lin et al. (2023): √ᾱ is shifted so that its last is 0, and scaled so that its
/// first stays.
fn without_signal_at_the_end(betas: &[f64]) -> Vec<f64> {
    let roots: Vec<f64> = cumulated(betas).into_iter().map(f64::sqrt).collect();
    let (first, last) = (roots[0], roots[roots.len() - 1]);
    let alphas_cumprod: Vec<f64> = roots
        .iter()
        .map(|root| ((root - last) * first / (first - last)).powi(2))
        .collect();
    let before = std::iter::once(1.0).chain(alphas_cumprod.iter().copied());
    alphas_cumprod
        .iter()
        .zip(before)
        .map(|(alpha, before)| 1.0 - alpha / before)
        .collect()
}
