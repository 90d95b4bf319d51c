//! Why a checkpoint cannot be read.

use std::io;
use std::path::PathBuf;

/// Characters of a text that are told, at most.
const LONGEST: usize = 500;

/// Why a PyTorch checkpoint cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PickleError {
    /// The file is missing or cannot be read.
    #[error("cannot read `{}`: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        why: io::Error,
    },
    /// It is not what `torch.save` writes since version 1.6.
    #[error(
        "`{}` is no checkpoint of PyTorch 1.6 or later: {why}. One of an older version is written anew by \
         `torch.save(torch.load(file), file)`, where one trusts it", path.display()
    )]
    NotTorch {
        /// The file.
        path: PathBuf,
        /// What is missing.
        why: String,
    },
    /// The pickle in it asks for something that checkpoints do not need.
    #[error(
        "`{}` asks for `{name}` at byte {at} of its pickle, which no checkpoint needs: nothing was executed. Do not load \
         this file with PyTorch unless you trust who made it", path.display()
    )]
    Refused {
        /// The file.
        path: PathBuf,
        /// Where in the pickle.
        at: usize,
        /// What it asks for.
        name: String,
    },
    /// The file contradicts itself, ends too early or holds what cannot be.
    #[error("`{}` is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// What was read cannot be written.
    #[error("cannot write `{}`: {why}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        why: safetensors::SafeTensorError,
    },
    /// There is no network in it.
    #[error(
        "`{}` has no network: expected a module or a state dictionary, by itself or under `ema`, `model` or `state_dict`; \
         found {found}", path.display()
    )]
    NoNetwork {
        /// The file.
        path: PathBuf,
        /// What there is.
        found: String,
    },
}

/// What is wrong, before the file is known that it is wrong with.
#[derive(Debug)]
pub(crate) enum Fault {
    /// What the system said.
    Unread(io::Error),
    /// It is something else.
    NotTorch(String),
    /// A name or an instruction that is not allowed, and where.
    Refused(usize, String),
    /// What cannot be.
    Damaged(String),
    /// There is no network.
    NoNetwork(String),
}

impl Fault {
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }

    /// What is wrong with a tensor.
    pub(crate) fn at(self, tensor: &str) -> Self {
        match self {
            Self::Damaged(what) => Self::Damaged(format!("the tensor `{tensor}`: {what}")),
            other => other,
        }
    }

    pub(crate) fn of(self, path: PathBuf) -> PickleError {
        match self {
            Self::Unread(why) => PickleError::File { path, why },
            Self::NotTorch(why) => PickleError::NotTorch { path, why },
            Self::Refused(at, name) => {
                let name = shown(&name);
                PickleError::Refused { path, at, name }
            }
            Self::Damaged(what) => {
                let what = shown(&what);
                PickleError::Damaged { path, what }
            }
            Self::NoNetwork(found) => {
                let found = shown(&found);
                PickleError::NoNetwork { path, found }
            }
        }
    }
}

impl From<io::Error> for Fault {
    fn from(why: io::Error) -> Self {
        Self::Unread(why)
    }
}

/// What is told of a text in which a file may have put anything: its beginning, and nothing that moves a terminal's cursor.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (place, character) in text.chars().enumerate() {
        match character {
            _ if place == LONGEST => {
                shown.push('…');
                break;
            }
            control if control.is_control() => shown.extend(control.escape_default()),
            other => shown.push(other),
        }
    }
    shown
}
