//! What can be typed behind `sweep`.

use std::fmt;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};

use super::{ExecutionArgs, PipelineArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum SweepCommand {
    /// Run every trial: what trials share is computed once, what is known is reused.
    Run(SweepRunArgs),
    /// Compare trials: a row each, with what differs. Computes nothing.
    Table(SweepTableArgs),
}

/// Which trials.
#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,

    /// A sweep of the file. Without it, several values make one: `--set seed=1,2,3`.
    #[arg(value_name = "SWEEP")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SweepRunArgs {
    #[command(flatten)]
    pub(crate) sweep: SweepArgs,

    /// Trials that may run at a time. They divide `--jobs` and `--device-slots` among them.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) trials_at_once: u16,

    #[command(flatten)]
    pub(crate) execution: ExecutionArgs,

    /// End with one JSON object on stdout: `trials`, `units_executed`, `units_reused`, `seconds`, ….
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SweepTableArgs {
    #[command(flatten)]
    pub(crate) sweep: SweepArgs,

    /// How to write the table.
    #[arg(long, value_enum, default_value = "terminal")]
    pub(crate) format: SweepFormat,

    /// Show columns in which the trials do not differ, too.
    #[arg(long)]
    pub(crate) all: bool,

    /// Show this metric: `truth.*.both`, where `*` stands for any text. May be repeated.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) metric: Vec<String>,

    /// A row for all trials that differ in this parameter alone, as a seed: means, and half the width of their 95 %
    /// intervals. May be repeated.
    #[arg(long, value_name = "PARAMETER")]
    pub(crate) over: Vec<String>,

    /// Each number less that of the trial in which this parameter has this value, and which is the same otherwise:
    /// `by=random`. With `--over`, of the differences. May be repeated.
    #[arg(long, value_name = "PARAMETER=VALUE")]
    pub(crate) against: Vec<Baseline>,

    /// Order the trials by this metric or parameter, the largest first.
    #[arg(long, value_name = "NAME")]
    pub(crate) sort: Option<String>,

    /// The smallest first.
    #[arg(long, requires = "sort")]
    pub(crate) ascending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SweepFormat {
    /// Aligned columns, numbers rounded.
    Terminal,
    /// Comma-separated values, numbers in full.
    Csv,
    /// A Markdown table, numbers rounded.
    Md,
    /// One JSON object with everything, numbers in full.
    Json,
}

/// What trials are held against: a parameter, and its value.
#[derive(Clone, Debug)]
pub(crate) struct Baseline {
    pub(crate) parameter: String,
    pub(crate) value: String,
}

impl FromStr for Baseline {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let split = text.split_once('=').filter(|(name, _)| !name.is_empty());
        let (parameter, value) =
            split.ok_or("expected a parameter and its value, such as `by=random`")?;
        Ok(Self {
            parameter: parameter.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}={}", self.parameter, self.value)
    }
}
