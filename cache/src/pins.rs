//! Pins: what nobody may take away, whatever else is kept. A pin is a small file, so that it
//! outlives the ledger.

use std::fmt;
use std::fs;
use std::io;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::layout::create_folder;
use crate::{Digest, ParseDigestError, RunId, Store, StoreError};

/// What a pin holds on to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PinTarget {
    /// A run: its record and all that it reaches.
    Run(RunId),
    /// An object, and what it names if it is a table.
    Blob(Digest),
}

impl fmt::Display for PinTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(run) => run.fmt(f),
            Self::Blob(digest) => digest.fmt(f),
        }
    }
}

impl FromStr for PinTarget {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(run) => Ok(Self::Run(run)),
            Err(_) => text.parse().map(Self::Blob),
        }
    }
}

/// A pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// What it holds on to.
    pub target: PinTarget,
    /// Why, in somebody's words.
    pub note: Option<String>,
    /// Since when, in seconds since 1970.
    pub at: u64,
}

/// What the file of a pin says; its name is the target.
#[derive(Default, Serialize, Deserialize)]
struct Content {
    note: Option<String>,
    at: u64,
}

impl Store {
    /// Pins `target`, or replaces the note of its pin.
    pub fn pin(&self, target: &PinTarget, note: Option<&str>) -> Result<(), StoreError> {
        self.must_write()?;
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let note = note.map(str::to_owned);
        let json =
            serde_json::to_vec(&Content { note, at }).map_err(|error| self.damaged(error))?;
        create_folder(&self.layout.pins())?;
        self.layout
            .write_atomically(&self.layout.pin(target), &json)
    }

    /// Removes the pin of `target`. The answer: whether there was one.
    pub fn unpin(&self, target: &PinTarget) -> Result<bool, StoreError> {
        self.must_write()?;
        let path = self.layout.pin(target);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::io(&path, "remove", error)),
        }
    }

    /// All pins, oldest first. A file whose name is none is passed over; one whose content decayed is
    /// still a pin.
    pub fn pins(&self) -> Result<Vec<Pin>, StoreError> {
        let folder = self.layout.pins();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StoreError::reading(&folder, error)),
        };
        let mut pins = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| StoreError::reading(&folder, error))?;
            let name = entry.file_name();
            let target = name.to_str().and_then(|name| name.strip_suffix(".json"));
            let Some(target) = target.and_then(|target| target.parse().ok()) else {
                continue;
            };
            let bytes = fs::read(entry.path()).unwrap_or_default();
            let Content { note, at } = serde_json::from_slice(&bytes).unwrap_or_default();
            pins.push(Pin { target, note, at });
        }
        pins.sort_unstable_by(|a, b| a.at.cmp(&b.at).then_with(|| a.target.cmp(&b.target)));
        Ok(pins)
    }
}
