//! A pipeline file and all that it includes, merged.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ccsr_stage::params::{Entry, Node, NodeKind};

use super::{Compiler, INCLUDE_KEYS, PIPELINE_KEYS};
use crate::diagnostic::Diagnostic;

/// What an included pipeline says for those that include it, unless they say something else.
const INHERITED: &[&str] = &["suite", "seed"];

/// What files that include each other come to.
#[derive(Default)]
pub(super) struct Parts {
    /// `suite` and `seed`.
    pub(super) inherited: Vec<Entry>,
    pub(super) vars: Vec<Entry>,
    pub(super) stages: Vec<Entry>,
}

/// Adds the entries whose keys are new.
fn add(known: &mut Vec<Entry>, entries: impl IntoIterator<Item = Entry>) {
    for entry in entries {
        if !known.iter().any(|known| known.key == entry.key) {
            known.push(entry);
        }
    }
}

impl Compiler<'_> {
    /// Collects `vars:` and `stages:` of a file and of all that it includes, and what they inherit. A
    /// variable of the including file wins; a stage may be defined once.
    pub(super) fn merge(
        &mut self,
        root: &Node,
        path: &Path,
        chain: &mut Vec<PathBuf>,
        parts: &mut Parts,
    ) {
        let entries = root.entries().unwrap_or_default();
        let inherited = entries
            .iter()
            .filter(|entry| INHERITED.contains(&&*entry.key));
        add(&mut parts.inherited, inherited.cloned());
        add(&mut parts.vars, self.section(root, "vars"));
        let includes = match root.get("include") {
            None => Vec::new(),
            Some(Node {
                kind: NodeKind::List(files),
                ..
            }) => files.clone(),
            Some(node) => vec![node.clone()],
        };
        for file in includes {
            self.include(&file, path, chain, parts);
        }
        // Names are unique within a file, so only other files are of interest.
        let known: HashMap<_, _> = parts
            .stages
            .iter()
            .map(|stage| (stage.key.clone(), stage.key_span))
            .collect();
        for entry in self.section(root, "stages") {
            match known.get(&entry.key) {
                None => parts.stages.push(entry),
                Some(&related) => {
                    let message = format!("the stage `{}` is defined twice", entry.key);
                    self.problem(
                        Diagnostic::new("pipeline::duplicate-stage", message)
                            .at(entry.key_span)
                            .with_related(related, "it was defined here first"),
                    );
                }
            }
        }
    }

    fn include(&mut self, file: &Node, from: &Path, chain: &mut Vec<PathBuf>, parts: &mut Parts) {
        let Some(text) = file.as_text() else {
            let message = format!("expected the path of a file, found {}", file.described());
            return self.problem(Diagnostic::new("include::type", message).at(file.span));
        };
        let resolved = match self.loader.path(text, file.span) {
            Ok(resolved) => resolved,
            Err(problem) => return self.problem(problem),
        };
        if chain.contains(&resolved.path) {
            let message = format!(
                "`{}` includes itself, by way of `{}`",
                resolved.display,
                self.project.display(from)
            );
            return self.problem(Diagnostic::new("include::cycle", message).at(file.span));
        }
        if !self.loader.is_file(&resolved.path) {
            let message = format!("there is no file `{}`", resolved.display);
            return self.problem(
                Diagnostic::new("include::missing", message)
                    .at(file.span)
                    .with_help("paths are relative to the file that names them"),
            );
        }
        if !self.included.insert(resolved.path.clone()) {
            return;
        }
        let Some(root) = self.load(&resolved.path) else {
            return;
        };
        let Some(entries) = self.map_of(&root, "a file of variables and stages") else {
            return;
        };
        // One with a version is a pipeline of its own, whose name and sweeps stay with it.
        if root.get("version").is_some() {
            self.check_version(&root);
            self.check_keys(entries, PIPELINE_KEYS, "a pipeline");
        } else {
            self.check_keys(entries, INCLUDE_KEYS, "an included file");
        }
        chain.push(resolved.path.clone());
        self.merge(&root, &resolved.path, chain, parts);
        chain.pop();
    }

    pub(super) fn section(&mut self, root: &Node, key: &str) -> Vec<Entry> {
        match root.get(key) {
            None
            | Some(Node {
                kind: NodeKind::Null,
                ..
            }) => Vec::new(),
            Some(node) => self
                .map_of(node, &format!("`{key}`"))
                .unwrap_or_default()
                .to_vec(),
        }
    }
}
