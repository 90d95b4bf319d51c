//! A sweep that was run, summed up: for people and for programs.

use ccsr_engine::record::RunOutcome;
use ccsr_engine::sweep::{Sweep, Trial, TrialSummary};
use serde_json::json;

use crate::cli::SweepArgs;
use crate::ui::{Ui, count, counted, duration};

/// Outputs that are named one by one.
const OUTPUTS: usize = 3;
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
            let shown: Vec<_> = contested.iter().take(OUTPUTS).copied().collect();
            let more = contested.len() - shown.len();
            let more = (more > 0).then(|| format!(" and {more} more"));
            ui.say(format_args!(
                "not written, since several trials would: {}{}; `ccsr-flow run` with a trial's `--set` does",
                shown.join(", "),
                more.unwrap_or_default()
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

/// The shortest ends of the paths' [telling] parts that tell them apart.
pub(super) fn short_names(paths: &[&str]) -> Vec<String> {
    let parts = |path: &&str| telling(path).map(str::to_owned).collect::<Vec<_>>();
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

/// The parts of a path but for `stages` and `with`, which tell nothing.
pub(super) fn telling(path: &str) -> impl Iterator<Item = &str> {
    let parts = path.split('.').enumerate();
    let telling = parts.filter(|part| !matches!(part, (0, "stages") | (2, "with")));
    telling.map(|(_, part)| part)
}

pub(super) fn shortened(text: &str) -> String {
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
}
