//! The one place that writes to the terminal: data to stdout, the story to stderr.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use ccsr_engine::diagnostic::with_causes;
use ccsr_engine::{Diagnostic, Sources};

use crate::cli::LogFormat;
use crate::exit::Failure;
use crate::{log, report};

/// Where output goes and whether it is coloured. `NO_COLOR` is honoured.
#[derive(Clone)]
pub(crate) struct Ui {
    /// Whether the story goes to a terminal, which can show progress in place.
    pub(crate) live: bool,
    /// Whether the story goes to the log, which hears of a run's events from the engine.
    pub(crate) logs: bool,
    colour: bool,
}

#[expect(
    clippy::unused_self,
    reason = "output goes through the value that owns it"
)]
impl Ui {
    pub(crate) fn new(format: LogFormat) -> Self {
        let (stderr, logs) = (io::stderr(), format == LogFormat::Json);
        let colour = AutoStream::choice(&stderr) != ColorChoice::Never;
        Self {
            live: !logs && stderr.is_terminal() && colour_terminal(),
            logs,
            colour: !logs && colour,
        }
    }

    /// A line of data.
    pub(crate) fn data(&self, line: impl Display) -> Result<(), Failure> {
        Ok(writeln!(io::stdout().lock(), "{line}")?)
    }

    /// Data that ends its own lines.
    pub(crate) fn raw(&self, text: &str) -> Result<(), Failure> {
        Ok(io::stdout().lock().write_all(text.as_bytes())?)
    }

    /// A line of the story. That nobody listens is no reason to stop.
    pub(crate) fn say(&self, line: impl Display) {
        if self.logs {
            return log::line(line);
        }
        let choice = if self.colour {
            ColorChoice::AlwaysAnsi
        } else {
            ColorChoice::Never
        };
        let line = format!("{line}\n");
        let _ = AutoStream::new(io::stderr().lock(), choice).write_all(line.as_bytes());
    }

    /// Why the command could not be carried out.
    pub(crate) fn failure(&self, failure: &Failure) {
        match failure {
            Failure::Pipeline(error) => {
                self.diagnostics(&error.sources, &error.diagnostics);
                let count = error.diagnostics.len();
                self.say(format_args!(
                    "\n{count} {} in the pipeline",
                    if count == 1 { "error" } else { "errors" }
                ));
            }
            other if self.logs => log::failure(&with_causes(other)),
            other => self.say(format_args!(
                "{}: {}",
                self.red("error"),
                with_causes(other)
            )),
        }
    }

    /// What is wrong with a text, and where.
    pub(crate) fn diagnostics(&self, sources: &Sources, diagnostics: &[Diagnostic]) {
        if self.logs {
            return log::diagnostics(sources, diagnostics);
        }
        let drawn = report::diagnostics::render(sources, diagnostics, self.colour);
        self.say(drawn.trim_end());
    }

    pub(crate) fn red(&self, text: &str) -> String {
        self.styled(anstyle::AnsiColor::Red.on_default().bold(), text)
    }

    pub(crate) fn green(&self, text: &str) -> String {
        self.styled(anstyle::AnsiColor::Green.on_default(), text)
    }

    pub(crate) fn dim(&self, text: &str) -> String {
        self.styled(anstyle::Style::new().dimmed(), text)
    }

    fn styled(&self, style: anstyle::Style, text: &str) -> String {
        if self.colour {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

/// A terminal that says it cannot move its cursor gets plain lines.
fn colour_terminal() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Seconds as people say them: `0.08 s`, `12.3 s`, `4 min 05 s`, `2 h 03 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match seconds {
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A number with its thousands apart: `20,000`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(String::from_utf8_lossy)
        .collect();
    groups.join(",")
}

/// `1 unit`, `2 units`.
pub(crate) fn counted(number: u64, one: &str) -> String {
    format!(
        "{} {one}{}",
        count(number),
        if number == 1 { "" } else { "s" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 999, 1000, 20_000, 1_234_567].map(count).join(" "),
            "0 999 1,000 20,000 1,234,567"
        );
        assert_eq!(counted(1, "unit"), "1 unit");
        assert_eq!(
            [0.084, 12.34, 245.0, 7384.0].map(duration).join("; "),
            "0.08 s; 12.3 s; 4 min 05 s; 2 h 03 min"
        );
    }
}
