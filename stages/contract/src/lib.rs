//! What a stage is, for those who write one and for the engine that runs it.
//!
//! A stage does not run the show; it answers questions ([`Stage`]), and the engine does the rest:
//! it finds what the cache already knows, batches what it does not, commits, resumes. Read
//! [`Stage`] first, then [`StageKind`], which is what a stage's author writes.
//!
//! This crate does not know YAML, files, networks or the engine.

mod environment;
mod error;
mod export;
pub mod params;
mod ports;
mod registry;
mod site;
mod stage;
mod table;
#[cfg(feature = "testing")]
pub mod testing;
mod unit;

pub use ccsr_cache::{Digest, Value, ValueError};
pub use environment::{Blobs, Environment, Limits, Resource};
pub use error::StageError;
pub use export::{Content, ExportFile};
pub use params::{Misfit, Misfits};
pub use ports::{InputPort, OutputPort, Schemas};
pub use registry::{BoundRole, Implementation, Kind, Registry, RoleKind, Roles};
pub use site::Site;
pub use stage::{Batch, Bound, Inputs, RowCounts, Source, SourceFile, Stage, StageKind};
pub use table::{Column, ColumnType, Row, Schema, Table, TableBuilder, TableError};
pub use unit::{Outcome, Partition, PartitionOutcomes, Resolved, Unit};
