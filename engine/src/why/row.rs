//! Which units made a row.
//!
//! A stage does not say which unit ends in which row, so they are found by what they have in common:
//! the values of the row (or of the conditions that were typed) that stand in a unit's input, in what
//! its stage calls it, or in its outcome. A value that few units have says more than one that all
//! have; of units that are equally likely, the one in the row's place is taken, if there are as many
//! units as rows.

use std::collections::{BTreeMap, HashMap, HashSet};

use ccsr_cache::{Store, StoreError, Value};
use ccsr_stage::{Row, Table};
use serde::Serialize;

use super::units::{self, UnitWhy};
use crate::graph::StageId;
use crate::pipeline::Pipeline;
use crate::rows::{IDENTIFYING, identifying};
use crate::standing::{ListedUnit, State, Survey};
use crate::tabular::cell;

/// Units that are shown of a row.
const SHOWN: usize = 12;
/// Rows of an input table that may share a condition before it says nothing.
const FEW: usize = 64;

/// Which row is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// By its number, from 1.
    Number(usize),
    /// By the values of some columns.
    Where(Vec<Condition>),
}

/// `column=value`, the value as `show` writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The column.
    pub column: String,
    /// The value.
    pub value: String,
}

/// What is known about a row.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RowWhy {
    /// The stage.
    pub stage: String,
    /// The row's number, from 1, if its table is known.
    pub number: Option<usize>,
    /// The row.
    pub row: BTreeMap<String, Value>,
    /// Rows that fit, if not one did: their number, and some of them.
    pub candidates: Option<(u64, Vec<BTreeMap<String, Value>>)>,
    /// Whether the table is what the pipeline gives now; else it is the last that was computed.
    pub current: bool,
    /// The units that made it.
    pub units: Vec<UnitWhy>,
    /// Units that made it and are not shown.
    pub more: u64,
    /// Of a stage without units: the rows that it was put together from.
    pub from: Vec<Self>,
    /// Why nothing is known.
    pub unknown: Option<String>,
}

/// Which units made a row of `stage`'s table on `port`, and why they are missing, if they are.
pub fn why_row(
    pipeline: &Pipeline,
    store: &Store,
    stage: StageId,
    port: &str,
    wanted: &Wanted,
) -> Result<RowWhy, StoreError> {
    let mut survey = Survey::of(pipeline, store)?;
    explain(&mut survey, stage, port, wanted)
}

fn explain(
    survey: &mut Survey<'_>,
    id: StageId,
    port: &str,
    wanted: &Wanted,
) -> Result<RowWhy, StoreError> {
    let node = survey.pipeline.stage(id);
    let mut why = RowWhy {
        stage: node.name.clone(),
        ..RowWhy::default()
    };
    let now = survey.stand(id).tables.as_ref();
    let mut digest = now.and_then(|tables| tables.get(port)).copied();
    why.current = digest.is_some();
    if digest.is_none() {
        let latest = survey
            .store
            .latest_stage(&survey.pipeline.name, &node.name)?;
        digest = latest.and_then(|(_, memo)| memo.outputs.get(port).copied());
    }
    let table = digest.and_then(|digest| survey.table(&digest).ok());
    let row = match &table {
        None => None,
        Some(table) => match find(table, wanted) {
            Ok(row) => Some(row),
            Err(candidates) => {
                // A row that is not there any more, or not yet, may still have its units.
                if why.current || !candidates.1.is_empty() {
                    why.candidates = Some(candidates);
                    return Ok(why);
                }
                None
            }
        },
    };
    if let (Some(row), Some(table)) = (row, &table) {
        why.number = Some(row + 1);
        why.row = cells(table.row(row), table);
    }
    let clues = match (row, &table, wanted) {
        (Some(row), Some(table), _) => clues_of_row(table, row),
        (_, _, Wanted::Where(conditions)) => clues_of_conditions(survey, id, conditions),
        (_, _, Wanted::Number(_)) => Vec::new(),
    };
    let listed = match survey.units(id)? {
        Ok(listed) => listed,
        Err(error) => {
            why.unknown = Some(error.to_string());
            why.from = awaited(survey, id, &why, wanted)?;
            return Ok(why);
        }
    };
    if listed.is_empty() && !matches!(survey.stand(id).state, State::Missing { .. }) {
        why.from = sources(survey, id, &why)?;
        return Ok(why);
    }
    let rows = table
        .as_ref()
        .filter(|_| why.current)
        .map(|table| table.len());
    let place = match (row, wanted) {
        (Some(row), _) if rows == Some(listed.len()) => Some(row),
        (None, Wanted::Number(number)) => number.checked_sub(1),
        _ => None,
    };
    let found = likely(&listed, &clues, place);
    why.more = found.len().saturating_sub(SHOWN) as u64;
    let shown: Vec<_> = found.iter().take(SHOWN).map(|at| &listed[*at]).collect();
    why.units = units::explain(survey, id, &shown)?;
    if shown.is_empty() {
        why.unknown = Some("nothing tells which unit it comes from".to_owned());
    }
    Ok(why)
}

