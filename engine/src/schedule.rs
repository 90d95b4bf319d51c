//! The schedule: which stage may be looked at next. A pure state machine; it runs nothing.
//!
//! `Waiting → Ready → Active → Done | Failed`, and `Skipped` below a failure. *Ready* means ready to
//! be looked at, not that it must run: most ready stages turn out to be unchanged.

use std::collections::BTreeSet;

use crate::graph::{StageGraph, StageId};

/// Where a stage stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StageState {
    /// A stage that it reads is not done.
    Waiting,
    /// All that it reads is done.
    Ready,
    /// It was taken by [`Schedule::start`].
    Active,
    /// Its tables are there.
    Done,
    /// It failed.
    Failed,
    /// Something it depends on failed or was skipped.
    Skipped,
}

/// The states of all stages.
#[derive(Clone, Debug)]
pub(crate) struct Schedule<'a> {
    graph: &'a StageGraph,
    states: Vec<StageState>,
    /// Each stage's place in the order of work.
    places: Vec<usize>,
    /// The places of the ready stages.
    ready: BTreeSet<usize>,
    /// Ready and active stages.
    open: usize,
}

impl<'a> Schedule<'a> {
    /// A schedule on which nothing has begun.
    pub(crate) fn new(graph: &'a StageGraph) -> Self {
        let mut schedule = Self {
            graph,
            states: vec![StageState::Waiting; graph.len()],
            places: vec![0; graph.len()],
            ready: BTreeSet::new(),
            open: 0,
        };
        for (place, stage) in graph.order().iter().enumerate() {
            schedule.places[stage.0] = place;
        }
        for stage in graph.order() {
            schedule.consider(*stage);
        }
        schedule
    }

    /// The state of a stage.
    pub(crate) fn state(&self, stage: StageId) -> StageState {
        self.states[stage.0]
    }

    /// Takes the first ready stage.
    pub(crate) fn start(&mut self) -> Option<StageId> {
        let stage = self.graph.order()[self.ready.pop_first()?];
        self.states[stage.0] = StageState::Active;
        Some(stage)
    }

    /// Marks an active stage as done; those that waited for it alone become ready.
    pub(crate) fn complete(&mut self, stage: StageId) {
        debug_assert_eq!(
            self.state(stage),
            StageState::Active,
            "only an active stage completes"
        );
        self.states[stage.0] = StageState::Done;
        self.open -= 1;
        let readers: Vec<_> = self.graph.downstream(stage).collect();
        for reader in readers {
            self.consider(reader);
        }
    }

    /// Marks an active stage as failed and returns the stages that are skipped for it.
    pub(crate) fn fail(&mut self, stage: StageId) -> Vec<StageId> {
        debug_assert_eq!(
            self.state(stage),
            StageState::Active,
            "only an active stage fails"
        );
        self.states[stage.0] = StageState::Failed;
        self.open -= 1;
        let mut skipped = Vec::new();
        let mut below: Vec<_> = self.graph.downstream(stage).collect();
        while let Some(stage) = below.pop() {
            if self.state(stage) == StageState::Waiting {
                self.states[stage.0] = StageState::Skipped;
                skipped.push(stage);
                below.extend(self.graph.downstream(stage));
            }
        }
        skipped.sort();
        skipped
    }

    /// Whether a stage that reads `stage` has not begun.
    pub(crate) fn awaits(&self, stage: StageId) -> bool {
        let waits = |reader| matches!(self.state(reader), StageState::Waiting | StageState::Ready);
        self.graph.downstream(stage).any(waits)
    }

    /// Whether nothing is ready or active any more.
    pub(crate) fn is_over(&self) -> bool {
        self.open == 0
    }

    fn consider(&mut self, stage: StageId) {
        let done = |upstream| self.state(upstream) == StageState::Done;
        if self.state(stage) == StageState::Waiting && self.graph.upstream(stage).all(done) {
            self.states[stage.0] = StageState::Ready;
            self.ready.insert(self.places[stage.0]);
            self.open += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the graph and whatever fails: every stage starts at most once, after all that
        /// it reads is done, never below a failure, and the schedule comes to an end.
        #[test]
        fn stages_start_once_after_their_inputs_and_never_below_a_failure(
            count in 1usize..12,
            pairs in prop::collection::vec((0usize..12, 0usize..12), 0..30),
            failing in prop::collection::hash_set(0usize..12, 0..4),
        ) {
            let edges = pairs.iter().filter(|(a, b)| a < b && *b < count);
            let edges: Vec<_> = edges.map(|(a, b)| (StageId(*a), StageId(*b))).collect();
            let graph = StageGraph::new(count, edges.clone()).unwrap();
            let mut schedule = Schedule::new(&graph);
            let mut started = Vec::new();
            while let Some(stage) = schedule.start() {
                prop_assert!(!started.contains(&stage));
                started.push(stage);
                for upstream in graph.upstream(stage) {
                    prop_assert_eq!(schedule.state(upstream), StageState::Done);
                }
                if failing.contains(&stage.0) {
                    schedule.fail(stage);
                } else {
                    schedule.complete(stage);
                }
            }
            prop_assert!(schedule.is_over());
            for stage in (0..count).map(StageId) {
                let doomed = graph.with_ancestors(stage)[1..].iter().any(|up| failing.contains(&up.0));
                let expected = match (doomed, failing.contains(&stage.0)) {
                    (true, _) => StageState::Skipped,
                    (false, true) => StageState::Failed,
                    (false, false) => StageState::Done,
                };
                prop_assert_eq!(schedule.state(stage), expected);
            }
        }
    }
}
