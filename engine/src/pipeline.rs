//! A pipeline, resolved: every name is bound to what it names, every parameter is read and checked.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ccsr_cache::Value;
use ccsr_stage::params::{ResolvedPath, Span};
use ccsr_stage::{OutputPort, Stage};

use crate::graph::{StageGraph, StageId};

/// A resolved pipeline. Stages are in the order of the file.
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// The file it was read from, relative to the project.
    pub file: String,
    /// The project's folder: no path leaves it.
    pub project: PathBuf,
    /// The suite that binds its roles.
    pub suite: Option<String>,
    /// Its seed.
    pub seed: u64,
    /// Its stages.
    pub stages: Vec<StageNode>,
    /// Which of them read which.
    pub graph: StageGraph,
}

/// A stage of a pipeline.
pub struct StageNode {
    /// Its name in the pipeline.
    pub name: String,
    /// Its stage kind.
    pub kind: &'static str,
    /// Revision of the kind's outcomes.
    pub revision: u32,
    /// Revision of the kind's units and tables.
    pub table_revision: u32,
    /// Whether its units ask a model: its kind needs a role.
    pub uses_model: bool,
    /// The stage, parameters read and roles bound.
    pub stage: Box<dyn Stage>,
    /// What of its roles enters keys.
    pub roles: Value,
    /// The table bound to each of its input ports.
    pub bindings: BTreeMap<&'static str, Binding>,
    /// The tables it writes.
    pub outputs: Vec<OutputPort>,
    /// Where its tables are materialised.
    pub exports: Vec<Export>,
    /// Units a batch, if the pipeline says so.
    pub batch: Option<usize>,
    /// Where the stage stands in the file: its name.
    pub span: Span,
}

/// An output port of another stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The stage.
    pub stage: StageId,
    /// Its port.
    pub port: &'static str,
}

/// A table to materialise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The output port.
    pub port: &'static str,
    /// Where to.
    pub path: ResolvedPath,
    /// What is written there.
    pub format: ExportFormat,
}

/// What an export writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// The table as one file.
    Table(TableFormat),
    /// The files that the stage makes of the table, or its rows' blobs, in a folder.
    Folder,
}

/// Text formats for tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a row.
    Jsonl,
    /// A Markdown table.
    Markdown,
}

impl Pipeline {
    /// A stage.
    pub fn stage(&self, id: StageId) -> &StageNode {
        &self.stages[id.0]
    }

    /// The stage of this name.
    pub fn find(&self, name: &str) -> Option<StageId> {
        self.stages
            .iter()
            .position(|stage| stage.name == name)
            .map(StageId)
    }
}
