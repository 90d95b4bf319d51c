//! Exit codes, and the failures that end a command.

use std::process::ExitCode;

use ccsr_cache::StoreError;
use ccsr_engine::CompileError;
use ccsr_hub::HubError;

/// How the program ends. The numbers are part of its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is done.
    Done = 0,
    /// A stage failed, or what was asked for is not there.
    Failed = 1,
    /// Wrong usage, or the pipeline is not valid.
    Invalid = 2,
    /// The cache cannot be used.
    Cache = 3,
    /// Something would run (`plan`).
    Stale = 4,
    /// Stopped by SIGINT.
    Interrupted = 130,
    /// Stopped by SIGTERM.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The pipeline file is not valid.
    #[error("the pipeline is not valid")]
    Pipeline(Box<CompileError>),
    /// What was typed does not fit.
    #[error("{0}")]
    Usage(String),
    /// What was asked for is not there.
    #[error("{0}")]
    Missing(String),
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] StoreError),
    /// A model cannot be found or fetched.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// Nobody listens on stdout any more.
    #[error("cannot write to stdout: {0}")]
    Output(#[from] std::io::Error),
}

impl Failure {
    /// The exit code that goes with it.
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::Pipeline(_) | Self::Usage(_) => Exit::Invalid,
            Self::Missing(_) | Self::Hub(_) | Self::Output(_) => Exit::Failed,
            Self::Cache(_) => Exit::Cache,
        }
    }
}
