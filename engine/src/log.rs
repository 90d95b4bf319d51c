//! Events as log records, for whoever subscribes with `tracing`. Each has the event's name as
//! `event`, its numbers and names as fields, and a sentence.

use tracing::{debug, error, info, warn};

use crate::event::Event;

/// Logs an event.
pub(crate) fn log(event: &Event) {
    match event {
        Event::RunStarted {
            run,
            pipeline,
            stages,
        } => {
            let stages = stages.len();
            info!(
                event = "run_started",
                run, pipeline, stages, "running `{pipeline}`"
            );
        }
        Event::StageUnchanged {
            stage,
            units,
            seconds_saved,
        } => {
            info!(
                event = "stage_unchanged",
                stage, units, seconds_saved, "`{stage}` is unchanged"
            );
        }
        Event::StageStarted { stage, because } => {
            let because = because.join("; ");
            info!(
                event = "stage_started",
                stage, because, "looking at `{stage}`"
            );
        }
        Event::Wave {
            stage,
            units,
            reused,
        } => {
            debug!(
                event = "wave",
                stage, units, reused, "`{stage}` asks for {units} units so far"
            );
        }
        Event::Loading { stage, resource } => {
            info!(event = "loading", stage, resource, "loading {resource}");
        }
        Event::BatchCommitted {
            stage,
            units,
            seconds,
            span,
        } => {
            let worker = span.worker;
            debug!(
                event = "batch_committed",
                stage, units, seconds, worker, "committed a batch"
            );
        }
        Event::UnderWay { stage, words } => {
            debug!(event = "under_way", stage, words, "`{stage}`: {words}");
        }
        Event::Noted { stage, note } => {
            warn!(event = "noted", stage, note, "`{stage}`: {note}");
        }
        Event::UnitRetried {
            stage,
            failures,
            error,
            seconds,
        } => {
            warn!(
                event = "unit_retried",
                stage,
                failures,
                error,
                seconds,
                "a unit of `{stage}` failed {failures} times, next try in {seconds:.2} s: {error}"
            );
        }
        Event::BatchHalved { stage, units } => {
            warn!(
                event = "batch_halved",
                stage, units, "out of memory: `{stage}` goes on with {units} units a batch"
            );
        }
        Event::UnitFailed { stage, unit, error } => {
            error!(
                event = "unit_failed",
                stage, unit, error, "a unit of `{stage}` failed: {error}"
            );
        }
        Event::StageFinished {
            stage,
            executed,
            reused,
            rows,
        } => {
            let rows: u64 = rows.values().sum();
            info!(
                event = "stage_finished",
                stage,
                executed,
                reused,
                rows,
                "`{stage}` is done: {executed} units computed, {reused} reused"
            );
        }
        Event::StageFailed { stage, error } => {
            error!(
                event = "stage_failed",
                stage, error, "`{stage}` failed: {error}"
            );
        }
        Event::StageSkipped { stage } => {
            warn!(
                event = "stage_skipped",
                stage, "skipped `{stage}`: it depends on what failed"
            );
        }
        Event::Healing { stage, blobs } => {
            warn!(
                event = "healing",
                stage,
                blobs,
                "the cache lost {blobs} blobs that `{stage}` needs; making them again"
            );
        }
        Event::Exported {
            stage,
            path,
            files,
            written: 0,
        } => {
            debug!(
                event = "exported",
                stage,
                path,
                files,
                written = 0,
                "{path} is as it was left"
            );
        }
        Event::Exported {
            stage,
            path,
            files,
            written,
        } => {
            info!(
                event = "exported",
                stage, path, files, written, "wrote {written} files to {path}"
            );
        }
        Event::RunFinished {
            run,
            units_executed,
            units_reused,
            seconds,
        } => {
            info!(
                event = "run_finished",
                run,
                units_executed,
                units_reused,
                seconds,
                "{units_executed} units computed, {units_reused} reused in {seconds:.2} s"
            );
        }
    }
}
