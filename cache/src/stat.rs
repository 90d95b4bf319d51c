//! How much there is in a store, and how much of it is reached from what is kept.

use std::collections::HashSet;
use std::fs;

use serde::Serialize;

use crate::reach::{Keep, Reached};
use crate::survey::Survey;
use crate::{Digest, Store, StoreError};

/// How many of something, and their bytes together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl Tally {
    /// The tally of things of these sizes.
    pub(crate) fn of(sizes: impl IntoIterator<Item = u64>) -> Self {
        sizes.into_iter().fold(Self::default(), |sum, bytes| Self {
            count: sum.count + 1,
            bytes: sum.bytes + bytes,
        })
    }
}

/// What there is in a store.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stat {
    /// Objects.
    pub objects: Tally,
    /// Those that kept runs and pins reach.
    pub reached: Tally,
    /// The others: what a garbage collection without a budget removes.
    pub unreached: Tally,
    /// Outcomes that count, and about what their rows take.
    pub outcomes: Tally,
    /// Outcomes that do not count any more; the next of the same key replaces them.
    pub invalidated: u64,
    /// Seconds that the outcomes took.
    pub seconds: f64,
    /// Stages that are remembered as a whole.
    pub stages: u64,
    /// Runs with a record.
    pub runs: u64,
    /// Pins.
    pub pins: u64,
    /// Bytes of the ledger's files.
    pub ledger: u64,
    /// Files that are being written, or that a killed process left.
    pub temporary: Tally,
    /// The outcomes by stage kind, the dearest first.
    pub kinds: Vec<KindStat>,
}

/// What a stage kind has in a store.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KindStat {
    /// The kind.
    pub kind: String,
    /// Its outcomes that count.
    pub units: u64,
    /// Seconds that they took.
    pub seconds: f64,
    /// The objects that they name and that are there. One that two kinds name counts for both.
    pub objects: Tally,
}

impl Store {
    /// What there is, and how much of it is reached. Reads the whole ledger and looks at every
    /// object's name and size, but at no bytes.
    pub fn stat(&self, keep: &Keep) -> Result<Stat, StoreError> {
        let survey = Survey::of(self)?;
        let reached = Reached::of(self, &survey, keep)?;
        let blobs = &reached.blobs;
        let sizes = |wanted: bool| {
            let objects = survey.objects.iter();
            objects
                .filter(move |(blob, _)| blobs.contains(*blob) == wanted)
                .map(|(_, size)| *size)
        };
        let (reached, unreached) = (Tally::of(sizes(true)), Tally::of(sizes(false)));
        let counting = || survey.units.iter().filter(|unit| unit.counts);
        let outcomes = Tally::of(counting().map(|unit| unit.bytes));
        Ok(Stat {
            objects: Tally {
                count: reached.count + unreached.count,
                bytes: reached.bytes + unreached.bytes,
            },
            reached,
            unreached,
            outcomes,
            invalidated: survey.units.len() as u64 - outcomes.count,
            seconds: counting().map(|unit| unit.seconds).sum(),
            stages: survey.memos.len() as u64,
            runs: self.runs()?.len() as u64,
            pins: self.pins()?.len() as u64,
            ledger: survey.ledger,
            temporary: self.temporary_files(),
            kinds: kinds(&survey),
        })
    }

    /// What lies in `tmp/`.
    pub(crate) fn temporary_files(&self) -> Tally {
        let entries = fs::read_dir(self.layout.temporary_folder());
        let entries = entries.into_iter().flatten().flatten();
        Tally::of(entries.filter_map(|entry| entry.metadata().ok().map(|file| file.len())))
    }
}

fn kinds(survey: &Survey) -> Vec<KindStat> {
    let mut kinds: Vec<_> = survey
        .kinds
        .iter()
        .map(|kind| KindStat {
            kind: kind.clone(),
            units: 0,
            seconds: 0.0,
            objects: Tally::default(),
        })
        .collect();
    for unit in survey.units.iter().filter(|unit| unit.counts) {
        kinds[unit.kind].units += 1;
        kinds[unit.kind].seconds += unit.seconds;
    }
    let mut counted: HashSet<(Digest, usize)> = HashSet::new();
    for (blob, id) in &survey.produced {
        let unit = survey.position(*id).map(|unit| &survey.units[unit]);
        if let (Some(unit), Some(size)) = (unit, survey.objects.get(blob))
            && unit.counts
            && counted.insert((*blob, unit.kind))
        {
            let objects = &mut kinds[unit.kind].objects;
            (objects.count, objects.bytes) = (objects.count + 1, objects.bytes + size);
        }
    }
    kinds.retain(|kind| kind.units > 0);
    kinds.sort_by(|a, b| {
        b.seconds
            .total_cmp(&a.seconds)
            .then_with(|| a.kind.cmp(&b.kind))
    });
    kinds
}
