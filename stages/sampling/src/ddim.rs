//! Denoising diffusion implicit models (Song, Meng and Ermon, 2020, arXiv 2010.02502).

use burn::prelude::*;

use crate::config::{SchedulerConfig, Spacing};
use crate::prediction::split;
use crate::schedule::NoiseSchedule;
use crate::{Sampler, SamplingError, timesteps};

/// DDIM.
pub struct Ddim {
    schedule: NoiseSchedule,
    timesteps: Vec<f64>,
    /// Timesteps of training between two steps.
    stride: i64,
    /// ᾱ before timestep 0.
    last_alpha: f64,
    eta: f64,
    /// The range that the predicted image is clipped to, if it is.
    clip: Option<f64>,
}

impl Ddim {
    /// DDIM with so many steps. `eta` is the paper's η: 0 adds no noise, 1 as much as DDPM.
    pub fn new(config: &SchedulerConfig, steps: usize, eta: f64) -> Result<Self, SamplingError> {
        if !(0.0..=1.0).contains(&eta) {
            return Err(SamplingError::Config(format!(
                "`eta` is {eta}; expected 0 to 1"
            )));
        }
        let schedule = NoiseSchedule::new(config)?;
        timesteps::check(steps, &schedule)?;
        let spaced = timesteps::whole(config, &schedule, steps, Spacing::Leading);
        let to_one = config.set_alpha_to_one.unwrap_or(true);
        let range = config.clip_sample_range.unwrap_or(1.0);
        Ok(Self {
            timesteps: spaced.into_iter().map(|timestep| timestep as f64).collect(),
            stride: (schedule.len() / steps) as i64,
            last_alpha: if to_one {
                1.0
            } else {
                schedule.alpha_cumprod(0)
            },
            eta,
            clip: config.clip_sample.unwrap_or(true).then_some(range),
            schedule,
        })
    }

    /// ᾱ at an evaluation and after it, and the standard deviation of the noise that is added: the
    /// paper's equation 16.
    fn coefficients(&self, evaluation: usize) -> (f64, f64, f64) {
        let at = self.timesteps[evaluation] as i64;
        let alpha = |timestep: i64| {
            let known = usize::try_from(timestep);
            known.map_or(self.last_alpha, |timestep| {
                self.schedule.alpha_cumprod(timestep)
            })
        };
        let (now, then) = (alpha(at), alpha(at - self.stride));
        let variance = (1.0 - then) / (1.0 - now) * (1.0 - now / then);
        (now, then, self.eta * variance.max(0.0).sqrt())
    }
}

impl Sampler for Ddim {
    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn draws(&self, evaluation: usize) -> bool {
        self.coefficients(evaluation).2 > 0.0
    }

    fn step(
        &mut self,
        evaluation: usize,
        output: Tensor<4>,
        sample: Tensor<4>,
        noise: Option<Tensor<4>>,
    ) -> Tensor<4> {
        let (now, then, deviation) = self.coefficients(evaluation);
        let level = (now.sqrt(), (1.0 - now).sqrt());
        let (mut image, direction) = split(self.schedule.prediction(), output, sample, level);
        if let Some(range) = self.clip {
            image = image.clamp(-range, range);
        }
        // Equation 12.
        let along = (1.0 - then - deviation * deviation).max(0.0).sqrt();
        let next = image.mul_scalar(then.sqrt()) + direction.mul_scalar(along);
        match noise {
            Some(noise) if deviation > 0.0 => next + noise.mul_scalar(deviation),
            _ => next,
        }
    }
}
