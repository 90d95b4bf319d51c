//! Euler's method on the noise levels of Karras et al. (2022, arXiv 2206.00364), without noise
//! (algorithm 2 without churn) and with it ("ancestral").

use burn::prelude::*;

use crate::config::{SchedulerConfig, Spacing};
use crate::schedule::NoiseSchedule;
use crate::{Prediction, Sampler, SamplingError, timesteps};

/// What both have in common: samples are `image + σ·noise`, networks want them scaled.
struct Levels {
    prediction: Prediction,
    timesteps: Vec<f64>,
    /// The noise level of each evaluation, and the last.
    sigmas: Vec<f64>,
    initial: f64,
}

impl Levels {
    fn new(
        config: &SchedulerConfig,
        schedule: &NoiseSchedule,
        timesteps: Vec<f64>,
        mut sigmas: Vec<f64>,
        last: f64,
    ) -> Self {
        let largest = sigmas.iter().copied().fold(0.0, f64::max);
        let spacing = config.timestep_spacing.unwrap_or(Spacing::Linspace);
        let initial = match spacing {
            Spacing::Linspace | Spacing::Trailing => largest,
            Spacing::Leading => largest.hypot(1.0),
        };
        sigmas.push(last);
        Self {
            prediction: schedule.prediction(),
            timesteps,
            sigmas,
            initial,
        }
    }

    fn scale_input(&self, sample: Tensor<4>, evaluation: usize) -> Tensor<4> {
        sample.div_scalar(self.sigmas[evaluation].hypot(1.0))
    }

    /// Where the sample moves per unit of σ: (sample − image)/σ.
    fn derivative(&self, evaluation: usize, output: Tensor<4>, sample: Tensor<4>) -> Tensor<4> {
        let sigma = self.sigmas[evaluation];
        match self.prediction {
            Prediction::Epsilon => output,
            Prediction::Velocity => {
                let scale = sigma * sigma + 1.0;
                let image =
                    sample.clone().div_scalar(scale) - output.mul_scalar(sigma / scale.sqrt());
                (sample - image).div_scalar(sigma)
            }
            Prediction::Sample => (sample - output).div_scalar(sigma),
        }
    }
}

/// Euler's method.
pub struct Euler(Levels);

impl Euler {
    /// Euler's method with so many steps.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self, SamplingError> {
        let schedule = NoiseSchedule::new(config)?;
        timesteps::check(steps, &schedule)?;
        SchedulerConfig::one_of(
            "interpolation_type",
            config.interpolation_type.as_deref(),
            &["linear"],
        )?;
        SchedulerConfig::one_of(
            "timestep_type",
            config.timestep_type.as_deref(),
            &["discrete"],
        )?;
        let mut spaced = timesteps::euler(config, &schedule, steps);
        let mut sigmas: Vec<f64> = spaced
            .iter()
            .map(|timestep| schedule.sigma_at(*timestep))
            .collect();
        if config.use_karras_sigmas == Some(true) {
            sigmas = timesteps::karras(sigmas[0], sigmas[steps - 1], steps);
            spaced = sigmas
                .iter()
                .map(|sigma| schedule.timestep_of(*sigma))
                .collect();
        }
        let last = timesteps::final_sigma(config, &schedule);
        Ok(Self(Levels::new(config, &schedule, spaced, sigmas, last)))
    }
}

impl Sampler for Euler {
    fn timesteps(&self) -> &[f64] {
        &self.0.timesteps
    }

    fn initial_sigma(&self) -> f64 {
        self.0.initial
    }

    fn scale_input(&self, sample: Tensor<4>, evaluation: usize) -> Tensor<4> {
        self.0.scale_input(sample, evaluation)
    }

    fn step(
        &mut self,
        evaluation: usize,
        output: Tensor<4>,
        sample: Tensor<4>,
        _: Option<Tensor<4>>,
    ) -> Tensor<4> {
        let derivative = self.0.derivative(evaluation, output, sample.clone());
        let sigmas = &self.0.sigmas[evaluation..];
        sample + derivative.mul_scalar(sigmas[1] - sigmas[0])
    }
}

/// Euler's method with ancestral noise.
pub struct EulerAncestral(Levels);

impl EulerAncestral {
    /// Ancestral sampling with so many steps.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self, SamplingError> {
        let schedule = NoiseSchedule::new(config)?;
        timesteps::check(steps, &schedule)?;
        if schedule.prediction() == Prediction::Sample {
            return Err(SamplingError::Unsupported {
                key: "prediction_type",
                value: "sample".to_owned(),
            });
        }
        let spaced = timesteps::euler(config, &schedule, steps);
        let sigmas = spaced
            .iter()
            .map(|timestep| schedule.sigma_at(*timestep))
            .collect();
        Ok(Self(Levels::new(config, &schedule, spaced, sigmas, 0.0)))
    }

    /// The noise level that Euler's method goes down to, and the noise that is added after.
    fn down_and_up(&self, evaluation: usize) -> (f64, f64) {
        let (from, to) = (self.0.sigmas[evaluation], self.0.sigmas[evaluation + 1]);
        let up = (to * to * (from * from - to * to) / (from * from))
            .max(0.0)
            .sqrt();
        ((to * to - up * up).max(0.0).sqrt(), up)
    }
}

impl Sampler for EulerAncestral {
    fn timesteps(&self) -> &[f64] {
        &self.0.timesteps
    }

    fn initial_sigma(&self) -> f64 {
        self.0.initial
    }

    fn scale_input(&self, sample: Tensor<4>, evaluation: usize) -> Tensor<4> {
        self.0.scale_input(sample, evaluation)
    }

    fn draws(&self, evaluation: usize) -> bool {
        self.down_and_up(evaluation).1 > 0.0
    }

    fn step(
        &mut self,
        evaluation: usize,
        output: Tensor<4>,
        sample: Tensor<4>,
        noise: Option<Tensor<4>>,
    ) -> Tensor<4> {
        let (down, up) = self.down_and_up(evaluation);
        let derivative = self.0.derivative(evaluation, output, sample.clone());
        let next = sample + derivative.mul_scalar(down - self.0.sigmas[evaluation]);
        match noise {
            Some(noise) if up > 0.0 => next + noise.mul_scalar(up),
            _ => next,
        }
    }
}
