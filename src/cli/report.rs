//! What can be typed behind `report`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The run's id, or its beginning; `latest` for the last one.
    #[arg(default_value = "latest")]
    pub(crate) run: String,

    /// Write it to this file instead of `report-RUN.html`.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,

    /// Show this run beside it.
    #[arg(long, value_name = "RUN")]
    pub(crate) compare: Option<String>,
}
