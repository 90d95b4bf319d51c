//! Ports: what a stage reads is bound to what another writes, column by column.

use std::collections::BTreeMap;
use std::sync::Arc;

use ccsr_stage::params::{Node, NodeKind, Span};
use ccsr_stage::{InputPort, OutputPort, Schema, Schemas};

use super::{Part, Reference, Resolver, near_or_list};
use crate::pipeline::{Binding, StageNode};

impl Resolver<'_> {
    pub(super) fn references(&mut self, part: Option<&Part<'_>>) -> Vec<Reference> {
        let Some(from) = part.and_then(|part| part.entry.value.get("from")) else {
            return Vec::new();
        };
        match &from.kind {
            NodeKind::Null => Vec::new(),
            NodeKind::Text(_) => self.reference(None, from).into_iter().collect(),
            NodeKind::Map(entries) => entries
                .iter()
                .filter_map(|entry| {
                    self.reference(Some((entry.key.to_string(), entry.key_span)), &entry.value)
                })
                .collect(),
            _ => {
                let message = format!(
                    "expected `stage`, `stage.port` or a map of ports, found {}",
                    from.described()
                );
                self.problem("from::type", from.span, message, None);
                Vec::new()
            }
        }
    }

    fn reference(&mut self, port: Option<(String, Span)>, node: &Node) -> Option<Reference> {
        let Some(text) = node.as_text() else {
            let message = format!(
                "expected `stage` or `stage.port`, found {}",
                node.described()
            );
            self.problem("from::type", node.span, message, None);
            return None;
        };
        let (name, output) = match text.split_once('.') {
            Some((name, output)) => (name, Some(output.to_owned())),
            None => (text, None),
        };
        let left_out = self.left_out.get(name).copied();
        let stage = self.names.get(name).copied();
        if stage.is_none() && left_out.is_none() {
            let mut names: Vec<_> = self.names.iter().collect();
            names.sort_by_key(|(_, stage)| **stage);
            let help = near_or_list(name, names.into_iter().map(|(name, _)| name.as_ref()));
            self.problem(
                "from::stage",
                node.span,
                format!("there is no stage `{name}`"),
                Some(help),
            );
            return None;
        }
        Some(Reference {
            port,
            name: name.to_owned(),
            stage,
            left_out,
            output,
            span: node.span,
        })
    }

    /// Binds a stage's input ports and asks for its outputs.
    pub(super) fn bind(
        &mut self,
        part: Part<'_>,
        references: &[Reference],
        built: &[Option<StageNode>],
    ) -> Option<StageNode> {
        let name = part.entry.key.to_string();
        let inputs = part.stage.inputs();
        let mut bindings = BTreeMap::new();
        let mut schemas = Schemas::new();
        let before = self.problems.len();
        let built_one = |reference: &Reference| {
            reference
                .stage
                .and_then(|id| Some((id, built[id.0].as_ref()?)))
        };
        for reference in references {
            let Some(port) = self.input_port(&name, &inputs, reference) else {
                continue;
            };
            if self.reads_nothing(&name, port.optional, reference) {
                continue;
            }
            // A stage that could not be built said why; what reads it has nothing to add.
            let Some((stage, upstream)) = built_one(reference) else {
                continue;
            };
            let Some(output) = self.output_port(upstream, reference) else {
                continue;
            };
            self.check_columns(&name, port, upstream, output, reference);
            schemas.insert(port.name, Arc::new(output.schema.clone()));
            bindings.insert(
                port.name,
                Binding {
                    stage,
                    port: output.name,
                },
            );
        }
        // What a reference that names nothing should have named was said where it stands.
        let written = match part.entry.value.get("from").map(|from| &from.kind) {
            None | Some(NodeKind::Null) => 0,
            Some(NodeKind::Map(entries)) => entries.len(),
            Some(_) => 1,
        };
        let unbuilt = references.len() < written
            || references
                .iter()
                .any(|reference| reference.left_out.is_none() && built_one(reference).is_none());
        for port in inputs
            .iter()
            .filter(|port| !port.optional && !bindings.contains_key(port.name))
        {
            if unbuilt || self.problems.len() > before {
                return None;
            }
            let message = format!("`{name}` reads nothing on its port `{}`", port.name);
            let help = format!("say where it comes from: `from: {{{}: STAGE}}`", port.name);
            self.problem("from::missing", part.entry.key_span, message, Some(help));
        }
        if unbuilt || self.problems.len() > before {
            return None;
        }
        let outputs = match part.stage.outputs(&schemas) {
            Ok(outputs) => outputs,
            Err(error) => {
                let span = part
                    .entry
                    .value
                    .get("with")
                    .map_or(part.entry.key_span, |with| with.span);
                self.problem("stage::input", span, error.to_string(), None);
                return None;
            }
        };
        let target = part.entry.value.get("outputs");
        let exports = self.exports(part.stage.as_ref(), &outputs, target);
        Some(StageNode {
            name,
            kind: part.kind.name,
            revision: part.kind.revision,
            table_revision: part.kind.table_revision,
            uses_model: !part.kind.roles.is_empty(),
            stage: part.stage,
            roles: part.roles,
            bindings,
            outputs,
            exports,
            execution: part.execution,
            span: part.entry.key_span,
        })
    }

    fn input_port<'p>(
        &mut self,
        stage: &str,
        inputs: &'p [InputPort],
        reference: &Reference,
    ) -> Option<&'p InputPort> {
        let Some((wanted, span)) = &reference.port else {
            let first = inputs
                .iter()
                .find(|port| !port.optional)
                .or_else(|| inputs.first());
            if first.is_none() {
                let message = format!("`{stage}` reads no table");
                self.problem(
                    "from::port",
                    reference.span,
                    message,
                    Some("leave `from` out".to_owned()),
                );
            }
            return first;
        };
        let port = inputs.iter().find(|port| port.name == wanted);
        if port.is_none() {
            let help = near_or_list(wanted, inputs.iter().map(|port| port.name));
            self.problem(
                "from::port",
                *span,
                format!("`{stage}` has no port `{wanted}`"),
                Some(help),
            );
        }
        port
    }

    fn output_port<'p>(
        &mut self,
        upstream: &'p StageNode,
        reference: &Reference,
    ) -> Option<&'p OutputPort> {
        let Some(wanted) = &reference.output else {
            return upstream.outputs.first();
        };
        let port = upstream.outputs.iter().find(|port| port.name == wanted);
        if port.is_none() {
            let help = near_or_list(wanted, upstream.outputs.iter().map(|port| port.name));
            let message = format!("`{}` writes no table `{wanted}`", upstream.name);
            self.problem("from::port", reference.span, message, Some(help));
        }
        port
    }

    fn check_columns(
        &mut self,
        stage: &str,
        port: &InputPort,
        upstream: &StageNode,
        output: &OutputPort,
        reference: &Reference,
    ) {
        for (column, wanted) in &port.columns {
            let table = format!("{}.{}", upstream.name, output.name);
            match output.schema.get(column) {
                Some(found) if found.serves(*wanted) => {}
                Some(found) => self.problem(
                    "from::column",
                    reference.span,
                    format!(
                        "`{stage}` needs {} in the column `{column}`; `{table}` has {} there",
                        wanted.described(),
                        found.described()
                    ),
                    None,
                ),
                None => {
                    let help = columns_help(column, &output.schema);
                    let message =
                        format!("`{stage}` needs a column `{column}`; `{table}` has none");
                    self.problem("from::column", reference.span, message, Some(help));
                }
            }
        }
    }
}

fn columns_help(column: &str, schema: &Schema) -> String {
    near_or_list(
        column,
        schema
            .columns()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
            .into_iter(),
    )
}
