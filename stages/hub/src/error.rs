//! Why a model could not be found or fetched, each with what to do.

use std::io;
use std::path::{Path, PathBuf};

/// Why a model could not be found or fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The cache has no snapshot of this revision.
    #[error(
        "`{id}` is not in the cache `{}`; `ccsr-flow models pull {id}` downloads it", cache.display()
    )]
    NotPulled {
        /// What was asked for.
        id: String,
        /// Where it was looked for.
        cache: PathBuf,
    },
    /// The hub would have to be asked, and must not be.
    #[error(
        "`{id}` would have to be asked for at the hub, and HF_HUB_OFFLINE forbids it; unset it, or set it to 0"
    )]
    Offline {
        /// What was asked for.
        id: String,
    },
    /// Nothing that was asked for is in the repository.
    #[error(
        "`{id}` has none of the files asked for; it has {} (`--include PATTERN` chooses others)", .there.join(", ")
    )]
    NothingChosen {
        /// What was asked for.
        id: String,
        /// Some of the files that there are.
        there: Vec<String>,
    },
    /// There is no such variant of any weights.
    #[error("`{id}` has no weights of the variant `{variant}`; {}", known(.there))]
    NoVariant {
        /// What was asked for.
        id: String,
        /// The variant.
        variant: String,
        /// Those that there are.
        there: Vec<String>,
    },

    /// Not shown to whoever asks (401, or 403 for another reason than a licence).
    #[error(
        "the hub does not show `{id}` {}; {}{}",
        if *.token { "to the owner of this token" } else { "to somebody without a token" },
        if *.token {
            "look whether the name is right and whether the token is valid and may read it"
        } else {
            "look whether the name is right; if it is private, make a token at huggingface.co/settings/tokens, and set HF_TOKEN to it or write it to the file `token` in HF_HOME"
        },
        said(.message.as_deref())
    )]
    Unauthorized {
        /// What was asked for.
        id: String,
        /// Whether a token was sent.
        token: bool,
        /// What the hub said.
        message: Option<String>,
    },
    /// Its licence has to be accepted first.
    #[error(
        "`{id}` is given only to those who accepted its terms: accept them at {page}{}{}",
        if *.token {
            ", signed in as the owner of the token; access that its owners grant by hand takes a while"
        } else {
            ", then make a token at huggingface.co/settings/tokens, and set HF_TOKEN to it or write it to the file `token` in HF_HOME"
        },
        said(.message.as_deref())
    )]
    Gated {
        /// What was asked for.
        id: String,
        /// The model's page.
        page: String,
        /// Whether a token was sent.
        token: bool,
        /// What the hub said.
        message: Option<String>,
    },
    /// No such model.
    #[error(
        "there is no model `{repository}` at {endpoint}, or it is private; look whether the name is right"
    )]
    NoModel {
        /// `owner/name`.
        repository: String,
        /// Where it was asked for.
        endpoint: String,
    },
    /// No such branch, tag or commit.
    #[error(
        "`{repository}` has no revision `{revision}`; its branches, tags and commits are at {page}"
    )]
    NoRevision {
        /// `owner/name`.
        repository: String,
        /// The revision.
        revision: String,
        /// Where they are listed.
        page: String,
    },
    /// A file that the listing names is gone.
    #[error(
        "`{file}` is listed in `{id}`, and the hub does not have it; `--exclude {file}` leaves it out"
    )]
    NoFile {
        /// What was asked for.
        id: String,
        /// The file.
        file: String,
    },

    /// Nobody answers.
    #[error("cannot reach {host}: {problem}; {again}", again = again(*.kept))]
    Unreachable {
        /// Who was asked.
        host: String,
        /// What happened.
        problem: String,
        /// Whether some of it is here already.
        kept: bool,
    },
    /// Somebody answers who cannot prove to be the hub.
    #[error(
        "cannot trust {host}: {problem}; if a proxy or a hub of your own has its own certificates, SSL_CERT_FILE names a file with them"
    )]
    Untrusted {
        /// Who was asked.
        host: String,
        /// What is wrong with the certificate.
        problem: String,
    },
    /// The hub's address is none.
    #[error(
        "`{endpoint}` is not the address of a hub: {problem}; expected one like `https://huggingface.co` in HF_ENDPOINT"
    )]
    BadEndpoint {
        /// The address.
        endpoint: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The connection broke off, again and again.
    #[error(
        "the connection broke off at {done} of {size} bytes of `{file}`: {problem}; what has arrived is kept, and another `pull` goes on from there"
    )]
    BrokenOff {
        /// The file.
        file: String,
        /// Bytes that are here.
        done: u64,
        /// Bytes of all of it.
        size: u64,
        /// What happened.
        problem: String,
    },
    /// Too many requests.
    #[error(
        "{host} asks for fewer requests (429); wait some minutes and pull again, which goes on from here{}",
        if *.token { "" } else { "; with a token (HF_TOKEN) more are allowed" }
    )]
    TooMany {
        /// Who said so.
        host: String,
        /// Whether a token was sent.
        token: bool,
    },
    /// The server is in trouble, or says something that no hub says.
    #[error(
        "{host} answered {status} to `{what}`{}; {}",
        said(.message.as_deref()),
        if *.status >= 500 {
            "that is trouble on its side: pull again later, which goes on from here"
        } else {
            "look whether HF_ENDPOINT is the address of a hub"
        }
    )]
    Status {
        /// Who answered.
        host: String,
        /// The code.
        status: u16,
        /// What was asked for.
        what: String,
        /// What it said.
        message: Option<String>,
    },
    /// An answer that cannot be understood.
    #[error(
        "{host} does not answer as a hub does ({problem}); look whether HF_ENDPOINT is the address of one"
    )]
    NotAHub {
        /// Who answered.
        host: String,
        /// What is odd about it.
        problem: String,
    },

    /// Another number of bytes than the hub says.
    #[error(
        "`{file}` came as {found} bytes, and the hub lists {expected}; it was thrown away: pull again, and if that does not help, tell the owners of the model"
    )]
    WrongSize {
        /// The file.
        file: String,
        /// Bytes it should have.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
    /// Other bytes than the hub says.
    #[error(
        "`{file}` did not arrive as it was sent: its digest is not {expected}; it was thrown away: pull again, and if that does not help, something between here and the hub changes what passes"
    )]
    WrongDigest {
        /// The file.
        file: String,
        /// The digest it should have.
        expected: String,
    },

    /// The disk is full, or would be.
    #[error(
        "no room for {needed} bytes in `{}`{}; free some, or put the cache elsewhere with HF_HUB_CACHE; what has arrived is kept",
        folder.display(),
        .free.map_or(String::new(), |free| format!(", where {free} are free"))
    )]
    NoRoom {
        /// The cache.
        folder: PathBuf,
        /// Bytes that are still to come.
        needed: u64,
        /// Bytes that are free, if that is known.
        free: Option<u64>,
    },
    /// The cache cannot be read or written.
    #[error("cannot {action} `{}`: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl HubError {
    pub(crate) fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// What happened, in a few words and without advice: for whoever tells of a try that failed and of the
    /// next one.
    pub fn briefly(&self) -> String {
        match self {
            Self::Unreachable { host, problem, .. } => format!("cannot reach {host}: {problem}"),
            Self::BrokenOff {
                done,
                size,
                problem,
                ..
            } => format!("broke off at {done} of {size} bytes: {problem}"),
            Self::TooMany { host, .. } => format!("{host} asks for fewer requests (429)"),
            Self::Status { host, status, .. } => format!("{host} answered {status}"),
            other => other.to_string(),
        }
    }

    /// Whether the same request may be answered a moment later.
    pub(crate) const fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::BrokenOff { .. } | Self::TooMany { .. } => true,
            Self::Status { status, .. } => *status >= 500,
            _ => false,
        }
    }
}

fn said(message: Option<&str>) -> String {
    match message {
        Some(message) => format!(" (it says: {message})"),
        None => String::new(),
    }
}

fn known(variants: &[String]) -> String {
    if variants.is_empty() {
        "all of them are plain".to_owned()
    } else {
        format!("it has {}", variants.join(", "))
    }
}

const fn again(kept: bool) -> &'static str {
    if kept {
        "what has arrived is kept, and another `pull` goes on from there"
    } else {
        "look whether this machine is connected; HF_ENDPOINT names another hub, HTTPS_PROXY a proxy"
    }
}
