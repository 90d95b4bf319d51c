//! What can be typed.

mod cache;
mod log;
mod models;
mod report;
mod sweep;

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::session::DEVICES;

pub(crate) use cache::{CacheCommand, GcArgs};
pub(crate) use log::{LogArgs, LogFormat, LogLevel};
pub(crate) use models::{ConvertArgs, ModelsCommand, PullArgs};
pub(crate) use report::ReportArgs;
pub(crate) use sweep::{
    Baseline, SweepArgs, SweepCommand, SweepFormat, SweepRunArgs, SweepTableArgs,
};

/// A declarative workflow engine for self-rewarding text-to-image research.
///
/// Exit codes: 0 done; 1 a stage failed; 2 usage or an invalid pipeline; 3 the cache cannot be used;
/// 4 stale (`plan` only); 130 and 143 interrupted.
#[derive(Debug, Parser)]
#[command(name = "ccsr-flow", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Cache folder, instead of `.ccsr` in the project.
    #[arg(long, global = true, value_name = "DIR", env = "CCSR_CACHE")]
    pub(crate) cache: Option<PathBuf>,

    /// Project folder: no path of a pipeline leaves it. Found upwards from the pipeline by default.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) project: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) log: LogArgs,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Begin a project: a pipeline that runs at once, its questions and a sweep.
    Init(InitArgs),
    /// Run a pipeline: compute what is missing, reuse the rest.
    Run(RunArgs),
    /// Say what `run` would do and why. Loads nothing, writes nothing; exit code 4 when stale.
    Plan(PlanArgs),
    /// Check a pipeline: syntax, names, parameters, ports, files.
    Check(PipelineArgs),
    /// Show a stage's table.
    Show(ShowArgs),
    /// Say why a stage would run, down to the parameter or file that changed; or which units made a
    /// row of its table. Loads nothing, writes nothing.
    Why(WhyArgs),
    /// Draw the graph of stages.
    Graph(GraphArgs),
    /// List the stage kinds, or describe one.
    Stages(StagesArgs),
    /// Run a pipeline with many values, or compare what came out.
    #[command(subcommand)]
    Sweep(SweepCommand),
    /// List past runs, or show one.
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Write a page about a run, to look at: its stages, images, choices, plots.
    Report(ReportArgs),
    /// Tell what executed when in a run, or draw it for Perfetto.
    Trace(TraceArgs),
    /// Print the JSON Schema of a kind of file, for editors.
    Schema(SchemaArgs),
    /// Print a script that completes what is typed, for a shell.
    Completions(CompletionsArgs),
    /// Print the manual page, or write one a command to a folder.
    Man(ManArgs),
    /// Say whether this machine, the project and its cache are fit for work; exit code 1 if not.
    Doctor(DoctorArgs),
    /// Look after the cache: what is in it, whether it is sound, what may go.
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Models from a hub: download, list, verify, find.
    #[command(subcommand)]
    Models(ModelsCommand),
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The project's folder; made if it is not there. Nothing in it is overwritten.
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,

    /// What to begin with.
    #[arg(long, value_enum, default_value = "minimal")]
    pub(crate) template: Template,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// One pipeline and five questions; runs in about a second.
    Minimal,
    /// The paper's pipeline up to the pairs, simulated, and its ten questions, at the paper's size.
    Selection,
}

/// A pipeline and what is changed about it.
#[derive(Debug, Args)]
pub(crate) struct PipelineArgs {
    /// The pipeline file.
    pub(crate) file: PathBuf,

    /// Change a value: `--set stages.pairs.with.min_confidence=0.5`. May be repeated.
    #[arg(long, value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,

    /// Use this suite of models instead of the pipeline's own.
    #[arg(long, value_name = "NAME")]
    pub(crate) suite: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,

    /// Run up to these stages: they and what they depend on. All by default.
    #[arg(value_name = "STAGE")]
    pub(crate) stages: Vec<String>,

    /// Execute this stage's units even if their outcomes are known. May be repeated.
    #[arg(long, value_name = "STAGE")]
    pub(crate) force: Vec<String>,

    #[command(flatten)]
    pub(crate) execution: ExecutionArgs,

    /// End with one JSON object on stdout: `run`, `units_executed`, `units_reused`, `seconds`, ….
    #[arg(long)]
    pub(crate) json: bool,

    /// Write every event to stdout as it happens, one JSON object a line.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) events: Option<EventFormat>,

    /// Write a timeline in the Chrome trace format to this file when the run is over.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,

    /// Afterwards, execute this many units again whose outcomes are known, and compare. Nothing in the
    /// cache changes; exit code 1 if one comes out differently.
    #[arg(long, value_name = "N")]
    pub(crate) verify: Option<usize>,

