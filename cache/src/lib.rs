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
mod gc;
mod inspect;
mod key;
mod layout;
mod leases;
mod ledger;
mod objects;
mod outcomes;
mod pins;
mod probe;
mod reach;
mod run_id;
mod runs;
mod seal;
mod stages;
mod stat;
mod store;
mod survey;
mod transfer;
mod tree;
mod value;
mod verify;

pub use digest::{Digest, ParseDigestError};
pub use error::{FileError, LedgerProblem, Loss, ReadError, StoreError};
pub use exports::{ExportTurn, Exported};
pub use files::FileLook;
pub use gc::{Collection, Freed};
pub use inspect::{Found, KnownBlob, KnownStage, KnownUnit, MIN_PREFIX};
pub use key::{ActionKey, StageKey};
pub use layout::FORMAT;
pub use leases::Claim;
pub use outcomes::{Action, Commit, Stored};
pub use pins::{Pin, PinTarget};
pub use probe::{Filesystem, FilesystemKind, Probe, probe};
pub use reach::Keep;
pub use run_id::{ParseRunIdError, RunId};
pub use stages::StageMemo;
pub use stat::{KindStat, Stat, Tally};
pub use store::{Access, Store};
pub use value::{Map, Value, ValueError};
pub use verify::{BadObject, LedgerState, Progress, Repair, Verdict, verify};
