//! `${vars.name}`: variables put where they are used.
//!
//! A text that is nothing but one reference becomes the variable's value, whatever its type, and
//! keeps the place where the variable was written: a wrong value is shown where it can be mended,
//! and a path resolves against the file it stands in. Inside a longer text the value is written out.
//! `$${` stands for `${`.

use std::collections::BTreeMap;
use std::sync::Arc;

use ccsr_stage::params::{Entry, Node, NodeKind, Span, nearest};

use crate::diagnostic::Diagnostic;

/// What all expansions together may amount to, in nodes and in bytes of text.
const MAX_NODES: usize = 100_000;
const MAX_TEXT: usize = 4 << 20;

/// Expands references in trees.
pub(crate) struct Interpolation {
    vars: BTreeMap<Arc<str>, Node>,
    nodes: usize,
    text: usize,
    problems: Vec<Diagnostic>,
}

impl Interpolation {
    /// Takes the `vars:` map and expands the references among the variables themselves.
    pub(crate) fn new(vars: &[Entry]) -> Self {
        let raw: BTreeMap<_, _> = vars
            .iter()
            .map(|e| (e.key.clone(), e.value.clone()))
            .collect();
        let mut this = Self {
            vars: BTreeMap::new(),
            nodes: 0,
            text: 0,
            problems: Vec::new(),
        };
        for name in raw.keys() {
            this.define(name, &raw, &mut Vec::new());
        }
        this
    }

    /// The tree with every reference replaced.
    pub(crate) fn expand(&mut self, node: &Node) -> Node {
        self.expand_with(node, &mut |this, name, span| this.lookup(name, span))
    }

    pub(crate) fn into_problems(self) -> Vec<Diagnostic> {
        self.problems
    }

    fn define(
        &mut self,
        name: &Arc<str>,
        raw: &BTreeMap<Arc<str>, Node>,
        under: &mut Vec<Arc<str>>,
    ) {
        if self.vars.contains_key(name) {
            return;
        }
        let node = &raw[name];
        under.push(name.clone());
        let value = self.expand_with(node, &mut |this, wanted, span| {
            let Some((key, _)) = raw.get_key_value(wanted) else {
                return this.unknown(wanted, span, raw.keys());
            };
            if let Some(start) = under.iter().position(|name| name == key) {
                let round: Vec<_> = under[start..].iter().map(AsRef::as_ref).collect();
                this.report(
                    Diagnostic::new(
                        "vars::cycle",
                        format!(
                            "the variable refers to itself: {} → {key}",
                            round.join(" → ")
                        ),
                    ),
                    span,
                );
                return None;
            }
            this.define(key, raw, under);
            this.vars.get(key).cloned()
        });
        under.pop();
        self.vars.insert(name.clone(), value);
    }

    fn lookup(&mut self, name: &str, span: Span) -> Option<Node> {
        match self.vars.get(name) {
            Some(node) => Some(node.clone()),
            None => {
                let names: Vec<_> = self.vars.keys().cloned().collect();
                self.unknown(name, span, names.iter())
            }
        }
    }

    fn unknown<'n>(
        &mut self,
        name: &str,
        span: Span,
        names: impl Iterator<Item = &'n Arc<str>> + Clone,
    ) -> Option<Node> {
        let mut error = Diagnostic::new("vars::unknown", format!("there is no variable `{name}`"));
        let mut listed = names
            .clone()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>();
        listed.truncate(12);
        error = match nearest(name, names.map(AsRef::as_ref)) {
            Some(near) => error.with_help(format!("did you mean `{near}`?")),
            None if listed.is_empty() => error.with_help("define it under `vars:`"),
            None => error.with_help(format!("there are {}", listed.join(", "))),
        };
        self.report(error, span);
        None
    }

    fn report(&mut self, error: Diagnostic, span: Span) {
        let error = error.at(span);
        if !self.problems.contains(&error) {
            self.problems.push(error);
        }
    }

    fn expand_with(
        &mut self,
        node: &Node,
        lookup: &mut dyn FnMut(&mut Self, &str, Span) -> Option<Node>,
    ) -> Node {
        let kind = match &node.kind {
            NodeKind::Text(text) if text.contains("${") => {
                return self.expand_text(text, node.span, lookup);
            }
            NodeKind::List(elements) => NodeKind::List(
                elements
                    .iter()
                    .map(|e| self.expand_with(e, lookup))
                    .collect(),
            ),
            NodeKind::Map(entries) => {
                let entry = |e: &Entry| Entry {
                    value: self.expand_with(&e.value, lookup),
                    ..e.clone()
                };
                NodeKind::Map(entries.iter().map(entry).collect())
            }
            other => other.clone(),
        };
        Node {
            span: node.span,
            kind,
        }
    }

    fn expand_text(
        &mut self,
        text: &str,
        span: Span,
        lookup: &mut dyn FnMut(&mut Self, &str, Span) -> Option<Node>,
    ) -> Node {
        let original = || Node {
            span,
            kind: NodeKind::Text(text.into()),
        };
        let mut written = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            if rest[..start].ends_with('$') {
                written.push_str(&rest[..start - 1]);
                written.push_str("${");
                rest = &rest[start + 2..];
                continue;
            }
            written.push_str(&rest[..start]);
            let Some(length) = rest[start..].find('}') else {
                let error = Diagnostic::new("vars::syntax", "`${` without a `}`");
                self.report(error.with_help("write `$${` for the characters `${`"), span);
                return original();
            };
            let inside = rest[start + 2..start + length].trim();
            let Some(name) = inside.strip_prefix("vars.") else {
                let error =
                    Diagnostic::new("vars::syntax", format!("`${{{inside}}}` is not a variable"));
                let help =
                    format!("write `${{vars.{inside}}}`, or `$${{` for the characters `${{`");
                self.report(error.with_help(help), span);
                return original();
            };
            let Some(value) = lookup(self, name, span) else {
                return original();
            };
            let whole = start == 0 && start + length + 1 == rest.len() && written.is_empty();
            if whole {
                return self.within_budget(value, span).unwrap_or_else(original);
            }
            match scalar_text(&value) {
                Some(value) => written.push_str(&value),
                None => {
                    let what = value.described();
                    let error = Diagnostic::new(
                        "vars::type",
                        format!("`{name}` is {what} and cannot stand inside a text"),
                    );
                    self.report(
                        error.with_help("let the reference be the whole value"),
                        span,
                    );
                    return original();
                }
            }
            self.text += written.len();
            if self.text > MAX_TEXT {
                return self.too_large(span, original);
            }
            rest = &rest[start + length + 1..];
        }
        written.push_str(rest);
        Node {
            span,
            kind: NodeKind::Text(written.into()),
        }
    }

    fn within_budget(&mut self, value: Node, span: Span) -> Option<Node> {
        self.nodes += count(&value);
        if self.nodes > MAX_NODES {
            self.too_large(span, || value.clone());
            return None;
        }
        Some(value)
    }

    fn too_large(&mut self, span: Span, original: impl FnOnce() -> Node) -> Node {
        self.report(
            Diagnostic::new("vars::too-large", "the variables expand to too much"),
            span,
        );
        original()
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.kind {
        NodeKind::List(elements) => elements.iter().map(count).sum(),
        NodeKind::Map(entries) => entries.iter().map(|entry| count(&entry.value)).sum(),
        _ => 0,
    }
}

