//! What executed when in a run, kept beside its record: [`Timeline`], and the same as a [`chrome`]
//! trace, which Perfetto and other viewers show.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::event::{BatchSpan, Event};
use crate::record::RunRecord;

/// Batches, and waves, that are kept of a run.
const MOST: usize = 100_000;

/// What executed when. Times are microseconds after the run began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// Names of stages, to which the others refer by position.
    pub stages: Vec<String>,
    /// Batches in the order of their commits.
    pub batches: Vec<Batch>,
    /// Waves in the order in which stages asked for them.
    pub waves: Vec<Wave>,
    /// Batches that were too many to be kept, and the units committed with them.
    pub left_out: (u64, u64),
}

/// A batch that executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 7]", into = "[u64; 7]")]
pub struct Batch {
    /// The stage.
    pub stage: usize,
    /// The worker, from 1.
    pub worker: u64,
    /// When the worker took it.
    pub began: u64,
    /// When what it needs was loaded.
    pub loaded: u64,
    /// When its blobs were on disk.
    pub ended: u64,
    /// When it was in the ledger.
    pub committed: u64,
    /// Units committed with it; those that failed are not among them.
    pub units: u64,
}

/// A stage asked for units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 4]", into = "[u64; 4]")]
pub struct Wave {
    /// The stage.
    pub stage: usize,
    /// When.
    pub at: u64,
    /// Units it has asked for so far.
    pub units: u64,
    /// Those of them that were found in the cache.
    pub reused: u64,
}

// As lists of numbers: a long run has a hundred thousand of them.

impl From<[u64; 7]> for Batch {
    fn from([stage, worker, began, loaded, ended, committed, units]: [u64; 7]) -> Self {
        Self {
            stage: stage as usize,
            worker,
            began,
            loaded,
            ended,
            committed,
            units,
        }
    }
}

impl From<Batch> for [u64; 7] {
    fn from(batch: Batch) -> Self {
        [
            batch.stage as u64,
            batch.worker,
            batch.began,
            batch.loaded,
            batch.ended,
            batch.committed,
            batch.units,
        ]
    }
}

impl From<[u64; 4]> for Wave {
    fn from([stage, at, units, reused]: [u64; 4]) -> Self {
        Self {
            stage: stage as usize,
            at,
            units,
            reused,
        }
    }
}

impl From<Wave> for [u64; 4] {
    fn from(wave: Wave) -> Self {
        [wave.stage as u64, wave.at, wave.units, wave.reused]
    }
}

/// Notes a timeline from what is told.
pub(crate) struct Recorder {
    started: Instant,
    timeline: Timeline,
}

impl Recorder {
    pub(crate) fn new(started: Instant) -> Self {
        Self {
            started,
            timeline: Timeline::default(),
        }
    }

    pub(crate) fn note(&mut self, event: &Event) {
        match event {
            Event::Wave {
                stage,
                units,
                reused,
            } if self.timeline.waves.len() < MOST => {
                let wave = Wave {
                    stage: self.stage(stage),
                    at: self.now(),
                    units: *units,
                    reused: *reused,
                };
                self.timeline.waves.push(wave);
            }
            Event::BatchCommitted {
                stage, units, span, ..
            } => self.batch(stage, *units, *span),
            _ => {}
        }
    }

    fn batch(&mut self, stage: &str, units: u64, span: BatchSpan) {
        if self.timeline.batches.len() >= MOST {
            self.timeline.left_out.0 += 1;
            self.timeline.left_out.1 += units;
            return;
        }
        let batch = Batch {
            stage: self.stage(stage),
            worker: span.worker,
            began: micros(span.began),
            loaded: micros(span.loaded),
            ended: micros(span.ended),
            committed: self.now(),
            units,
        };
        self.timeline.batches.push(batch);
    }

    /// What is worth keeping: nothing, if nothing executed.
    pub(crate) fn kept(&self) -> Option<Vec<u8>> {
        let json = || serde_json::to_vec(&self.timeline).expect("numbers and names are JSON");
        (!self.timeline.batches.is_empty()).then(json)
    }

    fn stage(&mut self, name: &str) -> usize {
        let stages = &mut self.timeline.stages;
        // What comes now is most likely what came last.
        let known = stages.iter().rposition(|known| known == name);
        known.unwrap_or_else(|| {
            stages.push(name.to_owned());
            stages.len() - 1
        })
    }

    fn now(&self) -> u64 {
        micros(self.started.elapsed().as_secs_f64())
    }
}

