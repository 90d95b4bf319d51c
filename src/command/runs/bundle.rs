//! `ccsr-flow runs bundle` and `ccsr-flow runs unbundle`.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::path::Path;

use ccsr_cache::{Access, Store};
use ccsr_engine::bundle::{BundleError, BundleOptions};
use ccsr_engine::diagnostic::with_causes;

use super::find;
use crate::cli::{BundleArgs, Cli};
use crate::exit::{Exit, Failure};
use crate::session::{cache_here, project_here};
use crate::ui::{Ui, counted};

pub(super) fn bundle(cli: &Cli, args: &BundleArgs, ui: &Ui) -> Result<Exit, Failure> {
    let store = Store::open(&cache_here(cli)?, Access::ReadOnly)?;
    let record = find(&store, &args.run)?;
    let options = BundleOptions {
        tables: args.tables.clone(),
        blobs: args.with_blobs,
        license: args.license.clone(),
    };
    let cannot = |error: io::Error| {
        Failure::Missing(format!("cannot write `{}`: {error}", args.output.display()))
    };
    // Written aside, so that a bundle is there as a whole or not at all.
    let folder = args
        .output
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file =
        tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(cannot)?;
    let bundled = ccsr_engine::bundle::bundle(
        &record,
        &store,
        Some(&project_here(cli)?),
        &options,
        BufWriter::new(file.as_file_mut()),
    )
    .map_err(|error| failure(&format!("run `{}` cannot be packed", record.run), error))?;
    readable(file.path()).map_err(cannot)?;
    file.persist(&args.output)
        .map_err(|error| cannot(error.error))?;
    ui.say(format_args!(
        "{}: run {}, {}, {} ({}), {}",
        args.output.display(),
        record.run,
        counted(bundled.files, "file"),
        counted(bundled.tables.len() as u64, "table"),
        bundled.tables.join(", "),
        counted(bundled.blobs, "blob"),
    ));
    Ok(Exit::Done)
}

/// A temporary file is its owner's only; a bundle is for others.
fn readable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

pub(super) fn unbundle(file: &Path, folder: &Path, ui: &Ui) -> Result<Exit, Failure> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::Usage(format!(
            "the folder `{}` is not empty; name a new one",
            folder.display()
        )));
    }
    let opened = File::open(file).map_err(|error| {
        Failure::Usage(format!(
            "cannot read the bundle `{}`: {error}",
            file.display()
        ))
    })?;
    let record = ccsr_engine::bundle::unbundle(BufReader::new(opened), folder)
        .map_err(|error| failure(&format!("`{}` cannot be unpacked", file.display()), error))?;
    ui.say(format_args!(
        "{}: run {} of `{}`; now `cd {} && ccsr-flow runs reproduce {}`",
        folder.display(),
        record.run,
        record.pipeline,
        folder.display(),
        record.run
    ));
    Ok(Exit::Done)
}

fn failure(what: &str, error: BundleError) -> Failure {
    match error {
        BundleError::Store(error) => Failure::Cache(error),
        error @ (BundleError::NoTable { .. } | BundleError::NoBundle { .. }) => {
            Failure::Usage(format!("{what}: {}", with_causes(&error)))
        }
        other => Failure::Missing(format!("{what}: {}", with_causes(&other))),
    }
}
