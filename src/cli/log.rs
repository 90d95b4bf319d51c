//! How the story is told: what can be typed.

use clap::{Args, ValueEnum};

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// How the story on stderr is told: as `text` for people, or as log records in `json`, an object a
    /// line.
    #[arg(
        id = "log_format",
        long = "log-format",
        global = true,
        value_name = "FORMAT",
        value_enum,
        hide_possible_values = true,
        default_value = "text",
        env = "CCSR_LOG_FORMAT"
    )]
    pub(crate) format: LogFormat,

    /// Which log records are told: `error`, `warn`, `info`, `debug` or `trace`, and what is graver.
    #[arg(
        id = "log_level",
        long = "log-level",
        global = true,
        value_name = "LEVEL",
        value_enum,
        hide_possible_values = true,
        default_value = "info",
        env = "CCSR_LOG_LEVEL"
    )]
    pub(crate) level: LogLevel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines and bars for people.
    Text,
    /// One JSON object a line: `timestamp`, `level`, `message`, `event` and what belongs to it.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// What failed.
    Error,
    /// What did not go as planned, too.
    Warn,
    /// What happens, stage by stage.
    Info,
    /// Every wave and batch, too.
    Debug,
    /// Everything.
    Trace,
}
