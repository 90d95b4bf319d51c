//! From a pipeline file to a run: text → tree → [`Pipeline`] → [`Plan`](plan::Plan) → batches →
//! outcomes → tables → [`RunRecord`](record::RunRecord).
//!
//! Read [`compile`] and [`run`] first: they are the two halves. The engine links no network
//! library, prints nothing and reads no environment variable; a [`Registry`](ccsr_stage::Registry)
//! tells it which stage kinds there are, and [`Event`](event::Event)s tell others what it does.

mod active;
mod attempt;
pub mod bundle;
pub mod compare;
mod compile;
pub mod diagnostic;
pub mod event;
mod explain;
mod export;
pub mod graph;
mod interpolate;
mod key;
mod loader;
mod log;
pub mod metrics;
mod origin;
mod overrides;
mod pipeline;
pub mod plan;
mod project;
mod provenance;
mod queue;
pub mod record;
pub mod reproduce;
mod residency;
mod resolve;
pub mod retain;
pub mod rows;
mod run;
mod schedule;
pub mod schema;
mod show;
mod slots;
pub mod source;
mod standing;
pub mod sweep;
pub mod tabular;
pub mod timeline;
mod timings;
pub mod verify;
mod waves;
pub mod why;
mod worker;
pub mod yaml;

pub use compile::{CompileError, CompileOptions, compile};
pub use diagnostic::Diagnostic;
pub use explain::{Change, changes};
pub use origin::{Origin, OriginText};
pub use pipeline::{
    Binding, Execution, Export, ExportFormat, Pipeline, Retry, StageNode, TableFormat,
};
pub use project::{CACHE, Models, Project};
pub use provenance::Provenance;
pub use run::{RunOptions, run};
pub use show::{Shown, ShownTable, show};
pub use slots::{Need, Slots};
pub use source::{SourceText, Sources};
pub use worker::WORKER_THREAD;
