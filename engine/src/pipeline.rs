//! A pipeline, resolved: every name is bound to what it names, every parameter is read and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use ccsr_cache::Value;
use ccsr_stage::params::{ResolvedPath, Span};
use ccsr_stage::{Environment, OutputPort, Stage};

use crate::graph::{StageGraph, StageId};
use crate::origin::Origin;
use crate::slots::Need;

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
    /// The names of those that the file has and `when` leaves out, in alphabetical order.
    pub left_out: Vec<String>,
    /// Which of them read which.
    pub graph: StageGraph,
    /// What it was compiled from.
    pub origin: Origin,
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
    /// How it executes.
    pub execution: Execution,
    /// Where the stage stands in the file: its name.
    pub span: Span,
}

/// How a stage executes. None of it enters a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Execution {
    /// Units a batch, if the pipeline says so.
    pub batch: Option<usize>,
    /// What happens to a unit that failed.
    pub retry: Retry,
    /// How long the stage may execute in one run, from its first batch on.
    pub timeout: Option<Duration>,
    /// The device, if it is not the run's.
    pub device: Option<String>,
    /// What its batches occupy.
    pub need: Need,
}

impl Execution {
    /// Where its batches execute in a run with this environment.
    pub(crate) fn environment(&self, of_run: &Environment) -> Environment {
        Environment {
            device: self.device.as_ref().unwrap_or(&of_run.device).clone(),
            ..of_run.clone()
        }
    }
}

/// How often a unit that failed is tried again, and after how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// At most so many times.
    pub times: u32,
    /// Before the first time; doubled before each other one.
    pub wait: Duration,
}

/// The longest that a unit waits before it is tried again.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

impl Retry {
    /// How long to wait before a unit is tried again that failed `failures` times; `None` if it had
    /// its chances.
    pub(crate) fn after(&self, failures: u32) -> Option<Duration> {
        let doublings = failures.saturating_sub(1).min(16);
        (failures <= self.times).then(|| (self.wait * (1 << doublings)).min(LONGEST_WAIT))
    }
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

    /// The same pipeline with nothing but `targets` and what they depend on.
    #[must_use]
    pub fn up_to(self, targets: &[StageId]) -> Self {
        let ancestors = targets.iter().flat_map(|id| self.graph.with_ancestors(*id));
        let kept: BTreeSet<StageId> = ancestors.collect();
        let place: BTreeMap<StageId, StageId> =
            kept.iter().copied().zip((0..).map(StageId)).collect();
        let edges = self.graph.edges().into_iter();
        let edges = edges.filter_map(|(from, to)| Some((*place.get(&from)?, *place.get(&to)?)));
        let graph =
            StageGraph::new(kept.len(), edges).expect("a part of what has no cycle has none");
        let stages = self.stages.into_iter().enumerate();
        let stages = stages.filter(|(index, _)| kept.contains(&StageId(*index)));
        let stages = stages.map(|(_, mut stage)| {
            for binding in stage.bindings.values_mut() {
                binding.stage = place[&binding.stage];
            }
            stage
        });
        Self {
            stages: stages.collect(),
            graph,
            ..self
        }
    }

    /// The names of the stages.
    pub(crate) fn stage_names(&self) -> Vec<&str> {
        let names = self.stages.iter().map(|stage| stage.name.as_str());
        names.collect()
    }

    /// The stage of this name.
    pub fn find(&self, name: &str) -> Option<StageId> {
        self.stages
            .iter()
            .position(|stage| stage.name == name)
            .map(StageId)
    }
}
