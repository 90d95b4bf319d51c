//! GGUF files (versions 2 and 3): what they say, and where their tensors lie.
//!
//! [`Gguf::open`] reads the metadata and the directory of tensors and checks every number in them
//! against the file; the tensors themselves stay on disk until [`Gguf::read_tensor`] or
//! [`Gguf::dequantise`] is called. A file that lies about itself is an error, never a panic, and
//! never more memory than the file has bytes for.
//!
//! The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

mod blocks;
mod directory;
mod error;
mod gguf;
mod metadata;
mod reader;
mod tensor_type;

pub use blocks::dequantise;
pub use error::GgufError;
pub use gguf::{Gguf, Tensor};
pub use metadata::{Array, FromMetadata, Value};
pub use tensor_type::TensorType;
