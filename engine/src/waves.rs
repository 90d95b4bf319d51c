//! A stage's units, partition by partition and wave by wave. It asks the stage and keeps the
//! answers in order; it looks nothing up and executes nothing.

use std::sync::Arc;

use ccsr_cache::{ActionKey, Value};
use ccsr_stage::{Inputs, Partition, PartitionOutcomes, Resolved, Stage, StageError, Unit};

/// Where a unit stands: its partition and its place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    partition: usize,
    index: usize,
}

/// A unit that the stage asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Where its outcome goes.
    pub(crate) slot: Slot,
    /// Its action key.
    pub(crate) key: ActionKey,
    /// The unit.
    pub(crate) unit: Arc<Unit>,
}

/// Stages are asked for the next wave until they want nothing; one that never stops is a defect.
const MAX_WAVES: usize = 1_000_000;

struct PartitionWaves {
    partition: Partition,
    /// All units so far. The outcome of one that is open is null for the time being.
    resolved: Vec<Resolved>,
    open: usize,
    waves: usize,
    exhausted: bool,
}

/// The waves of one stage.
pub(crate) struct Waves {
    kind: &'static str,
    revision: u32,
    partitions: Vec<PartitionWaves>,
    /// Partitions to ask for their next wave.
    idle: Vec<usize>,
}

impl Waves {
    /// Asks the stage for its partitions.
    pub(crate) fn new(
        kind: &'static str,
        revision: u32,
        stage: &dyn Stage,
        inputs: &Inputs<'_>,
    ) -> Result<Self, StageError> {
        let partitions: Vec<_> = stage
            .partitions(inputs)?
            .into_iter()
            .map(|partition| PartitionWaves {
                partition,
                resolved: Vec::new(),
                open: 0,
                waves: 0,
                exhausted: false,
            })
            .collect();
        let idle = (0..partitions.len()).collect();
        Ok(Self {
            kind,
            revision,
            partitions,
            idle,
        })
    }

    /// The next waves of all partitions that wait for nothing. Empty: either outcomes are awaited
    /// or, if [`is_complete`](Self::is_complete), there is nothing more.
    pub(crate) fn ask(
        &mut self,
        stage: &dyn Stage,
        inputs: &Inputs<'_>,
    ) -> Result<Vec<Wanted>, StageError> {
        let mut wanted = Vec::new();
        for index in std::mem::take(&mut self.idle) {
            let waves = &mut self.partitions[index];
            debug_assert_eq!(waves.open, 0, "an idle partition has all its outcomes");
            let units = stage.units(inputs, &waves.partition, &waves.resolved)?;
            waves.exhausted = units.is_empty();
            waves.open = units.len();
            waves.waves += 1;
            if waves.waves > MAX_WAVES {
                return Err(StageError::failed(format!(
                    "partition `{}` still wants units after {MAX_WAVES} waves",
                    waves.partition.name
                )));
            }
            for unit in units {
                let key = ActionKey::of(self.kind, self.revision, &unit.input);
                let slot = Slot {
                    partition: index,
                    index: waves.resolved.len(),
                };
                let unit = Arc::new(unit);
                waves.resolved.push(Resolved {
                    unit: Arc::clone(&unit),
                    outcome: Value::Null,
                });
                wanted.push(Wanted { slot, key, unit });
            }
        }
        Ok(wanted)
    }

    /// Records the outcome of a unit that is open.
    pub(crate) fn resolve(&mut self, slot: Slot, outcome: Value) {
        let waves = &mut self.partitions[slot.partition];
        waves.resolved[slot.index].outcome = outcome;
        waves.open -= 1;
        if waves.open == 0 {
            self.idle.push(slot.partition);
        }
    }

    /// A unit that was asked for.
    pub(crate) fn unit(&self, slot: Slot) -> Arc<Unit> {
        Arc::clone(&self.partitions[slot.partition].resolved[slot.index].unit)
    }

    /// Units asked for so far.
    pub(crate) fn units(&self) -> u64 {
        self.partitions
            .iter()
            .map(|waves| waves.resolved.len() as u64)
            .sum()
    }

    /// Whether every partition wants nothing more.
    pub(crate) fn is_complete(&self) -> bool {
        self.partitions.iter().all(|waves| waves.exhausted)
    }

    /// Everything, for `collect`.
    pub(crate) fn into_outcomes(self) -> Vec<PartitionOutcomes> {
        let outcomes = |waves: PartitionWaves| PartitionOutcomes {
            partition: waves.partition,
            resolved: waves.resolved,
        };
        self.partitions.into_iter().map(outcomes).collect()
    }
}
