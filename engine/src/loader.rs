//! Files on their way in: texts are read once, parsed, and remembered so that every problem can
//! show its line.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use ccsr_stage::params::{Documents, Node, Problem, ResolvedPath, SourceId, Span};

use crate::diagnostic::Diagnostic;
use crate::project::Project;
use crate::source::Sources;
use crate::yaml;

/// What stands for the file of a text that stands in none.
pub(crate) const NO_FILE: &str = "<text>";

/// Reads the files of one compilation.
pub(crate) struct Loader<'a> {
    project: &'a Project,
    sources: RefCell<Sources>,
    /// What was parsed without a problem: the trials of a sweep read the same files.
    trees: RefCell<HashMap<SourceId, Node>>,
}

impl<'a> Loader<'a> {
    /// A loader that has these texts already.
    pub(crate) fn new(project: &'a Project, sources: Sources) -> Self {
        Self {
            project,
            sources: RefCell::new(sources),
            trees: RefCell::default(),
        }
    }

    /// Whether there is a file to read.
    pub(crate) fn is_file(&self, path: &Path) -> bool {
        self.has_read(path) || path.is_file()
    }

    pub(crate) fn into_sources(self) -> Sources {
        self.sources.into_inner()
    }

    /// The texts that were read so far.
    pub(crate) fn sources(&self) -> Sources {
        self.sources.borrow().clone()
    }

    /// Reads and parses a file. A tree that is good enough to go on with comes back beside the
    /// problems, so that what is wrong further in is told in the same go.
    pub(crate) fn file(&self, path: &Path, problems: &mut Vec<Diagnostic>) -> Option<Node> {
        let name = self.project.display(path);
        let read = self.sources.borrow_mut().read(name, path);
        let id = read.map_err(|problem| problems.push(problem)).ok()?;
        if let Some(tree) = self.trees.borrow().get(&id) {
            return Some(tree.clone());
        }
        let text = self.sources.borrow().get(id).text.clone();
        let before = problems.len();
        let tree = yaml::parse_with(&text, id, problems)?;
        if problems.len() == before {
            self.trees.borrow_mut().insert(id, tree.clone());
        }
        Some(tree)
    }

    /// Adds a text that stands in no file and is treated as if it stood in `folder`.
    pub(crate) fn add(&self, name: &str, folder: &Path, text: &str) -> SourceId {
        self.sources
            .borrow_mut()
            .add(name, folder.join(NO_FILE), text)
    }

    /// The folder against which paths written in a source resolve.
    pub(crate) fn folder_of(&self, source: SourceId) -> PathBuf {
        let sources = self.sources.borrow();
        sources
            .get(source)
            .path
            .parent()
            .unwrap_or(self.project.root())
            .to_owned()
    }

    /// Whether files written to this place could get among those of the cache.
    pub(crate) fn meets_cache(&self, path: &Path) -> bool {
        let cache = self.project.cache();
        path.starts_with(cache) || cache.starts_with(path)
    }

    /// Whether a file was read for this compilation.
    pub(crate) fn has_read(&self, path: &Path) -> bool {
        self.sources.borrow().find(path).is_some()
    }

    /// Resolves a path that was written at `span`.
    pub(crate) fn path(&self, path: &str, span: Span) -> Result<ResolvedPath, Diagnostic> {
        if path.is_empty() || path.contains('\0') {
            return Err(Diagnostic::new("path::empty", "expected a path, found nothing").at(span));
        }
        let folder = self.folder_of(span.source);
        self.project.resolve(&folder, path).ok_or_else(|| {
            Diagnostic::new(
                "path::outside",
                format!("the path `{path}` leaves the project"),
            )
            .at(span)
            .with_label(format!("resolved against `{}`", folder.display()))
            .with_help(format!(
                "the project is `{}`; copy or link what you need into it",
                self.project.root().display()
            ))
        })
    }
}

impl Documents for Loader<'_> {
    fn resolve(&self, path: &str, span: Span) -> Result<ResolvedPath, Problem> {
        self.path(path, span).map_err(Problem::from)
    }

    fn model(&self, id: &str) -> Result<PathBuf, String> {
        let nowhere = || format!("this program knows no place for the model `{id}`");
        self.project.models().ok_or_else(nowhere)?.folder(id)
    }

    fn load(&self, path: &ResolvedPath, span: Span) -> Result<Node, Vec<Problem>> {
        if !self.is_file(&path.path) {
            let problem = Problem::new(Some(span), format!("there is no file `{}`", path.display));
            return Err(vec![
                problem.with_help("paths are relative to the file that names them"),
            ]);
        }
        let mut problems = Vec::new();
        match self.file(&path.path, &mut problems) {
            Some(tree) if problems.is_empty() => Ok(tree),
            _ => Err(problems.into_iter().map(Problem::from).collect()),
        }
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        self.project.variable(name).map(OsStr::to_owned)
    }
}
