//! DPM-Solver++ (Lu et al., 2022, arXiv 2211.01095): the multistep solver of order 1 or 2 of the
//! diffusion ODE, in terms of the predicted image.

use burn::prelude::*;

use crate::config::SchedulerConfig;
use crate::prediction::image;
use crate::schedule::NoiseSchedule;
use crate::{FinalSigma, Sampler, SamplingError, timesteps};

/// With fewer steps, the last ones are of a lower order (the authors' advice).
const FEW: usize = 15;

/// α, σ and λ = ln α − ln σ of a noise level, as the paper counts: σ² + α² = 1.
#[derive(Clone, Copy)]
pub(crate) struct Level {
    pub(crate) alpha: f64,
    pub(crate) sigma: f64,
    pub(crate) lambda: f64,
}

impl Level {
    /// From σ/α, the noise level of Karras et al.
    pub(crate) fn of(sigma: f64) -> Self {
        let alpha = (sigma * sigma + 1.0).sqrt().recip();
        let sigma = sigma * alpha;
        Self {
            alpha,
            sigma,
            lambda: alpha.ln() - sigma.ln(),
        }
    }
}

/// DPM-Solver++.
pub struct DpmSolver {
    schedule: NoiseSchedule,
    timesteps: Vec<f64>,
    /// The noise level of each evaluation, and the last.
    levels: Vec<Level>,
    order: usize,
    /// `heun` rather than `midpoint`.
    heun: bool,
    /// Whether the last step is of order 1.
    lower_last: bool,
    /// The predicted image of the evaluation before.
    before: Option<Tensor<4>>,
}

impl DpmSolver {
    /// DPM-Solver++ with so many steps; `karras` overrides the configuration.
    pub fn new(
        config: &SchedulerConfig,
        steps: usize,
        karras: Option<bool>,
    ) -> Result<Self, SamplingError> {
        let schedule = NoiseSchedule::new(config)?;
        timesteps::check(steps, &schedule)?;
        // `deis` is another name for it in old configurations.
        SchedulerConfig::one_of(
            "algorithm_type",
            config.algorithm_type.as_deref(),
            &["dpmsolver++", "deis"],
        )?;
        let kinds = ["midpoint", "heun", "logrho", "bh1", "bh2"];
        let kind = SchedulerConfig::one_of("solver_type", config.solver_type.as_deref(), &kinds)?;
        let order = config.solver_order.unwrap_or(2);
        if !(1..=2).contains(&order) {
            let value = order.to_string();
            return Err(SamplingError::Unsupported {
                key: "solver_order",
                value,
            });
        }
        let last = usable(config, &schedule);
        let final_sigma = timesteps::final_sigma(config, &schedule);
        let (timesteps, mut sigmas) = spaced(config, &schedule, steps, last, karras);
        sigmas.push(final_sigma);
        let lower = config.lower_order_final.unwrap_or(true);
        let to_zero = config.final_sigmas_type.unwrap_or(FinalSigma::Zero) == FinalSigma::Zero;
        let lower_last =
            config.euler_at_final == Some(true) || (lower && timesteps.len() < FEW) || to_zero;
        Ok(Self {
            schedule,
            timesteps,
            levels: sigmas.into_iter().map(Level::of).collect(),
            order,
            heun: kind == "heun",
            lower_last,
            before: None,
        })
    }
}

/// How many timesteps may be used: those whose λ is not below `lambda_min_clipped`.
fn usable(config: &SchedulerConfig, schedule: &NoiseSchedule) -> usize {
    let least = config
        .lambda_min_clipped
        .map_or(f64::NEG_INFINITY, |number| number.0);
    // λ falls as time goes on.
    let lambda = |timestep: usize| Level::of(schedule.sigma(timestep)).lambda;
    (1..=schedule.len())
        .rev()
        .find(|count| lambda(count - 1) >= least)
        .unwrap_or(1)
}

/// Timesteps and their noise levels, as DPM-Solver and UniPC space them.
pub(crate) fn spaced(
    config: &SchedulerConfig,
    schedule: &NoiseSchedule,
    steps: usize,
    last: usize,
    karras: Option<bool>,
) -> (Vec<f64>, Vec<f64>) {
    if karras.or(config.use_karras_sigmas) == Some(true) {
        let sigmas =
            timesteps::karras(schedule.sigma(schedule.len() - 1), schedule.sigma(0), steps);
        let timestep = |sigma: &f64| schedule.timestep_of(*sigma).round_ties_even();
        return (sigmas.iter().map(timestep).collect(), sigmas);
    }
    let timesteps = timesteps::solver(config, schedule, steps, last);
    let sigmas = timesteps
        .iter()
        .map(|timestep| schedule.sigma_at(*timestep))
        .collect();
    (timesteps, sigmas)
}

impl Sampler for DpmSolver {
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
        let (now, then) = (self.levels[evaluation], self.levels[evaluation + 1]);
        let prediction = self.schedule.prediction();
        let predicted = image(prediction, output, sample.clone(), (now.alpha, now.sigma));
        let before = self.before.replace(predicted.clone());
        let h = then.lambda - now.lambda;
        let phi = (-h).exp_m1();
        let carried = sample.mul_scalar(then.sigma / now.sigma)
            - predicted.clone().mul_scalar(then.alpha * phi);
        let is_last = evaluation + 1 == self.timesteps.len();
        let (Some(before), true) = (before, self.order == 2 && !(is_last && self.lower_last))
        else {
            return carried;
        };
        // How the prediction changes, in units of this step: D1 of the paper's algorithm 2.
        let ratio = (now.lambda - self.levels[evaluation - 1].lambda) / h;
        let change = (predicted - before).div_scalar(ratio);
        let weight = if self.heun {
            then.alpha * (phi / h + 1.0)
        } else {
            -0.5 * then.alpha * phi
        };
        carried + change.mul_scalar(weight)
    }
}
