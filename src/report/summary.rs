//! A run, summed up: for people and for programs.

use std::fmt::Write as _;

use ccsr_engine::Diagnostic;
use ccsr_engine::record::{FileRole, RunOutcome, RunRecord, StageOutcome};

use crate::session::Session;
use crate::ui::{Ui, count, counted, duration};

/// Errors of a stage that are shown after a run; the rest is in the record.
const MAX_ERRORS: usize = 5;

/// One line of JSON about a run.
pub(crate) fn json(record: &RunRecord) -> String {
    let stages: serde_json::Map<_, _> = record
        .stages
        .iter()
        .map(|stage| {
            let told = serde_json::json!({
                "outcome": stage.outcome,
                "executed": stage.executed,
                "reused": stage.reused,
            });
            (stage.name.clone(), told)
        })
        .collect();
    serde_json::json!({
        "run": record.run,
        "outcome": record.outcome,
        "pipeline": record.pipeline,
        "units_executed": record.units_executed,
        "model_units_executed": record.model_units_executed,
        "units_reused": record.units_reused,
        "seconds": record.seconds,
        "seconds_saved": record.seconds_saved,
        "stages": stages,
    })
    .to_string()
}

/// The end of a run's story: errors at their lines, what was computed, where to look.
pub(crate) fn story(record: &RunRecord, session: &Session, ui: &Ui) {
    let failures: Vec<_> = record
        .stages
        .iter()
        .filter_map(|stage| {
            let id = session.pipeline.find(&stage.name)?;
            let first = stage.errors.first()?;
            let mut error =
                Diagnostic::new("run::failed", format!("`{}` failed: {first}", stage.name))
                    .at(session.pipeline.stage(id).span);
            if stage.errors.len() > 1 {
                let shown = stage.errors.iter().skip(1).take(MAX_ERRORS - 1).cloned();
                let rest = stage.errors.len().saturating_sub(MAX_ERRORS);
                let more = (rest > 0)
                    .then(|| format!("and {rest} more, in `ccsr-flow runs show {}`", record.run));
                error = error.with_help(format!(
                    "also: {}",
                    shown.chain(more).collect::<Vec<_>>().join("\n")
                ));
            }
            Some(error)
        })
        .collect();
    if !failures.is_empty() {
        ui.diagnostics(&session.sources, &failures);
    }
    if ui.logs {
        return;
    }
    for stage in &record.stages {
        for path in &stage.exports {
            ui.say(format_args!(
                "{} → {}",
                stage.name,
                session.pipeline.project.join(path).display()
            ));
        }
    }
    let outcome = match record.outcome {
        RunOutcome::Done => ui.green("done"),
        RunOutcome::Failed => ui.red("failed"),
        RunOutcome::Interrupted | RunOutcome::Running => {
            ui.red("interrupted; run it again to go on")
        }
    };
    let saved = if record.seconds_saved > 0.0 {
        format!("; {} of computing saved", duration(record.seconds_saved))
    } else {
        String::new()
    };
    ui.say(format_args!(
        "{outcome}: {} computed, {} reused in {}{saved}  {}",
        counted(record.units_executed, "unit"),
        count(record.units_reused),
        duration(record.seconds),
        ui.dim(&format!("(run {})", record.run))
    ));
}

/// How a run ended, in a word.
pub(crate) fn outcome(record: &RunRecord) -> &'static str {
    match record.outcome {
        RunOutcome::Done => "done",
        RunOutcome::Failed => "failed",
        RunOutcome::Interrupted => "interrupted",
        RunOutcome::Running if crate::host::has_died(record) => "died",
        RunOutcome::Running => "running",
    }
}

/// A record, for reading.
pub(crate) fn record(record: &RunRecord) -> String {
    let mut text = String::new();
    let mut line = |text_line: std::fmt::Arguments<'_>| {
        text.write_fmt(text_line).expect("memory takes all");
        text.push('\n');
    };
    line(format_args!("run       {}", record.run));
    line(format_args!(
        "pipeline  {} ({})",
        record.pipeline, record.file
    ));
    line(format_args!(
        "suite     {}",
        record.suite.as_deref().unwrap_or("none")
    ));
    line(format_args!("seed      {}", record.seed));
    if let Some(trial) = &record.trial {
        line(format_args!("sweep     {trial}"));
    }
    for set in &record.set {
        line(format_args!("set       {set}"));
    }
    if let Some(repeated) = &record.reproduces {
        line(format_args!("repeats   {repeated}"));
    }
    line(format_args!("outcome   {}", outcome(record)));
    line(format_args!("took      {}", duration(record.seconds)));
    line(format_args!("program   ccsr-flow {}", record.version));
    let host = &record.host;
    if !host.name.is_empty() {
        line(format_args!(
            "host      {}: {}, {}",
            host.name,
            host.os,
            counted(host.cores, "thread")
        ));
    }
    if !record.device.name.is_empty() {
        line(format_args!("device    {}", record.device.name));
    }
    for file in &record.files {
        if file.role == FileRole::Folder {
            let files = counted(file.files, "file");
            line(format_args!("read      {}/ ({files})", file.path));
        } else if file.role != FileRole::BuiltInSuite {
            line(format_args!("read      {}", file.path));
        }
    }
    line(format_args!(
        "computed  {}",
        counted(record.units_executed, "unit")
    ));
    line(format_args!(
        "reused    {}",
        counted(record.units_reused, "unit")
    ));
    line(format_args!(""));
    let width = record
        .stages
        .iter()
        .map(|stage| stage.name.chars().count())
        .max()
        .unwrap_or(0);
    for stage in &record.stages {
        let outcome = match stage.outcome {
            StageOutcome::Unchanged => "unchanged",
            StageOutcome::Resolved => "resolved",
            StageOutcome::Failed => "failed",
            StageOutcome::Skipped => "skipped",
            StageOutcome::NotReached => "not reached",
        };
        let rows: Vec<_> = stage
            .tables
            .iter()
            .map(|(port, table)| format!("{port}: {}", counted(table.rows, "row")))
            .collect();
        line(format_args!(
            "{:width$}  {outcome:11}  {:>8} computed  {:>8} reused  {}",
            stage.name,
            count(stage.executed),
            count(stage.reused),
            rows.join(", ")
        ));
        for because in &stage.because {
            line(format_args!("{:width$}    {because}", ""));
        }
        for error in &stage.errors {
            line(format_args!("{:width$}    error: {error}", ""));
        }
        for note in &stage.notes {
            line(format_args!("{:width$}    note: {note}", ""));
        }
    }
    text
}
