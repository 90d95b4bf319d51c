//! Everything that reads what others wrote, given anything at all: it may refuse, it may not panic,
//! and what it takes it must give back.
//!
//! A target is a function of bytes. `tests/` gives each its corpus and some thousands of random
//! changes to it on every test run; `run.sh` gives it ten million inputs, chosen by libFuzzer.
//! Nothing here touches a disk, but for the ledger and converted checkpoints, which are kept in memory where the system can.

// A build of this crate for unit tests, of which it has none, would look for those of `diagnostics`.
#![cfg(not(test))]

mod checkpoints;
#[path = "../../src/report/diagnostics.rs"]
mod diagnostics;
mod front_end;
mod ledger;
mod memory;
mod records;
mod tables;

pub use checkpoints::checkpoints;
pub use front_end::{front_end, sweeps};
pub use ledger::ledger;
pub use records::records;
pub use tables::tables;

/// A function that takes anything.
pub type Target = fn(&[u8]);

/// Every target, by the name of its corpus.
pub const TARGETS: [(&str, Target); 6] = [
    ("front_end", front_end),
    ("sweeps", sweeps),
    ("tables", tables),
    ("records", records),
    ("ledger", ledger),
    ("checkpoints", checkpoints),
];
