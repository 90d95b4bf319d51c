//! Files that a table becomes when `outputs:` asks for it.
//!
//! Exports are views: they are looked at on every run, never keyed, and made again when they were
//! deleted. So what is costly to look at but cheap to derive (a contact sheet) is an export rather
//! than a unit.

use ccsr_cache::{Digest, Value};

use crate::{Blobs, StageError};

type Render = Box<dyn Fn(&dyn Blobs) -> Result<Vec<u8>, StageError> + Send + Sync>;

/// What a file will hold.
pub enum Content {
    /// The bytes of a blob.
    Blob(Digest),
    /// Bytes at hand.
    Bytes(Vec<u8>),
    /// Bytes that are made when the file turns out to be missing or out of date.
    Rendered(Render),
}

/// One file of an export.
pub struct ExportFile {
    /// Path below the export's folder, with `/`; empty when the export is a single file.
    pub path: String,
    /// Digest of everything the content depends on: equal identities, equal bytes.
    pub identity: Digest,
    /// The content.
    pub content: Content,
}

impl ExportFile {
    /// A file that holds a blob.
    pub fn blob(path: impl Into<String>, blob: Digest) -> Self {
        Self {
            path: path.into(),
            identity: blob,
            content: Content::Blob(blob),
        }
    }

    /// A file that holds these bytes.
    pub fn bytes(path: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self {
            path: path.into(),
            identity: Digest::of(&bytes),
            content: Content::Bytes(bytes),
        }
    }

    /// A file made by `render`, whose result depends on `identity` and nothing else.
    pub fn rendered(
        path: impl Into<String>,
        identity: &Value,
        render: impl Fn(&dyn Blobs) -> Result<Vec<u8>, StageError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            path: path.into(),
            identity: identity.digest(),
            content: Content::Rendered(Box::new(render)),
        }
    }
}
