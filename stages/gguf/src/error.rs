//! Why a GGUF file cannot be used.

use std::io;
use std::path::PathBuf;

use crate::TensorType;

/// Why a GGUF file cannot be read, or does not say what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GgufError {
    /// The file is missing or cannot be read.
    #[error("cannot read `{}`: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        why: io::Error,
    },
    /// The file does not begin as GGUF files do.
    #[error("`{}` is no GGUF file: it does not begin with `GGUF`", path.display())]
    NotGguf {
        /// The file.
        path: PathBuf,
    },
    /// A version that is not read.
    #[error("`{}` is GGUF version {version}; versions 2 and 3 are read", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version it says.
        version: u32,
    },
    /// A file for machines that store the most significant byte first.
    #[error("`{}` is big-endian; only little-endian files are read", path.display())]
    BigEndian {
        /// The file.
        path: PathBuf,
    },
    /// The file contradicts itself or ends too early.
    #[error("`{}` is damaged at byte {at}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, in bytes from the file's start.
        at: u64,
        /// What is wrong there.
        what: String,
    },
    /// The metadata lack a key.
    #[error("`{}` has no metadata key `{key}`", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A key holds something else.
    #[error("`{key}` of `{}` is {found}; expected {expected}", path.display())]
    WrongValue {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// What it holds.
        found: String,
        /// What was asked for.
        expected: &'static str,
    },
    /// No tensor has that name.
    #[error("`{}` has no tensor `{name}`", path.display())]
    NoTensor {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// A tensor whose numbers are stored in a way that is not read.
    #[error(
        "tensor `{name}` of `{}` is stored as {kind}, which is not read; \
         store it as one of {}",
        path.display(),
        TensorType::dequantised_names()
    )]
    NotDequantised {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// How it is stored.
        kind: TensorType,
    },
}
