//! PyTorch checkpoints (`torch.save`, `.pt`): their tensors, read without executing anything.
//!
//! Such a file is a zip archive with a pickle in it, a program for a stack machine that may call whatever Python can
//! import. [`TorchFile::open`] runs a machine of its own that knows the instructions and names that checkpoints need and
//! refuses all others, by name and place. What it builds is inert: a class is a name, an object its state. What is found
//! in it is taken for the module tree of a network, or for its state dictionary, and checked against the file. Numbers are held
//! against their checksums when they are read. A file that lies about itself is an error, never a panic, and takes no more
//! memory than what it holds bears out: a tensor at a time, and some hundred times the pickle, of which 8 MiB are read.
//!
//! The reader that `burn-store` 0.22 uses was tried on what `ultralytics` pickles: it finds the tensors of modules, too. But it
//! drops their attributes, of which the network's sizes are, passes over functions that it does not know instead of
//! refusing them, and turns on `zip`'s decompression, whose features change how the whole workspace writes PNG.

mod archive;
mod convert;
mod error;
mod machine;
mod modules;
mod names;
mod tensor;
mod torch_file;
mod value;

pub use error::PickleError;
pub use tensor::{Kind, Tensor};
pub use torch_file::TorchFile;
