//! Roles: every implementation that the suite names must exist, and a stage gets those it needs.

use ccsr_stage::params::{Entry, Node, NodeKind};
use ccsr_stage::{Kind, Roles};

use super::{ROLE_KEYS, Resolver, near_or_list, placed};
use crate::compile::unknown_key;
use crate::diagnostic::Diagnostic;

impl Resolver<'_> {
    /// Every role of the suite must exist, also those that this pipeline does not need.
    pub(super) fn check_suite(&mut self) {
        let Some(suite) = self.suite else { return };
        let known = self.registry.role_names();
        for role in &suite.roles {
            if !known.contains(&role.key.as_ref()) {
                let help = near_or_list(&role.key, known.iter().copied());
                self.problem(
                    "suite::role",
                    role.key_span,
                    format!("there is no role `{}`", role.key),
                    Some(help),
                );
                continue;
            }
            for entry in role.value.entries().unwrap_or_default() {
                if !ROLE_KEYS.contains(&entry.key.as_ref()) {
                    self.problems.push(unknown_key(entry, ROLE_KEYS, "a role"));
                }
            }
            let Some(name) = role.value.get("use") else {
                self.problem(
                    "suite::role",
                    role.value.span,
                    "`use` is missing: which implementation?",
                    None,
                );
                continue;
            };
            let implementations = self.registry.implementations(&role.key);
            if !name
                .as_text()
                .is_some_and(|name| implementations.contains(&name))
            {
                let help = near_or_list(
                    name.as_text().unwrap_or_default(),
                    implementations.into_iter(),
                );
                let message = format!("{} does not fill the role `{}`", name.described(), role.key);
                self.problem("suite::role", name.span, message, Some(help));
            }
        }
    }

    pub(super) fn roles(&mut self, kind: &Kind, entry: &Entry) -> Option<Roles> {
        let mut roles = Roles::default();
        for role in kind.roles {
            let uses = entry
                .value
                .get("uses")
                .map_or(entry.key_span, |uses| uses.span);
            let Some(suite) = self.suite else {
                if self.suite_is_broken {
                    return None;
                }
                let help =
                    "name a suite: `suite: world` in the file, or `--suite world`".to_owned();
                let message = format!("`{}` needs a suite that fills the role `{role}`", kind.name);
                self.problem("suite::none", uses, message, Some(help));
                return None;
            };
            let Some(bound) = suite.roles.iter().find(|entry| &*entry.key == *role) else {
                let filled = suite
                    .roles
                    .iter()
                    .map(|role| role.key.as_ref())
                    .collect::<Vec<_>>()
                    .join(", ");
                let help = if filled.is_empty() {
                    "it fills no role".to_owned()
                } else {
                    format!("it fills {filled}")
                };
                let message = format!(
                    "`{}` needs a `{role}`, which the suite `{}` does not fill",
                    kind.name, suite.name
                );
                self.problem("suite::role", uses, message, Some(help));
                return None;
            };
            // What is wrong with the role itself was said once, by `check_suite`.
            let implementation = self
                .registry
                .role(role, bound.value.get("use").and_then(Node::as_text)?)?;
            let with = bound
                .value
                .get("with")
                .filter(|node| !matches!(node.kind, NodeKind::Null));
            match (implementation.build)(with, self.loader) {
                Ok(bound) => roles.bind(*role, bound),
                Err(problems) => {
                    for problem in problems {
                        let problem = placed(problem, bound.key_span);
                        self.problems
                            .push(Diagnostic::from_problem("suite::setting", problem));
                    }
                    return None;
                }
            }
        }
        Some(roles)
    }
}
