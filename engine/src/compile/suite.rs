//! Finding and reading the suite that a pipeline, or `--suite`, names.

use std::path::Path;

use ccsr_stage::params::{Entry, Node, Span, nearest};

use super::{Compiler, SUITE_KEYS, Suite};
use crate::diagnostic::Diagnostic;
use crate::origin::built_in_name;
use crate::yaml;

impl Compiler<'_> {
    /// Loads the suite; its variables win over the pipeline's. A trial's suite wins over the one that
    /// was typed, and that over the file's.
    pub(super) fn suite(
        &mut self,
        of_trial: Option<&Node>,
        root: &Node,
        vars: &mut Vec<Entry>,
    ) -> Option<Suite> {
        let written = of_trial.or(root.get("suite"));
        let typed = self.options.suite.as_ref().filter(|_| of_trial.is_none());
        let (name, span) = match (typed, written) {
            (Some(name), _) => (name.clone(), None),
            (None, None) => return None,
            (None, Some(node)) => {
                if let Some(name) = node.as_text() {
                    (name.to_owned(), Some(node.span))
                } else {
                    let message =
                        format!("expected the name of a suite, found {}", node.described());
                    self.problem(Diagnostic::new("suite::type", message).at(node.span));
                    return None;
                }
            }
        };
        let known = self.suites.get(&name).cloned();
        let tree = known.unwrap_or_else(|| self.suite_tree(&name, span, root.span));
        self.suites.insert(name.clone(), tree.clone());
        let tree = tree?;
        let entries = self.map_of(&tree, "a suite")?;
        self.check_keys(entries, SUITE_KEYS, "a suite");
        self.check_version(&tree);
        for entry in self.section(&tree, "vars") {
            match vars.iter_mut().find(|known| known.key == entry.key) {
                Some(known) => *known = entry,
                None => vars.push(entry),
            }
        }
        let roles = self.section(&tree, "roles");
        Some(Suite { name, roles })
    }

    /// A suite's file: the path itself, `suites/<name>.yaml` beside the pipeline, or one that the
    /// program brings along.
    fn suite_tree(&mut self, name: &str, span: Option<Span>, root: Span) -> Option<Node> {
        let anchor = span.unwrap_or(root);
        let is_path = name.contains('/') || Path::new(name).extension().is_some();
        let path = if is_path {
            name.to_owned()
        } else {
            format!("suites/{name}.yaml")
        };
        // What was typed is looked for from the project first, as paths in `--set` are.
        let typed = self.project.resolve(self.project.root(), &path);
        if let Some(typed) =
            typed.filter(|path| is_path && span.is_none() && self.loader.is_file(&path.path))
        {
            return self.load(&typed.path);
        }
        match self.loader.path(&path, anchor) {
            Ok(resolved) if self.loader.is_file(&resolved.path) => {
                return self.load(&resolved.path);
            }
            Ok(_) => {}
            Err(problem) => {
                self.problem(problem);
                return None;
            }
        }
        if let Some((name, text)) = self.options.suites.iter().find(|(known, _)| *known == name) {
            let shown = built_in_name(name);
            let source = self.loader.add(&shown, self.project.root(), text);
            return yaml::parse_with(text, source, &mut self.problems);
        }
        let mut error = Diagnostic::new("suite::missing", format!("there is no suite `{name}`"));
        if let Some(span) = span {
            error = error.at(span);
        }
        let known: Vec<_> = self
            .options
            .suites
            .iter()
            .map(|(known, _)| *known)
            .collect();
        self.problem(match nearest(name, known.iter().copied()) {
            Some(near) => error.with_help(format!("did you mean `{near}`?")),
            None => error.with_help(format!(
                "it would be the file `{path}` beside the pipeline, or one of these: {}",
                known.join(", ")
            )),
        });
        None
    }
}
