//! What it takes to run a recorded pipeline again, and what each stage was told.

use ccsr_cache::Value;
use ccsr_engine::record::{FileRole, RunRecord};
use serde::Serialize;

use super::graph::{did, state};
use super::recorded::Recorded;
use crate::ui::{counted, duration};

/// How to run it again.
#[derive(Debug, Serialize)]
pub(crate) struct Settings {
    pub(crate) run: String,
    /// What was typed, or does the same.
    pub(crate) command: String,
    pub(crate) facts: Vec<(String, String)>,
    /// Texts that were read, with their content if the cache has it.
    pub(crate) files: Vec<Text>,
    /// The pipeline as the stages saw it, as JSON, which is YAML, too.
    pub(crate) resolved: String,
}

/// A file that was read.
#[derive(Debug, Serialize)]
pub(crate) struct Text {
    pub(crate) path: String,
    pub(crate) digest: String,
    pub(crate) content: Option<String>,
}

impl Settings {
    /// Those of a run.
    pub(crate) fn of(run: &Recorded<'_>) -> Self {
        let record = run.record;
        let seed = record.seed.to_string();
        let mut facts = vec![
            ("pipeline", format!("{} ({})", record.pipeline, record.file)),
            (
                "suite",
                record.suite.clone().unwrap_or_else(|| "none".to_owned()),
            ),
            ("seed", seed),
            ("program", format!("ccsr-flow {}", record.version)),
        ];
        let host = &record.host;
        if !host.os.is_empty() {
            let threads = counted(host.cores, "thread");
            facts.push(("machine", format!("{}, {}, {threads}", host.os, host.cpu)));
        }
        if !record.device.name.is_empty() {
            let workers = counted(record.device.workers, "worker");
            facts.push(("device", format!("{}, {workers}", record.device.name)));
        }
        let left_out = left_out(record);
        if !left_out.is_empty() {
            facts.push(("left out", left_out.join(", ")));
        }
        if let Some(trial) = &record.trial {
            facts.push(("sweep", trial.to_string()));
        }
        if let Some(repeated) = &record.reproduces {
            facts.push(("repeats", repeated.clone()));
        }
        let texts = record.files.iter().map(|file| {
            let named = matches!(
                file.role,
                FileRole::Pipeline | FileRole::Text | FileRole::BuiltInSuite
            );
            let bytes = named.then(|| run.store.read(&file.digest).ok()).flatten();
            Text {
                path: match file.role {
                    FileRole::BuiltInSuite => format!("suite {}, of the program", file.path),
                    FileRole::Folder => format!("{}/ ({})", file.path, counted(file.files, "file")),
                    _ => file.path.clone(),
                },
                digest: file.digest.short(),
                content: bytes.and_then(|bytes| String::from_utf8(bytes).ok()),
            }
        });
        Self {
            run: record.run.clone(),
            command: command(record),
            facts: facts
                .into_iter()
                .map(|(name, fact)| (name.to_owned(), fact))
                .collect(),
            files: texts.collect(),
            resolved: serde_json::to_string_pretty(&record.resolved.to_json()).unwrap_or_default(),
        }
    }
}

/// The stages of the file that `when` left out.
fn left_out(record: &RunRecord) -> Vec<&str> {
    let Some(Value::Map(stages)) = record.resolved.get("stages") else {
        return Vec::new();
    };
    let is_out = |stage: &Value| stage.get("when").and_then(Value::as_bool) == Some(false);
    let left_out = stages.iter().filter(|(_, stage)| is_out(stage));
    left_out.map(|(name, _)| name.as_ref()).collect()
}

/// The line that runs the same pipeline with the same changes.
pub(crate) fn command(record: &RunRecord) -> String {
    let mut line = format!("ccsr-flow run {}", quoted(&record.file));
    for set in &record.set {
        line.push_str(" --set ");
        line.push_str(&quoted(set));
    }
    if let Some(suite) = &record.suite_named {
        line.push_str(" --suite ");
        line.push_str(&quoted(suite));
    }
    line
}

/// A word as a shell takes it for one.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A stage in full.
#[derive(Debug, Serialize)]
pub(crate) struct StageFacts {
    pub(crate) position: usize,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) state: &'static str,
    pub(crate) outcome: &'static str,
    pub(crate) did: String,
    pub(crate) seconds: String,
    pub(crate) saved: String,
    pub(crate) reads: Vec<(usize, String)>,
    pub(crate) tables: Vec<String>,
    pub(crate) because: Vec<String>,
    pub(crate) errors: Vec<String>,
    pub(crate) notes: Vec<String>,
    /// Parameters and roles, as JSON.
    pub(crate) told: String,
}

/// The stages of a run in full.
pub(crate) fn stages(run: &Recorded<'_>) -> Vec<StageFacts> {
    let facts = |(position, stage): (usize, &ccsr_engine::record::StageRecord)| {
        let (class, outcome) = state(stage);
        let told = ["with", "roles"]
            .into_iter()
            .filter_map(|name| Some((name, stage.value.get(name)?.to_json())));
        let told: serde_json::Map<_, _> =
            told.map(|(name, value)| (name.to_owned(), value)).collect();
        let name = |above: &usize| (*above, run.record.stages[*above].name.clone());
        StageFacts {
            position,
            name: stage.name.clone(),
            kind: stage.kind.clone(),
            state: class,
            outcome,
            did: did(stage),
            seconds: duration(stage.seconds),
            saved: if stage.seconds_saved > 0.0 {
                duration(stage.seconds_saved)
            } else {
                String::new()
            },
            reads: run.reads[position].iter().map(name).collect(),
            tables: stage
                .tables
                .iter()
                .map(|(port, table)| format!("{port}: {}", counted(table.rows, "row")))
                .collect(),
            because: stage.because.clone(),
            errors: stage.errors.clone(),
            notes: stage.notes.clone(),
            told: if told.is_empty() {
                String::new()
            } else {
                serde_json::to_string_pretty(&told).unwrap_or_default()
            },
        }
    };
    run.stages().map(facts).collect()
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(
            quoted("stages.pairs.with.min_confidence=0.5"),
            "stages.pairs.with.min_confidence=0.5"
        );
        assert_eq!(quoted("a=[{class: elephant}]"), "'a=[{class: elephant}]'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
