//! Downloading one file: one writer at a time, from where it broke off, and checked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use ureq::Body;
use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use ureq::http::{Response, StatusCode};

use crate::digest::{Etag, Hasher};
use crate::error::HubError;
use crate::id::ModelId;
use crate::layout::Layout;
use crate::lock::Lock;
use crate::pull::Progress;
use crate::remote::{Question, Remote};

/// A connection that brought so much (1 MiB) before it broke off was none of the failing ones.
const MUCH: u64 = 1 << 20;

/// A file to be downloaded.
pub(crate) struct Part<'a> {
    pub(crate) id: &'a ModelId,
    pub(crate) commit: &'a str,
    pub(crate) path: &'a str,
    pub(crate) size: u64,
    pub(crate) etag: &'a Etag,
}

/// Sees to it that a file's blob is there. Answers how many bytes had to come over the network.
pub(crate) fn fetch(
    remote: &Remote<'_>,
    layout: &Layout,
    part: &Part<'_>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<u64, HubError> {
    let file = part.path;
    let blob = layout.blob(part.etag);
    if is_whole(&blob, part.size) {
        return Ok(0);
    }
    let mut wait = || progress(Progress::Waiting { file });
    let _lock = Lock::take(&layout.lock(part.etag), &mut wait)?;
    // Whoever held the lock may have brought it.
    if is_whole(&blob, part.size) {
        return Ok(0);
    }
    let mut growing = Growing::open(layout, part)?;
    progress(Progress::Began {
        file,
        bytes: part.size,
        here: growing.length,
    });
    let mut downloaded = 0;
    let resumed = growing.length > 0;
    loop {
        downloaded += patiently(remote, part, &mut growing, progress)?;
        if part.etag.fits(growing.hasher_taken(part)) {
            break;
        }
        let length = growing.length;
        growing.start_over(part)?;
        // What was here before may have been the fault; a second look tells.
        if !resumed || downloaded >= part.size {
            growing.discard()?;
            return Err(HubError::WrongDigest {
                file: file.to_owned(),
                expected: part.etag.as_str().to_owned(),
            });
        }
        progress(Progress::Discarded { bytes: length });
    }
    growing.finish(&blob)?;
    progress(Progress::Finished { file });
    Ok(downloaded)
}

fn is_whole(blob: &Path, size: u64) -> bool {
    fs::metadata(blob).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
}

