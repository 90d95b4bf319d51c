//! A call of the program: files ready, process started, answer read.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::PathBuf;
use std::sync::Arc;

use ccsr_stage::{Outcome, Unit, Value};

use super::failure::{Failure, Said};
use super::process::{Cut, Ended, Launch, MOST_BYTES};
use super::work::Work;
use super::{Per, RowsEach, lines};

/// A call of the program.
pub(super) struct Call<'a> {
    pub(super) work: &'a Work<'a>,
    pub(super) units: &'a [Arc<Unit>],
    /// Files made for the program. The folder is there if there are any.
    pub(super) inside: PathBuf,
    /// Files that the program makes. The folder is there if it is told of it.
    pub(super) out: PathBuf,
}

impl Call<'_> {
    /// Calls the program; an outcome for each unit. `said` is an empty file for messages, if there
    /// is one, and is given back if it stayed empty.
    pub(super) fn run(&self, said: &mut Option<Arc<File>>) -> Result<Vec<Outcome>, Failure> {
        let stage = self.work.stage;
        let prepared = self.prepare()?;
        let stderr = match said.take() {
            Some(file) => file,
            None => Arc::new(self.anonymous()?),
        };
        let answers = !stage.params.columns.is_empty();
        let stdout = if answers {
            Arc::new(self.anonymous()?)
        } else {
            stderr.clone()
        };
        let ended = self.work.watch.run(
            Launch {
                program: &stage.program,
                arguments: &prepared.arguments,
                folder: &stage.folder,
                environment: &self.environment(),
                stdin: prepared.stdin,
                stdout: stdout.clone(),
                stderr: stderr.clone(),
            },
            self.work.batch.environment.threads,
        );
        let outcomes = ended
            .map_err(|error| Failure::Start {
                program: stage.called.clone(),
                reason: error.to_string(),
            })
            .and_then(|ended| self.check(&ended, &stderr))
            .and_then(|()| {
                self.answers(&stdout)
                    .map_err(|text| self.unfit(text, &stderr))
            });
        if stderr.metadata().is_ok_and(|found| found.len() == 0) {
            *said = Some(stderr);
        }
        outcomes
    }

    /// What the program sees of the environment: what was declared, and a folder for its own
    /// temporary files, which goes with the batch.
    fn environment(&self) -> Vec<(OsString, OsString)> {
        let mut environment = self.work.stage.environment.clone();
        if environment.iter().all(|(name, _)| name != "TMPDIR") {
            environment.push(("TMPDIR".into(), self.work.folder.into()));
        }
        environment
    }

    fn check(&self, ended: &Ended, stderr: &File) -> Result<(), Failure> {
        let stage = self.work.stage;
        let program = stage.called.clone();
        Err(match ended {
            Ended::Exit(status) if status.success() => return Ok(()),
            Ended::Exit(status) => Failure::Exit {
                program,
                how: match status.code() {
                    Some(code) => format!("ended with exit code {code}"),
                    None => format!("was ended by {}", status.to_string().replacen(": ", " ", 1)),
                },
                said: Said::of(stderr),
            },
            Ended::Cut(Cut::Abandoned) => Failure::Abandoned,
            Ended::Cut(Cut::Late) => Failure::Late { program },
            Ended::Cut(Cut::TimedOut) => Failure::TimedOut {
                program,
                time: stage
                    .params
                    .timeout
                    .as_ref()
                    .map_or_else(String::new, ToString::to_string),
                said: Said::of(stderr),
            },
            Ended::Cut(Cut::TooMuch) => {
                let most = MOST_BYTES >> 20;
                self.unfit(format!("was ended: it wrote more than {most} MiB"), stderr)
            }
        })
    }

    fn unfit(&self, problem: String, stderr: &File) -> Failure {
        Failure::Output {
            program: self.work.stage.called.clone(),
            problem,
            said: Said::of(stderr),
        }
    }

    /// The outcomes of a process that ended well.
    fn answers(&self, stdout: &File) -> Result<Vec<Outcome>, String> {
        let params = &self.work.stage.params;
        let mut bytes = Vec::new();
        if !params.columns.is_empty() {
            let mut stdout = stdout;
            stdout
                .rewind()
                .and_then(|()| stdout.read_to_end(&mut bytes))
                .map_err(|error| format!("wrote something that cannot be read back: {error}"))?;
        }
        let written = lines::Lines::of(&bytes)?;
        let reader = lines::Reader {
            columns: &params.columns,
            out: &self.out,
        };
        if params.columns.is_empty() || (params.per == Per::Row && params.rows == RowsEach::One) {
            let mut outcome = Outcome::default();
            let mut cells = Vec::new();
            if !params.columns.is_empty() {
                let row = reader.row(written.one_each(1)?[0], &mut outcome)?;
                cells.extend(lines::cells(&row).iter().cloned());
            }
            for (column, file) in &params.files {
                let name = file.name(column);
                let cell = lines::read_file(&self.out.join(name), name, file.kind(), &mut outcome);
                cells.push(cell.map_err(|problem| format!("wrote no good file: {problem}"))?);
            }
            return Ok(vec![outcome.with_value(Value::list([Value::list(cells)]))]);
        }
        if params.per == Per::Batch {
            let lines = written.one_each(self.units.len())?.iter();
            return lines
                .map(|line| {
                    let mut outcome = Outcome::default();
                    let rows = match params.rows {
                        RowsEach::One => vec![reader.row(*line, &mut outcome)?],
                        RowsEach::Many => reader.rows(*line, &mut outcome)?,
                    };
                    Ok(outcome.with_value(Value::list(rows)))
                })
                .collect();
        }
        let mut outcome = Outcome::default();
        let rows: Result<Vec<_>, _> = written
            .all()
            .iter()
            .map(|line| reader.row(*line, &mut outcome))
            .collect();
        Ok(vec![outcome.with_value(Value::list(rows?))])
    }
}
