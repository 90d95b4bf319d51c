//! Training of LoRA adapters (Hu et al., 2021) for latent diffusion models.
//!
//! [`Trainer`] is the type to read first: it has the frozen networks, and says for a batch and the adapter's numbers
//! what the loss and its gradient are. [`State`] is all that changes while training goes on, and [`AdamW`] how a gradient
//! changes it. The adapter's numbers lie in one row ([`Layers`] says whose they are), so the norm of a gradient, a step of
//! the optimizer and an average over time are loops over numbers, and a checkpoint is a few tensors.
//!
//! Nothing here draws random numbers, reads files or knows of epochs: whoever calls says which images, which noise, which
//! timesteps. What it is held against is `peft` with diffusers' training script (`tests/parity`).

mod layers;
mod optimizer;
mod rate;
mod state;
mod trainer;

pub use layers::{Layer, LayerError, Layers, Targets};
pub use optimizer::AdamW;
pub use rate::{LearningRate, RateSchedule};
pub use state::{Average, State, StateError};
pub use trainer::{Batch, Gradient, Objective, Text, Trainer};
