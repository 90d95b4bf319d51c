//! What belongs to the images of one stage: their answers, scores, detections, and which were chosen.
//!
//! Found by the flow of data and by columns, not by names: a table belongs to the images that are
//! nearest above it. Rows are matched by the identifying columns that two tables share.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use ccsr_cache::Value;
use ccsr_stage::{ColumnType, Row, Table};

use super::recorded::Recorded;

/// The columns that identify a row about an image.
const NAMES: [&str; 6] = ["class", "prompt", "candidate", "image", "scale", "epoch"];

/// Images, or what was said of images that the run does not hold, and what belongs to them.
pub(crate) struct Family {
    /// The stage that they come from.
    pub(crate) stage: usize,
    /// A row an image.
    pub(crate) images: Arc<Table>,
    /// One row of `images` for each image: a table of answers has one a question.
    pub(crate) rows: Vec<usize>,
    /// Answers, by the stage that asked.
    pub(crate) answers: Vec<(usize, Arc<Table>)>,
    /// Ways in which the answers were counted.
    pub(crate) scorings: Vec<Scoring>,
    /// What was detected.
    pub(crate) detections: Vec<(usize, Arc<Table>)>,
    /// Other scores of images: how well they fit their texts.
    pub(crate) measures: Vec<(usize, Arc<Table>)>,
}

/// A way in which answers were counted, and what was chosen by it.
pub(crate) struct Scoring {
    /// The stage that counted.
    pub(crate) stage: usize,
    pub(crate) scores: Arc<Table>,
    pub(crate) choice: Option<Choice>,
}

/// What a `select.pairs` chose.
pub(crate) struct Choice {
    pub(crate) stage: usize,
    pub(crate) pairs: Arc<Table>,
    pub(crate) rejected: Option<Arc<Table>>,
}

/// Kinds whose tables begin a family.
fn brings_images(kind: &str) -> bool {
    matches!(
        kind,
        "image.generate" | "image.generate-baseline" | "image.import"
    )
}

const ANSWERS: [&str; 2] = ["question", "answer"];
const SCORES: [&str; 2] = ["score", "points"];
const DETECTIONS: [&str; 6] = ["label", "confidence", "x0", "y0", "x1", "y1"];

impl Family {
    /// The families of a run, in the order of its work.
    pub(crate) fn all(run: &Recorded<'_>) -> Vec<Self> {
        let nearest = nearest(run);
        let begins = |(stage, _): &(usize, _)| nearest[*stage].contains(stage);
        run.stages()
            .filter(begins)
            .filter_map(|(stage, _)| Self::of(run, stage, &nearest))
            .collect()
    }

    fn of(run: &Recorded<'_>, stage: usize, nearest: &[BTreeSet<usize>]) -> Option<Self> {
        let images = if brings_images(&run.record.stages[stage].kind) {
            run.table_with(stage, &["image"])?.clone()
        } else {
            run.tables(stage).map(|(_, table)| table).next()?.clone()
        };
        let mut family = Self {
            stage,
            rows: distinct(&images),
            images,
            answers: Vec::new(),
            scorings: Vec::new(),
            detections: Vec::new(),
            measures: Vec::new(),
        };
        for (member, record) in run.stages() {
            if !nearest[member].contains(&stage) {
                continue;
            }
            if record.kind == "select.pairs" {
                family.choose(run, member);
            } else {
                family.add(run, member);
            }
        }
        Some(family)
    }

    fn add(&mut self, run: &Recorded<'_>, member: usize) {
        if let Some(table) = run.table_with(member, &ANSWERS) {
            self.answers.push((member, table.clone()));
        } else if let Some(table) = run.table_with(member, &SCORES) {
            self.scorings.push(Scoring {
                stage: member,
                scores: table.clone(),
                choice: None,
            });
        } else if let Some(table) = run.table_with(member, &DETECTIONS) {
            self.detections.push((member, table.clone()));
        } else {
            let measured = [["score", "image"], ["is_right", "image"]];
            let mut measured = measured.iter();
            if let Some(table) = measured.find_map(|columns| run.table_with(member, columns)) {
                self.measures.push((member, table.clone()));
            }
        }
    }

