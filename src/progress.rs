//! Progress while a run is under way: a bar a stage on a terminal, plain lines elsewhere.

pub(crate) mod trials;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::{Duration, Instant};

use ccsr_engine::event::Event;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::ui::{Ui, count, counted, duration};

/// Between two plain lines about a stage at work.
const EVERY: Duration = Duration::from_secs(5);

/// Done of all, rate, time left.
fn style() -> ProgressStyle {
    let rate = |state: &ProgressState, text: &mut dyn fmt::Write| {
        let _ = write!(text, "{:.0}/s", state.per_sec());
    };
    ProgressStyle::with_template(
        "{prefix}  {bar:24} {human_pos}/{human_len}  {rate}  {eta} left  {msg}",
    )
    .expect("the template is a constant")
    .with_key("rate", rate)
}

/// Tells events as they come.
pub(crate) struct Progress<'a> {
    ui: &'a Ui,
    bars: MultiProgress,
    stages: HashMap<String, AtWork>,
    width: usize,
}

struct AtWork {
    bar: ProgressBar,
    units: u64,
    reused: u64,
    executed: u64,
    since: Instant,
    told: Instant,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(ui: &'a Ui) -> Self {
        let target = if ui.live {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bars = MultiProgress::with_draw_target(target);
        Self {
            ui,
            bars,
            stages: HashMap::new(),
            width: 0,
        }
    }

    pub(crate) fn tell(&mut self, event: &Event) {
        if self.ui.logs {
            return;
        }
        match event {
            Event::RunStarted { stages, .. } => {
                self.width = stages
                    .iter()
                    .map(|stage| stage.chars().count())
                    .max()
                    .unwrap_or(0);
            }
            Event::StageUnchanged { stage, units, .. } => {
                let units = if *units == 0 {
                    String::new()
                } else {
                    format!(" ({})", counted(*units, "unit"))
                };
                self.line(stage, &self.ui.dim(&format!("unchanged{units}")));
            }
            Event::StageStarted { stage, because } => self.start(stage, because),
            Event::Wave {
                stage,
                units,
                reused,
            } => {
                if let Some(work) = self.stages.get_mut(stage) {
                    // A stage without units has nothing to show a bar of.
                    if work.units == 0 && *units > 0 {
                        work.bar.reset();
                        self.bars.add(work.bar.clone());
                    }
                    (work.units, work.reused) = (*units, *reused);
                    work.bar.set_length(*units);
                    work.bar.set_position(work.executed + reused);
                    work.bar
                        .set_message(counted(*reused, "reused").trim_end_matches('s').to_owned());
                }
            }
            Event::Loading { stage, resource } => {
                if let Some(work) = self.stages.get(stage) {
                    work.bar.set_message(format!("loading {resource}"));
                }
            }
            Event::BatchCommitted { stage, units, .. } => self.advance(stage, *units),
            Event::UnderWay { stage, words } => self.under_way(stage, words),
            Event::Noted { stage, note } => self.line(stage, note),
            Event::UnitRetried {
                stage,
                failures,
                error,
                seconds,
            } => {
                let wait = duration(*seconds);
                self.line(
                    stage,
                    &format!("a unit failed {failures} times, next try in {wait}: {error}"),
                );
            }
            Event::BatchHalved { stage, units } => {
                let batch = counted(*units, "unit");
                self.line(
                    stage,
                    &format!("out of memory: going on with {batch} a batch"),
                );
            }
            Event::UnitFailed { stage, unit, error } => {
                self.line(
                    stage,
                    &format!("{}: {unit}: {error}", self.ui.red("a unit failed")),
                );
            }
            Event::StageFinished {
                stage,
                executed,
                reused,
                rows,
            } => self.end(stage, *executed, *reused, rows),
            Event::StageFailed { stage, error } => {
                self.clear(stage);
                self.line(stage, &format!("{}: {error}", self.ui.red("failed")));
            }
            Event::StageSkipped { stage } => self.line(stage, "skipped: it depends on what failed"),
            Event::Healing { stage, blobs } => {
                self.finish();
                let lost = counted(*blobs, "blob");
                self.line(
                    stage,
                    &format!("the cache lost {lost} that it needs; making again"),
                );
            }
            Event::Exported {
                stage,
                path,
                files,
                written,
            } if *written > 0 => {
                self.line(
                    stage,
                    &format!(
                        "wrote {} of {} to {path}",
                        count(*written),
                        counted(*files, "file")
                    ),
                );
            }
            _ => {}
        }
    }

    pub(crate) fn finish(&mut self) {
        self.stages
            .drain()
            .for_each(|(_, work)| work.bar.finish_and_clear());
    }

    fn start(&mut self, stage: &str, because: &[String]) {
        for reason in because.iter().take(3) {
            self.line(stage, &self.ui.dim(reason));
        }
        let bar = ProgressBar::hidden().with_style(style());
        bar.set_prefix(format!("{stage:width$}", width = self.width));
        let now = Instant::now();
        let work = AtWork {
            bar,
            units: 0,
            reused: 0,
            executed: 0,
            since: now,
            told: now,
        };
        self.stages.insert(stage.to_owned(), work);
    }

    fn advance(&mut self, stage: &str, units: u64) {
        let Some(work) = self.stages.get_mut(stage) else {
            return;
        };
        work.executed += units;
        work.bar.inc(units);
        if self.ui.live || work.told.elapsed() < EVERY {
            return;
        }
        work.told = Instant::now();
        let done = work.executed + work.reused;
        let rate = work.executed as f64 / work.since.elapsed().as_secs_f64().max(1e-9);
        let left = work.units.saturating_sub(done) as f64 / rate.max(1e-9);
        let text = format!(
            "{} of {} ({} reused), {rate:.0} a second, {} left",
            count(done),
            counted(work.units, "unit"),
            count(work.reused),
            duration(left)
        );
        self.line(stage, &text);
    }

    /// What a batch says while it is under way: beside the bar, or in a line now and then.
    fn under_way(&mut self, stage: &str, words: &str) {
        let Some(work) = self.stages.get_mut(stage) else {
            return;
        };
        work.bar.set_message(words.to_owned());
        if self.ui.live || work.told.elapsed() < EVERY {
            return;
        }
        work.told = Instant::now();
        self.line(stage, words);
    }

    fn end(&mut self, stage: &str, executed: u64, reused: u64, rows: &BTreeMap<String, u64>) {
        let seconds = self
            .stages
            .get(stage)
            .map_or(0.0, |work| work.since.elapsed().as_secs_f64());
        self.clear(stage);
        let units = match (executed, reused) {
            (0, 0) => "collected".to_owned(),
            (_, 0) => format!("{} computed", counted(executed, "unit")),
            _ => format!(
                "{} computed, {} reused",
                counted(executed, "unit"),
                count(reused)
            ),
        };
        let rows = match rows.iter().collect::<Vec<_>>().as_slice() {
            [(_, rows)] => counted(**rows, "row"),
            ports => {
                let port = |(port, rows): &(&String, &u64)| format!("{port} {}", count(**rows));
                ports.iter().map(port).collect::<Vec<_>>().join(", ")
            }
        };
        let text = format!(
            "{}: {units}, {rows} in {}",
            self.ui.green("done"),
            duration(seconds)
        );
        self.line(stage, &text);
    }

    fn clear(&mut self, stage: &str) {
        if let Some(work) = self.stages.remove(stage) {
            work.bar.finish_and_clear();
        }
    }

    fn line(&self, stage: &str, text: &str) {
        let line = format!("{stage:width$}  {text}", width = self.width);
        self.bars.suspend(|| self.ui.say(line));
    }
}
