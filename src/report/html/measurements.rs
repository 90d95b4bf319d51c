//! What was measured: the loss of a training, CLIP scores over scales, wins, ties and losses, and the
//! small tables of other evaluations.

use std::collections::BTreeMap;

use ccsr_cache::Value;
use ccsr_engine::tabular::cell;
use ccsr_stage::{Row, Table};
use serde::Serialize;

use super::plot::{self, Numbers, Plot, Series};
use super::recorded::Recorded;
use super::text::number;
use crate::ui::counted;

/// Points of a line that are drawn; more are averaged.
const POINTS: usize = 400;
/// Rows of a table that are shown.
const ROWS: usize = 200;
/// Half the width of an interval that holds the mean 95 times in a hundred, in standard errors.
const SURE: f64 = 1.96;
/// The columns of a training's numbers.
const TRAINING: [&str; 4] = ["step", "loss", "learning_rate", "gradient_norm"];
/// The columns that `eval.winrate` counts in.
const WINS: [&str; 5] = ["variant", "baseline", "win", "tie", "loss"];

/// A table to be read.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    pub(crate) stage: String,
    pub(crate) kind: String,
    pub(crate) table: Numbers,
}

/// A run beside others in a plot.
pub(crate) type Named<'a> = (&'a str, &'a Recorded<'a>);

