//! The trials of a sweep, compared: a table for people, or for programs.

use std::cmp::Ordering;

use ccsr_engine::sweep::{Compared, Comparison, Sweep, TrialState};
use comfy_table::{CellAlignment, ContentArrangement, presets};
use serde_json::{Value as Json, json};

use super::sweep::{short_names, shortened};
use crate::exit::Failure;
use crate::ui::{count, duration};

/// Metrics that are shown on a terminal.
const METRICS: usize = 8;

/// Everything, for programs.
pub(crate) fn json(sweep: &Sweep<'_>, found: &Comparison) -> String {
    let trial = |trial: &Compared| {
        let named = |names: &[String], values: Vec<Json>| {
            let pairs = names.iter().cloned().zip(values);
            pairs
                .filter(|(_, value)| !value.is_null())
                .collect::<serde_json::Map<_, _>>()
        };
        let values = trial.values.iter().map(|value| json!(value)).collect();
        let metrics = trial.metrics.iter().map(|number| json!(number)).collect();
        json!({
            "trial": trial.trial,
            "values": named(&found.parameters, values),
            "state": trial.state,
            "units_executed": trial.units_executed,
            "seconds": trial.seconds,
            "metrics": named(&found.metrics, metrics),
        })
    };
    let trials: Vec<_> = found.trials.iter().map(trial).collect();
    json!({"sweep": sweep.name(), "trials": trials}).to_string()
}

/// Orders the trials by a metric or a parameter; those without a value come last.
pub(crate) fn sort(found: &mut Comparison, by: &str, ascending: bool) -> Result<(), Failure> {
    let paths: Vec<_> = found.parameters.iter().map(String::as_str).collect();
    let short = short_names(&paths);
    let ending = format!(".{by}");
    let mut endings = found.metrics.iter().filter(|name| name.ends_with(&ending));
    let only = endings.next().filter(|_| endings.next().is_none());
    let metric = found
        .metrics
        .iter()
        .position(|name| name == by || Some(name) == only);
    let parameter = (0..paths.len()).find(|at| paths[*at] == by || short[*at] == by);
    let ordered = |order: Ordering| if ascending { order } else { order.reverse() };
    match (metric, parameter) {
        (Some(metric), _) => found.trials.sort_by(|a, b| {
            missing_last(a.metrics[metric], b.metrics[metric], |a, b| {
                ordered(a.total_cmp(&b))
            })
        }),
        (None, Some(at)) => found.trials.sort_by(|a, b| {
            missing_last(a.values[at].as_deref(), b.values[at].as_deref(), |a, b| {
                ordered(match (a.parse::<f64>(), b.parse::<f64>()) {
                    (Ok(a), Ok(b)) => a.total_cmp(&b),
                    _ => a.cmp(b),
                })
            })
        }),
        (None, None) => {
            let known: Vec<_> = short
                .iter()
                .chain(&found.metrics)
                .map(String::as_str)
                .collect();
            return Err(crate::session::unknown("metric or parameter", by, &known));
        }
    }
    Ok(())
}

