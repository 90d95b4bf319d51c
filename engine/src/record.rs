//! The record of a run: what it was, what it did, what came out, and what is needed to run it again.
//!
//! A record is written twice, when the run begins and when it is over, so that a run that was killed
//! can be seen. What was added to this page later has a default: old records are read for ever.

use std::collections::BTreeMap;
use std::fmt;

use ccsr_cache::{Digest, Value};
use serde::{Deserialize, Serialize};

/// The version of what a record holds. 1, or nothing, is from before runs could be reproduced.
pub const FORMAT: u32 = 2;

/// A run, as it is kept under `runs/`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its id.
    pub run: String,
    /// The version of the record.
    #[serde(default)]
    pub format: u32,
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
    /// What `--suite` said.
    #[serde(default)]
    pub suite_named: Option<String>,
    /// The run that this one repeated, if it was to reproduce one.
    #[serde(default)]
    pub reproduces: Option<String>,
    /// Where it ran.
    #[serde(default)]
    pub host: Host,
    /// What units were executed with.
    #[serde(default)]
    pub device: DeviceRecord,
    /// What the stages were told: the pipeline after `include`, suite, `--set` and variables.
    #[serde(default)]
    pub resolved: Value,
    /// Every file that was read.
    #[serde(default)]
    pub files: Vec<RecordedFile>,
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
    /// It is under way, or its process ended without a word.
    Running,
}

/// Where a run took place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// The machine's name.
    pub name: String,
    /// Operating system and its version.
    pub os: String,
    /// Architecture: `x86_64`.
    pub architecture: String,
    /// The processor's name.
    pub cpu: String,
    /// Its threads.
    pub cores: u64,
    /// Memory, in bytes.
    pub memory: u64,
    /// The process: its id, and when it began in the system's own count, which tells it from a later
    /// process of that id.
    pub process: Option<(u32, u64)>,
}

/// What units were executed with. Nothing of this may change an outcome beyond rounding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceRecord {
    /// The device, as the user named it.
    pub name: String,
    /// Threads that one batch may keep busy.
    pub threads: u64,
    /// Batches that may execute at a time.
    pub workers: u64,
}

/// A file that a run read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedFile {
    /// Where it is, relative to the project and with `/`.
    pub path: String,
    /// What it was read as.
    pub role: FileRole,
    /// The digest of its content; of a folder, that of its files' names and digests.
    pub digest: Digest,
    /// Its size; of a folder, that of its files together.
    pub bytes: u64,
    /// Files of a folder; 1 otherwise.
    pub files: u64,
    /// Whether it may be executed.
    #[serde(default)]
    pub executable: bool,
    /// Whether the cache keeps its content, so that it can be had again when the file changed.
    pub kept: bool,
}

/// What a file was read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileRole {
    /// The pipeline.
    Pipeline,
    /// A text that the pipeline names: an included file, a suite, a question set.
    Text,
    /// A suite that the program brings along; the path is its name.
    BuiltInSuite,
    /// A file that a stage read.
    Source,
    /// A file or folder outside of the project that a stage read, such as a program of the machine's:
    /// the path is absolute. Running again takes what is there then.
    Outside,
    /// A folder that a stage read. Its files are listed too, unless they are too many.
    Folder,
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
    /// When it was looked at and when it was over, in seconds after the run began.
    #[serde(default)]
    pub span: Option<(f64, f64)>,
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
    /// What people should know about what was computed.
    #[serde(default)]
    pub notes: Vec<String>,
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
