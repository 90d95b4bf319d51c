//! A sweep, summed up and compared.

use std::cmp::Ordering;

use ccsr_engine::record::RunOutcome;
use ccsr_engine::sweep::{Comparison, Sweep, Trial, TrialState, TrialSummary};
use comfy_table::{CellAlignment, ContentArrangement, presets};
use serde_json::{Value as Json, json};

use crate::cli::SweepArgs;
use crate::exit::Failure;
use crate::ui::{Ui, count, counted, duration};

/// Metrics that are shown on a terminal.
const METRICS: usize = 8;
/// Longest value on a terminal, in characters.
const VALUE: usize = 32;

/// A sweep that was run.
pub(crate) struct Summary<'a> {
    pub(crate) sweep: &'a Sweep<'a>,
    /// The trials that came to an end.
    pub(crate) trials: &'a [TrialSummary],
    pub(crate) seconds: f64,
}

impl Summary<'_> {
    /// How it ended.
    pub(crate) fn outcome(&self) -> RunOutcome {
        let is = |outcome| self.trials.iter().any(|trial| trial.outcome == outcome);
        if is(RunOutcome::Interrupted) || self.trials.len() < self.sweep.trials().len() {
            RunOutcome::Interrupted
        } else if is(RunOutcome::Failed) {
            RunOutcome::Failed
        } else {
            RunOutcome::Done
        }
    }

    /// The end of its story.
    pub(crate) fn tell(&self, args: &SweepArgs, ui: &Ui) {
        let contested: Vec<_> = self.sweep.contested().collect();
        if !contested.is_empty() {
            ui.say(format_args!(
                "trials share {}, so none was written; `ccsr-flow run` with a trial's `--set` writes its own",
                contested.join(", ")
            ));
        }
        let failed = |trial: &&TrialSummary| trial.outcome == RunOutcome::Failed;
        let failed = self.trials.iter().filter(failed).count();
        let all = counted(self.sweep.trials().len() as u64, "trial");
        let outcome = match self.outcome() {
            RunOutcome::Done => ui.green("done"),
            RunOutcome::Failed => ui.red(&format!("{failed} of {all} failed")),
            RunOutcome::Interrupted | RunOutcome::Running => {
                ui.red("interrupted; run it again to go on")
            }
        };
        ui.say(format_args!(
            "{outcome}: {all}, {} computed, {} reused in {}",
            counted(self.executed(), "unit"),
            count(self.reused()),
            duration(self.seconds)
        ));
        let name = args.name.iter().map(|name| format!(" {name}"));
        let set = args
            .pipeline
            .set
            .iter()
            .map(|set| format!(" --set '{set}'"));
        let suite = args
            .pipeline
            .suite
            .iter()
            .map(|suite| format!(" --suite {suite}"));
        let more: String = name.chain(set).chain(suite).collect();
        let file = args.pipeline.file.display();
        ui.say(ui.dim(&format!(
            "`ccsr-flow sweep table {file}{more}` compares the trials"
        )));
    }

    /// One line of JSON.
    pub(crate) fn json(&self) -> String {
        let trial = |summary: &TrialSummary| {
            let trial = &self.sweep.trials()[summary.trial - 1];
            json!({
                "trial": summary.trial,
                "set": self.sweep.set_of(trial),
                "suite": trial.suite(),
                "run": summary.run,
                "outcome": summary.outcome,
                "units_executed": summary.units_executed,
                "units_reused": summary.units_reused,
                "seconds": summary.seconds,
                "errors": summary.errors,
            })
        };
        let mut trials: Vec<_> = self.trials.iter().collect();
        trials.sort_by_key(|summary| summary.trial);
        json!({
            "sweep": self.sweep.name(),
            "outcome": self.outcome(),
            "units_executed": self.executed(),
            "units_reused": self.reused(),
            "seconds": self.seconds,
            "trials": trials.into_iter().map(trial).collect::<Vec<_>>(),
        })
        .to_string()
    }

    fn executed(&self) -> u64 {
        self.trials.iter().map(|trial| trial.units_executed).sum()
    }

    fn reused(&self) -> u64 {
        self.trials.iter().map(|trial| trial.units_reused).sum()
    }
}

/// What each trial is called: the values in which trials differ, by short names.
pub(crate) fn names(trials: &[Trial]) -> Vec<String> {
    let mut paths: Vec<&str> = Vec::new();
    for (path, _) in trials.iter().flat_map(Trial::values) {
        if !paths.contains(&path.as_str()) {
            paths.push(path);
        }
    }
    let value = |trial: &Trial, path: &str| {
        let mut values = trial.values().iter();
        values
            .find(|(known, _)| known == path)
            .map(|(_, value)| value.clone())
    };
    let differs = |path: &&str| {
        let first = trials.first().and_then(|trial| value(trial, path));
        trials.len() < 2 || trials.iter().any(|trial| value(trial, path) != first)
    };
    paths.retain(differs);
    let short = short_names(&paths);
    let name = |trial: &Trial| {
        let named = paths.iter().zip(&short);
        let named = named.filter_map(|(path, short)| {
            Some(format!("{short}={}", shortened(&value(trial, path)?)))
        });
        named.collect::<Vec<_>>().join(" ")
    };
    trials.iter().map(name).collect()
}

/// The shortest ends of the paths that tell them apart; `stages` and `with` tell nothing.
fn short_names(paths: &[&str]) -> Vec<String> {
    let parts = |path: &&str| {
        let parts = path.split('.').enumerate();
        let telling = parts.filter(|part| !matches!(part, (0, "stages") | (2, "with")));
        telling.map(|(_, part)| part.to_owned()).collect::<Vec<_>>()
    };
    let all: Vec<_> = paths.iter().map(parts).collect();
    let end =
        |parts: &[String], length: usize| parts[parts.len().saturating_sub(length)..].join(".");
    let short = |parts: &Vec<String>| {
        let is_own = |length: &usize| {
            let same = |other: &&Vec<String>| end(other, *length) == end(parts, *length);
            all.iter().filter(same).count() == 1
        };
        end(parts, (1..parts.len()).find(is_own).unwrap_or(parts.len()))
    };
    all.iter().map(short).collect()
}

/// Everything, for programs.
pub(crate) fn json(sweep: &Sweep<'_>, found: &Comparison) -> String {
    let trial = |trial: &ccsr_engine::sweep::Compared| {
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

fn shortened(text: &str) -> String {
    match text.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_short_as_they_can_be() {
        let paths = [
            "seed",
            "vars.size",
            "stages.a.with.x.y",
            "stages.b.with.x.y",
            "stages.b.with.z",
            "stages.b.batch",
        ];
        assert_eq!(
            short_names(&paths),
            ["seed", "size", "a.x.y", "b.x.y", "z", "batch"]
        );
        assert_eq!(short_names(&["stages.a.with", "vars.with"]), ["a", "with"]);
    }

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
