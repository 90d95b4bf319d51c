//! A stage that is being looked at: its inputs, its waves, and the batches it still needs.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use ccsr_cache::{ActionKey, Digest, StageKey, Value};
use ccsr_stage::{Inputs, OutputPort, Stage, StageError, Table, Unit};

use crate::key::SourceFiles;
use crate::pipeline::StageNode;
use crate::queue::{Queue, Queued};
use crate::waves::{Slot, Wanted, Waves};

/// A stage under way.
pub(crate) struct ActiveStage {
    pub(crate) key: StageKey,
    /// What the key is the digest of.
    pub(crate) value: Value,
    pub(crate) waves: Waves,
    tables: BTreeMap<&'static str, Arc<Table>>,
    sources: SourceFiles,
    seed: u64,
    /// Misses that no batch has taken yet.
    pub(crate) queue: Queue,
    /// Batches that workers have.
    pub(crate) batches_out: usize,
    /// Units whose outcome another process is computing.
    pub(crate) held: Vec<Queued>,
    /// How many of them were there when some were last asked about, and how many these were.
    pub(crate) asked_about: (usize, usize),
    /// Units that failed and wait for their next chance.
    pub(crate) delayed: usize,
    /// Units a batch, since larger ones did not fit into memory.
    pub(crate) limit: Option<usize>,
    /// When its time is over; known from its first batch on.
    pub(crate) deadline: Option<Instant>,
    /// A unit failed, so the stage will.
    pub(crate) failed: bool,
}

/// At least so many units that are held elsewhere are asked about at a time.
const FEW: usize = 256;

/// A lost table, or whatever else a stage can say.
pub(crate) type Answer<T> = Result<T, StageError>;

impl ActiveStage {
    pub(crate) fn new(
        node: &StageNode,
        key: StageKey,
        value: Value,
        tables: BTreeMap<&'static str, Arc<Table>>,
        sources: SourceFiles,
        seed: u64,
    ) -> Answer<Self> {
        let inputs = Inputs {
            tables: &tables,
            sources: &sources,
            seed,
        };
        let stage = node.stage.as_ref();
        let waves = guarded(|| Waves::new(node.kind, node.revision, stage, &inputs))?;
        Ok(Self {
            key,
            value,
            waves,
            tables,
            sources,
            seed,
            queue: Queue::default(),
            batches_out: 0,
            held: Vec::new(),
            asked_about: (0, 0),
            delayed: 0,
            limit: None,
            deadline: None,
            failed: false,
        })
    }

    /// The next waves of all partitions that wait for nothing.
    pub(crate) fn ask(&mut self, stage: &dyn Stage) -> Answer<Vec<Wanted>> {
        let inputs = Inputs {
            tables: &self.tables,
            sources: &self.sources,
            seed: self.seed,
        };
        let waves = &mut self.waves;
        guarded(|| waves.ask(stage, &inputs))
    }

    pub(crate) fn resolve(&mut self, slot: Slot, outcome: Value) {
        self.waves.resolve(slot, outcome);
    }

    pub(crate) fn enqueue(&mut self, key: ActionKey, unit: Arc<Unit>) {
        self.queue.push(key, unit);
    }

    /// The units that no worker has.
    pub(crate) fn into_queued(self) -> impl Iterator<Item = Queued> {
        self.queue.into_units().chain(self.held)
    }

    /// Whether nothing is queued, executing or awaited.
    pub(crate) fn is_quiet(&self) -> bool {
        self.queue.is_empty() && self.batches_out == 0 && self.held.is_empty() && self.delayed == 0
    }

    /// Queues some of the units that others are computing: claiming them again tells what became of
    /// them. Few, as long as nothing happens to them, because there may be very many.
    pub(crate) fn ask_about_held(&mut self) {
        let (before, asked) = self.asked_about;
        let gained = before.saturating_sub(self.held.len());
        let few = if gained >= asked.max(1) {
            asked * 4
        } else {
            gained * 2
        };
        let few = few.clamp(FEW, usize::MAX).min(self.held.len());
        self.asked_about = (self.held.len(), few);
        for (key, unit) in self.held.drain(..few) {
            self.queue.push(key, unit);
        }
    }

    /// The blobs that the units of the queue will read.
    pub(crate) fn queued_blobs(&self) -> impl Iterator<Item = Digest> {
        self.queue.units().flat_map(|unit| unit.input.blobs())
    }

    /// The stage's tables, checked against what it promised. Ends the stage.
    pub(crate) fn collect(self, node: &StageNode) -> Answer<BTreeMap<&'static str, Table>> {
        let inputs = Inputs {
            tables: &self.tables,
            sources: &self.sources,
            seed: self.seed,
        };
        let outcomes = self.waves.into_outcomes();
        let tables = guarded(|| node.stage.collect(&inputs, &outcomes))?;
        for port in &node.outputs {
            check_promise(port, tables.get(port.name))?;
        }
        Ok(tables)
    }
}

fn check_promise(port: &OutputPort, table: Option<&Table>) -> Answer<()> {
    let Some(table) = table else {
        return Err(StageError::Panicked(format!(
            "it wrote no table on its port `{}`",
            port.name
        )));
    };
    let schema = table.schema();
    match port
        .schema
        .columns()
        .find(|(name, kind)| schema.get(name) != Some(*kind))
    {
        None => Ok(()),
        Some((name, kind)) => Err(StageError::Panicked(format!(
            "it promised a column `{name}` of {} on its port `{}` and did not write it",
            kind.described(),
            port.name
        ))),
    }
}

/// Calls a stage; a panic becomes an error.
pub(crate) fn guarded<T>(call: impl FnOnce() -> Answer<T>) -> Answer<T> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|panic| Err(StageError::of_panic(panic.as_ref())))
}

/// What came out of a stage, and what is known of it without reading it.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) tables: BTreeMap<String, Digest>,
    pub(crate) rows: BTreeMap<String, u64>,
}
