//! What can go wrong with an external program.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use ccsr_stage::{Digest, StageError};

/// Why a process gave no outcome. What several rows share is told of each of them.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Failure {
    /// It could not be started.
    #[error("cannot start `{program}`: {reason}")]
    Start {
        /// The program's name.
        program: String,
        /// What the system says.
        reason: String,
    },
    /// It ended by itself, badly.
    #[error("`{program}` {how}{said}")]
    Exit {
        /// The program's name.
        program: String,
        /// With which code, or by which signal.
        how: String,
        /// The end of what it wrote to stderr.
        said: Said,
    },
    /// It took too long.
    #[error("`{program}` was ended after {time}, its `timeout`{said}")]
    TimedOut {
        /// The program's name.
        program: String,
        /// The time it had.
        time: String,
        /// The end of what it wrote to stderr.
        said: Said,
    },
    /// What it wrote is not what was declared.
    #[error("`{program}` {problem}{said}")]
    Output {
        /// The program's name.
        program: String,
        /// What is wrong, as in "`judge.py` wrote no file".
        problem: String,
        /// The end of what it wrote to stderr.
        said: Said,
    },
    /// The stage's time was over.
    #[error("`{program}` was ended: the time of the stage was over")]
    Late {
        /// The program's name.
        program: String,
    },
    /// Nobody waits for it any more.
    #[error("ended before it was done")]
    Abandoned,
    /// Files could not be made ready for it.
    #[error("cannot put files ready for `{program}` in `{folder}`: {reason}")]
    Prepare {
        /// The program's name.
        program: String,
        /// The temporary folder.
        folder: String,
        /// What the system says.
        reason: String,
    },
    /// The rows do not let it be called.
    #[error("{0}")]
    Input(String),
    /// A blob is lost.
    #[error("the cache lost the blob {0}")]
    Lost(Digest),
    /// The cache cannot be used.
    #[error("{0}")]
    Cache(String),
}

impl Failure {
    /// Whether other rows than those of the process may be blamed for it: splitting its rows tells.
    pub(super) const fn may_be_one_rows(&self) -> bool {
        matches!(
            self,
            Self::Exit { .. } | Self::TimedOut { .. } | Self::Output { .. }
        )
    }
}

impl From<StageError> for Failure {
    fn from(error: StageError) -> Self {
        match error {
            StageError::Lost(digest) => Self::Lost(digest),
            StageError::Cache(text) => Self::Cache(text),
            other => Self::Input(other.to_string()),
        }
    }
}

impl From<Failure> for StageError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Lost(digest) => Self::Lost(digest),
            Failure::Cache(text) => Self::Cache(text),
            Failure::Abandoned => Self::Abandoned,
            Failure::TimedOut { .. } | Failure::Late { .. } => Self::TimedOut(failure.to_string()),
            Failure::Input(text) => Self::Input(text),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// Lines of stderr that are shown.
const LINES: usize = 20;
/// Bytes of stderr that are shown.
const BYTES: u64 = 2048;

/// The end of what a program wrote for people, as the end of a message.
#[derive(Clone, Debug, Default)]
pub(super) struct Said(Arc<str>);

impl Said {
    /// The last lines of a file that a program wrote.
    pub(super) fn of(stream: &File) -> Self {
        let size = stream.metadata().map_or(0, |found| found.len());
        let start = size.saturating_sub(BYTES);
        let mut bytes = vec![0; (size - start) as usize];
        if stream.read_exact_at(&mut bytes, start).is_err() {
            return Self::default();
        }
        Self(Self::text(&bytes, start > 0).into())
    }

    fn text(bytes: &[u8], begun: bool) -> String {
        let text = plain(&String::from_utf8_lossy(bytes));
        let lines: Vec<&str> = text.trim_end().lines().collect();
        // The first line may have lost its beginning.
        let first = lines.len().saturating_sub(LINES);
        let first = first.max(usize::from(begun && lines.len() > 1));
        let cut = if begun || first > 0 { "\n  | …" } else { "" };
        let shown: String = lines[first..]
            .iter()
            .flat_map(|line| ["\n  | ", line.trim_end()])
            .collect();
        if shown.is_empty() {
            return shown;
        }
        format!("; it said:{cut}{shown}")
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text without what steers a terminal: colours and the like.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' => {
                // `ESC [ … letter`, or `ESC` and one character.
                if rest.next() == Some('[') {
                    rest.by_ref().find(|c| ('@'..='~').contains(c));
                }
            }
            '\n' | '\t' => plain.push(character),
            // A line that was written over and over, as progress bars are: the last state counts.
            '\r' => {
                let line = plain.rfind('\n').map_or(0, |at| at + 1);
                if !rest.as_str().starts_with('\n') && !rest.as_str().is_empty() {
                    plain.truncate(line);
                }
            }
            c if c.is_control() => plain.push('\u{fffd}'),
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_what_was_said_is_shown_without_what_steers_a_terminal() {
        let said = |text: &str| Said::text(text.as_bytes(), false);
        assert_eq!(said(" \n"), "");
        assert_eq!(
            said("a\n\u{1b}[31mb\u{1b}[0m\n"),
            "; it said:\n  | a\n  | b"
        );
        assert_eq!(said("10 %\r50 %\r100 %\r\n"), "; it said:\n  | 100 %");
        assert_eq!(said("a\u{7}b"), "; it said:\n  | a\u{fffd}b");
        let many: Vec<String> = (1..=30).map(|n: i32| n.to_string()).collect();
        let shown = said(&many.join("\n"));
        assert!(
            shown.starts_with("; it said:\n  | …\n  | 11\n") && shown.ends_with("| 30"),
            "{shown}"
        );
        assert_eq!(
            Said::text(b"alf a line\nwhole", true),
            "; it said:\n  | …\n  | whole"
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_far_as_they_are() {
        assert_eq!(Said::text(b"a\xffb", false), "; it said:\n  | a\u{fffd}b");
    }
}
