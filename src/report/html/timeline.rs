//! What executed when, as bars: a row a stage, from when it was looked at until it was over, and in it
//! the batches that workers computed.

use super::plot::{self, Bar, Numbers, Plot};
use super::recorded::Recorded;
use super::text::number;
use crate::ui::{count, counted, duration};

/// Batches of a stage that lie nearer to each other than this share of the run are drawn as one.
const TOGETHER: f64 = 1.0 / 600.0;

/// The timeline of a run; nothing if its stages do not say when they ran.
pub(crate) fn timeline(run: &Recorded<'_>) -> Option<Plot> {
    let record = run.record;
    let ends = record.stages.iter().filter_map(|stage| Some(stage.span?.1));
    let end = ends.fold(record.seconds, f64::max);
    let (mut names, mut rows, mut table) = (Vec::new(), Vec::new(), Vec::new());
    for stage in &record.stages {
        let Some((began, ended)) = stage.span else {
            continue;
        };
        let mut row: Vec<Bar> = vec![(began, ended, 0, 0.3)];
        row.extend(
            batches(run, &stage.name, end)
                .into_iter()
                .map(|(began, ended)| (began, ended, 0, 1.0)),
        );
        names.push(stage.name.clone());
        rows.push(row);
        table.push(vec![
            stage.name.clone(),
            number(began),
            number(ended),
            count(stage.executed),
            count(stage.reused),
            number(stage.seconds),
        ]);
    }
    let drawing = plot::bars("seconds after the run began", end, &names, &rows)?;
    let columns = [
        "stage",
        "began, s",
        "over, s",
        "computed",
        "reused",
        "seconds of units",
    ];
    Some(Plot {
        id: "timeline".to_owned(),
        title: "Timeline".to_owned(),
        description: format!(
            "When each of {} was under way in the {} of the run.",
            counted(names.len() as u64, "stage"),
            duration(record.seconds)
        ),
        svg: drawing.svg,
        width: drawing.width,
        height: drawing.height,
        legend: Vec::new(),
        table: Numbers {
            columns: columns.map(str::to_owned).into(),
            rows: table,
            note: "Pale: the stage was under way. Full: a worker computed a batch of it."
                .to_owned(),
        },
    })
}

/// When batches of a stage executed, in seconds; near ones together.
fn batches(run: &Recorded<'_>, stage: &str, end: f64) -> Vec<(f64, f64)> {
    let Some(timeline) = &run.timeline else {
        return Vec::new();
    };
    let Some(position) = timeline.stages.iter().position(|name| name == stage) else {
        return Vec::new();
    };
    let seconds = |micros: u64| micros as f64 / 1e6;
    let of_stage = timeline
        .batches
        .iter()
        .filter(|batch| batch.stage == position);
    let mut spans: Vec<_> = of_stage
        .map(|batch| (seconds(batch.began), seconds(batch.ended)))
        .collect();
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut together: Vec<(f64, f64)> = Vec::new();
    for (began, ended) in spans {
        match together.last_mut() {
            Some(last) if began - last.1 <= end * TOGETHER => last.1 = last.1.max(ended),
            _ => together.push((began, ended)),
        }
    }
    together
}
