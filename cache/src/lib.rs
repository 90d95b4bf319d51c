//! Content-addressed storage. It knows bytes, digests and values; it does not know what a stage,
//! a table or an image is.
//!
//! [`Store`] is the one door: a folder of objects named by their digests, and a ledger that says
//! which action had which outcome. Several processes may use one store at once, and each of them may
//! be killed at any instant. `README.md` beside this crate is the format on disk.

mod digest;
mod error;
mod exports;
mod files;
mod key;
mod layout;
mod leases;
mod ledger;
mod objects;
mod outcomes;
mod run_id;
mod runs;
mod seal;
mod stages;
mod store;
mod value;

pub use digest::{Digest, ParseDigestError};
pub use error::{FileError, LedgerProblem, Loss, ReadError, StoreError};
pub use exports::Exported;
pub use key::{ActionKey, StageKey};
pub use layout::FORMAT;
pub use leases::Claim;
pub use outcomes::{Commit, Stored};
pub use run_id::{ParseRunIdError, RunId};
pub use stages::StageMemo;
pub use store::{Access, Store};
pub use value::{Map, Value, ValueError};
