//! Content-addressed storage. It knows bytes, digests and values; it does not know what a stage,
//! a table or an image is.
//!
//! [`Store`] is the one door. `README.md` beside this crate is the format on disk.

mod digest;
mod value;

pub use digest::{Digest, ParseDigestError};
pub use value::{Value, ValueError};