    /// What was chosen, beside the scores by which it was: the first choice of each.
    fn choose(&mut self, run: &Recorded<'_>, member: usize) {
        let reads = &run.reads[member];
        let read = |scoring: &Scoring| reads.contains(&scoring.stage);
        let place = self.scorings.iter().position(read);
        let Some(pairs) = run.table(member, "pairs") else {
            return;
        };
        // What came between changed rows, not the way of counting.
        let place = place.or(self.scorings.len().checked_sub(1));
        let Some(scoring) = place.and_then(|place| self.scorings.get_mut(place)) else {
            return;
        };
        scoring.choice.get_or_insert_with(|| Choice {
            stage: member,
            pairs: pairs.clone(),
            rejected: run.table(member, "rejected").cloned(),
        });
    }

    /// The scoring that the pairs were chosen by, else the first.
    pub(crate) fn main_scoring(&self) -> Option<&Scoring> {
        let chosen = self
            .scorings
            .iter()
            .find(|scoring| scoring.choice.is_some());
        chosen.or(self.scorings.first())
    }

    /// Whether the run holds the images themselves.
    pub(crate) fn has_images(&self) -> bool {
        let column = self.images.find("image");
        column.is_some_and(|column| matches!(column.kind(), ColumnType::Image | ColumnType::Blob))
    }
}

/// For each stage, the beginnings of families that are nearest above it, itself among them.
fn nearest(run: &Recorded<'_>) -> Vec<BTreeSet<usize>> {
    let mut nearest: Vec<BTreeSet<usize>> = Vec::new();
    for (stage, record) in run.stages() {
        let above = run.reads[stage].iter().filter(|above| **above < stage);
        let above: BTreeSet<usize> = above.flat_map(|above| nearest[*above].clone()).collect();
        let says = [&ANSWERS, &SCORES]
            .iter()
            .any(|columns| run.table_with(stage, *columns).is_some());
        let begins = brings_images(&record.kind) || (above.is_empty() && says);
        nearest.push(if begins {
            BTreeSet::from([stage])
        } else {
            above
        });
    }
    nearest
}

/// The first row of each image.
fn distinct(table: &Table) -> Vec<usize> {
    let names = shared(table, table);
    let mut seen = BTreeSet::new();
    let mut first = |row: &Row<'_>| seen.insert(key(*row, &names));
    table
        .rows()
        .filter(|row| first(row))
        .map(Row::index)
        .collect()
}

/// The identifying columns that two tables share.
fn shared(one: &Table, other: &Table) -> Vec<&'static str> {
    let both = |name: &&str| one.find(name).is_some() && other.find(name).is_some();
    NAMES.into_iter().filter(both).collect()
}

fn key(row: Row<'_>, names: &[&str]) -> Vec<u8> {
    let value = |name: &&str| row.find(name).cloned().unwrap_or_default();
    Value::list(names.iter().map(value)).canonical()
}

/// The rows of a table, to be looked up by rows about the same image.
pub(crate) struct Lookup<'a> {
    table: &'a Table,
    names: Vec<&'static str>,
    rows: HashMap<Vec<u8>, Vec<usize>>,
}

impl<'a> Lookup<'a> {
    /// For rows of `images`.
    pub(crate) fn new(images: &Table, table: &'a Table) -> Self {
        let names = shared(images, table);
        let mut rows: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
        for row in table.rows() {
            rows.entry(key(row, &names)).or_default().push(row.index());
        }
        Self { table, names, rows }
    }

    /// The rows about the image of this row, in the table's order.
    pub(crate) fn all(&self, image: Row<'_>) -> impl Iterator<Item = Row<'a>> + use<'a, '_> {
        let found = self.rows.get(&key(image, &self.names));
        found
            .into_iter()
            .flatten()
            .map(|index| self.table.row(*index))
    }

    /// The first of them.
    pub(crate) fn first(&self, image: Row<'_>) -> Option<Row<'a>> {
        self.all(image).next()
    }
}
