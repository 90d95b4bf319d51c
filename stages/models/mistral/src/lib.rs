//! Mistral (Jiang et al., 2023, arXiv 2310.06825), Llama (Touvron et al., 2023, arXiv 2302.13971) and their like in Burn:
//! language models with rotary positions, grouped queries and gated feed-forward networks.
//!
//! [`Mistral`] is the network: rows of many texts go through its linear layers together, and through attention each
//! with its own [`Cache`]. A [`Prefix`] is read once and continued many times. [`Generator`] writes with it. Weights are
//! of single or half precision, or packed in four bits ([`Packing`]), and stay as they are stored.
//!
//! The reference is Hugging Face's `transformers`, whose names of tensors and configurations are kept.

mod cache;
mod config;
mod generate;
mod gguf;
mod model;
mod quantisation;
mod read;
mod rope;
mod sampling;
mod texts;
mod weights;

pub use cache::{Cache, Prefix};
pub use config::{MistralConfig, Rope, Scaling};
pub use generate::{Completion, ContextError, Generator, Request};
pub use gguf::load_gguf;
pub use model::{Mistral, Pass, Span};
pub use quantisation::{Packing, PackingError, Quantisation};
pub use sampling::{Sampler, Sampling};
pub use texts::{Extent, Texts};
pub use weights::{LoadError, load, load_weights};