    /// Which units to verify: equal seeds choose the same. The run's id by default.
    #[arg(long, value_name = "SEED", requires = "verify")]
    pub(crate) verify_seed: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ReproduceArgs {
    /// The run's id, or its beginning; `latest` for the last one.
    pub(crate) run: String,

    /// Compute everything again, in a cache that is thrown away, instead of looking it up.
    #[arg(long)]
    pub(crate) from_scratch: bool,

    #[command(flatten)]
    pub(crate) execution: ExecutionArgs,

    /// End with one JSON object on stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BundleArgs {
    /// The run's id, or its beginning; `latest` for the last one.
    pub(crate) run: String,

    /// Where to write it, as a zip archive.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// Tables to pack: `stage` or `stage.port`. May be repeated; by default those that no stage reads.
    #[arg(long = "with", value_name = "TABLE")]
    pub(crate) tables: Vec<String>,

    /// Pack the images and other blobs that these tables name, too.
    #[arg(long)]
    pub(crate) with_blobs: bool,

    /// The licence of what is packed, as a URL, for the metadata.
    #[arg(long, value_name = "URL")]
    pub(crate) license: Option<String>,
}

/// How batches execute. None of it changes a result.
#[derive(Debug, Args)]
pub(crate) struct ExecutionArgs {
    /// Go on with whatever does not depend on a failure.
    #[arg(long)]
    pub(crate) keep_going: bool,

    /// Batches that may execute at a time: the slots `cpu`.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) jobs: u16,

    /// Batches that may use the device at a time: the slots `device`. Unbounded on the CPU.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) device_slots: Option<u32>,

    /// Where networks compute: a device of this build. A stage's own `device` comes first.
    #[arg(long, value_name = "NAME", default_value = "cpu", value_parser = PossibleValuesParser::new(DEVICES))]
    pub(crate) device: String,

    /// Memory that loaded models, and batches that say what they need, may occupy: `16GB`.
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<ByteSize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventFormat {
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,

    /// Plan a run up to these stages. All by default.
    #[arg(value_name = "STAGE")]
    pub(crate) stages: Vec<String>,

    /// Write the plan as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,

    /// The stage, or `stage.port` for a row of that table.
    pub(crate) stage: String,

    /// A row: its number, from 1, or values of its columns, as in `candidate=3 question=q7`.
    #[arg(value_name = "ROW")]
    pub(crate) row: Vec<String>,

    /// Write the explanation as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,

    /// The stage, or `stage.port`.
    pub(crate) stage: String,

    /// How to write the table; for a terminal by default.
    #[arg(long, value_enum, default_value = "terminal")]
    pub(crate) format: ShowFormat,

    /// Rows to show on a terminal; 0 for all.
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShowFormat {
    /// Aligned columns, long cells shortened.
    Terminal,
    /// Comma-separated values.
    Csv,
    /// One JSON object a row.
    Jsonl,
    /// A Markdown table.
    Md,
}

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,

    /// How to draw it.
    #[arg(long, value_enum, default_value = "terminal")]
    pub(crate) format: GraphFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// One stage a line with what it reads.
    Terminal,
    /// Graphviz.
    Dot,
    /// Mermaid, for Markdown pages.
    Mermaid,
}

#[derive(Debug, Args)]
pub(crate) struct StagesArgs {
    /// The kind to describe.
    pub(crate) kind: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List past runs, newest first.
    List {
        /// Only runs of this pipeline: its name or its file.
        #[arg(long, value_name = "NAME")]
        pipeline: Option<String>,
        /// Only runs that did not end well.
        #[arg(long)]
        failed: bool,
        /// At most this many.
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// Write one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Show what a run did.
    Show {
        /// The run's id, or its beginning; `latest` for the last one.
        run: String,
        /// Write the whole record as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say in what two runs differ: parameters, weights, tables, images, numbers.
    Diff {
        /// The one run: its id, or its beginning; `latest`, or `latest~1` for the one before.
        old: String,
        /// The other.
        new: String,
        /// Write one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Run a recorded pipeline again, as it was recorded, and check that the same tables come out.
    Reproduce(ReproduceArgs),
    /// Pack a run into one file: its pipeline, what it read, its record, and tables.
    Bundle(BundleArgs),
    /// Unpack such a file into a new folder, which becomes a project that can run it.
    Unbundle {
        /// The bundle.
        file: PathBuf,
        /// The folder; it must be empty or not exist yet.
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The kind of file.
    #[arg(value_enum, default_value = "pipeline")]
    pub(crate) file: SchemaFile,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaFile {
    /// A pipeline.
    Pipeline,
    /// Variables and stages that pipelines include.
    Include,
    /// A suite.
    Suite,
    /// A question set.
    Questions,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write a page a command to this folder: `ccsr-flow.1`, `ccsr-flow-run.1`, ….
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Write what was found as one JSON array.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// The run's id, or its beginning; `latest` for the last one.
    pub(crate) run: String,

    /// Write a timeline in the Chrome trace format, for <https://ui.perfetto.dev>.
    #[arg(long)]
    pub(crate) chrome: bool,

    /// Write it to this file instead of stdout.
    #[arg(short, long, value_name = "FILE", requires = "chrome")]
    pub(crate) out: Option<PathBuf>,
}