fn missing_last<T>(a: Option<T>, b: Option<T>, order: impl Fn(T, T) -> Ordering) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => order(a, b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
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
        let all = all || found.trials.len() < 2;
        let first = &found.trials[0];
        let parameter = |at: &usize| {
            all || found
                .trials
                .iter()
                .any(|trial| trial.values[*at] != first.values[*at])
        };
        let metric = |at: &usize| {
            let ran: Vec<_> = found
                .trials
                .iter()
                .filter_map(|trial| trial.metrics[*at])
                .collect();
            all || ran
                .windows(2)
                .any(|pair| pair[0].total_cmp(&pair[1]).is_ne())
        };
        Self {
            found,
            parameters: (0..found.parameters.len()).filter(parameter).collect(),
            metrics: (0..found.metrics.len()).filter(metric).collect(),
        }
    }

    /// Metrics for which a terminal has no room.
    pub(crate) fn left_out(&self) -> usize {
        self.metrics.len().saturating_sub(METRICS)
    }

    pub(crate) fn csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let parameters = self
            .parameters
            .iter()
            .map(|at| self.found.parameters[*at].as_str());
        let metrics = self
            .metrics
            .iter()
            .map(|at| self.found.metrics[*at].as_str());
        let ends = ["state", "units_executed", "seconds"];
        let header = ["trial"]
            .into_iter()
            .chain(parameters)
            .chain(metrics)
            .chain(ends);
        let mut write = |record: Vec<String>| {
            writer
                .write_record(record)
                .expect("rows are as wide as the header, and memory takes all");
        };
        write(header.map(str::to_owned).collect());
        for trial in &self.found.trials {
            let values = self
                .parameters
                .iter()
                .map(|at| trial.values[*at].clone().unwrap_or_default());
            let number = |at: &usize| trial.metrics[*at].map_or(String::new(), |n| n.to_string());
            let ends = [
                state(trial.state).to_owned(),
                trial.units_executed.to_string(),
                trial.seconds.to_string(),
            ];
            let head = [trial.trial.to_string()];
            let numbers = self.metrics.iter().map(number);
            write(
                head.into_iter()
                    .chain(values)
                    .chain(numbers)
                    .chain(ends)
                    .collect(),
            );
        }
        let bytes = writer.into_inner().expect("memory takes all");
        String::from_utf8(bytes).expect("it was written from text")
    }

    pub(crate) fn markdown(&self) -> String {
        let escaped = |text: &String| text.replace('\\', "\\\\").replace('|', "\\|");
        let line = |cells: &[String]| {
            format!(
                "| {} |\n",
                cells.iter().map(escaped).collect::<Vec<_>>().join(" | ")
            )
        };
        let header = self.header(usize::MAX);
        let mut text = line(&header) + &line(&vec!["---".to_owned(); header.len()]);
        for row in self.rows(usize::MAX) {
            text.push_str(&line(&row));
        }
        text
    }

    pub(crate) fn terminal(&self) -> String {
        let mut drawn = comfy_table::Table::new();
        drawn
            .load_style(presets::UTF8_BORDERS_ONLY)
            .set_content_arrangement(ContentArrangement::Disabled);
        let first_metric = 1 + self.parameters.len();
        let stacked = |(at, name): (usize, String)| {
            let is_metric = (first_metric..first_metric + self.metrics.len()).contains(&at);
            if is_metric {
                name.replace('.', "\n")
            } else {
                name
            }
        };
        let header = self.header(METRICS);
        let width = header.len();
        drawn.set_header(header.into_iter().enumerate().map(stacked));
        for row in self.rows(METRICS) {
            drawn.add_row(row);
        }
        for column in (0..width).filter(|at| *at != width - 3) {
            if let Some(column) = drawn.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        drawn.to_string()
    }

    fn header(&self, metrics: usize) -> Vec<String> {
        let paths: Vec<_> = self
            .parameters
            .iter()
            .map(|at| self.found.parameters[*at].as_str())
            .collect();
        let metrics = self
            .metrics
            .iter()
            .take(metrics)
            .map(|at| self.found.metrics[*at].clone());
        let ends = ["state", "computed", "time"].map(str::to_owned);
        let head = ["trial".to_owned()].into_iter().chain(short_names(&paths));
        head.chain(metrics).chain(ends).collect()
    }

    fn rows(&self, metrics: usize) -> impl Iterator<Item = Vec<String>> {
        self.found.trials.iter().map(move |trial| {
            let value = |at: &usize| {
                trial.values[*at]
                    .as_deref()
                    .map_or(String::new(), shortened)
            };
            let number = |at: &usize| trial.metrics[*at].map_or(String::new(), rounded);
            let ends = if trial.state == TrialState::NotRun {
                [state(trial.state).to_owned(), String::new(), String::new()]
            } else {
                [
                    state(trial.state).to_owned(),
                    count(trial.units_executed),
                    duration(trial.seconds),
                ]
            };
            let head = [trial.trial.to_string()];
            let values = self.parameters.iter().map(value);
            let numbers = self.metrics.iter().take(metrics).map(number);
            head.into_iter()
                .chain(values)
                .chain(numbers)
                .chain(ends)
                .collect()
        })
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

/// A number with four digits that count; whole numbers in full.
fn rounded(number: f64) -> String {
    if number == 0.0 || !number.is_finite() || (number.fract() == 0.0 && number.abs() < 1e15) {
        return number.to_string();
    }
    let magnitude = number.abs().log10().floor() as i32;
    if !(-4..15).contains(&magnitude) {
        return format!("{number:.3e}");
    }
    let digits = usize::try_from(3 - magnitude).unwrap_or(0);
    format!("{number:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_for_people() {
        for (number, shown) in [
            (0.0, "0"),
            (12.0, "12"),
            (123_456.0, "123456"),
            (0.123_456, "0.1235"),
            (-12.345_67, "-12.35"),
            (0.000_123_456, "0.0001235"),
            (0.000_012_345_6, "1.235e-5"),
            (98_765.432_1, "98765"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(rounded(number), shown);
        }
    }
}
