//! The engine as its users meet it: pipelines are YAML text, stages are simple ([`kinds`]), caches
//! are real, and what happened is compared as text.

#![expect(
    clippy::unwrap_used,
    reason = "a test that fails may say so with a panic"
)]

mod child;
mod collected;
mod decay;
mod exports;
mod failures;
mod healing;
mod inherited;
mod keys;
mod kinds;
mod language;
mod left_out;
mod patience;
mod plan;
mod story;
mod sweeps;
mod texts;
mod together;
mod waves;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ccsr_cache::{Access, ActionKey, Digest, Store, StoreError};
use ccsr_engine::event::Event;
use ccsr_engine::record::RunRecord;
use ccsr_engine::{CompileError, CompileOptions, Pipeline, Project, RunOptions};
use ccsr_stage::{Environment, Registry, Table};
use tempfile::TempDir;

/// A project in a folder of its own.
struct Place {
    folder: TempDir,
}

/// A run that came to an end.
struct Ran {
    record: RunRecord,
    events: Vec<Event>,
}

/// A line of the log in which the test stages note what they do.
struct Logged {
    /// What was executed or loaded, in words.
    what: String,
    /// The unit's key, unless it was a load.
    key: Option<ActionKey>,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn store(&self) -> Store {
        Store::open(&self.path(".ccsr"), Access::ReadWrite).unwrap()
    }

    fn compile(&self, text: &str) -> Pipeline {
        self.compile_as(text, &kinds::registry(), &CompileOptions::default())
            .unwrap_or_else(|error| panic!("{}", language::rendered(&error)))
    }

    fn compile_as(
        &self,
        text: &str,
        registry: &Registry,
        options: &CompileOptions<'_>,
    ) -> Result<Pipeline, CompileError> {
        self.write("pipeline.yaml", text);
        compile_file(self.root(), "pipeline.yaml", registry, options)
    }

    fn run(&self, text: &str) -> Ran {
        self.run_with(text, |_| {})
    }

    fn run_with(&self, text: &str, change: impl FnOnce(&mut RunOptions)) -> Ran {
        let mut options = options(self.root());
        change(&mut options);
        run(&self.compile(text), &self.store(), &options).unwrap()
    }

    fn run_as(&self, text: &str, registry: &Registry) -> Ran {
        let pipeline = self.compile_as(text, registry, &CompileOptions::default());
        let pipeline = pipeline.unwrap_or_else(|error| panic!("{}", language::rendered(&error)));
        run(&pipeline, &self.store(), &options(self.root())).unwrap()
    }

    /// What the stages did so far.
    fn log(&self) -> Vec<Logged> {
        let text = fs::read_to_string(log_of(self.root())).unwrap_or_default();
        let line = |line: &str| {
            let (what, key) = line.split_once('\t')?;
            Some(Logged {
                what: what.to_owned(),
                key: key.parse().ok(),
            })
        };
        // A killed process may leave half a line.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().filter_map(line).collect()
    }

    /// What the stages did since this was asked last.
    fn work(&self) -> String {
        let log = self.log();
        let _ = fs::remove_file(log_of(self.root()));
        let whats: Vec<_> = log.into_iter().map(|line| line.what).collect();
        whats.join(", ")
    }

    /// The table that a stage wrote.
    fn table(&self, ran: &Ran, port: &str) -> Table {
        let digest = ran.digests()[port];
        Table::decode(&self.store().read(&digest).unwrap()).unwrap()
    }

    /// The same as text, a line a row.
    fn rows(&self, ran: &Ran, port: &str) -> Vec<String> {
        let table = self.table(ran, port);
        let cells = |row: ccsr_stage::Row<'_>| {
            row.values()
                .map(ccsr_engine::tabular::cell)
                .collect::<Vec<_>>()
        };
        table.rows().map(|row| cells(row).join(" ")).collect()
    }
}

impl Ran {
    /// What happened, a line an event that matters.
    fn story(&self) -> String {
        story::told(&self.events)
    }

    /// The digests of all tables, by `stage.port`.
    fn digests(&self) -> BTreeMap<String, Digest> {
        digests(&self.record)
    }
}

fn digests(record: &RunRecord) -> BTreeMap<String, Digest> {
    let tables = record.stages.iter().flat_map(|stage| {
        let named = |port: &String| format!("{}.{port}", stage.name);
        stage
            .tables
            .iter()
            .map(move |(port, table)| (named(port), table.digest))
    });
    tables.collect()
}

fn compile_file(
    root: &Path,
    name: &str,
    registry: &Registry,
    options: &CompileOptions<'_>,
) -> Result<Pipeline, CompileError> {
    let project = Project::at(root);
    ccsr_engine::compile(&root.join(name), &project, registry, options)
        .map(|(pipeline, _)| pipeline)
}

fn run(pipeline: &Pipeline, store: &Store, options: &RunOptions) -> Result<Ran, StoreError> {
    let mut events = Vec::new();
    let record = ccsr_engine::run(pipeline, store, options, &mut |event| events.push(event))?;
    Ok(Ran { record, events })
}

/// One worker, so that a story is told in one order.
fn options(root: &Path) -> RunOptions {
    RunOptions {
        workers: 1,
        environment: Environment {
            device: log_of(root).to_string_lossy().into_owned(),
            threads: 1,
        },
        version: "test".to_owned(),
        ..RunOptions::default()
    }
}

fn log_of(root: &Path) -> PathBuf {
    root.join("work.log")
}

/// A pipeline of these stages.
fn stages(stages: &str) -> String {
    let margin = |line: &str| line.len() - line.trim_start().len();
    let lines = || stages.lines().filter(|line| !line.trim().is_empty());
    let common = lines().map(margin).min().unwrap_or(0);
    let indented = lines().fold(String::new(), |text, line| {
        text + "  " + &line[common..] + "\n"
    });
    format!("version: 1\nname: test\nstages:\n{indented}")
}

/// Compares texts. The margin that the lines of `expected` share does not count.
#[track_caller]
fn expect(actual: &str, expected: &str) {
    let lines: Vec<_> = expected.trim_matches('\n').lines().collect();
    let inked = lines.iter().filter(|line| !line.trim().is_empty());
    let common = inked.map(|line| line.len() - line.trim_start().len()).min();
    let lines: Vec<_> = lines
        .iter()
        .map(|line| line.get(common.unwrap_or(0)..).unwrap_or(""))
        .collect();
    let expected = lines.join("\n");
    assert_eq!(actual.trim_end(), expected.trim_end());
}

/// Random numbers that are the same on every run of the tests (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}