fn scalar_text(node: &Node) -> Option<String> {
    match &node.kind {
        NodeKind::Text(text) => Some(text.to_string()),
        NodeKind::Int(number) => Some(number.to_string()),
        NodeKind::Float(number) => Some(number.to_string()),
        NodeKind::Bool(truth) => Some(truth.to_string()),
        NodeKind::Null | NodeKind::List(_) | NodeKind::Map(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;
    use ccsr_stage::params::SourceId;

    fn expand(vars: &str, text: &str) -> Result<Node, Vec<String>> {
        let vars = yaml::parse(vars, SourceId(1)).unwrap();
        let mut interpolation = Interpolation::new(vars.entries().unwrap_or_default());
        let node = interpolation.expand(&yaml::parse(text, SourceId(2)).unwrap());
        let problems = interpolation.into_problems();
        if problems.is_empty() {
            Ok(node)
        } else {
            Err(problems.iter().map(|p| p.message.clone()).collect())
        }
    }

    #[test]
    fn values_keep_their_type_and_place() {
        let node = expand(
            "n: 10\nlist: [a, b]",
            "x: ${vars.n}\ny: a-${vars.n}-$${z}\nz: ${vars.list}",
        )
        .unwrap();
        assert_eq!(node.get("x").unwrap().kind, NodeKind::Int(10));
        assert_eq!(node.get("x").unwrap().span.source, SourceId(1));
        assert_eq!(node.get("y").unwrap().as_text(), Some("a-10-${z}"));
        assert!(matches!(&node.get("z").unwrap().kind, NodeKind::List(list) if list.len() == 2));
        let node = expand("a: ${vars.b}/x\nb: y", "p: ${vars.a}").unwrap();
        assert_eq!(node.get("p").unwrap().as_text(), Some("y/x"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let errors = expand(
            "size: 1",
            "a: ${vars.sise}\nb: ${env.HOME}\nc: ${oops\nd: x${vars.size}",
        )
        .unwrap_err();
        assert_eq!(
            errors,
            [
                "there is no variable `sise`",
                "`${env.HOME}` is not a variable",
                "`${` without a `}`"
            ]
        );
        assert_eq!(
            expand("a: ${vars.b}\nb: ${vars.a}", "x: 1").unwrap_err()[0],
            "the variable refers to itself: a → b → a"
        );
        assert_eq!(
            expand("a: [1]", "x: y${vars.a}").unwrap_err(),
            ["`a` is a list and cannot stand inside a text"]
        );
    }

    #[test]
    fn a_bomb_of_variables_does_not_go_off() {
        let mut vars = "v0: xxxxxxxxxx\n".to_owned();
        for n in 1..40 {
            let below = n - 1;
            vars = format!("{vars}v{n}: \"${{vars.v{below}}}${{vars.v{below}}}\"\n");
        }
        assert!(
            expand(&vars, "x: ${vars.v39}")
                .unwrap_err()
                .contains(&"the variables expand to too much".to_owned())
        );
        let mut vars = "v0: [a, b]\n".to_owned();
        for n in 1..30 {
            let below = n - 1;
            vars = format!("{vars}v{n}: [\"${{vars.v{below}}}\", \"${{vars.v{below}}}\"]\n");
        }
        assert!(expand(&vars, "x: ${vars.v29}").is_err());
    }
}
