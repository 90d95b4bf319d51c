//! Model folders and downloads from a Hugging Face hub.
//!
//! A [`ModelId`] names a model; [`Hub`] finds its files in the cache that all of Hugging Face's own
//! programs share, or downloads them into it. Read [`Hub`] first; README.md draws the layout.
//!
//! What this crate does not do: it reads no environment variable (its caller fills in a
//! [`Config`]), prints nothing (a caller who wants to tell watches [`Progress`]), and knows nothing
//! of what is in the files.

mod config;
mod digest;
mod download;
mod error;
mod glob;
mod hub;
mod id;
mod layout;
mod list;
mod listing;
mod lock;
mod pull;
mod remote;
mod select;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod verify;

pub use config::{Config, Proxies, Token};
pub use error::HubError;
pub use glob::{GlobError, Pattern};
pub use hub::Hub;
pub use id::{IdError, ModelId};
pub use list::Snapshot;
pub use pull::{Progress, PullOptions, Pulled};
pub use select::Selection;
pub use verify::{Fault, FaultKind, Verdict};
