//! Events as lines of text: what became of each stage, without times and ids.

use ccsr_engine::event::Event;

pub(crate) fn told(events: &[Event]) -> String {
    let lines = events.iter().filter_map(line);
    lines.map(|line| line + "\n").collect()
}

fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::StageUnchanged { stage, .. } => format!("{stage}: unchanged"),
        Event::StageStarted { stage, because } if !because.is_empty() => {
            format!("{stage}: {}", because.join("; "))
        }
        Event::StageFinished {
            stage,
            executed,
            reused,
            ..
        } => format!("{stage}: executed {executed}, reused {reused}"),
        Event::Noted { stage, note } => format!("{stage}: note: {note}"),
        Event::UnitRetried {
            stage,
            failures,
            error,
            ..
        } => format!("{stage}: failed {failures} times: {error}"),
        Event::BatchHalved { stage, units } => {
            format!("{stage}: out of memory, {units} units a batch")
        }
        Event::UnitFailed { stage, unit, error } => format!("{stage}: {unit}: {error}"),
        Event::StageFailed { stage, error } => format!("{stage}: failed: {error}"),
        Event::StageSkipped { stage } => format!("{stage}: skipped"),
        Event::Healing { stage, .. } => format!("{stage}: healing"),
        Event::Exported {
            stage,
            path,
            files,
            written,
        } => format!("{stage}: {path} has {files}, {written} written"),
        _ => return None,
    })
}
