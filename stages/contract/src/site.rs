//! Where a stage is written, for stage kinds that reach beyond their parameters: those that start
//! external programs, which find files and variables as programs do.

use std::ffi::OsString;

use crate::params::{Documents, Node, NodeKind, Problem, ResolvedPath, SourceId, Span};
use crate::{Misfit, Misfits};

/// Where a stage is written, and what is to be found there.
pub struct Site<'a> {
    with: &'a Node,
    documents: &'a dyn Documents,
}

impl<'a> Site<'a> {
    /// The place of a `with:` block.
    pub const fn new(with: &'a Node, documents: &'a dyn Documents) -> Self {
        Self { with, documents }
    }

    /// The folder of the file in which the parameter `name` is written: paths written there are
    /// relative to it.
    ///
    /// # Errors
    /// That there is no such folder, at the parameter.
    pub fn folder(&self, name: &str) -> Result<ResolvedPath, Misfits> {
        self.resolve(name, ".")
            .map_err(|message| Misfit::new([name], message).into())
    }

    /// The path `path` of the parameter `name`.
    ///
    /// # Errors
    /// A sentence, if it leads out of the project.
    pub fn resolve(&self, name: &str, path: &str) -> Result<ResolvedPath, String> {
        let span = self.with.get(name).unwrap_or(self.with).span;
        let resolved = self.documents.resolve(path, span);
        resolved.map_err(|problem| problem.message)
    }

    /// A variable of the environment that the whole program was started in.
    pub fn variable(&self, name: &str) -> Option<OsString> {
        self.documents.variable(name)
    }
}

impl Site<'static> {
    /// That of parameters that nobody wrote down: paths are relative to the working folder, and
    /// there are no variables.
    pub const fn nowhere() -> Self {
        Self::new(&NOTHING, &Nowhere)
    }
}

static NOTHING: Node = Node {
    span: Span {
        source: SourceId(0),
        start: 0,
        end: 0,
    },
    kind: NodeKind::Map(Vec::new()),
};

struct Nowhere;

impl Documents for Nowhere {
    fn resolve(&self, path: &str, _: Span) -> Result<ResolvedPath, Problem> {
        Ok(ResolvedPath {
            path: path.into(),
            display: path.to_owned(),
        })
    }

    fn load(&self, path: &ResolvedPath, span: Span) -> Result<Node, Vec<Problem>> {
        let message = format!("`{}` cannot be read here", path.display);
        Err(vec![Problem::new(Some(span), message)])
    }
}
