//! Why a stage would run: the fields in which what it depends on differs from the nearest earlier
//! record, followed upwards through tables that differ to the parameter or file that changed.

mod row;
mod units;

use std::collections::HashSet;

use ccsr_cache::{Digest, StageMemo, Store, StoreError, Value};
use serde::Serialize;

use crate::explain::{Change, changes};
use crate::graph::StageId;
use crate::pipeline::Pipeline;
use crate::rows::{TableChanges, table_changes};
use crate::standing::{State, Survey};

pub use row::{Condition, RowWhy, Wanted, why_row};
pub use units::{UnitState, UnitWhy};

/// Earlier records of a stage that are compared with it.
const EARLIER: usize = 64;
/// Records that are looked through for a stage of the same kind, if it has none under its name.
const ELSEWHERE: usize = 1000;

/// Why a stage is as it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Why {
    /// The stage.
    pub stage: String,
    /// Its kind.
    pub kind: String,
    /// How it stands.
    pub standing: Standing,
    /// The run that made the record that it is compared with; `None` if there is none.
    pub earlier: Option<String>,
    /// In what it differs from that record, tables left out.
    pub changes: Vec<Change>,
    /// The tables that differ, or are not known yet.
    pub tables: Vec<TableWhy>,
    /// What it depends on, in full.
    pub value: Value,
    /// Some of the units that are missing.
    pub units: Vec<UnitWhy>,
}

/// How a stage stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Standing {
    /// Nothing it depends on changed since it was computed.
    Unchanged {
        /// The run that computed it.
        run: String,
        /// Units that its result stands for.
        units: u64,
        /// Seconds that they took.
        seconds: f64,
    },
    /// All its units are in the cache; its tables would be put together anew.
    Collect {
        /// Units.
        units: u64,
    },
    /// Units would be computed.
    Execute {
        /// Units that are missing.
        missing: u64,
        /// Units that are in the cache.
        reused: u64,
    },
    /// It waits for tables.
    Wait {
        /// The stages that write them.
        upstream: Vec<String>,
    },
    /// It would fail.
    Fail {
        /// Why.
        error: String,
    },
}

/// A table that differs from the one that the earlier record was made with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableWhy {
    /// The input port.
    pub port: String,
    /// The stage that writes it.
    pub stage: String,
    /// In which rows it differs; `None` if one of the two is not known or lost.
    pub rows: Option<TableChanges>,
    /// Why that stage writes another table; `None` if it was told before.
    pub why: Option<Box<Why>>,
}

/// Why `stage` is as it is.
pub fn why(pipeline: &Pipeline, store: &Store, stage: StageId) -> Result<Why, StoreError> {
    let mut asked = Asked {
        survey: Survey::of(pipeline, store)?,
        told: HashSet::new(),
    };
    asked.why(stage, None)
}

struct Asked<'a> {
    survey: Survey<'a>,
    told: HashSet<StageId>,
}

impl Asked<'_> {
    /// Explains a stage; `made` is the table on one of its ports that its reader was made with.
    fn why(&mut self, id: StageId, made: Option<(&str, Digest)>) -> Result<Why, StoreError> {
        self.told.insert(id);
        let node = self.survey.pipeline.stage(id);
        let stand = self.survey.stand(id);
        let (value, standing) = (stand.value.clone(), self.standing(id));
        let unchanged = matches!(standing, Standing::Unchanged { .. });
        let earlier = if unchanged && made.is_none() {
            None
        } else {
            nearest(&self.survey, id, made)?
        };
        let mut why = Why {
            stage: node.name.clone(),
            kind: node.kind.to_owned(),
            standing,
            earlier: earlier.as_ref().map(|memo| memo.run.clone()),
            changes: Vec::new(),
            tables: Vec::new(),
            value,
            units: Vec::new(),
        };
        if let Some(memo) = earlier {
            why.changes = changes(&memo.explanation, &why.value);
            why.changes
                .retain(|change| !change.field.starts_with("tables."));
            why.tables = self.tables(id, &memo)?;
        }
        if made.is_none() && matches!(why.standing, Standing::Execute { missing: 1.., .. }) {
            why.units = units::examples(&mut self.survey, id)?;
        }
        Ok(why)
    }

    /// The tables that differ from those that an earlier record was made with.
    fn tables(&mut self, id: StageId, earlier: &StageMemo) -> Result<Vec<TableWhy>, StoreError> {
        let node = self.survey.pipeline.stage(id);
        let mut found = Vec::new();
        for (port, binding) in &node.bindings {
            let tables = self.survey.stand(binding.stage).tables.as_ref();
            let new = tables.and_then(|tables| tables.get(binding.port)).copied();
            let old = earlier
                .explanation
                .get("tables")
                .and_then(|tables| tables.get(port));
            let old = old.and_then(Value::as_blob);
            if new == old {
                continue;
            }
            let rows = old.zip(new).and_then(|(old, new)| {
                let (old, new) = (self.survey.table(&old).ok()?, self.survey.table(&new).ok()?);
                Some(table_changes(&old, &new))
            });
            let why = if self.told.contains(&binding.stage) {
                None
            } else {
                let made = old.map(|digest| (binding.port, digest));
                Some(Box::new(self.why(binding.stage, made)?))
            };
            found.push(TableWhy {
                port: (*port).to_owned(),
                stage: self.survey.pipeline.stage(binding.stage).name.clone(),
                rows,
                why,
            });
        }
        Ok(found)
    }

    fn standing(&self, id: StageId) -> Standing {
        let name = |id: &StageId| self.survey.pipeline.stage(*id).name.clone();
        match &self.survey.stand(id).state {
            State::Unchanged(memo) => Standing::Unchanged {
                run: memo.run.clone(),
                units: memo.units,
                seconds: memo.seconds,
            },
            State::Collectable { units } => Standing::Collect { units: *units },
            State::Missing { missing, reused } => Standing::Execute {
                missing: *missing,
                reused: *reused,
            },
            State::Waiting(upstream) => Standing::Wait {
                upstream: upstream.iter().map(name).collect(),
            },
            State::Broken(error) => Standing::Fail {
                error: error.clone(),
            },
        }
    }
}

/// The earlier record of a stage that what it depends on now differs from least: of those that wrote
/// the table that is asked for, if there is one. Its own records count first, then, for a stage of
/// another name, those of its kind.
fn nearest(
    survey: &Survey<'_>,
    id: StageId,
    made: Option<(&str, Digest)>,
) -> Result<Option<StageMemo>, StoreError> {
    let (pipeline, store) = (survey.pipeline, survey.store);
    let (node, stand) = (pipeline.stage(id), survey.stand(id));
    let mut memos = store.stage_history(&pipeline.name, &node.name, EARLIER)?;
    let wrote = |memo: &StageMemo| {
        made.is_some_and(|(port, digest)| memo.outputs.get(port) == Some(&digest))
    };
    if memos.is_empty() || (made.is_some() && !memos.iter().any(wrote)) {
        let kind = Value::from(node.kind);
        let elsewhere = store.recent_stages(ELSEWHERE)?.into_iter();
        memos.extend(elsewhere.filter(|memo| memo.explanation.get("kind") == Some(&kind)));
    }
    if memos.iter().any(wrote) {
        memos.retain(wrote);
    } else {
        // The record of what it is now explains nothing.
        memos.retain(|memo| memo.explanation != stand.value);
    }
    let distance = |memo: &StageMemo| changes(&memo.explanation, &stand.value).len();
    // Of equally near ones the first is the newest.
    Ok(memos.into_iter().min_by_key(distance))
}
