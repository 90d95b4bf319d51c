//! The record of a run: what it was, what it did, what came out.

use std::collections::BTreeMap;
use std::fmt;

use ccsr_cache::{Digest, Value};
use serde::{Deserialize, Serialize};

/// A run, as it is kept under `runs/`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its id.
    pub run: String,
    /// How it ended.
    pub outcome: RunOutcome,
    /// The pipeline's name.
    pub pipeline: String,
    /// The pipeline's file, relative to the project.
    pub file: String,
    /// The suite.
    pub suite: Option<String>,
    /// The seed.
    pub seed: u64,
    /// What `--set` changed.
    pub set: Vec<String>,
    /// When it began, in seconds since 1970-01-01 UTC.
    pub started: u64,
    /// How long it took.
    pub seconds: f64,
    /// Seconds that units and stages found in the cache once took.
    pub seconds_saved: f64,
    /// Units that were computed.
    pub units_executed: u64,
    /// Those of them that asked a model.
    pub model_units_executed: u64,
    /// Units whose outcomes were found in the cache.
    pub units_reused: u64,
    /// The program's version.
    pub version: String,
    /// The trial of a sweep that it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<TrialRecord>,
    /// Its stages, in the order of their work.
    pub stages: Vec<StageRecord>,
}

/// Which trial of which sweep a run was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// What its trials have in common: the sweep was run once under this id.
    pub sweep: String,
    /// The sweep's name in the file; `None` if it was typed.
    pub name: Option<String>,
    /// The trial's number, from 1.
    pub number: u64,
    /// Trials of the sweep.
    pub of: u64,
}

/// As people say it: `trial 3 of 6 of selection`.
impl fmt::Display for TrialRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "trial {} of {}", self.number, self.of)?;
        match &self.name {
            Some(name) => write!(f, " of {name}"),
            None => Ok(()),
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// Every stage is done.
    Done,
    /// A stage failed.
    Failed,
    /// Somebody stopped it.
    Interrupted,
}

/// What a run did about one stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// What became of it.
    pub outcome: StageOutcome,
    /// Why it was looked at unit by unit.
    pub because: Vec<String>,
    /// Units that were computed.
    pub executed: u64,
    /// Units that were found in the cache.
    pub reused: u64,
    /// Seconds that its units took.
    pub seconds: f64,
    /// Seconds that what was found in the cache once took.
    pub seconds_saved: f64,
    /// Its tables, by port.
    pub tables: BTreeMap<String, TableRecord>,
    /// Where its tables were materialised.
    pub exports: Vec<String>,
    /// What it depended on, in full; `null` if it was never looked at.
    pub value: Value,
    /// What went wrong, unit by unit.
    pub errors: Vec<String>,
}

/// What became of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageOutcome {
    /// It was recognised as a whole.
    Unchanged,
    /// Its units were resolved and its tables collected.
    Resolved,
    /// It failed.
    Failed,
    /// Something it depends on failed.
    Skipped,
    /// The run ended before it.
    NotReached,
}

/// A table that came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRecord {
    /// Its digest.
    pub digest: Digest,
    /// Its rows.
    pub rows: u64,
}
