//! The graph of stages: a column a depth, with what ran and what was reused.

use std::collections::BTreeMap;

use ccsr_engine::record::{StageOutcome, StageRecord};
use serde::Serialize;

use super::recorded::Recorded;
use crate::ui::{count, duration};

/// Width and height of a stage, in the drawing's units.
const NODE: (usize, usize) = (168, 66);
/// The room between columns, and between what stands above each other.
const GAP: (usize, usize) = (46, 18);
/// The height of an arrow that passes a column.
const PASSING: usize = 8;

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

/// What has a place in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    /// A stage.
    Stage(usize),
    /// The arrow from a stage to those that read it further on.
    Passing(usize),
}

impl Slot {
    const fn height(self) -> usize {
        match self {
            Self::Stage(_) => NODE.1,
            Self::Passing(_) => PASSING,
        }
    }

    /// The stage that it is, or that the arrow comes from.
    const fn stage(self) -> usize {
        match self {
            Self::Stage(stage) | Self::Passing(stage) => stage,
        }
    }
}

impl Graph {
    /// Lays out the stages of a run.
    pub(crate) fn of(run: &Recorded<'_>) -> Self {
        let columns = columns(run);
        let height_of = |column: &Vec<Slot>| {
            let slots: usize = column.iter().map(|slot| slot.height()).sum();
            slots + column.len().saturating_sub(1) * GAP.1
        };
        let height = columns.iter().map(height_of).max().unwrap_or(0);
        // The middle of each slot, by column.
        let mut middles: BTreeMap<(usize, Slot), usize> = BTreeMap::new();
        let mut depths = vec![0; run.record.stages.len()];
        for (depth, column) in columns.iter().enumerate() {
            let mut top = (height - height_of(column)) / 2;
            for slot in column {
                middles.insert((depth, *slot), top + slot.height() / 2);
                top += slot.height() + GAP.1;
                if let Slot::Stage(stage) = slot {
                    depths[*stage] = depth;
                }
            }
        }
        let left = |depth: usize| depth * (NODE.0 + GAP.0);
        let nodes = run.stages().map(|(stage, record)| {
            let depth = depths[stage];
            let middle = middles[&(depth, Slot::Stage(stage))];
            node(stage, (left(depth), middle - NODE.1 / 2), record)
        });
        let edges = run.reads.iter().enumerate().flat_map(|(reader, writers)| {
            let (middles, depths) = (&middles, &depths);
            writers.iter().map(move |writer| {
                let way = (depths[*writer]..=depths[reader]).map(|depth| {
                    let slot = match depth {
                        _ if depth == depths[*writer] => Slot::Stage(*writer),
                        _ if depth == depths[reader] => Slot::Stage(reader),
                        _ => Slot::Passing(*writer),
                    };
                    (
                        left(depth),
                        middles.get(&(depth, slot)).copied().unwrap_or(0),
                    )
                });
                arrow(&way.collect::<Vec<_>>())
            })
        });
        Self {
            width: left(columns.len()).saturating_sub(GAP.0),
            height,
            edges: edges.collect(),
            nodes: nodes.collect(),
        }
    }
}

/// The columns: what stands in one is near what it comes from.
fn columns(run: &Recorded<'_>) -> Vec<Vec<Slot>> {
    let mut depths: Vec<usize> = Vec::new();
    let mut columns: Vec<Vec<Slot>> = Vec::new();
    for (stage, _) in run.stages() {
        let above = run.reads[stage].iter().filter(|above| **above < stage);
        let depth = above.map(|above| depths[*above] + 1).max().unwrap_or(0);
        depths.push(depth);
        columns.resize_with(columns.len().max(depth + 1), Vec::new);
        columns[depth].push(Slot::Stage(stage));
    }
    for (writer, depth) in depths.iter().enumerate() {
        let readers = (0..depths.len()).filter(|reader| run.reads[*reader].contains(&writer));
        let furthest = readers.map(|reader| depths[reader]).max().unwrap_or(0);
        let passed = columns.iter_mut().take(furthest).skip(depth + 1);
        passed.for_each(|column| column.push(Slot::Passing(writer)));
    }
    let mut before: BTreeMap<usize, f64> = BTreeMap::new();
    for column in &mut columns {
        let wanted = |slot: &Slot| match slot {
            Slot::Passing(writer) => before.get(writer).copied().unwrap_or_default(),
            Slot::Stage(stage) => {
                let rows = run.reads[*stage]
                    .iter()
                    .filter_map(|above| before.get(above));
                let (sum, count) =
                    rows.fold((0.0, 0.0), |(sum, count), row| (sum + row, count + 1.0));
                sum / f64::max(count, 1.0)
            }
        };
        let mut ordered: Vec<(f64, Slot)> =
            column.iter().map(|slot| (wanted(slot), *slot)).collect();
        ordered.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        *column = ordered.into_iter().map(|(_, slot)| slot).collect();
        let middle = column.len().saturating_sub(1) as f64 / 2.0;
        before = column
            .iter()
            .enumerate()
            .map(|(row, slot)| (slot.stage(), row as f64 - middle))
            .collect();
    }
    columns
}

fn node(position: usize, (x, y): (usize, usize), stage: &StageRecord) -> Node {
    Node {
        position,
        x,
        y,
        name: stage.name.clone(),
        kind: stage.kind.clone(),
        state: state(stage).0,
        did: did(stage),
        seconds: duration(stage.seconds),
    }
}

/// What a stage did, in words.
pub(crate) fn did(stage: &StageRecord) -> String {
    match (stage.executed, stage.reused) {
        (0, 0) if stage.outcome == StageOutcome::Resolved => "put together".to_owned(),
        (0, 0) => state(stage).1.to_owned(),
        (executed, 0) => format!("{} computed", count(executed)),
        (0, reused) => format!("{} reused", count(reused)),
        (executed, reused) => format!("{} new, {} reused", count(executed), count(reused)),
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

/// An arrow along places of columns: from the right side of the first to the left side of the last,
/// straight through those between.
fn arrow(way: &[(usize, usize)]) -> String {
    use std::fmt::Write as _;
    let mut path = String::new();
    for (step, pair) in way.windows(2).enumerate() {
        let [(from, y0), (to, y1)] = [pair[0], pair[1]];
        let x0 = from + NODE.0;
        let middle = x0.midpoint(to);
        let begins = if step == 0 {
            format!("M{x0} {y0}")
        } else {
            format!("H{x0}")
        };
        write!(path, "{begins}C{middle} {y0} {middle} {y1} {to} {y1}").expect("memory takes all");
    }
    path
}
