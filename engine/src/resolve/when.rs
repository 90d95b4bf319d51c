//! `when:`, which leaves a stage out: what a suite cannot do, or a variable does not ask for.
//!
//! A stage that is left out is not there: nothing of it is planned, keyed or recorded, and its roles and parameters are
//! not looked at, since the suite may have no such role. That it has no unknown keys and a known kind is checked. Who
//! reads it by an optional port reads nothing there; by any other, it is an error.

use ccsr_stage::params::{Entry, NodeKind, Span};

use super::{Reference, Resolver};
use crate::diagnostic::Diagnostic;

impl<'a> Resolver<'a> {
    /// The stages that are in.
    pub(super) fn chosen(&mut self, stages: &'a [Entry]) -> Vec<&'a Entry> {
        let mut chosen = Vec::with_capacity(stages.len());
        for entry in stages {
            match self.left_out(entry) {
                None => chosen.push(entry),
                Some(when) => {
                    self.keys(entry);
                    self.kind(entry);
                    self.left_out.insert(entry.key.clone(), when);
                }
            }
        }
        if chosen.is_empty() && !stages.is_empty() {
            let message = "every stage is left out";
            let help = "`when` is false at all of them".to_owned();
            self.problem("pipeline::empty", stages[0].key_span, message, Some(help));
        }
        chosen
    }

    /// Where it says that it is left out.
    fn left_out(&mut self, entry: &Entry) -> Option<Span> {
        let when = entry.value.get("when")?;
        match when.kind {
            NodeKind::Bool(false) => return Some(when.span),
            NodeKind::Bool(true) | NodeKind::Null => {}
            _ => {
                let message = format!("expected `true` or `false`, found {}", when.described());
                let help =
                    "write `when: ${vars.NAME}`, and `vars: {NAME: true}` in a suite or here";
                self.problem("stage::when", when.span, message, Some(help.to_owned()));
            }
        }
        None
    }

    /// Whether nothing is read there because the stage is left out. An error, unless the port is optional.
    pub(super) fn reads_nothing(
        &mut self,
        reader: &str,
        is_optional: bool,
        reference: &Reference,
    ) -> bool {
        let Some(when) = reference.left_out else {
            return false;
        };
        if !is_optional {
            let read = &reference.name;
            let message = format!("`{reader}` reads `{read}`, which is left out");
            let help = format!("leave `{reader}` out by the same condition: `when: …`");
            self.problems.push(
                Diagnostic::new("from::left-out", message)
                    .at(reference.span)
                    .with_related(when, format!("`when` of `{read}` is false"))
                    .with_help(help),
            );
        }
        true
    }
}