/// The one row that is wanted, or how many fit and some of them.
type Fitting = (u64, Vec<BTreeMap<String, Value>>);

fn find(table: &Table, wanted: &Wanted) -> Result<usize, Fitting> {
    let fitting: Vec<usize> = match wanted {
        Wanted::Number(number) => number
            .checked_sub(1)
            .filter(|row| *row < table.len())
            .into_iter()
            .collect(),
        Wanted::Where(conditions) => (0..table.len())
            .filter(|row| {
                conditions
                    .iter()
                    .all(|condition| fits(table.row(*row), condition))
            })
            .collect(),
    };
    match fitting.as_slice() {
        [row] => Ok(*row),
        several => Err((
            several.len() as u64,
            several
                .iter()
                .take(5)
                .map(|row| named(table, *row))
                .collect(),
        )),
    }
}

fn fits(row: Row<'_>, condition: &Condition) -> bool {
    row.value(&condition.column)
        .is_ok_and(|value| cell(value) == condition.value)
}

/// A row by what identifies it.
fn named(table: &Table, row: usize) -> BTreeMap<String, Value> {
    let columns = identifying(table).into_iter();
    let mut named: BTreeMap<_, _> = columns
        .filter_map(|name| Some((name.to_owned(), table.row(row).find(name)?.clone())))
        .collect();
    named.insert("row".to_owned(), Value::Int(row as i64 + 1));
    named
}

fn cells(row: Row<'_>, table: &Table) -> BTreeMap<String, Value> {
    let names = table
        .columns()
        .iter()
        .map(|column| column.name().to_owned());
    names.zip(row.values().cloned()).collect()
}

/// Values of which a unit of the row has one.
struct Clue {
    values: Vec<Value>,
}

fn clues_of_row(table: &Table, row: usize) -> Vec<Clue> {
    let values = table.row(row).values().filter(|value| !value.is_null());
    values
        .map(|value| Clue {
            values: vec![value.clone()],
        })
        .collect()
}

/// The conditions themselves, and the blobs of the rows of input tables that they lead to.
fn clues_of_conditions(
    survey: &mut Survey<'_>,
    id: StageId,
    conditions: &[Condition],
) -> Vec<Clue> {
    let mut clues: Vec<Clue> = conditions
        .iter()
        .map(|condition| {
            let text = Value::from(condition.value.as_str());
            let number = condition.value.parse().ok().map(Value::Int);
            Clue {
                values: std::iter::once(text).chain(number).collect(),
            }
        })
        .collect();
    for (_, table) in inputs(survey, id) {
        let known: Vec<_> = conditions
            .iter()
            .filter(|condition| table.find(&condition.column).is_some())
            .collect();
        let rows: Vec<_> = table
            .rows()
            .filter(|row| known.iter().all(|condition| fits(*row, condition)))
            .collect();
        if known.is_empty() || rows.len() > FEW {
            continue;
        }
        let blobs = rows.iter().flat_map(|row| row.values());
        let values: Vec<_> = blobs
            .filter(|value| matches!(value, Value::Blob(_)))
            .cloned()
            .collect();
        clues.push(Clue { values });
    }
    clues
}

