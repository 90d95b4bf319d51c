//! Training: LoRA adapters (Hu et al., 2021) for latent diffusion models, and networks from nothing.
//!
//! [`Trainer`] is the type to read first: it has frozen networks, and says for a batch and an adapter's numbers what the
//! loss and its gradient are. Those of whole networks ([`ContrastiveTrainer`], …) do the same with all their numbers.
//! [`State`] is all that changes while training goes on, and [`AdamW`] how a gradient changes it. The numbers that are
//! trained lie in one row (a [`Layout`] says whose they are), so the norm of a gradient, a step of the optimizer and an
//! average over time are loops over numbers, and a checkpoint is a few tensors.
//!
//! Nothing here reads files or knows of epochs: whoever calls says which images, which noise, which timesteps. What it is
//! held against is PyTorch: `peft` with diffusers' training script, `transformers` and others (`tests/parity`).

mod autoencoder;
mod contrastive;
mod denoiser;
pub mod detection;
mod gradient;
mod initial;
mod judge;
mod language;
mod layers;
mod layout;
mod muon;
mod objective;
mod optimizer;
mod rate;
mod state;
mod trainer;
mod witness;

pub use autoencoder::{AutoencoderBatch, AutoencoderObjective, AutoencoderTrainer};
pub use contrastive::{
    ContrastiveBatch, ContrastivePart, ContrastivePull, ContrastiveTrainer, Facts, Known,
};
pub use denoiser::{DenoiserBatch, DenoiserTrainer, DistillationBatch, DistillationTrainer};
pub use detection::{DetectionBatch, DetectionLoss, DetectionTrainer, LabelledBox, SearchTexts};
pub use gradient::Gradient;
pub use initial::{Initial, initial};
pub use judge::{Asked, JudgeTrainer};
pub use language::{LanguageTrainer, Lesson};
pub use layers::{Layer, LayerError, Layers, Targets};
pub use layout::Layout;
pub use objective::Objective;
pub use optimizer::AdamW;
pub use rate::{LearningRate, RateSchedule};
pub use state::{Average, RowPart, State, StateError};
pub use trainer::{Batch, Text, Trainer};
pub use witness::{WitnessBatch, WitnessTrainer};