fn micros(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}

/// Process ids of the trace: each is a group of tracks.
const STAGES: u64 = 1;
const WORKERS: u64 = 2;

/// A run as a trace in the Chrome format: a track a stage with its waves and commits, and a track a
/// worker with its batches. Times are microseconds after the run began.
pub fn chrome(record: &RunRecord, timeline: &Timeline) -> Json {
    let mut events = Vec::new();
    let named = |process: u64, thread: u64, what: &str, name: &str| json!({ "ph": "M", "pid": process, "tid": thread, "name": what, "args": { "name": name } });
    events.push(named(STAGES, 0, "process_name", "stages"));
    events.push(named(WORKERS, 0, "process_name", "workers"));
    let mut workers: Vec<_> = timeline.batches.iter().map(|batch| batch.worker).collect();
    workers.sort_unstable();
    workers.dedup();
    for worker in workers {
        events.push(named(
            WORKERS,
            worker,
            "thread_name",
            &format!("worker {worker}"),
        ));
    }
    let mut told = Vec::new();
    let mut tracks = vec![0; timeline.stages.len()];
    for (track, stage) in (1..).zip(&record.stages) {
        if let Some(position) = timeline.stages.iter().position(|name| *name == stage.name) {
            tracks[position] = track;
        }
        let Some((began, ended)) = stage.span else {
            continue;
        };
        events.push(named(STAGES, track, "thread_name", &stage.name));
        told.push(json!({
            "ph": "X", "pid": STAGES, "tid": track, "name": stage.name, "cat": "stage",
            "ts": micros(began), "dur": micros(ended - began),
            "args": {
                "kind": stage.kind, "outcome": stage.outcome, "because": stage.because,
                "executed": stage.executed, "reused": stage.reused,
            },
        }));
    }
    let name = |stage: usize| timeline.stages.get(stage).map_or("?", String::as_str);
    let track = |stage: usize| tracks.get(stage).copied().unwrap_or_default();
    for wave in &timeline.waves {
        told.push(json!({
            "ph": "i", "s": "t", "pid": STAGES, "tid": track(wave.stage), "name": "wave", "cat": "wave",
            "ts": wave.at, "args": { "units": wave.units, "reused": wave.reused },
        }));
    }
    for batch in &timeline.batches {
        told.push(json!({
            "ph": "X", "pid": WORKERS, "tid": batch.worker, "name": name(batch.stage), "cat": "batch",
            "ts": batch.began, "dur": batch.ended.saturating_sub(batch.began),
            "args": { "stage": name(batch.stage), "units": batch.units },
        }));
        if batch.loaded > batch.began + LOADING {
            told.push(json!({
                "ph": "X", "pid": WORKERS, "tid": batch.worker, "name": "load", "cat": "load",
                "ts": batch.began, "dur": batch.loaded - batch.began,
            }));
        }
        told.push(json!({
            "ph": "i", "s": "t", "pid": STAGES, "tid": track(batch.stage), "name": "commit", "cat": "commit",
            "ts": batch.committed, "args": { "units": batch.units, "worker": batch.worker },
        }));
    }
    // Stable: what encloses another comes before it.
    told.sort_by_key(|event| event["ts"].as_u64());
    events.append(&mut told);
    json!({
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": {
            "run": record.run, "pipeline": record.pipeline, "version": record.version,
            "batches_left_out": timeline.left_out.0, "units_left_out": timeline.left_out.1,
        },
    })
}

/// Microseconds that looking for a resource takes when it is in memory.
const LOADING: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_batches_than_are_kept_are_counted() {
        let mut recorder = Recorder::new(Instant::now());
        let span = BatchSpan {
            worker: 1,
            began: 0.5,
            loaded: 0.5,
            ended: 1.25,
        };
        for _ in 0..MOST + 2 {
            recorder.batch("a", 3, span);
        }
        let bytes = recorder.kept().unwrap();
        let read: Timeline = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(read, recorder.timeline);
        assert_eq!((read.batches.len(), read.left_out), (MOST, (2, 6)));
        assert_eq!(
            (read.batches[0].began, read.batches[0].ended),
            (500_000, 1_250_000)
        );
    }

    #[test]
    fn nothing_is_kept_where_nothing_executed() {
        let mut recorder = Recorder::new(Instant::now());
        recorder.note(&Event::Wave {
            stage: "a".to_owned(),
            units: 5,
            reused: 5,
        });
        assert_eq!(recorder.kept(), None);
    }
}
