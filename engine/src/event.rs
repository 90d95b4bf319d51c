//! What happens during a run, told as it happens. Progress bars, logs, records and reports are all
//! made of these; nothing else leaves a run while it is under way.

use std::collections::BTreeMap;

use serde::Serialize;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The run begins.
    RunStarted {
        /// Its id.
        run: String,
        /// The pipeline's name.
        pipeline: String,
        /// Its stages, in the order of their work.
        stages: Vec<String>,
    },
    /// A stage was recognised as a whole: nothing it depends on changed.
    StageUnchanged {
        /// The stage.
        stage: String,
        /// Units that its result stands for.
        units: u64,
        /// Seconds that computing them once took.
        seconds_saved: f64,
    },
    /// A stage is being looked at, unit by unit.
    StageStarted {
        /// The stage.
        stage: String,
        /// Why it was not recognised; empty if it was never computed.
        because: Vec<String>,
    },
    /// A stage asked for units.
    Wave {
        /// The stage.
        stage: String,
        /// Units it has asked for so far.
        units: u64,
        /// Those of them that were found in the cache.
        reused: u64,
    },
    /// A resource is being loaded.
    Loading {
        /// The stage whose units need it.
        stage: String,
        /// The resource.
        resource: String,
    },
    /// A batch was computed and committed.
    BatchCommitted {
        /// The stage.
        stage: String,
        /// Units committed with it.
        units: u64,
        /// Seconds it took.
        seconds: f64,
        /// Where and when.
        span: BatchSpan,
    },
    /// A batch that takes long says how far it is.
    UnderWay {
        /// The stage.
        stage: String,
        /// How far, in a few words.
        words: String,
    },
    /// Units were computed, and people should know something about them.
    Noted {
        /// The stage.
        stage: String,
        /// What, as a sentence. Each is told once.
        note: String,
    },
    /// A unit failed and is tried again.
    UnitRetried {
        /// The stage.
        stage: String,
        /// How often it failed so far.
        failures: u32,
        /// Why.
        error: String,
        /// Seconds until its next chance.
        seconds: f64,
    },
    /// A batch did not fit into memory; from now on they are smaller.
    BatchHalved {
        /// The stage.
        stage: String,
        /// Units a batch.
        units: u64,
    },
    /// A unit could not be computed.
    UnitFailed {
        /// The stage.
        stage: String,
        /// The unit, in words.
        unit: String,
        /// What went wrong.
        error: String,
    },
    /// A stage's tables are there.
    StageFinished {
        /// The stage.
        stage: String,
        /// Units that were computed.
        executed: u64,
        /// Units that were found in the cache.
        reused: u64,
        /// Rows of its tables, by port.
        rows: BTreeMap<String, u64>,
    },
    /// A stage failed.
    StageFailed {
        /// The stage.
        stage: String,
        /// What went wrong.
        error: String,
    },
    /// A stage was not looked at, because something it depends on failed.
    StageSkipped {
        /// The stage.
        stage: String,
    },
    /// The cache lost blobs that are needed; they are made again.
    Healing {
        /// The stage that needed it.
        stage: String,
        /// How many.
        blobs: u64,
    },
    /// A table was materialised, or found to be there already.
    Exported {
        /// The stage.
        stage: String,
        /// Where to.
        path: String,
        /// Files that belong there.
        files: u64,
        /// Those of them that had to be written.
        written: u64,
    },
    /// The run is over.
    RunFinished {
        /// Its id.
        run: String,
        /// Units that were computed.
        units_executed: u64,
        /// Units whose outcomes were found in the cache.
        units_reused: u64,
        /// Seconds that the run took.
        seconds: f64,
    },
}

/// Where and when a batch executed. Times are seconds after the run began.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BatchSpan {
    /// The worker, from 1.
    pub worker: u64,
    /// When the worker took it.
    pub began: f64,
    /// When what it needs was loaded.
    pub loaded: f64,
    /// When its blobs were on disk.
    pub ended: f64,
}

/// Who listens.
pub type Listener<'a> = &'a mut dyn FnMut(Event);
