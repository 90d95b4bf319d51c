//! What networks of more than one family use: weights are read here, and what is computed alike is
//! written once.
//!
//! [`Checkpoint`] is the type to read first: a file or folder of safetensors whose tensors go into a
//! module, every one of them, each once.

mod activation;
mod adapted;
mod adapter;
mod checkpoint;
mod config;
#[cfg(feature = "testing")]
pub mod golden;
mod layer_norm;
pub mod ops;
mod packed;
mod precision;
mod row;
mod written;

pub use activation::Activation;
pub use adapted::{Adaptable, AdaptedConv2d, AdaptedLinear, LowRank, Site, Sites};
pub use adapter::{
    ADAPTER_FILE, Adapter, AdapterFormat, Component, Factor, LoraLayer, PEFT_CONFIG, PEFT_FILE,
    converted, merge,
};
pub use checkpoint::{Checkpoint, WeightError, keys_of};
pub use config::{ConfigError, read_config};
pub use layer_norm::LayerNorm;
pub use packed::{PackedLinear, Projection, TokenEmbedding, packed_tensors};
pub use precision::{cast, keep_weights_in};
pub use row::{Parameter, Row};
