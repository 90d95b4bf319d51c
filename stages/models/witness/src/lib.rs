//! A witness: a small convolutional network that says of an image which value each of a few facts has, such as which
//! animal is to be seen, how many, in which colour, and whether anything is wrong.
//!
//! [`Witness`] is the type to read first. What the facts are and which values they can have stands in its configuration
//! ([`Fact`]); the network knows nothing of their meaning. It is a residual network (He et al., 2016, arXiv 1603.05027)
//! with group normalisation (Wu and He, 2018), so that what it says of an image does not depend on the others of a batch.
//!
//! It was made for this project: there is no published checkpoint. PyTorch's modules are what it is held against.

mod block;
mod config;
mod model;
mod pixels;
mod weights;

pub use config::{Fact, WitnessConfig};
pub use model::Witness;
pub use pixels::pixels;
pub use weights::{LoadError, load_witness};