/// Loss curves: of each training stage, those of all runs.
pub(crate) fn losses(runs: &[Named<'_>]) -> Vec<Plot> {
    let [(_, first), ..] = runs else {
        return Vec::new();
    };
    let trainings = first
        .stages()
        .filter(|(stage, _)| first.table_with(*stage, &TRAINING).is_some());
    let plot = |(stage, record): (usize, &ccsr_engine::record::StageRecord)| {
        let table = first.table_with(stage, &TRAINING)?;
        let mut lines = Vec::new();
        for (name, run) in runs {
            let same = run.stages().find(|(_, other)| other.name == record.name);
            let Some((stage, _)) = same else {
                continue;
            };
            let Some(table) = run.table_with(stage, &TRAINING) else {
                continue;
            };
            let points = pairs(table, "step", "loss");
            let name = if runs.len() > 1 {
                format!("{}, {name}", record.name)
            } else {
                "loss".to_owned()
            };
            lines.extend(smoothed(name, &points));
        }
        let points = pairs(table, "step", "loss");
        let (first, last) = (points.first()?, points.last()?);
        let description = format!(
            "Loss of {} over {}: {} at the first, {} at the last.",
            record.name,
            counted(points.len() as u64, "step"),
            number(first.1),
            number(last.1)
        );
        let drawing = plot::lines("step", "loss", &lines)?;
        Some(plotted(
            &format!("loss-{stage}"),
            format!("Loss of {}", record.name),
            description,
            drawing,
            &lines,
            numbers(table),
        ))
    };
    trainings.filter_map(plot).collect()
}

/// CLIP scores over the scales of an adapter, with an interval of the mean (the paper's figure 9).
pub(crate) fn scales(run: &Recorded<'_>) -> Vec<Plot> {
    let plot = |(stage, record): (usize, &ccsr_engine::record::StageRecord)| {
        let table = run.table_with(stage, &["scale", "score"])?;
        if table.find("points").is_some() || record.kind == "select.pairs" {
            return None;
        }
        let mut by_epoch: BTreeMap<i64, BTreeMap<u64, ByPrompt>> = BTreeMap::new();
        for row in table.rows() {
            let (Ok(scale), Ok(score)) = (row.float("scale"), row.float("score")) else {
                continue;
            };
            let epoch = row.find("epoch").and_then(Value::as_int).unwrap_or(0);
            let scales = by_epoch.entry(epoch).or_default();
            scales.entry(ordered(scale)).or_default().add(row, score);
        }
        let several = by_epoch.len() > 1;
        let mut table = Numbers {
            columns: words(&["scale", "images", "prompts", "mean", "low", "high"]),
            ..Numbers::default()
        };
        let mut lines = Vec::new();
        for (epoch, scales) in by_epoch {
            let name = if several {
                format!("epoch {epoch}")
            } else {
                record.name.clone()
            };
            let mut line = Series {
                name,
                ..Series::default()
            };
            for (scale, scores) in scales {
                let (mean, half) = scores.mean();
                let scale = unordered(scale);
                line.points.push((scale, mean));
                line.interval.push((mean - half, mean + half));
                let shown = [
                    scale,
                    scores.images(),
                    scores.0.len() as f64,
                    mean,
                    mean - half,
                    mean + half,
                ];
                let mut row: Vec<String> = shown.map(number).into();
                if several {
                    row.insert(0, epoch.to_string());
                }
                table.rows.push(row);
            }
            lines.push(line);
        }
        if several {
            table.columns.insert(0, "epoch".to_owned());
        }
        table.note = format!(
            "The interval is {SURE} standard errors about the mean, over prompts: images of one prompt are not independent."
        );
        let points = &lines.first()?.points;
        let best = points
            .iter()
            .copied()
            .reduce(|a, b| if b.1 > a.1 { b } else { a })?;
        let description = format!(
            "Mean score of {} over {}; the highest is {} at scale {}.",
            record.name,
            counted(points.len() as u64, "scale"),
            number(best.1),
            number(best.0)
        );
        let drawing = plot::lines("scale of the adapter", "mean score", &lines)?;
        Some(plotted(
            &format!("scales-{stage}"),
            format!("{} over scales", record.name),
            description,
            drawing,
            &lines,
            table,
        ))
    };
    run.stages().filter_map(plot).collect()
}

/// Scores of one scale, by prompt.
#[derive(Default)]
struct ByPrompt(BTreeMap<String, (f64, f64)>);

impl ByPrompt {
    fn add(&mut self, row: Row<'_>, score: f64) {
        let word = |name: &str| row.find(name).map(Value::to_text).unwrap_or_default();
        let place = self
            .0
            .entry(format!("{}\n{}", word("class"), word("prompt")))
            .or_default();
        place.0 += score;
        place.1 += 1.0;
    }

    fn images(&self) -> f64 {
        self.0.values().map(|(_, count)| count).sum()
    }

    /// The mean over prompts, and half the width of its interval.
    fn mean(&self) -> (f64, f64) {
        let means: Vec<f64> = self.0.values().map(|(sum, count)| sum / count).collect();
        let count = means.len() as f64;
        let mean = means.iter().sum::<f64>() / count;
        if means.len() < 2 {
            return (mean, 0.0);
        }
        let squares: f64 = means.iter().map(|each| (each - mean).powi(2)).sum();
        (mean, SURE * (squares / (count - 1.0) / count).sqrt())
    }
}

/// Wins, ties and losses as bars (the paper's figure 3).
pub(crate) fn wins(run: &Recorded<'_>) -> Vec<Plot> {
    let plot = |(stage, record): (usize, &ccsr_engine::record::StageRecord)| {
        let table = run.table_with(stage, &WINS)?;
        let (mut names, mut rows, mut told) = (Vec::new(), Vec::new(), Vec::new());
        for row in table.rows() {
            let level = |name: &str| {
                row.find(name)
                    .map(|value| value.as_float().map_or_else(|| cell(value), number))
                    .unwrap_or_default()
            };
            let count = |name: &str| row.float(name).unwrap_or_default();
            let [win, tie, loss] = [count("win"), count("tie"), count("loss")];
            let all = win + tie + loss;
            if all <= 0.0 {
                continue;
            }
            let [win_end, tie_end] = [win, win + tie].map(|end| 100.0 * end / all);
            let name = format!("{} : {}", level("variant"), level("baseline"));
            told.push(format!(
                "{name}: {} wins, {} ties, {} losses",
                number(win),
                number(tie),
                number(loss)
            ));
            names.push(name);
            rows.push(vec![
                (0.0, win_end, 0, 1.0),
                (win_end, tie_end, 1, 1.0),
                (tie_end, 100.0, 2, 1.0),
            ]);
        }
        let drawing = plot::bars("% of pairs", 100.0, &names, &rows)?;
        let legend: Vec<Series> = ["win", "tie", "loss"]
            .map(|name| Series {
                name: name.to_owned(),
                ..Series::default()
            })
            .into();
        Some(plotted(
            &format!("wins-{stage}"),
            format!("{}: wins, ties, losses", record.name),
            told.join("; ") + ".",
            drawing,
            &legend,
            numbers(table),
        ))
    };
    run.stages().filter_map(plot).collect()
}

/// Small tables of evaluations that no plot shows.
pub(crate) fn tables(run: &Recorded<'_>) -> Vec<Told> {
    let small = |table: &Table| {
        table.len() <= 50 && table.find("prompt").is_none() && table.find("win").is_none()
    };
    let evaluates = run
        .stages()
        .filter(|(_, record)| record.kind.starts_with("eval.") || record.kind == "world.truth");
    evaluates
        .flat_map(|(stage, record)| {
            run.tables(stage)
                .filter(move |(_, table)| small(table))
                .map(move |(_, table)| Told {
                    stage: record.name.clone(),
                    kind: record.kind.clone(),
                    table: numbers(table),
                })
        })
        .collect()
}

fn plotted(
    id: &str,
    title: String,
    description: String,
    drawing: plot::Drawing,
    lines: &[Series],
    table: Numbers,
) -> Plot {
    let names: Vec<_> = lines
        .iter()
        .filter(|line| !line.faint)
        .map(|line| line.name.clone())
        .collect();
    Plot {
        id: id.to_owned(),
        title,
        description,
        svg: drawing.svg,
        width: drawing.width,
        height: drawing.height,
        legend: if names.len() > 1 { names } else { Vec::new() },
        table,
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn pairs(table: &Table, x: &str, y: &str) -> Vec<(f64, f64)> {
    table
        .rows()
        .filter_map(|row| Some((row.float(x).ok()?, row.float(y).ok()?)))
        .collect()
}

/// A line, and, if it has many points, in front of it their mean over the neighbours.
fn smoothed(name: String, points: &[(f64, f64)]) -> Vec<Series> {
    let points = averaged(points);
    let around = points.len() / 40;
    if around == 0 {
        return vec![Series {
            name,
            points,
            ..Series::default()
        }];
    }
    let mean = |(place, (x, _)): (usize, &(f64, f64))| {
        // As many on either side, so that the ends do not lean.
        let around = around.min(place).min(points.len() - 1 - place);
        let near = &points[place - around..=place + around];
        (
            *x,
            near.iter().map(|(_, y)| y).sum::<f64>() / near.len() as f64,
        )
    };
    let means = points.iter().enumerate().map(mean).collect();
    let all = Series {
        points,
        faint: true,
        ..Series::default()
    };
    let mean = Series {
        name,
        points: means,
        ..Series::default()
    };
    vec![all, mean]
}

/// At most [`POINTS`] points: neighbours are averaged.
fn averaged(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let together = points.len().div_ceil(POINTS).max(1);
    let mean = |points: &[(f64, f64)]| {
        let count = points.len() as f64;
        let sum = points
            .iter()
            .fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        (sum.0 / count, sum.1 / count)
    };
    points.chunks(together).map(mean).collect()
}

/// A table as texts, every n-th row of a long one.
pub(crate) fn numbers(table: &Table) -> Numbers {
    let every = table.len().div_ceil(ROWS).max(1);
    let shown = |value: &Value| match value {
        Value::Float(float) => number(*float),
        Value::Blob(digest) => digest.short(),
        other => cell(other),
    };
    let rows = table
        .rows()
        .step_by(every)
        .map(|row| row.values().map(shown).collect());
    Numbers {
        columns: table
            .columns()
            .iter()
            .map(|column| column.name().to_owned())
            .collect(),
        rows: rows.collect(),
        note: if every > 1 {
            format!("One of {every} rows is shown.")
        } else {
            String::new()
        },
    }
}

/// Scales as keys that sort as the numbers do.
const fn ordered(scale: f64) -> u64 {
    let bits = scale.to_bits();
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    }
}

const fn unordered(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 {
        key & !(1 << 63)
    } else {
        !key
    })
}
