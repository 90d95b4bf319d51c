//! The graph of stages. petgraph is imported here and nowhere else.

use petgraph::algo::{tarjan_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use petgraph::{Direction, algo};

/// A stage's place in the graph: its position in the pipeline file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StageId(pub usize);

/// Which stages read which.
#[derive(Clone, Debug)]
pub struct StageGraph {
    graph: DiGraph<(), ()>,
    order: Vec<StageId>,
}

impl StageGraph {
    /// A graph of `count` stages with an edge from each stage to each that reads it.
    ///
    /// # Errors
    /// The stages of one cycle, in the order in which the data would go round.
    pub fn new(
        count: usize,
        edges: impl IntoIterator<Item = (StageId, StageId)>,
    ) -> Result<Self, Vec<StageId>> {
        let mut graph = DiGraph::with_capacity(count, 0);
        for _ in 0..count {
            graph.add_node(());
        }
        for (from, to) in edges {
            graph.update_edge(NodeIndex::new(from.0), NodeIndex::new(to.0), ());
        }
        match toposort(&graph, None) {
            Ok(_) => {
                let order = file_order(&graph);
                Ok(Self { graph, order })
            }
            Err(_) => Err(one_cycle(&graph)),
        }
    }

    /// Number of stages.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// Whether there are no stages.
    pub fn is_empty(&self) -> bool {
        self.graph.node_count() == 0
    }

    /// Every stage after those it reads; otherwise in the order of the file.
    pub fn order(&self) -> &[StageId] {
        &self.order
    }

    /// The stages that `stage` reads.
    pub fn upstream(&self, stage: StageId) -> impl Iterator<Item = StageId> {
        self.neighbours(stage, Direction::Incoming)
    }

    /// The stages that read `stage`.
    pub fn downstream(&self, stage: StageId) -> impl Iterator<Item = StageId> {
        self.neighbours(stage, Direction::Outgoing)
    }

    /// `stage` and everything that it depends on, however far up.
    pub fn with_ancestors(&self, stage: StageId) -> Vec<StageId> {
        let mut seen = vec![false; self.len()];
        seen[stage.0] = true;
        let mut found = vec![stage];
        let mut next = 0;
        while let Some(&stage) = found.get(next) {
            next += 1;
            for upstream in self.upstream(stage) {
                if !std::mem::replace(&mut seen[upstream.0], true) {
                    found.push(upstream);
                }
            }
        }
        found
    }

    /// The edges, reader after read.
    pub fn edges(&self) -> Vec<(StageId, StageId)> {
        let edge = |edge: petgraph::graph::EdgeReference<'_, ()>| {
            (
                StageId(edge.source().index()),
                StageId(edge.target().index()),
            )
        };
        self.graph.edge_references().map(edge).collect()
    }

    fn neighbours(&self, stage: StageId, way: Direction) -> impl Iterator<Item = StageId> {
        self.graph
            .neighbors_directed(NodeIndex::new(stage.0), way)
            .map(|n| StageId(n.index()))
    }
}

/// Kahn's algorithm, always taking the ready stage that stands first in the file: a person reads
/// plans and progress in the order in which the pipeline was written.
fn file_order(graph: &DiGraph<(), ()>) -> Vec<StageId> {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    let degree = |node| graph.neighbors_directed(node, Direction::Incoming).count();
    let mut waiting: Vec<usize> = graph.node_indices().map(degree).collect();
    let ready = waiting
        .iter()
        .enumerate()
        .filter(|(_, n)| **n == 0)
        .map(|(i, _)| Reverse(i));
    let mut ready: BinaryHeap<_> = ready.collect();
    let mut order = Vec::with_capacity(waiting.len());
    while let Some(Reverse(stage)) = ready.pop() {
        order.push(StageId(stage));
        for reader in graph.neighbors_directed(NodeIndex::new(stage), Direction::Outgoing) {
            waiting[reader.index()] -= 1;
            if waiting[reader.index()] == 0 {
                ready.push(Reverse(reader.index()));
            }
        }
    }
    order
}

fn one_cycle(graph: &DiGraph<(), ()>) -> Vec<StageId> {
    let looped = |node: &NodeIndex| graph.contains_edge(*node, *node);
    let component = tarjan_scc(graph)
        .into_iter()
        .filter(|component| component.len() > 1 || component.iter().any(looped))
        .min_by_key(|component| component.iter().map(|node| node.index()).min())
        .unwrap_or_default();
    let Some(&start) = component.iter().min_by_key(|node| node.index()) else {
        return Vec::new();
    };
    // The shortest way from any successor back to the start closes the cycle.
    graph
        .neighbors(start)
        .filter_map(|next| {
            algo::astar(graph, next, |node| node == start, |_| 1, |_| 0).map(|(_, path)| path)
        })
        .min_by_key(Vec::len)
        .map(|path| {
            let rest = path.into_iter().take_while(|node| *node != start);
            std::iter::once(start)
                .chain(rest)
                .map(|node| StageId(node.index()))
                .collect()
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(count: usize, edges: &[(usize, usize)]) -> Result<StageGraph, Vec<StageId>> {
        StageGraph::new(count, edges.iter().map(|(a, b)| (StageId(*a), StageId(*b))))
    }

    #[test]
    fn stages_come_after_what_they_read_and_otherwise_as_written() {
        let graph = graph(5, &[(4, 0), (0, 1), (4, 3)]).unwrap();
        assert_eq!(graph.order(), [2, 4, 0, 1, 3].map(StageId));
        assert_eq!(graph.with_ancestors(StageId(1)), [1, 0, 4].map(StageId));
        assert_eq!(graph.downstream(StageId(4)).count(), 2);
    }

    #[test]
    fn a_cycle_is_shown_stage_by_stage() {
        assert_eq!(
            graph(4, &[(0, 1), (1, 2), (2, 3), (3, 1)]).unwrap_err(),
            [1, 2, 3].map(StageId)
        );
        assert_eq!(graph(2, &[(1, 1)]).unwrap_err(), [StageId(1)]);
    }
}
