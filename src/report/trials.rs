//! The trials of a sweep, compared: a table for people, or for programs.

mod against;
mod averages;
mod order;
mod wide;

use ccsr_engine::sweep::{Compared, Comparison, Sweep, TrialState};
use serde_json::{Value as Json, json};

use super::sweep::{short_names, shortened, telling};
use crate::exit::Failure;
use crate::ui::{count, duration};
use wide::rounded;

pub(crate) use against::{against, told};
pub(crate) use averages::Averaged;
pub(crate) use wide::Wide;

/// Metrics that are shown on a terminal.
const METRICS: usize = 8;

/// How much of a table is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// As much as fits on a terminal.
    Screen,
    /// All, rounded.
    Rounded,
    /// All, in full, with full names.
    Full,
}

impl Detail {
    /// How many of so many metrics.
    fn of(self, metrics: usize) -> usize {
        match self {
            Self::Screen => metrics.min(METRICS),
            Self::Rounded | Self::Full => metrics,
        }
    }
}

/// Everything, for programs.
pub(crate) fn json(sweep: &Sweep<'_>, found: &Comparison) -> String {
    let trial = |trial: &Compared| {
        json!({
            "trial": trial.trial,
            "values": named(&found.parameters, &trial.values),
            "state": trial.state,
            "units_executed": trial.units_executed,
            "seconds": trial.seconds,
            "metrics": named(&found.metrics, &trial.metrics),
        })
    };
    let trials: Vec<_> = found.trials.iter().map(trial).collect();
    json!({"sweep": sweep.name(), "against": against::named(found), "trials": trials}).to_string()
}

/// An object of the values that there are.
fn named<T: serde::Serialize>(names: &[String], values: &[Option<T>]) -> Json {
    let pairs = names.iter().zip(values);
    let pairs = pairs.map(|(name, value)| (name.clone(), json!(value)));
    Json::Object(pairs.filter(|(_, value)| !value.is_null()).collect())
}

/// Orders the trials by a metric or a parameter; those without a value come last.
pub(crate) fn sort(found: &mut Comparison, by: &str, ascending: bool) -> Result<(), Failure> {
    let order = order::Order::by(by, ascending, &found.parameters, &found.metrics)?;
    order.apply(
        &mut found.trials,
        |trial, at| trial.values[at].as_deref(),
        |trial, at| trial.metrics[at],
    );
    Ok(())
}

/// The part of a comparison that is shown.
pub(crate) struct Shown<'a> {
    found: &'a Comparison,
    parameters: Vec<usize>,
    metrics: Vec<usize>,
}

impl<'a> Shown<'a> {
    /// What differs between trials, or all.
    pub(crate) fn new(found: &'a Comparison, all: bool) -> Self {
        let is_shown = |at: &usize| all || found.trials.len() < 2 || is_telling(found, *at);
        Self {
            found,
            parameters: (0..found.parameters.len()).filter(is_shown).collect(),
            metrics: metrics_to_show(found, all),
        }
    }

    /// A row a trial.
    pub(crate) fn table(&self, detail: Detail) -> Wide {
        let metrics = &self.metrics[..detail.of(self.metrics.len())];
        let head = 1 + self.parameters.len();
        let ends = if detail == Detail::Full {
            ["state", "units_executed", "seconds"]
        } else {
            ["state", "computed", "time"]
        };
        let header = ["trial".to_owned()]
            .into_iter()
            .chain(parameter_names(
                &self.found.parameters,
                &self.parameters,
                detail,
            ))
            .chain(metrics.iter().map(|at| self.found.metrics[*at].clone()))
            .chain(ends.map(str::to_owned));
        let row = |trial: &Compared| {
            let number = |at: &usize| match trial.metrics[*at] {
                None => String::new(),
                Some(number) if detail == Detail::Full => number.to_string(),
                Some(number) => rounded(number),
            };
            let ran = trial.state != TrialState::NotRun;
            [trial.trial.to_string()]
                .into_iter()
                .chain(values(&trial.values, &self.parameters, detail))
                .chain(metrics.iter().map(number))
                .chain([state(trial.state).to_owned()])
                .chain(work(ran, trial.units_executed, trial.seconds, detail))
                .collect()
        };
        Wide {
            header: header.collect(),
            metrics: head..head + metrics.len(),
            left_out: self.metrics.len() - metrics.len(),
            text: Some(head + metrics.len()),
            rows: self.found.trials.iter().map(row).collect(),
        }
    }
}

fn differ<T: PartialEq>(mut values: impl Iterator<Item = T>) -> bool {
    let first = values.next();
    values.any(|value| Some(value) != first)
}

/// Whether a parameter has several values in the trials.
fn parameter_differs(found: &Comparison, at: usize) -> bool {
    let values = found.trials.iter().map(|trial| trial.values[at].as_deref());
    differ(values)
}

/// Whether a parameter tells trials apart, or from those that they are held against.
fn is_telling(found: &Comparison, at: usize) -> bool {
    let mut against = found.against.iter();
    parameter_differs(found, at) || against.any(|(held, _)| *held == at)
}

/// The metrics that trials have differently, from one another or from those that they are held against, or all; those of a single
/// trial are all.
fn metrics_to_show(found: &Comparison, all: bool) -> Vec<usize> {
    let numbers = |at: usize| {
        found
            .trials
            .iter()
            .filter_map(move |trial| trial.metrics[at])
    };
    let all = all || found.trials.len() < 2;
    let is_shown = |at: &usize| {
        let differs = if found.against.is_empty() {
            differ(numbers(*at).map(f64::to_bits))
        } else {
            numbers(*at).any(|difference| difference != 0.0)
        };
        all || differs
    };
    (0..found.metrics.len()).filter(is_shown).collect()
}

/// What some of the parameters are called: by short names for people.
fn parameter_names(all: &[String], shown: &[usize], detail: Detail) -> Vec<String> {
    let paths: Vec<_> = shown.iter().map(|at| all[*at].as_str()).collect();
    match detail {
        Detail::Full => paths.into_iter().map(str::to_owned).collect(),
        Detail::Screen | Detail::Rounded => short_names(&paths),
    }
}

/// Some of the values: shortened for people.
fn values<'a>(
    all: &'a [Option<String>],
    shown: &'a [usize],
    detail: Detail,
) -> impl Iterator<Item = String> + 'a {
    shown.iter().map(move |at| match &all[*at] {
        None => String::new(),
        Some(value) if detail == Detail::Full => value.clone(),
        Some(value) => shortened(value),
    })
}

/// What was computed, and how long that took; nothing, for people, where nothing ran.
fn work(ran: bool, units: u64, seconds: f64, detail: Detail) -> [String; 2] {
    match detail {
        Detail::Full => [units.to_string(), seconds.to_string()],
        Detail::Screen | Detail::Rounded if !ran => [String::new(), String::new()],
        Detail::Screen | Detail::Rounded => [count(units), duration(seconds)],
    }
}

const fn state(state: TrialState) -> &'static str {
    match state {
        TrialState::Done => "done",
        TrialState::Failed => "failed",
        TrialState::Interrupted => "interrupted",
        TrialState::Changed => "changed since",
        TrialState::NotRun => "not run",
    }
}
