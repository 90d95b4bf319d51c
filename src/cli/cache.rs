//! `ccsr-flow cache …`: what can be typed.

use bytesize::ByteSize;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Say what is in the cache and what a collection would free.
    Stat {
        /// Write one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Check every object and every row. What is damaged becomes missing, and is made again when it is
    /// needed; exit code 1.
    Verify {
        /// Only look; mend nothing.
        #[arg(long)]
        dry_run: bool,
        /// Write one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Remove what no kept run and no pin reaches.
    Gc(GcArgs),
    /// Keep a run, or an object and what it names, whatever else is collected.
    Pin {
        /// A run (`latest`, its id or its beginning), or the digest of an object or its beginning.
        target: String,
        /// Why, for whoever reads it later.
        #[arg(long)]
        note: Option<String>,
    },
    /// Give a pin up.
    Unpin {
        /// What was pinned, or its beginning.
        target: String,
    },
    /// List the pins.
    Pins {
        /// Write one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Say what a key or digest is: what made it, from what, at what cost, and who names it.
    Why {
        /// An action key, a stage key or a blob's digest, or six of its digits at least.
        key: String,
        /// Write one JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct GcArgs {
    /// Only say what would go.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Keep what else fits into this size (`20GB`, `500MiB`), the dearest to compute again first.
    #[arg(long, value_name = "SIZE")]
    pub(crate) budget: Option<ByteSize>,

    /// Keep the newest N runs and remove the records of the others; all are kept by default.
    #[arg(long, value_name = "N")]
    pub(crate) keep_runs: Option<usize>,

    /// Wait until nobody uses the cache.
    #[arg(long)]
    pub(crate) wait: bool,

    /// Write one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}