/// Reads to the end of the file, over as many connections as it takes.
fn patiently(
    remote: &Remote<'_>,
    part: &Part<'_>,
    growing: &mut Growing,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<u64, HubError> {
    let (mut tries, mut downloaded) = (0, 0);
    while growing.length < part.size {
        let mut came = 0;
        let read = read(remote, part, growing, &mut came, progress);
        downloaded += came;
        if came >= MUCH {
            tries = 0;
        }
        match read {
            Ok(()) => {}
            Err(error) if error.may_pass() && tries < remote.retries() => {
                remote.pause(tries, part.path, &error, progress);
                tries += 1;
            }
            Err(HubError::Unreachable { host, problem, .. }) => {
                let kept = growing.length > 0;
                return Err(HubError::Unreachable {
                    host,
                    problem,
                    kept,
                });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(downloaded)
}

/// Reads what is missing over one connection; `came` counts bytes as they come.
fn read(
    remote: &Remote<'_>,
    part: &Part<'_>,
    growing: &mut Growing,
    came: &mut u64,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), HubError> {
    let question = Question {
        id: part.id,
        file: Some(part.path),
        from: growing.length,
    };
    let mut answer = remote.open(part.commit, &question)?;
    let begins = beginning(&answer);
    if begins != Some(growing.length) {
        // The server does not know ranges, or not this one.
        progress(Progress::Discarded {
            bytes: growing.length,
        });
        growing.start_over(part)?;
        if begins != Some(0) {
            return Err(broken_off(
                part,
                0,
                "the server refused to go on where it broke off".to_owned(),
            ));
        }
    }
    let promised = header(&answer, CONTENT_LENGTH.as_str());
    if let Some(length) = promised.and_then(|text| text.parse::<u64>().ok())
        && growing.length + length != part.size
    {
        return Err(wrong_size(part, growing.length + length, growing));
    }
    let mut body = answer.body_mut().as_reader();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match body.read(&mut buffer) {
            Ok(0) if growing.length < part.size => {
                let problem = "the server ended it".to_owned();
                return Err(broken_off(part, growing.length, problem));
            }
            Ok(0) => return Ok(()),
            Ok(read) => {
                let bytes = read as u64;
                if growing.length + bytes > part.size {
                    return Err(wrong_size(part, growing.length + bytes, growing));
                }
                growing.write(&buffer[..read], part)?;
                *came += bytes;
                progress(Progress::Advanced { bytes });
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(broken_off(part, growing.length, error.to_string())),
        }
    }
}

/// The first byte that an answer holds; nothing, if it holds none of the file.
fn beginning(answer: &Response<Body>) -> Option<u64> {
    match answer.status() {
        StatusCode::PARTIAL_CONTENT => {
            let range = header(answer, CONTENT_RANGE.as_str())?;
            let (first, _) = range.strip_prefix("bytes ")?.split_once('-')?;
            first.parse().ok()
        }
        StatusCode::RANGE_NOT_SATISFIABLE => None,
        _ => Some(0),
    }
}

fn header<'a>(answer: &'a Response<Body>, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

fn broken_off(part: &Part<'_>, done: u64, problem: String) -> HubError {
    HubError::BrokenOff {
        file: part.path.to_owned(),
        done,
        size: part.size,
        problem,
    }
}

/// Throws away what came, too: nothing can be made of it.
fn wrong_size(part: &Part<'_>, found: u64, growing: &mut Growing) -> HubError {
    let wrong = HubError::WrongSize {
        file: part.path.to_owned(),
        expected: part.size,
        found,
    };
    growing.discard().err().unwrap_or(wrong)
}

/// A file that is not whole yet, and the digest of what there is.
struct Growing {
    path: std::path::PathBuf,
    file: File,
    length: u64,
    hasher: Hasher,
}

impl Growing {
    /// Takes up what an earlier download left.
    fn open(layout: &Layout, part: &Part<'_>) -> Result<Self, HubError> {
        let path = layout.incomplete(part.etag);
        let doing = |error| HubError::file("open", &path, error);
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(false).read(true).write(true);
        let mut file = options.open(&path).map_err(doing)?;
        let mut hasher = part.etag.hasher(part.size);
        let length = hasher.read(&mut file, &mut |_| {}).map_err(doing)?;
        let mut growing = Self {
            path,
            file,
            length,
            hasher,
        };
        if length > part.size {
            growing.start_over(part)?;
        }
        Ok(growing)
    }

    fn write(&mut self, bytes: &[u8], part: &Part<'_>) -> Result<(), HubError> {
        if let Err(error) = self.file.write_all(bytes) {
            return Err(self.refused(error, part));
        }
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// A write that went wrong halfway leaves bytes that nobody counted; they must not stay.
    fn refused(&mut self, error: io::Error, part: &Part<'_>) -> HubError {
        let _ = self.file.set_len(self.length);
        match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => HubError::NoRoom {
                folder: self.path.parent().unwrap_or(&self.path).to_owned(),
                needed: part.size - self.length,
                free: None,
            },
            _ => HubError::file("write", &self.path, error),
        }
    }

    fn hasher_taken(&mut self, part: &Part<'_>) -> Hasher {
        std::mem::replace(&mut self.hasher, part.etag.hasher(part.size))
    }

    fn start_over(&mut self, part: &Part<'_>) -> Result<(), HubError> {
        use std::io::Seek as _;
        let doing = |error| HubError::file("empty", &self.path, error);
        self.file.set_len(0).map_err(doing)?;
        self.file.rewind().map_err(doing)?;
        self.length = 0;
        self.hasher = part.etag.hasher(part.size);
        Ok(())
    }

    fn discard(&mut self) -> Result<(), HubError> {
        fs::remove_file(&self.path).map_err(|error| HubError::file("remove", &self.path, error))
    }

    /// Gives the blob its name when its bytes are on the disk.
    fn finish(self, blob: &Path) -> Result<(), HubError> {
        let doing = |error| HubError::file("write", blob, error);
        self.file.sync_all().map_err(doing)?;
        fs::rename(&self.path, blob).map_err(doing)
    }
}