/// The tables that a stage reads, as far as they are known, and who writes each.
fn inputs(
    survey: &mut Survey<'_>,
    id: StageId,
) -> Vec<((StageId, &'static str), std::sync::Arc<Table>)> {
    let node = survey.pipeline.stage(id);
    let mut found = Vec::new();
    for binding in node.bindings.values() {
        let tables = survey.stand(binding.stage).tables.as_ref();
        let digest = tables.and_then(|tables| tables.get(binding.port)).copied();
        if let Some(table) = digest.and_then(|digest| survey.table(&digest).ok()) {
            found.push(((binding.stage, binding.port), table));
        }
    }
    found
}

/// The units that have most in common with the clues, in their order.
fn likely(listed: &[ListedUnit], clues: &[Clue], place: Option<usize>) -> Vec<usize> {
    let matched: Vec<Vec<bool>> = listed.iter().map(|unit| matches_of(unit, clues)).collect();
    let weights: Vec<f64> = (0..clues.len())
        .map(|clue| {
            let having = matched.iter().filter(|unit| unit[clue]).count();
            let share = listed.len() as f64 / having.max(1) as f64;
            share.ln()
        })
        .collect();
    let score = |unit: &[bool]| -> f64 {
        let had = unit.iter().zip(&weights).filter(|(had, _)| **had);
        had.map(|(_, weight)| weight).sum()
    };
    let scores: Vec<f64> = matched.iter().map(|unit| score(unit)).collect();
    let best = scores.iter().copied().fold(0.0, f64::max);
    let is_best = |at: usize| scores[at] >= best - 1e-9;
    match place {
        Some(place) if place < listed.len() && is_best(place) => vec![place],
        // What all units have says nothing, unless there is one only.
        _ if best <= 0.0 && listed.len() > 1 => Vec::new(),
        _ => (0..listed.len()).filter(|at| is_best(*at)).collect(),
    }
}

/// Which of the clues a unit has.
fn matches_of(listed: &ListedUnit, clues: &[Clue]) -> Vec<bool> {
    let mut leaves = Vec::new();
    collect(&listed.unit.input, &mut leaves);
    collect(&listed.unit.hint, &mut leaves);
    if let Some(stored) = &listed.stored {
        collect(&stored.outcome, &mut leaves);
    }
    let has = |wanted: &Value| leaves.iter().any(|leaf| contains(leaf, wanted));
    clues
        .iter()
        .map(|clue| clue.values.iter().any(has))
        .collect()
}

fn collect<'a>(value: &'a Value, leaves: &mut Vec<&'a Value>) {
    match value {
        Value::List(values) => values.iter().for_each(|value| collect(value, leaves)),
        Value::Map(entries) => entries.values().for_each(|value| collect(value, leaves)),
        leaf => leaves.push(leaf),
    }
}

/// Texts that are long enough to be no accident may stand inside a longer one: a prompt in what a
/// writer is told.
fn contains(leaf: &Value, wanted: &Value) -> bool {
    const NO_ACCIDENT: usize = 8;
    match (leaf, wanted) {
        (Value::Text(leaf), Value::Text(wanted)) => {
            leaf == wanted || (wanted.len() >= NO_ACCIDENT && leaf.contains(&**wanted))
        }
        (leaf, wanted) => leaf == wanted,
    }
}

/// What is known, in the tables that a stage waits for, about a row that it will make.
fn awaited(
    survey: &mut Survey<'_>,
    id: StageId,
    why: &RowWhy,
    wanted: &Wanted,
) -> Result<Vec<RowWhy>, StoreError> {
    let State::Waiting(upstream) = &survey.stand(id).state else {
        return Ok(Vec::new());
    };
    let upstream = upstream.clone();
    let node = survey.pipeline.stage(id);
    let conditions: Vec<Condition> = match wanted {
        Wanted::Where(conditions) => conditions.clone(),
        Wanted::Number(_) => why
            .row
            .iter()
            .filter(|(name, _)| IDENTIFYING.contains(&name.as_str()))
            .map(|(name, value)| Condition {
                column: name.clone(),
                value: cell(value),
            })
            .collect(),
    };
    let mut found = Vec::new();
    for binding in node.bindings.values() {
        let source = survey.pipeline.stage(binding.stage);
        let written = source.outputs.iter().find(|port| port.name == binding.port);
        let Some(written) = written.filter(|_| upstream.contains(&binding.stage)) else {
            continue;
        };
        let known: Vec<_> = conditions
            .iter()
            .filter(|condition| written.schema.get(&condition.column).is_some())
            .cloned()
            .collect();
        if !known.is_empty() {
            found.push(explain(
                survey,
                binding.stage,
                binding.port,
                &Wanted::Where(known),
            )?);
        }
    }
    Ok(found)
}

/// The rows that a row of a stage without units was put together from.
fn sources(survey: &mut Survey<'_>, id: StageId, why: &RowWhy) -> Result<Vec<RowWhy>, StoreError> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for ((stage, port), table) in inputs(survey, id) {
        let columns: HashMap<&str, &Value> = identifying(&table)
            .into_iter()
            .filter_map(|name| Some((name, why.row.get(name)?)))
            .collect();
        let same = |row: &Row<'_>| {
            columns
                .iter()
                .all(|(name, value)| row.find(name) == Some(value))
        };
        let rows: Vec<usize> = table.rows().filter(same).map(Row::index).collect();
        if columns.is_empty() || rows.len() > SHOWN || !seen.insert((stage, port)) {
            continue;
        }
        for row in rows {
            found.push(explain(survey, stage, port, &Wanted::Number(row + 1))?);
        }
    }
    Ok(found)
}
