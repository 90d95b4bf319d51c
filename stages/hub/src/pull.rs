//! Pulling a model: list, choose, download, and only then let the snapshot appear.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::digest::{self, Etag};
use crate::download::{Part, fetch};
use crate::error::HubError;
use crate::id::ModelId;
use crate::layout::Layout;
use crate::listing::{Listing, RemoteFile};
use crate::remote::Remote;
use crate::select::{self, Selection};

/// How many files are named when none of them was chosen.
const MANY: usize = 10;

/// What to pull and how.
#[derive(Clone, Debug, Default)]
pub struct PullOptions {
    /// Which files.
    pub selection: Selection,
    /// Also read what is here already, and download again what is damaged.
    pub verify: bool,
}

/// What was pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The commit.
    pub commit: String,
    /// The folder with its files.
    pub path: PathBuf,
    /// Files of the choice.
    pub files: u64,
    /// Bytes of the choice.
    pub bytes: u64,
    /// Bytes that had to be downloaded.
    pub downloaded: u64,
}

/// What happens during a pull.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// It is known what there is to do.
    Chosen {
        /// The commit.
        commit: &'a str,
        /// Files of the choice.
        files: u64,
        /// Bytes of the choice.
        bytes: u64,
        /// Bytes of it that are here already.
        here: u64,
    },
    /// A file's turn has come; `here` of its bytes came earlier.
    Began {
        /// The file.
        file: &'a str,
        /// Its bytes.
        bytes: u64,
        /// Those that are here already.
        here: u64,
    },
    /// Somebody else is writing this file; the pull waits for them.
    Waiting {
        /// The file.
        file: &'a str,
    },
    /// More bytes of the file are here.
    Advanced {
        /// How many.
        bytes: u64,
    },
    /// What had arrived of the file turned out to be of no use.
    Discarded {
        /// How many bytes.
        bytes: u64,
    },
    /// Something failed that may pass.
    Retrying {
        /// What was asked for.
        file: &'a str,
        /// Why it failed.
        error: &'a HubError,
        /// How long until the next try.
        wait: Duration,
    },
    /// The file is here.
    Finished {
        /// The file.
        file: &'a str,
    },
}

/// A file of the choice, of which everything is known.
struct Known {
    path: String,
    size: u64,
    etag: Etag,
}

pub(crate) fn pull(
    remote: &Remote<'_>,
    layout: &Layout,
    id: &ModelId,
    options: &PullOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Pulled, HubError> {
    let listing = remote.listing(id, progress)?;
    let chosen = choose(id, &listing, &options.selection)?;
    let mut files = Vec::new();
    for file in chosen {
        files.push(known(remote, id, &listing.commit, file, progress)?);
    }
    layout.prepare()?;
    if options.verify {
        discard_damaged(layout, &files)?;
    }
    let bytes = files.iter().map(|file| file.size).sum();
    let here = files
        .iter()
        .map(|file| have(layout, file))
        .sum::<u64>()
        .min(bytes);
    progress(Progress::Chosen {
        commit: &listing.commit,
        files: files.len() as u64,
        bytes,
        here,
    });
    look_for_room(layout, bytes - here)?;
    let mut downloaded = 0;
    for file in &files {
        let part = Part {
            id,
            commit: &listing.commit,
            path: &file.path,
            size: file.size,
            etag: &file.etag,
        };
        downloaded += fetch(remote, layout, &part, progress)?;
    }
    // All at once, as far as a file system can: whoever finds the snapshot finds all of it.
    for file in &files {
        layout.link(&listing.commit, &file.path, &file.etag)?;
    }
    layout.note(id, &listing.commit)?;
    Ok(Pulled {
        path: layout.snapshot(&listing.commit),
        commit: listing.commit,
        files: files.len() as u64,
        bytes,
        downloaded,
    })
}

fn choose<'a>(
    id: &ModelId,
    listing: &'a Listing,
    selection: &Selection,
) -> Result<Vec<&'a RemoteFile>, HubError> {
    let paths: Vec<_> = listing
        .files
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    let variants = select::variants(&paths);
    if let Some(variant) = &selection.variant
        && selection.include.is_empty()
        && !variants.contains(variant.as_str())
    {
        return Err(HubError::NoVariant {
            id: id.to_string(),
            variant: variant.clone(),
            there: variants.into_iter().map(str::to_owned).collect(),
        });
    }
    let chosen = selection.choose(&paths);
    if chosen.is_empty() {
        let mut there: Vec<_> = paths
            .iter()
            .take(MANY)
            .map(|path| format!("`{path}`"))
            .collect();
        match paths.len() {
            0 => there.push("no file at all".to_owned()),
            all if all > MANY => there.push(format!("and {} more", all - MANY)),
            _ => {}
        }
        return Err(HubError::NothingChosen {
            id: id.to_string(),
            there,
        });
    }
    let is_chosen = |file: &&RemoteFile| chosen.contains(&file.path.as_str());
    Ok(listing.files.iter().filter(is_chosen).collect())
}

/// Asks about a file what the listing left out: some mirrors list names only.
fn known(
    remote: &Remote<'_>,
    id: &ModelId,
    commit: &str,
    file: &RemoteFile,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Known, HubError> {
    let (size, etag) = match (file.size, file.etag.clone()) {
        (Some(size), Some(etag)) => (size, etag),
        _ => remote.describe(id, commit, &file.path, progress)?,
    };
    Ok(Known {
        path: file.path.clone(),
        size,
        etag,
    })
}

/// Bytes of a file that are here, as a blob or as a beginning of one.
fn have(layout: &Layout, file: &Known) -> u64 {
    let length = |path| fs::metadata(path).map(|metadata| metadata.len());
    match length(layout.blob(&file.etag)) {
        Ok(length) if length == file.size => length,
        _ => length(layout.incomplete(&file.etag)).map_or(0, |length| length.min(file.size)),
    }
}

fn discard_damaged(layout: &Layout, files: &[Known]) -> Result<(), HubError> {
    for file in files {
        let blob = layout.blob(&file.etag);
        if blob.is_file() {
            let holds = digest::holds(&blob, &file.etag, &mut |_| {})
                .map_err(|error| HubError::file("read", &blob, error))?;
            if !holds {
                fs::remove_file(&blob).map_err(|error| HubError::file("remove", &blob, error))?;
            }
        }
    }
    Ok(())
}

/// A disk that is too small is better found out before than after an hour.
pub(crate) fn look_for_room(layout: &Layout, needed: u64) -> Result<(), HubError> {
    // Where the system does not say, writing will tell.
    let Ok(disk) = rustix::fs::statvfs(layout.root()) else {
        return Ok(());
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if needed > free {
        return Err(HubError::NoRoom {
            folder: layout.root(),
            needed,
            free: Some(free),
        });
    }
    Ok(())
}
