//! `scheduler_config.json`, as checkpoints bring it along.
//!
//! What a file leaves out is `None`: its meaning is the default of the sampler that reads it, and
//! that differs between samplers (diffusers does the same when one scheduler is built from another's
//! configuration).

use serde::{Deserialize, Serialize};

use crate::SamplingError;

/// The configuration of a noise schedule and of a sampler. Names are those of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SchedulerConfig {
    /// The sampler that the checkpoint was published with.
    #[serde(rename = "_class_name")]
    pub class_name: Option<String>,
    /// Steps that the network was trained with: 1,000 as a rule.
    pub num_train_timesteps: Option<usize>,
    /// The first β.
    pub beta_start: Option<f64>,
    /// The last β.
    pub beta_end: Option<f64>,
    /// How β gets from the first to the last.
    pub beta_schedule: Option<BetaSchedule>,
    /// All β, instead of a schedule.
    pub trained_betas: Option<Vec<f64>>,
    /// What the network's output is.
    pub prediction_type: Option<Prediction>,
    /// Where the timesteps lie.
    pub timestep_spacing: Option<Spacing>,
    /// Added to timesteps that are spaced `leading`.
    pub steps_offset: Option<i64>,
    /// Whether ᾱ before the first step is 1, rather than that of step 0.
    pub set_alpha_to_one: Option<bool>,
    /// Whether β are scaled so that nothing of the image is left at the last step.
    pub rescale_betas_zero_snr: Option<bool>,
    /// Whether the predicted image is clipped.
    pub clip_sample: Option<bool>,
    /// To what.
    pub clip_sample_range: Option<f64>,
    /// Dynamic thresholding, which is not supported here.
    pub thresholding: Option<bool>,
    /// PNDM: whether to begin without Runge-Kutta steps.
    pub skip_prk_steps: Option<bool>,
    /// DPM-Solver, UniPC: the order.
    pub solver_order: Option<usize>,
    /// DPM-Solver: `dpmsolver++`.
    pub algorithm_type: Option<String>,
    /// DPM-Solver: `midpoint` or `heun`; UniPC: `bh1` or `bh2`.
    pub solver_type: Option<String>,
    /// DPM-Solver, UniPC: whether the last steps are of a lower order.
    pub lower_order_final: Option<bool>,
    /// DPM-Solver: whether the last step is of order 1.
    pub euler_at_final: Option<bool>,
    /// DPM-Solver: the least λ; such as −5.1 for cosine schedules.
    pub lambda_min_clipped: Option<Number>,
    /// Whether noise levels are those of Karras et al.
    pub use_karras_sigmas: Option<bool>,
    /// Not supported here.
    pub use_exponential_sigmas: Option<bool>,
    /// Not supported here.
    pub use_beta_sigmas: Option<bool>,
    /// Not supported here.
    pub use_lu_lambdas: Option<bool>,
    /// Not supported here.
    pub use_flow_sigmas: Option<bool>,
    /// The noise level after the last step.
    pub final_sigmas_type: Option<FinalSigma>,
    /// Euler: how noise levels lie between those of training. Only `linear`.
    pub interpolation_type: Option<String>,
    /// Euler: `discrete`.
    pub timestep_type: Option<String>,
    /// UniPC: whether it works on predicted images. Only `true`.
    pub predict_x0: Option<bool>,
    /// LCM: steps of the distillation's own schedule.
    pub original_inference_steps: Option<usize>,
    /// LCM: the factor of timesteps in the boundary condition.
    pub timestep_scaling: Option<f64>,
}

/// How β gets from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BetaSchedule {
    /// In a straight line.
    Linear,
    /// Its square root in a straight line (latent diffusion).
    ScaledLinear,
    /// ᾱ as a squared cosine, β at most 0.999 (Nichol and Dhariwal, 2021).
    #[serde(rename = "squaredcos_cap_v2")]
    SquaredCosine,
}

/// What a network's output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Prediction {
    /// The noise.
    #[serde(rename = "epsilon")]
    Epsilon,
    /// The velocity: √ᾱ·noise − √(1−ᾱ)·image (Salimans and Ho, 2022).
    #[serde(rename = "v_prediction")]
    Velocity,
    /// The image.
    #[serde(rename = "sample")]
    Sample,
}

/// Where timesteps lie (table 2 of Lin et al., 2023).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spacing {
    /// From the first to the last.
    Linspace,
    /// Each at the beginning of its part.
    Leading,
    /// Each at the end of its part.
    Trailing,
}

/// The noise level after the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalSigma {
    /// None.
    Zero,
    /// That of the first step of training.
    SigmaMin,
}

/// A number; JSON files write infinities as text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "serde_json::Value", into = "serde_json::Value")]
pub struct Number(pub f64);

impl TryFrom<serde_json::Value> for Number {
    type Error = String;

    fn try_from(json: serde_json::Value) -> Result<Self, String> {
        let written = json.as_str().map(str::to_lowercase);
        let number = match written.as_deref() {
            Some("-inf" | "-infinity") => Some(f64::NEG_INFINITY),
            Some("inf" | "infinity") => Some(f64::INFINITY),
            _ => json.as_f64(),
        };
        number
            .map(Self)
            .ok_or_else(|| format!("expected a number, found {json}"))
    }
}

impl From<Number> for serde_json::Value {
    fn from(number: Number) -> Self {
        serde_json::Number::from_f64(number.0)
            .map_or_else(|| Self::String(number.0.to_string()), Self::Number)
    }
}

impl SchedulerConfig {
    /// Reads the file's text. Keys that are not known here are passed over: they belong to other
    /// samplers.
    pub fn from_json(text: &str) -> Result<Self, SamplingError> {
        serde_json::from_str(text).map_err(|error| SamplingError::Config(error.to_string()))
    }

    /// Refuses what no sampler here can do, rather than to draw something else.
    pub(crate) fn check(&self) -> Result<(), SamplingError> {
        let switches = [
            ("thresholding", self.thresholding),
            ("use_exponential_sigmas", self.use_exponential_sigmas),
            ("use_beta_sigmas", self.use_beta_sigmas),
            ("use_lu_lambdas", self.use_lu_lambdas),
            ("use_flow_sigmas", self.use_flow_sigmas),
        ];
        let on = switches.into_iter().find(|(_, on)| *on == Some(true));
        on.map_or(Ok(()), |(key, _)| {
            Err(SamplingError::Unsupported {
                key,
                value: "true".to_owned(),
            })
        })
    }

    /// A key that may have one of these values only.
    pub(crate) fn one_of(
        key: &'static str,
        value: Option<&str>,
        known: &[&'static str],
    ) -> Result<&'static str, SamplingError> {
        let Some(value) = value else {
            return Ok(known[0]);
        };
        let found = known.iter().find(|known| **known == value);
        found.copied().ok_or_else(|| SamplingError::Unsupported {
            key,
            value: value.to_owned(),
        })
    }
}
