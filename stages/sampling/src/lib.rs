//! Noise schedules and diffusion samplers.
//!
//! A [`Sampler`] turns noise into an image in steps. It is asked at which timesteps the network is to
//! be evaluated, is given what the network answers, and returns the next sample; it never sees the
//! network. [`SamplerKind::build`] makes one from a checkpoint's `scheduler_config.json`
//! ([`SchedulerConfig`]). [`NoiseSchedule`] is what they share, and what training adds noise by.
//! [`noise`] is where all noise comes from.
//!
//! Each sampler is one file, named for its paper. What they are held against is diffusers
//! (`tests/parity`). Coefficients are computed in binary64, samples in whatever they come in.

use burn::prelude::*;
use serde::{Deserialize, Serialize};

mod config;
mod ddim;
mod dpm_solver;
mod euler;
mod lcm;
pub mod noise;
mod pndm;
mod prediction;
mod schedule;
mod timesteps;
mod training;
mod unipc;

pub use config::{BetaSchedule, FinalSigma, Number, Prediction, SchedulerConfig, Spacing};
pub use ddim::Ddim;
pub use dpm_solver::DpmSolver;
pub use euler::{Euler, EulerAncestral};
pub use lcm::Lcm;
pub use pndm::Pndm;
pub use schedule::NoiseSchedule;
pub use training::{add_noise, denoised, target};
pub use unipc::UniPc;

/// Why a sampler cannot be made.
#[derive(Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SamplingError {
    /// The configuration cannot be read.
    #[error("the scheduler's configuration is not valid: {0}")]
    Config(String),
    /// The configuration asks for something that no sampler here can do.
    #[error("`{key}: {value}` is not supported; choose a sampler in the pipeline instead")]
    Unsupported {
        /// The key of the configuration.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// So many steps cannot be made.
    #[error("{steps} steps cannot be made; expected 1 to {most}")]
    Steps {
        /// What was asked for.
        steps: usize,
        /// The most that can be.
        most: usize,
    },
}

/// A way from noise to an image.
///
/// The loop: begin with noise times [`initial_sigma`](Sampler::initial_sigma); for each evaluation of
/// [`timesteps`](Sampler::timesteps), in order, give the network
/// [`scale_input`](Sampler::scale_input), and its answer to [`step`](Sampler::step).
pub trait Sampler: Send {
    /// The timesteps at which the network is evaluated, in order. They need not be whole, and one may
    /// come twice.
    fn timesteps(&self) -> &[f64];

    /// The standard deviation of the noise to begin with.
    fn initial_sigma(&self) -> f64 {
        1.0
    }

    /// What the network is given in place of the sample.
    ///
    /// # Shapes
    /// `[batch, channels, height, width]`, in and out.
    fn scale_input(&self, sample: Tensor<4>, evaluation: usize) -> Tensor<4> {
        let _ = evaluation;
        sample
    }

    /// Whether the step after this evaluation wants noise.
    fn draws(&self, evaluation: usize) -> bool {
        let _ = evaluation;
        false
    }

    /// The sample after this evaluation. Evaluations come in order, each once.
    ///
    /// # Shapes
    /// All `[batch, channels, height, width]`. `noise` is standard normal, and there where
    /// [`draws`](Sampler::draws) says so.
    fn step(
        &mut self,
        evaluation: usize,
        output: Tensor<4>,
        sample: Tensor<4>,
        noise: Option<Tensor<4>>,
    ) -> Tensor<4>;
}

/// The samplers there are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplerKind {
    /// Pseudo numerical methods (Liu et al., 2022): PLMS, what Stable Diffusion was published with. It
    /// evaluates the network once more than there are steps.
    Pndm,
    /// Denoising diffusion implicit models (Song et al., 2020).
    Ddim {
        /// How much noise is added on the way: 0 none, 1 as DDPM does.
        eta: f64,
    },
    /// DPM-Solver++ (Lu et al., 2022), multistep.
    DpmSolver {
        /// With the noise levels of Karras et al.; as the configuration says if not said.
        karras: Option<bool>,
    },
    /// Euler's method on the noise levels of Karras et al. (2022).
    Euler,
    /// The same with noise added at each step.
    EulerAncestral,
    /// UniPC (Zhao et al., 2023).
    UniPc,
    /// Latent consistency models (Luo et al., 2023).
    Lcm,
}

impl SamplerKind {
    /// The sampler that a checkpoint was published with.
    pub fn of(config: &SchedulerConfig) -> Result<Self, SamplingError> {
        let unknown = |name: &str| SamplingError::Unsupported {
            key: "_class_name",
            value: name.to_owned(),
        };
        Ok(match config.class_name.as_deref() {
            Some("PNDMScheduler") => Self::Pndm,
            Some("DDIMScheduler") => Self::Ddim { eta: 0.0 },
            Some("DPMSolverMultistepScheduler") => Self::DpmSolver { karras: None },
            Some("EulerDiscreteScheduler") => Self::Euler,
            Some("EulerAncestralDiscreteScheduler") => Self::EulerAncestral,
            Some("UniPCMultistepScheduler") => Self::UniPc,
            Some("LCMScheduler") => Self::Lcm,
            other => return Err(unknown(other.unwrap_or("nothing"))),
        })
    }

    /// A sampler of this kind for so many steps.
    pub fn build(
        self,
        config: &SchedulerConfig,
        steps: usize,
    ) -> Result<Box<dyn Sampler>, SamplingError> {
        Ok(match self {
            Self::Pndm => Box::new(Pndm::new(config, steps)?),
            Self::Ddim { eta } => Box::new(Ddim::new(config, steps, eta)?),
            Self::DpmSolver { karras } => Box::new(DpmSolver::new(config, steps, karras)?),
            Self::Euler => Box::new(Euler::new(config, steps)?),
            Self::EulerAncestral => Box::new(EulerAncestral::new(config, steps)?),
            Self::UniPc => Box::new(UniPc::new(config, steps)?),
            Self::Lcm => Box::new(Lcm::new(config, steps)?),
        })
    }
}
