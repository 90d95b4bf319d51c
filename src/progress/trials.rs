//! Progress of a sweep: a line a trial; on a terminal, what the trials under way are at, too.

use std::collections::BTreeMap;
use std::time::Duration;

use ccsr_engine::event::Event;
use ccsr_engine::record::RunOutcome;
use ccsr_engine::sweep::{SweepEvent, TrialSummary};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::ui::{Ui, count, counted, duration};

/// Tells a sweep's events as they come.
pub(crate) struct TrialProgress<'a> {
    ui: &'a Ui,
    /// What each trial is called, padded to one width.
    names: Vec<String>,
    bars: MultiProgress,
    all: ProgressBar,
    under_way: BTreeMap<usize, UnderWay>,
}

struct UnderWay {
    bar: ProgressBar,
    /// Units that a stage has done, and those that it asked for so far.
    stages: BTreeMap<String, (u64, u64)>,
}

impl<'a> TrialProgress<'a> {
    /// For trials that are called like this.
    pub(crate) fn new(ui: &'a Ui, names: &[String]) -> Self {
        let target = if ui.live {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bars = MultiProgress::with_draw_target(target);
        let style =
            ProgressStyle::with_template("{bar:24} {human_pos} of {human_len} trials  {eta} left")
                .expect("the template is a constant");
        let all = bars.add(ProgressBar::new(names.len() as u64).with_style(style));
        let digits = names.len().to_string().len();
        let width = names.iter().map(|name| name.chars().count()).max();
        let (width, of) = (width.unwrap_or(0), names.len());
        let name = |(number, name): (usize, &String)| {
            format!("trial {number:digits$} of {of}  {name:width$}")
        };
        Self {
            ui,
            names: (1..).zip(names).map(name).collect(),
            bars,
            all,
            under_way: BTreeMap::new(),
        }
    }

    pub(crate) fn tell(&mut self, event: &SweepEvent) {
        match event {
            SweepEvent::TrialStarted { trial } => self.start(*trial),
            SweepEvent::Trial { .. } if self.ui.logs => {}
            SweepEvent::Trial { trial, event } => self.at_work(*trial, event),
            SweepEvent::TrialFinished { summary } => self.end(summary),
        }
    }

    pub(crate) fn finish(&mut self) {
        self.all.finish_and_clear();
    }

    fn start(&mut self, trial: usize) {
        let style = ProgressStyle::with_template("{prefix}  {spinner} {msg}")
            .expect("the template is a constant");
        let bar = self
            .bars
            .insert_before(&self.all, ProgressBar::new_spinner());
        let bar = bar.with_style(style);
        bar.set_prefix(self.names[trial - 1].clone());
        if self.ui.live {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        self.all.tick();
        let stages = BTreeMap::new();
        self.under_way.insert(trial, UnderWay { bar, stages });
    }

    fn at_work(&mut self, trial: usize, event: &Event) {
        let Some(work) = self.under_way.get_mut(&trial) else {
            return;
        };
        match event {
            Event::StageStarted { stage, .. } => work.bar.set_message(stage.clone()),
            Event::Loading { stage, resource } => {
                work.bar.set_message(format!("{stage}: loading {resource}"));
            }
            Event::Wave {
                stage,
                units,
                reused,
            } => {
                let (done, all) = work.stages.entry(stage.clone()).or_default();
                (*done, *all) = ((*done).max(*reused), *units);
            }
            Event::BatchCommitted { stage, units, .. } => {
                let (done, all) = work.stages.entry(stage.clone()).or_default();
                *done += units;
                let (done, all) = (count(*done), counted(*all, "unit"));
                work.bar.set_message(format!("{stage}: {done} of {all}"));
            }
            Event::Healing { stage, blobs } => {
                let lost = counted(*blobs, "blob");
                let name = self.names[trial - 1].trim_end();
                let line =
                    format!("{name}  {stage}: the cache lost {lost} that it needs; making again");
                self.bars.suspend(|| self.ui.say(line));
            }
            _ => {}
        }
    }

    fn end(&mut self, summary: &TrialSummary) {
        if let Some(work) = self.under_way.remove(&summary.trial) {
            work.bar.finish_and_clear();
        }
        self.all.inc(1);
        let done = || {
            format!(
                "{} computed, {} reused in {}",
                counted(summary.units_executed, "unit"),
                count(summary.units_reused),
                duration(summary.seconds)
            )
        };
        let text = match summary.outcome {
            RunOutcome::Done if summary.unchanged => self.ui.dim("unchanged"),
            RunOutcome::Done => format!("{}: {}", self.ui.green("done"), done()),
            RunOutcome::Failed => {
                let error = summary
                    .errors
                    .first()
                    .map_or("no error was noted", String::as_str);
                format!("{}: {error}", self.ui.red("failed"))
            }
            RunOutcome::Interrupted | RunOutcome::Running => {
                format!("{}: {}", self.ui.red("interrupted"), done())
            }
        };
        let line = format!("{}  {text}", self.names[summary.trial - 1]);
        self.bars.suspend(|| self.ui.say(line));
    }
}
