//! The graph of stages: a column a depth, with what ran and what was reused.

use ccsr_engine::record::{StageOutcome, StageRecord};
use serde::Serialize;

use super::recorded::Recorded;
use crate::ui::{count, duration};

/// Width and height of a stage, and the room between two, in the drawing's units.
const NODE: (usize, usize) = (168, 66);
const GAP: (usize, usize) = (46, 18);

/// The graph, laid out.
#[derive(Debug, Serialize)]
pub(crate) struct Graph {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) nodes: Vec<Node>,
    /// Paths of the arrows.
    pub(crate) edges: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Node {
    pub(crate) position: usize,
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) name: String,
    pub(crate) kind: String,
    /// What became of it: a class of the style sheet.
    pub(crate) state: &'static str,
    pub(crate) did: String,
    pub(crate) seconds: String,
}

impl Graph {
    /// Lays out the stages of a run.
    pub(crate) fn of(run: &Recorded<'_>) -> Self {
        let columns = columns(run);
        let tallest = columns.iter().map(Vec::len).max().unwrap_or(0);
        let extent =
            |count: usize, size: usize, gap: usize| count * size + count.saturating_sub(1) * gap;
        let height = extent(tallest, NODE.1, GAP.1);
        let mut places = vec![(0, 0); run.record.stages.len()];
        for (column, stages) in columns.iter().enumerate() {
            let top = (height - extent(stages.len(), NODE.1, GAP.1)) / 2;
            for (row, stage) in stages.iter().enumerate() {
                places[*stage] = (column * (NODE.0 + GAP.0), top + row * (NODE.1 + GAP.1));
            }
        }
        let nodes = run
            .stages()
            .map(|(position, stage)| node(position, places[position], stage));
        let edges = run.reads.iter().enumerate().flat_map(|(reader, writers)| {
            let places = &places;
            writers
                .iter()
                .map(move |writer| arrow(places[*writer], places[reader]))
        });
        Self {
            width: extent(columns.len(), NODE.0, GAP.0),
            height,
            nodes: nodes.collect(),
            edges: edges.collect(),
        }
    }
}

/// The stages by depth; within a column they stand near what they read.
fn columns(run: &Recorded<'_>) -> Vec<Vec<usize>> {
    let mut depths: Vec<usize> = Vec::new();
    let mut columns: Vec<Vec<usize>> = Vec::new();
    for (stage, _) in run.stages() {
        let above = run.reads[stage].iter().filter(|above| **above < stage);
        let depth = above.map(|above| depths[*above] + 1).max().unwrap_or(0);
        depths.push(depth);
        columns.resize_with(columns.len().max(depth + 1), Vec::new);
        columns[depth].push(stage);
    }
    let mut rows = vec![0.0; depths.len()];
    for column in &mut columns {
        let wanted = |stage: &usize| {
            let reads = &run.reads[*stage];
            let sum: f64 = reads.iter().map(|above| rows[*above]).sum();
            sum / reads.len().max(1) as f64
        };
        let mut ordered: Vec<(f64, usize)> =
            column.iter().map(|stage| (wanted(stage), *stage)).collect();
        ordered.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        *column = ordered.iter().map(|(_, stage)| *stage).collect();
        let middle = (column.len() - 1) as f64 / 2.0;
        for (row, stage) in column.iter().enumerate() {
            rows[*stage] = row as f64 - middle;
        }
    }
    columns
}

fn node(position: usize, (x, y): (usize, usize), stage: &StageRecord) -> Node {
    let did = match (stage.executed, stage.reused) {
        (0, 0) => match stage.outcome {
            StageOutcome::Resolved => "put together".to_owned(),
            _ => state(stage).1.to_owned(),
        },
        (executed, 0) => format!("{} computed", count(executed)),
        (0, reused) => format!("{} reused", count(reused)),
        (executed, reused) => format!("{} computed, {} reused", count(executed), count(reused)),
    };
    Node {
        position,
        x,
        y,
        name: stage.name.clone(),
        kind: stage.kind.clone(),
        state: state(stage).0,
        did,
        seconds: duration(stage.seconds),
    }
}

/// What became of a stage: for the style sheet, and in words.
pub(crate) const fn state(stage: &StageRecord) -> (&'static str, &'static str) {
    match stage.outcome {
        StageOutcome::Unchanged => ("reused", "unchanged"),
        StageOutcome::Resolved if stage.executed == 0 && stage.reused > 0 => ("reused", "reused"),
        StageOutcome::Resolved => ("ran", "ran"),
        StageOutcome::Failed => ("failed", "failed"),
        StageOutcome::Skipped => ("idle", "skipped"),
        StageOutcome::NotReached => ("idle", "not reached"),
    }
}

/// From the right side of one stage to the left side of another.
fn arrow(from: (usize, usize), to: (usize, usize)) -> String {
    let (x0, y0) = (from.0 + NODE.0, from.1 + NODE.1 / 2);
    let (x1, y1) = (to.0, to.1 + NODE.1 / 2);
    let bend = (x1.saturating_sub(x0) / 2).min(GAP.0);
    format!(
        "M{x0} {y0}C{} {y0} {} {y1} {x1} {y1}",
        x0 + bend,
        x1.saturating_sub(bend)
    )
}
