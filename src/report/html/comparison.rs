//! Two runs side by side: what was told otherwise, whose winners changed, which numbers differ.

use std::collections::HashMap;

use ccsr_engine::compare::{TableComparison, compare_runs};
use serde::Serialize;

use super::gallery::{Candidate, Gallery, Prompt};
use super::recorded::Recorded;
use super::text::number;
use crate::report::changes::change;
use crate::report::compare::tables;
use crate::ui::duration;

/// Two runs side by side.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    /// Facts of the runs: pipeline, seconds, units.
    pub(crate) facts: Vec<[String; 3]>,
    /// What each stage was told otherwise, in sentences.
    pub(crate) told: Vec<(String, Vec<String>)>,
    /// In what tables differ, in sentences.
    pub(crate) rows: Vec<(String, Vec<String>)>,
    /// Numbers that differ: name, here, there, by how much.
    pub(crate) numbers: Vec<[String; 4]>,
    pub(crate) same: usize,
    pub(crate) choices: Vec<Choices>,
}

/// Whom the two runs chose, by prompt.
#[derive(Debug, Serialize)]
pub(crate) struct Choices {
    pub(crate) stage: String,
    /// Prompts with the same winner in both.
    pub(crate) kept: usize,
    pub(crate) changed: Vec<Changed>,
    /// Prompts that only this run has, and only the other.
    pub(crate) alone: (usize, usize),
}

/// A prompt whose winners differ.
#[derive(Debug, Serialize)]
pub(crate) struct Changed {
    pub(crate) class: String,
    pub(crate) text: String,
    pub(crate) here: Side,
    pub(crate) there: Side,
}

#[derive(Debug, Serialize)]
pub(crate) struct Side {
    pub(crate) thumbnail: Option<usize>,
    pub(crate) text: String,
}

impl Comparison {
    /// Compares the run of a report with another.
    pub(crate) fn of(
        here: &Recorded<'_>,
        there: &Recorded<'_>,
        galleries: (&[Gallery], &[Gallery]),
    ) -> Self {
        let changes = compare_runs(here.record, there.record, &[here.store, there.store]);
        let mut comparison = Self {
            facts: facts(here, there),
            told: Vec::new(),
            rows: Vec::new(),
            numbers: Vec::new(),
            same: 0,
            choices: Vec::new(),
        };
        let lines: Vec<String> = changes.facts.iter().flat_map(change).collect();
        if !lines.is_empty() {
            comparison.told.push(("the run".to_owned(), lines));
        }
        for stage in &changes.stages {
            let told: Vec<String> = stage
                .parameters
                .iter()
                .chain(&stage.roles)
                .flat_map(change)
                .collect();
            let rows: Vec<String> = stage
                .tables
                .iter()
                .flat_map(|(port, table)| tables(port, table))
                .collect();
            comparison.same += usize::from(told.is_empty() && rows.is_empty());
            if !told.is_empty() {
                comparison.told.push((stage.stage.clone(), told));
            }
            if !rows.is_empty() {
                comparison.rows.push((stage.stage.clone(), rows));
            }
            for table in stage.tables.values() {
                if let TableComparison::Differs { numbers, .. } = table {
                    comparison.numbers.extend(numbers.iter().map(|change| {
                        let shown = |number: Option<f64>| {
                            number.map_or_else(|| "–".to_owned(), self::number)
                        };
                        let by = change.new.zip(change.old).map(|(new, old)| new - old);
                        let sign = if by.is_some_and(|by| by > 0.0) {
                            "+"
                        } else {
                            ""
                        };
                        let by =
                            by.map_or_else(String::new, |by| format!("{sign}{}", self::number(by)));
                        [
                            change.name.clone(),
                            shown(change.old),
                            shown(change.new),
                            by,
                        ]
                    }));
                }
            }
        }
        for gallery in galleries.0.iter().filter(|gallery| gallery.chooses) {
            if let Some(other) = galleries
                .1
                .iter()
                .find(|other| other.stage == gallery.stage && other.chooses)
            {
                comparison.choices.push(choices(gallery, other));
            }
        }
        comparison
    }
}

fn facts(here: &Recorded<'_>, there: &Recorded<'_>) -> Vec<[String; 3]> {
    let fact =
        |name: &str, of: &dyn Fn(&Recorded<'_>) -> String| [name.to_owned(), of(here), of(there)];
    vec![
        fact("run", &|run| run.record.run.clone()),
        fact("pipeline", &|run| run.record.pipeline.clone()),
        fact("seed", &|run| run.record.seed.to_string()),
        fact("took", &|run| duration(run.record.seconds)),
        fact("units computed", &|run| {
            crate::ui::count(run.record.units_executed)
        }),
        fact("units reused", &|run| {
            crate::ui::count(run.record.units_reused)
        }),
    ]
}

fn choices(here: &Gallery, there: &Gallery) -> Choices {
    let key = |prompt: &Prompt| (prompt.class.clone(), prompt.text.clone());
    let others: HashMap<_, _> = there
        .prompts
        .iter()
        .map(|prompt| (key(prompt), prompt))
        .collect();
    let (mut shared, mut kept, mut changed) = (0, 0, Vec::new());
    for prompt in &here.prompts {
        let Some(other) = others.get(&key(prompt)) else {
            continue;
        };
        let won = |prompt| winner(prompt).map(|won: &Candidate| (won.image, &won.name));
        // A prompt without a winner in either has nothing to compare.
        if won(prompt).is_none() && won(other).is_none() {
            continue;
        }
        shared += 1;
        if won(prompt) == won(other) {
            kept += 1;
            continue;
        }
        changed.push(Changed {
            class: prompt.class.clone(),
            text: prompt.text.clone(),
            here: side(prompt),
            there: side(other),
        });
    }
    Choices {
        stage: here.stage.clone(),
        kept,
        changed,
        alone: (
            here.prompts.len() - shared,
            there.prompts.len().saturating_sub(shared),
        ),
    }
}

fn winner(prompt: &Prompt) -> Option<&Candidate> {
    Some(&prompt.candidates[prompt.winner?])
}

fn side(prompt: &Prompt) -> Side {
    Side {
        thumbnail: winner(prompt).and_then(|winner| winner.thumbnail),
        text: prompt.result.clone(),
    }
}
