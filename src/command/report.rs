//! `ccsr-flow report`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use ccsr_cache::{Access, Store};

use super::runs::find;
use crate::cli::{Cli, ReportArgs};
use crate::exit::{Exit, Failure};
use crate::report::html::recorded::Recorded;
use crate::report::html::report;
use crate::session::cache_here;
use crate::ui::{Ui, counted};

pub(super) fn run(cli: &Cli, args: &ReportArgs, ui: &Ui) -> Result<Exit, Failure> {
    let store = Store::open(&cache_here(cli)?, Access::ReadOnly)?;
    let record = find(&store, &args.run)?;
    let other = args
        .compare
        .as_deref()
        .map(|other| find(&store, other))
        .transpose()?;
    let run = Recorded::new(&record, &store)?;
    let other = other
        .as_ref()
        .map(|record| Recorded::new(record, &store))
        .transpose()?;
    let path = args
        .to
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("report-{}.html", record.run)));
    let report = report(&run, other.as_ref());
    write(&path, report.html.as_bytes()).map_err(|error| {
        Failure::Usage(format!(
            "cannot write the report `{}`: {error}",
            path.display()
        ))
    })?;
    for table in &report.lost {
        ui.say(format_args!(
            "note: the cache lost the table of `{table}`; the report says so in its place"
        ));
    }
    ui.say(format_args!(
        "run {} of `{}`: {}, {}",
        record.run,
        record.pipeline,
        counted(report.images as u64, "image"),
        ByteSize(report.html.len() as u64).display().si()
    ));
    ui.data(path.display())?;
    Ok(Exit::Done)
}

/// Writes a file as a whole or not at all.
fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if path.is_dir() {
        return Err(std::io::Error::other("it is a folder; name a file in it"));
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(content)?;
    // A temporary file is its owner's only; a report is for others.
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644))?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
