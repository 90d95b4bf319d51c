//! `ccsr-flow doctor`: whether this machine, this project and its cache are fit for work.
//!
//! Each check answers with findings; a finding that is not in order says what to do. Nothing is
//! repaired here, and nothing is written but a file that tries the disk and is removed.

mod cache;

use std::path::Path;

use bytesize::ByteSize;
use serde::Serialize;

use crate::cli::{Cli, DoctorArgs};
use crate::exit::{Exit, Failure};
use crate::session::{self, DEVICES};
use crate::ui::{Ui, counted};

/// Memory below which the paper's pipeline gets tight (2 GiB).
const LITTLE_MEMORY: u64 = 2 << 30;

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Standing {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// It works, but may go wrong.
    Warning,
    /// It does not work.
    Problem,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    /// What was looked at.
    check: &'static str,
    standing: Standing,
    /// What was found.
    found: String,
    /// What to do, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn new(check: &'static str, standing: Standing, found: impl Into<String>) -> Self {
        Self {
            check,
            standing,
            found: found.into(),
            advice: None,
        }
    }

    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, Standing::Ok, found)
    }

    fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

pub(super) fn doctor(cli: &Cli, args: &DoctorArgs, ui: &Ui) -> Result<Exit, Failure> {
    let (root, cache) = places(cli)?;
    let mut findings = vec![program(), machine(), project(&root)];
    findings.extend(cache::examine(&cache));
    findings.push(temporary_folder());
    let worst = findings.iter().map(|finding| finding.standing).max();
    if args.json {
        ui.data(serde_json::to_string(&findings).expect("texts are JSON"))?;
    } else {
        for finding in &findings {
            tell(finding, ui)?;
        }
        let number = |standing| {
            let found = findings
                .iter()
                .filter(|finding| finding.standing == standing);
            found.count() as u64
        };
        ui.say(
            match (number(Standing::Problem), number(Standing::Warning)) {
                (0, 0) => "all is well".to_owned(),
                (0, warnings) => counted(warnings, "warning"),
                (problems, 0) => counted(problems, "problem"),
                (problems, warnings) => format!(
                    "{}, {}",
                    counted(problems, "problem"),
                    counted(warnings, "warning")
                ),
            },
        );
    }
    Ok(if worst == Some(Standing::Problem) {
        Exit::Failed
    } else {
        Exit::Done
    })
}

fn tell(finding: &Finding, ui: &Ui) -> Result<(), Failure> {
    let standing = match finding.standing {
        Standing::Ok => ui.green("ok     "),
        Standing::Note => ui.dim("note   "),
        Standing::Warning => ui.red("warning"),
        Standing::Problem => ui.red("problem"),
    };
    ui.data(format_args!(
        "{standing}  {:9}  {}",
        finding.check, finding.found
    ))?;
    match &finding.advice {
        Some(advice) => ui.data(format_args!("{:20}{advice}", "")),
        None => Ok(()),
    }
}

/// The project's folder, and where its cache is or would be.
fn places(cli: &Cli) -> Result<(std::path::PathBuf, std::path::PathBuf), Failure> {
    let root = session::project_here(cli)?;
    let cache = match session::cache_here(cli) {
        Ok(cache) => cache,
        Err(Failure::Missing(_)) => root.join(ccsr_engine::CACHE),
        Err(other) => return Err(other),
    };
    Ok((root, cache))
}

fn program() -> Finding {
    let about = format!(
        "ccsr-flow {}, devices: {}",
        env!("CARGO_PKG_VERSION"),
        DEVICES.join(", ")
    );
    let collector = std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_some();
    match (cfg!(feature = "otel"), collector) {
        (false, true) => Finding::new(
            "program",
            Standing::Warning,
            format!("{about}; built without `otel`, so no traces are sent"),
        )
        .advise("build it with `--features otel`, or unset OTEL_EXPORTER_OTLP_ENDPOINT"),
        (true, true) => Finding::ok("program", format!("{about}; sends traces to a collector")),
        (_, false) => Finding::ok("program", about),
    }
}

fn machine() -> Finding {
    let host = crate::host::here();
    let memory = ByteSize(host.memory);
    let cpu = match host.cpu.as_str() {
        "" => host.architecture.as_str(),
        cpu => cpu,
    };
    let about = format!(
        "{}, {cpu}, {memory}; {}",
        counted(host.cores, "core"),
        host.os
    );
    if host.memory > 0 && host.memory < LITTLE_MEMORY {
        Finding::new("machine", Standing::Warning, about)
            .advise("with so little memory, say `--jobs 1`")
    } else {
        Finding::ok("machine", about)
    }
}

fn project(root: &Path) -> Finding {
    let marked = [ccsr_engine::CACHE, ".git"].map(|name| root.join(name).exists());
    if marked.contains(&true) {
        Finding::ok("project", root.display().to_string())
    } else {
        let found = format!("{}: no `.git` and no `.ccsr` here or above", root.display());
        Finding::new("project", Standing::Note, found)
            .advise("`ccsr-flow init` begins one; a run makes this folder one, too")
    }
}

/// External programs and repeated runs work in it.
fn temporary_folder() -> Finding {
    let folder = std::env::temp_dir();
    match tempfile::tempfile_in(&folder) {
        Ok(_) => Finding::ok("temporary", folder.display().to_string()),
        Err(error) => {
            let found = format!("cannot write to `{}`: {error}", folder.display());
            Finding::new("temporary", Standing::Problem, found)
                .advise("name a folder that can be written to with the variable TMPDIR")
        }
    }
}
