//! The log: what `tracing` is told, by the engine and by others, as JSON lines on stderr
//! (`--log-format json`) and, with the feature `otel`, as traces for a collector.

use std::fmt::Display;

use ccsr_engine::{Diagnostic, Sources};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::{Cli, LogFormat, LogLevel};
use crate::exit::Failure;
use crate::ui::Ui;

/// The log, until it ends.
pub(crate) struct Log {
    #[cfg(feature = "otel")]
    traces: Option<crate::otel::Traces>,
}

impl Log {
    /// Sends what is under way to a collector. That it cannot be had is no failure of the command;
    /// it is said.
    #[cfg_attr(
        not(feature = "otel"),
        expect(clippy::unused_self, reason = "only traces are under way")
    )]
    pub(crate) fn end(self, ui: &Ui) {
        #[cfg(feature = "otel")]
        if let Some(Err(error)) = self.traces.map(crate::otel::Traces::end) {
            ui.say(error);
        }
        #[cfg(not(feature = "otel"))]
        let _ = ui;
    }
}

/// Begins to log what was asked for.
#[cfg_attr(
    not(feature = "otel"),
    expect(
        clippy::unnecessary_wraps,
        reason = "only a collector can be named wrongly"
    )
)]
pub(crate) fn begin(cli: &Cli) -> Result<Log, Failure> {
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = Vec::new();
    if cli.log.format == LogFormat::Json {
        layers.push(lines(cli.log.level.into()));
    }
    #[cfg(feature = "otel")]
    let traces = crate::otel::begin()?;
    #[cfg(feature = "otel")]
    layers.extend(traces.as_ref().map(crate::otel::Traces::layer));
    // Without a subscriber, spans and events cost next to nothing.
    if !layers.is_empty() {
        tracing_subscriber::registry().with(layers).init();
    }
    Ok(Log {
        #[cfg(feature = "otel")]
        traces,
    })
}

/// Records as JSON, a line each, on stderr.
fn lines(level: LevelFilter) -> Box<dyn Layer<Registry> + Send + Sync> {
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_writer(std::io::stderr)
        .with_filter(level)
        .boxed()
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

/// A line of the story.
pub(crate) fn line(line: impl Display) {
    let line = line.to_string();
    // An empty line parts others where people look.
    if !line.trim().is_empty() {
        tracing::info!("{}", line.trim());
    }
}

/// Why the command could not be carried out.
pub(crate) fn failure(text: &str) {
    tracing::error!("{text}");
}

/// What is wrong with a text, one record each.
pub(crate) fn diagnostics(sources: &Sources, diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        let Diagnostic {
            code,
            message,
            help,
            ..
        } = diagnostic;
        let place = diagnostic.span.map(|span| {
            let (line, column) = sources.location(span);
            (sources.get(span.source).name.as_str(), line, column)
        });
        let (file, line) = (place.map(|place| place.0), place.map(|place| place.1));
        let column = place.map(|place| place.2);
        tracing::error!(code, file, line, column, help, "{message}");
    }
}
