//! Latent consistency models (Luo et al., 2023, arXiv 2310.04378): each evaluation predicts the image,
//! and noise is added again for the next.

use burn::prelude::*;

use crate::config::{BetaSchedule, SchedulerConfig};
use crate::prediction::image;
use crate::schedule::NoiseSchedule;
use crate::{Sampler, SamplingError, timesteps};

/// The standard deviation of the data in the boundary condition.
const SIGMA_DATA: f64 = 0.5;

/// LCM.
pub struct Lcm {
    schedule: NoiseSchedule,
    timesteps: Vec<f64>,
    /// The factor of timesteps in the boundary condition.
    scaling: f64,
    /// The range that the predicted image is clipped to, if it is.
    clip: Option<f64>,
}

impl Lcm {
    /// Consistency sampling with so many steps, at most as many as the distillation had.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self, SamplingError> {
        let schedule =
            NoiseSchedule::between(config, (0.00085, 0.012), BetaSchedule::ScaledLinear)?;
        timesteps::check(steps, &schedule)?;
        let original = config.original_inference_steps.unwrap_or(50);
        if steps > original || original > schedule.len() {
            return Err(SamplingError::Steps {
                steps,
                most: original.min(schedule.len()),
            });
        }
        let stride = schedule.len() / original;
        // Of the distillation's timesteps, the last first, as evenly as they go.
        let chosen = |index: usize| original - index * original / steps;
        let spaced = (0..steps).map(|index| (chosen(index) * stride) as f64 - 1.0);
        let range = config.clip_sample_range.unwrap_or(1.0);
        Ok(Self {
            timesteps: spaced.collect(),
            scaling: config.timestep_scaling.unwrap_or(10.0),
            clip: config.clip_sample.unwrap_or(false).then_some(range),
            schedule,
        })
    }
}

impl Sampler for Lcm {
    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn draws(&self, evaluation: usize) -> bool {
        evaluation + 1 < self.timesteps.len()
    }

    fn step(
        &mut self,
        evaluation: usize,
        output: Tensor<4>,
        sample: Tensor<4>,
        noise: Option<Tensor<4>>,
    ) -> Tensor<4> {
        let at = self.timesteps[evaluation];
        let alpha = self.schedule.alpha_cumprod(at as usize);
        let level = (alpha.sqrt(), (1.0 - alpha).sqrt());
        let mut predicted = image(self.schedule.prediction(), output, sample.clone(), level);
        if let Some(range) = self.clip {
            predicted = predicted.clamp(-range, range);
        }
        // At timestep 0 the sample is the image: equation 5 of the paper.
        let scaled = at * self.scaling;
        let (skip, out) = (
            SIGMA_DATA * SIGMA_DATA / (scaled * scaled + SIGMA_DATA * SIGMA_DATA),
            scaled / scaled.hypot(SIGMA_DATA),
        );
        let denoised = predicted.mul_scalar(out) + sample.mul_scalar(skip);
        let (Some(noise), Some(next)) = (noise, self.timesteps.get(evaluation + 1)) else {
            return denoised;
        };
        let then = self.schedule.alpha_cumprod(*next as usize);
        denoised.mul_scalar(then.sqrt()) + noise.mul_scalar((1.0 - then).sqrt())
    }
}
