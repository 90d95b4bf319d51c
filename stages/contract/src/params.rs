//! Parameters: a tree that remembers where each of its parts was written, and reading it as a
//! typed value with every problem found, each at its place.
//!
//! The tree is made from YAML by the engine; nothing here depends on that. The reader is an
//! ordinary serde deserializer, so parameters are plain structs. `untagged`, `flatten` and
//! internally tagged enums buffer the tree and lose its places: do not use them in parameters.

mod files;
mod misfit;
mod node;
mod reader;

pub use files::{Document, Documents, FilePath, FolderPath, ResolvedPath};
pub use misfit::{Misfit, Misfits};
pub use node::{Entry, Node, NodeKind, SourceId, Span};
pub use reader::{nearest, read};

/// Something wrong with a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, if a place is known; the stage's own line otherwise.
    pub span: Option<Span>,
    /// What is wrong and what was expected.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Problem {
    /// A problem without advice.
    pub fn new(span: Option<Span>, message: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            help: None,
        }
    }

    /// The same problem with advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
