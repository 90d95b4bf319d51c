//! Pseudo numerical methods for diffusion models on manifolds (Liu et al., 2022, arXiv 2202.09778):
//! a linear multistep method of order 4 (PLMS), which begins either with one step that it makes twice,
//! as latent diffusion does (`skip_prk_steps`), or with Runge-Kutta steps (PRK).

use burn::prelude::*;

use crate::config::{SchedulerConfig, Spacing};
use crate::schedule::NoiseSchedule;
use crate::{Prediction, Sampler, SamplingError, timesteps};

/// Outputs that a linear multistep looks back on.
const ORDER: usize = 4;

/// PNDM.
pub struct Pndm {
    schedule: NoiseSchedule,
    timesteps: Vec<f64>,
    /// How many evaluations at the beginning belong to Runge-Kutta steps, four each.
    runge_kutta: usize,
    /// Timesteps of training between two steps.
    stride: i64,
    /// ᾱ before timestep 0.
    last_alpha: f64,
    /// Outputs, the newest last.
    outputs: Vec<Tensor<4>>,
    /// The sample that the first step began with.
    kept: Option<Tensor<4>>,
    /// The weighted sum of a Runge-Kutta step's outputs so far.
    sum: Option<Tensor<4>>,
}

impl Pndm {
    /// PNDM with so many steps: one evaluation more without Runge-Kutta steps, nine more with them.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self, SamplingError> {
        let schedule = NoiseSchedule::new(config)?;
        timesteps::check(steps, &schedule)?;
        if schedule.prediction() == Prediction::Sample {
            return Err(SamplingError::Unsupported {
                key: "prediction_type",
                value: "sample".to_owned(),
            });
        }
        let skips = config.skip_prk_steps.unwrap_or(false);
        if !skips && steps < ORDER {
            return Err(SamplingError::Unsupported {
                key: "skip_prk_steps",
                value: format!("false with {steps} steps"),
            });
        }
        let descending = timesteps::whole(config, &schedule, steps, Spacing::Leading);
        let stride = (schedule.len() / steps) as i64;
        let (all, runge_kutta) = if skips {
            let second = descending.get(1).copied();
            let mut all = vec![descending[0]];
            all.extend(second);
            all.extend(&descending[1..]);
            (all, 0)
        } else {
            let begin = runge_kutta(&descending[..ORDER], stride);
            let rest = &descending[ORDER - 1..];
            (begin.iter().chain(rest).copied().collect(), begin.len())
        };
        let to_one = config.set_alpha_to_one.unwrap_or(false);
        let last_alpha = if to_one {
            1.0
        } else {
            schedule.alpha_cumprod(0)
        };
        Ok(Self {
            schedule,
            timesteps: all.into_iter().map(|timestep| timestep as f64).collect(),
            runge_kutta,
            stride,
            last_alpha,
            outputs: Vec::new(),
            kept: None,
            sum: None,
        })
    }

    fn alpha(&self, timestep: i64) -> f64 {
        usize::try_from(timestep).map_or(self.last_alpha, |t| self.schedule.alpha_cumprod(t))
    }

    /// From one timestep to another along the predicted noise: the paper's equation 9.
    fn transfer(&self, sample: Tensor<4>, output: Tensor<4>, from: i64, to: i64) -> Tensor<4> {
        let (now, then) = (self.alpha(from), self.alpha(to));
        let noise = match self.schedule.prediction() {
            Prediction::Velocity => {
                output.mul_scalar(now.sqrt()) + sample.clone().mul_scalar((1.0 - now).sqrt())
            }
            _ => output,
        };
        let denominator = now * (1.0 - then).sqrt() + (now * (1.0 - now) * then).sqrt();
        sample.mul_scalar((then / now).sqrt()) - noise.mul_scalar((then - now) / denominator)
    }

    /// One of the four evaluations of a Runge-Kutta step.
    fn runge_kutta_step(
        &mut self,
        evaluation: usize,
        output: Tensor<4>,
        sample: Tensor<4>,
    ) -> Tensor<4> {
        let at = self.timesteps[evaluation] as i64;
        let half = self.stride / 2;
        let to = if evaluation.is_multiple_of(2) {
            at - half
        } else {
            at
        };
        let from = self.timesteps[evaluation / 4 * 4] as i64;
        let weighted = |sum: Option<Tensor<4>>, weight: f64| {
            let part = output.clone().mul_scalar(weight);
            sum.map_or_else(|| part.clone(), |sum| sum + part.clone())
        };
        let used = match evaluation % 4 {
            0 => {
                self.sum = Some(weighted(self.sum.take(), 1.0 / 6.0));
                self.outputs.push(output.clone());
                self.kept = Some(sample.clone());
                output
            }
            3 => weighted(self.sum.take(), 1.0 / 6.0),
            _ => {
                self.sum = Some(weighted(self.sum.take(), 1.0 / 3.0));
                output
            }
        };
        let kept = self.kept.clone().unwrap_or(sample);
        self.transfer(kept, used, from, to)
    }

    /// A step of the linear multistep method.
    fn multistep(
        &mut self,
        evaluation: usize,
        output: Tensor<4>,
        mut sample: Tensor<4>,
    ) -> Tensor<4> {
        let at = self.timesteps[evaluation] as i64;
        let (mut from, mut to) = (at, at - self.stride);
        // Without Runge-Kutta steps, the second evaluation is where the first step ended: with both, the
        // step is made again.
        let again = self.runge_kutta == 0 && evaluation == 1;
        if again {
            (from, to) = (at + self.stride, at);
        } else {
            let old = self.outputs.len().saturating_sub(ORDER - 1);
            self.outputs.drain(..old);
            self.outputs.push(output.clone());
        }
        let weighted = |weights: &[f64], divisor: f64| {
            let newest_first = self.outputs.iter().rev().zip(weights);
            let parts =
                newest_first.map(|(output, weight)| output.clone().mul_scalar(weight / divisor));
            parts
                .reduce(|sum, part| sum + part)
                .expect("an output was pushed above")
        };
        let used = match self.outputs.len() {
            1 if again => {
                sample = self.kept.take().unwrap_or(sample);
                (output + self.outputs[0].clone()).div_scalar(2.0)
            }
            1 => {
                self.kept = Some(sample.clone());
                output
            }
            2 => weighted(&[3.0, -1.0], 2.0),
            3 => weighted(&[23.0, -16.0, 5.0], 12.0),
            _ => weighted(&[55.0, -59.0, 37.0, -9.0], 24.0),
        };
        self.transfer(sample, used, from, to)
    }
}

/// Timesteps of the Runge-Kutta steps between four timesteps: each begins, goes half way twice, and
/// ends where the next begins.
fn runge_kutta(steps: &[i64], stride: i64) -> Vec<i64> {
    let half = stride / 2;
    let one = |pair: &[i64]| [pair[0], pair[1] + half, pair[1] + half, pair[1]];
    steps.windows(2).flat_map(one).collect()
}

impl Sampler for Pndm {
    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn step(
        &mut self,
        evaluation: usize,
        output: Tensor<4>,
        sample: Tensor<4>,
        _: Option<Tensor<4>>,
    ) -> Tensor<4> {
        if evaluation < self.runge_kutta {
            self.runge_kutta_step(evaluation, output, sample)
        } else {
            self.multistep(evaluation, output, sample)
        }
    }
}
